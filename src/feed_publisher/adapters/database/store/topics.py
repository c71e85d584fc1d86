"""Topics: made from unknown headings, found again by heading; slugs are stored, never recomputed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import fact, feed, topic, topic_heading
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.members import mark_all_dirty
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.model import TopicRef
from feed_publisher.domain.slug import free_slug, heading_key


class SqlTopicStore:
    """ports.TopicStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[TopicRef]:
        with self._database.read() as connection:
            rows = connection.execute(select(topic.c.slug, topic.c.title).order_by(topic.c.id))
            return [TopicRef(slug=row.slug, title=row.title) for row in rows]

    def get(self, slug: str) -> TopicRef | None:
        with self._database.read() as connection:
            row = connection.execute(select(topic.c.slug, topic.c.title).where(topic.c.slug == slug)).first()
            return TopicRef(slug=row.slug, title=row.title) if row else None

    def numbers(self) -> dict[str, int]:
        """Database ids by slug."""
        with self._database.read() as connection:
            return {row.slug: row.id for row in connection.execute(select(topic.c.slug, topic.c.id))}

    def declare(self, slug: str, title: str, now: datetime) -> None:
        """A topic of the configuration: its slug is fixed there, its title follows the file."""
        known = self.get(slug)
        if known is not None and known.title == title:
            return
        with self._database.write() as connection:
            lock_site(connection)
            row = connection.execute(select(topic).where(topic.c.slug == slug)).first()
            if row is None:
                _add(connection, slug, title, now)
            elif row.title != title:
                connection.execute(topic.update().where(topic.c.id == row.id).values(title=title))
                # Entries name their topics in every feed, and the outline names them all.
                mark_all_dirty(connection)
                connection.execute(fact.delete().where(fact.c.name == "feed settings"))
                insert_missing(connection, topic_heading, [{"heading": heading_key(title)[:500], "topic_id": row.id}])


def ensure_topics(connection: Connection, titles: Sequence[str], now: datetime) -> dict[str, int]:
    """Topic ids by title as written; unknown headings make topics, each with its feed. Needs ``lock_site``."""
    keys = {title: heading_key(title)[:500] for title in titles}
    known: dict[str, int] = {}
    for chunk in chunks(sorted(set(keys.values())), 500):
        rows = connection.execute(select(topic_heading).where(topic_heading.c.heading.in_(chunk)))
        known |= {row.heading: row.topic_id for row in rows}
    for title, key in keys.items():
        if key not in known:
            known[key] = _add(connection, _free_slug(connection, title), title, now)
    return {title: known[key] for title, key in keys.items()}


def _free_slug(connection: Connection, title: str) -> str:
    stem = free_slug(title, ())
    # Named feeds have addresses like those of topics.
    taken = set(connection.execute(select(feed.c.slug).where(feed.c.slug.startswith(stem[:78]))).scalars())
    return free_slug(title, taken)


def _add(connection: Connection, slug: str, title: str, now: datetime) -> int:
    query = topic.insert().returning(topic.c.id)
    number = int(connection.execute(query, {"slug": slug, "title": title[:500], "added_at": now}).scalar_one())
    insert_missing(connection, topic_heading, [{"heading": heading_key(title)[:500], "topic_id": number}])
    connection.execute(
        feed.insert(),
        {
            "slug": slug,
            "kind": FeedKind.TOPIC,
            "topic_id": number,
            "atom_id": f"urn:uuid:{uuid.uuid4()}",
            "dirty": True,
            "version": 1,
            "added_at": now,
        },
    )
    return number
