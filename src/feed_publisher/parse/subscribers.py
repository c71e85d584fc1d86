"""Lists of readers: CSV with a header, in the dialect of whichever program wrote it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, lru_cache
from itertools import islice
from typing import BinaryIO, TextIO
from zoneinfo import available_timezones

from feed_publisher.domain.address import Address, parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem
from feed_publisher.domain.spreadsheet import unguarded
from feed_publisher.parse.charset import encoding_of
from feed_publisher.parse.columns import Plan, System, plan_columns
from feed_publisher.parse.fields import date_of, parse_date, parse_language
from feed_publisher.parse.rows import Cells, delimiter_of, rows_in
from feed_publisher.parse.text import clean

MAX_CELL = 500
MAX_TOPICS_CELL = 10_000
MAX_ROW_LINES = 20
MAX_GROUPS = 200
PIECE = 1 << 16

_HOUR = re.compile(r"(\d{1,2})(?::([0-5]\d)(?::00)?)?")
_GO_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})(?: \S+)?")
_NO = frozenset(("", "0", "false", "no", "n", "nein", "non", "nej", "-"))
_YES = frozenset(("1", "true", "yes", "y", "ja", "oui", "si", "sí"))


_TELLING = ("state", "subscribed", "unsubscribed", "bounced", "complained")
"""Columns that say whether somebody may be mailed."""


class Standing(StrEnum):
    """What the list says of a reader. The last four are never mailed again."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"

    @property
    def is_over(self) -> bool:
        return self not in (Standing.SUBSCRIBED, Standing.PENDING)


_STANDINGS = {
    Standing.SUBSCRIBED: "subscribed active enabled confirmed optedin free paid comped ok aktiv abonniert actif",
    Standing.PENDING: "pending unconfirmed unactivated inactive waiting optin nonsubscribed transactional",
    Standing.UNSUBSCRIBED: "unsubscribed optedout optout removed deleted disabled left archived abgemeldet desinscrit",
    Standing.BOUNCED: "bounced cleaned hardbounced bounce undeliverable invalid",
    Standing.COMPLAINED: "complained complaint spam spammed junk",
    Standing.BLOCKED: "blocked blocklisted blacklisted suppressed nevermail banned",
}
_STANDING_OF = {word: standing for standing, words in _STANDINGS.items() for word in words.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberRow:
    """``line`` is where the row starts in the file. None and "" are cells left empty; ``at`` is local to ``zone``.

    ``topics`` are as the list calls them. ``evidence``: what it says about how the reader came, in words.
    """

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
    standing: Standing = Standing.SUBSCRIBED
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One CSV file, from its beginning each time it is opened. ``standing``: that of all in it, by the file's name."""

    name: str
    open: Callable[[], BinaryIO]
    standing: Standing | None = None

    def may_bar(self, plan: Plan) -> bool:
        """Whether rows in it may say that somebody is never to be mailed."""
        return self.standing is not None or any(name in plan.fields for name in _TELLING)


@dataclass(frozen=True, slots=True)
class OpenedSheet:
    """A sheet whose header has been read; ``rows`` can be read once."""

    plan: Plan
    line: int
    rows: Iterator[tuple[int, Cells]]
    source: TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How lists are to be read: by which system, and which columns people have named by hand."""

    system: System | None = None
    maps: Mapping[str, str] = field(default_factory=dict)


def read_subscribers(data: bytes, name: str) -> Iterator[SubscriberRow | Problem]:
    """Rows one at a time in the order of the file; a bad row is a problem at name:line and the next one follows."""
    return read_sheet(Sheet(name=name, open=lambda: io.BytesIO(data)), Reading())


def read_sheet(sheet: Sheet, reading: Reading) -> Iterator[SubscriberRow | Problem]:
    """The same of a file of any size, of which no more than one row is in memory."""
    try:
        opened = open_sheet(sheet, reading)
    except InputError as error:
        yield Problem(where=error.where or sheet.name, reason=error.reason)
        return
    where = f"{sheet.name}:{opened.line}"
    with opened.source:
        yield from (Problem(where=where, reason=reason) for reason in opened.plan.complaints())
        if opened.plan.has_address:
            for line, cells in opened.rows:
                yield _row(opened.plan, cells, line, sheet)


def open_sheet(sheet: Sheet, reading: Reading) -> OpenedSheet:
    """InputError when it is not text or has no header."""
    source = _text_of(sheet)
    head = source.read(PIECE)
    source.seek(0)
    rows = rows_in(source, delimiter_of(head), MAX_ROW_LINES)
    line, header = next(rows, (1, []))
    if isinstance(header, str):
        raise InputError(header, f"{sheet.name}:{line}")
    return OpenedSheet(plan_columns(header, reading.system, reading.maps), line, rows, source)


def _text_of(sheet: Sheet) -> TextIO:
    with sheet.open() as opened:
        encoding = encoding_of(iter(lambda: opened.read(PIECE), b""))
    errors = "replace" if encoding.replaces else "strict"
    return io.TextIOWrapper(sheet.open(), encoding.codec, errors, newline="")


def _row(plan: Plan, cells: Cells, line: int, sheet: Sheet) -> SubscriberRow | Problem:
    try:
        if isinstance(cells, str):
            raise InputError(cells)
        return _subscriber(plan, cells, line, sheet.standing)
    except InputError as error:
        reason = f"{error.where}: {error.reason}" if error.where else error.reason
        return Problem(where=f"{sheet.name}:{line}", reason=reason)


def _subscriber(plan: Plan, cells: Sequence[str], line: int, standing: Standing | None) -> SubscriberRow:
    raw = plan.values(cells)
    address = parse_address(unguarded(raw.get("email", "")))
    standing = standing or _standing({name: _cell(raw[name], name) for name in _TELLING if name in raw})
    if standing.is_over:  # whatever else is wrong in the row: this must not be lost
        return SubscriberRow(line=line, address=address, standing=standing)
    values = {name: _cell(cell, name) for name, cell in raw.items() if name not in ("email", "attributes")}
    groups = _groups(plan.groups(cells))
    if "attributes" in raw:
        more = _attributes(raw["attributes"])
        groups = groups or _groups([more.pop("topics", "")])
        values |= {name: cell for name, cell in more.items() if not values.get(name)}
    return _from_values(values, address, groups, line, standing)


def _from_values(
    values: dict[str, str], address: Address, groups: tuple[str, ...] | None, line: int, standing: Standing
) -> SubscriberRow:
    def get(name: str) -> str:
        return values.get(name, "")

    consented_at, language = get("consented_at"), get("language")
    given = parse_date(_iso(consented_at), "consented_at") if consented_at else None
    return SubscriberRow(
        line=line,
        address=address,
        name=_name(get("name"), get("first_name"), get("last_name")),
        topics=groups,
        cadence=get("cadence").lower() or None,
        at=_hour(get("hour")) if get("hour") else None,
        zone=_zone(get("zone")) if get("zone") else None,
        language=parse_language(language) if language else None,
        # A time of opting in is the reader's own act. One of confirming is not: some systems write it for those too
        # whom their owner has put in.
        consented_at=given or date_of(_iso(get("opt_in_at"))),
        consent_source=get("consent_source"),
        standing=standing,
        evidence=_evidence(values),
    )


def _cell(cell: str, column: str) -> str:
    text = clean(unguarded(cell))
    if len(text) > MAX_CELL:
        raise InputError("the cell is too long; check for a missing quote", column)
    return text


def _name(whole: str, first: str, last: str) -> str:
    return whole or " ".join(filter(None, (first, last)))


def _standing(values: Mapping[str, str]) -> Standing:
    """The worst that any column says."""
    for name, standing in (
        ("complained", Standing.COMPLAINED),
        ("bounced", Standing.BOUNCED),
        ("unsubscribed", Standing.UNSUBSCRIBED),
    ):
        if values.get(name, "").casefold() not in _NO:
            return standing
    subscribed = values.get("subscribed", "").casefold()
    if subscribed and subscribed not in _YES:
        if subscribed not in _NO:
            raise InputError(f"“{subscribed[:60]}” is neither true nor false", "subscribed")
        return Standing.UNSUBSCRIBED
    state = re.sub(r"[\W_]+", "", values.get("state", "").casefold())
    if state and state not in _STANDING_OF:
        known = ", ".join(Standing)
        raise InputError(f"“{values['state'][:60]}” is not known; write {known}, or leave the column out", "state")
    return _STANDING_OF[state] if state else Standing.SUBSCRIBED


def _evidence(values: Mapping[str, str]) -> str:
    """How the reader came to the list, as the list says it."""
    parts = []
    for what, when, where in (
        ("opted in", "opt_in_at", "opt_in_ip"),
        ("confirmed", "confirmed_at", "confirm_ip"),
        ("on the list since", "since", ""),
    ):
        at, source = _iso(values.get(when, "")), values.get(where, "")
        if at or source:
            parts.append(" ".join(filter(None, (what, at, f"from {source}" if source else ""))))
    return ", ".join(parts)[:MAX_CELL]


def _iso(text: str) -> str:
    """Programs written in Go show times as “2024-01-15 10:00:00.5 +0000 UTC”."""
    found = _GO_TIME.fullmatch(text)
    return "".join(found.groups()) if found else text


def _groups(cells: Sequence[str]) -> tuple[str, ...] | None:
    """None: the list says nothing about topics."""
    found = [name for cell in cells for name in _names(cell)]
    names = tuple(dict.fromkeys(name for name in map(clean, found) if name))
    if len(names) > MAX_GROUPS:
        raise InputError(f"has {len(names)} topics; {MAX_GROUPS} are allowed", "topics")
    return names or None


def _names(cell: str) -> list[str]:
    r"""“a; b|c”, “a, b\, c”, “"a","b"”, or a JSON list of names or of objects with names."""
    text = unguarded(cell).strip()
    if len(text) > MAX_TOPICS_CELL:
        raise InputError("the cell is too long; check for a missing quote", "topics")
    if text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError("is not a JSON list", "topics") from error
        return [str(each.get("name", "")) if isinstance(each, dict) else str(each) for each in items]
    if re.search(r"[;|]", text):
        return re.split(r"[;|]", text)
    quoted = re.findall(r'"([^"]*)"|((?:\\.|[^,"\\])+)', text)
    return [re.sub(r"\\(.)", r"\1", one or other) for one, other in quoted]


def _attributes(cell: str) -> dict[str, str]:
    """What a JSON object says in fields of ours that readers choose."""
    text = unguarded(cell).strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("is not a JSON object", "attributes") from error
    if not isinstance(found, dict):
        raise InputError("is not a JSON object", "attributes")
    plan = plan_columns([str(key) for key in islice(found, 100)], None, {})
    wanted = ("topics", "cadence", "hour", "zone", "language")
    pairs = zip(plan.fields, found.values(), strict=False)
    named = {name: value for name, value in pairs if name in wanted and isinstance(value, str | int | list)}
    return {
        name: json.dumps(value) if isinstance(value, list) else _cell(str(value), f"attributes.{name}")
        for name, value in named.items()
    }


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
