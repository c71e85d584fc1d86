"""What hubs were told, and what our own hub knows: claimed once, whoever asks, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from database_world import DAY, HOUR, NOW, World
from sqlalchemy import select, text, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import feed, feed_file, hub_request, hub_subscription
from feed_publisher.adapters.database.store.hub_ping import SqlPingStore
from feed_publisher.adapters.database.store.own_hub import SqlHubStore
from feed_publisher.domain.websub import HubMode, HubRequest, read_request
from feed_publisher.ports.websub import HubLimits, HubSubscription, Ping

HUB, OTHER = "https://hub.example/", "https://other.example/"
BASE = "https://mag.example"
LATER = timedelta(minutes=4)
SECOND = timedelta(seconds=1)
LIMITS = HubLimits()


def put(world: World, etag: str, *paths: str, at: datetime = NOW) -> None:
    """These bytes are out now."""
    with world.database.write() as connection:
        number = connection.execute(select(feed.c.id)).scalar_one()
        for path in paths:
            row = {"feed_id": number, "version": 1, "etag": etag, "last_modified": at}
            if not connection.execute(update(feed_file).where(feed_file.c.path == path).values(row)).rowcount:
                connection.execute(feed_file.insert(), {"path": path, **row})


def paths(claimed: list[Ping]) -> list[str]:
    return sorted(ping.path for ping in claimed)


# --- pings


@pytest.fixture
def pings(world: World, database: Database) -> SqlPingStore:
    put(world, "one", "feeds/all.atom", "feeds/all.rss", "feeds/all/1.atom", "feeds/ann/ann/2.rss")
    return SqlPingStore(database)


def claim(pings: SqlPingStore, now: object = NOW, hub: str = HUB, limit: int = 50) -> list[Ping]:
    return pings.claim(hub, now + LATER, now, limit)  # type: ignore[operator,arg-type]


def test_live_feeds_are_due_once_for_each_hub(pings: SqlPingStore) -> None:
    claimed = claim(pings)
    assert paths(claimed) == ["feeds/all.atom", "feeds/all.rss"]
    assert {(ping.hub, ping.etag, ping.failures, ping.until) for ping in claimed} == {(HUB, "one", 0, NOW + LATER)}
    assert claim(pings) == []
    assert paths(claim(pings, hub=OTHER)) == ["feeds/all.atom", "feeds/all.rss"]
    assert paths(claim(pings, NOW + LATER)) == paths(claimed), "the process that had them died"


def test_a_new_hub_hears_of_what_changes_from_now_on(world: World, pings: SqlPingStore) -> None:
    put(world, "old", "feeds/all.rss", at=NOW - DAY - SECOND)
    assert paths(claim(pings)) == ["feeds/all.atom"]
    put(world, "new", "feeds/all.rss")
    (ping,) = claim(pings)
    assert ping.path == "feeds/all.rss"
    pings.failed(ping, NOW + 3 * DAY, "one that was tried is tried again however long that takes")
    assert "feeds/all.rss" in paths(claim(pings, NOW + 3 * DAY))


def test_a_few_at_a_time(pings: SqlPingStore) -> None:
    assert [len(claim(pings, limit=1)) for _ in range(3)] == [1, 1, 0]


def test_a_hub_that_was_told_is_told_of_other_bytes_only_and_not_at_once(world: World, pings: SqlPingStore) -> None:
    for ping in claim(pings):
        pings.told(ping, NOW + 20 * SECOND)
    assert claim(pings, NOW + DAY) == []
    put(world, "two", "feeds/all.atom")
    assert claim(pings, NOW + 19 * SECOND) == []
    put(world, "three", "feeds/all.atom")
    assert [(ping.path, ping.etag) for ping in claim(pings, NOW + 20 * SECOND)] == [("feeds/all.atom", "three")]


def test_bytes_that_change_while_a_hub_is_told_are_told_too(world: World, pings: SqlPingStore) -> None:
    claimed = claim(pings)
    put(world, "two", "feeds/all.atom")
    for ping in claimed:
        pings.told(ping, NOW + 20 * SECOND)
    assert paths(claim(pings, NOW + 20 * SECOND)) == ["feeds/all.atom"]


def test_failures_are_counted_and_given_up_until_the_bytes_change(world: World, pings: SqlPingStore) -> None:
    now = NOW
    for failures in range(4):
        (ping,) = [ping for ping in claim(pings, now) if ping.path == "feeds/all.atom"]
        assert ping.failures == failures
        put(world, f"bytes {failures}", "feeds/all.atom")  # its back-off goes on
        now += HOUR
        pings.failed(ping, now, "it answers 500")
        assert "feeds/all.atom" not in paths(claim(pings, now - SECOND))
    (ping,) = [ping for ping in claim(pings, now) if ping.path == "feeds/all.atom"]
    assert (ping.etag, ping.failures) == ("bytes 3", 4)
    pings.given_up(ping, now, "it answers 500")
    assert "feeds/all.atom" not in paths(claim(pings, now + 300 * DAY))
    put(world, "other bytes", "feeds/all.atom")
    (ping,) = [ping for ping in claim(pings, now) if ping.path == "feeds/all.atom"]
    assert (ping.etag, ping.failures) == ("other bytes", 0)


def test_who_comes_too_late_settles_nothing(pings: SqlPingStore) -> None:
    (slow,) = claim(pings, limit=1)
    (taken,) = [ping for ping in claim(pings, NOW + LATER) if ping.path == slow.path]
    pings.failed(slow, NOW, "too late")
    assert slow.path not in paths(claim(pings, NOW + LATER))
    pings.told(taken, NOW)
    assert slow.path not in paths(claim(pings, NOW + DAY))


def test_two_processes_never_claim_the_same(
    pings: SqlPingStore, database_url: str, open_database: Callable[[str], Database]
) -> None:
    other = SqlPingStore(open_database(database_url))
    claimed = [*claim(pings, limit=1), *claim(other, limit=1), *claim(pings), *claim(other)]
    assert paths(claimed) == ["feeds/all.atom", "feeds/all.rss"]


# --- our own hub


@pytest.fixture
def hub(world: World, database: Database) -> SqlHubStore:
    put(world, "one", "feeds/all.atom", "feeds/all.rss", "feeds/all/1.atom")
    return SqlHubStore(database)


_numbers = iter(range(10_000))


def request(callback: str = "https://reader.example/in", path: str = "feeds/all.atom", **form: str) -> HubRequest:
    asked = {"hub.mode": "subscribe", "hub.topic": f"{BASE}/{path}", "hub.callback": callback}
    asked |= {f"hub.{name}": value for name, value in form.items()}
    return read_request(asked, BASE, f"challenge {next(_numbers)}")


def ask(hub: SqlHubStore, asked: HubRequest, limits: HubLimits = LIMITS) -> bool:
    return hub.ask(asked, hub.etag(asked.path) or "", limits, NOW)


def subscribe(hub: SqlHubStore, asked: HubRequest | None = None) -> HubRequest:
    asked = asked or request()
    assert ask(hub, asked)
    assert hub.confirm(asked, NOW)
    return asked


def due(hub: SqlHubStore, now: object = NOW, limit: int = 50) -> list[HubSubscription]:
    return hub.claim_deliveries(now + LATER, now, limit)  # type: ignore[operator,arg-type]


def test_only_live_feeds_that_are_out_are_topics(hub: SqlHubStore) -> None:
    assert hub.etag("feeds/all.atom") == "one"
    assert hub.etag("feeds/all/1.atom") is None
    assert hub.etag("feeds/none.atom") is None


def test_a_request_is_claimed_once_and_comes_back_whole(
    hub: SqlHubStore, database_url: str, open_database: Callable[[str], Database]
) -> None:
    asked = request(secret="ß", lease_seconds="7200")
    assert ask(hub, asked)
    other = SqlHubStore(open_database(database_url))
    assert other.claim_requests(NOW + LATER, NOW, 9) == [asked]
    assert hub.claim_requests(NOW + LATER, NOW, 9) == []
    assert hub.claim_requests(NOW + 2 * LATER, NOW + LATER, 9) == [asked], "the process that had it died"
    hub.refuse(asked)
    assert hub.claim_requests(NOW + DAY, NOW + DAY, 9) == []


def test_a_later_request_takes_the_place_of_an_earlier_one(hub: SqlHubStore) -> None:
    first, second = request(), request(mode="unsubscribe")
    assert ask(hub, first)
    assert hub.claim_requests(NOW + LATER, NOW, 9) == [first]
    assert ask(hub, second)
    assert hub.confirm(first, NOW) is False
    hub.refuse(first)
    assert hub.claim_requests(NOW + LATER, NOW, 9) == [second]


def test_what_changes_after_the_request_is_delivered_once(world: World, hub: SqlHubStore) -> None:
    asked = request(secret="s3cret")
    assert ask(hub, asked)
    put(world, "two", "feeds/all.atom", "feeds/all.rss")
    assert due(hub) == []
    assert hub.confirm(asked, NOW)
    (delivery,) = due(hub)
    assert (delivery.topic, delivery.callback, delivery.secret) == (asked.topic, asked.callback, "s3cret")
    assert (delivery.etag, delivery.failures) == ("two", 0)
    assert "s3cret" not in repr(delivery)
    assert due(hub) == []
    hub.delivered(delivery, NOW)
    assert due(hub, NOW + DAY) == []
    put(world, "three", "feeds/all.rss")
    assert due(hub, NOW + DAY) == []
    put(world, "three", "feeds/all.atom")
    assert [each.etag for each in due(hub, NOW + DAY)] == ["three"]


def test_two_processes_deliver_once(
    world: World, hub: SqlHubStore, database_url: str, open_database: Callable[[str], Database]
) -> None:
    for number in range(4):
        subscribe(hub, request(f"https://reader.example/{number}"))
    put(world, "two", "feeds/all.atom")
    other = SqlHubStore(open_database(database_url))
    claimed = [*due(hub, limit=1), *due(other, limit=2), *due(hub), *due(other)]
    assert len({each.key for each in claimed}) == len(claimed) == 4


def test_a_failure_is_tried_again_until_the_lease_ends(world: World, hub: SqlHubStore) -> None:
    subscribe(hub)
    put(world, "two", "feeds/all.atom")
    now = NOW
    while now < NOW + 10 * DAY:
        (delivery,) = due(hub, now)
        now += 6 * HOUR
        hub.failed(delivery, now, "it answers 500")
        assert due(hub, now - SECOND) == []
    assert delivery.failures == 39
    assert due(hub, now) == []
    assert hub.end_leases(NOW + 10 * DAY - SECOND) == 0
    assert hub.end_leases(NOW + 10 * DAY) == 1
    assert hub.end_leases(NOW + 10 * DAY) == 0


def test_a_renewal_replaces_all_but_what_was_delivered(world: World, hub: SqlHubStore) -> None:
    subscribe(hub, request(secret="old"))
    put(world, "two", "feeds/all.atom")
    (old,) = due(hub)
    subscribe(hub, request(secret="new", lease_seconds="3600"))
    hub.delivered(old, NOW)
    (new,) = due(hub)
    assert new.secret == "new", "it was sent with the old secret, which its subscriber has forgotten"
    hub.failed(new, NOW + DAY, "it answers 500")
    subscribe(hub, request(lease_seconds="7200"))
    (again,) = due(hub)
    assert (again.secret, again.failures) == ("", 0), "who renews is there again"
    assert hub.end_leases(NOW + HOUR) == 0
    assert hub.end_leases(NOW + 2 * HOUR) == 1


def test_who_says_goodbye_gets_nothing_more(world: World, hub: SqlHubStore) -> None:
    subscribe(hub)
    subscribe(hub, request(path="feeds/all.rss"))
    subscribe(hub, request(mode="unsubscribe"))
    put(world, "two", "feeds/all.atom", "feeds/all.rss")
    (left,) = due(hub)
    assert left.path == "feeds/all.rss"
    hub.drop(left)
    assert due(hub, NOW + DAY) == []


def test_a_subscription_that_was_renewed_is_not_dropped_by_an_old_answer(world: World, hub: SqlHubStore) -> None:
    subscribe(hub)
    put(world, "two", "feeds/all.atom")
    (old,) = due(hub)
    subscribe(hub)
    hub.drop(old)
    assert len(due(hub)) == 1


def test_strays_are_taken_once(world: World, hub: SqlHubStore) -> None:
    subscribe(hub)
    gone = subscribe(hub, request(path="feeds/all.rss"))
    assert hub.take_strays(BASE, 9) == []
    with world.database.write() as connection:
        connection.execute(text("DELETE FROM feed_file WHERE path = 'feeds/all.rss'"))
    assert [stray.topic for stray in hub.take_strays(BASE, 9)] == [gone.topic]
    assert hub.take_strays(BASE, 9) == []
    assert [stray.path for stray in hub.take_strays("https://moved.example", 9)] == ["feeds/all.atom"]
    assert hub.take_strays("https://moved.example", 9) == []


def test_there_is_room_for_so_many(hub: SqlHubStore) -> None:
    limits = HubLimits(per_host=3, total=5, waiting_per_host=2, waiting=3)
    one = [request(f"https://one.example:44{number}/") for number in range(4)]
    two = [request(f"https://two.example/{number}") for number in range(4)]
    assert [ask(hub, each, limits) for each in one] == [True, True, False, False], "two wait, on whatever port"
    assert ask(hub, request(one[0].callback), limits), "asking again takes no room"
    assert [ask(hub, each, limits) for each in two[:2]] == [True, False], "three wait in all"
    with hub._database.write() as connection:
        connection.execute(hub_request.delete())
    for each in one[:2]:
        subscribe(hub, each)
    assert [ask(hub, each, limits) for each in one[2:]] == [True, False], "two are there, and one may become"
    assert ask(hub, request(one[0].callback), limits), "what is there can be renewed"
    with hub._database.write() as connection:
        connection.execute(hub_request.delete())
    for each in two[:3]:
        subscribe(hub, each)
    assert not ask(hub, request("https://three.example/"), limits), "five in all"
    assert ask(hub, request(two[3].callback, mode="unsubscribe"), limits)


def test_the_longest_values_fit(world: World, hub: SqlHubStore) -> None:
    host = ".".join(["a" * 60] * 4)
    callback = f"https://{host}/".ljust(2048, "x")
    path = "feeds/" + "p" * 189 + ".atom"
    put(world, "e" * 80, path)
    asked = subscribe(hub, request(callback, path, secret="ü" * 99))
    with world.database.read() as connection:
        row = connection.execute(select(hub_subscription)).one()
    assert (row.callback, row.secret, row.host, row.key) == (callback, "ü" * 99, host, asked.key)
    assert asked.mode is HubMode.SUBSCRIBE
