"""Issues: opening the slot that is due, giving each reader a delivery, correcting what has not left (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from feed_publisher.domain.cadence import (
    Cadence,
    Clock,
    Slot,
    due_at,
    latest_slot,
    next_slot,
    parse_slot,
    previous_slot,
)
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, Issue, IssueState, Reader
from feed_publisher.ports.issues import Audience, Batch, IssueStore, NewDelivery
from feed_publisher.ports.people import DeskStore
from feed_publisher.services.edition import DigestRules, Editions, Stock
from feed_publisher.services.preview import Preview

MISSED = 400
"""Missed dates that are counted at most."""

BATCH = 20_000
"""Readers per transaction: short enough that other writers hardly notice."""


class Issues:
    """Opens issues and gives them their deliveries. ``rehearsal``: the built-in mailbox is the relay.

    ``timezone`` is the one the operator is told times in.
    """

    def __init__(
        self,
        store: IssueStore,
        desk: DeskStore,
        editions: Editions,
        preview: Preview,
        owner: str,
        rehearsal: bool,
        timezone: str,
    ) -> None:
        self._store = store
        self._desk = desk
        self._editions = editions
        self._preview = preview
        self._owner = owner
        self._rehearsal = rehearsal
        self._timezone = timezone

    def open_due(self, rules: DigestRules, now: datetime) -> list[Issue]:
        """Open the latest due slot of each cadence; missed older ones are not made up for."""
        opened = []
        for cadence in rules.cadences:
            issue = self._open_slot(rules, cadence, now)
            if issue is not None:
                opened.append(issue)
        return opened

    def open_manual(
        self, rules: DigestRules, operation: str, now: datetime, as_of: datetime | None = None
    ) -> Issue | None:
        """The manual send: every active reader, at once. None when there is nothing new for anybody.

        It is its own approval. The same operation key again opens no second issue.
        """
        if self._preview.plan(rules, now, as_of=as_of).recipients == 0:
            return None
        slot = f"manual:{operation}"
        issue = self._store.claim_slot(
            rules.slug,
            slot,
            IssueState.PREPARING,
            "",
            self._rehearsal,
            self._owner,
            now,
            None if as_of is None else self._preview.through(as_of),
        )
        return self.prepare(rules, issue, now) if issue else None

    def resume_preparing(self, rules: Mapping[str, DigestRules], alive: set[str], now: datetime) -> list[Issue]:
        """Continue what this process, or one that is no longer alive, left unfinished."""
        resumed = []
        for found in self._store.preparing():
            issue = found
            if found.owner != self._owner:
                if found.owner in alive or not self._store.adopt(found.id, found.owner, self._owner):
                    continue
                issue = self._store.get(found.id)
            if issue.digest in rules and issue.rehearsal == self._rehearsal:
                resumed.append(self.prepare(rules[issue.digest], issue, now))
        return resumed

    def next_slot(self, rules: DigestRules, cadence: Cadence, now: datetime) -> datetime:
        """When the next issue of this cadence is due for the digest's own clock."""
        return due_at(next_slot(cadence, rules.weekday, rules.clock, now), rules.clock)

    def _open_slot(self, rules: DigestRules, cadence: Cadence, now: datetime) -> Issue | None:
        clocks = self._clocks(rules, cadence)
        slot = max(latest_slot(cadence, rules.weekday, clock, now) for clock in clocks)
        dues = [due_at(slot, clock) for clock in clocks]
        added = self._store.digest_added(rules.slug)
        if max(dues) <= added or self._store.slot_taken(rules.slug, str(slot)):
            return None
        joined = self._store.first_joined(rules.slug, cadence)
        if joined is None:
            return None  # nobody wants it
        self._tell_missed(rules, slot, clocks, max(added, joined), now)
        if not self._store.wanted_at(rules.slug, cadence, max(dues)):
            return None  # its readers chose this cadence later
        if now > max(dues) + rules.lateness(cadence):
            if max(dues) <= joined:
                return None  # nobody wanted it yet
            self._skip(rules, slot, f"the program was not running until {_ago(now - max(dues))} after it was due", now)
            return None
        if self._preview.plan(rules, now, cadence).recipients == 0:
            self._skip(rules, slot, "there was nothing new for anybody", now)
            return None
        issue = self._store.claim_slot(
            rules.slug, str(slot), IssueState.PREPARING, "", self._rehearsal, self._owner, now
        )
        return self.prepare(rules, issue, now) if issue else None

    def _tell_missed(self, rules: DigestRules, slot: Slot, clocks: list[Clock], since: datetime, now: datetime) -> None:
        """Only the latest slot is made up for; that older ones passed unseen is told, once."""
        missed, older = 0, previous_slot(slot)
        while missed < MISSED and max(due_at(older, clock) for clock in clocks) > since:
            if self._store.slot_taken(rules.slug, str(older)):
                break
            missed, older = missed + 1, previous_slot(older)
        if missed:
            sentence = (
                f"{rules.title} missed {missed} {slot.cadence} {'date' if missed == 1 else 'dates'} before {slot}, "
                "because the program was not running. Nothing is lost: readers get the articles in the next issue."
            )
            self._desk.tell(f"missed {rules.slug} before {slot}", sentence, now)

    def _clocks(self, rules: DigestRules, cadence: Cadence) -> list[Clock]:
        used = [rules.clock_of(zone, at) for zone, at in self._store.clocks(rules.slug, cadence)]
        return used or [rules.clock]

    def _skip(self, rules: DigestRules, slot: Slot, why: str, now: datetime) -> None:
        """A slot without an issue is told, once, with the next action."""
        claimed = self._store.claim_slot(
            rules.slug, str(slot), IssueState.SKIPPED, why, self._rehearsal, self._owner, now
        )
        if claimed is not None:
            self._tell_skipped(rules, slot, why, now)

    def _tell_skipped(self, rules: DigestRules, slot: Slot, why: str, now: datetime) -> None:
        next_due = self.next_slot(rules, slot.cadence, now).astimezone(ZoneInfo(self._timezone))
        sentence = (
            f"{rules.title} ({slot}) was not sent: {why}. The next is due {next_due:%a %d %b %H:%M}; "
            f"`feed-publisher send {rules.slug}` sends by hand."
        )
        self._desk.tell(f"skipped {rules.slug} {slot}", sentence, now)

    def revise(self, rules: Mapping[str, DigestRules], now: datetime) -> int:
        """Bring mail that has not left up to date with corrections and withdrawals; how many editions changed.

        Deliveries that were ever attempted keep their bytes. An edition left empty excludes its readers.
        """
        stale = self._store.stale_editions()
        for edition in stale:
            if edition.digest not in rules:
                continue
            lines = self._editions.corrected(edition.entries)
            renewed = None
            if lines:
                each = rules[edition.digest]
                renewed = self._editions.render(each, lines, edition.language, edition.issue_number, edition.opened_at)
            self._store.replace_edition(edition, renewed, self._editions.templates, now)
        return len(stale)

    # --- preparing

    def prepare(self, rules: DigestRules, issue: Issue, now: datetime) -> Issue:
        """Add deliveries batch by batch and freeze. Stops early, still ``preparing``, when a reader is busy."""
        slot = parse_slot(issue.slot, rules.weekday)
        audience = Audience(digest=rules.slug, cadence=slot.cadence if slot else None, rehearsal=issue.rehearsal)
        subject = issue.subject
        after = issue.prepared_to
        stock: Stock | None = None
        while True:
            self._store.release_unfinished(audience, after, BATCH, now)
            readers = self._store.readers(audience, after, BATCH, now)
            if not readers:
                break
            lowest = min(reader.cursor for reader in readers)
            stock = self._editions.stock(rules, lowest, issue.through)
            batch = self._batch(rules, issue, slot, readers, stock, after, now)
            subject = subject or next((edition.subject for edition in batch.editions), "")
            reached = self._store.add_batch(issue, batch, now)
            if reached == after:
                return self._store.get(issue.id)
            after = reached
        waits = rules.needs_approval and slot is not None
        frozen = self._store.freeze(issue, IssueState.DRAFT if waits else IssueState.READY, subject, now)
        if frozen.state is IssueState.SKIPPED and slot is not None:
            self._tell_skipped(rules, slot, "there was nothing new for anybody", now)
        return frozen

    def _batch(
        self,
        rules: DigestRules,
        issue: Issue,
        slot: Slot | None,
        readers: Sequence[Reader],
        stock: Stock,
        after: int,
        now: datetime,
    ) -> Batch:
        editions: dict[str, Edition] = {}
        deliveries: list[NewDelivery] = []
        had_nothing: list[tuple[int, int]] = []
        due = _Dues(rules, slot, now)
        for lines, language, group in self._editions.grouped(rules, readers, stock, issue.rehearsal):
            if not lines:
                had_nothing += [(reader.subscription, reader.cursor) for reader in group]
                continue
            key = self._editions.fingerprint(rules, lines, language)
            if key not in editions:
                editions[key] = self._editions.render(rules, lines, language, issue.issue_number, now)
            deliveries += [_delivery(reader, key, due.of(reader), rules, slot, now) for reader in group]
        return Batch(
            after=after,
            to=readers[-1].subscription,
            editions=tuple(editions.values()),
            templates=self._editions.templates,
            deliveries=tuple(sorted(deliveries, key=lambda new: new.subscription)),
            had_nothing=tuple(had_nothing),
        )


@dataclass(slots=True)
class _Dues:
    """When each reader's mail may leave; worked out once per clock."""

    rules: DigestRules
    slot: Slot | None
    now: datetime
    known: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def of(self, reader: Reader) -> datetime:
        if self.slot is None:
            return self.now
        key = (reader.zone, reader.at)
        if key not in self.known:
            self.known[key] = _next_hour(self.slot, self.rules.clock_of(*key), self.now)
        return self.known[key]


def _next_hour(slot: Slot, clock: Clock, now: datetime) -> datetime:
    """When the slot is due for this clock, or its hour on an earlier day that is still to come.

    Tokyo's 07:00 and Lima's 20:00 are more than a day apart: waiting for the date of the slot, readers in Lima
    would see every daily mail replaced by the next one before its hour.
    """
    due = due_at(slot, clock)
    while slot.cadence in (Cadence.DAILY, Cadence.WEEKDAYS) and due > now + timedelta(days=1):
        slot = previous_slot(slot)
        earlier = due_at(slot, clock)
        if earlier <= now:
            break  # over a weekend
        due = earlier
    return due


def _delivery(
    reader: Reader, edition: str, not_before: datetime, rules: DigestRules, slot: Slot | None, now: datetime
) -> NewDelivery:
    state, reason = DeliveryState.QUEUED, ""
    if reader.suppressed:
        state, reason = DeliveryState.SUPPRESSED, "on the never-mail list"
    elif slot is not None and now > not_before + rules.lateness(slot.cadence):
        state, reason = DeliveryState.EXPIRED, "too late for this reader's hour; the articles come in the next issue"
    return NewDelivery(
        subscription=reader.subscription,
        subscriber=reader.subscriber,
        cursor=reader.cursor,
        edition=edition,
        state=state,
        reason=reason,
        not_before=max(not_before, now),  # expiry counts from here, also for an issue that opens late
    )


def _ago(delay: timedelta) -> str:
    hours = round(delay.total_seconds() / 3600)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
