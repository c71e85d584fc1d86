"""Pickup: read what changed in a source, decide what is new, store it. Nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from feed_publisher.domain.errors import FeedPublisherError, StorageError
from feed_publisher.domain.identity import Key
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.recognition import Decision, Known, Listed, recognise, wanted_keys
from feed_publisher.ports.pickup import Absorbed, EntryStore, FoundFile, SourceDocument, SourceFiles

DEFAULT_TOPIC = "News"
"""Where articles without any heading go, so that readers can follow and get them."""

SETTLING = 0.4
"""Seconds a file must have been left alone before it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A source to read now.

    ``topics``: titles that replace the headings. ``skips_first``: what it holds at first contact fills feeds but is
    never mailed. ``prefix``: what the names of its documents begin with, when only a part of the source is read.
    """

    slug: str
    location: str
    kind: str = "folder"
    topics: tuple[str, ...] = ()
    skips_first: bool = False
    prefix: str = ""


@dataclass(slots=True)
class PickupReport:
    """What a pickup did, over all sources. ``waiting`` are files that are still being written."""

    new: list[Draft] = field(default_factory=list)
    changed: list[Draft] = field(default_factory=list)
    held: list[tuple[Draft, str]] = field(default_factory=list)
    unchanged: int = 0
    rejected: list[Problem] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def add(self, absorbed: Absorbed, problems: Sequence[Problem]) -> None:
        self.new += absorbed.new
        self.changed += absorbed.changed
        self.held += absorbed.held
        self.unchanged += absorbed.unchanged
        self.rejected += problems


async def pickup(
    wanted: Sequence[Wanted],
    entries: EntryStore,
    files: SourceFiles,
    parse: Callable[[bytes, str], Reading],
    now: datetime,
) -> PickupReport:
    """Read all documents that changed since they were last read. A broken one is reported and stops no other."""
    report = PickupReport()
    for source in wanted:
        found = await _settled(source, files, now, report)
        if not found:
            continue
        first = await asyncio.to_thread(entries.add_source, source.slug, source.kind, now)
        known = await asyncio.to_thread(entries.documents, source.slug)
        reader = _Reading(source, entries, files, parse, now, feed_only=first and source.skips_first, report=report)
        waiting = len(report.waiting)
        for file in found:
            await asyncio.to_thread(reader.take, file, known.get(source.prefix + file.name))
        if first and len(report.waiting) == waiting and not source.prefix:
            await asyncio.to_thread(entries.end_first_contact, source.slug, now)
    return report


async def _settled(source: Wanted, files: SourceFiles, now: datetime, report: PickupReport) -> list[FoundFile]:
    """The files of a source. One that was just written is looked at twice: unchanged since, it is taken."""
    found, problems = await asyncio.to_thread(files.scan, source.location, now)
    if any(not file.settled for file in found):
        before = {file.name: file.fingerprint for file in found}
        await asyncio.sleep(SETTLING)
        found, problems = await asyncio.to_thread(files.scan, source.location, now)
        found = [replace(file, settled=file.settled or before.get(file.name) == file.fingerprint) for file in found]
    report.rejected += problems
    return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """One source being read."""

    source: Wanted
    entries: EntryStore
    files: SourceFiles
    parse: Callable[[bytes, str], Reading]
    now: datetime
    feed_only: bool
    report: PickupReport

    def take(self, file: FoundFile, known: SourceDocument | None) -> None:
        """Read one file if it changed; a broken one is reported and stops no other."""
        fingerprint = file.fingerprint + _topics_mark(self.source)
        if known is not None and known.fingerprint == fingerprint:
            self.report.unchanged += known.entries
            self.report.rejected += known.problems
            return
        if not file.settled:
            self.report.waiting.append(file.path)
            return
        try:
            reading = self.parse(self.files.read(file.path), file.path)
            name = self.source.prefix + file.name
            document = SourceDocument(name=name, fingerprint=fingerprint, problems=reading.problems)
            absorbed = _absorb(self.source, document, reading, self.entries, self.now, self.feed_only)
            self.report.add(absorbed, reading.problems)
        except StorageError:
            raise
        except FeedPublisherError as error:
            self.report.rejected.append(Problem(where=file.path, reason=str(error)))


def _topics_mark(source: Wanted) -> str:
    """Read again under other topics, a document is another reading."""
    return "@" + hashlib.sha256("\n".join(source.topics).encode()).hexdigest()[:12] if source.topics else ""


def _absorb(
    source: Wanted, document: SourceDocument, reading: Reading, entries: EntryStore, now: datetime, feed_only: bool
) -> Absorbed:
    drafts = [_with_topics(draft, source) for draft in reading.drafts]

    def decide(known: Mapping[Key, Known], listed: Sequence[Listed]) -> list[Decision]:
        decisions = recognise(drafts, source.slug, known, listed)
        return [replace(decision, feed_only=feed_only) for decision in decisions]

    return entries.absorb(source.slug, document, wanted_keys(drafts, source.slug), decide, now)


def _with_topics(draft: Draft, source: Wanted) -> Draft:
    return replace(draft, topics=source.topics or draft.topics or (DEFAULT_TOPIC,))


def add_by_hand(entries: EntryStore, draft: Draft, now: datetime) -> Absorbed:
    """An entry somebody typed in: recognised like any other, from a source of its own."""
    source = Wanted(slug="by-hand", location="", kind="hand")
    entries.add_source(source.slug, source.kind, now)
    document = SourceDocument(name=f"typed in {now.isoformat()}", fingerprint="")
    return _absorb(source, document, Reading(drafts=(draft,)), entries, now, feed_only=False)
