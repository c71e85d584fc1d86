"""How many follow a feed: numbers, and nobody's address."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient
from web_site import Site

from feed_publisher.cli.group import cli
from feed_publisher.ports.feeds import FeedUse
from feed_publisher.web import feedcounts
from feed_publisher.web.feedcounts import FeedCounts
from feed_publisher.web.site import build

DAY = date(2026, 11, 2)
READER = b"NetNewsWire (RSS Reader)"
FEEDLY = b"Feedly/1.0 (+http://www.feedly.com/fetcher.html; 42 subscribers; like FeedFetcher-Google)"
FEEDBIN = b"Feedbin feed-id:%d - %d subscribers"


def use(counts: FeedCounts) -> tuple[int, int]:
    (found,) = counts.drain()
    return found.polls, found.readers


def test_everybody_is_counted_once_a_day_and_services_for_all_they_fetch_for() -> None:
    today = [DAY]
    counts = FeedCounts(lambda: today[0])
    for _ in range(10):
        counts.note("feeds/all.atom", "192.0.2.1", READER)
        counts.note("feeds/all.atom", "192.0.2.2", READER)
        counts.note("feeds/all.atom", "192.0.2.3", FEEDLY)
        counts.note("feeds/all.atom", "192.0.2.4", FEEDLY)  # from another of its machines
    counts.note("feeds/all.atom", "192.0.2.5", FEEDBIN % (7, 5))
    counts.note("feeds/all.atom", "192.0.2.5", FEEDBIN % (7, 6))
    counts.note("feeds/all.atom", "192.0.2.5", FEEDBIN % (8, 10))
    assert use(counts) == (43, 2 + 42 + 6 + 10)
    assert counts.drain() == [], "nothing new"
    counts.note("feeds/all.atom", "192.0.2.1", READER)
    assert use(counts) == (44, 60), "of the whole day, so that storing it again replaces it"
    counts.note("feeds/all.rss", "192.0.2.1", READER)
    today[0] += timedelta(days=1)
    counts.note("feeds/all.atom", "192.0.2.1", READER)
    assert counts.drain() == [
        FeedUse(path="feeds/all.rss", day=DAY, polls=1, readers=1),
        FeedUse(path="feeds/all.atom", day=DAY + timedelta(days=1), polls=1, readers=1),
    ]


def test_strange_programs_and_many_of_them_cost_little() -> None:
    counts = FeedCounts(lambda: DAY)
    for program in (b"", b"\xff\xfe", b"99999999999999999999 subscribers", b"1 subscriber", b"0 readers"):
        counts.note("feeds/all.atom", "", program)
    assert use(counts) == (5, 4), "one fetches for one, one for nobody; ten million are not believed"
    for number in range(500):
        counts.note("feeds/all.atom", "192.0.2.1", b"Evil%d 9999999 subscribers" % number)
    assert use(counts)[1] < 2**31


def test_there_is_an_end_to_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedcounts, "READERS_MOST", 10)
    monkeypatch.setattr(feedcounts, "READERS_OF_ALL", 25)
    today = [DAY]
    counts = FeedCounts(lambda: today[0])

    def seen() -> dict[str, tuple[int, int]]:
        for feed in range(4):
            for number in range(100):
                counts.note(f"feeds/{feed}.atom", "192.0.2.1", b"Reader %d" % number)
        return {found.path[6:7]: (found.polls, found.readers) for found in counts.drain()}

    assert seen() == {"0": (100, 10), "1": (100, 10), "2": (100, 5), "3": (100, 0)}
    today[0] += timedelta(days=1)
    assert seen() == {"0": (100, 10), "1": (100, 10), "2": (100, 5), "3": (100, 0)}


def test_the_operator_sees_how_many_follow_each_feed(site: Site) -> None:
    counts = FeedCounts(lambda: site.app.clock().date())
    client = TestClient(build(site.app, counts=counts))
    for agent in ("Reader One", "Reader Two", "Feedly/1.0 (like x; 7 subscribers)"):
        first = client.get("/feeds/all.atom", headers={"user-agent": agent})
        client.get("/feeds/all.rss", headers={"user-agent": agent, "if-none-match": first.headers["etag"]})
    client.head("/feeds/all.atom", headers={"user-agent": "Somebody else"})
    client.get("/feeds/nowhere.atom", headers={"user-agent": "Somebody else"})
    site.app.note_use(counts.drain())
    client.get("/feeds/all.atom", headers={"user-agent": "Reader Three"})
    site.app.note_use(counts.drain())
    state = {each.feed.slug: each for each in site.app.feed_states()}
    assert (state["all"].readers, state["all"].polls) == (3 + 7 + 2 + 7, 7)
    assert (state["harbour-towns"].readers, state["harbour-towns"].problem) == (0, "")
    dumped = repr(site.dump())
    assert "Reader One" not in dumped
    assert "192.0.2" not in dumped
    assert "testclient" not in dumped


def test_the_list_of_feeds(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(cli, ["init", str(tmp_path / "site")]).exit_code == 0
    found = run(cli, ["--site", str(tmp_path / "site"), "feeds", "list", "--json"])
    assert found.exit_code == 0
    feeds = json.loads(found.stdout)["feeds"]
    assert {feed["slug"] for feed in feeds} >= {"all"}
    assert feeds[0]["url"] == "http://127.0.0.1:8000/feeds/all.atom"
    table = run(cli, ["--site", str(tmp_path / "site"), "feeds", "list"])
    assert "/feeds/all.atom" in table.stdout
