"""Where a digest starts: only readers who have had no issue are moved, in steps that can be cut short."""

from __future__ import annotations

import pytest
from database_world import DAY, NOW, World, article
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed_publisher.adapters.database.store.shadows import SqlShadowStore
from feed_publisher.adapters.database.store.starting import SqlStartStore
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import IssueState
from feed_publisher.ports.people import NewSubscription
from feed_publisher.services.starting import Starting


@pytest.fixture
def starts(world: World) -> SqlStartStore:
    return SqlStartStore(world.database)


def test_only_who_had_no_issue_is_moved(world: World, starts: SqlStartStore) -> None:
    opened = world.site_with_issue("anna")
    world.join("bert")
    world.absorb(article("Two"), document="b.md")
    world.issues.change_state(opened.id, (IssueState.READY,), IssueState.FINISHED)
    assert world.cursors() == {"anna": opened.through, "bert": opened.through}
    assert Starting(starts, "weekly", None).begin(0, None) == 1
    assert world.issues.digest_start("weekly") == 0
    assert world.cursors() == {"anna": opened.through, "bert": 0}


def test_who_was_left_out_of_an_issue_had_none(world: World, starts: SqlStartStore) -> None:
    opened = world.site_with_issue("anna")
    world.issues.cancel(opened.id, NOW)
    assert starts.newcomers("weekly") == 1
    assert Starting(starts, "weekly", None).begin(1, None) == 1
    assert world.cursors() == {"anna": 1}


def test_not_while_an_issue_has_not_left(world: World, starts: SqlStartStore) -> None:
    opened = world.site_with_issue("anna")
    for after, number in ((0, None), (None, 9)):
        with pytest.raises(InputError, match=f"issue {opened.id} of weekly has not left yet"):
            starts.restart("weekly", after, number)
    assert (world.issues.digest_start("weekly"), world.issues.next_issue("weekly")[1]) == (0, 2)


def test_numbers_only_rise(world: World, starts: SqlStartStore) -> None:
    world.issues.declare_digest("weekly", NOW)
    starts.restart("weekly", None, 48)
    starts.restart("weekly", None, 12)
    assert starts.look("weekly").next_number == 12, "none has been given"
    issue = world.issues.claim_slot("weekly", "manual:1", IssueState.PREPARING, "", False, "me", NOW)
    assert issue is not None
    assert issue.issue_number == 12
    world.issues.change_state(issue.id, (IssueState.PREPARING,), IssueState.FINISHED)
    for number in (1, 11, 12):
        with pytest.raises(InputError, match="--number: there is a number 12 already; give 13 or a higher one"):
            starts.restart("weekly", 0, number)
    starts.restart("weekly", None, 13)
    assert starts.look("weekly").next_number == 13


def test_what_a_start_means_in_articles(world: World, starts: SqlStartStore) -> None:
    world.absorb(article("One", "News", "Sports"), article("Two", "Sports"), article("Three", "News"))
    topics = world.numbers()
    assert (starts.articles(0, 99, None), starts.articles(0, 99, {topics["sports"]})) == (3, 2)
    first = {slug: starts.first(0, {topics[slug]}) for slug in ("news", "sports")}
    assert {slug: entry.title for slug, entry in first.items() if entry} == {"news": "Three", "sports": "Two"}
    assert starts.first(99, None) is None
    entry = first["news"]
    assert entry is not None
    assert starts.sequence_of(entry.number, {topics["sports"]}) is None
    with pytest.raises(InputError, match=r"--from: “Three” is not mailed by weekly; `entries why"):
        Starting(starts, "weekly", {topics["sports"]}).before(entry)


def test_cut_short_it_goes_on(world: World, starts: SqlStartStore) -> None:
    world.issues.declare_digest("weekly", NOW)
    world.absorb(article("One"), article("Two"))
    world.join(*(f"r{number}" for number in range(7)))
    starts.restart("weekly", 1, None)
    behind, moved = starts.move("weekly", 0, 3)
    assert moved == 3
    assert sorted(world.cursors().values()) == [0, 0, 0, 0, 1, 1, 1]
    assert Starting(starts, "weekly", None).begin(1, None) == 7
    assert set(world.cursors().values()) == {1}
    world.join("later")
    assert world.cursors()["later"] == 1
    assert behind is not None


def test_the_desk_starts_there_too(world: World, starts: SqlStartStore) -> None:
    world.issues.declare_digest("weekly", NOW)
    world.absorb(article("One"), article("Two"))
    desk = NewSubscription(address="d@x.example", address_key="d", digest="weekly~desk", active=True)
    SqlShadowStore(world.database).begin("weekly", [desk], ["weekly"], NOW)
    world.join("anna")
    assert Starting(starts, "weekly", None).begin(1, None) == 1
    assert set(world.cursors().values()) == {1}
    issue = world.issues.claim_slot("weekly~desk", "manual:1", IssueState.PREPARING, "", False, "me", NOW + DAY)
    assert issue is not None
    assert issue.issue_number is None
    with pytest.raises(InputError, match=f"issue {issue.id} of weekly has not left"):
        starts.restart("weekly", 0, None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=6))
def test_any_steps_end_where_one_would(world: World, starts: SqlStartStore, moves: list[tuple[int, int]]) -> None:
    world.issues.declare_digest("weekly", NOW)
    world.absorb(article("One"), article("Two"), article("Three"))
    world.join(*(f"r{number}" for number in range(6)))
    for after, limit in moves:
        starts.restart("weekly", after, None)
        behind: int | None = 0
        total = 0
        while behind is not None:
            behind, moved = starts.move("weekly", behind, limit)
            total += moved
        assert total == 6
        assert set(world.cursors().values()) == {after}
