"""One batch of an issue's deliveries, stored so that it can be cut short and continued (SEMANTICS §2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from feed_publisher.adapters.database.schema import (
    delivery,
    issue,
    subscription,
)
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.cursors import cursor_of, move_cursors
from feed_publisher.adapters.database.store.editions import count_readers, store_edition
from feed_publisher.domain.delivery import UNFINISHED, DeliveryState
from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.issue import Issue, IssueState, SubscriptionState
from feed_publisher.ports.issues import Batch, NewDelivery


def add_batch(connection: Connection, opened: Issue, batch: Batch, now: datetime) -> int:
    """Store the batch up to the first reader who is busy with another issue or has changed; where it got to."""
    _fence(connection, opened, batch)
    cursors = {new.subscription: new.cursor for new in batch.deliveries} | dict(batch.had_nothing)
    stop, gone = _obstacles(connection, opened, cursors)
    deliveries = [new for new in batch.deliveries if new.subscription not in gone and _before(new.subscription, stop)]
    idle = [number for number, _ in batch.had_nothing if number not in gone and _before(number, stop)]
    wanted = {new.edition for new in deliveries}
    editions = {
        new.fingerprint: store_edition(connection, opened.id, new, batch.templates)
        for new in batch.editions
        if new.fingerprint in wanted
    }
    _insert(connection, opened, deliveries, editions, now)
    due = [new for new in deliveries if new.state is DeliveryState.QUEUED]
    for number, count in Counter(editions[new.edition] for new in due).items():
        count_readers(connection, number, count)
    moved = [new.subscription for new in deliveries if new.state is not DeliveryState.EXPIRED] + idle
    _move_cursors(connection, opened, moved)
    reached = batch.to if stop is None else max([n for n in cursors if n < stop], default=batch.after)
    connection.execute(update(issue).where(issue.c.id == opened.id).values(prepared_to=reached))
    return reached


def _before(number: int, stop: int | None) -> bool:
    return stop is None or number < stop


def _fence(connection: Connection, opened: Issue, batch: Batch) -> None:
    """Only the owner continues, and only from where the last batch ended."""
    row = connection.execute(select(issue).where(issue.c.id == opened.id).with_for_update()).one()
    mine = (row.state, row.owner, row.prepared_to) == (IssueState.PREPARING, opened.owner, batch.after)
    if not mine:
        raise StorageError(f"issue {opened.id} is being prepared by another process; nothing was added twice")


def _obstacles(connection: Connection, opened: Issue, cursors: dict[int, int]) -> tuple[int | None, set[int]]:
    """The first subscription that must be looked at again, and those that have left meanwhile."""
    stops: set[int] = set()
    gone: set[int] = set()
    for chunk in chunks(sorted(cursors), 500):
        query = select(subscription.c.id, subscription.c.state, cursor_of(opened.rehearsal).label("cursor_value"))
        query = query.where(subscription.c.id.in_(chunk)).order_by(subscription.c.id)
        for row in connection.execute(query.with_for_update()):
            if row.state != SubscriptionState.ACTIVE:
                gone.add(row.id)
            elif row.cursor_value != cursors[row.id]:
                stops.add(row.id)
        busy = select(delivery.c.subscription_id).where(
            delivery.c.subscription_id.in_(chunk), delivery.c.state.in_(UNFINISHED), delivery.c.issue_id != opened.id
        )
        stops |= set(connection.execute(busy).scalars())
    return min(stops - gone, default=None), gone


def _insert(
    connection: Connection, opened: Issue, deliveries: Sequence[NewDelivery], editions: dict[str, int], now: datetime
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "issue_id": opened.id,
            "subscription_id": new.subscription,
            "subscriber_id": new.subscriber,
            "edition_id": editions[new.edition],
            "state": new.state,
            "reason": new.reason,
            "from_sequence": new.cursor,
            "not_before": new.not_before,
            "due_at": new.not_before,
            "attempt": 0,
            "tries": 0,
            "attempted": False,
            "changed_at": now,
        }
        for new in deliveries
    ]
    if rows:
        connection.execute(delivery.insert(), rows)


def _move_cursors(connection: Connection, opened: Issue, subscriptions: Sequence[int]) -> None:
    for chunk in chunks(subscriptions, 500):
        move_cursors(connection, chunk, opened)
