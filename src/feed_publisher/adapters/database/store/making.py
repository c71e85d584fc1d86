"""Feeds that are made when somebody asks for them, and those that the configuration names."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, select, update

from feed_publisher.adapters.database.schema import (
    author,
    entry,
    entry_author,
    feed,
    feed_file,
    feed_page,
    feed_topic,
    feed_use,
    hub_subscription,
    topic,
)
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.adapters.database.store.members import lock_feeds
from feed_publisher.adapters.database.store.topic_names import named
from feed_publisher.domain.archive import FeedKind, fits_together
from feed_publisher.domain.errors import ConfigError, NoRoomError
from feed_publisher.domain.model import EntryState, FeedFormat

COMBINED_MOST = 1000
"""Feeds of several topics that strangers can have made; those that nobody asks for make room."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A feed that can be made: values of its row, and the topics it has the articles of."""

    values: dict[str, Any]
    topics: Sequence[int] = ()


def is_made(connection: Connection, slug: str, both_forms: bool) -> bool:
    """Whether a feed is there already, in the form that is asked for."""
    row = connection.execute(select(feed.c.both_forms).where(_there(slug))).first()
    return row is not None and (row.both_forms or not both_forms)


def can_be_made(connection: Connection, slug: str) -> bool:
    """Whether there is what it would hold."""
    there = connection.execute(select(feed.c.id).where(_there(slug))).first()
    return there is not None or _plan(connection, slug) is not None


def make_feed(connection: Connection, slug: str, both_forms: bool, now: datetime) -> bool:
    """Make a feed that somebody asks for; whether it is there now."""
    if connection.execute(select(feed.c.id).where(_there(slug))).first() is None:
        plan = _plan(connection, slug)
        if plan is None or not put_feed(connection, now, slug=slug, **plan.values):
            return False
        _set_topics(connection, slug, plan.topics)
    if both_forms:
        values = {"both_forms": True, "dirty": True, "version": feed.c.version + 1}
        connection.execute(update(feed).where(_there(slug), feed.c.both_forms.is_(False)).values(values))
    return True


def _there(slug: str) -> Any:
    return and_(feed.c.slug == slug, feed.c.kind != FeedKind.GONE)


def _plan(connection: Connection, slug: str) -> _Plan | None:
    group, _, name = slug.partition("/")
    if "+" in slug:
        return _combined(connection, slug)
    if group == "authors":
        public = exists().where(
            entry_author.c.author_id == author.c.id,
            entry.c.id == entry_author.c.entry_id,
            entry.c.state == EntryState.PUBLIC,
        )
        number = connection.execute(select(author.c.id).where(author.c.slug == name, public)).scalar()
        return None if number is None else _Plan({"kind": FeedKind.AUTHOR, "author_id": number})
    if group == "lang" and name:
        written = select(entry.c.id).where(entry.c.lang == name, entry.c.state == EntryState.PUBLIC)
        known = connection.execute(written.limit(1)).first()
        return None if known is None else _Plan({"kind": FeedKind.LANGUAGE, "lang": name})
    return None


def _combined(connection: Connection, slug: str) -> _Plan | None:
    slugs = slug.split("+")
    if len(slugs) < 2 or not fits_together(slugs):
        return None
    rows = connection.execute(select(topic).where(topic.c.slug.in_(slugs)).order_by(topic.c.slug)).all()
    if [row.slug for row in rows] != slugs:
        return None
    count = select(func.count()).select_from(feed).where(feed.c.kind == FeedKind.COMBINED)
    if connection.execute(count).scalar_one() >= COMBINED_MOST:
        raise NoRoomError(f"there are {COMBINED_MOST} feeds of several topics already, and all of them are in use")
    title = combined_title([row.title for row in rows])
    values = {"kind": FeedKind.COMBINED, "title": title, "atom_id": lasting_id(connection, slug)}
    return _Plan(values, [row.id for row in rows])


def combined_title(titles: Sequence[str]) -> str:
    """Of a feed of these topics."""
    return " + ".join(titles)[:500]


def lasting_id(connection: Connection, slug: str) -> str:
    """The same whenever the feed is made: one that was dropped or taken out may come again."""
    all_id = connection.execute(select(feed.c.atom_id).where(feed.c.slug == FeedKind.ALL)).scalar_one()
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{all_id}#{slug}')}"


def put_feed(connection: Connection, now: datetime, **values: Any) -> bool:
    """Add the row of a feed; False when another has its address.

    One whose files were to be removed gives its address and its live files, so that their times go on rising.
    """
    fixed = {"atom_id": f"urn:uuid:{uuid.uuid4()}", "dirty": True, "version": 1, "added_at": now}
    if insert_if_missing(connection, feed, fixed | values):
        return True
    gone = (feed.c.slug == values["slug"]) & (feed.c.kind == FeedKind.GONE)
    number = connection.execute(select(feed.c.id).where(gone)).scalar()
    if number is None:
        return False
    for table in (feed_page, feed_topic):
        connection.execute(delete(table).where(table.c.feed_id == number))
    pages = (feed_file.c.feed_id == number) & feed_file.c.path.contains(f"/{values['slug']}/", autoescape=True)
    connection.execute(delete(feed_file).where(pages))
    anew = _NEW | fixed | values | {"version": feed.c.version + 1}
    connection.execute(update(feed).where(feed.c.id == number).values(anew))
    return True


_NEW = {
    "title": "",
    "topic_id": None,
    "author_id": None,
    "digest_id": None,
    "lang": "",
    "both_forms": False,
    "problem": "",
}


Named = Sequence[tuple[str, str, tuple[str, ...]]]
"""Feeds of the configuration: (slug, title, slugs of topics)."""


def drop_unused(connection: Connection, since: date, now: datetime) -> None:
    """Have the combined feeds removed that are older than that and that nobody has asked for since.

    Not while a subscriber of our hub has them, nor where a web server sends the files itself: then nobody is seen to
    ask for anything.
    """
    used = feed_use.c.day >= since
    seen = exists().where(used, feed_use.c.path.in_([f"feeds/all.{format}" for format in FeedFormat]))
    mine = feed_file.c.feed_id == feed.c.id
    asked = exists().where(mine, used, feed_use.c.path == feed_file.c.path)
    subscribed = exists().where(mine, hub_subscription.c.path == feed_file.c.path, hub_subscription.c.lease_until > now)
    old = feed.c.added_at < datetime.combine(since, time(), UTC)
    unused = select(feed.c.id).where(feed.c.kind == FeedKind.COMBINED, old, seen, ~asked, ~subscribed)
    numbers = connection.execute(unused).scalars().all()
    if numbers:
        lock_feeds(connection)
        gone = update(feed).where(feed.c.id.in_(numbers), feed.c.kind == FeedKind.COMBINED)
        connection.execute(gone.values(kind=FeedKind.GONE, dirty=True, version=feed.c.version + 1))


def is_declared(connection: Connection, named: Named) -> bool:
    """Whether the named feeds are just these, with all of their topics that there are by now."""
    known = _named(connection)
    return known == {slug: (title, set(_numbers(connection, topics))) for slug, title, topics in named}


def declare_feeds(connection: Connection, named: Named, now: datetime) -> None:
    """Make the named feeds just these; those that the configuration no longer has are to be removed."""
    lock_feeds(connection)
    known = _named(connection)
    for slug, title, topics in named:
        numbers = _numbers(connection, topics)
        if known.get(slug) != (title, set(numbers)):
            _declare(connection, now, slug, title, numbers)
    gone = update(feed).where(feed.c.slug.in_(known.keys() - {slug for slug, _, _ in named}))
    connection.execute(gone.values(kind=FeedKind.GONE, dirty=True, version=feed.c.version + 1))


def _named(connection: Connection) -> dict[str, tuple[str, set[int]]]:
    rows = connection.execute(select(feed).where(feed.c.kind == FeedKind.NAMED)).all()
    return {row.slug: (row.title, _topics(connection, row.id)) for row in rows}


def _declare(connection: Connection, now: datetime, slug: str, title: str, topics: Sequence[int]) -> None:
    """A named feed with other articles, or another name, than before: its archive is another one, too."""
    here = (feed.c.slug == slug) & (feed.c.kind == FeedKind.NAMED)
    if connection.execute(select(feed.c.id).where(here)).first() is None:
        values = {"kind": FeedKind.NAMED, "title": title, "atom_id": lasting_id(connection, slug)}
        if not put_feed(connection, now, slug=slug, **values):
            raise ConfigError(f"two feeds cannot have the address {slug!r}; choose another slug", "feeds")
    changed = {"title": title, "dirty": True, "version": feed.c.version + 1}
    connection.execute(update(feed).where(here).values(changed))
    pages = update(feed_page).where(feed_page.c.feed_id.in_(select(feed.c.id).where(here)))
    connection.execute(pages.values(dirty=True, version=feed_page.c.version + 1))
    _set_topics(connection, slug, topics)


def _numbers(connection: Connection, topics: Sequence[str]) -> list[int]:
    """Those topics that no article has had yet are left out until one has."""
    return sorted(set(named(connection, topics).values()))


def _topics(connection: Connection, number: int) -> set[int]:
    query = select(feed_topic.c.topic_id).where(feed_topic.c.feed_id == number)
    return set(connection.execute(query).scalars())


def _set_topics(connection: Connection, slug: str, topics: Sequence[int]) -> None:
    number = connection.execute(select(feed.c.id).where(feed.c.slug == slug)).scalar_one()
    connection.execute(delete(feed_topic).where(feed_topic.c.feed_id == number))
    if topics:
        connection.execute(feed_topic.insert(), [{"feed_id": number, "topic_id": topic} for topic in topics])
