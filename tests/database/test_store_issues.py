"""Digests and issues on both databases: slots, batches, audiences and cursors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from database_world import ACCEPTED, CUT_OFF, DAY, HOUR, NOW, REFUSED, World, article, judged, mark

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store import ending
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError, NotFoundError, StorageError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.model import EntryState
from feed_publisher.ports.issues import Audience

S = DeliveryState
WEEKLY = Audience(digest="weekly", cadence="weekly", rehearsal=False)
ALL = Audience(digest="weekly", cadence=None, rehearsal=False)


# --- digests


def test_a_digest_starts_at_the_counter_when_it_first_appears(world: World) -> None:
    world.absorb(article("One"), article("Two"))
    world.issues.declare_digest("weekly", NOW)
    world.absorb(article("Three"), document="b.md")
    world.issues.declare_digest("weekly", NOW + DAY)
    world.issues.declare_digest("from-the-start", NOW, start=0)
    assert world.issues.digest_start("weekly") == 2
    assert world.issues.digest_added("weekly") == NOW
    assert world.issues.digest_start("from-the-start") == 0
    assert world.issues.current_sequence() == 3


def test_the_sequence_at_an_instant_and_the_candidates_between_two(world: World) -> None:
    world.absorb(
        article("Three", published=NOW - HOUR), article("Two", "News", "Culture", published=NOW - DAY), article("One")
    )
    world.absorb(article("Four", published=NOW - 9 * DAY), document="b.md", now=NOW + DAY)
    assert world.issues.sequence_at(NOW - HOUR) == 0
    assert world.issues.sequence_at(NOW) == 4
    assert world.issues.sequence_at(NOW + DAY) == 5
    found = world.issues.candidates(1, 2)
    assert [entry.title for entry, _ in found] == ["Two"]
    assert sorted(found[0][1].sequences.values()) == [2, 3], "its numbers in all topics"
    assert [entry.title for entry, _ in world.issues.candidates(0, 99)] == ["One", "Three", "Two", "Four"]
    world.entries.change_state(found[0][0].number, [EntryState.PUBLIC], EntryState.WITHDRAWN, "", NOW)
    assert world.issues.candidates(1, 3) == []


def test_clocks_are_those_of_active_readers_of_the_cadence(world: World) -> None:
    world.digest()
    world.join("anna")
    world.join("bert", zone="Asia/Tokyo", at="06:30")
    world.join("carl", zone="Europe/Berlin", cadence="daily")
    world.join("dora", zone="Africa/Lagos", active=False)
    world.join("emil", zone="America/Lima")
    world.people.leave(world.reader("emil"), NOW)
    assert sorted(world.issues.clocks("weekly", "weekly")) == [("", ""), ("Asia/Tokyo", "06:30")]
    assert world.issues.clocks("weekly", "daily") == [("Europe/Berlin", "")]


def test_groups_count_who_would_get_it(world: World) -> None:
    world.digest()
    world.absorb(article("One", "News", "Culture"))
    world.join("anna", "bert", "left", "paused", "never")
    world.join("carl", topics=("culture",), language="de")
    world.people.leave(world.reader("left"), NOW)
    world.pause("paused", NOW + DAY)
    world.people.suppress("never", "", NOW)
    groups = world.issues.groups(WEEKLY, NOW)
    assert {(group.choice, group.cursor, group.language, group.count) for group in groups} == {
        (f"{world.numbers()['culture']}@0", 0, "de", 1),
        ("*@0", 0, None, 2),
    }


# --- slots


def test_a_slot_is_claimed_once_however_many_try(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    world.digest()
    won: list[Issue] = []
    lost: list[None] = []
    ready = threading.Barrier(6)
    databases = [open_database(database_url), open_database(database_url)]

    def attempt(number: int) -> None:
        other = World(databases[number % 2])
        ready.wait()
        found = other.issues.claim_slot(
            "weekly", "weekly:2026-W45", IssueState.PREPARING, "", False, f"owner {number}", NOW
        )
        (lost if found is None else won).append(found)  # type: ignore[arg-type]

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert (won[0].issue_number, won[0].state, won[0].slot) == (1, IssueState.PREPARING, "weekly:2026-W45")
    assert world.issues.preparing() == won
    assert world.issues.slot_taken("weekly", "weekly:2026-W45")
    assert not world.issues.slot_taken("weekly", "weekly:2026-W46")
    assert world.claim("weekly:2026-W46").issue_number == 2


def test_through_is_fixed_when_the_slot_is_claimed(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna")
    claimed = world.claim()
    world.absorb(article("Two"), document="b.md")
    opened = world.prepare(claimed)
    assert (opened.through, opened.entries, opened.audience) == (1, 1, 1)
    assert world.cursors() == {"anna": 1}


def test_a_skipped_slot_takes_no_number(world: World) -> None:
    world.digest()
    skipped = world.issues.claim_slot("weekly", "weekly:2026-W45", IssueState.SKIPPED, "late", False, "me", NOW)
    assert skipped is not None
    assert (skipped.issue_number, skipped.reason) == (None, "late")
    assert world.claim("weekly:2026-W46").issue_number == 1


def test_an_issue_for_nobody_gives_its_number_back(world: World) -> None:
    world.digest()
    opened = world.open()
    assert (opened.state, opened.issue_number, opened.audience) == (IssueState.SKIPPED, None, 0)
    assert opened.reason == "nothing new for anybody"
    world.absorb(article("One"))
    world.join("anna")
    assert world.open("weekly:2026-W46").issue_number == 1


def test_only_its_owner_freezes_an_issue(world: World) -> None:
    world.digest()
    opened = world.claim()
    assert world.issues.adopt(opened.id, "me", "heir") is True
    assert world.issues.adopt(opened.id, "me", "other") is False
    late = world.issues.freeze(opened, IssueState.READY, "Subject", NOW)
    assert (late.state, late.issue_number, late.owner) == (IssueState.PREPARING, 1, "heir")
    assert world.claim("weekly:2026-W46").issue_number == 2, "its number was not given back"


# --- batches


def test_a_crash_between_batches_is_continued_without_repeating(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna", "bert", "carl", "dora", "emil")
    opened = world.claim()
    readers = world.issues.readers(ALL, 0, 2, NOW)
    batch = world.batch(opened, readers, 0)
    reached = world.issues.add_batch(opened, batch, NOW)
    assert reached == world.reader("bert")
    assert world.ledger.claim(opened.id, "me", 9, NOW) == [], "nothing is claimed before it is ready"
    with pytest.raises(StorageError, match="nothing was added twice"):
        world.issues.add_batch(opened, batch, NOW)
    assert world.issues.adopt(opened.id, "me", "heir")
    with pytest.raises(StorageError, match="another process"):
        world.issues.add_batch(opened, world.batch(opened, readers, reached), NOW)
    done = world.prepare(world.issues.get(opened.id), limit=2)
    assert (done.state, done.audience, done.entries, done.subject) == (IssueState.READY, 5, 1, "Subject")
    assert world.issues.books(done.id) == {S.QUEUED: 5}
    assert set(world.cursors().values()) == {done.through}
    world.assert_books_balance()
    with world.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM edition").scalar_one() == 1, "shared"


def test_a_failing_batch_leaves_nothing_behind(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna")
    opened = world.claim()
    (anna,) = world.issues.readers(ALL, 0, 9, NOW)
    batch = world.batch(opened, [anna, anna], 0)
    with pytest.raises(StorageError):
        world.issues.add_batch(opened, batch, NOW)
    assert world.issues.books(opened.id) == {}
    assert world.cursors() == {"anna": 0}
    assert world.issues.get(opened.id).prepared_to == 0


def test_who_left_or_moved_since_is_dropped_or_looked_at_again(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna", "left", "moved", "dora")
    opened = world.claim()
    batch = world.batch(opened, world.issues.readers(ALL, 0, 9, NOW), 0)
    world.people.leave(world.reader("left"), NOW)
    with world.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE subscription SET cursor = 1 WHERE id = {world.reader('moved')}")
    assert world.issues.add_batch(opened, batch, NOW) == world.reader("left")
    assert world.states(opened) == {"anna": S.QUEUED}
    done = world.prepare(world.issues.get(opened.id))
    assert world.states(done) == {"anna": S.QUEUED, "dora": S.QUEUED}
    assert world.cursors() == {"anna": 1, "left": 0, "moved": 1, "dora": 1}


def test_who_has_chosen_another_cadence_since_is_dropped(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna", "daily", cadence="weekly")
    opened = world.claim()
    batch = world.batch(opened, world.issues.readers(WEEKLY, 0, 9, NOW), 0)
    with world.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE subscription SET cadence = 'daily' WHERE id = {world.reader('daily')}")
    assert world.issues.add_batch(opened, batch, NOW) == batch.to
    assert world.states(opened) == {"anna": S.QUEUED}
    assert world.cursors() == {"anna": 1, "daily": 0}


def test_the_next_issue_expires_what_still_waits(world: World) -> None:
    first = world.site_with_issue("anna", "bert")
    world.transmit(first, "me", limit=1)
    world.ledger.recover("me", NOW)
    world.absorb(article("Two"), article("One"))
    second = world.open("weekly:2026-W46")
    assert world.states(first) == {"anna": S.UNKNOWN, "bert": S.EXPIRED}
    with world.database.read() as connection:
        query = (
            "SELECT d.from_sequence, count(*) FROM delivery d JOIN edition_entry e ON e.edition_id = d.edition_id"
            f" WHERE d.issue_id = {second.id} GROUP BY d.id, d.from_sequence ORDER BY d.from_sequence"
        )
        assert [tuple(row) for row in connection.exec_driver_sql(query)] == [(0, 2), (1, 1)]
    world.assert_books_balance()


def test_readers_with_nothing_new_only_move_on(world: World) -> None:
    world.digest()
    world.absorb(article("One", "News"), article("Two", "Culture"))
    world.join("anna")
    world.join("bert", topics=("culture",))
    world.end(world.open(), ACCEPTED)
    world.absorb(article("Three", "News"), document="b.md")
    second = world.open("weekly:2026-W46")
    assert world.states(second) == {"anna": S.QUEUED}
    assert set(world.cursors().values()) == {second.through}


def test_readers_are_paged_in_order_with_what_decides_for_them(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna", language="de", zone="Asia/Tokyo", at="06:30")
    world.join("bert", cadence="daily")
    world.people.suppress("bert", "", NOW)
    anna, bert = world.issues.readers(ALL, 0, 9, NOW)
    assert (anna.choice, anna.cursor, anna.language, anna.zone, anna.at) == ("*@0", 0, "de", "Asia/Tokyo", "06:30")
    assert (anna.suppressed, bert.suppressed, bert.cadence) == (False, True, "daily")
    assert world.issues.readers(WEEKLY, 0, 9, NOW) == [anna]
    assert world.issues.readers(ALL, anna.subscription, 9, NOW) == [bert]
    assert world.issues.readers(ALL, 0, 1, NOW) == [anna]


def test_the_never_mailed_are_in_the_audience_but_get_nothing(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna", "never")
    world.people.suppress("never", "", NOW)
    opened = world.open()
    assert opened.audience == 2
    assert world.issues.books(opened.id) == {S.QUEUED: 1, S.SUPPRESSED: 1}


def test_the_ledger_knows_what_was_received(world: World) -> None:
    opened = world.site_with_issue("got", "refused", "doubt")
    got, refused, doubt = (world.reader(name) for name in ("got", "refused", "doubt"))
    claimed = {one.subscription: one for one in world.transmit(opened, "me")}
    results = [
        judged(claimed[number], outcome, NOW)
        for number, outcome in ((got, ACCEPTED), (refused, REFUSED), (doubt, CUT_OFF))
    ]
    world.ledger.settle("me", results, [], NOW)
    (entry,) = (found.number for found, _ in world.issues.candidates(0, 99))
    everybody = [got, refused, doubt]
    assert world.issues.already_had(everybody, [entry], False) == {(got, entry), (doubt, entry)}
    assert world.issues.already_had(everybody, [entry + 1], False) == set()
    assert world.issues.already_had([], [entry], True) == set()


def test_a_later_tagged_entry_is_not_mailed_twice(world: World) -> None:
    world.digest()
    world.absorb(article("One", "News"))
    world.join("all")
    world.join("culture", topics=())
    world.end(world.open(), ACCEPTED)
    world.absorb(article("One", "News", "Culture"))
    world.join("culture", topics=("culture",))
    second = world.claim("weekly:2026-W46")
    done = world.prepare(second)
    assert world.states(done) == {}, "‘all’ had it, and a newly chosen topic starts now"


# --- rehearsals


def test_a_rehearsal_has_a_cursor_of_its_own_and_no_number(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("anna")
    rehearsal = world.open("manual:1", rehearsal=True)
    assert (rehearsal.rehearsal, rehearsal.issue_number, rehearsal.audience) == (True, None, 1)
    assert world.ledger.sendable(True, ["weekly"], NOW) == [rehearsal.id]
    assert world.ledger.sendable(False, ["weekly"], NOW) == []
    world.end(rehearsal, ACCEPTED)
    assert world.cursors() == {"anna": 0}
    assert world.cursors("rehearsed_cursor") == {"anna": 1}
    assert world.open("manual:2", rehearsal=True).state is IssueState.SKIPPED, "no rehearsal repeats another"
    real = world.open("weekly:2026-W45")
    assert (real.issue_number, real.audience) == (1, 1), "the first real issue starts where the digest started"
    world.end(real, ACCEPTED)
    world.absorb(article("Two"), document="b.md")
    third = world.open("manual:3", rehearsal=True)
    assert third.entries == 1, "a rehearsal starts after what was really received"


def test_a_failed_rehearsal_puts_only_its_own_cursor_back(world: World) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, ACCEPTED)
    world.absorb(article("Two"), document="b.md")
    rehearsal = world.open("manual:1", rehearsal=True)
    assert world.cursors("rehearsed_cursor") == {"anna": 2}
    world.issues.cancel(rehearsal.id, NOW)
    assert world.cursors("rehearsed_cursor") == {"anna": 1}
    assert world.cursors() == {"anna": 1}


# --- looking and deciding


def test_cancelling_puts_cursors_back_and_stops_the_rest(world: World) -> None:
    opened = world.site_with_issue("anna", "bert", "carl")
    world.transmit(opened, "me", limit=1)
    world.ledger.claim(opened.id, "me", 1, NOW)
    cancelled = world.issues.cancel(opened.id, NOW)
    assert cancelled.state is IssueState.CANCELLED
    assert world.states(opened) == {"anna": S.TRANSMITTING, "bert": S.CLAIMED, "carl": S.EXCLUDED}
    assert world.cursors() == {"anna": 1, "bert": 1, "carl": 0}
    world.assert_books_balance()
    with pytest.raises(InputError, match="it is cancelled; that needs one that is draft or ready or paused"):
        world.issues.cancel(opened.id, NOW)


def test_states_change_only_from_where_they_may(world: World) -> None:
    opened = world.site_with_issue("anna")
    assert world.issues.change_state(opened.id, [IssueState.READY], IssueState.PAUSED).state is IssueState.PAUSED
    with pytest.raises(InputError, match=f"issue {opened.id}: it is paused; that needs one that is draft"):
        world.issues.change_state(opened.id, [IssueState.DRAFT], IssueState.READY)
    for number in (999, 1 << 70):
        with pytest.raises(NotFoundError):
            world.issues.get(number)
    with pytest.raises(NotFoundError):
        world.issues.cancel(999, NOW)


def test_the_newest_issues_come_first(world: World) -> None:
    world.issues.declare_digest("other", NOW, 0)
    first, second = world.site_with_issue("anna"), world.open("weekly:2026-W46")
    other = world.issues.claim_slot("other", "weekly:2026-W45", IssueState.PREPARING, "", False, "me", NOW)
    assert other is not None
    assert [found.id for found in world.issues.newest(9)] == [other.id, second.id, first.id]
    assert [found.id for found in world.issues.newest(1, "weekly")] == [second.id]


def test_cancel_while_others_claim_never_loses_or_doubles_a_reader(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    """After a cancellation: whoever was not being mailed has his cursor back; whoever was has not."""
    opened = world.site_with_issue(*(f"r{n}" for n in range(80)))
    start = threading.Barrier(2)

    def send() -> None:
        other = World(open_database(database_url))
        start.wait()
        while claimed := other.ledger.claim(opened.id, "me", 4, NOW):
            other.ledger.settle("me", [], [mark(one) for one in claimed], NOW)

    thread = threading.Thread(target=send)
    thread.start()
    start.wait()
    world.issues.cancel(opened.id, NOW + timedelta(seconds=1))
    thread.join()
    states, cursors = world.states(opened), world.cursors()
    assert {states[name] for name in states if cursors[name] == 0} <= {S.EXCLUDED}
    assert {states[name] for name in states if cursors[name] == 1} <= {S.TRANSMITTING}
    world.assert_books_balance()


def test_cancelling_ends_what_waits_in_steps_and_a_crash_between_them_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "STEP", 2)
    opened = world.site_with_issue("anna", "bert", "cleo", "dora", "eve")
    plain, steps = ending.end_mails, []

    def dies_after_one(*given: Any) -> tuple[int | None, int]:
        if steps:
            raise StorageError("the disk is full")
        steps.append(given)
        return plain(*given)

    monkeypatch.setattr(ending, "end_mails", dies_after_one)
    with pytest.raises(StorageError):
        world.issues.cancel(opened.id, NOW)
    assert world.issues.get(opened.id).state is IssueState.CANCELLED, "nothing leaves any more"
    assert world.ledger.claim(opened.id, "me", 9, NOW) == []
    assert world.issues.books(opened.id) == {S.EXCLUDED: 2, S.QUEUED: 3}
    world.assert_books_balance()

    monkeypatch.setattr(ending, "end_mails", plain)
    world.issues.end_cancelled(NOW)
    assert world.issues.books(opened.id) == {S.EXCLUDED: 5}
    assert set(world.cursors().values()) == {0}, "the articles come again"
    with pytest.raises(InputError, match="it is cancelled"):
        world.issues.cancel(opened.id, NOW)
