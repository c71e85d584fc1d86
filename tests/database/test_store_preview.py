"""What a preview asks of the database, on both: who would get it, what is known of entries, what was mailed before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from database_world import ACCEPTED, CUT_OFF, DAY, HOUR, NOW, REFUSED, World, article, judged

from feed_publisher.adapters.database.store.preview import SqlPreviewStore
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.model import EntryState
from feed_publisher.domain.why import ReaderWhy


@pytest.fixture
def store(world: World) -> SqlPreviewStore:
    return SqlPreviewStore(world.database)


def numbers(world: World) -> dict[str, int]:
    return {entry.title: entry.number for entry, _ in world.issues.candidates(0, 10_000)}


def test_the_census_has_every_subscription_once(world: World, store: SqlPreviewStore) -> None:
    world.digest()
    world.digest("other")
    world.join("a", "b", "paused", "never", "left")
    world.join("daily", cadence="daily")
    world.join("pending", active=False)
    world.join("a", digest="other")
    world.pause("paused", NOW + DAY)
    world.people.suppress("never", "by hand", NOW)
    world.people.leave(world.reader("left"), NOW)
    expected = {ReaderWhy.IN: 2, ReaderWhy.OTHER_CADENCE: 1, ReaderWhy.PAUSED: 1, ReaderWhy.NEVER_MAILED: 1}
    expected |= {ReaderWhy.UNSUBSCRIBED: 1, ReaderWhy.NOT_CONFIRMED: 1}
    assert store.census("weekly", "weekly", NOW) == expected
    del expected[ReaderWhy.OTHER_CADENCE], expected[ReaderWhy.PAUSED]
    assert store.census("weekly", None, NOW + DAY) == {**expected, ReaderWhy.IN: 4}
    assert store.census("other", None, NOW) == {ReaderWhy.IN: 1}
    assert store.census("none", None, NOW) == {}


def test_a_reader_with_what_waits(world: World, store: SqlPreviewStore) -> None:
    assert store.reader("weekly", "ann", False) is None
    opened = world.site_with_issue("ann")
    found = store.reader("weekly", "ann", False)
    assert found is not None
    assert (found.state, found.address, found.paused_until) == (SubscriptionState.ACTIVE, "ann@x.example", None)
    assert (found.reader.cursor, found.from_sequence) == (1, 0), "another issue would begin where the waiting one did"
    assert found.waiting is not None
    assert (found.waiting.id, found.waiting.number, found.waiting.at) == (opened.id, 1, NOW)
    world.end(opened, ACCEPTED)
    found = store.reader("weekly", "ann", False)
    assert found is not None
    assert (found.waiting, found.from_sequence) == (None, 1)


def test_post_dated_articles_come_in_the_order_they_will_mature_in(world: World, store: SqlPreviewStore) -> None:
    at: dict[str, datetime] = {"Late": NOW + 3 * DAY, "Soon": NOW + HOUR, "Next": NOW + DAY}
    world.absorb(*(article(title, published=when) for title, when in at.items()), article("Now"))
    world.absorb(article("Silent", published=NOW + HOUR), document="b.md", feed_only=True)
    assert [each.entry.title for each in store.maturing(NOW + 2 * DAY)] == ["Soon", "Next"]
    assert [each.entry.title for each in store.maturing(NOW + 9 * DAY)] == ["Soon", "Next", "Late"]
    assert store.maturing(NOW) == []
    (soon, *_) = store.maturing(NOW + DAY)
    assert (len(soon.topics), soon.sequences, soon.mailable_at) == (1, {}, None)


def test_standings_are_the_newest_of_every_state_and_those_asked_for(world: World, store: SqlPreviewStore) -> None:
    old = [article(f"Old {n}", published=NOW - (9 - n) * DAY) for n in range(5)]
    world.absorb(*reversed(old), article("Held", published=NOW - HOUR), article("Two", "News", "Culture"))
    world.absorb(article("Silent"), document="b.md", feed_only=True)
    known = numbers(world)
    world.entries.change_state(known["Held"], [EntryState.PUBLIC], EntryState.HELD, "", NOW)
    found = {each.entry.title: each for each in store.standings([known["Old 0"]], 3)}
    assert list(found)[-1] == "Old 0", "newest first"
    assert set(found) == {"Silent", "Two", "Held", "Old 0"}
    assert (len(found["Two"].topics), len(found["Two"].sequences), found["Two"].mailable_at) == (2, 2, NOW)
    assert (found["Silent"].feed_only, found["Silent"].sequences) == (True, {})
    assert [each.entry.title for each in store.standings([known["Two"]], 0)] == ["Two"]


def test_what_was_mailed_to_one_and_to_anybody(world: World, store: SqlPreviewStore) -> None:
    opened = world.site_with_issue("ann", "ben")
    one = numbers(world)["One"]
    ann = world.reader("ann")
    assert store.mailed("weekly", [one], ann, False)[one].state is DeliveryState.QUEUED
    claimed = {row.address: row for row in world.transmit(opened, "me")}
    outcomes: dict[str, Any] = {"ann@x.example": CUT_OFF, "ben@x.example": REFUSED}
    world.ledger.settle("me", [judged(claimed[to], outcome, NOW) for to, outcome in outcomes.items()], [], NOW)
    assert store.mailed("weekly", [one, 99], ann, False) == {one: store.mailed("weekly", [one], ann, False)[one]}
    assert store.mailed("weekly", [one], ann, False)[one].state is DeliveryState.UNKNOWN
    assert store.mailed("weekly", [one], world.reader("ben"), False) == {}, "it was refused, so it comes again"
    anybody = store.mailed("weekly", [one], None, False)[one]
    assert (anybody.id, anybody.number, anybody.at, anybody.state) == (opened.id, 1, opened.opened_at, None)
    assert store.mailed("other", [one], None, False) == {}


def test_rehearsals_count_only_while_rehearsing(world: World, store: SqlPreviewStore) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann")
    opened = world.open(rehearsal=True)
    one, ann = numbers(world)["One"], world.reader("ann")
    assert store.mailed("weekly", [one], None, True)[one].name == f"rehearsal {opened.id}"
    assert store.mailed("weekly", [one], ann, False) == store.mailed("weekly", [one], None, False) == {}
    assert store.last("weekly", False) is None
    last = store.last("weekly", True)
    assert last is not None
    assert (last.mailed.id, last.readers, last.subject) == (opened.id, 1, "Subject")
    reader = store.reader("weekly", "ann", False)
    assert reader is not None
    assert reader.waiting is None


def test_the_last_issue_and_what_has_become_of_its_articles(world: World, store: SqlPreviewStore) -> None:
    assert store.last("weekly", False) is None
    world.digest()
    world.absorb(article("One", summary="As it was."), article("Two"))
    world.join("ann", "ben")
    world.join("cleo", topics=("news",))
    world.end(world.open(), ACCEPTED)
    world.issues.claim_slot("weekly", "weekly:2026-W46", world.issues.get(1).state.SKIPPED, "", False, "me", NOW)
    world.absorb(article("One", summary="Quite another summary, which is a correction."), now=NOW + HOUR)
    world.entries.change_state(numbers(world)["Two"], [EntryState.PUBLIC], EntryState.WITHDRAWN, "", NOW)
    last = store.last("weekly", False)
    assert last is not None
    assert (last.mailed.number, last.readers) == (1, 3)
    told = {each.title: (each.revision == each.revision_now, each.public) for each in last.entries}
    assert told == {"One": (False, True), "Two": (True, False)}
