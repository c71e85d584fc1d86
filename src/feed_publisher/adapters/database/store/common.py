"""Small helpers of all stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices small enough for one statement's bound parameters."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows that break no unique constraint, skip the others; the number inserted."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    count = 0
    for chunk in chunks(rows, 500):
        statement = dialect.insert(table).values(list(chunk)).on_conflict_do_nothing()
        count += connection.execute(statement).rowcount
    return count
