"""Words for numbers and times, as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def many(count: int, noun: str) -> str:
    """ "1 article", "12 articles"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(time: timedelta) -> str:
    """ "30 minutes", "2 hours", "1 day"; the largest unit that fits exactly."""
    for unit, length in _UNITS:
        if time >= length and not time % length:
            return many(time // length, unit)
    return many(int(time.total_seconds()), "second")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, roughly; "never" for None."""
    if moment is None:
        return "never"
    for unit, length in _UNITS:
        if count := round(abs(moment - now) / length):
            return f"in {many(count, unit)}" if moment > now else f"{many(count, unit)} ago"
    return "in a moment" if moment > now else "just now"


def kilobytes(size: int) -> str:
    """ "41.3 kB"; bytes below one."""
    return f"{size / 1000:.1f} kB" if size >= 1000 else many(size, "byte")
