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


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that break no unique constraint, skip the others."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def inserted(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *columns: Any) -> list[Any]:
    """Like ``insert_missing``; these columns of the rows that were not there."""
    if not rows:
        return []
    return list(connection.execute(_insert(connection, table).on_conflict_do_nothing().returning(*columns), rows))


def insert_if_missing(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert one row unless it breaks a unique constraint; whether it was inserted."""
    statement = _insert(connection, table).values(row).on_conflict_do_nothing()
    # Judged by what comes back: on PostgreSQL SQLAlchemy knows no row count of an insert.
    return connection.execute(statement.returning(*table.primary_key.columns)).first() is not None


def _insert(connection: Connection, table: Table) -> Any:
    # Each dialect is slow to import, and only one of them is needed.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql

    return insert_postgresql(table)
