"""Rows of feeds: reading and locking them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from feed_publisher.adapters.database.schema import author, topic
from feed_publisher.adapters.database.schema import feed as feed_table
from feed_publisher.domain.archive import FeedKind
from feed_publisher.ports.feeds import Feed


def feed_rows() -> Select[Any]:
    """Feeds with the titles that people know them by."""
    named = select(feed_table, topic.c.title.label("of_topic"), topic.c.ended_at, author.c.name.label("of_author"))
    joined = named.outerjoin(topic, topic.c.id == feed_table.c.topic_id)
    return joined.outerjoin(author, author.c.id == feed_table.c.author_id)


def feed_of(row: Row[Any]) -> Feed:
    return Feed(
        id=row.id,
        kind=FeedKind(row.kind),
        slug=row.slug,
        title=row.of_topic or row.of_author or row.title or row.lang,
        atom_id=row.atom_id,
        version=row.version,
        added_at=row.added_at,
        both_forms=row.both_forms,
        ended_at=row.ended_at,
    )


_ROW = select(feed_table).where(feed_table.c.id == bindparam("number"))
_LOCKED = _ROW.with_for_update()


def feed_row(connection: Connection, number: int) -> Row[Any]:
    return connection.execute(_ROW, {"number": number}).one()


def lock_feed(connection: Connection, number: int) -> Row[Any] | None:
    """The feed's row, locked until the transaction ends; None when another process has dropped it."""
    return connection.execute(_LOCKED, {"number": number}).first()
