"""Which entries, or issues, a feed has, and which feeds have an entry or an issue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, exists, select, tuple_, union_all, update

from feed_publisher.adapters.database.schema import (
    edition,
    edition_entry,
    entry,
    entry_author,
    entry_topic,
    fact,
    feed,
    feed_page,
    feed_topic,
    issue,
)
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.pieces import drop_pieces
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.model import EntryState

Place = tuple[Any, int]
"""(published, entry's number): where an entry stands in every feed; for a feed of issues (sent, issue's number)."""


def places(kind: FeedKind) -> Select[Any]:
    """(published, entry_id) of what a feed of this kind has, in no order; to be run with ``of_feed``."""
    public = entry.c.state == EntryState.PUBLIC
    match kind:
        case FeedKind.DIGEST:
            sent = select(issue.c.sent_at.label("published"), issue.c.id.label("entry_id"))
            return sent.where(issue.c.digest_id == bindparam("of_digest"), issue.c.sent_at.is_not(None))
        case FeedKind.TOPIC:
            query = _joined(entry_topic).where(entry_topic.c.topic_id == bindparam("of_topic"))
        case FeedKind.AUTHOR:
            query = _joined(entry_author).where(entry_author.c.author_id == bindparam("of_author"))
        case FeedKind.NAMED | FeedKind.COMBINED:
            chosen = select(feed_topic.c.topic_id).where(feed_topic.c.feed_id == bindparam("of_feed"))
            under_one = exists().where(entry_topic.c.entry_id == entry.c.id, entry_topic.c.topic_id.in_(chosen))
            query = _of_entry().where(under_one)
        case FeedKind.LANGUAGE:
            query = _of_entry().where(entry.c.lang == bindparam("of_lang"))
        case _:
            query = _of_entry()
    return query.where(public)


def of_feed(row: Row[Any]) -> dict[str, Any]:
    """The values of ``places``; ``row`` is of table ``feed``."""
    return {
        "of_feed": row.id,
        "of_topic": row.topic_id,
        "of_author": row.author_id,
        "of_digest": row.digest_id,
        "of_lang": row.lang,
    }


def _of_entry() -> Select[Any]:
    return select(entry.c.published.label("published"), entry.c.id.label("entry_id"))


def _joined(table: Any) -> Select[Any]:
    """From a table that repeats the publication date for the sake of its index."""
    query = select(table.c.published.label("published"), table.c.entry_id.label("entry_id"))
    return query.join(entry, entry.c.id == table.c.entry_id)


def above(query: Select[Any]) -> Select[Any]:
    """Only what is newer than a place; to be run with ``after``."""
    return query.where(_place_of(query) > _bounds(query, "after"))


def after(place: Place | None) -> dict[str, Any]:
    return {} if place is None else {"after_published": place[0], "after_id": place[1]}


def up_to(query: Select[Any]) -> Select[Any]:
    """Only what is as old as a place, or older; to be run with ``until``."""
    return query.where(_place_of(query) <= _bounds(query, "until"))


def until(place: Place) -> dict[str, Any]:
    return {"until_published": place[0], "until_id": place[1]}


def _place_of(query: Select[Any]) -> Any:
    return tuple_(query.selected_columns.published, query.selected_columns.entry_id)


def _bounds(query: Select[Any], name: str) -> Any:
    columns = query.selected_columns
    published = bindparam(f"{name}_published", type_=columns.published.type)
    return tuple_(published, bindparam(f"{name}_id", type_=columns.entry_id.type))


def newest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(query.selected_columns.published.desc(), query.selected_columns.entry_id.desc())


def oldest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(query.selected_columns.published, query.selected_columns.entry_id)


def lock_feeds(connection: Connection) -> None:
    """The one feed that all changes touch, first: two transactions then never wait for each other's feeds."""
    connection.execute(select(feed.c.id).where(feed.c.slug == FeedKind.ALL).with_for_update())


def mark_dirty(connection: Connection, entries: Sequence[int]) -> None:
    """The feeds and archive pages of these entries are to be written, in the transaction that changed them."""
    lock_feeds(connection)
    for chunk in chunks(entries, 500):
        _mark(connection, _containing(chunk))
    drop_pieces(connection, entries)


def mark_issues_dirty(connection: Connection, issues: Sequence[int]) -> None:
    """The same for feeds of issues, when these issues have changed."""
    lock_feeds(connection)
    for chunk in chunks(issues, 500):
        _mark(connection, _of_issues().where(issue.c.id.in_(chunk)))


def _mark(connection: Connection, containing: Any) -> None:
    pairs = containing.cte("pairs")
    feeds = update(feed).where(feed.c.id.in_(select(pairs.c.feed_id)))
    connection.execute(feeds.values(dirty=True, version=feed.c.version + 1))
    pages = update(feed_page).where(feed_page.c.id.in_(select(_page_of(pairs)).select_from(pairs)))
    connection.execute(pages.values(dirty=True, version=feed_page.c.version + 1))


FEED_SETTINGS = "feed settings"
"""The fact that holds what feeds were last made with."""


def forget_settings(connection: Connection) -> None:
    """Whoever publishes next makes everything again, the list of feeds included."""
    mark_all_dirty(connection)
    connection.execute(fact.delete().where(fact.c.name == FEED_SETTINGS))


def mark_all_dirty(connection: Connection) -> None:
    """What all feeds say has changed."""
    lock_feeds(connection)
    connection.execute(update(feed).values(dirty=True, version=feed.c.version + 1))
    connection.execute(update(feed_page).values(dirty=True, version=feed_page.c.version + 1))


def _containing(entries: Sequence[int]) -> Any:
    """(feed_id, entry_id, published) for each feed that holds one of these entries, whatever the entry's state.

    Feeds of issues hold the issues that were sent with them.
    """
    sent_with = _of_issues().join(edition, edition.c.issue_id == issue.c.id)
    of_issues = sent_with.join(edition_entry, edition_entry.c.edition_id == edition.c.id)
    named = select(feed_topic.c.feed_id, *_place(entry_topic)).join(
        entry_topic, entry_topic.c.topic_id == feed_topic.c.topic_id
    )
    of_topic = select(feed.c.id, *_place(entry_topic)).join(entry_topic, entry_topic.c.topic_id == feed.c.topic_id)
    of_author = select(feed.c.id, *_place(entry_author)).join(
        entry_author, entry_author.c.author_id == feed.c.author_id
    )
    each = feed.c.id.label("feed_id"), entry.c.id.label("entry_id"), entry.c.published
    of_all = select(*each).join(entry, feed.c.kind == FeedKind.ALL)
    of_language = select(*each).join(entry, (feed.c.kind == FeedKind.LANGUAGE) & (feed.c.lang == entry.c.lang))
    return union_all(
        of_all.where(entry.c.id.in_(entries)),
        of_language.where(entry.c.id.in_(entries)),
        of_topic.where(entry_topic.c.entry_id.in_(entries)),
        of_author.where(entry_author.c.entry_id.in_(entries)),
        named.where(entry_topic.c.entry_id.in_(entries)),
        of_issues.where(edition_entry.c.entry_id.in_(entries)),
    )


def _of_issues() -> Select[Any]:
    """(feed_id, entry_id, published) of the issues in the archive."""
    each = feed.c.id.label("feed_id"), issue.c.id.label("entry_id"), issue.c.sent_at.label("published")
    joined = select(*each).join(issue, issue.c.digest_id == feed.c.digest_id)
    return joined.where(feed.c.kind == FeedKind.DIGEST, issue.c.sent_at.is_not(None))


def _place(table: Any) -> tuple[Any, Any]:
    return table.c.entry_id, table.c.published


def _page_of(pairs: Any) -> Any:
    """The page that holds each entry: the first whose newest entry is not older. The live document's have none."""
    feed_id, entry_id, published = pairs.c
    return (
        select(feed_page.c.id)
        .where(feed_page.c.feed_id == feed_id)
        .where(tuple_(feed_page.c.published, feed_page.c.entry_id) >= tuple_(published, entry_id))
        .order_by(feed_page.c.published, feed_page.c.entry_id)
        .limit(1)
        .correlate(pairs)
        .scalar_subquery()
    )
