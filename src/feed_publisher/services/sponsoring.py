"""Sponsors: which of them an issue carries, and how far each has got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from feed_publisher.domain.cadence import Cadence, Clock, Slot, due_at, instant_of
from feed_publisher.domain.rhythm import Rhythm
from feed_publisher.domain.sponsor import Sponsor, SponsorBlock
from feed_publisher.ports.sponsoring import SponsorStore
from feed_publisher.services.edition import DigestRules


class SponsorStatus(StrEnum):
    """``never``: not over, and yet no date of its digests is left for it."""

    COMING = "to come"
    RUNNING = "running"
    OVER = "over"
    NEVER = "never due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An issue that could carry it: when it is due, at the hour of its digest."""

    due: datetime
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a sponsor has got. ``used`` issues carry, or have carried, it; ``next`` is the next that could."""

    sponsor: Sponsor
    digests: tuple[str, ...]
    used: int
    status: SponsorStatus
    next: Turn | None

    @property
    def left(self) -> int | None:
        """None without a number of issues."""
        return None if self.sponsor.issues is None else max(0, self.sponsor.issues - self.used)


class Sponsoring:
    """Answers for one site. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(self, store: SponsorStore, rehearsal: bool) -> None:
        self._store = store
        self._rehearsal = rehearsal

    def of_issue(self, number: int) -> tuple[SponsorBlock, ...]:
        """What an issue carries."""
        return self._store.of_issue(number)

    def next(self, rules: DigestRules, slot: Slot | None, at: datetime) -> tuple[SponsorBlock, ...]:
        """What an issue would carry that is opened at that time for that date."""
        return self._store.next(rules.sponsors_due(slot, at), self._rehearsal)

    def standings(self, sponsors: Sequence[Sponsor], rules: Mapping[str, DigestRules], now: datetime) -> list[Standing]:
        """All of them, in the order of the settings."""
        used = self._store.used([each.slug for each in sponsors], self._rehearsal)
        return [_standing(each, used.get(each.slug, 0), rules, now) for each in sponsors]


def _standing(sponsor: Sponsor, used: int, rules: Mapping[str, DigestRules], now: datetime) -> Standing:
    digests = [each for slug, each in rules.items() if sponsor.is_in(slug)]
    turns = list(_turns(sponsor, digests, now)) if sponsor.has_left(used) else []
    turn = min(turns, key=lambda each: each.due, default=None)
    days = [each.day_of(None, now) for each in digests]
    if turn is None:
        ended = used > 0 or (sponsor.last is not None and all(sponsor.last < day for day in days))
        status = SponsorStatus.OVER if ended else SponsorStatus.NEVER
    else:
        runs = any(sponsor.runs_on(day) for day in days)
        status = SponsorStatus.RUNNING if runs else SponsorStatus.COMING
    return Standing(sponsor=sponsor, digests=tuple(each.slug for each in digests), used=used, status=status, next=turn)


def _turns(sponsor: Sponsor, digests: Sequence[DigestRules], now: datetime) -> Iterator[Turn]:
    """The next issue of each cadence that could carry it."""
    for rules in digests:
        start = now
        if sponsor.first is not None:
            midnight = instant_of(datetime.combine(sponsor.first, time.min), rules.clock.zone)
            start = max(now, midnight)
        for cadence in rules.cadences:
            slot = None if cadence is Cadence.INSTANT else _first_slot(rules.rhythm(cadence), rules.clock, start, now)
            if sponsor.runs_on(rules.day_of(slot, start)):
                yield Turn(due=start if slot is None else due_at(slot, rules.clock), digest=rules.slug)


def _first_slot(rhythm: Rhythm, clock: Clock, start: datetime, now: datetime) -> Slot:
    """The first date that is due at the start or later, and later than now."""
    latest = rhythm.latest(clock, start)
    if due_at(latest, clock) == start > now and not rhythm.is_left_out(latest):
        return latest
    return rhythm.next(clock, start)
