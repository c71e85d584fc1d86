"""What lies at an address: a feed, a page that advertises one, a page with articles, a sitemap, a document."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from feed_publisher.domain.errors import FetchError, InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules, Selectors, SourceKind
from feed_publisher.ports.pickup import Fetched, Fetcher, FetchRequest, Parser, SourceFiles
from feed_publisher.services.folder import with_folder_topic
from feed_publisher.services.sources import KINDS

if TYPE_CHECKING:
    from feed_publisher.parse.page import Shape

TRIED = 5
"""So many advertised feeds are tried before the page itself is read."""

_KINDS = {
    "page": SourceKind.PAGE,
    "sitemap": SourceKind.SITEMAP,
    "sitemap index": SourceKind.SITEMAP,
    **dict.fromkeys(("listing", "markdown", "csv", "json", ""), SourceKind.PATH),
}
_NAMES = {
    "atom": "an Atom feed",
    "rss": "an RSS feed",
    "rdf": "an RSS 1.0 (RDF) feed",
    "json feed": "a JSON feed",
    "page": f"a {KINDS[SourceKind.PAGE]}",
    "sitemap": f"a {KINDS[SourceKind.SITEMAP]}",
    "sitemap index": "an index of sitemaps",
    "listing": "a text listing",
    "markdown": "a Markdown file",
    "csv": "a table",
    "json": "a JSON list",
    "folder": f"a {KINDS[SourceKind.FOLDER]}",
}
_REFUSALS = {
    401: "wants a password (401)",
    403: "refuses us (403); it may let browsers in only, ask its owner",
    404: "is not there (404); see whether the address is right",
    410: "is gone for good (410)",
    429: "asks us to come less often (429); try later",
}
_PARTS = ("link", "authors", "published", "summary", "topics")


class Detective(Parser, Protocol):
    """A parser that also tells in which ways a page can be read."""

    def shapes(self, data: bytes, name: str, rules: ParseRules) -> list[Shape]:
        """Best first. InputError when the page cannot be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found. ``location`` and ``kind`` are what a source would be set to (PATH: it can be none).

    ``page``: the page that advertised it, or "". ``notes``: advertised feeds that were of no use, and why.
    """

    location: str
    kind: SourceKind
    reading: Reading
    answer: Fetched | None = None
    page: str = ""
    shapes: tuple[Shape, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def words(self) -> str:
        """What it is, for people."""
        kind = self.reading.about.kind
        return _NAMES.get(kind, f"a feed ({kind})" if self.kind is SourceKind.FEED else "a document")

    @property
    def how(self) -> str:
        """How it was recognised."""
        if self.page:
            return f"because the page {self.page} advertises it"
        if self.shapes:
            return f"by {self.shapes[0].method}"
        return "by its content"


@dataclass(slots=True)
class Detector:
    """Looks at addresses; stores nothing."""

    fetcher: Fetcher
    parser: Detective

    async def look(self, address: str) -> Finding:
        """InputError or FetchError with one sentence when there is nothing of use."""
        answer = await self._get(address)
        reading = await self._read(answer)
        kind = _KINDS.get(reading.about.kind, SourceKind.FEED)
        finding = Finding(location=address, kind=kind, reading=reading, answer=answer)
        if kind is SourceKind.PAGE:
            finding = await self._page(finding, answer)
        elif not reading.drafts and reading.problems:
            raise InputError(reading.problems[0].reason, address)
        return finding

    async def _page(self, page: Finding, answer: Fetched) -> Finding:
        """The first good feed that it advertises, else what can be read from the page itself."""
        notes: list[Problem] = []
        for address in candidates(page.reading.about.feeds):
            try:
                found = await self._get(address)
            except (FetchError, InputError) as error:
                notes.append(Problem(where=address, reason=error.reason))
                continue
            reading = await self._read(found)
            if reading.drafts and _KINDS.get(reading.about.kind) is None:
                fed = Finding(location=address, kind=SourceKind.FEED, reading=reading, answer=found)
                return replace(fed, page=page.location, notes=tuple(notes))
            reason = reading.problems[0].reason if reading.problems else "holds no articles"
            notes.append(Problem(where=address, reason=reason))
        shapes = await asyncio.to_thread(self.parser.shapes, answer.body, answer.url, _rules(answer))
        if not page.reading.drafts:
            problems = page.reading.problems
            raise InputError(problems[0].reason if problems else "no articles were found on this page", page.location)
        return replace(page, shapes=tuple(shapes), notes=tuple(notes))

    async def _get(self, address: str) -> Fetched:
        try:
            answer = await self.fetcher.get(FetchRequest(url=address))
        except FetchError as error:
            raise error if error.where else FetchError(error.reason, address) from error
        if answer.status != 200:
            raise InputError(_REFUSALS.get(answer.status, f"answers {answer.status}; try later"), address)
        return answer

    async def _read(self, answer: Fetched) -> Reading:
        return await asyncio.to_thread(self.parser.parse, answer.body, answer.url, _rules(answer))


class Remembering:
    """A Fetcher that asks for each address once: what was looked at need not be fetched again to be read."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._answers: dict[str, Fetched] = {}

    async def get(self, request: FetchRequest) -> Fetched:
        if request.url not in self._answers:
            self._answers[request.url] = await self._fetcher.get(request)
        return self._answers[request.url]

    async def post(self, url: str, form: Mapping[str, str]) -> Fetched:
        return await self._fetcher.post(url, form)


def candidates(feeds: Sequence[str]) -> list[str]:
    """The advertised feeds worth a try, those of readers' comments last."""
    return sorted(feeds, key=lambda address: "comment" in urlsplit(address).path.lower())[:TRIED]


def read_path(files: SourceFiles, parser: Parser, location: str, select: Selectors, now: datetime) -> Reading:
    """A file, or all files of a folder, as one reading."""
    found, problems = files.scan(location, now)
    drafts: list[Draft] = []
    about = About()
    for file in found:
        try:
            reading = parser.parse(files.read(file.path), file.path, ParseRules(select=select))
        except InputError as error:
            problems.append(Problem(where=file.path, reason=error.reason))
            continue
        drafts += with_folder_topic(reading, file.name).drafts
        problems += reading.problems
        about = reading.about if file.path.endswith(location) else About(kind="folder")
    return Reading(drafts=tuple(drafts), problems=tuple(problems), about=about)


def completeness(drafts: Sequence[Draft]) -> dict[str, int]:
    """How many of the drafts have each part."""
    return {part: sum(bool(getattr(draft, part)) for draft in drafts) for part in _PARTS}


def _rules(answer: Fetched) -> ParseRules:
    return ParseRules(base=answer.url, charset=answer.charset)
