"""One visit to a fetched source: what it says now, and what it said since we last looked."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from feed_publisher.domain.errors import FetchError
from feed_publisher.domain.model import About, Draft, Reading
from feed_publisher.domain.recognition import wanted_keys
from feed_publisher.domain.source import ParseRules, SourceKind, SourceRecord, SourceRules, Validators
from feed_publisher.ports.pickup import EntryStore, Fetched, Fetcher, FetchRequest, Parser

GAP_PAGES = 20
"""So many older documents are walked to close a gap."""

_REASONS = {
    401: "wants a password (401); set its headers",
    403: "refuses us (403); ask its owner to let our User-Agent in",
    404: "is not there (404); mend the location",
    429: "asks us to come less often (429)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a visit brought.

    ``reading`` is None when nothing changed (``unchanged``) or when it failed (``error``). ``missed``: why articles
    may have been missed, or "". ``gone``: the source says that it is no more (410).
    """

    answer: Fetched | None = None
    reading: Reading | None = None
    fingerprint: str = ""
    error: str = ""
    gone: bool = False
    missed: str = ""

    @property
    def unchanged(self) -> bool:
        """Whether the source has nothing to say that it had not said before."""
        return self.reading is None and not self.error and not self.gone


@dataclass(frozen=True, slots=True)
class Visitor:
    """Fetches and parses; decides nothing about entries."""

    fetcher: Fetcher
    parser: Parser
    entries: EntryStore

    async def visit(self, rules: SourceRules, record: SourceRecord | None, mark: str) -> Visit:
        """``mark`` is that of the rules and part of every fingerprint: under other rules it is another reading."""
        address = (record.address if record else "") or rules.location
        fingerprint = record.fingerprint if record else ""
        same_rules = fingerprint.endswith(f"@{mark}")
        validators = record.validators if record and same_rules else Validators()
        try:
            answer = await self._get(rules, address, validators)
        except FetchError as error:
            return Visit(error=error.reason)
        if answer.status == 304:
            return Visit(answer=answer, fingerprint=fingerprint)
        if answer.status == 410:
            return Visit(answer=answer, gone=True, error="is gone for good (410)")
        if answer.status != 200:
            return Visit(answer=answer, error=_REASONS.get(answer.status, f"answers {answer.status}"))
        now = f"{hashlib.sha256(answer.body).hexdigest()[:40]}@{mark}"
        if now == fingerprint:
            return Visit(answer=answer, fingerprint=now)
        reading = await self._parse(rules, answer)
        if not reading.drafts and reading.problems and not reading.withdrawn:
            return Visit(answer=answer, error=reading.problems[0].reason)
        reading, missed = await self._complete(rules, record, reading, answer)
        return Visit(answer=answer, reading=reading, fingerprint=now, missed=missed)

    async def _get(self, rules: SourceRules, address: str, validators: Validators) -> Fetched:
        # An older page may be said to be anywhere: what is secret goes to the configured place only.
        headers = rules.headers if _origin(address) == _origin(rules.location) else ()
        return await self.fetcher.get(FetchRequest(url=address, headers=headers, validators=validators))

    async def _parse(self, rules: SourceRules, answer: Fetched) -> Reading:
        kind = rules.kind if rules.kind.is_fetched else ""
        how = ParseRules(kind=kind, base=answer.url, charset=answer.charset, select=rules.select)
        return await asyncio.to_thread(self.parser.parse, answer.body, answer.url, how)

    async def _complete(
        self, rules: SourceRules, record: SourceRecord | None, reading: Reading, answer: Fetched
    ) -> tuple[Reading, str]:
        """Follow the pages of a listing; walk back to where the last visit ended."""
        if rules.kind is SourceKind.PAGE or reading.about.kind == "page":
            return await self._follow(rules, reading, rules.pages - 1), ""
        if reading.about.kind == "sitemap index":
            return await self._follow(rules, reading, 1), ""
        if record is None or record.read_at is None or not await self._is_gap(rules, reading):
            return reading, ""
        walk = _Walk(self, rules, answer.url)
        return await walk.back(reading)

    async def _is_gap(self, rules: SourceRules, reading: Reading) -> bool:
        """Whether none of its entries is known: there may be others between these and those."""
        keys = wanted_keys(reading.drafts, rules.slug)
        return bool(keys) and not await asyncio.to_thread(self.entries.knows, keys)

    async def _follow(self, rules: SourceRules, reading: Reading, limit: int) -> Reading:
        """The next pages as well, until one brings nothing that the others have not."""
        seen, older = set(_marks(reading.drafts)), reading.about.older
        for _ in range(limit):
            page = await self.older(rules, older)
            if page is None:
                break
            fresh = [draft for draft in page.drafts if _mark(draft) not in seen]
            if not fresh:
                break
            seen.update(_marks(fresh))
            reading, older = joined(reading, page), page.about.older
        return reading

    async def older(self, rules: SourceRules, address: str | None) -> Reading | None:
        """An older document, or None where there is none to be had."""
        if not address:
            return None
        try:
            answer = await self._get(rules, address, Validators())
        except FetchError:
            return None
        return await self._parse(rules, answer) if answer.status == 200 else None


@dataclass(frozen=True, slots=True)
class _Walk:
    """The way back from a feed that shares no entry with what was last seen."""

    visitor: Visitor
    rules: SourceRules
    address: str

    async def back(self, reading: Reading) -> tuple[Reading, str]:
        """Everything up to an entry that is known; else what was found, and why there may be more."""
        for way in (self._archives, self._paged, self._sitemaps):
            whole, closed = await way(reading)
            if closed:
                return whole, ""
            reading = whole
        return reading, "none of the articles it lists was known, and no older page led back to one that is"

    async def _archives(self, reading: Reading) -> tuple[Reading, bool]:
        """RFC 5005: prev-archive, or next."""
        older, seen = reading.about.older, {self.address}
        for _ in range(GAP_PAGES):
            if not older or older in seen:
                break
            seen.add(older)
            page = await self.visitor.older(self.rules, older)
            if page is None or not page.drafts:
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
            fresh = [draft for draft in page.drafts if _mark(draft) not in seen] if page else []
            if page is None or not fresh:
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
            if page is not None and page.drafts:
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
