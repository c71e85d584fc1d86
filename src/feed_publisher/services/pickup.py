"""Pickup: read what changed in a source, decide what is new, store it. Nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from feed_publisher.domain.errors import FeedPublisherError, StorageError
from feed_publisher.domain.identity import Key
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.recognition import Decision, Known, Listed, recognise, wanted_keys
from feed_publisher.ports import Absorbed, EntryStore, FoundFile, SourceDocument, SourceFiles

DEFAULT_TOPIC = "News"
"""Where articles without any heading go, so that readers can follow and get them."""

SETTLING = 0.4
"""Seconds a file must have been left alone before it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A source to read now. ``topics``: titles that replace the headings. ``feed_only``: never mailed."""

    slug: str
    location: str
    kind: str = "folder"
    topics: tuple[str, ...] = ()
    feed_only: bool = False


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
        await asyncio.to_thread(entries.add_source, source.slug, source.kind, now)
        found, problems = await asyncio.to_thread(files.scan, source.location, now)
        report.rejected += problems
        if any(not file.settled for file in found):
            await asyncio.sleep(SETTLING)
            found, _ = await asyncio.to_thread(files.scan, source.location, now)
        known = await asyncio.to_thread(entries.documents, source.slug)
        for file in found:
            await asyncio.to_thread(_take, source, file, known.get(file.name), entries, files, parse, now, report)
    return report


def _take(
    source: Wanted,
    file: FoundFile,
    known: SourceDocument | None,
    entries: EntryStore,
    files: SourceFiles,
    parse: Callable[[bytes, str], Reading],
    now: datetime,
    report: PickupReport,
) -> None:
    if known is not None and known.fingerprint == file.fingerprint:
        report.unchanged += known.entries
        report.rejected += known.problems
        return
    if not file.settled:
        report.waiting.append(file.path)
        return
    try:
        reading = parse(files.read(file.path), file.path)
        document = SourceDocument(name=file.name, fingerprint=file.fingerprint, problems=reading.problems)
        report.add(_absorb(source, document, reading, entries, now), reading.problems)
    except StorageError:
        raise
    except FeedPublisherError as error:
        report.rejected.append(Problem(where=file.path, reason=str(error)))


def _absorb(source: Wanted, document: SourceDocument, reading: Reading, entries: EntryStore, now: datetime) -> Absorbed:
    drafts = [_with_topics(draft, source) for draft in reading.drafts]

    def decide(known: Mapping[Key, Known], listed: Sequence[Listed]) -> list[Decision]:
        return recognise(drafts, source.slug, known, listed)

    return entries.absorb(source.slug, document, wanted_keys(drafts, source.slug), decide, now, source.feed_only)


def _with_topics(draft: Draft, source: Wanted) -> Draft:
    return replace(draft, topics=source.topics or draft.topics or (DEFAULT_TOPIC,))


def add_by_hand(entries: EntryStore, draft: Draft, now: datetime) -> Absorbed:
    """An entry somebody typed in: recognised like any other, from a source of its own."""
    source = Wanted(slug="by-hand", location="", kind="hand")
    entries.add_source(source.slug, source.kind, now)
    document = SourceDocument(name=f"typed in {now.isoformat()}", fingerprint="")
    return _absorb(source, document, Reading(drafts=(draft,)), entries, now)
