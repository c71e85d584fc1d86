"""Cadences and slots: when an issue is due, for whom, in which zone (SEMANTICS §2).

A slot is a local calendar date, so autumn's second 02:30 is the same slot; spring's missing 02:30 is due at the
next valid minute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Cadence(StrEnum):
    """How often a reader gets the digest."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"  # Monday to Friday
    WEEKLY = "weekly"
    MONTHLY = "monthly"  # on the first Monday, or another day of the week

    @property
    def rarity(self) -> int:
        """The place among all cadences, the most frequent first."""
        return list(Cadence).index(self)


@dataclass(frozen=True, slots=True, order=True)
class Clock:
    """A reader's local hour: wall time in an IANA zone."""

    zone: str
    at: time


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """The named date of an issue; ``day`` is the one it is due on.

    ``daily:2026-11-22``, ``weekdays:2026-11-20``, ``weekly:2026-W47`` or ``monthly:2026-11``.
    """

    day: date
    cadence: Cadence

    def __str__(self) -> str:
        match self.cadence:
            case Cadence.WEEKLY:
                year, week, _ = self.day.isocalendar()
                return f"weekly:{year}-W{week:02}"
            case Cadence.MONTHLY:
                return f"monthly:{self.day:%Y-%m}"
        return f"{self.cadence}:{self.day.isoformat()}"


def parse_slot(text: str, weekday: int) -> Slot | None:
    """The inverse of ``str(slot)``; None for the slot of a manual issue. The week's day is 0 for Monday."""
    cadence, _, day = text.partition(":")
    match cadence:
        case Cadence.DAILY | Cadence.WEEKDAYS:
            return Slot(date.fromisoformat(day), Cadence(cadence))
        case Cadence.WEEKLY:
            year, week = day.split("-W")
            return Slot(date.fromisocalendar(int(year), int(week), weekday + 1), Cadence.WEEKLY)
        case Cadence.MONTHLY:
            return Slot(_first(date.fromisoformat(f"{day}-01"), weekday), Cadence.MONTHLY)
    return None


def due_at(slot: Slot, clock: Clock) -> datetime:
    """The instant, in UTC, at which the slot is due for readers of this clock."""
    zone = ZoneInfo(clock.zone)
    local = datetime.combine(slot.day, clock.at)
    while not _exists(local, zone):
        local += timedelta(minutes=1)
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def latest_slot(cadence: Cadence, weekday: int, clock: Clock, now: datetime) -> Slot:
    """The newest slot that is due for this clock at ``now``; weekday 0 is Monday."""
    # From tomorrow back: a clock set back over midnight shows yesterday's date after today's slot was due.
    tomorrow = now.astimezone(ZoneInfo(clock.zone)).date() + timedelta(days=1)
    slot = Slot(_slot_day(cadence, weekday, tomorrow), cadence)
    while due_at(slot, clock) > now:
        slot = _step(slot, -1)
    return slot


def next_slot(cadence: Cadence, weekday: int, clock: Clock, now: datetime) -> Slot:
    """The slot after the latest one: the first that is due later than ``now``."""
    return _step(latest_slot(cadence, weekday, clock, now), 1)


def previous_slot(slot: Slot) -> Slot:
    """The slot before this one."""
    return _step(slot, -1)


def lateness_limit(cadence: Cadence) -> timedelta:
    """How late an issue may still leave unless the digest says otherwise: half a day, or three days."""
    return timedelta(hours=12) if cadence in (Cadence.DAILY, Cadence.WEEKDAYS) else timedelta(days=3)


_TIME = re.compile(r"[0-9]{1,2}(:[0-9]{1,2})?")


def parse_time(text: str) -> time:
    """A wall time from "7", "07:30" or "7:30"; ValueError otherwise."""
    if not _TIME.fullmatch(text.strip()):
        raise ValueError(f"no time: {text[:60]!r}")
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute or 0))


def _slot_day(cadence: Cadence, weekday: int, day: date) -> date:
    """The last day of an issue, not after ``day``."""
    match cadence:
        case Cadence.WEEKDAYS:
            return day - timedelta(days=max(0, day.weekday() - 4))
        case Cadence.WEEKLY:
            return day - timedelta(days=(day.weekday() - weekday) % 7)
        case Cadence.MONTHLY:
            first = _first(day, weekday)
            return first if first <= day else _first(day.replace(day=1) - timedelta(days=1), weekday)
    return day


def _first(day: date, weekday: int) -> date:
    """The first such day of the week in the month."""
    start = day.replace(day=1)
    return start + timedelta(days=(weekday - start.weekday()) % 7)


def _step(slot: Slot, count: int) -> Slot:
    """One slot further or back."""
    match slot.cadence:
        case Cadence.WEEKDAYS:
            over = {(1, 4): 3, (-1, 0): 3}.get((count, slot.day.weekday()), 1)
            return Slot(slot.day + timedelta(days=count * over), slot.cadence)
        case Cadence.WEEKLY:
            return Slot(slot.day + timedelta(days=7 * count), slot.cadence)
        case Cadence.MONTHLY:
            near = slot.day.replace(day=15) + timedelta(days=30 * count)
            return Slot(_first(near, slot.day.weekday()), slot.cadence)
    return Slot(slot.day + timedelta(days=count), slot.cadence)


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
