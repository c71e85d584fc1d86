"""As of when an issue is looked at, and what it would be made from then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from feed_publisher.domain.cadence import Cadence, Clock, Slot, due_at
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.selection import Candidate
from feed_publisher.ports.issues import IssueStore
from feed_publisher.ports.preview import PreviewStore
from feed_publisher.services.edition import DigestRules, Maturing


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be looked at.

    ``as_of``: None is now. A past instant leaves out what became mailable later, as ``send --as-of`` does now; a
    future one has what is stored now and the post-dated articles that are public by then, as if nothing else were
    picked up or mailed before it, and pauses that end by then are over. ``cadence``: its first issue that is due then
    or later; None is one sent by hand, to all. ``reader`` is an address key. Without one the version is shown that has
    most readers, or the ``version``-th after it; or, for a ``newcomer``, what somebody gets who has had nothing yet.
    """

    rules: DigestRules
    as_of: datetime | None = None
    cadence: Cadence | None = None
    reader: str | None = None
    version: int = 0
    newcomer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """``at``: when the issue would be opened, never in the past: its mails carry this date.

    ``slot``: its date, where it has one. ``cut``: when it is closed to articles, where that is before ``at``.
    """

    at: datetime
    through: int
    maturing: Maturing = ()
    slot: Slot | None = None
    cut: datetime | None = None

    def through_at(self, moment: datetime, given: int) -> int:
        """The last sequence that will have been given then; ``given`` is that of what is public now."""
        return max([given, *(max(c.sequences.values()) for e, c in self.maturing if e.published <= moment)])


class Horizons:
    """Horizons of one site's issues."""

    def __init__(self, issues: IssueStore, store: PreviewStore) -> None:
        self._issues = issues
        self._store = store

    def of(self, asked: Asked, now: datetime) -> Horizon:
        """What an issue as of then would be made from."""
        rules, begin = asked.rules, max(asked.as_of or now, now)
        if asked.cadence in (None, Cadence.INSTANT):
            through, maturing = self._until(asked.as_of, now)
            return Horizon(at=begin, through=through, maturing=maturing)
        slot = rules.rhythm(asked.cadence).next(rules.clock, begin - timedelta(microseconds=1))
        first = min(due_at(slot, clock) for clock in self._clocks(rules, asked.cadence))
        at, cut = max(begin, first), first - rules.cutoff if rules.cutoff else None
        looked = asked.as_of if asked.as_of is not None and asked.as_of <= now else at
        through, maturing = self._until(min(looked, cut) if cut else looked, now)
        return Horizon(at=at, through=through, maturing=maturing, slot=slot, cut=cut)

    def _clocks(self, rules: DigestRules, cadence: Cadence) -> list[Clock]:
        """Those of the readers; the issue opens when the first of them is due."""
        used = [] if cadence is Cadence.CRON else self._issues.clocks(rules.slug, cadence)
        return [rules.clock_of(zone, at, cadence) for zone, at in used] or [rules.clock]

    def _until(self, end: datetime | None, now: datetime) -> tuple[int, Maturing]:
        """The last sequence given by then, and what is still to mature; None: all that is public now."""
        if end is not None and end <= now:
            return self._issues.sequence_at(end), ()
        through, maturing = self._issues.current_sequence(), list[tuple[Entry, Candidate]]()
        for standing in self._store.maturing(end) if end else ():
            sequences = dict[int, int]()
            for topic in standing.topics:
                given = standing.sequences.get(topic)
                through += given is None
                sequences[topic] = through if given is None else given
            if sequences:
                entry = replace(standing.entry, state=EntryState.PUBLIC)
                maturing.append((entry, Candidate(entry=entry.number, sequences=sequences)))
        return through, maturing
