"""JSON Feeds as others serve them."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feedentry import MAX_CONTENT, MAX_ENTRIES
from feed_publisher.parse.jsonfeed import read_jsonfeed

RULES = ParseRules(base="https://mag.test/feeds/all.json")


def read(document: object, rules: ParseRules = RULES) -> Reading:
    return read_jsonfeed(json.dumps(document).encode(), "f", rules)


def one(item: dict[str, object], **feed: object):
    reading = read({"items": [item], **feed})
    assert reading.problems == ()
    return reading.drafts[0]


def test_a_whole_feed():
    reading = read(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "Harbour",
            "language": "en",
            "home_page_url": "https://mag.test/",
            "feed_url": "all.json",
            "next_url": "all.json?page=2",
            "hubs": [
                "x",
                {"type": "rssCloud", "url": "https://no.test/"},
                {"type": "WebSub", "url": "https://hub.test/"},
            ],
            "authors": [{"name": "The Desk"}],
            "items": [
                {
                    "id": 7,
                    "url": "/fog",
                    "external_url": "https://other.test/",
                    "title": "Fog &amp; rain",
                    "content_html": "<p onclick=x>Thick <a href='more'>grey</a></p>",
                    "summary": "Short.",
                    "authors": [{"name": "Ann Po"}, {"url": "https://b.test"}],
                    "tags": ["Sea", "News", "Sea"],
                    "date_published": "2026-11-20T07:30:00+01:00",
                    "language": "de",
                },
                {
                    "id": "8",
                    "content_text": "One <b>.\n\nTwo.",
                    "date_modified": "2026-11-21T00:00:00Z",
                    "language": "EN",
                },
            ],
        }
    )
    first, second = reading.drafts
    assert reading.problems == ()
    assert (first.explicit_id, first.link, first.title) == ("7", "https://mag.test/fog", "Fog &amp; rain")
    assert '<a href="https://mag.test/feeds/more"' in first.content_html
    assert (first.summary, first.authors, first.topics) == ("Short.", ("Ann Po",), ("Sea", "News"))
    assert (first.published, first.language) == (datetime(2026, 11, 20, 6, 30, tzinfo=UTC), "de")
    assert (second.title, second.authors, second.language) == ("One <b>. Two.", ("The Desk",), None)
    assert (second.link, second.place) == (None, 1)
    assert second.published == datetime(2026, 11, 21, tzinfo=UTC)
    about = reading.about
    assert (about.kind, about.title, about.language) == ("json feed", "Harbour", "en")
    assert (about.itself, about.hub) == (RULES.base, "https://hub.test/")
    assert about.older == "https://mag.test/feeds/all.json?page=2"


@pytest.mark.parametrize("date", ["yesterday", "0000-00-00", "2026-11-22T07:30:00+99:99", 7, None, ""])
def test_a_date_that_is_none_is_no_error(date):
    assert one({"title": "x", "date_published": date}).published is None


def test_author_of_version_1():
    assert one({"title": "x", "author": {"name": "Ann Po"}}).authors == ("Ann Po",)
    assert one({"title": "x"}, author={"name": "The Desk"}).authors == ("The Desk",)
    assert one({"title": "x"}, authors=[7]).authors == ()


def test_a_broken_item_is_one_problem():
    reading = read(
        {"items": [7, {"id": "x"}, {"title": "y", "tags": {}}, {"id": "x" * 5_000, "title": "z"}, {"title": "ok"}]}
    )
    assert [draft.title for draft in reading.drafts] == ["ok"]
    assert [problem.where for problem in reading.problems] == [
        "f: items[0]", "f: items[1]", "f: items[2].tags", "f: items[3].id"]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON Feed"),
        (b'{"items": 7}', "not a JSON Feed"),
        (b'{"title": "x"}', "not a JSON Feed"),
        (b"[" * 100_000, "nested"),
        (b"<html>", "not JSON"),
        (b'{"items": [' + b"1" * 9_999 + b"]}", "digits"),
    ],
)
def test_what_is_no_json_feed(data, says):
    reading = read_jsonfeed(data, "f", RULES)
    assert reading.drafts == ()
    assert says in reading.problems[0].reason


def test_caps():
    reading = read({"items": [{"title": f"T{n}"} for n in range(6_000)]})
    assert len(reading.drafts) == MAX_ENTRIES
    assert "6,000" in reading.problems[0].reason
    reading = read({"items": [{"title": "x", "summary": "s", "content_html": "x" * (MAX_CONTENT + 1)}]})
    assert (reading.drafts[0].summary, reading.drafts[0].content_html) == ("s", "")
    assert reading.problems[0].where == "f: items[0]"


def test_half_characters_and_controls_vanish():
    assert read_jsonfeed(b'{"items": [{"title": "F\\ud800o\\u0000g"}]}', "f", RULES).drafts[0].title == "Fog"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "url", "type"]), inner, max_size=3)
    ),
    max_leaves=4,
)
_KEYS = [
    "id",
    "url",
    "title",
    "summary",
    "content_html",
    "content_text",
    "authors",
    "tags",
    "date_published",
    "language",
]
_ITEMS = st.lists(_VALUES | st.dictionaries(st.sampled_from(_KEYS), _VALUES), max_size=3)
_FEEDS = st.dictionaries(st.sampled_from(["title", "hubs", "next_url", "feed_url", "authors", "language"]), _VALUES)


@given(_FEEDS, _ITEMS)
def test_anything_is_read(feed, items):
    reading = read({**feed, "items": items})
    assert len(reading.drafts) + len(reading.problems) >= len(items)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data):
    assert isinstance(read_jsonfeed(data, "f", RULES), Reading)
