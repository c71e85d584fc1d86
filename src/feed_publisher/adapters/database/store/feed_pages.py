"""How a feed is parted into pages, and what stands at the places of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, update

from feed_publisher.adapters.database.schema import entry, feed_page
from feed_publisher.adapters.database.store.feed_rows import feed_row
from feed_publisher.adapters.database.store.members import Place, above, after, of_feed, places, until, up_to
from feed_publisher.adapters.database.store.pieces import load_pieces
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.adapters.database.store.sent import load_sent
from feed_publisher.domain.archive import LIVE_MOST, FeedKind
from feed_publisher.ports.feeds import Content, FeedPage

_NEWEST = (
    select(feed_page)
    .where(feed_page.c.feed_id == bindparam("number"))
    .order_by(feed_page.c.published.desc(), feed_page.c.entry_id.desc())
    .limit(1)
)


def newest_page(connection: Connection, number: int) -> Row[Any] | None:
    return connection.execute(_NEWEST, {"number": number}).first()


def place_of(page: Row[Any] | None) -> Place | None:
    return (page.published, page.entry_id) if page is not None else None


def is_page(page: FeedPage) -> Any:
    return (feed_page.c.feed_id == page.feed.id) & (feed_page.c.number == page.number)


def older_page() -> Any:
    """The number of the page before each."""
    other = feed_page.alias("other")
    is_before = (other.c.published < feed_page.c.published) | (
        (other.c.published == feed_page.c.published) & (other.c.entry_id < feed_page.c.entry_id)
    )
    query = select(other.c.number).where(other.c.feed_id == feed_page.c.feed_id, is_before)
    ordered = query.order_by(other.c.published.desc(), other.c.entry_id.desc()).limit(1)
    return ordered.scalar_subquery().label("older")


def range_of(connection: Connection, page: FeedPage) -> tuple[Select[Any], dict[str, Any]]:
    """The places of a page's entries: a query and its values."""
    row = connection.execute(select(feed_page).where(is_page(page))).one()
    numbered = select(feed_page).where(feed_page.c.feed_id == page.feed.id, feed_page.c.number == page.older)
    older = connection.execute(numbered).first() if page.older else None
    query = up_to(places(page.feed.kind))
    values = of_feed(feed_row(connection, page.feed.id)) | until((row.published, row.entry_id))
    return (query, values) if older is None else (above(query), values | after(place_of(older)))


def part_ends(rows: Sequence[Place], sizes: Sequence[int]) -> list[Place]:
    """The newest place of each part; ``rows`` are oldest first."""
    found, at = [], 0
    for size in sizes:
        at += size
        found.append(rows[at - 1])
    return found


def add_pages(connection: Connection, number: int, ends: Sequence[Place]) -> None:
    highest = select(func.coalesce(func.max(feed_page.c.number), 0)).where(feed_page.c.feed_id == number)
    first = connection.execute(highest).scalar_one() + 1
    rows = [
        {"feed_id": number, "number": first + i, "published": at, "entry_id": entry, "dirty": True, "version": 1}
        for i, (at, entry) in enumerate(ends)
    ]
    if rows:
        connection.execute(feed_page.insert(), rows)


def clean_page(connection: Connection, page: FeedPage) -> None:
    same = is_page(page) & (feed_page.c.version == page.version)
    connection.execute(update(feed_page).where(same).values(dirty=False))


def contents(
    connection: Connection, kind: FeedKind, ordered: Select[Any], values: dict[str, Any], recipe: str
) -> Content:
    """The entries or issues at these places, newest first; of entries their pieces, where they are kept."""
    numbers = [row.entry_id for row in connection.execute(ordered, values)]
    if kind is FeedKind.DIGEST:
        return load_sent(connection, numbers, LIVE_MOST)
    pieces = load_pieces(connection, recipe, numbers)
    missing = [number for number in numbers if number not in pieces]
    rendered_now = entry_rows().where(entry.c.id.in_(missing))
    found = {each.number: each for each in load_entries(connection, rendered_now)} if missing else {}
    return [pieces.get(number) or found[number] for number in numbers]
