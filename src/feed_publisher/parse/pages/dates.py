"""Dates that cannot be misread: ISO 8601, or a month written out in English."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from feed_publisher.parse.fields import date_of

_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = _MONTH_NAMES.split()
_MONTH = "(?P<month>" + "|".join(f"{name[:3]}(?:{name[3:]})?" if name[3:] else name for name in _MONTHS) + r"|sept)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_ISO = re.compile(
    r"(?<![\d/-])(?:19|20)\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\d/-])"
)
_LONG = (
    re.compile(rf"(?<!\w){_DAY}\s+(?:of\s+)?{_MONTH},?\s+{_YEAR}(?!\w)", re.IGNORECASE),
    re.compile(rf"(?<!\w){_MONTH}\s+{_DAY},?\s+{_YEAR}(?!\w)", re.IGNORECASE),
)
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


def machine_date(text: str | None) -> datetime | None:
    """ISO 8601 alone; None for durations, years and nonsense."""
    if not text or len(text) > 60:
        return None
    date = date_of(text)
    return date if date and _FIRST_YEAR <= date.year <= _LAST_YEAR else None


def visible_date(text: str) -> datetime | None:
    """The first date in a short text; "2 hours ago" and 02/03/2026 are none."""
    found, date = _find(text)
    return date if found else None


def without_date(text: str) -> str:
    """The text before its first date, else the whole."""
    found, _ = _find(text)
    return text[: found.start()].rstrip(" ,;|·•–—-") if found else text


def _find(text: str) -> tuple[re.Match[str] | None, datetime | None]:
    iso = _ISO.search(text)
    if iso and (date := machine_date(iso.group())):
        return iso, date
    for pattern in _LONG:
        found = pattern.search(text)
        if found and (date := _long_date(found)):
            return found, date
    return None, None


def _long_date(found: re.Match[str]) -> datetime | None:
    month = next(n for n, name in enumerate(_MONTHS, start=1) if found["month"].lower().startswith(name[:3]))
    try:
        return datetime(int(found["year"]), month, int(found["day"]), tzinfo=UTC)
    except ValueError:
        return None
