"""Which files of feeds are out, by their path in public/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from feed_publisher.adapters.database.schema import feed_file
from feed_publisher.ports.feeds import Feed, FeedFile

_AT = select(feed_file).where(feed_file.c.path.in_(bindparam("paths", expanding=True)))
_REPLACED = (
    update(feed_file)
    .where(feed_file.c.path == bindparam("at"))
    .values(version=bindparam("version_read"), etag=bindparam("hash"), last_modified=bindparam("modified"))
)


def files_at(connection: Connection, paths: Sequence[str]) -> dict[str, FeedFile]:
    return {row.path: file_of(row) for row in connection.execute(_AT, {"paths": list(paths)})}


def files_where(connection: Connection, condition: Any) -> dict[str, FeedFile]:
    rows = connection.execute(select(feed_file).where(condition))
    return {row.path: file_of(row) for row in rows}


def file_of(row: Row[Any]) -> FeedFile:
    return FeedFile(path=row.path, version=row.version, etag=row.etag, last_modified=row.last_modified)


def forget_other_forms(connection: Connection, feed: Feed, paths: Sequence[str]) -> None:
    """Live documents in a form that the feed has no more; the next sweep removes the files."""
    pages = feed_file.c.path.startswith(f"feeds/{feed.slug}/", autoescape=True)
    left = (feed_file.c.feed_id == feed.id) & ~pages & feed_file.c.path.not_in(paths)
    connection.execute(delete(feed_file).where(left))


def store_files(connection: Connection, feed: Feed, files: Sequence[FeedFile], out: Mapping[str, FeedFile]) -> None:
    known = [
        {"at": file.path, "version_read": feed.version, "hash": file.etag, "modified": file.last_modified}
        for file in files
        if file.path in out
    ]
    if known:
        connection.execute(_REPLACED, known)
    new = [
        {
            "path": file.path,
            "feed_id": feed.id,
            "version": feed.version,
            "etag": file.etag,
            "last_modified": file.last_modified,
        }
        for file in files
        if file.path not in out
    ]
    if new:
        connection.execute(feed_file.insert(), new)
