"""Entries one per record: CSV with a header, and JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.parse.charset import decode
from feed_publisher.parse.jsonfile import draft_of, load_json
from feed_publisher.parse.rows import Cells, named, rows_of
from feed_publisher.parse.text import clean, lines_of

MAX_ENTRIES = 50_000
MAX_ROW_LINES = 10_000

_COLUMN_NAMES = (
    "title link url summary description authors author topics topic categories category tags date published"
    " date_published id guid language lang content_html content_text image"
)
COLUMNS = frozenset(_COLUMN_NAMES.split())
_TOPICS = ("topics", "topic", "categories", "category", "tags")
_WRITE = "title, link, summary, authors, topics, date, id, language, content_html, image"

Record = tuple[int, object]
"""First line and what stands there: an object of named fields, or why it is none."""


def read_csv(data: bytes, name: str) -> Reading:
    """``where`` is name:line of the record. InputError when ``data`` is not text or has no usable header."""
    rows = rows_of(decode(data), MAX_ROW_LINES)
    line, header = next(rows, (1, []))
    if isinstance(header, str):
        raise InputError(header, f"{name}:{line}")
    columns = column_names(header)
    if "title" not in columns:
        found = ", ".join(filter(None, columns))[:300] or "nothing"
        raise InputError(
            f"has no column named title; the first line has: {found}. Name the columns there: {_WRITE}",
            f"{name}:{line}",
        )
    return _read(((line, _object(columns, cells)) for line, cells in rows), name)


def read_jsonl(data: bytes, name: str) -> Reading:
    """``where`` is name:line. InputError when ``data`` is not text."""
    lines = enumerate(lines_of(decode(data)), start=1)
    return _read(((number, _loaded(line)) for number, line in lines if line.strip()), name)


def column_names(header: list[str]) -> list[str]:
    """“Date published” is date_published."""
    return [re.sub(r"[\s-]+", "_", clean(cell).casefold()) for cell in header]


def _read(records: Iterator[Record], name: str) -> Reading:
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for count, (line, item) in enumerate(records):
        where = f"{name}:{line}"
        if count == MAX_ENTRIES:
            reason = f"has more than {MAX_ENTRIES:,} entries; those from here on are left out. Split the file"
            problems.append(Problem(where=where, reason=reason))
            break
        try:
            if isinstance(item, InputError):
                raise item
            drafts.append(draft_of(item, {}, where, len(drafts)))
        except InputError as error:
            reason = f"{error.where}: {error.reason}" if error.where else error.reason
            problems.append(Problem(where=where, reason=reason))
    if not drafts and not problems:
        problems.append(Problem(where=name, reason="has no entries; write one per line"))
    return Reading(drafts=tuple(drafts), problems=tuple(problems))


def _object(columns: list[str], cells: Cells) -> object:
    try:
        values: dict[str, object] = {**named(columns, cells)}
    except InputError as error:
        return error
    if not values.get("id"):
        values["id"] = values.get("guid")
    for column in _TOPICS:
        if isinstance(text := values.get(column), str):
            values[column] = [part for part in re.split(r"[;|]", text) if part.strip()]
    return {column: value for column, value in values.items() if column in COLUMNS}


def _loaded(line: str) -> object:
    try:
        return load_json(line)
    except InputError as error:
        return InputError(error.reason)
