"""Random walks through issues and the ledger: whatever happens in whatever order, the rules of SEMANTICS §3 hold."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

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
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.ports.people import NewSubscription
from feed_publisher.ports.sending import ClaimedDelivery

S = DeliveryState
ALLOWED = {
    S.QUEUED: {S.CLAIMED, S.SUPPRESSED, S.EXCLUDED, S.EXPIRED},
    S.CLAIMED: {S.QUEUED, S.DEFERRED, S.BOUNCED, S.SUPPRESSED, S.EXCLUDED, S.TRANSMITTING},
    S.TRANSMITTING: {S.SENT, S.DEFERRED, S.BOUNCED, S.UNKNOWN, S.QUEUED},
    S.DEFERRED: {S.CLAIMED, S.SUPPRESSED, S.EXCLUDED, S.EXPIRED},
    S.UNKNOWN: {S.SENT, S.BOUNCED, S.QUEUED},
    S.SENT: {S.BOUNCED},
    S.BOUNCED: {S.QUEUED},
}
RECEIVED = "('queued','claimed','transmitting','deferred','sent','unknown')"
READERS = ("anna", "bert", "carl", "dora")
OWNERS = st.sampled_from(("a", "b"))
NAMES = st.sampled_from(READERS)
OUTCOMES = st.sampled_from(
    (ACCEPTED, ACCEPTED, CUT_OFF, CUT_OFF, TRY_LATER, REFUSED, REFUSED, NEVER_BEGUN, NO_SUCH_READER)
)


class Walk(RuleBasedStateMachine):
    """Two senders, four readers, and an operator, on one SQLite file."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="fp-walk-"))
        shutil.copyfile(self.template, self.folder / "site.sqlite3")
        self.database = Database(f"sqlite:///{self.folder / 'site.sqlite3'}")
        self.world = World(self.database)
        self.now = NOW
        self.articles = 0
        self.slots = 0
        self.preparing: Issue | None = None
        self.waiting: dict[str, list[ClaimedDelivery]] = {"a": [], "b": []}
        self.under_way: dict[str, list[ClaimedDelivery]] = {"a": [], "b": []}
        self.ghosts: dict[str, list[ClaimedDelivery]] = {"a": [], "b": []}
        self.before: dict[int, tuple[S, int]] = {}
        self.forgiven: set[int] = set()

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.world.digest()
        self.world.join(*READERS)
        self.write_article()
        self.open_issue()

    # --- the newsroom

    @rule()
    def next_issue(self) -> None:
        self.write_article()
        self.open_issue()

    @rule()
    def write_article(self) -> None:
        self.articles += 1
        self.world.absorb(article(f"Article {self.articles}"), document=f"{self.articles}.md", now=self.now)

    @rule()
    def open_issue(self) -> None:
        if self.preparing is None:
            self.slots += 1
            self.preparing = self.world.claim(f"manual:{self.slots}")
        prepared = self.world.prepare(self.preparing, now=self.now)
        self.preparing = prepared if prepared.state is IssueState.PREPARING else None

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    # --- senders

    @rule(owner=OWNERS, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int) -> None:
        for number in self.world.ledger.sendable(False, ["weekly"], self.now):
            self.waiting[owner] += self.world.ledger.claim(number, owner, limit, self.now)

    @rule(owner=OWNERS, outcomes=st.lists(OUTCOMES, min_size=4, max_size=4))
    def sends_all(self, owner: str, outcomes: list) -> None:  # type: ignore[type-arg]
        """Everything that is due, message after message."""
        self.claim(owner, 4)
        self.only_the_transitions_of_the_table()
        for begin_next in (True, False):
            for outcome in outcomes:
                self.settle(owner, outcome, begin_next)
                self.only_the_transitions_of_the_table()

    @rule(owner=OWNERS, outcome=OUTCOMES, begin_next=st.booleans())
    def settle(self, owner: str, outcome: tuple, begin_next: bool) -> None:  # type: ignore[type-arg]
        """The result of one message and the mark of the next, as one connection asks for them."""
        ended = self.under_way[owner].pop(0) if self.under_way[owner] else None
        following = self.waiting[owner].pop(0) if begin_next and self.waiting[owner] else None
        results = [judged(ended, outcome, self.now)] if ended else []
        marks = [mark(following)] if following else []
        granted = self.world.ledger.settle(owner, results, marks, self.now)
        if following and following.delivery in granted:
            self.under_way[owner].append(following)
        elif following:
            self.world.ledger.settle(owner, [judged(following, NEVER_BEGUN, self.now)], [], self.now)

    @rule(owner=OWNERS)
    def dies(self, owner: str) -> None:
        self.world.ledger.recover(owner, self.now)
        self.ghosts[owner] += self.under_way[owner]
        self.waiting[owner], self.under_way[owner] = [], []

    @rule(owner=OWNERS, outcome=OUTCOMES)
    def was_not_dead_after_all(self, owner: str, outcome: tuple) -> None:  # type: ignore[type-arg]
        if self.ghosts[owner] and outcome[0].value == "body":
            ghost = self.ghosts[owner].pop()
            self.world.ledger.settle(owner, [judged(ghost, outcome, self.now)], [], self.now)

    @rule(owner=OWNERS)
    def stops(self, owner: str) -> None:
        self.world.ledger.release(owner, self.now)
        self.waiting[owner] = []

    @rule(owner=OWNERS)
    def tries_an_old_mark(self, owner: str) -> None:
        stale = [(one.delivery, one.attempt) for one in self.ghosts[owner]]
        assert self.world.ledger.settle(owner, [], stale, self.now) == set()

    @rule()
    def housekeeping(self) -> None:
        self.world.ledger.expire(self.now - DAY, self.now)
        self.world.ledger.finish(self.now)

    # --- readers and the operator

    @rule(name=NAMES)
    def leaves(self, name: str) -> None:
        self.world.people.leave(self.world.reader(name), self.now)

    @rule(name=NAMES)
    def comes_back(self, name: str) -> None:
        number = self.world.reader(name)
        self.now += DAY
        if self.world.people.unsuppress(name):
            self.forgiven.add(number)
        person = NewSubscription(address=f"{name}@x.example", address_key=name, digest="weekly", active=False)
        self.world.people.ask(person, "weekly", self.now)
        for letter in self.world.letters.claim(["weekly"], 9, self.now):
            if letter.kind == "confirm":
                assert self.world.people.confirm(letter.subscription, letter.request, "link", self.now)
            self.world.letters.done(letter, True)

    @rule(name=NAMES, days=st.integers(0, 2))
    def pauses(self, name: str, days: int) -> None:
        self.world.pause(name, self.now + timedelta(days=days) if days else None)

    @rule(name=NAMES)
    def never_again(self, name: str) -> None:
        self.forgiven.add(self.world.reader(name))
        self.world.people.suppress(name, "asked us", self.now)

    @rule(which=st.integers(0, 3), what=st.sampled_from(("pause", "resume", "cancel")))
    def decides(self, which: int, what: str) -> None:
        issues = self.world.issues.newest(4)
        if which >= len(issues):
            return
        try:
            if what == "pause":
                self.world.issues.change_state(issues[which].id, [IssueState.READY], IssueState.PAUSED)
            elif what == "resume":
                self.world.issues.change_state(issues[which].id, [IssueState.PAUSED], IssueState.READY)
            else:
                self.world.issues.cancel(issues[which].id, self.now)
        except InputError:
            pass

    @rule(oldest_first=st.booleans())
    def resends(self, oldest_first: bool) -> None:
        issues = self.world.issues.newest(3)
        for issue in reversed(issues) if oldest_first else issues:
            try:
                self.world.ledger.resend(issue.id, [S.UNKNOWN, S.BOUNCED, S.DEFERRED], None, self.now)
            except InputError as error:
                assert "that needs one that is ready or paused or finished" in str(error)  # noqa: PT017
            self.only_the_transitions_of_the_table()

    # --- what always holds

    @invariant()
    def books_balance(self) -> None:
        self.world.assert_books_balance()

    @invariant()
    def only_the_transitions_of_the_table(self) -> None:
        with self.database.read() as connection:
            query = "SELECT d.id, d.state, d.issue_id, i.state FROM delivery d JOIN issue i ON i.id = d.issue_id"
            rows = connection.exec_driver_sql(query).all()
        after = {row[0]: (S(row[1]), row[2]) for row in rows}
        cancelled = {row[0] for row in rows if row[3] == IssueState.CANCELLED}
        for number, (now, _) in after.items():
            was = self.before.get(number, (now, 0))[0]
            # In a cancelled issue what comes back from the relay is excluded in the same commit.
            through = was is S.TRANSMITTING and now is S.EXCLUDED and number in cancelled
            assert was is now or now in ALLOWED.get(was, set()) or through, f"{number}: {was} -> {now}"
        assert set(self.before) <= set(after)
        self.before = after

    @invariant()
    def one_unfinished_delivery_per_reader(self) -> None:
        assert (
            self._rows(
                "SELECT subscription_id, count(*) FROM delivery WHERE state IN"
                " ('queued','claimed','transmitting','deferred') GROUP BY subscription_id HAVING count(*) > 1"
            )
            == []
        )

    @invariant()
    def no_reader_gets_an_entry_twice(self) -> None:
        assert (
            self._rows(
                "SELECT d.subscription_id, e.entry_id FROM delivery d"
                " JOIN edition_entry e ON e.edition_id = d.edition_id"
                f" WHERE d.state IN {RECEIVED} GROUP BY d.subscription_id, e.entry_id HAVING count(*) > 1"
            )
            == []
        )

    @invariant()
    def no_reader_misses_an_entry(self) -> None:
        """What the cursor has passed is in a delivery that was, or may yet be, received.

        Not for who is, or once was, never mailed, and not where a delivery in doubt turned out refused after a
        later issue.
        """
        missed = self._rows(
            "SELECT n.id, t.entry_id FROM subscription n JOIN subscriber s ON s.id = n.subscriber_id"
            " JOIN entry_topic t ON t.sequence <= n.cursor"
            " WHERE s.address_key NOT IN (SELECT address_key FROM suppression) AND NOT EXISTS ("
            " SELECT 1 FROM delivery d JOIN edition_entry e ON e.edition_id = d.edition_id"
            f" WHERE d.subscription_id = n.id AND e.entry_id = t.entry_id AND d.state IN {RECEIVED})"
        )
        assert [row for row in missed if row[0] not in self.forgiven and not self._was_in_doubt(*row)] == []

    def _was_in_doubt(self, subscription: int, entry: int) -> bool:
        rows = self._rows(
            "SELECT d.id, d.attempted FROM delivery d JOIN edition_entry e ON e.edition_id = d.edition_id"
            f" WHERE d.subscription_id = {subscription} AND e.entry_id = {entry}"
        )
        later = {row[0] for row in self._rows(f"SELECT max(id) FROM delivery WHERE subscription_id = {subscription}")}
        return any(attempted and number not in later for number, attempted in rows)

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.slow
def test_random_walks(sqlite_template: Path) -> None:
    Walk.template = sqlite_template
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, database=None, suppress_health_check=checks
        ),
    )
