"""What the services need from the outside, one small Protocol per need. A method is one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.delivery import DeliveryState, Result, Verdict
from feed_publisher.domain.identity import Key
from feed_publisher.domain.issue import Books, Edition, Issue, IssueState, Reader
from feed_publisher.domain.model import Draft, Entry, EntryState, FeedDocument, FeedFormat, Problem, TopicRef
from feed_publisher.domain.recognition import Decision, Known, Listed
from feed_publisher.domain.selection import Candidate

# --- pickup -----------------------------------------------------------------------------------------------------


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


# --- feeds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyFeed:
    """A feed to be written; ``title`` is None for the feed of all entries."""

    id: int
    slug: str
    title: str | None
    atom_id: str
    version: int
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """A feed file that is out. ``etag`` is the hash of the identity bytes, without quotes."""

    path: str
    version: int
    etag: str
    last_modified: datetime


class FeedStore(Protocol):
    """Which feeds are dirty and which bytes are out."""

    def dirty(self, every: bool = False) -> list[DirtyFeed]: ...
    def newest(self, slug: str, limit: int) -> list[Entry]: ...
    def replace(self, dirty: DirtyFeed, write: Callable[[dict[str, FeedFile]], list[FeedFile]]) -> bool: ...
    def refuse(self, dirty: DirtyFeed, problem: str) -> None: ...
    def problems(self) -> dict[str, str]: ...
    def depend_on(self, settings: str) -> bool:
        """All feeds are dirty when what they take from the settings has changed since the last call; whether it has."""
        ...


class FeedFiles(Protocol):
    """The folder ``public/``."""

    def matches(self, path: str, data: bytes) -> bool: ...
    def write(self, path: str, data: bytes, modified: datetime) -> None: ...


RenderFeed = Callable[[FeedDocument, FeedFormat], bytes]
RenderOutline = Callable[[str, Sequence[tuple[str, str, str]]], bytes]
"""OPML from a title and, per feed, its title, the address of its page and its own."""

# --- issues -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The subscriptions an issue is for: those of one cadence, or (None) all active ones."""

    digest: str
    cadence: str | None
    rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderGroup:
    """How many readers share what decides their entries."""

    choice: str
    cursor: int
    language: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery to be added. ``edition`` is a fingerprint; ``cursor`` the reader's before the issue."""

    subscription: int
    subscriber: int
    cursor: int
    edition: str
    state: DeliveryState
    reason: str
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step of preparing an issue: readers up to ``to``, in order. ``had_nothing`` only move their cursors."""

    after: int
    to: int
    editions: tuple[Edition, ...]
    templates: Mapping[str, str]
    deliveries: tuple[NewDelivery, ...]
    had_nothing: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleEdition:
    """An edition with mail that has not left and an entry that changed. ``entries``: what is still public of it."""

    id: int
    issue: int
    digest: str
    issue_number: int | None
    opened_at: datetime
    language: str
    entries: tuple[tuple[Entry, TopicRef], ...]


class IssueStore(Protocol):
    """Digests, their issues and how an issue gets its deliveries."""

    def declare_digest(self, slug: str, now: datetime, start: int | None = None) -> None: ...
    def restart_digest(self, slug: str, start: int) -> int: ...
    def digest_start(self, slug: str) -> int: ...
    def digest_added(self, slug: str) -> datetime: ...
    def clocks(self, digest: str, cadence: str) -> list[tuple[str, str]]: ...
    def first_joined(self, digest: str, cadence: str) -> datetime | None: ...
    def slot_taken(self, digest: str, slot: str) -> bool: ...
    def current_sequence(self) -> int: ...
    def sequence_at(self, instant: datetime) -> int: ...
    def candidates(self, after: int, through: int) -> list[tuple[Entry, Candidate]]: ...
    def groups(self, audience: Audience, now: datetime) -> list[ReaderGroup]: ...
    def claim_slot(
        self,
        digest: str,
        slot: str,
        state: IssueState,
        reason: str,
        rehearsal: bool,
        owner: str,
        now: datetime,
        through: int | None = None,
    ) -> Issue | None:
        """The new issue, through the current sequence or an earlier one; None when another process has the slot."""
        ...

    def preparing(self) -> list[Issue]: ...
    def open_digests(self) -> set[str]: ...
    def adopt(self, issue: int, old_owner: str, owner: str) -> bool: ...
    def release_unfinished(self, audience: Audience, after: int, limit: int, now: datetime) -> None: ...
    def readers(self, audience: Audience, after: int, limit: int, now: datetime) -> list[Reader]: ...
    def already_had(
        self, subscriptions: Sequence[int], entries: Sequence[int], rehearsal: bool
    ) -> set[tuple[int, int]]: ...
    def add_batch(self, issue: Issue, batch: Batch, now: datetime) -> int:
        """Store a batch, or the part of it before the first reader who is busy or changed; up to where it got."""
        ...

    def stale_editions(self) -> list[StaleEdition]: ...
    def replace_edition(
        self, stale: StaleEdition, renewed: Edition | None, templates: Mapping[str, str], now: datetime
    ) -> int:
        """Repoint deliveries never attempted; without a renewed edition they are excluded. How many moved."""
        ...

    def reader(self, digest: str, address_key: str, rehearsal: bool) -> Reader | None: ...
    def freeze(self, issue: Issue, state: IssueState, subject: str, now: datetime) -> Issue: ...
    def get(self, number: int) -> Issue: ...
    def newest(self, limit: int, digest: str | None = None) -> list[Issue]: ...
    def books(self, number: int) -> Books: ...
    def change_state(self, number: int, allowed: Sequence[IssueState], state: IssueState) -> Issue: ...
    def approve(self, number: int, now: datetime) -> Issue: ...
    def resume(self, number: int, now: datetime) -> Issue: ...
    def cancel(self, number: int, now: datetime) -> Issue: ...


# --- sending ----------------------------------------------------------------------------------------------------


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


class Mailer(Protocol):
    """Owns the connections to one relay."""

    async def run(self, take: Take, settle: Settle) -> None:
        """Send until ``take`` gives None on every connection.

        Raises MailError when no connection can be made or the relay has trouble; every message taken
        until then has been settled with a Result.
        """
        ...


# --- people -----------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail to one person that belongs to no issue. ``kind``: confirm, or link (already subscribed)."""

    subscription: int
    request: int
    kind: str
    address: str
    digest: str


class LetterStore(Protocol):
    """Letters that wait."""

    def claim(self, digests: Collection[str], limit: int, now: datetime) -> list[Letter]: ...
    def done(self, letter: Letter) -> None: ...
    def later(self, letter: Letter, due_at: datetime) -> None: ...


class PeopleStore(Protocol):
    """Subscribers, their subscriptions and the addresses never to be mailed."""

    def secrets(self, purpose: str) -> dict[int, bytes]: ...
    def join(self, people: Iterable[NewSubscription], cadence: str, now: datetime) -> Joined: ...
    def ask(self, person: NewSubscription, cadence: str, now: datetime) -> None: ...
    def confirm(self, subscription: int, request: int, source: str, now: datetime) -> bool: ...
    def leave(self, subscription: int, now: datetime) -> bool: ...
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
    def notices(self, limit: int) -> list[Notice]: ...
    def happened(self) -> Happened: ...
