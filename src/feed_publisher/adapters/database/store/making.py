"""Feeds that are made when somebody asks for them, and those that the configuration names."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, delete, exists, func, select, update

from feed_publisher.adapters.database.schema import author, entry, feed, feed_file, feed_topic, feed_use, topic
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.domain.archive import TOPICS_MOST, FeedKind
from feed_publisher.domain.errors import ConfigError

COMBINED_MOST = 1000
"""Feeds of several topics that strangers can have made; those that nobody asks for make room."""


def make_feed(connection: Connection, slug: str, both_forms: bool, now: datetime) -> bool:
    """Make a feed that somebody asks for, if there is what it would hold; whether it is there now."""
    row = connection.execute(select(feed).where(feed.c.slug == slug).with_for_update()).first()
    if row is None and not _made(connection, slug, now):
        return False
    if both_forms and (row is None or not row.both_forms):
        values = {"both_forms": True, "dirty": True, "version": feed.c.version + 1}
        connection.execute(update(feed).where(feed.c.slug == slug).values(values))
    return row is None or row.kind != FeedKind.GONE


def _made(connection: Connection, slug: str, now: datetime) -> bool:
    group, _, name = slug.partition("/")
    if "+" in slug:
        return _combined(connection, slug, now)
    if group == "authors":
        row = connection.execute(select(author.c.id).where(author.c.slug == name)).first()
        return row is not None and _add(connection, now, slug=slug, kind=FeedKind.AUTHOR, author_id=row.id)
    if group == "lang":
        known = select(entry.c.id).where(entry.c.lang == name).limit(1)
        is_known = bool(name) and connection.execute(known).first() is not None
        return is_known and _add(connection, now, slug=slug, kind=FeedKind.LANGUAGE, lang=name)
    return False


def _combined(connection: Connection, slug: str, now: datetime) -> bool:
    slugs = slug.split("+")
    rows = connection.execute(select(topic).where(topic.c.slug.in_(slugs)).order_by(topic.c.slug)).all()
    if [row.slug for row in rows] != slugs or not 2 <= len(slugs) <= TOPICS_MOST:
        return False
    count = select(func.count()).select_from(feed).where(feed.c.kind == FeedKind.COMBINED)
    if connection.execute(count).scalar_one() >= COMBINED_MOST:
        return False
    title = " + ".join(row.title for row in rows)[:500]
    all_id = connection.execute(select(feed.c.atom_id).where(feed.c.slug == FeedKind.ALL)).scalar_one()
    # The same whenever it is made: one that was dropped may be asked for again.
    atom_id = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{all_id}#{slug}')}"
    _add(connection, now, slug=slug, kind=FeedKind.COMBINED, title=title, atom_id=atom_id)
    _set_topics(connection, slug, [row.id for row in rows])
    return True


Named = Sequence[tuple[str, str, tuple[str, ...]]]
"""Feeds of the configuration: (slug, title, slugs of topics)."""


def drop_unused(connection: Connection, since: date) -> None:
    """Have the combined feeds removed that are older than that and that nobody has asked for since."""
    asked = (feed_file.c.feed_id == feed.c.id) & (feed_use.c.path == feed_file.c.path) & (feed_use.c.day >= since)
    old = feed.c.added_at < datetime.combine(since, time(), UTC)
    unused = update(feed).where(feed.c.kind == FeedKind.COMBINED, old, ~exists().where(asked))
    connection.execute(unused.values(kind=FeedKind.GONE, dirty=True))


def is_declared(connection: Connection, named: Named) -> bool:
    """Whether the named feeds are just these, with all of their topics that there are by now."""
    rows = connection.execute(select(feed).where(feed.c.kind == FeedKind.NAMED)).all()
    known = {row.slug: (row.title, _topics(connection, row.id)) for row in rows}
    return known == {slug: (title, set(_numbers(connection, topics))) for slug, title, topics in named}


def declare_feeds(connection: Connection, named: Named, now: datetime) -> None:
    """Make the named feeds just these; those that the configuration no longer has are to be removed."""
    known = {row.slug for row in connection.execute(select(feed).where(feed.c.kind == FeedKind.NAMED))}
    for slug, title, topics in named:
        if slug not in known and not _add(connection, now, slug=slug, kind=FeedKind.NAMED, title=title):
            raise ConfigError(f"two feeds cannot have the address {slug!r}; choose another slug", "feeds")
        values = {"title": title, "dirty": True, "version": feed.c.version + 1}
        connection.execute(update(feed).where(feed.c.slug == slug).values(values))
        _set_topics(connection, slug, _numbers(connection, topics))
    gone = update(feed).where(feed.c.slug.in_(known - {slug for slug, _, _ in named}))
    connection.execute(gone.values(kind=FeedKind.GONE, dirty=True, version=feed.c.version + 1))


def _numbers(connection: Connection, topics: Sequence[str]) -> list[int]:
    """Those topics that no article has had yet are left out until one has."""
    return list(connection.execute(select(topic.c.id).where(topic.c.slug.in_(topics))).scalars())


def _topics(connection: Connection, number: int) -> set[int]:
    query = select(feed_topic.c.topic_id).where(feed_topic.c.feed_id == number)
    return set(connection.execute(query).scalars())


def _set_topics(connection: Connection, slug: str, topics: Sequence[int]) -> None:
    number = connection.execute(select(feed.c.id).where(feed.c.slug == slug)).scalar_one()
    connection.execute(delete(feed_topic).where(feed_topic.c.feed_id == number))
    if topics:
        connection.execute(feed_topic.insert(), [{"feed_id": number, "topic_id": topic} for topic in topics])


def _add(connection: Connection, now: datetime, **values: Any) -> bool:
    fixed = {"atom_id": f"urn:uuid:{uuid.uuid4()}", "dirty": True, "version": 1, "added_at": now}
    return insert_if_missing(connection, feed, fixed | values)
