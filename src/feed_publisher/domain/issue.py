"""The states of an issue, and the values an issue is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.model import Entry, EntryState, TopicRef
from feed_publisher.domain.sponsor import SponsorBlock


class IssueState(StrEnum):
    """``preparing`` until its audience is frozen; ``draft`` waits for approval; ``skipped`` had nothing to say."""

    PREPARING = "preparing"
    DRAFT = "draft"
    READY = "ready"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class SubscriptionState(StrEnum):
    """``pending`` has not confirmed; only ``active`` ones are mailed."""

    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"


class Images(StrEnum):
    """Which articles of a mail show their picture."""

    NONE = "none"
    LEAD = "lead"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueEdits:
    """What the operator changed in an issue by hand. Entries are named by their keys; ``note`` is plain text.

    ``sponsors_out``: slugs of the sponsors that are left out.
    """

    lead: str = ""
    note: str = ""
    subject: str = ""
    left_out: tuple[str, ...] = ()
    sponsors_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One mailing of a digest for one slot. ``audience`` is None until it is frozen (``ready_at``).

    ``revision`` counts changes of ``edits``. One that is ``held`` leaves only when somebody says so.
    """

    id: int
    digest: str
    slot: str
    state: IssueState
    reason: str
    rehearsal: bool
    issue_number: int | None
    subject: str
    through: int
    opened_at: datetime
    audience: int | None
    entries: int
    prepared_to: int
    owner: str
    edits: IssueEdits
    revision: int
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The content shared by all readers of an issue with the same entries and language.

    ``html`` and ``text`` hold markers made with ``nonce`` where personal links go; ``entries`` are (entry number,
    revision number, slug of the topic that made it due). The first ``shown`` stand in it, the others are counted.
    ``left_out`` are those that the operator took out, so that they can be put back; ``revision`` is that of the edits.
    """

    fingerprint: str
    subject: str
    html: str
    text: str
    template: str
    language: str
    nonce: str
    entries: tuple[tuple[int, int, str], ...]
    shown: int
    left_out: tuple[tuple[int, int, str], ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A subscription as an issue sees it. ``cursor`` is the one that counts; "" in zone and at: the digest's own."""

    subscription: int
    subscriber: int
    choice: str
    cursor: int
    language: str | None
    cadence: str
    zone: str
    at: str
    suppressed: bool


Books = dict[DeliveryState, int]


ARCHIVED_MOST = 200
"""Entries that the page of an issue shows: as many as a mail may have."""


def archive_name(id: int, number: int | None) -> str:
    """The last part of the address of an issue in the archive; rehearsals have no number."""
    return str(number) if number else f"rehearsal-{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEntry:
    """An entry as an issue was sent with it, under the topic that made it due; ``entry`` is what it is now."""

    title: str
    authors: tuple[str, ...]
    summary: str
    topic: TopicRef
    entry: Entry

    @property
    def withdrawn(self) -> bool:
        return self.entry.state is not EntryState.PUBLIC

    @property
    def corrected(self) -> bool:
        now = self.entry
        return (self.title, self.authors, self.summary) != (now.title, now.authors, now.summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentIssue:
    """An issue in the archive: the edition that most of its readers got. ``number`` is None for a rehearsal.

    ``entries`` are those that stood in the mail, of ``count`` with those it only counted. ``withdrawn``: one of all is,
    by now. ``sponsors`` stood in the mail as well.
    """

    id: int
    digest: str
    digest_title: str
    number: int | None
    subject: str
    language: str
    sent_at: datetime
    entries: tuple[SentEntry, ...]
    count: int
    withdrawn: bool
    sponsors: tuple[SponsorBlock, ...] = ()

    @property
    def name(self) -> str:
        return archive_name(self.id, self.number)

    @property
    def sections(self) -> list[tuple[TopicRef, list[SentEntry]]]:
        """Its entries by topic, as the mail has them."""
        by_topic: dict[TopicRef, list[SentEntry]] = {}
        for sent in self.entries:
            by_topic.setdefault(sent.topic, []).append(sent)
        return list(by_topic.items())

    @property
    def title(self) -> str:
        """The subject; something that gives nothing away once an article is withdrawn, which the subject may name."""
        if self.subject and not self.withdrawn:
            return self.subject
        return f"{self.digest_title}, issue {self.number}" if self.number else self.digest_title

    @property
    def more(self) -> int:
        """How many entries it only counted."""
        return self.count - len(self.entries)

    @property
    def updated(self) -> datetime:
        """Corrections count, as they do for an entry. No two issues have the same, though they share an article."""
        corrected = [sent.entry.updated for sent in self.entries if sent.corrected and not sent.withdrawn]
        return max([self.sent_at, *corrected]) + timedelta(microseconds=self.id % 1_000_000)
