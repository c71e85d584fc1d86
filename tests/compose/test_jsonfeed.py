from __future__ import annotations

import json
from typing import Any

from feed_samples import SHOWN, document, hostile_document, item

from feed_publisher.compose.feeds import render
from feed_publisher.domain.model import FeedDocument, FeedFormat


def loaded(feed: FeedDocument) -> Any:
    return json.loads(render(feed, FeedFormat.JSON))


def test_feed() -> None:
    assert loaded(document()) == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "The Quay & Tide",
        "description": "News from the <waterfront>",
        "home_page_url": "https://mag.example/topics/harbour",
        "feed_url": "https://mag.example/feeds/harbour.json",
        "language": "en",
        "items": [],
    }


def test_item() -> None:
    (entry,) = loaded(document(item(1, language="fr")))["items"]
    assert entry == {
        "id": item(1).id,
        "url": "https://mag.example/2026/1",
        "title": "Ferry returns to the old pier",
        "content_html": item(1).content_html,
        "summary": "Three boats <a day> & a night one",
        "date_published": "2026-03-02T08:30:00.000250+00:00",
        "date_modified": "2026-03-02T08:35:00.000257+00:00",
        "authors": [{"name": "Ada Ruiz"}],
        "tags": ["Harbour & Quay", "Science"],
        "language": "fr",
    }


def test_summary_stands_in_for_missing_content() -> None:
    bare, empty = loaded(document(item(1, content_html=""), item(2, content_html="", summary="")))["items"]
    assert bare["content_text"] == bare["summary"] == item(1).summary
    assert "content_html" not in bare
    assert empty["content_text"] == ""
    assert "summary" not in empty


def test_keys_without_value_are_left_out() -> None:
    feed = loaded(document(item(1, authors=("\x00",), topics=(), language="en"), subtitle="", language=""))
    assert not {"description", "language"} & set(feed)
    (entry,) = feed["items"]
    assert not {"authors", "tags"} & set(entry)
    assert entry["language"] == "en"


def test_titles_are_exact_and_hostile_characters_gone() -> None:
    assert [entry["title"] for entry in loaded(hostile_document())["items"]] == SHOWN


def test_bytes_are_readable_utf8_with_a_last_line_end() -> None:
    data = render(hostile_document(), FeedFormat.JSON)
    assert "\U0001f40b".encode() in data
    assert b"\\u" not in data
    assert data.endswith(b"}\n")
    assert data == render(hostile_document(), FeedFormat.JSON)
