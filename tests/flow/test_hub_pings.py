"""Hubs of others are told of changes: once for each, not too often, again when it failed, and never in the way."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flow.flow_site import DAY, HOUR, Site, listing
from flow.websub_world import TOML, Got, Listener, Press, confirms, is_signed, press

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def hub() -> Iterator[Listener]:
    with Listener(confirms).running() as listener:
        yield listener


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path, hub: Listener) -> Iterator[Press]:
    """The hub knows all that is out."""
    with press(tmp_path / "site", sqlite_template, f'hubs = ["{hub.url("/hub")}"]') as made:
        made.tell()
        made.site.now += MINUTE
        assert len(hub.take()) == 6
        yield made


def topics(got: list[Got]) -> list[str]:
    return sorted(each.form["hub.topic"].rpartition("/")[2] for each in got)


ALL = ["all.atom", "all.json", "all.rss"]
SHIPS = ["ships.atom", "ships.json", "ships.rss"]


def test_a_hub_is_told_of_every_feed_that_changed(site: Press, hub: Listener) -> None:
    site.publish("Towns")
    site.tell()
    got = hub.take()
    assert topics(got) == [*ALL, "towns.atom", "towns.json", "towns.rss"]
    one = next(each for each in got if each.form["hub.topic"] == site.topic())
    assert one.form == {"hub.mode": "publish", "hub.url": site.topic(), "hub.topic": site.topic()}
    assert (one.target, one.headers["content-type"]) == ("/hub", "application/x-www-form-urlencoded")


def test_what_has_not_changed_is_not_told(site: Press, hub: Listener) -> None:
    site.app.publish(every=True)
    site.tell()
    site.site.now += DAY
    with site.again() as another:
        another.app.publish(every=True)
        another.tell()
    assert hub.got == []


def test_many_changes_are_told_as_one(site: Press, hub: Listener) -> None:
    for _ in range(3):
        site.publish()
        site.tell()
        site.site.now += 6 * SECOND
    assert topics(hub.take()) == [*ALL, *SHIPS], "the first at once"
    site.site.now += SECOND
    site.tell()
    assert hub.got == []
    site.site.now += SECOND
    site.tell()
    assert topics(hub.take()) == [*ALL, *SHIPS], "the others together, 20 seconds later"
    site.site.now += DAY
    site.tell()
    assert hub.got == []


def test_archives_and_the_outline_are_no_topics(site: Press, hub: Listener) -> None:
    site.site.sql(
        "INSERT INTO feed_file SELECT new.path, feed_id, version, 'other', last_modified FROM feed_file,"
        " (SELECT 'feeds/ships/3.atom' AS path UNION SELECT 'feeds/authors/ann/2.rss' UNION SELECT 'feeds.opml') new"
        " WHERE feed_file.path = 'feeds/all.atom'"
    )
    site.tell()
    assert hub.got == []


def test_a_hub_that_fails_is_told_again_and_then_given_up_until_the_next_change(
    site: Press, hub: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    hub.statuses["/hub"] = [500]
    site.publish()
    site.tell()
    for wait in (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR):
        assert topics(hub.take()) == [*ALL, *SHIPS]
        site.site.now += wait - SECOND
        site.tell()
        assert hub.got == []
        assert site.site.notices() == []
        site.site.now += SECOND
        site.tell()
    assert topics(hub.take()) == [*ALL, *SHIPS]
    (notice,) = site.site.notices()
    assert f"The hub {hub.url('/hub')} cannot be told of changes (it answers 500); it was tried 5 times." in notice
    assert caplog.text.count("was not told of feeds/all.atom: it answers 500") == 1
    site.site.now += 10 * DAY
    site.tell()
    assert hub.got == []

    hub.statuses["/hub"] = [204]
    site.publish()
    site.tell()
    site.site.now += DAY
    site.tell()
    assert topics(hub.take()) == [*ALL, *SHIPS]
    assert len(site.site.notices()) == 1


def test_publishing_neither_waits_nor_fails_for_a_hub_that_is_gone(tmp_path: Path, sqlite_template: Path) -> None:
    with Listener(confirms).running() as alive, socket.create_server(("127.0.0.1", 0)) as deaf:
        gone = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        deaf.close()
        with press(tmp_path / "site", sqlite_template, f'hubs = ["{gone}", "{alive.url()}"]') as site:
            assert "feeds/all.atom" in site.publish()
            site.tell()
            assert topics(alive.take()) == [*ALL, *SHIPS]
            assert site.site.sql("SELECT count(*), min(failures) FROM hub_ping WHERE error <> ''") == [(6, 1)]


def test_two_processes_tell_once(site: Press, hub: Listener) -> None:
    site.publish()
    with site.again() as another:

        async def both() -> None:
            await asyncio.gather(site.app.tell_hubs(), another.app.tell_hubs())

        asyncio.run(both())
    assert topics(hub.take()) == [*ALL, *SHIPS]


def test_a_private_hub_needs_to_be_allowed(site: Press, hub: Listener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.publish()
    with site.again(fetch__allow="[]") as strict:
        strict.tell()
    assert hub.got == []
    ((error,),) = site.site.sql("SELECT DISTINCT error FROM hub_ping WHERE error <> ''")
    assert "is a private address" in error


# --- with the real scheduler, and from cron


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def made(folder: Path, port: int, websub: str) -> Site:
    base = f'base_url = "http://127.0.0.1:{port}"'
    site = Site(folder, site=base, digest=TOML.format(websub=websub)).make()
    site.write("1.txt", listing("Ships", [1]))
    return site


def test_tick_tells_hubs(tmp_path: Path, hub: Listener) -> None:
    site = made(tmp_path / "site", 8000, f'hubs = ["{hub.url("/hub")}"]')
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-m", "feed_publisher", "--site", str(site.folder), "tick"], check=True, timeout=60
        )
    assert topics(hub.take()) == [*ALL, *SHIPS]


def test_serve_tells_hubs_and_is_one(tmp_path: Path, hub: Listener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    site = made(tmp_path / "site", port, f'hub = true\nhubs = ["{hub.url("/hub")}"]')
    command = [sys.executable, "-m", "feed_publisher", "--site", str(site.folder), "serve", "--port", str(port)]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: topics(hub.got) == [*ALL, *SHIPS])
        hub.take()
        asking = Press(site, None, f"http://127.0.0.1:{port}")  # type: ignore[arg-type]
        assert asking.ask(hub.url("/in"), secret="s3cret")[0] == 202
        until(lambda: asking.subscriptions() == [hub.url("/in")])
        site.write("2.txt", listing("Ships", [2]))
        until(lambda: any(got.target == "/in" for got in hub.got))
    finally:
        process.terminate()
        code = process.wait(30)
        log.close()
    (got,) = [got for got in hub.got if got.target == "/in"]
    assert is_signed(got, "s3cret")
    assert got.body == site.feed("all.atom").read_bytes()
    assert code == 0, (tmp_path / "log").read_text()
