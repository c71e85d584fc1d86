"""Pickup: read the sources that are due, decide what is new, store it. Nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.pace import next_visit
from feed_publisher.domain.recognition import wanted_keys
from feed_publisher.domain.source import Outcome, SourceKind, SourceRecord, SourceRules, SourceState
from feed_publisher.ports.pickup import (
    Absorbed,
    EntryStore,
    Fetched,
    Fetcher,
    Parser,
    SourceDocument,
    SourceFiles,
    SourceStore,
)
from feed_publisher.services.absorbing import Absorber, PickupReport, absorber
from feed_publisher.services.folder import FolderPickup
from feed_publisher.services.remote import Visit, Visitor

log = logging.getLogger("feed_publisher")

DOCUMENT = "fetched"
"""The name under which the reading of a fetched source is remembered, wherever the source moves."""

LONGEST_VISIT = 540
"""Seconds for one source, with all older pages that are walked, and with waiting for its turn."""

CLAIM = timedelta(minutes=10)
"""After so long without a word, another process may visit a source."""

AT_ONCE = 200
"""Sources of one round; the client limits how many connections that makes."""

RECORDING = 1.0
"""Seconds after which the outcomes of a round are stored."""

FAILING = 5
"""After so many failures in a row the operator is told."""

Claimed = tuple[SourceRules, SourceRecord]

Tell = Callable[[str, str], None]
"""(about, sentence): told to the operator once for each ``about``."""


@dataclass(frozen=True, slots=True)
class Pickup:
    """Reads sources of every kind. ``secret`` gives the value of a configured header."""

    entries: EntryStore
    sources: SourceStore
    files: SourceFiles
    parser: Parser
    secret: Callable[[str], str]
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
        """Fetched sources that are due, for this process alone; there may be more."""
        by_slug = {each.slug: each for each in rules if each.kind.is_fetched}
        now = self.clock()
        records = self.sources.claim(list(by_slug), now + CLAIM, now, AT_ONCE) if by_slug else []
        return [(by_slug[record.slug], record) for record in records]

    async def visit(self, claimed: Sequence[Claimed], fetcher: Fetcher, report: PickupReport) -> None:
        """Read what was claimed; a slow or monstrous source delays no other."""
        await _Run(self, self._visitor(fetcher), report).all(claimed)

    async def address(self, rules: SourceRules, fetcher: Fetcher, report: PickupReport) -> None:
        """An address named by hand."""
        visit = await self._visitor(fetcher).visit(rules, None, self.clock())
        if visit.reading is None:
            report.rejected.append(Problem(where=rules.location, reason=visit.error))
            return
        absorbed = await asyncio.to_thread(self.absorb, rules, visit)
        report.add(absorbed, visit.reading.problems)

    def absorb(self, rules: SourceRules, visit: Visit) -> Absorbed:
        """Store what a fetched source says."""
        reading = visit.reading or Reading()
        taker = self._taker(rules, reading)
        document = SourceDocument(name=DOCUMENT, fingerprint=visit.fingerprint, problems=reading.problems)
        absorbed = taker.take(document, reading)
        whole = not reading.problems or taker.circumstances.read_at is not None
        if taker.circumstances.first and reading.drafts and whole:
            self.entries.end_first_contact(rules.slug, self.clock())
        return absorbed

    def _taker(self, rules: SourceRules, reading: Reading) -> Absorber:
        """A source that is set to another place, or read by other selectors, is met anew if it has nothing we know."""
        taker = absorber(rules, self.entries, self.sources, self.clock())
        record = self.sources.get(rules.slug)
        if taker.circumstances.first or taker.circumstances.wanted or record is None:
            return taker
        is_other = record.read_at is None or not record.fingerprint.endswith(f"@{rules.mark}")
        if is_other and not self.entries.knows(wanted_keys(reading.drafts, rules.slug)):
            return replace(taker, circumstances=replace(taker.circumstances, first=True))
        return taker

    def _visitor(self, fetcher: Fetcher) -> Visitor:
        return Visitor(fetcher, self.parser, self.entries, self.secret)


@dataclass(slots=True)
class _Run:
    """The visits of one round."""

    pickup: Pickup
    visitor: Visitor
    report: PickupReport
    done: list[Outcome] = field(default_factory=list)

    async def all(self, claimed: Sequence[Claimed]) -> None:
        """All of them at the same time; those that a shutdown cut short are due again at once."""
        left = {record.slug for _, record in claimed}
        failures: list[StorageError] = []

        async def one(rules: SourceRules, record: SourceRecord) -> None:
            try:
                outcome = await self._one(rules, record)
                self.done.append(outcome)  # looked up only now: the recorder swaps the list
            except StorageError as error:
                failures.append(error)
            left.discard(record.slug)

        ended = asyncio.Event()
        recorder = asyncio.create_task(self._record_until(ended))
        try:
            async with asyncio.TaskGroup() as group:
                for rules, record in claimed:
                    group.create_task(one(rules, record))
        except asyncio.CancelledError:
            await asyncio.to_thread(self.pickup.sources.hasten, sorted(left), self.pickup.clock())
            raise
        finally:
            ended.set()
            await asyncio.wait([recorder])
        if failures:
            raise failures[0]
        recorder.result()

    async def _record_until(self, ended: asyncio.Event) -> None:
        """What is done is stored soon, however long the others take; the last of it when all have ended.

        It is never cancelled: its thread would go on, and nobody would know what is stored.
        """
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), RECORDING)
            is_last = ended.is_set()  # before the batch is taken: what ends while it is stored needs another turn
            batch, self.done = self.done, []
            if batch:
                await asyncio.to_thread(self.pickup.sources.record, batch)
            if is_last:
                return

    async def _one(self, rules: SourceRules, record: SourceRecord) -> Outcome:
        """Never raises for what one source is like; StorageError ends the round."""
        visit, new = Visit(address=rules.location), 0
        try:
            async with asyncio.timeout(LONGEST_VISIT):
                visit = await self.visitor.visit(rules, record, self.pickup.clock())
            if visit.reading is not None:
                absorbed = await asyncio.to_thread(self.pickup.absorb, rules, visit)
                self.report.add(absorbed, visit.reading.problems)
                new = len(absorbed.new)
        except StorageError:
            raise
        except TimeoutError:
            visit = Visit(address=visit.address, error=f"took longer than {LONGEST_VISIT} seconds in all")
        except Exception:
            log.exception("source %s: its reading could not be stored", rules.slug)
            visit = Visit(address=visit.address, error="could not be stored: a mistake of ours; the log tells more")
        outcome = outcome_of(rules, record, visit, new, self.pickup.clock())
        self._tell(rules, record, visit, outcome)
        return outcome

    def _tell(self, rules: SourceRules, record: SourceRecord, visit: Visit, outcome: Outcome) -> None:
        """What the operator must know, said once."""
        address = visit.address
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
        address=None if failed or answer is None else _moved_to(rules, visit, answer),
        validators=None if failed else visit.validators,
        fingerprint=None if failed else visit.fingerprint,
        new=new,
        hub=_hub(visit),
    )


def spread(slug: str, now: datetime) -> float:
    """From 0.0 to 1.0, another for each source and visit."""
    return zlib.crc32(f"{slug} {now.isoformat()}".encode()) / 0xFFFFFFFF


def _hub(visit: Visit) -> tuple[str, str] | None:
    """The WebSub hub it names now and its topic; the header counts before the document (WebSub §4).

    The hub is told no address but the one the feed itself makes known: others may hold a password.
    """
    if visit.answer is None or visit.reading is None:
        return None
    answer, about = visit.answer, visit.reading.about
    hub, topic = answer.hub or about.hub or "", answer.itself or about.itself or ""
    return (hub, topic) if hub and topic else ("", "")


def _moved_to(rules: SourceRules, visit: Visit, answer: Fetched) -> str | None:
    """The new address, "" when it is back at the configured one, None when nothing has changed."""
    return answer.moved_to or ("" if visit.address == rules.location else None)


def add_by_hand(entries: EntryStore, sources: SourceStore, draft: Draft, now: datetime) -> Absorbed:
    """An entry somebody typed in: recognised like any other, from a source of its own."""
    rules = SourceRules(slug="by-hand", location="", kind=SourceKind.HAND)
    return absorber(rules, entries, sources, now).take(None, Reading(drafts=(draft,)))
