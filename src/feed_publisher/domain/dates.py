"""Times as people write them, and when an entry was published where its source does not say (SEMANTICS §1, Dates)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft

SECOND = timedelta(seconds=1)
FARTHEST = timedelta(days=366)
"""A date further in the future is a mistake of its source, and an article must not wait for it."""

EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""The start of computers' time, and the years before, stand for "unknown"."""


def instant(text: str, zone: str, where: str) -> datetime:
    """An ISO date or time; without an offset it is meant in the zone. ``where``: the option or field it stands in."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text[:60]!r} is not a date or time; use 2026-11-22 or 2026-11-22T07:00", where) from error


def believed(published: datetime | None, now: datetime) -> datetime | None:
    """The date a source gives, or None when it cannot be meant."""
    if published is None or published < EARLIEST or published > now + FARTHEST:
        return None
    return published


def publication_dates(drafts: Sequence[Draft], first_seen: datetime, taken: Container[datetime]) -> list[datetime]:
    """One date per draft, in whole seconds. Undated ones get first-seen time minus their place in the listing.

    Undated dates fall from the top of the listing down and are unique: none is in ``taken``, in the future, or the
    date of another draft.
    """
    given = {draft.published.replace(microsecond=0) for draft in drafts if draft.published is not None}
    ceiling = first_seen.replace(microsecond=0)
    dates = []
    for draft in drafts:
        if draft.published is not None:
            dates.append(draft.published.replace(microsecond=0))
            continue
        date = min(ceiling, first_seen.replace(microsecond=0) - draft.place * SECOND)
        while date in taken or date in given:
            date -= SECOND
        ceiling = date - SECOND
        dates.append(date)
    return dates


def distinct_update(published: datetime, number: int) -> datetime:
    """A first ``updated`` that no other entry shares: the entry's number as microseconds of the second."""
    return published.replace(microsecond=number % 1_000_000)
