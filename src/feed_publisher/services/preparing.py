"""Giving an issue its deliveries, batch by batch, and freezing its audience (SEMANTICS §2, Opening an issue)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feed_publisher.domain.cadence import Cadence, Slot, cadence_of, due_at
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, Issue, IssueState, Reader
from feed_publisher.domain.selection import Minimum
from feed_publisher.ports.issues import Audience, Batch, IssueStore, NewDelivery
from feed_publisher.services.edition import DigestRules, Editions, Stock
from feed_publisher.services.skipping import Skipping

BATCH = 20_000
"""Readers per transaction: short enough that other writers hardly notice."""

ON_TIME = timedelta(minutes=30)
"""Mail that leaves so long after its hour still leaves at its hour, be that a quiet one."""


class Preparing:
    """Continues wherever an issue's preparation stands; a crash between two batches loses nothing."""

    def __init__(self, store: IssueStore, editions: Editions, skipping: Skipping) -> None:
        self._store = store
        self._editions = editions
        self._skipping = skipping

    def prepare(self, rules: DigestRules, issue: Issue, now: datetime) -> Issue:
        """Add deliveries batch by batch and freeze. Stops early, still ``preparing``, when a reader is busy."""
        cadence, slot = cadence_of(issue.slot), rules.slot(issue.slot)
        audience = Audience(digest=rules.slug, cadence=cadence, rehearsal=issue.rehearsal)
        minimum = self._editions.minimum(rules, cadence, issue.opened_at)
        due = Dues(rules, cadence, slot, now)
        subject = issue.subject
        after = issue.prepared_to
        while True:
            self._store.release_unfinished(audience, after, BATCH, now)
            readers = self._store.readers(audience, after, BATCH, now)
            if not readers:
                break
            lowest = min(reader.cursor for reader in readers)
            stock = self._editions.stock(rules, lowest, issue.through)
            batch = self._batch(rules, issue, due, readers, stock, minimum, after)
            subject = subject or next((edition.subject for edition in batch.editions), "")
            reached = self._store.add_batch(issue, batch, now)
            if reached == after:
                return self._store.get(issue.id)
            after = reached
        waits = rules.needs_approval and cadence is not None
        frozen = self._store.freeze(issue, IssueState.DRAFT if waits else IssueState.READY, subject, now)
        if frozen.state is IssueState.SKIPPED and slot is not None:
            self._skipping.tell(rules, slot, "there was nothing new for anybody", now)
        return frozen

    def _batch(
        self,
        rules: DigestRules,
        issue: Issue,
        due: Dues,
        readers: Sequence[Reader],
        stock: Stock,
        minimum: Minimum | None,
        after: int,
    ) -> Batch:
        editions: dict[str, Edition] = {}
        deliveries: list[NewDelivery] = []
        had_nothing: list[tuple[int, int]] = []
        for lines, language, group in self._editions.grouped(rules, readers, stock, issue.rehearsal, minimum):
            if not lines:
                had_nothing += [(reader.subscription, reader.cursor) for reader in group]
                continue
            key = self._editions.fingerprint(rules, lines, language)
            if key not in editions:
                editions[key] = self._editions.render(rules, lines, language, issue.issue_number, due.now)
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
        due = self._hour(self.slot, zone, at)
        too_late = self.now > due + self.rules.lateness(self.slot.cadence)
        if due + ON_TIME < self.now and quiet is not None:
            return quiet.after(self.now, place), too_late
        return max(due, self.now), too_late

    def _hour(self, slot: Slot, zone: str, at: str) -> datetime:
        """When the slot is due for this clock, or its hour on an earlier day that is still to come.

        Tokyo's 07:00 and Lima's 20:00 are more than a day apart: waiting for the date of the slot, readers in Lima
        would see every daily mail replaced by the next one before its hour.
        """
        clock, rhythm = self.rules.clock_of(zone, at, slot.cadence), self.rules.rhythm(slot.cadence)
        due = due_at(slot, clock)
        while slot.cadence in (Cadence.DAILY, Cadence.WEEKDAYS) and due > self.now + timedelta(days=1):
            slot = rhythm.step(slot, -1)
            earlier = due_at(slot, clock)
            if earlier <= self.now:
                break  # over a weekend
            due = earlier
        return due
