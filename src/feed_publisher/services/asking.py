"""“Still want this?” for a chosen part of a digest's readers: first how many it would be, then the round is stored."""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from feed_publisher.domain.address import Address
from feed_publisher.domain.asking import AskState, Patience
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem
from feed_publisher.parse.subscribers import Reading, Sheet, SubscriberRow, read_sheet
from feed_publisher.ports.asking import AskingStore, Fit, NewRound, Part, Round, Within

T = TypeVar("T")

BATCH = 500
"""Subscriptions looked at at once, and readers stored in one transaction."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOrder:
    """Who is to be asked, and how. ``sheets``: lists with addresses, None when the part names none.

    ``again_after``: days for which nobody who was asked is asked again. ``fingerprint``: of the sheets.
    """

    digest: str
    part: Part
    patience: Patience
    again_after: int
    rehearsal: bool
    sheets: Sequence[Sheet] | None = None
    fingerprint: str = ""


@dataclass(slots=True)
class Forecast:
    """How many of the part would be asked, and how many not, and why. ``unknown``: addresses of the file that are no
    readers of this digest.
    """

    counts: Counter[Fit]
    unknown: int
    problems: list[Problem]

    @property
    def size(self) -> int:
        return self.counts[Fit.FITS]


class Asking:
    """``key_of`` tells addresses of a file from each other."""

    def __init__(self, store: AskingStore, key_of: Callable[[Address], str]) -> None:
        self._store = store
        self._key_of = key_of

    def foresee(self, order: AskOrder, now: datetime) -> Forecast:
        """Stores nothing. Raises InputError for a file that cannot be read."""
        found = Forecast(counts=Counter(), unknown=0, problems=[])
        only = self._only(order, found)
        for within in self._pages(order, only, 0):
            found.counts.update(fit for _, fit in self._fits(order, within, now))
        return found

    def begin(self, order: AskOrder, now: datetime, progress: Progress = lambda count: None) -> Round:
        """Store a round, or go on with the same one that was interrupted. Nobody is mailed before all are in."""
        only = self._only(order, Forecast(counts=Counter(), unknown=0, problems=[]))
        new = NewRound(
            digest=order.digest,
            part=order.part,
            patience=order.patience,
            rehearsal=order.rehearsal,
            fingerprint=_fingerprint(order),
        )
        round_ = self._store.begin(new, now)
        for within in self._pages(order, only, round_.reached):
            chosen = [number for number, fit in self._fits(order, within, now) if fit is Fit.FITS]
            round_ = self._store.add(round_, chosen, within.to, now)
            progress(round_.size)
        self._store.ready(round_.number, now)
        return round_

    def stop(self, digest: str, now: datetime) -> int:
        """Whoever has not answered is left alone, and nobody is paused; how many rounds were stopped."""
        return self._store.stop(digest, now)

    def rounds(self, digest: str) -> list[tuple[Round, dict[AskState, int]]]:
        """Newest first, with their readers by state."""
        return [(each, self._store.tally(each.number)) for each in self._store.rounds(digest)]

    def _fits(self, order: AskOrder, within: Within, now: datetime) -> list[tuple[int, Fit]]:
        since = now - timedelta(days=order.again_after)
        return self._store.fits(order.digest, order.part, within, order.rehearsal, since, now)

    def _pages(self, order: AskOrder, only: Sequence[int] | None, after: int) -> Iterator[Within]:
        if only is not None:
            while page := only[bisect_right(only, after) :][:BATCH]:
                yield Within(after=after, to=page[-1], only=page)
                after = page[-1]
            return
        while (to := self._store.up_to(order.digest, after, BATCH)) is not None:
            yield Within(after=after, to=to)
            after = to

    def _only(self, order: AskOrder, found: Forecast) -> Sequence[int] | None:
        """The subscriptions of the addresses in the file, each once: eight bytes for each of them."""
        if order.sheets is None:
            return None
        numbers = array("q")
        for chunk in _chunks(self._keys(order.sheets, found), BATCH):
            known = self._store.numbers(order.digest, sorted(set(chunk)))
            found.unknown += len(set(chunk)) - len(known)
            numbers.extend(known)
        return array("q", sorted(set(numbers)))

    def _keys(self, sheets: Iterable[Sheet], found: Forecast) -> Iterator[str]:
        for sheet in sheets:
            for row in read_sheet(sheet, Reading()):
                if isinstance(row, SubscriberRow):
                    yield self._key_of(row.address)
                else:
                    found.problems.append(row)


def _fingerprint(order: AskOrder) -> str:
    said = [order.digest, asdict(order.part), asdict(order.patience), order.rehearsal, order.fingerprint]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def chosen_part(part: Part, offered: Sequence[str], everybody: bool) -> Part:
    """The part, when it says something that can be. Raises InputError naming the option."""
    names_somebody = part != Part()
    if names_somebody and everybody:
        raise InputError("leave it out, or leave out the other ways to choose", "--everybody")
    if not names_somebody and not everybody:
        raise InputError(
            "say who is to be asked: --joined-before, --unconfirmed, --import, --cadence or --file (all that you name "
            "must be true), or --everybody"
        )
    if part.cadence is not None and part.cadence not in offered:
        raise InputError(f"{part.cadence!r} is not offered; choose {' or '.join(offered)}", "--cadence")
    return part
