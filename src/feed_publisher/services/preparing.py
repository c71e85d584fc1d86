"""Giving an issue its deliveries, batch by batch, and freezing its audience (SEMANTICS §2, Opening an issue)."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feed_publisher.domain.cadence import Cadence, Slot, cadence_of
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, Issue, IssueState, Reader
from feed_publisher.domain.issue_guard import HISTORY, doubt
from feed_publisher.domain.selection import Minimum
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.domain.sponsor import SponsorBlock
from feed_publisher.ports.deciding import DecisionStore
from feed_publisher.ports.issues import Audience, Batch, IssueStore, NewDelivery
from feed_publisher.services.edition import DigestRules, Editions, Stock
from feed_publisher.services.skipping import Skipping
from feed_publisher.services.sponsoring import Sponsoring

PAGE = 5_000
"""Readers looked at together. Their rows are read by one call, during which nobody else has the interpreter."""

BATCH = 1_000
"""Readers per transaction: others who want to write wait for some tens of milliseconds at most."""

ON_TIME = timedelta(minutes=30)
"""Mail that leaves so long after its hour still leaves at its hour, be that a quiet one."""


class Preparing:
    """Continues wherever an issue's preparation stands; a crash between two batches loses nothing.

    ``stopping`` tells that the program is to end: the rest is left to its next start. ``operators``: addresses that are
    mailed what waits for a decision.
    """

    def __init__(
        self,
        store: IssueStore,
        decisions: DecisionStore,
        editions: Editions,
        skipping: Skipping,
        sponsoring: Sponsoring,
        stopping: Callable[[], bool],
        operators: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._decisions = decisions
        self._stopping = stopping
        self._operators = operators
        self._editions = editions
        self._skipping = skipping
        self._sponsoring = sponsoring

    def prepare(self, rules: DigestRules, issue: Issue, now: datetime) -> Issue:
        """Add deliveries batch by batch and freeze.

        Stops early, still ``preparing``, when a reader is busy or the program is to end.
        """
        cadence, slot = cadence_of(issue.slot), rules.slot(issue.slot)
        audience = Audience(digest=rules.slug, cadence=cadence, rehearsal=issue.rehearsal)
        minimum = self._editions.minimum(rules, cadence, issue.opened_at)
        due = Dues(rules, cadence, slot, now)
        sponsors = self._sponsoring.of_issue(issue.id)
        subject = issue.subject
        after, stored = issue.prepared_to, set[str]()
        while True:
            self._store.release_unfinished(audience, after, PAGE, now)
            readers = self._store.readers(audience, after, PAGE, now)
            if not readers:
                break
            lowest = min(reader.cursor for reader in readers)
            stock = self._editions.stock(rules, lowest, issue.through)
            page = self._page(rules, issue, due, readers, stock, minimum, sponsors, after, stored)
            subject = subject or next((edition.subject for edition in page.editions), "")
            reached = self._add(issue, page, now)
            if reached == after or self._stopping():
                return self._store.get(issue.id)
            if reached == page.to:
                stored |= {edition.fingerprint for edition in page.editions}
            after = reached
        frozen = self._freeze(rules, issue, cadence, subject, now)
        if frozen.state is IssueState.SKIPPED and slot is not None:
            self._skipping.tell(rules, slot, "there was nothing new for anybody", now)
        return frozen

    def _freeze(self, rules: DigestRules, issue: Issue, cadence: Cadence | None, subject: str, now: datetime) -> Issue:
        """The issue goes, or waits for the operators' decision; a manual send is its own."""
        if cadence is None:
            return self._store.freeze(issue, IssueState.READY, subject, now)
        why = self._doubt(issue, cadence) if rules.guards else ""
        waits = bool(rules.needs_approval or why)
        ask = self._operators if waits or rules.announce else ()
        return self._store.freeze(issue, IssueState.DRAFT if waits else IssueState.READY, subject, now, why, ask)

    def _doubt(self, issue: Issue, cadence: Cadence) -> str:
        past = self._decisions.past(issue, HISTORY)
        # Mail as it happens is for those who follow the topic of one article: their number tells nothing. Nor does
        # that of operators.
        compares = cadence is not Cadence.INSTANT and not is_shadow(issue.digest)
        return doubt(self._decisions.measured(issue.id), past, compares_readers=compares)

    def _add(self, issue: Issue, page: Batch, now: datetime) -> int:
        """Store a page in short transactions; up to where it got."""
        reached = page.after
        for part in page.parts(BATCH):
            reached = self._store.add_batch(issue, part, now)
            if reached != part.to:
                break
        return reached

    def _page(
        self,
        rules: DigestRules,
        issue: Issue,
        due: Dues,
        readers: Sequence[Reader],
        stock: Stock,
        minimum: Minimum | None,
        sponsors: Sequence[SponsorBlock],
        after: int,
        stored: Set[str],
    ) -> Batch:
        """``stored``: fingerprints of editions that need not be made again."""
        editions: dict[str, Edition] = {}
        deliveries: list[NewDelivery] = []
        had_nothing: list[tuple[int, int]] = []
        for lines, language, group in self._editions.grouped(rules, readers, stock, issue.rehearsal, minimum):
            if not lines:
                had_nothing += [(reader.subscription, reader.cursor) for reader in group]
                continue
            key = self._editions.fingerprint(rules, lines, language, sponsors)
            if key not in editions and key not in stored:
                number = issue.issue_number
                editions[key] = self._editions.render(
                    rules, lines, language, number, due.now, issue.id, sponsors=sponsors
                )
            deliveries += [due.delivery(reader, key) for reader in group]
        return Batch(
            after=after,
            to=readers[-1].subscription,
            editions=tuple(editions.values()),
            templates=self._editions.templates,
            deliveries=tuple(sorted(deliveries, key=lambda new: new.subscription)),
            had_nothing=tuple(had_nothing),
        )


@dataclass(slots=True)
class Dues:
    """When each reader's mail may leave; worked out once per clock. Without a slot: at once."""

    rules: DigestRules
    cadence: Cadence | None
    slot: Slot | None
    now: datetime
    known: dict[tuple[str, str], tuple[datetime, bool]] = field(default_factory=dict)

    def delivery(self, reader: Reader, edition: str) -> NewDelivery:
        not_before, too_late = self.of(reader.zone, reader.at)
        state, reason = DeliveryState.QUEUED, ""
        if reader.suppressed:
            state, reason = DeliveryState.SUPPRESSED, "on the never-mail list"
        elif too_late:
            reason = "too late for this reader's hour; the articles come in the next issue"
            state = DeliveryState.EXPIRED
        return NewDelivery(
            subscription=reader.subscription,
            subscriber=reader.subscriber,
            cursor=reader.cursor,
            edition=edition,
            state=state,
            reason=reason,
            not_before=not_before,  # expiry counts from here, also for an issue that opens late
        )

    def of(self, zone: str, at: str) -> tuple[datetime, bool]:
        """When it may leave, and whether it is too late for it to leave at all."""
        if (zone, at) not in self.known:
            self.known[zone, at] = self._work_out(zone, at)
        return self.known[zone, at]

    def _work_out(self, zone: str, at: str) -> tuple[datetime, bool]:
        if self.cadence is None:
            return self.now, False
        quiet, place = self.rules.quiet, zone or self.rules.clock.zone
        if self.slot is None:
            return (quiet.after(self.now, place) if quiet else self.now), False
        due = self.rules.hour_of(self.slot, zone, at, self.now)
        too_late = self.now > due + self.rules.lateness(self.slot.cadence)
        if due + ON_TIME < self.now and quiet is not None:
            return quiet.after(self.now, place), too_late
        return max(due, self.now), too_late
