"""Where entries come from and where they are kept. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.identity import Key
from feed_publisher.domain.model import Draft, Entry, EntryState, Problem, TopicRef
from feed_publisher.domain.recognition import Decision, Known, Listed


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
    def absorb(
        self, slug: str, document: SourceDocument, keys: set[Key], decide: Decide, now: datetime, feed_only: bool
    ) -> Absorbed:
        """Find the keys, let ``decide`` judge and store its decisions, in one transaction."""
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
