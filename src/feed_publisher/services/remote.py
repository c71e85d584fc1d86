"""One visit to a fetched source: what it says now, and what it said since we last looked."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from feed_publisher.domain.dates import EARLIEST
from feed_publisher.domain.errors import FetchError, InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.recognition import wanted_keys
from feed_publisher.domain.source import ParseRules, SourceKind, SourceRecord, SourceRules, Validators
from feed_publisher.ports.pickup import EntryStore, Fetched, Fetcher, FetchRequest, Parser

GAP_PAGES = 20
"""So many older documents are walked to close a gap."""

INDEX = "sitemap index"

_REASONS = {
    401: "wants a password (401); set its headers",
    403: "refuses us (403); ask its owner to let our User-Agent in",
    304: "answers 304 without being asked whether it has changed",
    404: "is not there (404); mend the location",
    410: "is gone for good (410)",
    429: "asks us to come less often (429)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a visit brought.

    ``reading`` is None when nothing changed, or when it failed (``error``). ``address`` was asked. Without
    validators what was read is not the whole, so the next visit reads it again. ``missed``: why articles may
    have been missed, or "". ``gone``: the source says that it is no more (410).
    """

    address: str
    answer: Fetched | None = None
    reading: Reading | None = None
    fingerprint: str = ""
    validators: Validators | None = None
    error: str = ""
    gone: bool = False
    missed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """A reading with what other pages added to it; ``complete`` unless one of them could not be had."""

    reading: Reading
    complete: bool = True
    missed: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Fetches and parses; decides nothing about entries. ``secret`` gives the value of a configured header."""

    fetcher: Fetcher
    parser: Parser
    entries: EntryStore
    secret: Callable[[str], str]

    async def visit(self, rules: SourceRules, record: SourceRecord | None, now: datetime) -> Visit:
        """Never raises for what the source is like. One that moved may be back where it is configured to be."""
        if record is None or not record.address:
            return await self._visit(rules, record, rules.location, now)
        visit = await self._visit(rules, record, record.address, now)
        if not visit.error:
            return visit
        back = await self._visit(rules, None, rules.location, now)
        # Gone for good is only what is gone from both places.
        return back if not back.error or (visit.gone and not back.gone) else visit

    async def _visit(self, rules: SourceRules, record: SourceRecord | None, address: str, now: datetime) -> Visit:
        fingerprint = record.fingerprint if record else ""
        same_rules = fingerprint.endswith(f"@{rules.mark}")
        validators = record.validators if record and same_rules and not _is_new_week(record, now) else Validators()
        try:
            answer = await self._get(rules, address, validators)
        except (FetchError, InputError) as error:
            return Visit(address=address, error=error.reason)
        if answer.status == 304 and validators != Validators():
            return Visit(address=address, answer=answer, fingerprint=fingerprint, validators=answer.validators)
        if answer.status != 200:
            reason = _REASONS.get(answer.status, f"answers {answer.status}")
            return Visit(address=address, answer=answer, gone=answer.status == 410, error=reason)
        this = f"{hashlib.sha256(answer.body).hexdigest()[:40]}@{rules.mark}"
        if this == fingerprint:
            return Visit(address=address, answer=answer, fingerprint=this, validators=answer.validators)
        reading = await self._parse(rules, answer)
        if not reading.drafts and reading.problems and not reading.withdrawn and reading.about.kind != INDEX:
            return Visit(address=address, answer=answer, error=reading.problems[0].reason)
        whole = await self._complete(rules, record, reading, answer)
        return Visit(
            address=address,
            answer=answer,
            reading=whole.reading,
            fingerprint=this if whole.complete else f"@{rules.mark}",
            validators=answer.validators if whole.complete else Validators(),
            missed=whole.missed,
        )

    async def _get(self, rules: SourceRules, address: str, validators: Validators) -> Fetched:
        # An older page may be said to be anywhere: what is secret goes to the configured place only.
        own = _origin(address) == _origin(rules.location)
        headers = tuple((name, self.secret(value)) for name, value in rules.headers) if own else ()
        return await self.fetcher.get(FetchRequest(url=address, headers=headers, validators=validators))

    async def _parse(self, rules: SourceRules, answer: Fetched) -> Reading:
        kind = rules.kind if rules.kind.is_fetched else ""
        how = ParseRules(kind=kind, base=answer.url, charset=answer.charset, select=rules.select)
        return await asyncio.to_thread(self.parser.parse, answer.body, answer.url, how)

    async def _complete(
        self, rules: SourceRules, record: SourceRecord | None, reading: Reading, answer: Fetched
    ) -> _Whole:
        """Follow the pages of a listing; walk back to where the last visit ended."""
        if reading.about.kind == INDEX:
            # The index may stay the same while the sitemap it leads to changes: it is read each time.
            return replace(await self._follow(rules, reading, 1), complete=False)
        if rules.kind is SourceKind.PAGE or reading.about.kind == "page":
            return await self._follow(rules, reading, rules.pages - 1)
        if record is None or record.read_at is None or not await self._is_gap(rules, reading):
            return _Whole(reading=reading)
        return await _Walk(self, rules, answer.url).back(reading)

    async def _is_gap(self, rules: SourceRules, reading: Reading) -> bool:
        """Whether none of its older entries is known: there may be others between these and those.

        A known one at the top may be kept there for weeks.
        """
        keys = wanted_keys(_older_half(reading.drafts), rules.slug)
        return bool(keys) and not await asyncio.to_thread(self.entries.knows, keys)

    async def _follow(self, rules: SourceRules, reading: Reading, limit: int) -> _Whole:
        """The next pages as well, until one brings nothing that the others have not."""
        seen, older = set(_marks(reading.drafts)), reading.about.older
        for _ in range(limit):
            if not older:
                break
            page = await self.older(rules, older)
            if isinstance(page, Problem):
                return _Whole(reading=replace(reading, problems=(*reading.problems, page)), complete=False)
            fresh = [draft for draft in page.drafts if _mark(draft) not in seen]
            if not fresh:
                break
            seen.update(_marks(fresh))
            reading, older = joined(reading, page), page.about.older
        return _Whole(reading=reading)

    async def older(self, rules: SourceRules, address: str) -> Reading | Problem:
        """An older document, or why it cannot be had."""
        try:
            answer = await self._get(rules, address, Validators())
        except (FetchError, InputError) as error:
            return Problem(where=address, reason=error.reason)
        if answer.status != 200:
            return Problem(where=address, reason=f"answers {answer.status}; what it lists is not read")
        return await self._parse(rules, answer)


@dataclass(frozen=True, slots=True)
class _Walk:
    """The way back from a feed that shares no entry with what was last seen."""

    visitor: Visitor
    rules: SourceRules
    address: str

    async def back(self, reading: Reading) -> _Whole:
        """Everything up to an entry that is known; else what was found, and why there may be more."""
        for way in (self._archives, self._paged, self._sitemaps):
            whole, closed = await way(reading)
            if closed:
                return _Whole(reading=whole)
            reading = whole
        missed = "none of the articles it lists was known, and no older page led back to one that is"
        return _Whole(reading=reading, missed=missed)

    async def _archives(self, reading: Reading) -> tuple[Reading, bool]:
        """RFC 5005: prev-archive, or next."""
        older, seen = reading.about.older, {self.address}
        for _ in range(GAP_PAGES):
            if not older or older in seen:
                break
            seen.add(older)
            page = await self.visitor.older(self.rules, older)
            if isinstance(page, Problem):
                return replace(reading, problems=(*reading.problems, page)), False
            if not page.drafts:
                break
            reading, older = joined(reading, page), page.about.older
            if await self._is_known(page):
                return reading, True
        return reading, False

    async def _paged(self, reading: Reading) -> tuple[Reading, bool]:
        """WordPress: ?paged=2 and on."""
        if not _is_wordpress(reading.about, self.address):
            return reading, False
        seen = set(_marks(reading.drafts))
        for address in _paged_addresses(self.address):
            page = await self.visitor.older(self.rules, address)
            if isinstance(page, Problem):
                break
            fresh = [draft for draft in page.drafts if _mark(draft) not in seen]
            if not fresh:
                break
            seen.update(_marks(fresh))
            reading = joined(reading, page)
            if await self._is_known(page):
                return reading, True
        return reading, False

    async def _sitemaps(self, reading: Reading) -> tuple[Reading, bool]:
        """A news sitemap at one of its usual places."""
        parts = urlsplit(self.address)
        for path in ("/news-sitemap.xml", "/sitemap-news.xml", "/sitemap_news.xml"):
            address = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
            rules = replace(self.rules, kind=SourceKind.SITEMAP)
            page = await self.visitor.older(rules, address)
            if isinstance(page, Reading) and page.drafts:
                return joined(reading, page), await self._is_known(page)
        return reading, False

    async def _is_known(self, page: Reading) -> bool:
        keys = wanted_keys(page.drafts, self.rules.slug)
        return await asyncio.to_thread(self.visitor.entries.knows, keys)


def joined(first: Reading, second: Reading) -> Reading:
    """Both, as one listing; the first one speaks for itself."""
    start = max((draft.place for draft in first.drafts), default=-1) + 1
    more = tuple(replace(draft, place=start + index) for index, draft in enumerate(second.drafts))
    problems = (*first.problems, *second.problems)
    return replace(first, drafts=(*first.drafts, *more), problems=problems)


def _is_new_week(record: SourceRecord, now: datetime) -> bool:
    """Once a week a server is not asked whether something has changed: some say no for ever."""
    return record.tried_at is not None and record.tried_at.isocalendar()[:2] != now.isocalendar()[:2]


def _older_half(drafts: Sequence[Draft]) -> Sequence[Draft]:
    """By date where all have one, else by place."""
    if all(draft.published for draft in drafts):
        drafts = sorted(drafts, key=lambda draft: draft.published or EARLIEST, reverse=True)
    return drafts[len(drafts) // 2 :]


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc.lower()


def _mark(draft: Draft) -> tuple[str, str, str]:
    return draft.explicit_id or "", draft.link or "", draft.title


def _marks(drafts: tuple[Draft, ...] | list[Draft]) -> Iterator[tuple[str, str, str]]:
    return (_mark(draft) for draft in drafts)


def _is_wordpress(about: About, address: str) -> bool:
    return "wordpress" in about.generator.lower() or urlsplit(address).path.rstrip("/").endswith("/feed")


def _paged_addresses(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    for number in range(2, GAP_PAGES + 2):
        query = f"{parts.query}&paged={number}" if parts.query else f"paged={number}"
        yield urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
