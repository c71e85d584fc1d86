"""Which feeds are dirty, what they and their archive pages contain, and which bytes are out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, delete, exists, select, update

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import fact, feed_file, feed_page, feed_topic, topic
from feed_publisher.adapters.database.schema import feed as feed_table
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.feed_files import (
    file_of,
    files_at,
    files_where,
    forget_other_forms,
    store_files,
)
from feed_publisher.adapters.database.store.feed_pages import (
    add_pages,
    clean_page,
    contents,
    is_page,
    newest_page,
    older_page,
    part_ends,
    place_of,
    range_of,
)
from feed_publisher.adapters.database.store.feed_rows import feed_of, feed_row, feed_rows, lock_feed
from feed_publisher.adapters.database.store.making import (
    Named,
    can_be_made,
    declare_feeds,
    is_declared,
    is_made,
    make_feed,
)
from feed_publisher.adapters.database.store.members import (
    FEED_SETTINGS,
    above,
    after,
    lock_feeds,
    mark_all_dirty,
    newest_first,
    of_feed,
    oldest_first,
    places,
)
from feed_publisher.adapters.database.store.pieces import drop_other_pieces, drop_pieces, store_pieces
from feed_publisher.domain.archive import LIVE_MOST, FeedKind, page_sizes, part_sizes
from feed_publisher.ports.feeds import Content, Feed, FeedFile, FeedPage, Live, Pieces, WriteFiles

_PAGE = "page "
_LISTED = (FeedKind.ALL, FeedKind.TOPIC, FeedKind.NAMED, FeedKind.DIGEST)

# Statements that every publishing of a feed needs are put together once: that takes longer than running them.
_CLEAN = (
    update(feed_table)
    .where(feed_table.c.id == bindparam("number"))
    .values(
        dirty=feed_table.c.version != bindparam("version_read"),
        problem=case((feed_table.c.problem.startswith(_PAGE), feed_table.c.problem), else_=""),
    )
)


@cache
def _live_query(kind: FeedKind, everything: bool) -> Select[Any]:
    """``everything``: the feed has no archive page yet."""
    query = places(kind) if everything else above(places(kind))
    return newest_first(query).limit(LIVE_MOST + 1)


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

    def live(self, feed: Feed, recipe: str) -> Live:
        with self._database.read() as connection:
            newest = newest_page(connection, feed.id)
            query, values = _live_query(feed.kind, newest is None), of_feed(feed_row(connection, feed.id))
            entries = contents(connection, feed.kind, query, values | after(place_of(newest)), recipe)
            older = newest.number if newest else 0
            return Live(contents=entries[:LIVE_MOST], older=older, overfull=len(entries) > LIVE_MOST)

    def seal(self, feed: Feed, most: int) -> None:
        with self._database.write() as connection:
            locked = lock_feed(connection, feed.id)
            if locked is None:
                return
            newest = place_of(newest_page(connection, feed.id))
            query = oldest_first(places(feed.kind) if newest is None else above(places(feed.kind)))
            found = connection.execute(query, of_feed(locked) | after(newest))
            rows = [(row.published, row.entry_id) for row in found]
            sizes = page_sizes(len(rows), most)
            add_pages(connection, feed.id, part_ends(rows, sizes))
            if feed.kind is not FeedKind.DIGEST:
                drop_pieces(connection, [number for _, number in rows[: sum(sizes)]])

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
        query = feed_rows().add_columns(feed_page.c.number, feed_page.c.version.label("page_version"), older_page())
        query = query.join(feed_page, feed_page.c.feed_id == feed_table.c.id).where(condition)
        ordered = query.order_by(feed_page.c.published.desc(), feed_page.c.entry_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [
                FeedPage(feed=feed_of(row), number=row.number, version=row.page_version, older=row.older or 0)
                for row in connection.execute(ordered)
            ]

    def of_page(self, page: FeedPage, limit: int, recipe: str) -> Content:
        with self._database.read() as connection:
            query, values = range_of(connection, page)
            return contents(connection, page.feed.kind, newest_first(query).limit(limit), values, recipe)

    def part(self, page: FeedPage) -> None:
        with self._database.write() as connection:
            lock_feed(connection, page.feed.id)
            version = select(feed_page.c.version).where(is_page(page))
            if connection.execute(version).scalar() != page.version:
                return  # another process has parted it
            query, values = range_of(connection, page)
            rows = [(row.published, row.entry_id) for row in connection.execute(oldest_first(query), values)]
            add_pages(connection, page.feed.id, part_ends(rows, part_sizes(len(rows)))[:-1])
            changed = {"dirty": True, "version": feed_page.c.version + 1}
            connection.execute(update(feed_page).where(is_page(page)).values(changed))

    # --- what is out

    def out(self, paths: Sequence[str]) -> dict[str, FeedFile]:
        with self._database.read() as connection:
            return files_at(connection, paths)

    def known(self, paths: Sequence[str]) -> set[str]:
        with self._database.read() as connection:
            return {
                path for chunk in chunks(paths, 500) for path in files_where(connection, feed_file.c.path.in_(chunk))
            }

    def out_since(self, moment: datetime | None) -> dict[str, list[FeedFile]]:
        query = select(feed_table.c.slug, feed_file).join(feed_table, feed_table.c.id == feed_file.c.feed_id)
        query = query if moment is None else query.where(feed_file.c.last_modified >= moment)
        found: dict[str, list[FeedFile]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.slug, []).append(file_of(row))
        return found

    def replace(
        self,
        feed: Feed,
        paths: Sequence[str],
        write: WriteFiles,
        page: FeedPage | None = None,
        keep: Mapping[str, Pieces] = MappingProxyType({}),
    ) -> bool:
        with self._database.write() as connection:
            locked = lock_feed(connection, feed.id)
            out = files_at(connection, paths)
            if locked is None or locked.kind == FeedKind.GONE:
                return False
            if any(file.version > feed.version for file in out.values()):
                return False
            written = write(out)
            store_files(connection, feed, written, out)
            if page is not None:
                clean_page(connection, page)
                mended = (feed_table.c.id == feed.id) & feed_table.c.problem.startswith(_of_page(page))
                connection.execute(update(feed_table).where(mended).values(problem=""))
                return True
            if written:
                forget_other_forms(connection, feed, paths)
            if locked.version == feed.version:
                for recipe, pieces in keep.items():
                    store_pieces(connection, recipe, pieces)
            connection.execute(_CLEAN, {"number": feed.id, "version_read": feed.version})
            return True

    def clean(self, feed: Feed) -> None:
        with self._database.write() as connection:
            connection.execute(_CLEAN, {"number": feed.id, "version_read": feed.version})

    def refuse(self, feed: Feed, problem: str, page: FeedPage | None = None) -> None:
        """The document would not be valid: keep the last good files and say why."""
        with self._database.write() as connection:
            lock_feed(connection, feed.id)
            if page is not None:
                clean_page(connection, page)
                values = {"problem": f"{_of_page(page)}{problem}"}
                connection.execute(update(feed_table).where(feed_table.c.id == feed.id).values(values))
                return
            mine = (feed_table.c.id == feed.id) & (feed_table.c.version == feed.version)
            connection.execute(update(feed_table).where(mine).values(dirty=False, problem=problem))

    def drop(self, feed: Feed) -> list[str]:
        with self._database.write() as connection:
            locked = lock_feed(connection, feed.id)
            if locked is None or locked.kind != FeedKind.GONE:
                return []  # somebody has asked for it meanwhile
            paths = list(files_where(connection, feed_file.c.feed_id == feed.id))
            for table in (feed_file, feed_page, feed_topic):
                connection.execute(delete(table).where(table.c.feed_id == feed.id))
            connection.execute(delete(feed_table).where(feed_table.c.id == feed.id))
            return paths

    def over(self, since: datetime) -> list[Feed]:
        is_out = exists().where(feed_file.c.feed_id == feed_table.c.id)
        return self._feeds((topic.c.ended_at <= since) & is_out)

    def clear(self, feed: Feed) -> list[str]:
        with self._database.write() as connection:
            lock_feed(connection, feed.id)
            mine = feed_file.c.feed_id == feed.id
            paths = list(files_where(connection, mine))
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

    def depend_on(self, settings: str, recipes: Collection[str]) -> bool:
        known = select(fact.c.value).where(fact.c.name == FEED_SETTINGS)
        with self._database.read() as connection:
            if connection.execute(known).scalar() == settings:
                return False
        with self._database.write() as connection:
            insert_missing(connection, fact, [{"name": FEED_SETTINGS, "value": ""}])
            other = (fact.c.name == FEED_SETTINGS) & (fact.c.value != settings)
            if connection.execute(update(fact).where(other).values(value=settings)).rowcount == 0:
                return False
            mark_all_dirty(connection)
            drop_other_pieces(connection, recipes)
            return True

    def forget_settings(self) -> None:
        with self._database.write() as connection:
            connection.execute(delete(fact).where(fact.c.name == FEED_SETTINGS))


def _of_page(page: FeedPage) -> str:
    """How the problem of an archive page begins."""
    return f"{_PAGE}{page.number}: "
