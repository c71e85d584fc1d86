"""What opening an issue needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Books, Edition, Issue, IssueEdits, IssueState, Reader, SentIssue
from feed_publisher.domain.model import Entry, TopicRef
from feed_publisher.domain.selection import Candidate
from feed_publisher.domain.sponsor import Sponsor, SponsorBlock


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
    """One step of preparing an issue: readers up to ``to``. ``had_nothing`` only move their cursors.

    ``deliveries`` are in the order of subscriptions. ``editions`` are those among theirs that may be new.
    """

    after: int
    to: int
    editions: tuple[Edition, ...]
    templates: Mapping[str, str]
    deliveries: tuple[NewDelivery, ...]
    had_nothing: tuple[tuple[int, int], ...]

    def parts(self, size: int) -> Iterator[Batch]:
        """The same in batches of so many deliveries."""
        ends = [new.subscription for new in self.deliveries[size - 1 : -1 : size]] + [self.to]
        idle = sorted(self.had_nothing)
        after, taken, rested = self.after, 0, 0
        for end in ends:
            until = bisect_right(self.deliveries, end, key=lambda new: new.subscription)
            resting = bisect_right(idle, end, key=lambda pair: pair[0])
            yield replace(
                self,
                after=after,
                to=end,
                deliveries=self.deliveries[taken:until],
                had_nothing=tuple(idle[rested:resting]),
            )
            after, taken, rested = end, until, resting


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleEdition:
    """An edition with mail that has not left, and an entry or the issue's edits that changed.

    ``entries``: what is still public of it, those that are left out included, newest first.
    """

    id: int
    issue: int
    digest: str
    issue_number: int | None
    opened_at: datetime
    language: str
    entries: tuple[tuple[Entry, TopicRef], ...]
    edits: IssueEdits
    revision: int
    sponsors: tuple[SponsorBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """The HTML of an issue as it was mailed; markers made with ``nonce`` stand for personal links."""

    html: str
    nonce: str


class ArchiveStore(Protocol):
    """The issues that everybody may read."""

    def declare(self, public: Mapping[str, str], private: Sequence[str], now: datetime) -> None:
        """Titles of the digests with an archive by slug, and slugs of those without.

        A digest that is in neither has left the configuration; its archive stays.
        """
        ...

    def enter(self, rehearsal: bool, now: datetime) -> int:
        """Take in the issues whose first mail has been accepted; how many. Without ``rehearsal`` put rehearsals out."""
        ...

    def title(self, slug: str) -> str | None:
        """Of a digest that has an archive."""
        ...

    def page(self, slug: str, before: str, limit: int) -> list[SentIssue]:
        """Newest first, from the one after the issue of the name ``before``, if any; each with its first entries."""
        ...

    def find(self, slug: str, name: str) -> SentIssue | None: ...
    def mail(self, slug: str, name: str) -> SentMail | None: ...


class IssueStore(Protocol):
    """Digests, their issues and how an issue gets its deliveries."""

    def declare_digest(self, slug: str, now: datetime, start: int | None = None) -> None: ...
    def digest_start(self, slug: str) -> int: ...
    def next_issue(self, slug: str) -> tuple[int, int]:
        """The id of the next issue of all, and the number of this digest's next that is no rehearsal."""
        ...

    def digest_added(self, slug: str) -> datetime: ...
    def clocks(self, digest: str, cadence: str) -> list[tuple[str, str]]: ...
    def first_joined(self, digest: str, cadence: str) -> datetime | None: ...
    def wanted_at(self, digest: str, cadence: str, instant: datetime) -> bool: ...
    def instant_through(self, digest: str) -> int: ...
    def instant_done(self, digest: str, through: int) -> None: ...
    def is_leaving(self, digest: str, cadence: str, now: datetime) -> bool: ...
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
        sponsors: Sequence[Sponsor] = (),
    ) -> Issue | None:
        """The new issue, through the current sequence or an earlier one.

        None when another process has the slot, or when the digest rests: a program that was started before the
        settings were changed must not mail by the old ones. Of ``sponsors``, those that are due, it carries one in
        each place from now on.
        """
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

    def claim_subject(self, issue: int, candidates: Sequence[str]) -> str:
        """The first that no other issue of its digest has; from now on it is this issue's."""
        ...

    def free_subject(self, digest: str, rehearsal: bool, candidates: Sequence[str]) -> str:
        """The first that no issue of the digest has."""
        ...

    def stale_editions(self) -> list[StaleEdition]: ...
    def replace_edition(
        self, stale: StaleEdition, renewed: Edition | None, templates: Mapping[str, str], now: datetime
    ) -> int:
        """Repoint deliveries never attempted; without a renewed edition they are excluded. How many moved."""
        ...

    def reader(self, digest: str, address_key: str, rehearsal: bool) -> Reader | None: ...
    def freeze(
        self,
        issue: Issue,
        state: IssueState,
        subject: str,
        now: datetime,
        reason: str = "",
        ask: Sequence[str] = (),
    ) -> Issue:
        """Write the audience; ``ask`` are addresses that are mailed about it."""
        ...

    def get(self, number: int) -> Issue: ...
    def newest(self, limit: int, digest: str | None = None) -> list[Issue]: ...
    def books(self, number: int) -> Books: ...
    def change_state(self, number: int, allowed: Sequence[IssueState], state: IssueState) -> Issue: ...
    def cancel(self, number: int, now: datetime) -> Issue:
        """Nothing more is claimed from the first transaction on; what waits is ended in steps after it."""
        ...

    def end_cancelled(self, now: datetime) -> None: ...
