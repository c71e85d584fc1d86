"""Where entries come from and where they are kept. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from feed_publisher.domain.identity import Key
from feed_publisher.domain.model import Draft, Entry, EntryState, Problem, Reading
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
    """What one document brought. ``withdrawn`` and ``restored`` are titles."""

    new: tuple[Draft, ...] = ()
    changed: tuple[Draft, ...] = ()
    held: tuple[tuple[Draft, str], ...] = ()
    unchanged: int = 0
    stored: tuple[tuple[int, int], ...] = ()
    withdrawn: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which entries to list, newest first."""

    limit: int = 50
    state: EntryState | None = None
    topic: str | None = None
    source: str | None = None


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
    def fingerprints(self, slug: str) -> dict[str, str]:
        """Of all documents of a source, by name; cheap enough for every second."""
        ...

    def problems(self, slug: str) -> dict[str, list[Problem]]:
        """What could not be understood when they were last read, by the names of those documents that have some."""
        ...

    def listed_total(self, slug: str, names: Collection[str]) -> int:
        """How many entries these documents of a source listed, all together."""
        ...

    def known(self, numbers: Collection[int]) -> dict[int, Known]:
        """Entries by their numbers."""
        ...

    def knows(self, keys: Collection[Key]) -> bool:
        """Whether any of these keys leads to an entry."""
        ...

    def absorb(
        self,
        slug: str,
        document: SourceDocument | None,
        keys: set[Key],
        decide: Decide,
        now: datetime,
        withdrawn: Collection[Key] = (),
    ) -> Absorbed:
        """Find the keys, let ``decide`` judge and store its decisions, in one transaction.

        ``withdrawn``: keys of entries that the source has deleted; only its own are withdrawn, unless the document
        lists them. What the source had deleted and lists again is restored. Without a document nothing is remembered
        of where the entries stood.
        """
        ...

    def mature(self, now: datetime) -> list[Entry]: ...
    def get(self, prefix: str) -> Entry: ...
    def page(self, page: Page) -> list[Entry]: ...
    def change_state(
        self, number: int, allowed: Sequence[EntryState], state: EntryState, reason: str, now: datetime
    ) -> Entry: ...
    def mailed_in(self, number: int) -> list[CarriedBy]: ...
    def keys(self, number: int) -> list[Key]:
        """What an entry is recognised by."""
        ...

    def listed_in(self, number: int) -> list[tuple[str, str, int]]:
        """(source, document, place from 0) of the documents that listed it when they were last read."""
        ...


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

    def claim(
        self, slugs: Sequence[str], until: datetime, now: datetime, limit: int | None = None
    ) -> list[SourceRecord]:
        """The active sources that are longest due, at most ``limit``; nobody else gets them before ``until``."""
        ...

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """One transaction. A source that was hastened meanwhile stays due."""
        ...

    def get(self, slug: str) -> SourceRecord | None: ...
    def all(self) -> list[SourceRecord]: ...
    def set_state(self, slug: str, state: SourceState, reason: str, now: datetime) -> None: ...
    def hasten(self, slugs: Sequence[str], when: datetime) -> None:
        """Make them due then, or sooner where they are; a reading that is under way does not change that."""
        ...

    def brought(self, slug: str, since: datetime) -> int:
        """How many entries it brought since then, those of its first contact not counted."""
        ...

    def per_week(self, since: datetime, slug: str | None = None) -> dict[str, Counter[date]]:
        """By source, or of one: the entries first seen since then, by the Monday of their ISO week (UTC).

        First contact is not counted.
        """
        ...

    def claim_hub(self, slug: str, secret: str, until: datetime, before: datetime) -> bool:
        """Whether we may ask its hub now: nobody did, or its lease ends ``before``. It counts as asked ``until``."""
        ...

    def lease_hub(self, slug: str, until: datetime) -> None:
        """Its hub tells us of news until then (WebSub §5.3)."""
        ...

    def hub_secret(self, slug: str) -> str | None:
        """What the hub signs with, or None where it was not asked to tell us."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer that the first push with its Idempotency-Key was given; ``request_hash`` is that of its entries."""

    request_hash: str
    status: int
    response: Mapping[str, Any]


class PushStore(Protocol):
    """Who may push, and what was answered. ``key`` is the Idempotency-Key of a request, at most 255 characters."""

    def set_token(self, slug: str, token_hash: str) -> None:
        """This token may push from now on, and the former no more. Raises NotFoundError."""
        ...

    def owner(self, token_hash: str) -> str | None:
        """The slug of the source that a token belongs to, whatever its state."""
        ...

    def seen(self, slug: str, key: str) -> Answered | None: ...
    def remember(self, slug: str, key: str, answer: Answered, now: datetime) -> bool:
        """Whether this answer is the first with its key; an earlier one stays."""
        ...

    def forget(self, before: datetime) -> int:
        """Drop what is older; how many."""
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
