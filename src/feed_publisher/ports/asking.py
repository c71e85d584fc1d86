"""What asking readers whether they still want a digest needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from feed_publisher.domain.asking import AskState, Next, Patience
from feed_publisher.ports.people import SubscriberView


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Who of a digest's active readers is asked; all that is given must be true. ``file`` only names where the
    addresses are from: the store is handed them as subscriptions.
    """

    joined_before: datetime | None = None
    unconfirmed: bool = False
    import_number: int | None = None
    cadence: str | None = None
    file: str = ""


class Fit(StrEnum):
    """Whether a reader of the part is asked, or why not."""

    FITS = "asked"
    PAUSED = "paused"
    NEVER = "never mailed"
    LATELY = "asked already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Subscriptions whose numbers are above ``after`` and up to ``to``; only these of them where they are given."""

    after: int
    to: int
    only: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRound:
    """What a round begins with. ``fingerprint``: by which the same command, given again, goes on with it."""

    digest: str
    part: Part
    patience: Patience
    rehearsal: bool
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One asking of a part of a digest's readers. ``reached``: up to which subscription they are in.

    ``hold_until``: nobody is paused before, because the program had stood still.
    """

    number: int
    digest: str
    part: Mapping[str, object]
    patience: Patience
    rehearsal: bool
    started_at: datetime
    reached: int
    size: int
    ready_at: datetime | None = None
    looked_at: datetime | None = None
    hold_until: datetime | None = None
    stopped_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_going_on(self) -> bool:
        return self.ready_at is not None and self.stopped_at is None and self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A reader who is to be mailed now: for the first time, or (``asked``) once more."""

    round: Round
    subscription: int
    state: AskState
    tries: int
    address: str
    language: str | None
    since: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """A reader of a round, for the page on which the answer is given. ``silent``: paused for want of an answer."""

    view: SubscriberView
    state: AskState
    silent: bool
    rehearsal: bool


class AskingStore(Protocol):
    """Rounds, for the operator."""

    def up_to(self, digest: str, after: int, limit: int) -> int | None:
        """The last of so many subscriptions of a digest above a number; None when there is none."""
        ...

    def numbers(self, digest: str, address_keys: Sequence[str]) -> list[int]:
        """The subscriptions of these addresses."""
        ...

    def fits(
        self, digest: str, part: Part, within: Within, rehearsal: bool, since: datetime, now: datetime
    ) -> list[tuple[int, Fit]]:
        """Those of the part, in the order of their numbers. ``since``: who was asked after it is not asked again."""
        ...

    def begin(self, new: NewRound, now: datetime) -> Round:
        """That which was interrupted, where it has the same fingerprint. InputError for another interrupted one."""
        ...

    def add(self, round_: Round, subscriptions: Sequence[int], to: int, now: datetime) -> Round:
        """Those up to ``to``; the round as it is then. Raises StorageError when another process goes on with it."""
        ...

    def ready(self, number: int, now: datetime) -> None: ...
    def stop(self, digest: str, now: datetime) -> int:
        """Whoever has not answered is left alone; how many rounds."""
        ...

    def rounds(self, digest: str) -> list[Round]:
        """Newest first."""
        ...

    def tally(self, number: int) -> dict[AskState, int]: ...


class AskedStore(Protocol):
    """Rounds that go on: who is to be mailed, what became of it, and silence."""

    def going_on(self, digests: Collection[str], rehearsal: bool) -> list[Round]: ...
    def look(self, number: int, hold_until: datetime | None, now: datetime) -> None:
        """The program is alive; nobody is paused before ``hold_until``, when it is given."""
        ...

    def claim(self, round_: Round, limit: int, now: datetime) -> list[Due]:
        """Readers to be mailed, for this process alone; those whom it no longer concerns are settled."""
        ...

    def mark(self, due: Due, now: datetime) -> bool:
        """Its mail is about to be transmitted, durably; False when it must not be any more."""
        ...

    def settle(self, due: Due, after: Next, reason: str, suppress: bool, now: datetime) -> None:
        """``suppress``: the address is never to be mailed again, for this reason."""
        ...

    def pause_silent(self, round_: Round, until: datetime, limit: int, now: datetime) -> int:
        """Those whose time is over; how many were looked at."""
        ...

    def end(self, number: int, now: datetime) -> bool:
        """Whether nothing is left to be done in it, which is stored."""
        ...

    def tally(self, number: int) -> dict[AskState, int]: ...


class KeepingStore(Protocol):
    """The answer."""

    def keeper(self, number: int, subscription: int) -> Keeper | None: ...
    def keep(self, number: int, subscription: int, fresh: bool, source: str, now: datetime) -> bool:
        """The reader said yes; the same again changes nothing. False for who has left, or is never mailed."""
        ...

    def is_silent(self, subscription: int) -> bool: ...
