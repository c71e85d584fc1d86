"""Where entries come from and where they are kept. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from feed_publisher.domain.identity import Key
from feed_publisher.domain.model import Draft, Entry, EntryState, Problem, Reading, TopicRef
from feed_publisher.domain.recognition import Decision, Known, Listed
from feed_publisher.domain.source import Outcome, ParseRules, SourceRecord, SourceRules, SourceState, Validators


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """A document as it was last read; ``fingerprint`` (size and mtime) tells whether it has changed since.

    ``entries`` is how many entries it listed.
    """

    name: str
    fingerprint: str
    entries: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """What one document brought."""

    new: tuple[Draft, ...] = ()
    changed: tuple[Draft, ...] = ()
    held: tuple[tuple[Draft, str], ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which entries to list, newest first."""

    limit: int = 50
    state: EntryState | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedBy:
    """An issue that carried an entry."""

    id: int
    digest: str
    slot: str


Decide = Callable[[Mapping[Key, Known], Sequence[Listed]], list[Decision]]


class EntryStore(Protocol):
    """Entries, and what is known of the documents they came from."""

    def add_source(self, slug: str, kind: str, now: datetime) -> bool:
        """Know the source; whether this is still its first contact (it has never been read to its end)."""
        ...

    def end_first_contact(self, slug: str, now: datetime) -> None: ...
    def documents(self, slug: str) -> dict[str, SourceDocument]: ...
    def knows(self, keys: Collection[Key]) -> bool:
        """Whether any of these keys leads to an entry."""
        ...

    def absorb(
        self,
        slug: str,
        document: SourceDocument,
        keys: set[Key],
        decide: Decide,
        now: datetime,
        withdrawn: Collection[Key] = (),
    ) -> Absorbed:
        """Find the keys, let ``decide`` judge and store its decisions, in one transaction.

        ``withdrawn``: keys of entries that the source has deleted; only its own are withdrawn.
        """
        ...

    def mature(self, now: datetime) -> list[Entry]: ...
    def get(self, prefix: str) -> Entry: ...
    def page(self, page: Page) -> list[Entry]: ...
    def change_state(
        self, number: int, allowed: Sequence[EntryState], state: EntryState, reason: str, now: datetime
    ) -> Entry: ...
    def mailed_in(self, number: int) -> list[CarriedBy]: ...


class TopicStore(Protocol):
    """Topics by slug."""

    def all(self) -> list[TopicRef]: ...
    def get(self, slug: str) -> TopicRef | None: ...
    def numbers(self) -> dict[str, int]: ...
    def declare(self, slug: str, title: str, now: datetime) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One GET. ``headers`` may hold secrets: they are sent to the host of ``url`` only, never after a redirect away."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    validators: Validators = Validators()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The answer to one GET, redirects followed.

    ``url`` answered in the end; ``moved_to`` is the address that permanent redirects (301, 308) alone led to, or None.
    ``charset`` and ``content_type`` are from the header, "" where it says none. ``fresh_for``: seconds by
    Cache-Control or Expires, 0 for none. ``retry_after``: seconds, None without that header. ``hub`` and ``itself``:
    from the Link header (WebSub §4).
    """

    url: str
    status: int
    body: bytes = b""
    content_type: str = ""
    charset: str = ""
    moved_to: str | None = None
    validators: Validators = Validators()
    fresh_for: int = 0
    retry_after: int | None = None
    hub: str | None = None
    itself: str | None = None


class Fetcher(Protocol):
    """The one HTTP client: polite, bounded, and deaf to addresses that are not public (unless allowed)."""

    async def get(self, request: FetchRequest) -> Fetched:
        """Any status is an answer. Raises FetchError when there was none, or it may not be had."""
        ...

    async def post(self, url: str, form: Mapping[str, str]) -> Fetched:
        """A form, redirects not followed; same errors."""
        ...


class Parser(Protocol):
    """Foreign bytes to drafts, bounded in time and memory; called in a thread."""

    def parse(self, data: bytes, name: str, rules: ParseRules) -> Reading:
        """Never raises for what the bytes are: that is a Problem."""
        ...


class SourceStore(Protocol):
    """What is known of the sources themselves."""

    def sync(self, configured: Sequence[SourceRules], now: datetime) -> None:
        """Know all configured sources; a fetched one that is new, or has another location, is due now."""
        ...

    def claim(self, slugs: Sequence[str], until: datetime, now: datetime) -> list[SourceRecord]:
        """Those of the active sources that are due, longest due first; nobody else gets them before ``until``."""
        ...

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """One transaction. A source that was hastened meanwhile stays due."""
        ...

    def get(self, slug: str) -> SourceRecord | None: ...
    def all(self) -> list[SourceRecord]: ...
    def set_state(self, slug: str, state: SourceState, reason: str, now: datetime) -> None: ...
    def hasten(self, slug: str, now: datetime) -> None:
        """Make it due now."""
        ...

    def brought(self, slug: str, since: datetime) -> int:
        """How many entries it brought since then, those of its first contact not counted."""
        ...

    def per_week(self, slug: str, since: datetime) -> list[tuple[date, int]]:
        """Monday of each ISO week with the number of entries first seen in it, oldest first, weeks of 0 included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file of a folder source; ``settled`` is False while it may still be written to."""

    name: str
    path: str
    fingerprint: str
    settled: bool


class SourceFiles(Protocol):
    """Folders and files that entries are read from."""

    def scan(self, location: str, now: datetime) -> tuple[list[FoundFile], list[Problem]]: ...
    def read(self, path: str) -> bytes: ...
