"""Who would get what, as of any instant: counted in groups of readers alike, so that a million cost what a few do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from feed_publisher.compose.digest import Line
from feed_publisher.domain.selection import Choice, Minimum, Selected, rolls_over, select
from feed_publisher.domain.why import ReaderWhy
from feed_publisher.ports.issues import Audience, IssueStore, ReaderGroup
from feed_publisher.ports.preview import PreviewStore
from feed_publisher.services.edition import DigestRules, Editions, Stock
from feed_publisher.services.horizon import Asked, Horizon

GROUPS = 500
"""Groups of readers alike that are looked at, the largest first; whoever is in none of them is only counted."""

EXACT = 20_000
"""Readers who are asked for one by one, where only the ledger knows what they have had."""


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

    def count(self, asked: Asked, horizon: Horizon) -> Turnout:
        """Who would get what, counted in groups."""
        rules = asked.rules
        audience = Audience(digest=rules.slug, cadence=asked.cadence, rehearsal=self._rehearsal)
        minimum = self._editions.minimum(rules, asked.cadence, horizon.at)
        groups = sorted(self._issues.groups(audience, horizon.at), key=lambda g: (-g.count, g.choice, g.cursor))
        looked, others = groups[:GROUPS], sum(group.count for group in groups[GROUPS:])
        stock = self.stock(rules, min((group.cursor for group in looked), default=0), horizon)
        exact = not any(chosen.may_have_had for group in looked for chosen in _chosen(group, stock))
        if not exact and sum(group.count for group in groups) <= EXACT:
            exact, others = True, 0
            versions, too_few = self._asked_one_by_one(rules, audience, stock, minimum, horizon.at)
        else:
            versions, too_few = self._by_groups(rules, looked, stock, minimum)
        census = dict(self._store.census(rules.slug, asked.cadence, horizon.at))
        got = sum(version.readers for version in versions) + others
        nothing = max(0, census.pop(ReaderWhy.IN, 0) - got - too_few)
        ended = min(nothing, self._ended(looked, stock))
        some = {why: count for why, count in ((ReaderWhy.TOO_FEW, too_few), (ReaderWhy.ENDED, ended)) if count}
        census |= {ReaderWhy.IN: got, ReaderWhy.NOTHING_NEW: nothing - ended} | some
        waiting = self._store.waiting(rules.slug, self._rehearsal)
        return Turnout(census=census, versions=versions, others=others, exact=exact, waiting=waiting)

    def _ended(self, groups: Sequence[ReaderGroup], stock: Stock) -> int:
        """Readers to whom nothing will come until they choose another topic."""
        over = self._editions.over()
        within = [group for group in groups if over and Choice.parse(group.choice).is_within(over)]
        return sum(group.count for group in within if not _chosen(group, stock))

    def _by_groups(
        self, rules: DigestRules, groups: Sequence[ReaderGroup], stock: Stock, minimum: Minimum | None
    ) -> tuple[tuple[Version, ...], int]:
        """The versions, and how many readers wait for more articles."""
        found, too_few = list[Version](), 0
        for group in groups:
            chosen = _chosen(group, stock)
            if minimum is not None and rolls_over(chosen, minimum):
                too_few += group.count
            elif chosen:
                version = Version(
                    lines=self._editions.lines(rules, chosen, stock),
                    language=self._editions.language(rules, group.language),
                    readers=group.count,
                    choice=group.choice,
                    cursor=group.cursor,
                )
                found.append(version)
        return self._merged(rules, found), too_few

    def _asked_one_by_one(
        self, rules: DigestRules, audience: Audience, stock: Stock, minimum: Minimum | None, at: datetime
    ) -> tuple[tuple[Version, ...], int]:
        readers = [r for r in self._issues.readers(audience, 0, EXACT, at) if not r.suppressed]
        found = [
            Version(lines=lines, language=language, readers=len(group), choice=group[0].choice, cursor=group[0].cursor)
            for lines, language, group in self._editions.grouped(rules, readers, stock, self._rehearsal, minimum)
        ]
        too_few = len(readers) - sum(version.readers for version in found)
        return self._merged(rules, [version for version in found if version.lines]), too_few

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
