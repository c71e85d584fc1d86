"""Why an entry is in a mail or not, and why a reader gets it or not: the reasons as values, decided in one place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from feed_publisher.domain.delivery import UNFINISHED, DeliveryState
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.selection import Choice


class EntryWhy(StrEnum):
    """``in`` and ``counted`` are received; every other one keeps the entry out."""

    IN = "in"
    COUNTED = "counted"  # beyond the maximum: only "more on the web"
    HELD = "held"
    HIDDEN = "hidden"
    WITHDRAWN = "withdrawn"
    SCHEDULED = "scheduled"
    FEED_ONLY = "feed only"
    NO_TOPIC = "no topic"
    NOT_COVERED = "not covered"
    OTHER_TOPICS = "other topics"
    CHOSEN_LATER = "chosen later"
    LATER = "later"  # public only after the instant
    CUT_OFF = "cut off"  # public before the issue leaves, but after it is closed
    WAITING = "waiting"
    SENT = "sent"
    IN_DOUBT = "in doubt"
    BEFORE = "before"


class ReaderWhy(StrEnum):
    """``in`` and ``hour to come`` get the mail; every other one keeps the reader out."""

    IN = "in"
    HOUR_TO_COME = "hour to come"
    WAITING = "waiting"
    NOTHING_NEW = "nothing new"
    ENDED = "ended"  # nothing new, and nothing to come: all chosen topics have ended
    TOO_FEW = "too few"  # fewer than the minimum: they wait for more
    OTHER_CADENCE = "other cadence"
    PAUSED = "paused"
    NEVER_MAILED = "never mailed"
    NOT_CONFIRMED = "not confirmed"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailed:
    """The last issue of a digest that carried an entry, to one reader (with the state of that delivery) or to any.

    ``id`` is what commands take, ``number`` what readers see; None for a rehearsal. ``at``: when it was opened, or
    when it leaves.
    """

    id: int
    number: int | None
    at: datetime
    state: DeliveryState | None = None

    @property
    def name(self) -> str:
        return f"issue {self.number}" if self.number else f"rehearsal {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides whether an entry is mailed: its sequences by topic number, since when it has the first of them."""

    entry: Entry
    topics: Collection[int] = ()
    sequences: Mapping[int, int] = field(default_factory=dict)
    mailable_at: datetime | None = None
    feed_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewpoint:
    """From where an issue is looked at: a reader's (or many readers') choice and cursor, and the end of the content.

    ``covered``: the topics of the digest, None for all. ``cut``: when it is closed, where that is before it leaves.
    """

    choice: Choice
    cursor: int
    through: int
    covered: Collection[int] | None = None
    cut: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryVerdict:
    """``topics``: those the reason speaks of, by number. ``at`` and ``mailed`` where the reason has them."""

    entry: Entry
    why: EntryWhy
    topics: tuple[int, ...] = ()
    at: datetime | None = None
    mailed: Mailed | None = None

    @property
    def is_in(self) -> bool:
        return self.why in (EntryWhy.IN, EntryWhy.COUNTED)


_STATES = {
    EntryState.HELD: EntryWhy.HELD,
    EntryState.HIDDEN: EntryWhy.HIDDEN,
    EntryState.WITHDRAWN: EntryWhy.WITHDRAWN,
    EntryState.SCHEDULED: EntryWhy.SCHEDULED,
}


def judge_entry(
    standing: Standing, view: Viewpoint, place: int | None, maximum: int, mailed: Mailed | None
) -> EntryVerdict:
    """``place``: where it was selected to stand, or None. The first thing that keeps it out is the reason."""
    entry = standing.entry
    if place is not None:
        return EntryVerdict(entry=entry, why=EntryWhy.IN if place < maximum else EntryWhy.COUNTED)
    if entry.state in _STATES:
        return EntryVerdict(entry=entry, why=_STATES[entry.state], at=entry.published)
    if not standing.topics:
        return EntryVerdict(entry=entry, why=EntryWhy.NO_TOPIC)
    covered = [topic for topic in standing.topics if view.covered is None or topic in view.covered]
    if not covered:
        return EntryVerdict(entry=entry, why=EntryWhy.NOT_COVERED, topics=tuple(standing.topics))
    if not standing.sequences:
        return EntryVerdict(entry=entry, why=EntryWhy.FEED_ONLY)
    chosen = {topic: view.choice.start_of(topic) for topic in covered}
    wanted = {topic: start for topic, start in chosen.items() if start is not None}
    if not wanted:
        return EntryVerdict(entry=entry, why=EntryWhy.OTHER_TOPICS, topics=tuple(covered))
    return _passed(standing, view, wanted, mailed)


def _passed(standing: Standing, view: Viewpoint, wanted: Mapping[int, int], mailed: Mailed | None) -> EntryVerdict:
    """Of an entry in a topic that the reader gets: it came too early or too late for this issue."""
    entry, at = standing.entry, standing.mailable_at
    if mailed is not None and mailed.state is not None:  # the reader's own
        return EntryVerdict(entry=entry, why=_of_delivery(mailed.state), at=mailed.at, mailed=mailed)
    counted = [n for topic, n in standing.sequences.items() if topic in wanted and n > wanted[topic]]
    if not counted:
        return EntryVerdict(entry=entry, why=EntryWhy.CHOSEN_LATER, topics=tuple(wanted), at=at)
    if min(counted) > view.through:
        is_cut = view.cut is not None and at is not None and at > view.cut
        return EntryVerdict(entry=entry, why=EntryWhy.CUT_OFF if is_cut else EntryWhy.LATER, at=at)
    if mailed is not None:
        return EntryVerdict(entry=entry, why=EntryWhy.SENT, at=mailed.at, mailed=mailed)
    return EntryVerdict(entry=entry, why=EntryWhy.BEFORE, at=at)


def _of_delivery(state: DeliveryState | None) -> EntryWhy:
    if state in UNFINISHED:
        return EntryWhy.WAITING
    return EntryWhy.IN_DOUBT if state is DeliveryState.UNKNOWN else EntryWhy.SENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFacts:
    """What decides whether a reader gets an issue at all. ``waiting``: what has not left of an earlier one.

    ``ended``: all topics that were chosen have ended.
    ``silent``: was asked twice whether it is still wanted, and did not answer.
    """

    state: SubscriptionState
    cadence: str
    suppressed: bool
    paused_until: datetime | None = None
    left_at: datetime | None = None
    waiting: Mailed | None = None
    ended: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderVerdict:
    """``entries``: how many there are for this reader. ``at`` and ``mailed`` where the reason has them.

    ``silent``: paused for want of an answer, not by the reader.
    """

    why: ReaderWhy
    entries: int = 0
    at: datetime | None = None
    mailed: Mailed | None = None
    cadence: str = ""
    silent: bool = False

    @property
    def is_in(self) -> bool:
        return self.why in (ReaderWhy.IN, ReaderWhy.HOUR_TO_COME)


def judge_reader(
    facts: ReaderFacts, cadence: str | None, at: datetime, leaves_at: datetime, entries: int, too_few: bool
) -> ReaderVerdict:
    """Whether an issue opened ``at`` is mailed to this reader; of one ``cadence``, or (None) to all by hand.

    ``too_few``: the entries are fewer than the digest's minimum.
    """
    if facts.state is SubscriptionState.UNSUBSCRIBED:
        return ReaderVerdict(why=ReaderWhy.UNSUBSCRIBED, at=facts.left_at)
    if facts.state is SubscriptionState.PENDING:
        return ReaderVerdict(why=ReaderWhy.NOT_CONFIRMED)
    if facts.suppressed:
        return ReaderVerdict(why=ReaderWhy.NEVER_MAILED)
    if facts.paused_until is not None and facts.paused_until > at:
        return ReaderVerdict(why=ReaderWhy.PAUSED, at=facts.paused_until, silent=facts.silent)
    if cadence is not None and cadence != facts.cadence:
        return ReaderVerdict(why=ReaderWhy.OTHER_CADENCE, cadence=facts.cadence)
    if facts.waiting is not None:
        return ReaderVerdict(why=ReaderWhy.WAITING, at=facts.waiting.at, mailed=facts.waiting, entries=entries)
    if not entries:
        return ReaderVerdict(why=ReaderWhy.ENDED if facts.ended else ReaderWhy.NOTHING_NEW)
    if too_few:
        return ReaderVerdict(why=ReaderWhy.TOO_FEW, entries=entries)
    if leaves_at > at:
        return ReaderVerdict(why=ReaderWhy.HOUR_TO_COME, at=leaves_at, entries=entries)
    return ReaderVerdict(why=ReaderWhy.IN, entries=entries)
