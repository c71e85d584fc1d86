"""Pickup: read the sources that are due, decide what is new, store it. Nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.pace import next_visit
from feed_publisher.domain.source import Outcome, SourceKind, SourceRecord, SourceRules, SourceState
from feed_publisher.ports.pickup import Absorbed, EntryStore, Fetcher, Parser, SourceDocument, SourceFiles, SourceStore
from feed_publisher.services.absorbing import PickupReport, absorber
from feed_publisher.services.folder import FolderPickup, reading_mark
from feed_publisher.services.remote import Visit, Visitor

log = logging.getLogger("feed_publisher")

DOCUMENT = "fetched"
"""The name under which the reading of a fetched source is remembered, wherever the source moves."""

CLAIM = timedelta(minutes=5)
"""After so long without a word, another process may visit a source."""

AT_ONCE = 40
"""Sources visited at the same time; the client limits how many connections that makes."""

BATCH = 100
"""Outcomes that are stored in one transaction."""

FAILING = 5
"""After so many failures in a row the operator is told."""

Claimed = tuple[SourceRules, SourceRecord]

Tell = Callable[[str, str], None]
"""(about, sentence): told to the operator once for each ``about``."""


@dataclass(frozen=True, slots=True)
class Pickup:
    """Reads sources of every kind."""

    entries: EntryStore
    sources: SourceStore
    files: SourceFiles
    parser: Parser
    tell: Tell
    clock: Callable[[], datetime]

    async def folders(self, rules: Sequence[SourceRules], report: PickupReport) -> None:
        """Folders, and files named by hand: all of them, each time."""
        reader = FolderPickup(self.entries, self.sources, self.files, self.parser)
        for each in rules:
            if each.kind.is_fetched or each.kind is SourceKind.PUSH:
                continue
            record = await asyncio.to_thread(self.sources.get, each.slug)
            if record is None or record.state is SourceState.ACTIVE or each.wanted:
                await reader.read(each, self.clock(), report)

    def claim(self, rules: Sequence[SourceRules]) -> list[Claimed]:
        """The fetched sources that are due, for this process alone."""
        by_slug = {each.slug: each for each in rules if each.kind.is_fetched}
        now = self.clock()
        records = self.sources.claim(list(by_slug), now + CLAIM, now) if by_slug else []
        return [(by_slug[record.slug], record) for record in records]

    async def visit(self, claimed: Sequence[Claimed], fetcher: Fetcher, report: PickupReport) -> None:
        """Read what was claimed; a slow or monstrous source delays no other."""
        await _Run(self, Visitor(fetcher, self.parser, self.entries), report).all(claimed)

    async def address(self, rules: SourceRules, fetcher: Fetcher, report: PickupReport) -> None:
        """An address named by hand."""
        mark = _mark(rules)
        visit = await Visitor(fetcher, self.parser, self.entries).visit(rules, None, mark)
        if visit.reading is None:
            report.rejected.append(Problem(where=rules.location, reason=visit.error))
            return
        await asyncio.to_thread(self.absorb, rules, visit.reading, visit.fingerprint, report)

    def absorb(self, rules: SourceRules, reading: Reading, fingerprint: str, report: PickupReport) -> Absorbed:
        """Store what a fetched source says."""
        taker = absorber(rules, self.entries, self.sources, self.clock())
        document = SourceDocument(name=DOCUMENT, fingerprint=fingerprint, problems=reading.problems)
        absorbed = taker.take(document, reading)
        if taker.circumstances.first:
            self.entries.end_first_contact(rules.slug, self.clock())
        report.add(absorbed, reading.problems)
        return absorbed


@dataclass(slots=True)
class _Run:
    """The visits of one pickup."""

    pickup: Pickup
    visitor: Visitor
    report: PickupReport

    async def all(self, claimed: Sequence[Claimed]) -> None:
        """All of them; those that a shutdown cut short are due again at once."""
        queue = iter(claimed)
        left = {record.slug for _, record in claimed}
        done: list[Outcome] = []

        async def worker() -> None:
            for rules, record in queue:
                done.append(await self._one(rules, record))
                left.discard(record.slug)
                if len(done) >= BATCH:
                    await self._record(done)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(claimed))):
                    group.create_task(worker())
        except asyncio.CancelledError:
            for slug in left:
                self.pickup.sources.hasten(slug, self.pickup.clock())
            raise
        finally:
            await self._record(done)

    async def _record(self, done: list[Outcome]) -> None:
        batch = done[:]
        done.clear()
        if batch:
            await asyncio.to_thread(self.pickup.sources.record, batch)

    async def _one(self, rules: SourceRules, record: SourceRecord) -> Outcome:
        """Never raises for what one source is like; StorageError ends the run."""
        visit, new = Visit(), 0
        try:
            visit = await self.visitor.visit(rules, record, _mark(rules))
            if visit.reading is not None:
                how = (rules, visit.reading, visit.fingerprint, self.report)
                new = len((await asyncio.to_thread(self.pickup.absorb, *how)).new)
        except StorageError:
            raise
        except Exception:
            log.exception("source %s: its reading could not be stored", rules.slug)
            visit = Visit(answer=visit.answer, error="could not be stored: a mistake of ours; the log tells more")
        outcome = outcome_of(rules, record, visit, new, self.pickup.clock())
        self._tell(rules, record, visit, outcome)
        return outcome

    def _tell(self, rules: SourceRules, record: SourceRecord, visit: Visit, outcome: Outcome) -> None:
        """What the operator must know, said once."""
        address = record.address or rules.location
        if outcome.error:
            self.report.rejected.append(Problem(where=address, reason=f"{outcome.error} (source {rules.slug})"))
        if visit.gone:
            words = f"The source {rules.slug} is gone for good: {address} answers 410. It is not read any more;"
            self.pickup.tell(f"retired {rules.slug} {address}", f"{words} give it another location, or remove it.")
        elif outcome.error and record.failures + 1 == FAILING:
            words = f"The source {rules.slug} has failed {FAILING} times in a row: {address} {outcome.error}."
            tried = f"It is tried again at {outcome.due_at:%d %B %H:%M} UTC; `sources test {rules.slug}` tries it now."
            self.pickup.tell(f"failing {rules.slug} {outcome.at.isoformat()}", f"{words} {tried}")
        if visit.missed:
            words = f"The source {rules.slug} may have missed articles: {visit.missed}."
            advice = "Read it more often (every), or add what is missing with `pickup URL`."
            self.pickup.tell(f"missed {rules.slug} {outcome.at.isoformat()}", f"{words} {advice}")


def outcome_of(rules: SourceRules, record: SourceRecord, visit: Visit, new: int, now: datetime) -> Outcome:
    """What is stored of a visit, and when the next one is."""
    answer, failed = visit.answer, bool(visit.error)
    wait = visit.reading.about.wait if visit.reading else 0
    due = next_visit(
        now,
        rules.every,
        spread(rules.slug, now),
        failures=record.failures + 1 if failed else 0,
        fresh_for=max(answer.fresh_for if answer and not failed else 0, wait),
        retry_after=answer.retry_after if answer else None,
    )
    return Outcome(
        slug=rules.slug,
        at=now,
        due_at=due,
        error=visit.error,
        retired=visit.error if visit.gone else "",
        address=answer.moved_to if answer and not failed else None,
        validators=answer.validators if answer and not failed else None,
        fingerprint=visit.fingerprint if not failed else None,
        new=new,
        hub=_hub(visit),
    )


def spread(slug: str, now: datetime) -> float:
    """From 0.0 to 1.0, another for each source and visit."""
    return zlib.crc32(f"{slug} {now.isoformat()}".encode()) / 0xFFFFFFFF


def _hub(visit: Visit) -> tuple[str, str] | None:
    """The WebSub hub it names now and its topic; the header counts before the document (WebSub §4)."""
    if visit.answer is None or visit.reading is None:
        return None
    answer, about = visit.answer, visit.reading.about
    hub = answer.hub or about.hub or ""
    return hub, (answer.itself or about.itself or answer.url) if hub else ""


def _mark(rules: SourceRules) -> str:
    return reading_mark(rules).removeprefix("@")


def add_by_hand(entries: EntryStore, sources: SourceStore, draft: Draft, now: datetime) -> Absorbed:
    """An entry somebody typed in: recognised like any other, from a source of its own."""
    rules = SourceRules(slug="by-hand", location="", kind=SourceKind.HAND)
    document = SourceDocument(name=f"typed in {now.isoformat()}", fingerprint="")
    return absorber(rules, entries, sources, now).take(document, Reading(drafts=(draft,)))
