"""Reports on both databases: the same bounce twice, at once, in any order; cursors, books and suppressions."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from database_world import ACCEPTED, CUT_OFF, DAY, HOUR, NOW, World, article
from sqlalchemy import select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import subscriber
from feed_publisher.adapters.database.store.bounces import SqlBounceStore
from feed_publisher.domain.bounce import BounceKind, Patience, Report
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Issue
from feed_publisher.domain.verp import Returning, Way
from feed_publisher.ports.bounces import Fate

S = DeliveryState
PATIENCE = Patience(limit=3, lasting=timedelta(days=90))
HARD = Report(kind=BounceKind.HARD, status="5.1.1", reason="550 gone")
SOFT = Report(kind=BounceKind.SOFT, status="4.2.2", reason="full")


@pytest.fixture(autouse=True)
def _books(world: World) -> Iterator[None]:
    yield
    world.assert_books_balance()


@pytest.fixture
def store(database: Database) -> SqlBounceStore:
    return SqlBounceStore(database)


def accepted(world: World, opened: Issue) -> dict[str, Returning]:
    """Hand all over; what mail that comes back is addressed to, by reader."""
    claimed = world.end(opened, ACCEPTED)
    return {
        each.address.partition("@")[0]: Returning(way=Way.BOUNCE, number=each.delivery, attempt=each.attempt)
        for each in claimed
    }


def test_a_hard_one_once_and_again(world: World, store: SqlBounceStore) -> None:
    opened = world.site_with_issue("anna", "ben")
    named = accepted(world, opened)
    first = store.act(named["anna"], HARD, PATIENCE, NOW)
    assert (first.fate, first.digest, first.suppressed) == (Fate.DONE, "weekly", True)
    assert store.act(named["anna"], HARD, PATIENCE, NOW + DAY).fate is Fate.KNOWN
    assert world.states(opened) == {"anna": S.BOUNCED, "ben": S.SENT}
    assert len(world.people.suppressions()) == 1
    assert store.of_issue(opened.id) == {BounceKind.HARD: 1}
    assert [each.reason for each in store.newest(9)] == ["5.1.1 550 gone"]


def test_the_cursor_goes_back_for_what_is_tried_again_only(world: World, store: SqlBounceStore) -> None:
    opened = world.site_with_issue("anna", "ben", "cara")
    named = accepted(world, opened)
    before = world.cursors()
    store.act(named["anna"], SOFT, PATIENCE, NOW)
    store.act(named["ben"], HARD, PATIENCE, NOW)
    after = world.cursors()
    assert after["anna"] < before["anna"]
    assert (after["ben"], after["cara"]) == (before["ben"], before["cara"])


def test_a_late_report_does_not_bring_back_what_a_later_issue_follows(world: World, store: SqlBounceStore) -> None:
    named = accepted(world, world.site_with_issue("anna"))
    world.absorb(article("Two"), document="b.md")
    later = world.open("weekly:2026-W46")
    accepted(world, later)
    before = world.cursors()
    assert store.act(named["anna"], SOFT, PATIENCE, NOW).fate is Fate.DONE
    assert world.cursors() == before


def test_doubts_are_resolved_either_way(world: World, store: SqlBounceStore) -> None:
    opened = world.site_with_issue("anna", "ben")
    claimed = world.end(opened, CUT_OFF)
    assert set(world.states(opened).values()) == {S.UNKNOWN}
    one, other = (Returning(way=Way.BOUNCE, number=each.delivery, attempt=each.attempt) for each in claimed)
    store.act(one, Report(kind=BounceKind.DELIVERED), PATIENCE, NOW)
    store.act(other, SOFT, PATIENCE, NOW)
    assert sorted(world.states(opened).values()) == [S.BOUNCED, S.SENT]
    assert store.act(one, Report(kind=BounceKind.DELIVERED), PATIENCE, NOW).fate is Fate.KNOWN


def test_what_was_never_handed_over_cannot_come_back(world: World, store: SqlBounceStore) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.ledger.claim(opened.id, "me", 9, NOW)
    named = Returning(way=Way.BOUNCE, number=claimed.delivery, attempt=claimed.attempt)
    assert store.act(named, HARD, PATIENCE, NOW).fate is Fate.OTHER
    assert store.act(Returning(way=Way.BOUNCE, number=10**9), HARD, PATIENCE, NOW).fate is Fate.OTHER
    assert store.act(Returning(way=Way.LEAVE, number=10**9), HARD, PATIENCE, NOW).fate is Fate.OTHER
    world.ledger.release("me", NOW)


def test_the_same_report_at_the_same_time_counts_once(
    world: World, store: SqlBounceStore, database_url: str, open_database: Callable[[str], Database]
) -> None:
    named = accepted(world, world.site_with_issue("anna"))["anna"]
    start, fates = threading.Barrier(4), list[Fate]()

    def work() -> None:
        other = SqlBounceStore(open_database(database_url))
        start.wait()
        fates.append(other.act(named, SOFT, PATIENCE, NOW).fate)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fates) == [Fate.DONE, Fate.KNOWN, Fate.KNOWN, Fate.KNOWN]
    assert len(store.newest(9)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_reports_keeps_the_rules(world: World, store: SqlBounceStore, seed: int) -> None:
    chance = random.Random(seed)
    opened = world.site_with_issue(*(f"r{n}" for n in range(6)))
    named = accepted(world, opened)
    said: dict[str, set[BounceKind]] = {name: set() for name in named}
    for step in range(40):
        name, kind = chance.choice(sorted(named)), chance.choice(list(BounceKind))
        new = kind not in said[name] and kind is not BounceKind.DELIVERED
        acted = store.act(named[name], Report(kind=kind), PATIENCE, NOW + step * HOUR)
        assert acted.fate is (Fate.DONE if new else Fate.KNOWN)
        said[name].add(kind)
        world.assert_books_balance()
    bouncing = {BounceKind.HARD, BounceKind.SOFT, BounceKind.UNCLEAR, BounceKind.REFUSED, BounceKind.POLICY}
    assert world.states(opened) == {name: S.BOUNCED if kinds & bouncing else S.SENT for name, kinds in said.items()}
    gone = {name for name, kinds in said.items() if kinds & {BounceKind.HARD, BounceKind.COMPLAINT}}
    assert {address.partition("@")[0] for address, _, _ in world.people.suppressions()} == gone
    left = {view.address.partition("@")[0] for view in world.people.page(None, 0, 99) if view.state == "unsubscribed"}
    assert left == {name for name, kinds in said.items() if BounceKind.COMPLAINT in kinds}


def test_names_of_mails(world: World, store: SqlBounceStore) -> None:
    opened = world.site_with_issue("anna")
    named = accepted(world, opened)["anna"]
    with world.database.read() as connection:
        key = connection.execute(select(subscriber.c.address_key)).scalar_one()
    assert store.named(opened.id, named.number) == named
    assert store.named(opened.id + 1, named.number) is None
    assert store.digest_of(named.number) == "weekly"
    assert store.digest_of(10**9) is None
    assert store.latest("nobody", NOW - DAY) is None
    assert store.latest(key, NOW - DAY) == named
    assert store.latest(key, NOW + DAY) is None


def test_answers_wait_leave_and_are_forgotten(store: SqlBounceStore) -> None:
    assert store.keep_answer("a", "weekly", b"one", 2, NOW) is True
    assert store.keep_answer("a", "weekly", b"one", 2, NOW) is False
    assert store.keep_answer("b", "other", b"two", 2, NOW) is True
    assert store.keep_answer("c", "weekly", b"three", 2, NOW) is None
    (claimed,) = store.claim_answers(["weekly"], 30, NOW)
    assert claimed.mail == b"one"
    assert store.claim_answers(["weekly"], 30, NOW) == []
    (again,) = store.claim_answers(["weekly"], 30, NOW + HOUR)
    assert again == claimed, "a crash loses nothing"
    store.answer_left(claimed.number, NOW)
    assert store.claim_answers(["weekly"], 30, NOW + DAY) == []
    assert store.keep_answer("a", "weekly", b"one", 2, NOW) is False
    assert store.claim_answers(["other"], 1, NOW + HOUR / 2) == [], "so many an hour"
    assert len(store.claim_answers(["other"], 1, NOW + HOUR)) == 1
    store.forget_answers(NOW + DAY)
    assert store.keep_answer("a", "weekly", b"one", 2, NOW) is True


def test_counts(store: SqlBounceStore) -> None:
    for days, what in ((0, "hard"), (0, "hard"), (1, "hard"), (3, "soft")):
        store.count(what, (NOW + days * DAY).date())
    assert store.counts((NOW + DAY).date()) == {"hard": 1, "soft": 1}
    assert store.counts(NOW.date()) == {"hard": 3, "soft": 1}
