"""Small helpers of all stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

T = TypeVar("T")


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Slices small enough for one statement's bound parameters."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows that break no unique constraint, skip the others; the number inserted."""
    count = 0
    for chunk in chunks(rows, 500):
        statement = _insert(connection, table).values(list(chunk)).on_conflict_do_nothing()
        # Counted by what comes back: on PostgreSQL SQLAlchemy knows no row count of an insert.
        count += len(connection.execute(statement.returning(*table.primary_key.columns)).all())
    return count


def _insert(connection: Connection, table: Table) -> Any:
    # Each dialect is slow to import, and only one of them is needed.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql

    return insert_postgresql(table)
