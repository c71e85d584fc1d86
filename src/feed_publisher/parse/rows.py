"""Rows of CSV, whichever program wrote it."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

from feed_publisher.domain.errors import InputError

MAX_CELL = 2_000_000  # characters
MAX_LINE = MAX_CELL + 100_000

Cells = list[str] | str
"""The cells of a row, or why it cannot be split."""


def rows_of(text: str, max_lines: int) -> Iterator[tuple[int, Cells]]:
    """First line and cells of every row that is not blank. No row has more than ``max_lines`` lines."""
    return rows_in(io.StringIO(text, newline=""), delimiter_of(text), max_lines)


def rows_in(source: TextIO, delimiter: str, max_lines: int) -> Iterator[tuple[int, Cells]]:
    """The same of a file opened with newline="", of which no more than one row is held in memory."""
    csv.field_size_limit(MAX_CELL)  # for the whole process; the default refuses a long article
    lines, line = _Lines(source), 1
    while True:
        # One reader per row: a quote that is never closed costs its line, not the rest of the file.
        reader = csv.reader(islice(lines, max_lines), delimiter=delimiter, strict=True)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.give_back_all_but_one()
            yield line, f"cannot be split into cells ({error}); check its quotes"
            line += 1
            continue
        lines.taken.clear()
        if any(cell.strip() for cell in cells):
            yield line, cells
        line += reader.line_num


class _Lines(Iterator[str]):
    """Lines that can be given back; the rest of one that is far too long is passed over."""

    def __init__(self, source: TextIO) -> None:
        self.taken: list[str] = []
        self._source = source
        self._returned: deque[str] = deque()

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def _read(self) -> str:
        line = self._source.readline(MAX_LINE)
        while len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            rest = self._source.readline(MAX_LINE)
            if len(rest) < MAX_LINE or rest.endswith(("\n", "\r")):
                break
        return line

    def give_back_all_but_one(self) -> None:
        self._returned.extendleft(reversed(self.taken[1:]))
        self.taken.clear()


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
