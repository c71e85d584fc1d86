"""Who would get what, as of any instant: counted in groups of readers alike, so that a million cost what a few do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from feed_publisher.compose.digest import Line
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.selection import Candidate, Choice, Selected, select
from feed_publisher.domain.why import ReaderWhy
from feed_publisher.ports.issues import Audience, IssueStore, ReaderGroup
from feed_publisher.ports.preview import PreviewStore
from feed_publisher.services.edition import DigestRules, Editions, Maturing, Stock

GROUPS = 500
"""Groups of readers alike that are looked at, the largest first; whoever is in none of them is only counted."""

EXACT = 20_000
"""Readers who are asked for one by one, where only the ledger knows what they have had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be looked at.

    ``as_of``: None is now. A past instant leaves out what became mailable later, as ``send --as-of`` does now; a
    future one has what is stored now and the post-dated articles that are public by then, as if nothing else were
    picked up or mailed before it, and pauses that end by then are over. ``cadence``: its scheduled issue; None is one
    sent by hand, to all. ``reader`` is an address key; without one the version is shown that has most readers, or
    the ``version``-th after it; or, for a ``newcomer``, what somebody gets who has had nothing yet.
    """

    rules: DigestRules
    as_of: datetime | None = None
    cadence: Cadence | None = None
    reader: str | None = None
    version: int = 0
    newcomer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """``at``: when the issue would be opened, never in the past: its mails carry this date."""

    at: datetime
    through: int
    maturing: Maturing = ()

    def through_at(self, moment: datetime, given: int) -> int:
        """The last sequence that will have been given then; ``given`` is that of what is public now."""
        return max([given, *(max(c.sequences.values()) for e, c in self.maturing if e.published <= moment)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An edition that the issue would have, and how many readers would get it."""

    lines: tuple[Line, ...]
    language: str
    readers: int
    choice: str
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnout:
    """All subscriptions by what becomes of them, and the versions of those who get it, most readers first.

    ``others`` get one that was not looked at. Not ``exact``: some of them may have had all of it already. ``waiting``:
    mails of earlier issues that have not left; another issue for the same readers replaces them.
    """

    census: Mapping[ReaderWhy, int]
    versions: tuple[Version, ...]
    others: int
    exact: bool
    waiting: int

    @property
    def readers(self) -> int:
        return sum(version.readers for version in self.versions) + self.others


class Turnouts:
    """Counts for one site. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(self, issues: IssueStore, store: PreviewStore, editions: Editions, rehearsal: bool) -> None:
        self._issues = issues
        self._store = store
        self._editions = editions
        self._rehearsal = rehearsal

    def horizon(self, asked: Asked, now: datetime) -> Horizon:
        """What an issue as of then would be made from."""
        if asked.as_of is None:
            return Horizon(at=now, through=self._issues.current_sequence())
        if asked.as_of <= now:
            return Horizon(at=now, through=self._issues.sequence_at(asked.as_of))
        through, maturing = self._issues.current_sequence(), list[tuple[Entry, Candidate]]()
        for standing in self._store.maturing(asked.as_of):
            given = {topic: standing.sequences.get(topic) for topic in standing.topics}
            sequences = dict[int, int]()
            for topic, sequence in given.items():
                through += sequence is None
                sequences[topic] = through if sequence is None else sequence
            if sequences:
                entry = replace(standing.entry, state=EntryState.PUBLIC)
                maturing.append((entry, Candidate(entry=entry.number, sequences=sequences)))
        return Horizon(at=asked.as_of, through=through, maturing=tuple(maturing))

    def count(self, asked: Asked, horizon: Horizon) -> Turnout:
        """Who would get what, counted in groups."""
        rules = asked.rules
        audience = Audience(digest=rules.slug, cadence=asked.cadence, rehearsal=self._rehearsal)
        groups = sorted(self._issues.groups(audience, horizon.at), key=lambda g: (-g.count, g.choice, g.cursor))
        looked, others = groups[:GROUPS], sum(group.count for group in groups[GROUPS:])
        stock = self.stock(rules, min((group.cursor for group in looked), default=0), horizon)
        exact = not any(chosen.may_have_had for group in looked for chosen in _chosen(group, stock))
        if not exact and sum(group.count for group in groups) <= EXACT:
            versions, others, exact = self._asked_one_by_one(rules, audience, stock, horizon), 0, True
        else:
            versions = self._by_groups(rules, looked, stock)
        census = dict(self._store.census(rules.slug, asked.cadence, horizon.at))
        got = sum(version.readers for version in versions) + others
        reachable = census.pop(ReaderWhy.IN, 0)
        census |= {ReaderWhy.IN: got, ReaderWhy.NOTHING_NEW: max(0, reachable - got)}
        waiting = self._store.waiting(rules.slug, self._rehearsal)
        return Turnout(census=census, versions=versions, others=others, exact=exact, waiting=waiting)

    def _by_groups(self, rules: DigestRules, groups: Sequence[ReaderGroup], stock: Stock) -> tuple[Version, ...]:
        found = (
            Version(
                lines=self._editions.lines(_chosen(group, stock), stock),
                language=group.language or rules.language,
                readers=group.count,
                choice=group.choice,
                cursor=group.cursor,
            )
            for group in groups
        )
        return self._merged(rules, [version for version in found if version.lines])

    def _asked_one_by_one(
        self, rules: DigestRules, audience: Audience, stock: Stock, horizon: Horizon
    ) -> tuple[Version, ...]:
        readers = [r for r in self._issues.readers(audience, 0, EXACT, horizon.at) if not r.suppressed]
        found = (
            Version(lines=lines, language=language, readers=len(group), choice=group[0].choice, cursor=group[0].cursor)
            for lines, language, group in self._editions.grouped(rules, readers, stock, self._rehearsal)
        )
        return self._merged(rules, [version for version in found if version.lines])

    def _merged(self, rules: DigestRules, found: Sequence[Version]) -> tuple[Version, ...]:
        """Readers of different choices may get the same."""
        alike: dict[str, Version] = {}
        for version in found:
            key = self._editions.fingerprint(rules, version.lines, version.language)
            known = alike.get(key)
            alike[key] = replace(known, readers=known.readers + version.readers) if known else version
        return tuple(sorted(alike.values(), key=lambda version: -version.readers))

    def stock(self, rules: DigestRules, after: int, horizon: Horizon) -> Stock:
        """What became mailable after a sequence, until the horizon."""
        return self._editions.stock(rules, after, horizon.through, horizon.maturing)


def _chosen(group: ReaderGroup, stock: Stock) -> list[Selected]:
    return select(stock.candidates, Choice.parse(group.choice), group.cursor, stock.through)
