"""The requests and subscriptions of our own WebSub hub."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, literal, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import feed_file, hub_request, hub_subscription
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.domain.websub import TOPIC_PATH, HubMode, HubRequest
from feed_publisher.ports.websub import HubLimits, HubSubscription


class SqlHubStore:
    """ports.HubStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- requests

    def etag(self, path: str) -> str | None:
        mine = and_(feed_file.c.path == path, feed_file.c.path.regexp_match(TOPIC_PATH))
        with self._database.read() as connection:
            return connection.execute(select(feed_file.c.etag).where(mine)).scalar()

    def ask(self, request: HubRequest, etag: str, limits: HubLimits, now: datetime) -> bool:
        """Two at the same time may both find the last room on PostgreSQL; the limits are no exact science."""
        values = _request_values(request) | {"etag": etag, "due_at": now}
        with self._database.write() as connection:
            same = update(hub_request).where(hub_request.c.key == request.key)
            if connection.execute(same.values(values)).rowcount:
                return True
            if not _has_room(connection, request, limits):
                return False
            insert_if_missing(connection, hub_request, values | {"key": request.key})
            return True

    def claim_requests(self, until: datetime, now: datetime, limit: int) -> list[HubRequest]:
        due = select(hub_request).where(hub_request.c.due_at <= now).order_by(hub_request.c.due_at).limit(limit)
        with self._database.read() as connection:  # most of the time there is nothing, and nobody is to wait for us
            if connection.execute(due).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(due.with_for_update(skip_locked=True)).all()
            mine = hub_request.c.key.in_([row.key for row in rows])
            connection.execute(update(hub_request).where(mine).values(due_at=until))
        return [_request(row) for row in rows]

    def confirm(self, request: HubRequest, now: datetime) -> bool:
        same = hub_subscription.c.key == request.key
        with self._database.write() as connection:
            etag = _take(connection, request)
            if etag is None:
                return False
            if request.mode is HubMode.UNSUBSCRIBE:
                connection.execute(delete(hub_subscription).where(same))
                return True
            values = {"secret": request.secret, "lease_until": now + request.lease, "due_at": now, "failures": 0}
            if not connection.execute(update(hub_subscription).where(same).values(values)).rowcount:
                row = _subscription_values(request) | values | {"delivered_etag": etag}
                insert_if_missing(connection, hub_subscription, row)
            return True

    def refuse(self, request: HubRequest) -> None:
        with self._database.write() as connection:
            _take(connection, request)

    # --- subscriptions

    def claim_deliveries(self, until: datetime, now: datetime, limit: int) -> list[HubSubscription]:
        table = hub_subscription.c
        due = (
            select(hub_subscription, feed_file.c.etag)
            .join(feed_file, feed_file.c.path == table.path)
            .where(table.delivered_etag != feed_file.c.etag, table.due_at <= now, table.lease_until > now)
            .order_by(table.due_at, table.key)
            .limit(limit)
        )
        with self._database.read() as connection:
            if connection.execute(due).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(due.with_for_update(of=hub_subscription, skip_locked=True)).all()
            mine = table.key.in_([row.key for row in rows])
            connection.execute(update(hub_subscription).where(mine).values(due_at=until))
        return [_subscription(row, row.etag, until) for row in rows]

    def delivered(self, subscription: HubSubscription, now: datetime) -> None:
        self._settle(subscription, delivered_etag=subscription.etag, due_at=now, failures=0, error="")

    def failed(self, subscription: HubSubscription, again: datetime, error: str) -> None:
        self._settle(subscription, due_at=again, failures=subscription.failures + 1, error=error)

    def _settle(self, subscription: HubSubscription, **values: Any) -> None:
        """Unless it was renewed meanwhile, with another secret perhaps, or taken over by another process."""
        with self._database.write() as connection:
            connection.execute(update(hub_subscription).where(_mine(subscription)).values(values))

    def drop(self, subscription: HubSubscription) -> None:
        with self._database.write() as connection:
            connection.execute(delete(hub_subscription).where(_mine(subscription)))

    def end_leases(self, now: datetime) -> int:
        over = hub_subscription.c.lease_until <= now
        with self._database.read() as connection:
            if connection.execute(select(hub_subscription.c.key).where(over)).first() is None:
                return 0
        with self._database.write() as connection:
            return connection.execute(delete(hub_subscription).where(over)).rowcount

    def take_strays(self, base_url: str, limit: int) -> list[HubSubscription]:
        table = hub_subscription.c
        moved = table.topic != literal(f"{base_url}/").concat(table.path)
        gone = or_(feed_file.c.path.is_(None), moved)
        query = select(hub_subscription).outerjoin(feed_file, feed_file.c.path == table.path).where(gone).limit(limit)
        with self._database.read() as connection:
            strays = {row.key: _subscription(row, "", row.due_at) for row in connection.execute(query)}
        if not strays:
            return []
        with self._database.write() as connection:
            ended = delete(hub_subscription).where(table.key.in_(strays)).returning(table.key)
            return [strays[key] for key in connection.execute(ended).scalars()]


def _has_room(connection: Connection, request: HubRequest, limits: HubLimits) -> bool:
    """A subscription that is there may always be renewed or ended; requests count as what they may become."""
    waiting_here, waiting = _counts(connection, hub_request, request.host)
    if waiting_here >= limits.waiting_per_host or waiting >= limits.waiting:
        return False
    same = select(hub_subscription.c.key).where(hub_subscription.c.key == request.key)
    if request.mode is HubMode.UNSUBSCRIBE or connection.execute(same).first() is not None:
        return True
    here, total = _counts(connection, hub_subscription, request.host)
    return here + waiting_here < limits.per_host and total + waiting < limits.total


def _counts(connection: Connection, table: Any, host: str) -> tuple[int, int]:
    """Of one host, and of all."""
    mine = select(func.count()).select_from(table).where(table.c.host == host).scalar_subquery()
    everything = select(func.count()).select_from(table).scalar_subquery()
    row = connection.execute(select(mine, everything)).one()
    return int(row[0]), int(row[1])


def _take(connection: Connection, request: HubRequest) -> str | None:
    """Remove the request, if it is still this one; the etag it was made at."""
    mine = and_(hub_request.c.key == request.key, hub_request.c.challenge == request.challenge)
    return connection.execute(delete(hub_request).where(mine).returning(hub_request.c.etag)).scalar()


def _mine(subscription: HubSubscription) -> Any:
    return and_(hub_subscription.c.key == subscription.key, hub_subscription.c.due_at == subscription.until)


def _request_values(request: HubRequest) -> dict[str, Any]:
    return {
        "mode": request.mode,
        "topic": request.topic,
        "path": request.path,
        "callback": request.callback,
        "host": request.host,
        "lease_seconds": int(request.lease.total_seconds()),
        "secret": request.secret,
        "challenge": request.challenge,
    }


def _subscription_values(request: HubRequest) -> dict[str, Any]:
    names = ("key", "topic", "path", "callback", "host")
    return {name: getattr(request, name) for name in names}


def _request(row: Any) -> HubRequest:
    return HubRequest(
        mode=HubMode(row.mode),
        topic=row.topic,
        path=row.path,
        callback=row.callback,
        lease=timedelta(seconds=row.lease_seconds),
        secret=row.secret,
        challenge=row.challenge,
    )


def _subscription(row: Any, etag: str, until: datetime) -> HubSubscription:
    return HubSubscription(
        key=row.key,
        topic=row.topic,
        path=row.path,
        callback=row.callback,
        secret=row.secret,
        etag=etag,
        failures=row.failures,
        until=until,
    )
