"""The archives of feeds (RFC 5005): the whole history can be walked, and each article is in it exactly once."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from flow.flow_site import DAY, HOUR, MONDAY, Site
from lxml import etree

from feed_publisher.domain.archive import LIVE_LEAST, LIVE_MOST, PAGE_MOST
from feed_publisher.domain.model import EntryState, FeedFormat

BASE = "http://127.0.0.1:8000/"
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site").make()


def article(number: int, published: datetime, words: int = 5, topic: str = "Ships") -> dict[str, object]:
    return {
        "id": f"article-{number}",
        "title": f"Article {number:04}",
        "summary": f"Number {number} in a few words.",
        "content_html": f"<p>{'word ' * words}{number}</p>",
        "published": published.isoformat(),
        "topics": [topic],
        "authors": ["Ann Lee"],
    }


def write(site: Site, name: str, articles: list[dict[str, object]]) -> None:
    site.write(name, json.dumps(articles))
    site.pickup()


def walk(site: Site, slug: str, format: FeedFormat) -> list[list[str]]:
    """The ids of each document from the live one back, as a reader that follows prev-archive sees them."""
    name, documents = f"feeds/{slug}.{format}", []
    while name:
        documents_ids, older = read(site.folder / "public" / name, format)
        documents.append(documents_ids)
        assert len(documents) < 500, "a circle"
        name = older.removeprefix(BASE)
    return documents


def read(file: Path, format: FeedFormat) -> tuple[list[str], str]:
    data = file.read_bytes()
    if format is FeedFormat.JSON:
        feed = json.loads(data)
        return [item["id"] for item in feed["items"]], feed.get("next_url", "")
    root = etree.fromstring(data)
    older = [link.get("href") for link in root.iter(f"{ATOM}link") if link.get("rel") == "prev-archive"]
    ids = root.findall(f"{ATOM}entry/{ATOM}id") if format is FeedFormat.ATOM else root.findall("channel/item/guid")
    assert len(older) < 2
    return [str(id.text) for id in ids], (older or [""])[0]


def assert_whole(site: Site, *slugs: str) -> None:
    """Every public article once, in the order of the site, in each format."""
    wanted = [entry.id for entry in site.entries() if entry.state is EntryState.PUBLIC]
    for slug in slugs or ("all", "ships"):
        for format in FeedFormat:
            documents = walk(site, slug, format)
            assert [id for ids in documents for id in ids] == wanted, (slug, format)
            assert len(documents[0]) <= LIVE_MOST
            assert len(documents) == 1 or len(documents[0]) >= LIVE_LEAST


def pages(site: Site) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in site.feed("ships").glob("*.atom")}


def test_a_growing_feed_can_be_walked_and_its_pages_stay(site: Site) -> None:
    before: dict[str, bytes] = {}
    for day in range(12):
        write(site, f"{day:02}.json", [article(day * 20 + n, site.now - n * HOUR / 2) for n in range(20)])
        assert_whole(site)
        assert pages(site).items() >= before.items(), "a page that is out stays as it is"
        before = pages(site)
        site.now += DAY
    assert len(before) == 7, "of 240 articles 20 to 50 are live, the others 30 to a page"


def test_a_large_import_is_archived_at_once(site: Site) -> None:
    write(site, "old.json", [article(n, site.now - n * HOUR) for n in range(500)])
    assert_whole(site)
    assert [len(ids) for ids in walk(site, "ships", FeedFormat.ATOM)[1:]] == [30] * 15


def test_long_articles_make_a_short_live_document(site: Site) -> None:
    write(site, "long.json", [article(n, site.now - n * HOUR, words=4000) for n in range(45)])
    assert_whole(site)
    assert len(walk(site, "ships", FeedFormat.ATOM)[0]) == LIVE_LEAST
    for more in range(12):
        site.now += DAY
        write(site, f"more-{more}.json", [article(100 + more, site.now, words=4000)])
        assert_whole(site)
    assert len(pages(site)) == 2, "no page for each new article"


def test_corrected_withdrawn_and_late_articles_reach_their_page(site: Site) -> None:
    articles = [article(n, site.now - n * HOUR) for n in range(120)]
    write(site, "old.json", articles)
    last = walk(site, "ships", FeedFormat.ATOM)[-1]
    untouched = {name: data for name, data in pages(site).items() if not name.endswith("/1.atom")}
    site.now += DAY
    articles[119]["title"] = "Article 0119, corrected"
    write(site, "old.json", articles)
    assert "0119, corrected" in site.feed("ships/1.atom").read_text()
    site.change("Article 0118", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    assert_whole(site)
    assert "Article 0118" not in site.feed("ships/1.json").read_text()
    write(site, "late.json", [article(900, MONDAY - 118.5 * HOUR)])
    assert_whole(site)
    assert len(walk(site, "ships", FeedFormat.ATOM)[-1]) == len(last)
    assert pages(site).items() >= untouched.items()


def test_many_late_articles_part_a_page(site: Site) -> None:
    write(site, "new.json", [article(n, site.now - n * HOUR) for n in range(60)])
    write(site, "old.json", [article(1000 + n, site.now - 30 * DAY - n * HOUR) for n in range(200)])
    assert_whole(site)
    assert max(len(ids) for ids in walk(site, "ships", FeedFormat.ATOM)) <= PAGE_MOST


def test_articles_of_one_moment_are_each_in_one_document(site: Site) -> None:
    for part in range(4):
        write(site, f"{part}.json", [article(part * 100 + n, MONDAY - DAY) for n in range(45)])
        assert_whole(site)


def test_a_page_keeps_its_last_good_bytes_when_an_article_breaks_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size limit stands for whatever a check may find."""
    articles = [article(n, site.now - n * HOUR) for n in range(120)]
    write(site, "old.json", articles)
    good = site.feed("ships/1.atom").read_bytes()
    monkeypatch.setattr("feed_publisher.compose.feedcheck.MAX_BYTES", len(good) + 500)
    articles[119]["content_html"] = f"<p>{'far too long ' * 1000}</p>"
    write(site, "old.json", articles)
    assert site.feed("ships/1.atom").read_bytes() == good
    with site.open() as app:
        assert "bytes long" in app.feeds.problems()["ships"]
