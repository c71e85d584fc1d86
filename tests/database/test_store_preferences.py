"""Choices, pauses and erasing, on both databases."""

from __future__ import annotations

import pytest
from database_world import DAY, HOUR, NOW, World, article

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.preferences import SqlPreferenceStore
from feed_publisher.domain.errors import InputError
from feed_publisher.ports.people import SubscriberView, Wanted


@pytest.fixture
def store(database: Database) -> SqlPreferenceStore:
    return SqlPreferenceStore(database)


def ann(world: World, digest: str = "weekly") -> SubscriberView:
    return next(view for view in world.people.find("ann") if view.digest == digest)


def cursor(world: World) -> int:
    reader = world.issues.reader("weekly", "ann", False)
    assert reader is not None
    return reader.cursor


@pytest.fixture
def joined(world: World) -> SubscriberView:
    world.digest()
    world.digest("other")
    world.join("ann")
    world.absorb(article("One"))
    return ann(world)


def test_choices(world: World, store: SqlPreferenceStore, joined: SubscriberView) -> None:
    wanted = Wanted(cadence="daily", topics=("news",), zone="Asia/Tokyo", at="06:00")
    assert store.change(joined.subscription, wanted, {}, NOW)
    view = ann(world)
    assert (view.cadence, view.topics, view.zone, view.at) == ("daily", ("news",), "Asia/Tokyo", "06:00")
    events = len(store.history(joined.subscription))
    assert store.change(joined.subscription, wanted, {}, NOW + HOUR)
    assert len(store.history(joined.subscription)) == events, "the same again is no change"
    with pytest.raises(InputError, match="no topic"):
        store.change(joined.subscription, Wanted(cadence="daily", topics=("none",), zone="", at=""), {}, NOW)
    assert not store.change(99, wanted, {}, NOW)
    assert world.issues.wanted_at("weekly", "daily", NOW + DAY)
    assert not world.issues.wanted_at("weekly", "daily", NOW), "chosen only then"


def test_a_pause_ends_by_itself(world: World, store: SqlPreferenceStore, joined: SubscriberView) -> None:
    before = cursor(world)
    assert store.pause(joined.subscription, NOW + DAY, False, NOW)
    assert store.end_pauses(NOW + DAY - HOUR) == 0
    assert store.end_pauses(NOW + DAY) == 1
    assert store.end_pauses(NOW + DAY) == 0
    assert (ann(world).paused_until, cursor(world)) == (None, before), "catches up"


def test_starting_fresh_counts_from_the_end_of_the_pause(
    world: World, store: SqlPreferenceStore, joined: SubscriberView
) -> None:
    assert store.pause(joined.subscription, NOW + DAY, True, NOW)
    world.absorb(article("Two"), document="2.md", now=NOW + HOUR)
    at_the_end = world.issues.current_sequence()
    world.absorb(article("Three"), document="3.md", now=NOW + 2 * DAY)
    assert store.end_pauses(NOW + 3 * DAY) == 1, "the program was down"
    assert cursor(world) == at_the_end
    assert world.issues.current_sequence() == at_the_end + 1
    assert store.resume(joined.subscription, True, NOW + 4 * DAY), "no pause, nothing to end"
    assert cursor(world) == at_the_end


def test_another_digest(world: World, store: SqlPreferenceStore, joined: SubscriberView) -> None:
    assert store.join(joined.subscription, "other", "weekly", NOW)
    assert ann(world, "other").state == "active"
    assert world.people.leave(ann(world, "other").subscription, NOW)
    assert store.join(joined.subscription, "other", "weekly", NOW + DAY)
    assert [view.digest for view in store.person(joined.subscription)] == ["weekly", "other"]
    world.people.suppress("ann", "", NOW)
    assert not store.join(joined.subscription, "other", "weekly", NOW)


def test_erasing(world: World, store: SqlPreferenceStore, joined: SubscriberView) -> None:
    world.people.suppress("ann", "complained", NOW)
    store.ask_data(joined.subscription, NOW)
    assert store.data(joined.subscription)["address"] == "ann@x.example"
    assert store.erase(joined.subscription, NOW)
    assert not store.erase(joined.subscription, NOW)
    assert not store.erase_address("ann", NOW)
    assert world.people.find("ann") == []
    assert store.history(joined.subscription) == []
    assert [reason for _, reason, _ in world.people.suppressions()] == ["complained"], "it stays never mailed"
    assert store.data(joined.subscription)["address"] == ""
    assert not store.join(joined.subscription, "other", "weekly", NOW)
