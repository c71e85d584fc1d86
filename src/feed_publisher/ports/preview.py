"""What looking at an issue before it is sent needs to know. Everything here only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.issue import Reader, SubscriptionState
from feed_publisher.domain.why import Mailed, ReaderWhy, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReader:
    """One subscription with all that a preview tells of it. ``from_sequence``: the cursor before what waits."""

    reader: Reader
    address: str
    state: SubscriptionState
    joined_at: datetime
    left_at: datetime | None
    paused_until: datetime | None
    paused_fresh: bool
    waiting: Mailed | None
    from_sequence: int
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastEntry:
    """An entry as the last issue had it, and which revision it has now; ``public``: it is still to be seen."""

    number: int
    title: str
    revision: int
    revision_now: int
    public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LastIssue:
    """The last issue of a digest, in the version that most of its readers got."""

    mailed: Mailed
    edition: int
    subject: str
    readers: int
    entries: tuple[LastEntry, ...]


class PreviewStore(Protocol):
    """Questions about what would be sent; no method scans more than SQL can group."""

    def census(self, digest: str, cadence: str | None, at: datetime) -> Mapping[ReaderWhy, int]:
        """All subscriptions of a digest by what keeps them from an issue opened ``at``; IN: nothing does."""
        ...

    def waiting(self, digest: str, rehearsal: bool) -> int:
        """How many mails of the digest have not left yet."""
        ...

    def reader(self, digest: str, address_key: str, rehearsal: bool) -> KnownReader | None: ...
    def maturing(self, until: datetime) -> Sequence[Standing]:
        """Post-dated entries that will be public by then, oldest first; feed-only ones are left out."""
        ...

    def standings(self, numbers: Collection[int], newest: int) -> Sequence[Standing]:
        """These entries and the newest so many of each state, newest first."""
        ...

    def mailed(
        self, digest: str, entries: Collection[int], subscription: int | None, rehearsal: bool
    ) -> Mapping[int, Mailed]:
        """By entry: the last issue that carried it to this reader (and was not refused), or (None) to anybody."""
        ...

    def last(self, digest: str, rehearsal: bool) -> LastIssue | None: ...
