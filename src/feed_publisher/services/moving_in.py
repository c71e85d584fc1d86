"""Whole lists of readers come in: first what would become of them is told, then they are stored (docs/moving-in.md)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from feed_publisher.domain.address import Address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem, TopicRef
from feed_publisher.domain.slug import heading_key
from feed_publisher.parse.columns import Plan, plain_name
from feed_publisher.parse.subscribers import Reading, Sheet, Standing, SubscriberRow, open_sheet, read_sheet
from feed_publisher.ports.moving import Barred, Fate, MovingStore, Newcomer, Taking

T = TypeVar("T")

BATCH = 2_000
MOST_KEPT = 10_000
"""Problems, and groups of a list, that are kept in memory; the rest is counted."""
EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be imported, and how. ``groups``: what a list calls its topics, by what they are here ("" for none).

    ``confirmed``: all readers in it have agreed to get the digest.
    """

    digest: str
    name: str
    fingerprint: str
    sheets: Sequence[Sheet]
    reading: Reading
    confirmed: bool = False
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A row and what became of it."""

    where: str
    line: int
    address: str
    fate: Fate
    reason: str = ""


@dataclass(slots=True)
class Tally:
    """Rows by fate. ``problems`` are the first of those that were refused."""

    counts: Counter[Fate] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[SubscriberRow, Newcomer]] = field(default_factory=list)
    pending: int = 0
    number: int = 0

    @property
    def added(self) -> int:
        return self.counts[Fate.ADDED]

    @property
    def unchanged(self) -> int:
        return self.counts[Fate.SAME] + self.counts[Fate.AGAIN]

    @property
    def updated(self) -> int:
        """All that were known, as tools expect it."""
        return self.counts[Fate.UPDATED] + self.unchanged

    @property
    def suppressed(self) -> int:
        return self.counts[Fate.SUPPRESSED] + self.counts[Fate.STAYS_SUPPRESSED]

    @property
    def rejected(self) -> int:
        return sum(self.counts[fate] for fate in (Fate.REJECTED, Fate.NEVER, Fate.LEFT))

    @property
    def rows(self) -> int:
        return sum(self.counts.values())


Progress = Callable[[int], None]
Tell = Callable[[Ended], None]


class MovingIn:
    """One site's imports. ``offered``: the cadences of each digest, the usual one first."""

    def __init__(
        self,
        store: MovingStore,
        key_of: Callable[[Address], str],
        offered: Mapping[str, Sequence[str]],
        topics: Iterable[TopicRef],
        aliases: Mapping[str, str],
    ) -> None:
        self._store = store
        self._key_of = key_of
        self._offered = offered
        self._topics = {heading_key(each.title): each.slug for each in topics}
        self._topics |= dict(aliases) | {slug: slug for slug in self._topics.values()}

    def plans(self, order: Order) -> list[tuple[Sheet, Plan]]:
        """What becomes of the columns of each sheet that can be read. InputError for an order that makes no sense."""
        plans = [(sheet, plan) for sheet in order.sheets if (plan := _plan(sheet, order.reading)) is not None]
        known = {plain_name(column) for _, plan in plans for column in plan.header}
        for name in order.reading.maps:
            if plans and plain_name(name) not in known:
                columns = ", ".join(filter(None, (column for _, plan in plans for column in plan.header)))
                raise InputError(f"there is no column “{name}”; the columns are {columns[:500]}", "--map")
        for group, slug in order.groups.items():
            if slug and slug not in self._topics.values():
                raise InputError(f"there is no topic {slug!r} to take “{group}” for", "--topic")
        return plans

    def foresee(self, order: Order, now: datetime) -> Tally:
        """What would become of all rows; nothing is stored."""
        with self._store.foresee(order.digest) as taking:
            return self._run(taking, order, now, lambda ended: None, lambda count: None)

    def bring(self, order: Order, now: datetime, tell: Tell, progress: Progress) -> Tally:
        """Store them. Killed and called again with the same order, it goes on as if nothing had been."""
        number = self._store.begin(order.digest, order.name, order.fingerprint, now)
        tally = self._run(self._store.taking(number), order, now, tell, progress, f"; import {number}")
        tally.number = number
        self._store.finish(number, {str(fate): count for fate, count in tally.counts.items()}, now)
        return tally

    def _run(
        self, taking: Taking, order: Order, now: datetime, tell: Tell, progress: Progress, mark: str = ""
    ) -> Tally:
        tally = Tally()

        def end(ended: Ended) -> None:
            tally.counts[ended.fate] += 1
            if ended.reason:
                if len(tally.reasons) < MOST_KEPT:
                    tally.reasons[_kind(ended.reason)] += 1
                if len(tally.problems) < MOST_KEPT:
                    tally.problems.append(Problem(where=ended.where, reason=ended.reason))
            tell(ended)

        # Whoever is never to be mailed first: this also wins over other rows of the same list.
        for batch in _batches(self._barred(order, mark)):
            fates = taking.bar([barred for barred, _ in batch], now)
            for (_, ended), fate in zip(batch, fates, strict=True):
                end(ended(fate))
            progress(tally.rows)
        for some in _batches(self._rows(order, tally)):
            newcomers = [newcomer for newcomer, _ in some if newcomer is not None]
            fates = taking.take(newcomers, self._offered[order.digest][0], now) if newcomers else []
            waiting = iter(fates)
            for newcomer, ended in some:
                end(ended(Fate.REJECTED if newcomer is None else next(waiting)))
            progress(tally.rows)
        return tally

    def _barred(self, order: Order, mark: str) -> Iterator[tuple[Barred, Callable[[Fate], Ended]]]:
        for place, sheet, row in _placed(order, only_barring=True):
            if isinstance(row, SubscriberRow) and row.standing.is_over:
                reason = f"{row.standing} in {_short(sheet.name)}{mark}"
                left = row.standing is Standing.UNSUBSCRIBED
                barred = Barred(place=place, address_key=self._key_of(row.address), reason=reason, left=left)
                yield barred, _ending(sheet, row)

    def _rows(self, order: Order, tally: Tally) -> Iterator[tuple[Newcomer | None, Callable[[Fate], Ended]]]:
        for place, sheet, row in _placed(order):
            if isinstance(row, Problem):
                yield None, _refusing(row)
            elif not row.standing.is_over:
                try:
                    newcomer = self._newcomer(order, place, row, tally)
                except InputError as error:
                    problem = Problem(where=f"{sheet.name}:{row.line}", reason=str(error))
                    yield None, _refusing(problem, row.line, str(row.address))
                    continue
                tally.pending += not newcomer.active
                if len(tally.examples) < EXAMPLES:
                    tally.examples.append((row, newcomer))
                yield newcomer, _ending(sheet, row)

    def _newcomer(self, order: Order, place: int, row: SubscriberRow, tally: Tally) -> Newcomer:
        offered = self._offered[order.digest]
        if row.cadence and row.cadence not in offered:
            raise InputError(f"{row.cadence!r} is not offered; choose {' or '.join(offered)}, or leave it empty")
        agreed = order.confirmed or row.consented_at is not None
        return Newcomer(
            place=place,
            address=row.address.typed,
            address_key=self._key_of(row.address),
            active=agreed and row.standing is not Standing.PENDING,
            name=row.name[:200],
            cadence=row.cadence,
            topics=self._slugs(row.topics, order.groups, tally) if row.topics else None,
            zone=row.zone,
            at=row.at.isoformat("minutes") if row.at else None,
            language=row.language,
            consented_at=row.consented_at,
            consent_source=row.consent_source,
            evidence=row.evidence,
        )

    def _slugs(self, names: Sequence[str], groups: Mapping[str, str], tally: Tally) -> tuple[str, ...] | None:
        """InputError for a group that is no topic; None when all of them are to be left out."""
        slugs, unknown = [], []
        for name in names:
            key = heading_key(name)
            slug = groups[key] if key in groups else self._topics.get(key, groups.get("*"))
            if slug is None:
                unknown.append(name)
            elif slug:
                slugs.append(slug)
        for name in unknown:
            if name in tally.unknown or len(tally.unknown) < MOST_KEPT:
                tally.unknown[name] += 1
        if unknown:
            raise InputError(
                f"there is no topic {unknown[0]!r} (yet); "
                f'--topic "{unknown[0]}=SLUG" says which one it is, --topic "{unknown[0]}=" leaves it out'
            )
        return tuple(dict.fromkeys(slugs)) or None


def read_groups(texts: Sequence[str]) -> dict[str, str]:
    """“Old group=slug”, as typed; an empty slug leaves the group out, "*" is every group that is no topic."""
    groups = {}
    for text in texts:
        group, sign, slug = text.rpartition("=")
        if not sign or not group.strip():
            raise InputError(f"“{text}” is not GROUP=SLUG; write it as “Old group=slug”, or “Old group=”", "--topic")
        groups[heading_key(group)] = slug.strip()
    return groups


def _placed(order: Order, only_barring: bool = False) -> Iterator[tuple[int, Sheet, SubscriberRow | Problem]]:
    """Rows with their number in the whole order, which says which row is which when it is imported again."""
    for number, sheet in enumerate(order.sheets):
        if only_barring and not _may_bar(sheet, order.reading):
            continue
        for place, row in enumerate(read_sheet(sheet, order.reading)):
            yield (number << 40) + place, sheet, row


def _plan(sheet: Sheet, reading: Reading) -> Plan | None:
    """None for a sheet that cannot be read; why is said when its rows are to be."""
    try:
        opened = open_sheet(sheet, reading)
    except InputError:
        return None
    opened.source.close()
    return opened.plan


def _may_bar(sheet: Sheet, reading: Reading) -> bool:
    plan = _plan(sheet, reading)
    return plan is not None and sheet.may_bar(plan)


def _ending(sheet: Sheet, row: SubscriberRow) -> Callable[[Fate], Ended]:
    def ended(fate: Fate) -> Ended:
        reason = ""
        if fate is Fate.NEVER:
            reason = f"{row.address} is on the never-mail list; `suppress remove` takes it off"
        elif fate is Fate.LEFT:
            reason = f"{row.address} has unsubscribed; only they can come back, on the page to subscribe"
        where = f"{sheet.name}:{row.line}"
        return Ended(where=where, line=row.line, address=row.address.typed, fate=fate, reason=reason)

    return ended


def _refusing(problem: Problem, line: int = 0, address: str = "") -> Callable[[Fate], Ended]:
    number = line or int(found[1]) if (found := re.search(r":(\d+)$", problem.where)) else line
    return lambda fate: Ended(where=problem.where, line=number, address=address, fate=fate, reason=problem.reason)


def _batches(rows: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _kind(reason: str) -> str:
    """The reason without what is special to one row."""
    return re.sub(r"\S+@\S+", "…", re.sub(r"“[^”]*”|'[^']*'|\"[^\"]*\"", "…", reason))


def _short(name: str) -> str:
    return re.split(r"[/\\]", name)[-1][:200]
