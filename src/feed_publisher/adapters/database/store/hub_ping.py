"""What each hub of others was last told of each feed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import feed_file, hub_ping
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.domain.websub import RETRIES, TOPIC_PATH
from feed_publisher.ports.websub import Ping

_GIVEN_UP = len(RETRIES) + 1
"""Failures after which only other bytes are a reason to try again."""


RECENT = timedelta(days=1)
"""A hub that has never been told of a feed is told of nothing older: a new hub hears of what changes from now on."""


class SqlPingStore:
    """ports.PingStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, hub: str, until: datetime, now: datetime, limit: int) -> list[Ping]:
        known = and_(hub_ping.c.path == feed_file.c.path, hub_ping.c.hub == hub)
        first = and_(hub_ping.c.path.is_(None), feed_file.c.last_modified >= now - RECENT)
        due = or_(first, _due(now))
        query = (
            select(feed_file.c.path).outerjoin(hub_ping, known).where(due, feed_file.c.path.regexp_match(TOPIC_PATH))
        )
        with self._database.read() as connection:  # most of the time there is nothing, and nobody is to wait for us
            paths = list(connection.execute(query.order_by(hub_ping.c.due_at, feed_file.c.path).limit(limit)).scalars())
        if not paths:
            return []
        with self._database.write() as connection:
            insert_missing(connection, hub_ping, [{"hub": hub, "path": path, "due_at": now} for path in paths])
            query = (
                select(hub_ping, feed_file.c.etag).join(feed_file, known).where(hub_ping.c.path.in_(paths), _due(now))
            )
            rows = connection.execute(query.with_for_update(of=hub_ping, skip_locked=True)).all()
            mine = and_(hub_ping.c.hub == hub, hub_ping.c.path.in_([row.path for row in rows]))
            connection.execute(update(hub_ping).where(mine).values(due_at=until))
        return [_ping(row, until) for row in rows]

    def told(self, ping: Ping, again: datetime) -> None:
        self._settle(ping, told_etag=ping.etag, due_at=again, failures=0, error="")

    def failed(self, ping: Ping, again: datetime, error: str) -> None:
        self._settle(ping, due_at=again, failures=ping.failures + 1, error=error)

    def given_up(self, ping: Ping, again: datetime, error: str) -> None:
        self._settle(ping, tried_etag=ping.etag, due_at=again, failures=_GIVEN_UP, error=error)

    def _settle(self, ping: Ping, **values: Any) -> None:
        """Unless another process has taken it over meanwhile."""
        mine = and_(hub_ping.c.hub == ping.hub, hub_ping.c.path == ping.path, hub_ping.c.due_at == ping.until)
        with self._database.write() as connection:
            connection.execute(update(hub_ping).where(mine).values(values))


def _due(now: datetime) -> ColumnElement[bool]:
    wanted = or_(hub_ping.c.failures < _GIVEN_UP, hub_ping.c.tried_etag != feed_file.c.etag)
    return and_(hub_ping.c.told_etag != feed_file.c.etag, hub_ping.c.due_at <= now, wanted)


def _ping(row: Any, until: datetime) -> Ping:
    failures = 0 if row.failures >= _GIVEN_UP else row.failures
    return Ping(hub=row.hub, path=row.path, etag=row.etag, failures=failures, until=until)
