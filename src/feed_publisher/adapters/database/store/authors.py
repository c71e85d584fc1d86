"""Authors: made from bylines, found again by name; their slugs are stored, never recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import author, entry, entry_author
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.model import AuthorRef, Entry, EntryState
from feed_publisher.domain.slug import STEM, free_slug, heading_key

Credits = Sequence[tuple[int, tuple[str, ...]]]
"""Entries with the names of their authors."""


class SqlAuthorStore:
    """Who has written, and what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, slug: str) -> AuthorRef | None:
        """An author of public entries."""
        published = exists().where(
            entry_author.c.author_id == author.c.id,
            entry.c.id == entry_author.c.entry_id,
            entry.c.state == EntryState.PUBLIC,
        )
        with self._database.read() as connection:
            row = connection.execute(select(author).where(author.c.slug == slug, published)).first()
            return AuthorRef(slug=row.slug, name=row.name) if row else None

    def find(self, names: Iterable[str]) -> dict[str, AuthorRef]:
        """Authors by name as written."""
        keys = {name: author_key(name) for name in names}
        with self._database.read() as connection:
            found = {
                row.heading: AuthorRef(slug=row.slug, name=row.name)
                for chunk in chunks(sorted(set(keys.values())), 500)
                for row in connection.execute(select(author).where(author.c.heading.in_(chunk)))
            }
        return {name: found[key] for name, key in keys.items() if key in found}

    def newest(self, slug: str, limit: int) -> list[Entry]:
        """The public entries of an author, newest first."""
        number = select(author.c.id).where(author.c.slug == slug).scalar_subquery()
        query = entry_rows().join(entry_author, entry_author.c.entry_id == entry.c.id)
        mine = query.where(entry_author.c.author_id == number, entry.c.state == EntryState.PUBLIC)
        ordered = mine.order_by(entry_author.c.published.desc(), entry_author.c.entry_id.desc())
        with self._database.read() as connection:
            return load_entries(connection, ordered.limit(limit))


def credit(connection: Connection, credits: Credits, now: datetime) -> None:
    """Put entries under their authors, and under no others. Needs ``lock_site``."""
    numbers = [number for number, _ in credits]
    for chunk in chunks(numbers, 500):
        connection.execute(delete(entry_author).where(entry_author.c.entry_id.in_(chunk)))
    authors = _ensure(connection, dict.fromkeys(name for _, names in credits for name in names), now)
    published = {
        row.id: row.published
        for chunk in chunks(numbers, 500)
        for row in connection.execute(select(entry.c.id, entry.c.published).where(entry.c.id.in_(chunk)))
    }
    pairs = {(number, authors[name]) for number, names in credits for name in names}
    rows = [{"entry_id": e, "author_id": a, "published": published[e]} for e, a in sorted(pairs)]
    insert_missing(connection, entry_author, rows)


def _ensure(connection: Connection, names: Iterable[str], now: datetime) -> dict[str, int]:
    """Author ids by name as written."""
    keys = {name: author_key(name) for name in names}
    known: dict[str, int] = {}
    for chunk in chunks(sorted(set(keys.values())), 500):
        rows = connection.execute(select(author.c.heading, author.c.id).where(author.c.heading.in_(chunk)))
        known |= {row.heading: row.id for row in rows}
    for name, key in keys.items():
        if key not in known:
            row = {"slug": _free_slug(connection, name), "name": name[:500], "heading": key, "added_at": now}
            known[key] = int(connection.execute(author.insert().returning(author.c.id), row).scalar_one())
    return {name: known[key] for name, key in keys.items()}


def author_key(name: str) -> str:
    """What makes two bylines the same author: case, width and spacing do not matter."""
    return heading_key(name)[:500]


def _free_slug(connection: Connection, name: str) -> str:
    stem = free_slug(name, ())[:STEM]
    taken = set(connection.execute(select(author.c.slug).where(author.c.slug.startswith(stem))).scalars())
    return free_slug(name, taken)
