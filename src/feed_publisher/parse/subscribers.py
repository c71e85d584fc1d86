"""Subscriber lists: CSV with a header, in the dialect of whichever program wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from difflib import get_close_matches
from functools import cache, lru_cache
from zoneinfo import available_timezones

from feed_publisher.domain.address import Address, parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem
from feed_publisher.parse.charset import decode, mark_of
from feed_publisher.parse.fields import parse_date, parse_language
from feed_publisher.parse.rows import Cells, named, rows_of
from feed_publisher.parse.text import clean

COLUMNS = ("email", "name", "topics", "cadence", "hour", "zone", "language", "consented_at", "consent_source")
MAX_CELL = 500
MAX_TOPICS_CELL = 10_000
MAX_ROW_LINES = 20

_HOUR = re.compile(r"(\d{1,2})(?::([0-5]\d)(?::00)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberRow:
    """``line`` is where the row starts in the file. None and "" are cells left empty; ``at`` is local to ``zone``."""

    line: int
    address: Address
    name: str = ""
    topics: tuple[str, ...] | None = None
    cadence: str | None = None
    at: time | None = None
    zone: str | None = None
    language: str | None = None
    consented_at: datetime | None = None
    consent_source: str = ""


def read_subscribers(data: bytes, name: str) -> Iterator[SubscriberRow | Problem]:
    """Rows one at a time in the order of the file; a bad row is a problem at name:line and the next one follows."""
    try:
        text = decode(_without_stray_nulls(data))
    except InputError as error:
        yield Problem(where=name, reason=error.reason)
        return
    rows = rows_of(text, MAX_ROW_LINES)
    line, header = next(rows, (1, []))
    if isinstance(header, str):
        yield Problem(where=f"{name}:{line}", reason=header)
        return
    columns = [clean(cell).casefold() for cell in header]
    yield from (Problem(where=f"{name}:{line}", reason=reason) for reason in _complaints(columns))
    if "email" in columns:
        for line, cells in rows:
            yield _row(columns, cells, line, name)


def _without_stray_nulls(data: bytes) -> bytes:
    """A few NULs spoil their own cells, not the file; many mean a binary file, which decode refuses."""
    if mark_of(data) or data.count(b"\0") * 10 > len(data):
        return data
    return data.replace(b"\0", b"\1")


def _complaints(columns: list[str]) -> Iterator[str]:
    if "email" not in columns:
        found = ", ".join(column for column in columns if column)[:300] or "nothing"
        yield f"has no column named email; the first line has: {found}. Name the columns there: {', '.join(COLUMNS)}"
        return
    for index, column in enumerate(columns):
        if column in columns[:index] and column:
            yield f"has two columns named {column[:60]}; the first one is used"
        elif column and column not in COLUMNS:
            near = get_close_matches(column[:60], COLUMNS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COLUMNS)}"
            yield f"does not know the column {column[:60]} and leaves it out; {hint}"


def _row(columns: list[str], cells: Cells, line: int, name: str) -> SubscriberRow | Problem:
    try:
        return _subscriber(named(columns, cells), line)
    except InputError as error:
        reason = f"{error.where}: {error.reason}" if error.where else error.reason
        return Problem(where=f"{name}:{line}", reason=reason)


def _subscriber(cells: dict[str, str], line: int) -> SubscriberRow:
    values = {column: _cell(cells, column) for column in COLUMNS}
    consented_at, language = values["consented_at"], values["language"]
    return SubscriberRow(
        line=line,
        address=parse_address(cells.get("email", "")),
        name=values["name"],
        topics=_topics(values["topics"]),
        cadence=values["cadence"].lower() or None,
        at=_hour(values["hour"]) if values["hour"] else None,
        zone=_zone(values["zone"]) if values["zone"] else None,
        language=parse_language(language) if language else None,
        consented_at=parse_date(consented_at, "consented_at") if consented_at else None,
        consent_source=values["consent_source"],
    )


def _cell(cells: dict[str, str], column: str) -> str:
    text = clean(cells.get(column, ""))
    if len(text) > (MAX_TOPICS_CELL if column == "topics" else MAX_CELL):
        raise InputError("the cell is too long; check for a missing quote", column)
    return text


def _topics(text: str) -> tuple[str, ...] | None:
    """None: the file says nothing about topics."""
    topics = tuple(dict.fromkeys(topic for topic in map(clean, re.split(r"[;|]", text)) if topic))
    return topics or None


def _hour(text: str) -> time:
    match = _HOUR.fullmatch(text)
    if not match or int(match[1]) > 23:
        raise InputError(f"“{text[:60]}” is not an hour; write 7 or 07:30", "hour")
    return time(int(match[1]), int(match[2] or 0))


def _zone(text: str) -> str:
    if text not in _zones():
        raise InputError(f"“{text[:60]}” is not a time zone; {_zone_hint(text[:60])}", "zone")
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=256)
def _zone_hint(text: str) -> str:
    near = get_close_matches(text, _zones(), n=1)
    return f"did you mean {near[0]}?" if near else "write one such as Europe/Berlin"
