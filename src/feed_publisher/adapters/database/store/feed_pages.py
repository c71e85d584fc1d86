"""How a feed is parted into pages, and what stands at the places of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from feed_publisher.adapters.database.schema import entry, feed_page
from feed_publisher.adapters.database.store.feed_rows import feed_row
from feed_publisher.adapters.database.store.members import Place, above, places, up_to
from feed_publisher.adapters.database.store.pieces import load_pieces
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.adapters.database.store.sent import load_sent
from feed_publisher.domain.archive import FeedKind
from feed_publisher.ports.feeds import Content, FeedPage


def newest_page(connection: Connection, number: int) -> Row[Any] | None:
    query = select(feed_page).where(feed_page.c.feed_id == number)
    ordered = query.order_by(feed_page.c.published.desc(), feed_page.c.entry_id.desc())
    return connection.execute(ordered.limit(1)).first()


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


def range_of(connection: Connection, page: FeedPage) -> Select[Any]:
    """The places of a page's entries."""
    row = connection.execute(select(feed_page).where(is_page(page))).one()
    numbered = select(feed_page).where(feed_page.c.feed_id == page.feed.id, feed_page.c.number == page.older)
    older = connection.execute(numbered).first() if page.older else None
    query = places(feed_row(connection, page.feed.id))
    return up_to(above(query, place_of(older)), (row.published, row.entry_id))


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


def contents(connection: Connection, kind: FeedKind, ordered: Select[Any], made: str) -> Content:
    """The entries or issues at these places, newest first; of entries their pieces, where they are kept."""
    numbers = [row.entry_id for row in connection.execute(ordered)]
    if kind is FeedKind.DIGEST:
        return load_sent(connection, numbers)
    pieces = load_pieces(connection, made, numbers)
    missing = [number for number in numbers if number not in pieces]
    found = {each.number: each for each in load_entries(connection, entry_rows().where(entry.c.id.in_(missing)))}
    return [pieces.get(number) or found[number] for number in numbers]
