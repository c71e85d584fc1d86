"""Pickup from folders and files: only what changed since it was last read, nothing that is still being written."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from time import perf_counter

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.guard import SURFACED, is_old
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.domain.recognition import wanted_keys
from feed_publisher.domain.source import ParseRules, SourceRules
from feed_publisher.ports.pickup import EntryStore, FoundFile, Parser, SourceDocument, SourceFiles, SourceStore
from feed_publisher.services.absorbing import Absorber, PickupReport, absorber

SETTLING = 0.4
"""Seconds a file must have been left alone before it is read."""


@dataclass(frozen=True, slots=True)
class FolderPickup:
    """Reads folder sources, and paths named by hand."""

    entries: EntryStore
    sources: SourceStore
    files: SourceFiles
    parser: Parser

    async def read(self, rules: SourceRules, now: datetime, report: PickupReport) -> None:
        """Read all documents that changed. A broken one is reported and stops no other."""
        found, problems = await self._settled(rules, now, report)
        report.rejected += problems
        if found:
            await asyncio.to_thread(self._take_all, rules, found, now, report)

    async def _settled(
        self, rules: SourceRules, now: datetime, report: PickupReport
    ) -> tuple[list[FoundFile], list[Problem]]:
        """The files of a source. One that was just written is looked at twice: unchanged since, it is taken."""
        began = perf_counter()
        found, problems = await asyncio.to_thread(self.files.scan, rules.location, now)
        report.looking += perf_counter() - began
        if any(not file.settled for file in found):
            before = {file.name: file.fingerprint for file in found}
            await asyncio.sleep(SETTLING)
            found, problems = await asyncio.to_thread(self.files.scan, rules.location, now)
            found = [replace(file, settled=file.settled or before.get(file.name) == file.fingerprint) for file in found]
        return found, problems

    def _take_all(self, rules: SourceRules, found: Sequence[FoundFile], now: datetime, report: PickupReport) -> None:
        mark, prefix = _suffix(rules), rules.prefix
        known = self.entries.fingerprints(rules.slug)
        changed = [file for file in found if known.get(prefix + file.name) != file.fingerprint + mark]
        self._count_unchanged(rules, found, changed, report)
        reader: Absorber | None = None
        for file in changed:
            if file.settled:
                reader = reader or self._absorber(rules, [file for file in changed if file.settled], now)
                self._take(reader, file, file.fingerprint + mark, report)
            else:
                report.waiting.append(file.path)
        if reader and reader.circumstances.first and not prefix and all(file.settled for file in changed):
            self.entries.end_first_contact(rules.slug, now)

    def _absorber(self, rules: SourceRules, changed: Sequence[FoundFile], now: datetime) -> Absorber:
        """Files are taken one by one, but a storm or an archive may come as many files: they are counted first."""
        reader = absorber(rules, self.entries, self.sources, now)
        at = reader.circumstances
        if at.first or at.wanted or at.read_at is None or len(changed) < SURFACED:
            return reader
        new = old = 0
        for file in changed:
            for draft in self._parsed(rules, file).drafts:
                if not self.entries.knows(wanted_keys([draft], rules.slug)):
                    new += 1
                    old += draft.published is not None and is_old(draft.published, at.read_at)
        return replace(reader, circumstances=replace(at, together=new, old_together=old))

    def _parsed(self, rules: SourceRules, file: FoundFile) -> Reading:
        try:
            return self.parser.parse(self.files.read(file.path), file.path, ParseRules(select=rules.select))
        except InputError as error:
            return Reading(problems=(Problem(where=file.path, reason=error.reason),))

    def _count_unchanged(
        self, rules: SourceRules, found: Sequence[FoundFile], changed: Sequence[FoundFile], report: PickupReport
    ) -> None:
        """What is as it was: its entries, and its problems, which are there still."""
        if len(found) == len(changed):
            return
        names = {rules.prefix + file.name for file in found} - {rules.prefix + file.name for file in changed}
        report.unchanged += self.entries.listed_total(rules.slug, names)
        report.rejected += [p for name, ps in self.entries.problems(rules.slug).items() if name in names for p in ps]

    def _take(self, reader: Absorber, file: FoundFile, fingerprint: str, report: PickupReport) -> None:
        """Read one file; a broken one is reported."""
        rules = reader.rules
        try:
            reading = self.parser.parse(self.files.read(file.path), file.path, ParseRules(select=rules.select))
        except InputError as error:
            report.rejected.append(Problem(where=file.path, reason=error.reason))
            return
        document = SourceDocument(name=rules.prefix + file.name, fingerprint=fingerprint, problems=reading.problems)
        report.add(reader.take(document, with_folder_topic(reading, file.name)), reading.problems)


def _suffix(rules: SourceRules) -> str:
    """What tells a reading under these rules from one of the same bytes under others."""
    return f"@{rules.mark}" if rules.mark else ""


def with_folder_topic(reading: Reading, name: str) -> Reading:
    """Articles without a heading belong to the sub-folder they lie in."""
    folder = PurePosixPath(name).parent.name
    if not folder:
        return reading
    topic = (re.sub(r"[-_\s]+", " ", folder).strip().capitalize() or folder,)
    return replace(reading, drafts=tuple(d if d.topics else replace(d, topics=topic) for d in reading.drafts))
