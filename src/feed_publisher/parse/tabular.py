"""Entries one per record: CSV with a header, and JSON Lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.html import MAX_HTML
from feed_publisher.parse.jsonfile import draft_of, load_json
from feed_publisher.parse.text import clean, decode, lines_of

MAX_ENTRIES = 50_000
MAX_ROW_LINES = 10_000

_COLUMN_NAMES = (
    "title link url summary description authors author topics topic categories category tags date published"
    " date_published id guid language lang content_html content_text"
)
COLUMNS = frozenset(_COLUMN_NAMES.split())
_TOPICS = ("topics", "topic", "categories", "category", "tags")
_WRITE = "title, link, summary, authors, topics, date, id, language, content_html"

Record = tuple[int, object]
"""First line and what stands there: an object of named fields, or why it is none."""


def read_csv(data: bytes, name: str, rules: ParseRules) -> Reading:
    """``where`` is name:line of the record. InputError when ``data`` is not text or has no usable header."""
    rows = _rows(decode(data))
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


def read_jsonl(data: bytes, name: str, rules: ParseRules) -> Reading:
    """``where`` is name:line. InputError when ``data`` is not text."""
    lines = enumerate(lines_of(decode(data)), start=1)
    return _read(((number, _loaded(line)) for number, line in lines if line.strip()), name)


def column_names(header: list[str]) -> list[str]:
    """“Date published” is date_published."""
    return [re.sub(r"[\s-]+", "_", clean(cell).casefold()) for cell in header]


def delimiter_of(text: str) -> str:
    """The likeliest of comma, semicolon and tab in the first line that says something."""
    match = re.search(r"\S[^\r\n]{0,10000}", text)
    header = re.sub(r'"[^"]*"', "", match.group()) if match else ""
    return max(",;\t", key=header.count)


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


def _rows(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """First line and cells of every row that is not blank; a reason in place of the cells when it cannot be split."""
    csv.field_size_limit(MAX_HTML)  # for the whole process; the default refuses a long article
    source, delimiter, line = io.StringIO(text, newline=""), delimiter_of(text), 1
    while True:
        start = source.tell()
        # One reader per row: a quote that is never closed costs its line, not the rest of the file.
        reader = csv.reader(islice(source, MAX_ROW_LINES), delimiter=delimiter, strict=True)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.seek(start)
            source.readline()
            yield line, f"cannot be split into cells ({error}); check its quotes"
            line += 1
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells
        line += reader.line_num


def _object(columns: list[str], cells: list[str] | str) -> object:
    if isinstance(cells, str):
        return InputError(cells)
    if any(cell.strip() for cell in cells[len(columns) :]):
        excess = f"has {len(cells)} cells, the header {len(columns)}"
        return InputError(f"{excess}; put a cell that holds the separator in quotes")
    # Reversed, so that the first of two columns with one name wins.
    values: dict[str, object] = dict(reversed(list(zip(columns, cells, strict=False))))
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
