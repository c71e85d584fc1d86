"""Issues: what is due, for whom, with which entries (SEMANTICS §2). The same rules serve send, preview and plan."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from feed_publisher.compose.digest import (
    DigestView,
    IssueView,
    Line,
    SiteView,
    TemplateSet,
    fingerprint,
    render_edition,
)
from feed_publisher.domain.cadence import (
    Cadence,
    Clock,
    Slot,
    due_at,
    lateness_limit,
    latest_slot,
    next_slot,
    parse_time,
)
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, Issue, IssueState, Reader
from feed_publisher.domain.model import Entry, TopicRef
from feed_publisher.domain.selection import Candidate, Choice, Selected, select
from feed_publisher.ports import Audience, Batch, DeskStore, IssueStore, NewDelivery, TopicStore

BATCH = 20_000
"""Readers per transaction: short enough that other writers hardly notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRules:
    """What issues take from the settings of one digest."""

    slug: str
    title: str
    topics: tuple[str, ...]
    cadences: tuple[Cadence, ...]
    weekday: int
    clock: Clock
    language: str
    maximum: int
    max_lateness: timedelta | None
    needs_approval: bool

    def clock_of(self, zone: str, at: str) -> Clock:
        """A reader's clock; "" stands for the digest's own."""
        return Clock(zone or self.clock.zone, parse_time(at) if at else self.clock.at)

    def lateness(self, cadence: Cadence) -> timedelta:
        return self.max_lateness or lateness_limit(cadence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What rendering needs: the site's words and links, and the templates as they are now."""

    site: SiteView
    templates: TemplateSet
    timezone: str

    def entry_url(self, entry: Entry) -> str:
        return entry.link or f"{self.site.url}/entries/{entry.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The entries that could be due, newest first, with what is needed to choose among them."""

    entries: Mapping[int, Entry]
    candidates: Sequence[Candidate]
    topics: Mapping[int, TopicRef]
    through: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a send would do now. ``editions`` counts readers per selection; ``sample`` is the most common one."""

    digest: str
    recipients: int
    entries: int
    through: int
    sample: tuple[Line, ...]
    language: str


class Issues:
    """Opens issues and gives them their deliveries. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(
        self, store: IssueStore, topics: TopicStore, desk: DeskStore, press: Press, owner: str, rehearsal: bool
    ) -> None:
        self._store = store
        self._topics = topics
        self._desk = desk
        self._press = press
        self._owner = owner
        self._rehearsal = rehearsal

    # --- what would be sent

    def plan(
        self, rules: DigestRules, now: datetime, cadence: Cadence | None = None, as_of: datetime | None = None
    ) -> Plan:
        """Recipients and entries of an issue opened now, without changing anything."""
        groups = self._store.groups(Audience(digest=rules.slug, cadence=cadence, rehearsal=self._rehearsal), now)
        stock = self._stock(rules, min((group.cursor for group in groups), default=0), self._through(as_of))
        readers, entries, most = 0, set[int](), 0
        sample: tuple[Line, ...] = ()
        language = rules.language
        for group in groups:
            chosen = select(stock.candidates, Choice.parse(group.choice), group.cursor, stock.through)
            if chosen:
                readers += group.count
                entries |= {selected.entry for selected in chosen}
            if chosen and group.count > most:
                most, sample, language = group.count, self._lines(chosen, stock), group.language or rules.language
        return Plan(
            digest=rules.slug,
            recipients=readers,
            entries=len(entries),
            through=stock.through,
            sample=sample,
            language=language,
        )

    def subject(self, rules: DigestRules, plan: Plan, now: datetime) -> str:
        """The subject that most readers of a plan would see."""
        return self._render(rules, plan.sample, plan.language, None, now).subject if plan.sample else ""

    def preview(
        self,
        rules: DigestRules,
        cursor: int,
        choice: Choice,
        language: str | None,
        now: datetime,
        as_of: datetime | None,
    ) -> Edition | None:
        """The edition a reader with this cursor and choice would get now, or None when there is nothing new."""
        stock = self._stock(rules, cursor, self._through(as_of))
        lines = self._lines(select(stock.candidates, choice, cursor, stock.through), stock)
        return self._render(rules, lines, language or rules.language, None, now) if lines else None

    def mailing(self, rules: DigestRules, now: datetime, as_of: datetime | None) -> Iterator[tuple[Reader, Edition]]:
        """Every reader a manual send would mail now, with their edition; changes nothing."""
        audience = Audience(digest=rules.slug, cadence=None, rehearsal=self._rehearsal)
        through, after = self._through(as_of), 0
        while readers := self._store.readers(audience, after, BATCH, now):
            stock = self._stock(rules, min(reader.cursor for reader in readers), through)
            wanted = [reader for reader in readers if not reader.suppressed]
            for lines, language, group in self._grouped(rules, wanted, stock, self._rehearsal):
                if lines:
                    edition = self._render(rules, lines, language, None, now)
                    yield from ((reader, edition) for reader in group)
            after = readers[-1].subscription

    def _through(self, as_of: datetime | None) -> int:
        return self._store.current_sequence() if as_of is None else self._store.sequence_at(as_of)

    # --- opening

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
        if self.plan(rules, now, as_of=as_of).recipients == 0:
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
            None if as_of is None else self._through(as_of),
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
        if max(dues) <= self._store.digest_added(rules.slug) or self._store.slot_taken(rules.slug, str(slot)):
            return None
        if now > max(dues) + rules.lateness(cadence):
            self._skip(rules, slot, f"the program was not running until {_ago(now - max(dues))} after it was due", now)
            return None
        if self.plan(rules, now, cadence).recipients == 0:
            self._skip(rules, slot, "there was nothing new for anybody", now)
            return None
        issue = self._store.claim_slot(
            rules.slug, str(slot), IssueState.PREPARING, "", self._rehearsal, self._owner, now
        )
        return self.prepare(rules, issue, now) if issue else None

    def _clocks(self, rules: DigestRules, cadence: Cadence) -> list[Clock]:
        used = [rules.clock_of(zone, at) for zone, at in self._store.clocks(rules.slug, cadence)]
        return used or [rules.clock]

    def _skip(self, rules: DigestRules, slot: Slot, why: str, now: datetime) -> None:
        """A slot without an issue is told, once, with the next action."""
        claimed = self._store.claim_slot(
            rules.slug, str(slot), IssueState.SKIPPED, why, self._rehearsal, self._owner, now
        )
        if claimed is not None:
            next_due = self.next_slot(rules, slot.cadence, now).astimezone(ZoneInfo(self._press.timezone))
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
            lines = [
                Line(entry=entry, topic=topic, url=self._press.entry_url(entry)) for entry, topic in edition.entries
            ]
            renewed = None
            if lines:
                each = rules[edition.digest]
                renewed = self._render(each, lines, edition.language, edition.issue_number, edition.opened_at)
            templates = {self._press.templates.hash: self._press.templates.source}
            self._store.replace_edition(edition, renewed, templates, now)
        return len(stale)

    # --- preparing

    def prepare(self, rules: DigestRules, issue: Issue, now: datetime) -> Issue:
        """Add deliveries batch by batch and freeze. Stops early, still ``preparing``, when a reader is busy."""
        slot = _slot_of(issue, rules.weekday)
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
            stock = self._stock(rules, lowest, issue.through)
            batch = self._batch(rules, issue, slot, readers, stock, after, now)
            subject = subject or next((edition.subject for edition in batch.editions), "")
            reached = self._store.add_batch(issue, batch, now)
            if reached == after:
                return self._store.get(issue.id)
            after = reached
        waits = rules.needs_approval and slot is not None
        return self._store.freeze(issue, IssueState.DRAFT if waits else IssueState.READY, subject, now)

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
        for lines, language, group in self._grouped(rules, readers, stock, issue.rehearsal):
            if not lines:
                had_nothing += [(reader.subscription, reader.cursor) for reader in group]
                continue
            key = fingerprint(lines, max(0, len(lines) - rules.maximum), self._press.templates, language)
            if key not in editions:
                editions[key] = self._render(rules, lines, language, issue.issue_number, now)
            deliveries += [_delivery(reader, key, due.of(reader), rules, slot, now) for reader in group]
        return Batch(
            after=after,
            to=readers[-1].subscription,
            editions=tuple(editions.values()),
            templates={self._press.templates.hash: self._press.templates.source},
            deliveries=tuple(sorted(deliveries, key=lambda new: new.subscription)),
            had_nothing=tuple(had_nothing),
        )

    def _grouped(
        self, rules: DigestRules, readers: Sequence[Reader], stock: Stock, rehearsal: bool
    ) -> Iterator[tuple[tuple[Line, ...], str, list[Reader]]]:
        """Readers with the same entries and language together; the ledger is asked only where it can matter."""
        alike: dict[tuple[str, int, str], list[Reader]] = defaultdict(list)
        for reader in readers:
            alike[reader.choice, reader.cursor, reader.language or rules.language].append(reader)
        for (choice, cursor, language), group in alike.items():
            chosen = select(stock.candidates, Choice.parse(choice), cursor, stock.through)
            for kept, part in self._without_repeats(chosen, group, rehearsal):
                yield self._lines(kept, stock), language, part

    def _without_repeats(
        self, chosen: list[Selected], group: list[Reader], rehearsal: bool
    ) -> Iterator[tuple[list[Selected], list[Reader]]]:
        doubtful = [selected.entry for selected in chosen if selected.may_have_had]
        if not doubtful:
            yield chosen, group
            return
        had = self._store.already_had([reader.subscription for reader in group], doubtful, rehearsal)
        parts: dict[frozenset[int], list[Reader]] = defaultdict(list)
        for reader in group:
            parts[frozenset(entry for entry in doubtful if (reader.subscription, entry) in had)].append(reader)
        for repeats, part in parts.items():
            yield [selected for selected in chosen if selected.entry not in repeats], part

    # --- helpers

    def _stock(self, rules: DigestRules, after: int, through: int) -> Stock:
        numbers = self._topics.numbers()
        covered = {numbers[slug] for slug in rules.topics if slug in numbers} if rules.topics else None
        found = self._store.candidates(after, through)
        candidates = [_covered(candidate, covered) for _, candidate in found]
        slugs = {topic.slug: topic for topic in self._topics.all()}
        return Stock(
            entries={entry.number: entry for entry, _ in found},
            candidates=candidates,
            topics={number: slugs[slug] for slug, number in numbers.items() if slug in slugs},
            through=through,
        )

    def _lines(self, chosen: Sequence[Selected], stock: Stock) -> tuple[Line, ...]:
        return tuple(
            Line(
                entry=stock.entries[selected.entry],
                topic=stock.topics[selected.topic],
                url=self._press.entry_url(stock.entries[selected.entry]),
            )
            for selected in chosen
        )

    def _render(
        self, rules: DigestRules, lines: Sequence[Line], language: str, number: int | None, now: datetime
    ) -> Edition:
        press = self._press
        return render_edition(
            press.templates,
            press.site,
            DigestView(title=rules.title, url=f"{press.site.url}/digests/{rules.slug}"),
            IssueView(number=number, date=now),
            lines,
            language=language,
            maximum=rules.maximum,
            nonce=secrets.token_hex(16),
            topic_url=f"{press.site.url}/topics/",
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
            self.known[key] = due_at(self.slot, self.rules.clock_of(*key))
        return self.known[key]


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
        not_before=not_before,
    )


def _covered(candidate: Candidate, topics: set[int] | None) -> Candidate:
    if topics is None:
        return candidate
    kept = {topic: sequence for topic, sequence in candidate.sequences.items() if topic in topics}
    return Candidate(entry=candidate.entry, sequences=kept)


def _slot_of(issue: Issue, weekday: int) -> Slot | None:
    """The slot of a scheduled issue; None for a manual one."""
    cadence, _, day = issue.slot.partition(":")
    if cadence == Cadence.DAILY:
        return Slot(date.fromisoformat(day), Cadence.DAILY)
    if cadence == Cadence.WEEKLY:
        year, week = day.split("-W")
        return Slot(date.fromisocalendar(int(year), int(week), weekday + 1), Cadence.WEEKLY)
    return None


def _ago(delay: timedelta) -> str:
    hours = round(delay.total_seconds() / 3600)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
