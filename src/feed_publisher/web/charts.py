"""Bars for the numbers of some weeks, as lengths that a template draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

STEP = 30
TALL = 120
_NAMED = (0, 6)
"""Weeks whose day is written below their bar; the last one is "this week"."""


def chart(weeks: Sequence[tuple[date, int]], zone: str, language: str) -> dict[str, Any]:
    """``weeks``: Mondays, oldest first, with a number each.

    ``bars`` stand ``STEP`` apart and are at most ``TALL``; ``day`` is a moment in the zone of the site.
    """
    most = max(count for _, count in weeks)
    noon = time(12, tzinfo=ZoneInfo(zone))
    bars = [
        {
            "x": index * STEP,
            "height": max(2, round(count / most * TALL)) if count else 0,
            "count": count,
            "day": datetime.combine(day, noon),
            "label": format_date(day, "d MMM", locale=language.replace("-", "_")) if index in _NAMED else "",
        }
        for index, (day, count) in enumerate(weeks)
    ]
    return {
        "bars": bars,
        "width": len(bars) * STEP,
        "tall": TALL,
        "total": sum(count for _, count in weeks),
        "summary": ", ".join(str(count) for _, count in weeks),
    }
