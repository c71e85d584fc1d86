"""Rows of CSV, whichever program wrote it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from feed_publisher.domain.errors import InputError

MAX_CELL = 2_000_000  # characters

Cells = list[str] | str
"""The cells of a row, or why it cannot be split."""


def rows_of(text: str, max_lines: int) -> Iterator[tuple[int, Cells]]:
    """First line and cells of every row that is not blank. No row has more than ``max_lines`` lines."""
    csv.field_size_limit(MAX_CELL)  # for the whole process; the default refuses a long article
    source, delimiter, line = io.StringIO(text, newline=""), delimiter_of(text), 1
    while True:
        start = source.tell()
        # One reader per row: a quote that is never closed costs its line, not the rest of the file.
        reader = csv.reader(islice(source, max_lines), delimiter=delimiter, strict=True)
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


def delimiter_of(text: str) -> str:
    """The likeliest of comma, semicolon and tab in the first line that says something."""
    match = re.search(r"\S[^\r\n]{0,10000}", text)
    header = re.sub(r'"[^"]*"', "", match.group()) if match else ""
    return max(",;\t", key=header.count)


def named(columns: Sequence[str], cells: Cells) -> dict[str, str]:
    """Cells by the name of their column; the first of two columns with one name wins. InputError for a bad row."""
    if isinstance(cells, str):
        raise InputError(cells)
    if any(cell.strip() for cell in cells[len(columns) :]):
        excess = f"has {len(cells)} cells, the header {len(columns)}"
        raise InputError(f"{excess}; put a cell that holds the separator in quotes")
    return dict(reversed(list(zip(columns, cells, strict=False))))
