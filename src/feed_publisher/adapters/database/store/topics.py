"""Topics: made from unknown headings, found again by heading; slugs are stored, never recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import (
    entry_topic,
    feed,
    feed_file,
    feed_topic,
    topic,
    topic_alias,
    topic_heading,
)
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.making import combined_title, put_feed
from feed_publisher.adapters.database.store.members import forget_settings, lock_feeds
from feed_publisher.adapters.database.store.pieces import drop_pieces
from feed_publisher.adapters.database.store.topic_names import IS_SHOWN, reach, refs_by_number, with_gone
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.model import TopicRef
from feed_publisher.domain.slug import STEM, free_slug, heading_key


class SqlTopicStore:
    """ports.TopicStore on SQL, with what only the composition root and pages ask."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[TopicRef]:
        with self._database.read() as connection:
            rows = connection.execute(select(topic.c.slug, topic.c.title).where(IS_SHOWN).order_by(topic.c.id))
            return [TopicRef(slug=row.slug, title=row.title) for row in rows]

    def current(self) -> list[TopicRef]:
        """Those that have not ended."""
        over = self.ended()
        return [each for each in self.all() if each.slug not in over]

    def get(self, slug: str) -> TopicRef | None:
        with self._database.read() as connection:
            row = connection.execute(select(topic.c.slug, topic.c.title).where(topic.c.slug == slug)).first()
            return TopicRef(slug=row.slug, title=row.title) if row else None

    def of_heading(self, title: str) -> TopicRef | None:
        """The topic that articles under this heading come into; None while there is none."""
        query = select(topic_heading.c.topic_id).where(topic_heading.c.heading == heading_key(title)[:500])
        with self._database.read() as connection:
            return refs_by_number(connection).get(connection.execute(query).scalar() or 0)

    def refs(self) -> dict[int, TopicRef]:
        with self._database.read() as connection:
            return refs_by_number(connection)

    def reach(self, slugs: Sequence[str]) -> set[int]:
        with self._database.read() as connection:
            return reach(connection, slugs)

    def over(self) -> set[int]:
        with self._database.read() as connection:
            ended = select(topic.c.id).where(topic.c.ended_at.is_not(None))
            return with_gone(connection, connection.execute(ended).scalars().all())

    def today(self, slugs: Sequence[str]) -> tuple[str, ...]:
        """These topics by the slugs that they have now, each once; what is no topic (yet) stays."""
        now = self.aliases()
        return tuple(dict.fromkeys(now.get(slug, slug) for slug in slugs))

    def aliases(self) -> dict[str, str]:
        """Today's slugs by those that topics had before."""
        query = select(topic_alias.c.slug, topic.c.slug.label("now")).join(topic, topic.c.id == topic_alias.c.topic_id)
        with self._database.read() as connection:
            return {row.slug: row.now for row in connection.execute(query)}

    def ended(self) -> dict[str, datetime]:
        """Since when topics that have ended are over, by slug."""
        query = select(topic.c.slug, topic.c.ended_at).where(topic.c.ended_at.is_not(None))
        with self._database.read() as connection:
            return {row.slug: row.ended_at for row in connection.execute(query)}

    def declare(self, slug: str, title: str, now: datetime, was: Sequence[str] = (), ended: bool = False) -> None:
        """A topic of the configuration: its slug is fixed there, its title follows the file.

        ``was``: slugs it had before, or that went into it. Where no topic has its slug yet, the first that is a topic's
        becomes this one, with all its articles and readers; those that are topics beside it are left alone.
        """
        was = [old for old in was if old != slug]
        with self._database.read() as connection:
            if _is_declared(connection, slug, title, was, ended):
                return
        with self._database.write() as connection:
            lock_site(connection)
            lock_feeds(connection)
            connection.execute(topic_alias.delete().where(topic_alias.c.slug == slug))  # it leads elsewhere no more
            row = _find(connection, slug) or _renamed(connection, slug, was)
            number = row.id if row else _add(connection, slug, title, now)
            values = {"title": title, "ended_at": (row and row.ended_at) or now if ended else None}
            connection.execute(topic.update().where(topic.c.id == number).values(values))
            _rename_combined(connection, number)
            insert_missing(connection, topic_heading, [{"heading": heading_key(title)[:500], "topic_id": number}])
            had = [old for old in was if _find(connection, old) is None]
            insert_missing(connection, topic_alias, [{"slug": old, "topic_id": number} for old in had])
            # Entries name their topics in every feed, and the outline names them all.
            forget_settings(connection)
            drop_pieces(connection, select(entry_topic.c.entry_id).where(entry_topic.c.topic_id == number))


def _is_declared(connection: Connection, slug: str, title: str, was: Sequence[str], ended: bool) -> bool:
    row = _find(connection, slug)
    aliases = select(topic_alias.c.slug).where(topic_alias.c.slug.in_([slug, *was]))
    known = set(connection.execute(aliases).scalars())
    known |= set(connection.execute(select(topic.c.slug).where(topic.c.slug.in_(was))).scalars())
    return row is not None and row.title == title and (row.ended_at is not None) == ended and known == set(was)


def _rename_combined(connection: Connection, number: int) -> None:
    """Feeds that somebody has put together are called by their topics."""
    mine = select(feed_topic.c.feed_id).where(feed_topic.c.topic_id == number)
    combined = select(feed.c.id).where(feed.c.kind == FeedKind.COMBINED, feed.c.id.in_(mine))
    for found in connection.execute(combined).scalars().all():
        titles = select(topic.c.title).join(feed_topic, feed_topic.c.topic_id == topic.c.id)
        ordered = titles.where(feed_topic.c.feed_id == found).order_by(topic.c.slug)
        title = combined_title(connection.execute(ordered).scalars().all())
        connection.execute(feed.update().where(feed.c.id == found).values(title=title))


def _find(connection: Connection, slug: str) -> Row[Any] | None:
    return connection.execute(select(topic).where(topic.c.slug == slug)).first()


def _renamed(connection: Connection, slug: str, was: Sequence[str]) -> Row[Any] | None:
    """The topic under its new slug. The files of its feed go with the old address, which leads to the new one."""
    row = next(filter(None, (_find(connection, old) for old in was)), None)
    if row is None:
        return None
    connection.execute(topic.update().where(topic.c.id == row.id).values(slug=slug))
    _move_feed(connection, row, slug)
    combined = (feed.c.kind == FeedKind.COMBINED) & feed.c.id.in_(
        select(feed_topic.c.feed_id).where(feed_topic.c.topic_id == row.id)
    )
    connection.execute(feed.update().where(combined).values(kind=FeedKind.GONE, dirty=True))
    return row


def _move_feed(connection: Connection, old: Row[Any], slug: str) -> None:
    """Give a topic's feed its new address; what is left at the old one is to be removed.

    It may have been there before: then what was left there goes on as its own, and the two change places.
    """
    mine = connection.execute(select(feed).where(feed.c.topic_id == old.id)).one()
    there = connection.execute(select(feed).where(feed.c.slug == slug)).first()
    if there is None:
        values = {"slug": slug, "kind": FeedKind.GONE, "atom_id": "", "dirty": True, "version": 1}
        values["added_at"] = mine.added_at
        connection.execute(feed.insert(), values)
        there = connection.execute(select(feed).where(feed.c.slug == slug)).one()
    if there.kind != FeedKind.GONE:
        raise ConfigError(f"two feeds cannot have the address {slug!r}; choose another slug", "topics")
    theirs = connection.execute(select(feed_file.c.path).where(feed_file.c.feed_id == there.id)).scalars().all()
    connection.execute(feed_file.update().where(feed_file.c.feed_id == mine.id).values(feed_id=there.id))
    connection.execute(feed_file.update().where(feed_file.c.path.in_(theirs)).values(feed_id=mine.id))
    version = max(mine.version, there.version) + 1
    for number, address in ((there.id, ""), (mine.id, slug), (there.id, old.slug)):
        values = {"slug": address, "dirty": True, "version": version}
        connection.execute(feed.update().where(feed.c.id == number).values(values))


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
    """Named feeds have addresses like those of topics, and old addresses of topics lead to them for ever."""
    stem = free_slug(title, ())[:STEM]
    columns = feed.c.slug, topic_alias.c.slug
    taken = {
        slug for each in columns for slug in connection.execute(select(each).where(each.startswith(stem))).scalars()
    }
    return free_slug(title, taken)


def _add(connection: Connection, slug: str, title: str, now: datetime) -> int:
    query = topic.insert().returning(topic.c.id)
    number = int(connection.execute(query, {"slug": slug, "title": title[:500], "added_at": now}).scalar_one())
    insert_missing(connection, topic_heading, [{"heading": heading_key(title)[:500], "topic_id": number}])
    if not put_feed(connection, now, slug=slug, kind=FeedKind.TOPIC, topic_id=number):
        raise ConfigError(f"two feeds cannot have the address {slug!r}; choose another slug", "topics")
    return number
