"""What handing over mail needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.delivery import DeliveryState, Result, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A delivery reserved for this process. ``attempt`` fences, ``tries`` counts deferrals so far.

    ``opened_at`` of the issue is the Date of the message.
    """

    delivery: int
    attempt: int
    tries: int
    subscription: int
    edition: int
    digest: str
    address: str
    issue: int
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEdition:
    """An edition as stored: html and text still hold markers where personal links go."""

    subject: str
    html: str
    text: str
    language: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that may own deliveries. ``host`` is host name and boot id; ``silent_for`` is in seconds."""

    owner: str
    host: str
    silent_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is about to be transmitted: this attempt at a delivery, with the content of this edition."""

    delivery: int
    attempt: int
    edition: int


class Ledger(Protocol):
    """One row per issue and reader; what happened to each mail."""

    def register(self, owner: str, host: str, pid: int) -> None: ...
    def heartbeat(self, owner: str) -> bool: ...
    def processes(self) -> list[Process]: ...
    def recover(self, owner: str, now: datetime) -> tuple[int, int]:
        """A dead owner's claimed deliveries are queued again, its transmitting ones in doubt; how many of each."""
        ...

    def sendable(self, rehearsal: bool, digests: Collection[str], now: datetime) -> list[int]: ...
    def claim(self, issue: int, owner: str, limit: int, now: datetime) -> list[ClaimedDelivery]: ...
    def edition(self, number: int) -> StoredEdition: ...
    def settle(
        self, owner: str, verdicts: Sequence[tuple[Result, Verdict]], marks: Sequence[Mark], now: datetime
    ) -> set[int]:
        """Store results and mark deliveries as transmitting, durably; the deliveries that were marked."""
        ...

    def release(self, owner: str, now: datetime) -> tuple[int, int]: ...
    def expire(self, before: datetime, now: datetime) -> int: ...
    def finish(self, now: datetime) -> list[int]: ...
    def next_due(self, rehearsal: bool) -> datetime | None: ...
    def resend(self, issue: int, states: Sequence[DeliveryState], subscription: int | None, now: datetime) -> int: ...
    def rows(self, issue: int, after: int, limit: int) -> list[dict[str, object]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message ready for the relay: bytes with CRLF line ends, not dot-stuffed; one recipient."""

    delivery: int
    attempt: int
    mail_from: str
    rcpt_to: str
    message: bytes


Take = Callable[[], Awaitable[Outgoing | None]]
"""The next message to send, or None when there is none left (or sending is to stop). May be cancelled."""

Settle = Callable[[Result | None, Outgoing | None], Awaitable[bool]]
"""Store the result of the message before and mark the next as transmitting, in one durable commit.

Returns whether the next message may be transmitted; False means: it must not be, drop the connection. Such a message
is settled once more, as Result(DATA) without a reply. An exception ends the run.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLook:
    """What a relay shows of itself. ``greeting`` is its own name for itself, "" when it gives none; ``tls`` "none"."""

    host: str
    greeting: str
    tls: str
    certificate_ends: datetime | None


class Mailer(Protocol):
    """Owns the connections to one relay."""

    async def run(self, take: Take, settle: Settle) -> None:
        """Send until ``take`` gives None on every connection.

        Raises MailError when no connection can be made or the relay has trouble; every message taken
        until then has been settled with a Result.
        """
        ...

    async def probe(self) -> str:
        """One line about the relay, after a greeting and QUIT. Raises MailError."""
        ...

    async def look(self, seconds: float) -> RelayLook:
        """What the relay shows of itself within this time. Raises MailError."""
        ...
