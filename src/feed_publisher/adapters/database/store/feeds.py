"""Which feeds are dirty, what they and their archive pages contain, and which bytes are out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, delete, exists, func, select, update

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import author, entry, fact, feed_file, feed_page, feed_topic, topic
from feed_publisher.adapters.database.schema import feed as feed_table
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.making import (
    Named,
    can_be_made,
    declare_feeds,
    is_declared,
    is_made,
    make_feed,
)
from feed_publisher.adapters.database.store.members import (
    Place,
    above,
    lock_feeds,
    mark_all_dirty,
    newest_first,
    oldest_first,
    places,
    up_to,
)
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.archive import LIVE_MOST, FeedKind, page_sizes, part_sizes
from feed_publisher.domain.model import Entry
from feed_publisher.ports.feeds import Feed, FeedFile, FeedPage, Live, WriteFiles

_SETTINGS = "feed settings"
_PAGE = "page "
_LISTED = (FeedKind.ALL, FeedKind.TOPIC, FeedKind.NAMED)


class SqlFeedStore:
    """ports.FeedStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def dirty(self, slug: str | None = None) -> list[Feed]:
        of_feed = [] if slug is None else [feed_table.c.slug == slug]
        return self._feeds(and_(feed_table.c.dirty.is_(True), *of_feed))

    def find(self, slugs: Sequence[str]) -> list[Feed]:
        return self._feeds(feed_table.c.slug.in_(slugs))

    def listed(self) -> list[Feed]:
        return self._feeds(feed_table.c.kind.in_(_LISTED) & topic.c.ended_at.is_(None))

    def _feeds(self, condition: Any) -> list[Feed]:
        with self._database.read() as connection:
            return [feed_of(row) for row in connection.execute(feed_rows().where(condition).order_by(feed_table.c.id))]

    # --- what is in them

    def live(self, feed: Feed) -> Live:
        with self._database.read() as connection:
            newest = _newest_page(connection, feed.id)
            query = newest_first(above(places(_row(connection, feed.id)), _place(newest)))
            entries = _entries(connection, query.limit(LIVE_MOST + 1))
            older = newest.number if newest else 0
            return Live(entries=tuple(entries[:LIVE_MOST]), older=older, overfull=len(entries) > LIVE_MOST)

    def seal(self, feed: Feed, most: int) -> None:
        with self._database.write() as connection:
            locked = _lock(connection, feed.id)
            if locked is None:
                return
            newest = _place(_newest_page(connection, feed.id))
            query = oldest_first(above(places(locked), newest))
            rows = [(row.published, row.entry_id) for row in connection.execute(query)]
            _add_pages(connection, feed.id, _ends(rows, page_sizes(len(rows), most)))

    def dirty_pages(self, limit: int, feed: str | None = None, without: Collection[str] = ()) -> list[FeedPage]:
        """Newest first: readers walk back from the live document."""
        of_feed = [feed_table.c.slug.not_in(without)] if feed is None else [feed_table.c.slug == feed]
        there = feed_table.c.kind != FeedKind.GONE
        return self._pages(and_(feed_page.c.dirty.is_(True), there, *of_feed), limit)

    def pages(self, slug: str, numbers: Sequence[int]) -> list[FeedPage]:
        return [
            page
            for chunk in chunks(numbers, 500)
            for page in self._pages(and_(feed_table.c.slug == slug, feed_page.c.number.in_(chunk)), len(chunk))
        ]

    def _pages(self, condition: Any, limit: int) -> list[FeedPage]:
        query = feed_rows().add_columns(feed_page.c.number, feed_page.c.version.label("page_version"), _older())
        query = query.join(feed_page, feed_page.c.feed_id == feed_table.c.id).where(condition)
        ordered = query.order_by(feed_page.c.published.desc(), feed_page.c.entry_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [
                FeedPage(feed=feed_of(row), number=row.number, version=row.page_version, older=row.older or 0)
                for row in connection.execute(ordered)
            ]

    def of_page(self, page: FeedPage, limit: int) -> list[Entry]:
        with self._database.read() as connection:
            query = newest_first(_range(connection, page))
            return _entries(connection, query.limit(limit))

    def part(self, page: FeedPage) -> None:
        with self._database.write() as connection:
            _lock(connection, page.feed.id)
            version = select(feed_page.c.version).where(_is_page(page))
            if connection.execute(version).scalar() != page.version:
                return  # another process has parted it
            rows = [(row.published, row.entry_id) for row in connection.execute(oldest_first(_range(connection, page)))]
            _add_pages(connection, page.feed.id, _ends(rows, part_sizes(len(rows)))[:-1])
            values = {"dirty": True, "version": feed_page.c.version + 1}
            connection.execute(update(feed_page).where(_is_page(page)).values(values))

    # --- what is out

    def out(self, paths: Sequence[str]) -> dict[str, FeedFile]:
        with self._database.read() as connection:
            return _files(connection, feed_file.c.path.in_(paths))

    def known(self, paths: Sequence[str]) -> set[str]:
        with self._database.read() as connection:
            return {path for chunk in chunks(paths, 500) for path in _files(connection, feed_file.c.path.in_(chunk))}

    def out_since(self, moment: datetime | None) -> dict[str, list[FeedFile]]:
        query = select(feed_table.c.slug, feed_file).join(feed_table, feed_table.c.id == feed_file.c.feed_id)
        query = query if moment is None else query.where(feed_file.c.last_modified >= moment)
        found: dict[str, list[FeedFile]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.slug, []).append(_file(row))
        return found

    def replace(self, feed: Feed, paths: Sequence[str], write: WriteFiles, page: FeedPage | None = None) -> bool:
        with self._database.write() as connection:
            locked = _lock(connection, feed.id)
            out = _files(connection, feed_file.c.path.in_(paths))
            if locked is None or locked.kind == FeedKind.GONE:
                return False
            if any(file.version > feed.version for file in out.values()):
                return False
            for file in write(out):
                _store_file(connection, feed, file, known=file.path in out)
            this = feed_table.c.id == feed.id
            if page is not None:
                _clean_page(connection, page)
                mended = feed_table.c.problem.startswith(_of_page(page))
                connection.execute(update(feed_table).where(this, mended).values(problem=""))
                return True
            _forget_other_forms(connection, feed, paths)
            of_a_page = feed_table.c.problem.startswith(_PAGE)
            problem = case((of_a_page, feed_table.c.problem), else_="")
            connection.execute(
                update(feed_table).where(this).values(dirty=locked.version != feed.version, problem=problem)
            )
            return True

    def refuse(self, feed: Feed, problem: str, page: FeedPage | None = None) -> None:
        """The document would not be valid: keep the last good files and say why."""
        with self._database.write() as connection:
            _lock(connection, feed.id)
            if page is not None:
                _clean_page(connection, page)
                values = {"problem": f"{_of_page(page)}{problem}"}
                connection.execute(update(feed_table).where(feed_table.c.id == feed.id).values(values))
                return
            mine = (feed_table.c.id == feed.id) & (feed_table.c.version == feed.version)
            connection.execute(update(feed_table).where(mine).values(dirty=False, problem=problem))

    def drop(self, feed: Feed) -> list[str]:
        with self._database.write() as connection:
            locked = _lock(connection, feed.id)
            if locked is None or locked.kind != FeedKind.GONE:
                return []  # somebody has asked for it meanwhile
            paths = list(_files(connection, feed_file.c.feed_id == feed.id))
            for table in (feed_file, feed_page, feed_topic):
                connection.execute(delete(table).where(table.c.feed_id == feed.id))
            connection.execute(delete(feed_table).where(feed_table.c.id == feed.id))
            return paths

    def over(self, since: datetime) -> list[Feed]:
        is_out = exists().where(feed_file.c.feed_id == feed_table.c.id)
        return self._feeds((topic.c.ended_at <= since) & is_out)

    def clear(self, feed: Feed) -> list[str]:
        with self._database.write() as connection:
            _lock(connection, feed.id)
            mine = feed_file.c.feed_id == feed.id
            paths = list(_files(connection, mine))
            connection.execute(delete(feed_file).where(mine))
            same = (feed_table.c.id == feed.id) & (feed_table.c.version == feed.version)
            connection.execute(update(feed_table).where(same).values(dirty=False, problem=""))
            connection.execute(update(feed_page).where(feed_page.c.feed_id == feed.id).values(dirty=False))
            return paths

    def problems(self) -> dict[str, str]:
        with self._database.read() as connection:
            rows = connection.execute(select(feed_table.c.slug, feed_table.c.problem).where(feed_table.c.problem != ""))
            return {row.slug: row.problem for row in rows}

    # --- which there are

    def make(self, slug: str, both_forms: bool, now: datetime) -> bool:
        with self._database.read() as connection:  # strangers ask for whatever they like, and hold up nobody
            if is_made(connection, slug, both_forms):
                return True
            if not can_be_made(connection, slug):
                return False
        with self._database.write() as connection:
            lock_site(connection)
            lock_feeds(connection)
            return make_feed(connection, slug, both_forms, now)

    def declare(self, named: Named, now: datetime) -> None:
        """The feeds of the configuration; nothing is written while nothing has changed."""
        with self._database.read() as connection:
            if is_declared(connection, named):
                return
        with self._database.write() as connection:
            lock_site(connection)
            declare_feeds(connection, named, now)

    def all_dirty(self) -> None:
        with self._database.write() as connection:
            mark_all_dirty(connection)

    def depend_on(self, settings: str) -> bool:
        known = select(fact.c.value).where(fact.c.name == _SETTINGS)
        with self._database.read() as connection:
            if connection.execute(known).scalar() == settings:
                return False
        with self._database.write() as connection:
            insert_missing(connection, fact, [{"name": _SETTINGS, "value": ""}])
            other = (fact.c.name == _SETTINGS) & (fact.c.value != settings)
            if connection.execute(update(fact).where(other).values(value=settings)).rowcount == 0:
                return False
            mark_all_dirty(connection)
            return True


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


def _row(connection: Connection, number: int) -> Row[Any]:
    return connection.execute(select(feed_table).where(feed_table.c.id == number)).one()


def _lock(connection: Connection, number: int) -> Row[Any] | None:
    """The feed's row, locked until the transaction ends; None when another process has dropped it."""
    locked = select(feed_table).where(feed_table.c.id == number).with_for_update()
    return connection.execute(locked).first()


# --- pages


def _newest_page(connection: Connection, number: int) -> Row[Any] | None:
    query = select(feed_page).where(feed_page.c.feed_id == number)
    ordered = query.order_by(feed_page.c.published.desc(), feed_page.c.entry_id.desc())
    return connection.execute(ordered.limit(1)).first()


def _place(page: Row[Any] | None) -> Place | None:
    return (page.published, page.entry_id) if page is not None else None


def _of_page(page: FeedPage) -> str:
    """How the problem of an archive page begins."""
    return f"{_PAGE}{page.number}: "


def _is_page(page: FeedPage) -> Any:
    return (feed_page.c.feed_id == page.feed.id) & (feed_page.c.number == page.number)


def _older() -> Any:
    """The number of the page before each."""
    other = feed_page.alias("other")
    is_before = (other.c.published < feed_page.c.published) | (
        (other.c.published == feed_page.c.published) & (other.c.entry_id < feed_page.c.entry_id)
    )
    query = select(other.c.number).where(other.c.feed_id == feed_page.c.feed_id, is_before)
    ordered = query.order_by(other.c.published.desc(), other.c.entry_id.desc()).limit(1)
    return ordered.scalar_subquery().label("older")


def _range(connection: Connection, page: FeedPage) -> Select[Any]:
    """The places of a page's entries."""
    row = connection.execute(select(feed_page).where(_is_page(page))).one()
    numbered = select(feed_page).where(feed_page.c.feed_id == page.feed.id, feed_page.c.number == page.older)
    older = connection.execute(numbered).first() if page.older else None
    query = places(_row(connection, page.feed.id))
    return up_to(above(query, _place(older)), (row.published, row.entry_id))


def _ends(rows: Sequence[Place], sizes: Sequence[int]) -> list[Place]:
    """The newest place of each part; ``rows`` are oldest first."""
    ends, at = [], 0
    for size in sizes:
        at += size
        ends.append(rows[at - 1])
    return ends


def _add_pages(connection: Connection, number: int, ends: Sequence[Place]) -> None:
    highest = select(func.coalesce(func.max(feed_page.c.number), 0)).where(feed_page.c.feed_id == number)
    first = connection.execute(highest).scalar_one() + 1
    rows = [
        {"feed_id": number, "number": first + i, "published": at, "entry_id": entry, "dirty": True, "version": 1}
        for i, (at, entry) in enumerate(ends)
    ]
    if rows:
        connection.execute(feed_page.insert(), rows)


def _clean_page(connection: Connection, page: FeedPage) -> None:
    same = _is_page(page) & (feed_page.c.version == page.version)
    connection.execute(update(feed_page).where(same).values(dirty=False))


def _entries(connection: Connection, ordered: Select[Any]) -> list[Entry]:
    """The entries at these places, newest first."""
    numbers = [row.entry_id for row in connection.execute(ordered)]
    found = {each.number: each for each in load_entries(connection, entry_rows().where(entry.c.id.in_(numbers)))}
    return [found[number] for number in numbers]


# --- files


def _files(connection: Connection, condition: Any) -> dict[str, FeedFile]:
    rows = connection.execute(select(feed_file).where(condition))
    return {row.path: _file(row) for row in rows}


def _file(row: Row[Any]) -> FeedFile:
    return FeedFile(path=row.path, version=row.version, etag=row.etag, last_modified=row.last_modified)


def _forget_other_forms(connection: Connection, feed: Feed, paths: Sequence[str]) -> None:
    """Live documents in a form that the feed has no more; the next sweep removes the files."""
    pages = feed_file.c.path.startswith(f"feeds/{feed.slug}/", autoescape=True)
    left = (feed_file.c.feed_id == feed.id) & ~pages & feed_file.c.path.not_in(paths)
    connection.execute(delete(feed_file).where(left))


def _store_file(connection: Connection, feed: Feed, file: FeedFile, known: bool) -> None:
    values: dict[str, Any] = {"version": feed.version, "etag": file.etag, "last_modified": file.last_modified}
    if known:
        connection.execute(update(feed_file).where(feed_file.c.path == file.path).values(values))
    else:
        connection.execute(feed_file.insert(), {"path": file.path, "feed_id": feed.id, **values})
