"""Readers who follow an old feed come over to ours, over real HTTP, and see no article twice."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import feedparser
import feedparser_sgmllib
import pytest
from flow.flow_site import DAY, Site
from flow.publisher import Newsroom, Publisher
from reader import make_reader

# reader vendors a feedparser that imports sgmllib (see tests/compose/test_feeds.py).
sys.modules.setdefault("sgmllib", feedparser_sgmllib)

SETTINGS = """
[fetch]
allow = ["127.0.0.1"]
[[sources]]
slug = "old"
kind = "feed"
location = "{url}"
{more}
"""


def follow(site: Site, publisher: Publisher, more: str = "takes_over = true") -> None:
    site.configure(digest=SETTINGS.format(url=publisher.url("/feed/"), more=more))


def ids(document: bytes) -> list[str]:
    return [entry.id for entry in feedparser.parse(document).entries]


def ours(site: Site, format: str) -> list[str]:
    return ids(site.feed(f"all.{format}").read_bytes())


@contextmanager
def served(site: Site) -> Iterator[str]:
    """The site's public folder on loopback; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site.folder / "public")))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("format", ["atom", "rss"])
def test_the_ids_of_our_feed_are_those_of_the_old_one(
    site: Site, publisher: Publisher, newsroom: Newsroom, format: str
) -> None:
    for _ in range(8):
        newsroom.write()
    follow(site, publisher)
    site.tick()
    assert sorted(ours(site, format)) == sorted(story.guid for story in newsroom.written)

    newsroom.write()
    for story in newsroom.written:
        story.title += " (corrected)"
    site.now += DAY
    site.tick()
    assert sorted(ours(site, format)) == sorted(story.guid for story in newsroom.written)


def test_articles_that_were_known_before_keep_their_ids(site: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    first = newsroom.write()
    follow(site, publisher, more="")
    site.tick()
    before = site.ids()
    assert before[first.title].startswith("urn:uuid:")

    follow(site, publisher)
    second = newsroom.write()
    first.summary += " And one word more."
    site.now += DAY
    site.tick()
    assert site.ids() == {**before, second.title: second.guid}


def test_ids_that_are_no_addresses_stay_in_their_feed(site: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    plain, long = newsroom.write(), newsroom.write()
    plain.guid, long.guid = "4711", "https://magazine.example/" + "x" * 1_000
    follow(site, publisher)
    site.tick()
    assert all(identity.startswith("urn:uuid:") for identity in ours(site, "atom"))


@pytest.mark.parametrize(("more", "again"), [("takes_over = true", 0), ("", 8)])
def test_a_feed_reader_that_comes_over_sees_no_article_twice(
    site: Site, publisher: Publisher, newsroom: Newsroom, more: str, again: int
) -> None:
    for _ in range(8):
        newsroom.write()
    follow(site, publisher, more)
    site.tick()
    with served(site) as address, make_reader(":memory:") as reader:
        old, new = publisher.url("/feed/"), f"{address}/feeds/all.atom"
        reader.add_feed(old)
        assert updated(reader, old).new == 8
        for entry in reader.get_entries():
            reader.mark_entry_as_read(entry)

        reader.change_feed_url(old, new)
        assert updated(reader, new).new == again
        assert reader.get_entry_counts().total == 8 + again
        assert reader.get_entry_counts(read=False).total == again


def updated(reader: Any, url: str) -> Any:
    found = reader.update_feed(url)
    assert reader.get_feed(url).last_exception is None
    return found
