"""Every JSON Feed of a rich site is as version 1.1 of the specification says: its keys and their types."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flow.flow_site import Site

TEXT = "text"
FILLED = "filled"
URL = "url"
DATE = "date"
COUNT = "count"
TRUTH = "truth"

AUTHOR = {"name": FILLED, "url": URL, "avatar": URL}
ATTACHMENT = {"url!": URL, "mime_type!": FILLED, "title": FILLED, "size_in_bytes": COUNT, "duration_in_seconds": COUNT}
ITEM = {
    "id!": FILLED,
    "url": URL,
    "external_url": URL,
    "title": FILLED,
    "content_html": TEXT,
    "content_text": TEXT,
    "summary": FILLED,
    "image": URL,
    "banner_image": URL,
    "date_published": DATE,
    "date_modified": DATE,
    "authors": [AUTHOR],
    "tags": [FILLED],
    "language": FILLED,
    "attachments": [ATTACHMENT],
}
FEED = {
    "version!": FILLED,
    "title!": FILLED,
    "home_page_url": URL,
    "feed_url": URL,
    "description": FILLED,
    "user_comment": FILLED,
    "next_url": URL,
    "icon": URL,
    "favicon": URL,
    "authors": [AUTHOR],
    "language": FILLED,
    "expired": TRUTH,
    "hubs": [{"type!": FILLED, "url!": URL}],
    "items!": [ITEM],
}
CHECKS: dict[str, Any] = {
    TEXT: lambda value: isinstance(value, str),
    FILLED: lambda value: isinstance(value, str) and bool(value.strip()),
    URL: lambda value: isinstance(value, str) and urlsplit(value).scheme in ("http", "https"),
    DATE: lambda value: datetime.fromisoformat(value).tzinfo is not None,
    COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    TRUTH: lambda value: isinstance(value, bool),
}


def faults(value: Any, shape: Any, where: str) -> list[str]:
    """What is not as the specification says. A key with "!" must be there."""
    match shape:
        case str():
            return [] if CHECKS[shape](value) else [f"{where} is not {shape}: {value!r}"]
        case [inner]:
            if not isinstance(value, list) or (not value and inner is not ITEM):
                return [f"{where} is no list of something"]
            return [fault for n, each in enumerate(value) for fault in faults(each, inner, f"{where}[{n}]")]
    known = {key.rstrip("!"): inner for key, inner in shape.items()}
    found = [f"{where} has no {key[:-1]}" for key in shape if key.endswith("!") and key[:-1] not in value]
    found += [f"{where} has the unknown key {key}" for key in value if key not in known]
    return found + [
        fault for key in value.keys() & known.keys() for fault in faults(value[key], known[key], f"{where}.{key}")
    ]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Every kind of feed, both forms, an archive, an ended topic, a logo, hubs."""
    site = Site(tmp_path / "site").make()
    site.configure(
        site='logo = "https://mag.example/logo.png"\n[websub]\nhub = true\nhubs = ["https://hub.example/"]\n',
        digest='[[topics]]\nslug = "old"\ntitle = "Old"\nended = true\n'
        '[[feeds]]\nslug = "both"\ntitle = "Both"\ntopics = ["ships", "birds"]\n',
    )
    rich = {
        "summary": "She lit it 1 < 2 times & \u0001left.",
        "content_html": "<p>She <em>lit</em> it.</p>",
        "authors": ["Ann Lee", "Bo Østergård"],
        "topics": ["Ships", "Birds", "Old"],
        "language": "de",
        "image": {"url": "https://mag.example/keeper.jpg", "alt": "A keeper", "credit": "Bo"},
        "enclosures": [{"url": "https://mag.example/keeper.mp3", "type": "audio/mpeg", "length": 123456}],
    }
    plain = {"topics": ["Ships"]}
    articles = [{"id": f"{n}", "title": f"Article <{n}>", **(rich if n % 3 == 0 else plain)} for n in range(120)]
    site.pickup(site.write("a.json", json.dumps(articles)))
    with site.open() as app:
        for slug in ("authors/ann-lee", "lang/de", "birds+ships"):
            assert app.make_feed(slug, both_forms=False)
        for slug in ("all", "ships", "both", "lang/de", "birds+ships"):
            assert app.make_feed(slug, both_forms=True)
    return site


def test_every_document_is_a_json_feed(site: Site) -> None:
    documents = {str(file.relative_to(site.feed(""))): file for file in site.feed("").rglob("*.json")}
    names = {"all", "all.summary", "all/1", "old", "both.summary", "authors/ann-lee", "lang/de.summary", "birds+ships"}
    assert {f"{name}.json" for name in names} <= documents.keys()
    keys: set[str] = set()
    for name, file in documents.items():
        feed = json.loads(file.read_text())
        assert faults(feed, FEED, name) == []
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["feed_url"].endswith(f"/feeds/{name}")
        for item in feed["items"]:
            assert "content_html" in item or "content_text" in item, item
            keys |= item.keys()
    assert keys >= {"image", "attachments", "authors", "tags", "language", "summary", "date_modified"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"title": ""}, "x.title is not filled: ''"),
        ({"items": None}, "x.items is no list of something"),
        ({"items": [{"id": 7}]}, "x.items[0].id is not filled: 7"),
        ({"hubs": [{"url": "https://hub.example/"}]}, "x.hubs[0] has no type"),
        ({"author": {"name": "Ann"}}, "x has the unknown key author"),
    ],
)
def test_the_check_finds_faults(change: dict[str, Any], fault: str) -> None:
    assert faults({"version": "1", "title": "T", "items": []} | change, FEED, "x") == [fault]
