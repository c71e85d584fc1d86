"""Hubs that are told of our feeds, and the subscriptions of our own hub: ports.HubStore on SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import feed_file, hub_ping
from feed_publisher.adapters.database.schema import hub_subscription as subscription
from feed_publisher.adapters.database.store.common import insert_if_missing, insert_missing
from feed_publisher.domain.websub import IN_ALL, PER_HOST, is_topic
from feed_publisher.ports.hubs import Asked, Distribution, Ping, Verification

RECENT = timedelta(days=1)
"""Of older changes no hub is told any more: when one is added, it hears of what changes from then on."""


class SqlHubStore:
    """ports.HubStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- hubs of others

    def claim_pings(self, hubs: Sequence[str], until: datetime, now: datetime, limit: int) -> list[Ping]:
        with self._database.read() as connection:
            due = [ping for hub in hubs for ping in _due_pings(connection, hub, now, limit)]
        if not due:
            return []
        with self._database.write() as connection:
            return [ping for ping in due if _claim_ping(connection, ping, until, now)]

    def pinged(self, ping: Ping, failures: int, due_at: datetime) -> None:
        values = {"failures": failures, "due_at": due_at} | ({} if failures else {"etag": ping.etag})
        with self._database.write() as connection:
            connection.execute(update(hub_ping).where(_is(ping)).values(values))

    # --- our own hub

    def is_out(self, path: str) -> bool:
        with self._database.read() as connection:
            return _etag(connection, path) is not None

    def ask(self, asked: Asked, host: str, now: datetime) -> bool:
        key = hashlib.sha256(asked.callback.encode()).hexdigest()
        mine = and_(subscription.c.path == asked.path, subscription.c.callback_key == key)
        with self._database.write() as connection:
            if connection.execute(select(subscription.c.id).where(mine)).first() is None:
                if asked.mode == "unsubscribe":
                    return True  # nothing to end
                if not _has_room(connection, host):
                    return False
                new = {"path": asked.path, "callback": asked.callback, "callback_key": key, "host": host}
                nothing = {"secret": "", "etag": "", "asked_secret": "", "asked": "", "asked_lease": 0, "failures": 0}
                insert_missing(connection, subscription, [{**new, **nothing, "due_at": now}])
            values = {"asked": asked.mode, "asked_secret": asked.secret, "asked_lease": asked.lease, "due_at": now}
            connection.execute(update(subscription).where(mine).values(values))
            return True

    def claim_verifications(self, until: datetime, now: datetime, limit: int) -> list[Verification]:
        rows = self._claim(subscription.c.asked != "", until, now, limit)
        return [
            Verification(
                id=row.id,
                asked=Asked(
                    mode=row.asked,
                    path=row.path,
                    callback=row.callback,
                    secret=row.asked_secret,
                    lease=row.asked_lease,
                ),
            )
            for row in rows
        ]

    def confirm(self, verification: Verification, until: datetime | None) -> None:
        asked, mine = verification.asked, subscription.c.id == verification.id
        with self._database.write() as connection:
            if until is None:
                connection.execute(delete(subscription).where(mine, subscription.c.asked == asked.mode))
                return
            # What is out now is known to whoever subscribes: it has just read the feed.
            etag = _etag(connection, asked.path) or ""
            values = {"until": until, "secret": asked.secret, "etag": etag, "asked": "", "failures": 0}
            connection.execute(update(subscription).where(mine).values(values))

    def reject(self, verification: Verification) -> None:
        mine = subscription.c.id == verification.id
        with self._database.write() as connection:
            connection.execute(delete(subscription).where(mine, subscription.c.until.is_(None)))
            connection.execute(update(subscription).where(mine).values(asked=""))

    def claim_distributions(self, until: datetime, now: datetime, limit: int) -> list[Distribution]:
        etag = select(feed_file.c.etag).where(feed_file.c.path == subscription.c.path).scalar_subquery()
        due = and_(subscription.c.until > now, subscription.c.asked == "", etag != subscription.c.etag)
        return [_distribution(row) for row in self._claim(due, until, now, limit)]

    def distributed(self, distribution: Distribution, etag: str, failures: int, due_at: datetime) -> None:
        mine = and_(subscription.c.id == distribution.id, subscription.c.asked == "")
        with self._database.write() as connection:
            values = {"etag": etag, "failures": failures, "due_at": due_at}
            connection.execute(update(subscription).where(mine).values(values))

    def end(self, id: int) -> None:
        with self._database.write() as connection:
            connection.execute(delete(subscription).where(subscription.c.id == id))

    def end_leases(self, now: datetime) -> None:
        over = and_(subscription.c.until <= now, subscription.c.asked == "")
        with self._database.read() as connection:
            if connection.execute(select(subscription.c.id).where(over).limit(1)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(delete(subscription).where(over))

    def without_topic(self, limit: int) -> list[Distribution]:
        gone = ~exists().where(feed_file.c.path == subscription.c.path)
        with self._database.read() as connection:
            rows = connection.execute(select(subscription).where(gone).limit(limit))
            return [_distribution(row) for row in rows]

    def _claim(self, condition: Any, until: datetime, now: datetime, limit: int) -> list[Row[Any]]:
        """Rows that are due, and no other process's until then."""
        due = and_(subscription.c.due_at <= now, condition)
        with self._database.read() as connection:
            if connection.execute(select(subscription.c.id).where(due).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            query = select(subscription).where(due).order_by(subscription.c.due_at).limit(limit)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            mine = subscription.c.id.in_([row.id for row in rows])
            connection.execute(update(subscription).where(mine).values(due_at=until))
            return list(rows)


def _due_pings(connection: Connection, hub: str, now: datetime, limit: int) -> list[Ping]:
    told = and_(hub_ping.c.path == feed_file.c.path, hub_ping.c.hub == hub)
    changed = or_(hub_ping.c.etag.is_(None), and_(hub_ping.c.etag != feed_file.c.etag, hub_ping.c.due_at <= now))
    query = select(feed_file.c.path, feed_file.c.etag, hub_ping.c.failures).outerjoin(hub_ping, told)
    recent = query.where(feed_file.c.last_modified >= now - RECENT, changed).order_by(feed_file.c.path)
    rows = [row for row in connection.execute(recent) if is_topic(row.path)]
    return [Ping(hub=hub, path=row.path, etag=row.etag, failures=row.failures or 0) for row in rows[:limit]]


def _claim_ping(connection: Connection, ping: Ping, until: datetime, now: datetime) -> bool:
    row = {"hub": ping.hub, "path": ping.path, "etag": "", "due_at": until, "failures": 0}
    if insert_if_missing(connection, hub_ping, row):
        return True
    mine = and_(_is(ping), hub_ping.c.due_at <= now)
    return connection.execute(update(hub_ping).where(mine).values(due_at=until)).rowcount == 1


def _is(ping: Ping) -> Any:
    return and_(hub_ping.c.hub == ping.hub, hub_ping.c.path == ping.path)


def _etag(connection: Connection, path: str) -> str | None:
    return connection.execute(select(feed_file.c.etag).where(feed_file.c.path == path)).scalar()


def _has_room(connection: Connection, host: str) -> bool:
    count = select(func.count()).select_from(subscription)
    on_host = connection.execute(count.where(subscription.c.host == host)).scalar_one()
    return on_host < PER_HOST and connection.execute(count).scalar_one() < IN_ALL


def _distribution(row: Row[Any]) -> Distribution:
    return Distribution(
        id=row.id, path=row.path, callback=row.callback, secret=row.secret, etag=row.etag, failures=row.failures
    )
