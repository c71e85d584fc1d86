"""When a fetched source is visited again: its schedule, what its server asks for, back-off after failures."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST = timedelta(days=1)
"""Neither a server's wish nor back-off keeps us away for longer, Retry-After aside."""

LONGEST_RETRY_AFTER = timedelta(days=7)

RHYTHM = timedelta(days=90)
"""How far back a source's rhythm is looked at."""

REGULAR = 6
"""A source that brought fewer new entries than this within ``RHYTHM`` has no rhythm to lose."""


def next_visit(
    now: datetime,
    every: timedelta,
    spread: float,
    *,
    failures: int = 0,
    fresh_for: int = 0,
    retry_after: int | None = None,
) -> datetime:
    """The next visit after one that ended ``now``; ``failures`` counts those in a row, this one included.

    ``fresh_for`` (seconds) is the longest of Cache-Control's max-age and the feed's own ttl. Retry-After (seconds)
    wins over back-off (RFC 9110 §10.2.3) unless that is longer. ``spread`` from 0.0 to 1.0 lengthens the pause by up
    to a tenth, so that sources added together drift apart.
    """
    pause = max(every, min(timedelta(seconds=fresh_for), LONGEST))
    if failures:
        pause = max(every, LONGEST if every > LONGEST else min(every * 2 ** min(failures, 20), LONGEST))
    if retry_after is not None:
        pause = max(pause if failures <= 1 else every, min(timedelta(seconds=retry_after), LONGEST_RETRY_AFTER))
    return now + pause * (1 + 0.1 * spread)


def falls_silent(now: datetime, newest: datetime | None, brought: int, limit: timedelta | None) -> bool:
    """Whether a source that used to publish has brought nothing for too long.

    ``brought``: its new entries of the ``RHYTHM`` before now. Without a limit of its own, a source is silent after
    a week and ten times its usual distance between two articles; one that brought fewer than ``REGULAR`` has none.
    """
    if newest is None:
        return False
    if limit is not None:
        return now - newest > limit
    if brought < REGULAR:
        return False
    return now - newest > max(timedelta(days=7), 10 * RHYTHM / brought)
