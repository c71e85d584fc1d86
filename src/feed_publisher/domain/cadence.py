"""Cadences, clocks and slots: the named dates of issues, and when one is due for whom (SEMANTICS §2).

A slot is a local calendar date, so autumn's second 02:30 is the same slot; spring's missing 02:30 is due at the
next valid minute. Which slots there are is told by ``domain.rhythm``.
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

    INSTANT = "instant"  # as it happens
    DAILY = "daily"
    WEEKDAYS = "weekdays"  # Monday to Friday
    WEEKLY = "weekly"
    MONTHLY = "monthly"  # on the first Monday, or another day of the week
    CRON = "cron"  # the digest's own dates, at its own time for everybody


@dataclass(frozen=True, slots=True, order=True)
class Clock:
    """A reader's local hour: wall time in an IANA zone."""

    zone: str
    at: time


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """The named date of an issue; ``day`` is the one it is due on, ``at`` the digest's own time for a cron slot.

    ``daily:2026-11-22``, ``weekdays:2026-11-20``, ``weekly:2026-W47``, ``monthly:2026-11`` or
    ``cron:2026-11-22T06:30``. An issue "as it happens" has none: it is named ``instant:THROUGH``.
    """

    day: date
    cadence: Cadence
    at: time = time.min

    def __str__(self) -> str:
        match self.cadence:
            case Cadence.WEEKLY:
                year, week, _ = self.day.isocalendar()
                return f"weekly:{year}-W{week:02}"
            case Cadence.MONTHLY:
                return f"monthly:{self.day:%Y-%m}"
            case Cadence.CRON:
                return f"cron:{self.day.isoformat()}T{self.at:%H:%M}"
        return f"{self.cadence}:{self.day.isoformat()}"


def cadence_of(slot: str) -> Cadence | None:
    """The cadence that an issue of this slot is for; None for the slot of a manual issue."""
    name = slot.partition(":")[0]
    return Cadence(name) if name in list(Cadence) else None


def due_at(slot: Slot, clock: Clock) -> datetime:
    """The instant, in UTC, at which the slot is due for readers of this clock."""
    return instant_of(datetime.combine(slot.day, slot.at if slot.cadence is Cadence.CRON else clock.at), clock.zone)


def instant_of(local: datetime, zone: str) -> datetime:
    """Wall time as UTC: the first of two, the next valid minute for one that the clocks leave out."""
    place = ZoneInfo(zone)
    while not _exists(local, place):
        local += timedelta(minutes=1)
    return local.replace(tzinfo=place, fold=0).astimezone(UTC)


_TIME = re.compile(r"[0-9]{1,2}(:[0-9]{1,2})?")


def parse_time(text: str) -> time:
    """A wall time from "7", "07:30" or "7:30"; ValueError otherwise."""
    if not _TIME.fullmatch(text.strip()):
        raise ValueError(f"no time: {text[:60]!r}")
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute or 0))


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
