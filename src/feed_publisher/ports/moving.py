"""What bringing and taking whole lists of readers needs; methods of `Taking` are one transaction each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Fate(StrEnum):
    """What becomes of a row. ``same``: all it says was known; ``again``: its address stood in an earlier row."""

    ADDED = "added"
    UPDATED = "updated"
    SAME = "same"
    AGAIN = "again"
    SUPPRESSED = "suppressed"
    STAYS_SUPPRESSED = "on the list already"
    NEVER = "never mailed"
    LEFT = "unsubscribed here"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A reader as a list has it; None leaves what is there (or the digest's default).

    ``place``: the row's number in the whole import. ``active`` False: not before they have confirmed.
    """

    place: int
    address: str
    address_key: str
    active: bool
    name: str = ""
    cadence: str | None = None
    topics: tuple[str, ...] | None = None
    zone: str | None = None
    at: str | None = None
    language: str | None = None
    consented_at: datetime | None = None
    consent_source: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """An address that the list says is never to be mailed. ``left``: only because its reader has unsubscribed."""

    place: int
    address_key: str
    reason: str
    left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """An import as the operator sees it. ``counts``: rows by fate, once it has ended."""

    number: int
    digest: str
    file: str
    started_at: datetime
    finished_at: datetime | None = None
    undone_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What undoing an import would take back, or has; and how many stay, and why."""

    removed: int = 0
    given_back: int = 0
    unsuppressed: int = 0
    mailed: int = 0
    changed: int = 0

    def __add__(self, other: Undoing) -> Undoing:
        return Undoing(
            removed=self.removed + other.removed,
            given_back=self.given_back + other.given_back,
            unsuppressed=self.unsuppressed + other.unsuppressed,
            mailed=self.mailed + other.mailed,
            changed=self.changed + other.changed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A subscription as a list of ours has it. ``topics`` None: everything; "" in zone and at: the digest's own."""

    number: int
    address: str
    name: str
    digest: str
    state: str
    suppressed: bool
    cadence: str
    topics: tuple[str, ...] | None
    zone: str
    at: str
    language: str
    consented_at: datetime | None
    consent_source: str


class Taking(Protocol):
    """Where the rows of an import go: into the database, or nowhere, to see what would become of them."""

    def bar(self, people: Sequence[Barred], now: datetime) -> list[Fate]: ...
    def take(self, people: Sequence[Newcomer], cadence: str, now: datetime) -> list[Fate]: ...


class MovingStore(Protocol):
    """Imports of whole lists, what they did, and lists to take away."""

    def begin(self, digest: str, file: str, fingerprint: str, now: datetime) -> int:
        """The number of the import; that of one of the same file which was interrupted, if there is one."""
        ...

    def taking(self, number: int) -> Taking: ...
    def foresee(self, digest: str) -> AbstractContextManager[Taking]:
        """Reads only; one snapshot."""
        ...

    def finish(self, number: int, counts: Mapping[str, int], now: datetime) -> None: ...
    def imports(self, limit: int) -> list[ImportRecord]: ...
    def get(self, number: int) -> ImportRecord: ...
    def undo(self, number: int, now: datetime) -> Undoing: ...
    def foresee_undo(self, number: int) -> Undoing: ...
    def listed(self, digest: str | None, states: Sequence[str]) -> Iterator[Listed]: ...
