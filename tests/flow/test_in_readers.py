"""A rich article as reader programs show it: newsboat, the library reader, feedparser; over HTTP, in every format."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser
import feedparser_sgmllib
import httpx2
import pytest
from flow.websub_world import Press, press
from programs import needed
from reader import make_reader

# reader vendors a feedparser that imports sgmllib (see tests/compose/test_feeds.py).
sys.modules.setdefault("sgmllib", feedparser_sgmllib)

TITLE = "The keeper’s <em>last</em> light & other stories: it isn't over"
ARTICLE = {
    "id": "rich",
    "title": TITLE,
    "authors": ["Ann Lee", "Bo Østergård"],
    "summary": "She lit it 1 < 2 times & left.",
    "content_html": '<p>She <em>lit</em> it; <a href="/map">the map</a> isn\'t hers.</p><script>alert(1)</script>',
    "url": "https://mag.example/keeper",
    "date_published": "2026-10-30T08:00:00Z",
    "tags": ["Ships", "Lights"],
    "image": "https://mag.example/keeper.jpg",
    "attachments": [
        {"url": "https://mag.example/keeper.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 123456, "title": "Heard"}
    ],
}
FILE = ("https://mag.example/keeper.mp3", "audio/mpeg")


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Press]:
    with press(tmp_path / "site", sqlite_template, "") as made:
        feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Old", "items": [ARTICLE]}
        made.site.pickup(made.site.write("rich.json", json.dumps(feed)))
        yield made


def rich(found: list[Any]) -> Any:
    return next(entry for entry in found if "keeper" in str(entry.title))


@pytest.mark.parametrize("name", ["all.atom", "all.rss", "ships.atom", "authors/ann-lee.rss", "lights+ships.atom"])
def test_newsboat(site: Press, tmp_path: Path, name: str) -> None:
    newsboat = needed("newsboat", "feeds are not tried in it")
    (tmp_path / "urls").write_text(f"{site.base}/feeds/{name}\n")
    (tmp_path / "config").write_text("")
    cache = tmp_path / "cache.db"
    where = [f"--url-file={tmp_path / 'urls'}", f"--cache-file={cache}", f"--config-file={tmp_path / 'config'}"]
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    for _ in range(2):
        done = subprocess.run([newsboat, *where, "-x", "reload"], env=home, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(cache) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM rss_item WHERE url LIKE '%keeper'").fetchall()
        (feed,) = connection.execute("SELECT * FROM rss_feed").fetchall()
    assert row["guid"].startswith("urn:uuid:")
    assert row["url"] == ARTICLE["url"], "the article, not the file"
    assert (row["enclosure_url"], row["enclosure_type"]) == FILE
    assert datetime.fromtimestamp(row["pubDate"], UTC) == datetime(2026, 10, 30, 8, tzinfo=UTC)
    # Of several dc:creator it keeps the last; readers that know better get both from the same feed.
    assert row["author"] == ("Ann Lee, Bo Østergård" if name.endswith("atom") else "Bo Østergård")
    assert "<em>lit</em>" in row["content"]
    assert 'href="https://mag.example/map"' in row["content"], "made absolute: readers have no base"
    assert "script" not in row["content"]
    assert feed["title"].endswith("Quay")
    assert "isn't over" in row["title"]


@pytest.mark.parametrize("format", ["atom", "rss", "json"])
def test_the_library_reader(site: Press, format: str) -> None:
    with make_reader(":memory:") as reader:
        address = f"{site.base}/feeds/all.{format}"
        reader.add_feed(address)
        reader.update_feeds()
        assert reader.get_feed(address).last_exception is None
        entry = rich(list(reader.get_entries()))
        assert entry.link == ARTICLE["url"]
        # Its parser gives it one author of an XML feed, whichever way they are written.
        names = ARTICLE["authors"] if format == "json" else ["Bo Østergård"]
        assert [author.name for author in entry.authors] == names
        assert [(each.href, each.type, each.length) for each in entry.enclosures] == [(*FILE, 123456)]
        assert entry.published == datetime(2026, 10, 30, 8, tzinfo=UTC)
        assert "<em>lit</em>" in entry.get_content().value
        if format != "rss":
            assert entry.title == TITLE


@pytest.mark.parametrize("format", ["atom", "rss"])
def test_feedparser(site: Press, format: str) -> None:
    answer = httpx2.get(f"{site.base}/feeds/all.{format}")
    found = feedparser.parse(answer.content, response_headers=dict(answer.headers))
    assert not found.bozo, found.get("bozo_exception")
    entry = rich(found.entries)
    assert [author["name"] for author in entry.authors] == ARTICLE["authors"]
    assert {tag["label"] or tag["term"] for tag in entry.tags} == {"Ships", "Lights"}
    assert entry.media_content[0]["url"] == ARTICLE["image"]
    assert [(each["href"], each["type"], each["length"]) for each in entry.enclosures] == [(*FILE, "123456")]
