"""Which feeds are dirty, what they contain, and which bytes are out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import entry, entry_topic, fact, feed, feed_file, topic
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.ports.feeds import DirtyFeed, FeedFile


def mark_dirty(connection: Connection, entries: Sequence[int]) -> None:
    """The feeds of these entries are to be written, in the transaction that changed them."""
    # First the one feed that all changes touch: two transactions then never wait for each other's feeds.
    connection.execute(select(feed.c.id).where(feed.c.slug == "all").with_for_update())
    for chunk in chunks(entries, 500):
        topics = select(entry_topic.c.topic_id).where(entry_topic.c.entry_id.in_(chunk))
        query = update(feed).where(or_(feed.c.topic_id.in_(topics), feed.c.slug == "all"))
        connection.execute(query.values(dirty=True, version=feed.c.version + 1))


class SqlFeedStore:
    """ports.FeedStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def dirty(self, every: bool = False) -> list[DirtyFeed]:
        query = select(feed, topic.c.title).outerjoin(topic, topic.c.id == feed.c.topic_id).order_by(feed.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query if every else query.where(feed.c.dirty.is_(True)))
            return [
                DirtyFeed(
                    id=row.id,
                    slug=row.slug,
                    title=row.title,
                    atom_id=row.atom_id,
                    version=row.version,
                    added_at=row.added_at,
                )
                for row in rows
            ]

    def newest(self, slug: str, limit: int) -> list[Entry]:
        """The public entries of a feed, newest first."""
        with self._database.read() as connection:
            return load_entries(connection, _newest(slug).limit(limit))

    def files(self, number: int) -> dict[str, FeedFile]:
        with self._database.read() as connection:
            return _files(connection, number)

    def replace(self, dirty: DirtyFeed, write: Callable[[dict[str, FeedFile]], list[FeedFile]]) -> bool:
        """Let ``write`` replace the files under the feed's lock; False when a newer version is out already."""
        with self._database.write() as connection:
            locked = select(feed.c.version).where(feed.c.id == dirty.id).with_for_update()
            version = connection.execute(locked).scalar_one()
            out = _files(connection, dirty.id)
            if any(file.version > dirty.version for file in out.values()):
                return False
            for file in write(out):
                _store_file(connection, dirty, file, known=file.path in out)
            values = {"dirty": version != dirty.version, "problem": ""}
            connection.execute(update(feed).where(feed.c.id == dirty.id).values(values))
            return True

    def refuse(self, dirty: DirtyFeed, problem: str) -> None:
        """The feed would not be valid: keep the last good files and say why."""
        with self._database.write() as connection:
            mine = (feed.c.id == dirty.id) & (feed.c.version == dirty.version)
            connection.execute(update(feed).where(mine).values(dirty=False, problem=problem))

    def problems(self) -> dict[str, str]:
        with self._database.read() as connection:
            rows = connection.execute(select(feed.c.slug, feed.c.problem).where(feed.c.problem != ""))
            return {row.slug: row.problem for row in rows}

    def depend_on(self, settings: str) -> bool:
        known = select(fact.c.value).where(fact.c.name == "feed settings")
        with self._database.read() as connection:
            if connection.execute(known).scalar() == settings:
                return False
        with self._database.write() as connection:
            insert_missing(connection, fact, [{"name": "feed settings", "value": ""}])
            other = (fact.c.name == "feed settings") & (fact.c.value != settings)
            if connection.execute(update(fact).where(other).values(value=settings)).rowcount == 0:
                return False
            connection.execute(update(feed).values(dirty=True, version=feed.c.version + 1))
            return True


def _newest(slug: str) -> Select[Any]:
    query = entry_rows().where(entry.c.state == EntryState.PUBLIC)
    if slug == "all":
        return query.order_by(entry.c.published.desc(), entry.c.id.desc())
    number = select(topic.c.id).where(topic.c.slug == slug).scalar_subquery()
    return (
        query.join(entry_topic, entry_topic.c.entry_id == entry.c.id)
        .where(entry_topic.c.topic_id == number)
        .order_by(entry_topic.c.published.desc(), entry_topic.c.entry_id.desc())
    )


def _files(connection: Connection, number: int) -> dict[str, FeedFile]:
    rows = connection.execute(select(feed_file).where(feed_file.c.feed_id == number))
    return {
        row.path: FeedFile(path=row.path, version=row.version, etag=row.etag, last_modified=row.last_modified)
        for row in rows
    }


def _store_file(connection: Connection, dirty: DirtyFeed, file: FeedFile, known: bool) -> None:
    values: dict[str, Any] = {"version": dirty.version, "etag": file.etag, "last_modified": file.last_modified}
    if known:
        connection.execute(update(feed_file).where(feed_file.c.path == file.path).values(values))
    else:
        connection.execute(feed_file.insert(), {"path": file.path, "feed_id": dirty.id, **values})
