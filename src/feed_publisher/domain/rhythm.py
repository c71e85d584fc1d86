"""The slots of a cadence: the latest and the next, own cron dates, dates left out; and quiet hours (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from feed_publisher.domain.cadence import Cadence, Clock, Slot, due_at, instant_of, parse_time

LEFT_OUT_MOST = 400
"""Dates in a row that may be left out before a next one is named all the same."""

_SET_BACK = timedelta(hours=3)
"""More than clocks are ever set back: a slot named later than the wall clock shows may have been due already."""

_SAMPLE = datetime(2026, 1, 1)  # noqa: DTZ001 - wall time
"""Where the typical gap of a cron expression is measured from."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The dates of one cadence of a digest.

    ``weekday`` (0 is Monday) is the day of weekly and monthly ones, ``cron`` the expression of the digest's own dates.
    ``left_out`` holds dates without an issue: "2026-12-25", or "12-25" of every year.
    """

    cadence: Cadence
    weekday: int = 0
    cron: str = ""
    left_out: Set[str] = frozenset()

    def latest(self, clock: Clock, now: datetime) -> Slot:
        """The newest slot that is due for this clock at ``now``, be its date left out or not."""
        local = now.astimezone(ZoneInfo(clock.zone)).replace(tzinfo=None)
        if self.cadence is Cadence.CRON:
            return next(slot for slot in self._cron(local + _SET_BACK, back=True) if due_at(slot, clock) <= now)
        # From tomorrow back: a clock set back over midnight shows yesterday's date after today's slot was due.
        slot = Slot(_slot_day(self.cadence, self.weekday, local.date() + timedelta(days=1)), self.cadence)
        while due_at(slot, clock) > now:
            slot = self.step(slot, -1)
        return slot

    def next(self, clock: Clock, now: datetime) -> Slot:
        """The first slot that is due later than ``now`` and whose date is not left out."""
        slot = self.step(self.latest(clock, now), 1)
        for _ in range(LEFT_OUT_MOST):
            if not self.is_left_out(slot):
                break
            slot = self.step(slot, 1)
        return slot

    def step(self, slot: Slot, count: int) -> Slot:
        """The slot after (1) or before (-1) this one."""
        match slot.cadence:
            case Cadence.CRON:
                return next(self._cron(datetime.combine(slot.day, slot.at), back=count < 0))
            case Cadence.WEEKDAYS:
                over = {(1, 4): 3, (-1, 0): 3}.get((count, slot.day.weekday()), 1)
                return Slot(slot.day + timedelta(days=count * over), slot.cadence)
            case Cadence.WEEKLY:
                return Slot(slot.day + timedelta(days=7 * count), slot.cadence)
            case Cadence.MONTHLY:
                near = slot.day.replace(day=15) + timedelta(days=30 * count)
                return Slot(_first(near, slot.day.weekday()), slot.cadence)
        return Slot(slot.day + timedelta(days=count), slot.cadence)

    def parse(self, text: str) -> Slot | None:
        """The inverse of ``str(slot)``; None for an issue without a date (manual, or as it happens)."""
        cadence, _, day = text.partition(":")
        match cadence:
            case Cadence.DAILY | Cadence.WEEKDAYS:
                return Slot(date.fromisoformat(day), Cadence(cadence))
            case Cadence.WEEKLY:
                year, week = day.split("-W")
                return Slot(date.fromisocalendar(int(year), int(week), self.weekday + 1), Cadence.WEEKLY)
            case Cadence.MONTHLY:
                return Slot(_first(date.fromisoformat(f"{day}-01"), self.weekday), Cadence.MONTHLY)
            case Cadence.CRON:
                return _of_cron(datetime.fromisoformat(day))
        return None

    def is_left_out(self, slot: Slot) -> bool:
        return slot.day.isoformat() in self.left_out or f"{slot.day:%m-%d}" in self.left_out

    @property
    def gap(self) -> timedelta:
        """The typical time between two issues: what "less often" compares."""
        match self.cadence:
            case Cadence.INSTANT:
                return timedelta(0)
            case Cadence.WEEKDAYS:
                return timedelta(days=7) / 5
            case Cadence.WEEKLY:
                return timedelta(days=7)
            case Cadence.MONTHLY:
                return timedelta(days=30)
            case Cadence.CRON:
                dates = CronSim(self.cron, _SAMPLE)
                first = next(dates)
                return ([next(dates) for _ in range(8)][-1] - first) / 8
        return timedelta(days=1)

    @property
    def shortest(self) -> timedelta:
        """The shortest time between two issues."""
        if self.cadence is Cadence.CRON:
            dates = CronSim(self.cron, _SAMPLE)
            some = [next(dates) for _ in range(60)]
            return min(later - earlier for earlier, later in pairwise(some))
        return timedelta(days=1) if self.cadence is Cadence.WEEKDAYS else self.gap

    @property
    def lateness(self) -> timedelta:
        """How late an issue may leave unless the digest says otherwise: half the gap, from an hour to three days."""
        if self.cadence is Cadence.WEEKDAYS:
            return timedelta(hours=12)
        return max(timedelta(hours=1), min(self.gap / 2, timedelta(days=3)))

    def _cron(self, local: datetime, back: bool) -> Iterator[Slot]:
        return (_of_cron(each) for each in CronSim(self.cron, local, reverse=back))


def check_cron(text: str) -> str:
    """A cron expression of five fields that has dates; ValueError otherwise."""
    try:
        next(CronSim(text, _SAMPLE))
        next(CronSim(text, _SAMPLE, reverse=True))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{text[:60]!r} names no dates ({str(error).lower() or 'it never comes'})") from None
    return text


def weekly_dates(text: str) -> tuple[tuple[int, ...], time] | None:
    """The days of the week (0 is Monday) and the hour of dates that all weeks have alike; None for others."""
    cron = CronSim(text, _SAMPLE)
    if len(cron.days) < 31 or len(cron.months) < 12 or len(cron.hours) > 1 or len(cron.minutes) > 1:
        return None
    days = {(day - 1) % 7 for day in cron.weekdays if isinstance(day, int)}
    if not all(isinstance(day, int) for day in cron.weekdays):
        return None  # such as the second Tuesday of the month
    (hour,), (minute,) = cron.hours, cron.minutes
    return tuple(sorted(days)), time(hour, minute)


def dates_left_out(text: str) -> list[str]:
    """Of "2026-12-25", "12-25" (every year) or "2026-12-24..2027-01-01"; ValueError for anything else."""
    first, _, last = (part.strip() for part in text.partition(".."))
    try:
        if not last and len(first) == len("12-25"):
            date.fromisoformat(f"2028-{first}")  # a leap year
            return [first]
        start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise ValueError(f'{text[:60]!r} is no date; write "2026-12-25", "12-25" or "2026-12-24..2027-01-01"') from None
    if not 0 <= (end - start).days < LEFT_OUT_MOST:
        raise ValueError(f"{text[:60]!r}: the first date must come before the last, by {LEFT_OUT_MOST} days at most")
    return [(start + timedelta(days=day)).isoformat() for day in range((end - start).days + 1)]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local hours in which nobody wants to be woken by a mail; the end does not belong to them."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """From "22-7" or "22:30-06:00"; ValueError otherwise."""
        start, _, end = text.partition("-")
        hours = cls(parse_time(start), parse_time(end))
        if hours.start == hours.end:
            raise ValueError(f"{text[:60]!r} leaves no hour to send in")
        return hours

    def holds(self, at: time) -> bool:
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def after(self, instant: datetime, zone: str) -> datetime:
        """The instant itself, or the end of the quiet hours it falls in."""
        local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if not self.holds(local.time()):
            return instant
        over_midnight = self.start > self.end and local.time() >= self.start
        return max(instant, instant_of(datetime.combine(local.date() + timedelta(days=over_midnight), self.end), zone))


def _of_cron(local: datetime) -> Slot:
    return Slot(local.date(), Cadence.CRON, local.time())


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
