"""The ledger's contract on both databases: marks, results, crashes, and books that balance throughout."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from database_world import (
    ACCEPTED,
    CUT_OFF,
    DAY,
    HOUR,
    NEVER_BEGUN,
    NO_SUCH_READER,
    NOW,
    REFUSED,
    TRY_LATER,
    World,
    article,
    judged,
    mark,
)
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError, NotFoundError, StorageError
from feed_publisher.domain.issue import IssueState

S = DeliveryState


@pytest.fixture(autouse=True)
def _books(world: World) -> Iterator[None]:
    yield
    world.assert_books_balance()


# --- claiming


def test_two_owners_never_claim_the_same_delivery(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    opened = world.site_with_issue(*(f"r{n}" for n in range(120)))
    taken: dict[str, list[int]] = {"a": [], "b": []}
    start = threading.Barrier(2)

    def work(owner: str) -> None:
        other = World(open_database(database_url))
        start.wait()
        while claimed := other.ledger.claim(opened.id, owner, 7, NOW):
            taken[owner] += [one.delivery for one in claimed]

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken["a"] + taken["b"]) == len(set(taken["a"] + taken["b"])) == 120
    assert world.issues.books(opened.id) == {S.CLAIMED: 120}


def test_a_claim_tells_what_a_message_needs(world: World) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.ledger.claim(opened.id, "me", 10, NOW)
    assert (claimed.attempt, claimed.tries, claimed.address) == (1, 0, "anna@x.example")
    assert (claimed.digest, claimed.issue, claimed.opened_at) == ("weekly", opened.id, NOW)
    assert claimed.subscription == world.reader("anna")
    assert world.ledger.edition(claimed.edition).subject == "Subject"


def test_a_claim_leaves_out_who_left_paused_or_is_never_mailed(world: World) -> None:
    opened = world.site_with_issue("stays", "left", "paused", "never", "back")
    world.people.leave(world.reader("left"), NOW)
    world.pause("paused", NOW + DAY)
    world.pause("back", NOW - HOUR)
    world.people.suppress("never", "asked us", NOW)
    claimed = world.ledger.claim(opened.id, "me", 10, NOW)
    assert [one.address for one in claimed] == ["stays@x.example", "back@x.example"]
    states = world.states(opened)
    assert (states["left"], states["paused"], states["never"]) == (S.EXCLUDED, S.EXCLUDED, S.SUPPRESSED)
    # The pause ends some day: the entries come then. Who is never mailed stays where he is.
    assert world.cursors()["paused"] == 0
    assert world.cursors()["never"] == opened.through


def test_nothing_is_claimed_before_its_time_or_unless_the_issue_is_ready(world: World) -> None:
    opened = world.site_with_issue("anna")
    assert world.ledger.claim(opened.id, "me", 10, NOW - HOUR) == []
    world.issues.change_state(opened.id, [IssueState.READY], IssueState.PAUSED)
    assert world.ledger.sendable(False, ["weekly"], NOW) == []
    assert world.ledger.claim(opened.id, "me", 10, NOW) == []
    world.issues.change_state(opened.id, [IssueState.PAUSED], IssueState.READY)
    assert world.ledger.sendable(False, ["weekly"], NOW) == [opened.id]
    assert world.ledger.sendable(True, ["weekly"], NOW) == []
    assert world.ledger.next_due(False) == NOW
    assert world.ledger.next_due(True) is None


# --- marks and results


def test_result_and_next_mark_are_one_commit(world: World) -> None:
    opened = world.site_with_issue("anna", "bert")
    first, second = world.ledger.claim(opened.id, "me", 10, NOW)
    assert world.ledger.settle("me", [], [mark(first)], NOW) == {first.delivery}
    assert world.ledger.settle("me", [judged(first, ACCEPTED, NOW)], [mark(second)], NOW) == {second.delivery}
    assert world.states(opened) == {"anna": S.SENT, "bert": S.TRANSMITTING}


def test_when_the_mark_fails_the_result_is_rolled_back_too(world: World) -> None:
    opened = world.site_with_issue("anna", "bert")
    first, second = world.ledger.claim(opened.id, "me", 10, NOW)
    world.ledger.settle("me", [], [mark(first)], NOW)
    with world.database.write() as connection:  # marks look at it, results do not
        connection.exec_driver_sql("ALTER TABLE suppression RENAME TO away")
    with pytest.raises(StorageError):
        world.ledger.settle("me", [judged(first, ACCEPTED, NOW)], [mark(second)], NOW)
    with world.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO suppression")
    assert world.states(opened) == {"anna": S.TRANSMITTING, "bert": S.CLAIMED}


def test_a_mark_needs_the_right_owner_and_attempt(world: World) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.ledger.claim(opened.id, "me", 10, NOW)
    assert world.ledger.settle("thief", [], [mark(claimed)], NOW) == set()
    assert world.ledger.settle("me", [], [replace(mark(claimed), attempt=claimed.attempt - 1)], NOW) == set()
    assert world.states(opened) == {"anna": S.CLAIMED}, "a stale mark does not disturb the new claim"
    assert world.ledger.settle("me", [], [mark(claimed)], NOW) == {claimed.delivery}
    assert world.ledger.settle("me", [], [mark(claimed)], NOW) == set(), "only once"
    assert world.states(opened) == {"anna": S.TRANSMITTING}


@pytest.mark.parametrize(
    ("happens", "state", "goes_back"),
    [
        ("left", S.EXCLUDED, True),
        ("paused", S.EXCLUDED, True),
        ("never mailed", S.SUPPRESSED, False),
        ("issue paused", S.QUEUED, False),
        ("issue cancelled", S.EXCLUDED, True),
    ],
)
def test_a_mark_is_refused_after_a_change_of_mind(
    world: World, happens: str, state: DeliveryState, goes_back: bool
) -> None:
    opened = world.site_with_issue("anna", "bert")
    anna, bert = world.ledger.claim(opened.id, "me", 10, NOW)
    if happens == "left":
        world.people.leave(anna.subscription, NOW)
    elif happens == "paused":
        world.pause("anna", NOW + DAY)
    elif happens == "never mailed":
        world.people.suppress("anna", "asked us", NOW)
    elif happens == "issue paused":
        world.issues.change_state(opened.id, [IssueState.READY], IssueState.PAUSED)
    else:
        world.issues.cancel(opened.id, NOW)
    assert anna.delivery not in world.ledger.settle("me", [], [mark(anna), mark(bert)], NOW)
    assert world.states(opened)["anna"] == state
    assert world.cursors()["anna"] == (0 if goes_back else opened.through)
    # The mailer settles a refused message once more; that changes nothing.
    world.ledger.settle("me", [judged(anna, NEVER_BEGUN, NOW)], [], NOW)
    assert world.states(opened)["anna"] == state


@pytest.mark.parametrize(
    ("outcome", "state", "cursor_back", "suppressed"),
    [
        (ACCEPTED, S.SENT, False, False),
        (TRY_LATER, S.DEFERRED, False, False),
        (REFUSED, S.BOUNCED, True, False),
        (NO_SUCH_READER, S.BOUNCED, False, True),
        (CUT_OFF, S.UNKNOWN, False, False),
        (NEVER_BEGUN, S.QUEUED, False, False),
    ],
)
def test_what_an_answer_leads_to(
    world: World, outcome: object, state: DeliveryState, cursor_back: bool, suppressed: bool
) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, outcome)  # type: ignore[arg-type]
    assert world.states(opened) == {"anna": state}
    assert world.cursors()["anna"] == (0 if cursor_back else opened.through)
    assert [row[0] for row in world.people.suppressions()] == (["anna@x.example"] if suppressed else [])


def test_a_deferred_delivery_comes_again_later_with_its_tries_counted(world: World) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, TRY_LATER)
    assert world.ledger.claim(opened.id, "me", 10, NOW) == []
    due = world.ledger.next_due(False)
    assert due is not None
    assert due > NOW
    (again,) = world.ledger.claim(opened.id, "me", 10, due)
    assert (again.attempt, again.tries) == (2, 1)


def test_a_result_of_an_earlier_attempt_is_ignored(world: World) -> None:
    opened = world.site_with_issue("anna")
    (first,) = world.end(opened, TRY_LATER)
    later = NOW + HOUR
    world.transmit(opened, "me", later)
    world.ledger.settle("me", [judged(first, REFUSED, later)], [], later)
    assert world.states(opened) == {"anna": S.TRANSMITTING}


# --- crashes


def test_recover_queues_what_was_claimed_and_doubts_what_was_under_way(world: World) -> None:
    opened = world.site_with_issue("anna", "bert", "carl")
    world.ledger.register("dead", "host", 1)
    world.ledger.register("alive", "host", 2)
    world.transmit(opened, "dead", limit=1)
    world.ledger.claim(opened.id, "dead", 1, NOW)
    world.ledger.claim(opened.id, "alive", 1, NOW)
    assert world.ledger.recover("dead", NOW) == (1, 1)
    assert world.states(opened) == {"anna": S.UNKNOWN, "bert": S.QUEUED, "carl": S.CLAIMED}
    assert [process.owner for process in world.ledger.processes()] == ["alive"]
    assert world.ledger.recover("dead", NOW) == (0, 0)
    assert world.cursors()["anna"] == opened.through, "in doubt counts as received"


@pytest.mark.parametrize(("outcome", "state"), [(ACCEPTED, S.SENT), (REFUSED, S.BOUNCED), (CUT_OFF, S.UNKNOWN)])
def test_a_late_reply_of_the_same_attempt_settles_the_doubt(world: World, outcome: object, state: S) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.transmit(opened, "me")
    world.ledger.recover("me", NOW)
    world.ledger.settle("other", [judged(claimed, outcome, NOW)], [], NOW)  # type: ignore[arg-type]
    assert world.states(opened) == {"anna": S.UNKNOWN}
    world.ledger.settle("me", [judged(claimed, outcome, NOW)], [], NOW)  # type: ignore[arg-type]
    assert world.states(opened) == {"anna": state}


def test_a_late_reply_after_a_resend_is_ignored(world: World) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.transmit(opened, "me")
    world.ledger.recover("me", NOW)
    world.ledger.resend(opened.id, [S.UNKNOWN], None, NOW)
    world.ledger.settle("me", [judged(claimed, ACCEPTED, NOW)], [], NOW)
    assert world.states(opened) == {"anna": S.QUEUED}


def test_a_mark_for_another_edition_is_refused(world: World) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.ledger.claim(opened.id, "me", 1, NOW)
    assert world.ledger.settle("me", [], [replace(mark(claimed), edition=claimed.edition + 1)], NOW) == set()
    assert world.states(opened) == {"anna": S.QUEUED}, "it comes again, with the edition of then"


def test_after_a_run_nothing_stays_in_its_hands(world: World) -> None:
    opened = world.site_with_issue("anna", "bert", "carl")
    world.transmit(opened, "me", limit=1)
    world.ledger.claim(opened.id, "me", 1, NOW)
    world.ledger.claim(opened.id, "other", 1, NOW)
    assert world.ledger.release("me", NOW) == (1, 1)
    assert world.states(opened) == {"anna": S.UNKNOWN, "bert": S.QUEUED, "carl": S.CLAIMED}


def test_an_owner_that_nobody_knows_any_more_is_found_by_what_it_holds(world: World) -> None:
    opened = world.site_with_issue("anna", "bert")
    world.transmit(opened, "ghost", limit=1)
    (ghost,) = world.ledger.processes()
    assert (ghost.owner, ghost.host) == ("ghost", "")
    assert ghost.silent_for > 10**9, "silent for ever: whoever looks takes it for dead"
    assert world.ledger.recover("ghost", NOW) == (0, 1)
    assert world.ledger.processes() == []


@pytest.mark.parametrize("how", ["give back", "recover", "relay trouble", "greylisted"])
def test_nothing_waits_in_a_cancelled_issue(world: World, how: str) -> None:
    opened = world.site_with_issue("anna")
    (claimed,) = world.ledger.claim(opened.id, "me", 1, NOW)
    if how in ("relay trouble", "greylisted"):
        world.ledger.settle("me", [], [mark(claimed)], NOW)
    world.issues.cancel(opened.id, NOW)
    if how == "give back":
        assert world.ledger.release("me", NOW) == (1, 0)
    elif how == "recover":
        assert world.ledger.recover("me", NOW) == (1, 0)
    else:
        outcome = TRY_LATER if how == "greylisted" else NEVER_BEGUN
        world.ledger.settle("me", [judged(claimed, outcome, NOW)], [], NOW)
    assert world.ledger.rows(opened.id, 0, 10)[0]["reason"] == "cancelled"
    assert world.states(opened) == {"anna": S.EXCLUDED}
    assert world.cursors() == {"anna": 0}


def test_processes_tell_how_long_they_were_silent(world: World) -> None:
    world.ledger.register("me", "host boot", 7)
    world.ledger.register("me", "host boot", 7)
    with world.database.write() as connection:
        connection.execute(text("UPDATE process SET heartbeat = :then"), {"then": "2026-01-01 00:00:00.000000+00"})
    (silent,) = world.ledger.processes() if not world.database.is_sqlite else [None]
    world.ledger.heartbeat("me")
    (process,) = world.ledger.processes()
    assert (process.owner, process.host) == ("me", "host boot")
    assert process.silent_for < 5
    assert silent is None or silent.silent_for > 1000
    world.ledger.recover("me", NOW)
    assert world.ledger.processes() == []


# --- the end of an issue


def test_what_waits_too_long_expires_and_comes_again(world: World) -> None:
    opened = world.site_with_issue("anna", "bert", "carl")
    world.ledger.claim(opened.id, "me", 1, NOW)
    assert world.ledger.expire(NOW, NOW) == 0
    assert world.ledger.expire(NOW + HOUR, NOW + 5 * HOUR) == 2
    assert world.states(opened) == {"anna": S.CLAIMED, "bert": S.EXPIRED, "carl": S.EXPIRED}
    assert world.cursors() == {"anna": opened.through, "bert": 0, "carl": 0}


def test_an_issue_finishes_when_nothing_is_left(world: World) -> None:
    opened = world.site_with_issue("anna", "bert")
    anna, bert = world.transmit(opened, "me")
    world.ledger.settle("me", [judged(anna, ACCEPTED, NOW), judged(bert, TRY_LATER, NOW)], [], NOW)
    assert world.ledger.finish(NOW) == []
    world.end(opened, CUT_OFF, NOW + HOUR)
    assert world.ledger.finish(NOW) == [opened.id]
    assert world.ledger.finish(NOW) == []
    assert world.issues.get(opened.id).state is IssueState.FINISHED
    assert world.ledger.rows(opened.id, 0, 1)[0]["address"] == "anna@x.example"


# --- resending


def test_resend_opens_the_issue_again_for_those_in_doubt(world: World) -> None:
    opened = world.site_with_issue("anna", "bert", "carl")
    anna, bert, carl = world.transmit(opened, "me")
    results = [judged(anna, CUT_OFF, NOW), judged(bert, CUT_OFF, NOW), judged(carl, ACCEPTED, NOW)]
    world.ledger.settle("me", results, [], NOW)
    world.ledger.finish(NOW)
    assert world.ledger.resend(opened.id, [S.UNKNOWN], world.reader("bert"), NOW) == 1
    assert world.states(opened) == {"anna": S.UNKNOWN, "bert": S.QUEUED, "carl": S.SENT}
    assert world.issues.get(opened.id).state is IssueState.READY
    (again,) = world.end(opened, ACCEPTED)
    assert (again.attempt, again.edition) == (2, bert.edition)


def test_resending_a_bounced_delivery_takes_its_entries_out_of_the_next_issue(world: World) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, REFUSED)
    assert world.cursors() == {"anna": 0}
    assert world.ledger.resend(opened.id, [S.BOUNCED], None, NOW) == 1
    assert world.cursors() == {"anna": opened.through}
    world.end(opened, REFUSED)
    assert world.cursors() == {"anna": 0}, "refused again: they come in the next issue after all"


def test_who_bounced_and_had_the_entries_since_is_not_mailed_them_twice(world: World) -> None:
    first = world.site_with_issue("anna")
    world.end(first, REFUSED)
    world.end(world.open("weekly:2026-W46"), ACCEPTED)
    assert world.ledger.resend(first.id, [S.BOUNCED], None, NOW) == 0


def test_resend_waits_for_another_issue_of_the_same_reader(world: World) -> None:
    first = world.site_with_issue("anna")
    world.end(first, CUT_OFF)
    world.absorb(article("Two"), article("One"))
    second = world.open("weekly:2026-W46")
    assert world.ledger.resend(first.id, [S.UNKNOWN], None, NOW) == 0, "one unfinished delivery at a time"
    world.end(second, ACCEPTED)
    assert world.ledger.resend(first.id, [S.UNKNOWN], None, NOW) == 1
    world.end(first, REFUSED)
    assert world.cursors() == {"anna": second.through}, "going back would repeat the second issue"


def test_resend_makes_a_deferred_delivery_due_now_and_leaves_others_alone(world: World) -> None:
    opened = world.site_with_issue("anna", "bert")
    anna, bert = world.transmit(opened, "me")
    world.ledger.settle("me", [judged(anna, TRY_LATER, NOW), judged(bert, ACCEPTED, NOW)], [], NOW)
    assert world.ledger.resend(opened.id, [S.DEFERRED], None, NOW) == 1
    assert world.states(opened)["anna"] == S.DEFERRED
    assert [one.address for one in world.ledger.claim(opened.id, "me", 9, NOW)] == ["anna@x.example"]
    assert world.ledger.resend(opened.id, [S.CLAIMED, S.QUEUED, S.EXPIRED, S.EXCLUDED], None, NOW) == 0


def test_resend_by_hand_of_what_arrived_never_puts_the_cursor_back(world: World) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, ACCEPTED)
    assert world.ledger.resend(opened.id, [S.SENT], world.reader("anna"), NOW) == 1
    world.end(opened, REFUSED)
    assert world.cursors() == {"anna": opened.through}


def test_resend_refuses_what_cannot_leave(world: World) -> None:
    opened = world.site_with_issue("anna")
    world.end(opened, CUT_OFF)
    world.issues.cancel(opened.id, NOW)
    with pytest.raises(InputError, match="it is cancelled"):
        world.ledger.resend(opened.id, [S.UNKNOWN], None, NOW)
    with pytest.raises(NotFoundError):
        world.ledger.resend(999, [S.UNKNOWN], None, NOW)


def test_who_is_still_being_mailed_stops_the_next_issue(world: World) -> None:
    first = world.site_with_issue("anna", "bert")
    world.transmit(first, "me", limit=1)
    world.absorb(article("Two"), article("One"))
    second = world.open("weekly:2026-W46")
    assert second.state is IssueState.PREPARING
    assert second.audience is None
    world.ledger.recover("me", NOW)
    done = world.prepare(second)
    assert (done.state, done.audience) == (IssueState.READY, 2)
    assert world.states(first)["bert"] == S.EXPIRED


def test_a_crowd_of_marks_in_one_commit(world: World) -> None:
    opened = world.site_with_issue(*(f"r{n}" for n in range(60)))
    claimed = world.ledger.claim(opened.id, "me", 60, NOW)
    world.issues.change_state(opened.id, [IssueState.READY], IssueState.PAUSED)
    assert world.ledger.settle("me", [], [mark(one) for one in claimed], NOW) == set()
    assert world.issues.books(opened.id) == {S.QUEUED: 60}


def test_storage_error_is_the_only_error_of_a_closed_server(postgres_socket: str) -> None:
    gone = World(Database("postgresql://nobody@/nothing?host=/nonexistent"))
    with pytest.raises(StorageError, match="is the server running"):
        gone.ledger.processes()
