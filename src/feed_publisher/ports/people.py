"""What subscribing, letters and the desk need. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """A subscription to add or update; None leaves what is there (or the digest's default)."""

    address: str
    address_key: str
    digest: str
    active: bool
    cadence: str | None = None
    topics: tuple[str, ...] | None = None
    zone: str | None = None
    at: str | None = None
    language: str | None = None
    name: str | None = None
    consented_at: datetime | None = None
    consent_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How many subscriptions were added and updated; addresses left alone: who unsubscribed, who is never mailed."""

    added: int
    updated: int
    left: tuple[str, ...]
    suppressed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberView:
    """A subscription as the operator sees it."""

    subscription: int
    address: str
    name: str
    digest: str
    state: str
    cadence: str
    topics: tuple[str, ...]
    zone: str
    at: str
    joined_at: datetime
    suppressed: bool
    paused_until: datetime | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail to one person that belongs to no issue. ``kind``: confirm, reminder, welcome, link or data."""

    subscription: int
    request: int
    kind: str
    address: str
    digest: str
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a reader chooses of a digest. ``topics`` None: everything; "" in zone and at: the digest's own."""

    cadence: str
    topics: tuple[str, ...] | None
    zone: str
    at: str

    @property
    def text(self) -> str:
        """For the history."""
        topics = "everything" if self.topics is None else ", ".join(self.topics)
        return f"{self.cadence} at {self.at or 'the usual hour'} {self.zone}: {topics}".replace(" :", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingIssue:
    """A delivery that has not left, and the slot of its issue."""

    delivery: int
    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEvent:
    """What became of a subscription: asked, joined, changed, paused, resumed, left, or asked if it is still wanted."""

    at: datetime
    what: str
    detail: str


class Moved(StrEnum):
    """What became of a change of address. ``taken``: somebody gets newsletters there already."""

    DONE = "done"
    TOO_LATE = "too late"
    TAKEN = "taken"


class PreferenceStore(Protocol):
    """What readers choose for themselves. False: it is not, or no longer, an active subscription."""

    def person(self, subscription: int) -> list[SubscriberView]:
        """All subscriptions of the one whose this is."""
        ...

    def waiting(self, subscription: int) -> list[WaitingIssue]: ...
    def change(self, subscription: int, wanted: Wanted, moves: Mapping[int, datetime], now: datetime) -> bool:
        """``moves``: when waiting deliveries are due now. Another cadence gives back what is waiting."""
        ...

    def pause(self, subscription: int, until: datetime, fresh: bool, now: datetime) -> bool:
        """``fresh``: when it ends, nothing is sent of what came meanwhile."""
        ...

    def resume(self, subscription: int, fresh: bool, now: datetime) -> bool: ...
    def speak(self, subscription: int, language: str, now: datetime) -> bool:
        """The person whose this is wants another language; nothing that waits is moved."""
        ...

    def end_pauses(self, now: datetime) -> int:
        """Those whose time has come, some at a time; how many."""
        ...

    def join(self, subscription: int, digest: str, cadence: str, now: datetime) -> bool:
        """The one whose this is gets a digest; False for an address never to be mailed."""
        ...

    def ask_data(self, subscription: int, now: datetime) -> None:
        """Have the link to all that is stored mailed to the address."""
        ...

    def data(self, subscription: int) -> dict[str, Any]: ...
    def erase(self, subscription: int, now: datetime) -> bool:
        """The person whose this is: address and words are blanked, counts stay. False: it was done before."""
        ...

    def erase_address(self, address_key: str, now: datetime) -> bool: ...
    def ask_move(self, subscription: int, address: str, key: str, now: datetime) -> None:
        """Have a link mailed to another address of the person whose this is, unless it may not be written to."""
        ...

    def has_moved(self, subscription: int, since: datetime) -> bool:
        """Whether another address has taken the place of the old one since then."""
        ...

    def pending_move(self, subscription: int, request: int, now: datetime) -> str:
        """The address that this request asks for; "" when it is too old or another has come since."""
        ...

    def move(self, subscription: int, request: int, key: str, now: datetime) -> Moved: ...
    def history(self, subscription: int) -> list[PersonEvent]:
        """Newest first."""
        ...


class LetterStore(Protocol):
    """Letters that wait."""

    def claim(self, digests: Collection[str], limit: int, now: datetime) -> list[Letter]: ...
    def done(self, letter: Letter, accepted: bool) -> None: ...
    def forget(self, now: datetime) -> int: ...
    def later(self, letter: Letter, due_at: datetime) -> None: ...


class PeopleStore(Protocol):
    """Subscribers, their subscriptions and the addresses never to be mailed."""

    def secrets(self, purpose: str) -> dict[int, bytes]: ...
    def join(self, people: Iterable[NewSubscription], cadence: str, now: datetime) -> Joined: ...
    def ask(self, person: NewSubscription, cadence: str, now: datetime) -> None: ...
    def confirm(
        self, subscription: int, request: int, source: str, now: datetime, welcoming: Collection[str] = ()
    ) -> bool: ...
    def leave(self, subscription: int, now: datetime, how: str = "") -> bool: ...
    def view(self, subscription: int) -> SubscriberView | None: ...
    def page(self, digest: str | None, after: int, limit: int) -> list[SubscriberView]: ...
    def find(self, address_key: str) -> list[SubscriberView]: ...
    def count_active(self, digest: str) -> int: ...
    def suppress(self, address_key: str, reason: str, now: datetime) -> bool: ...
    def unsuppress(self, address_key: str) -> bool: ...
    def suppressions(self) -> list[tuple[str, str, datetime]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One plain sentence for the operator; ``about`` names its cause, so the same is told once."""

    about: str
    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """The last of everything, for a page that shows at a glance what was done."""

    entries: int
    held: int
    last_pickup: datetime | None
    feeds_out: datetime | None
    active: int


class DeskStore(Protocol):
    """What the operator is told."""

    def tell(self, about: str, sentence: str, now: datetime) -> bool: ...
    def has_told(self, about: str) -> bool: ...
    def notices(self, limit: int) -> list[Notice]: ...
    def happened(self) -> Happened: ...
