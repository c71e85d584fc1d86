"""One batch of an issue's deliveries, stored so that it can be cut short and continued (SEMANTICS §2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from feed_publisher.adapters.database.schema import (
    delivery,
    issue,
    subscription,
)
from feed_publisher.adapters.database.store.audience import digest_id
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.cursors import cursor_of, move_cursors, unfinished_issues
from feed_publisher.adapters.database.store.editions import count_readers, store_editions
from feed_publisher.domain.cadence import cadence_of
from feed_publisher.domain.delivery import UNFINISHED, DeliveryState
from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.issue import Issue, IssueState, SubscriptionState
from feed_publisher.ports.issues import Batch, NewDelivery


def add_batch(connection: Connection, opened: Issue, batch: Batch, now: datetime) -> int:
    """Store the batch up to the first reader who is busy with another issue or has changed; where it got to."""
    _fence(connection, opened, batch)
    cursors = {new.subscription: new.cursor for new in batch.deliveries} | dict(batch.had_nothing)
    stop, gone = _obstacles(connection, opened, batch, cursors)
    deliveries = [new for new in batch.deliveries if new.subscription not in gone and _before(new.subscription, stop)]
    idle = [number for number, _ in batch.had_nothing if number not in gone and _before(number, stop)]
    editions = store_editions(connection, opened.id, batch, {new.edition for new in deliveries})
    _insert(connection, opened, deliveries, editions, now)
    due = [new for new in deliveries if new.state is DeliveryState.QUEUED]
    count_readers(connection, Counter(editions[new.edition] for new in due))
    _move_cursors(connection, opened, batch, idle)
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


def _obstacles(
    connection: Connection, opened: Issue, batch: Batch, cursors: dict[int, int]
) -> tuple[int | None, set[int]]:
    """The first subscription that must be looked at again, and those that have left meanwhile.

    By ranges instead of lists of numbers: those would cost more than all the rest.
    """
    query = select(subscription.c.id, cursor_of(opened.rehearsal).label("cursor_value")).where(
        _within(subscription.c.id, batch),
        subscription.c.digest_id == digest_id(opened.digest),
        subscription.c.state == SubscriptionState.ACTIVE,
    )
    cadence = cadence_of(opened.slot)
    if cadence is not None:
        query = query.where(subscription.c.cadence == cadence)
    found = {
        row.id: row.cursor_value for row in connection.execute(query.order_by(subscription.c.id).with_for_update())
    }
    stops = {number for number, cursor in cursors.items() if found.get(number, cursor) != cursor}
    busy = select(delivery.c.subscription_id).where(
        delivery.c.issue_id.in_(unfinished_issues(opened.digest, opened.id)),
        _within(delivery.c.subscription_id, batch),
        delivery.c.state.in_(UNFINISHED),
    )
    stops |= cursors.keys() & set(connection.execute(busy).scalars())
    gone = cursors.keys() - found.keys()
    return min(stops - gone, default=None), gone


def _within(number: Any, batch: Batch) -> ColumnElement[bool]:
    return and_(number > batch.after, number <= batch.to)


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


def _move_cursors(connection: Connection, opened: Issue, batch: Batch, idle: Sequence[int]) -> None:
    moved = select(delivery.c.subscription_id).where(
        delivery.c.issue_id == opened.id,
        _within(delivery.c.subscription_id, batch),
        delivery.c.state != DeliveryState.EXPIRED,
    )
    move_cursors(connection, moved, opened)
    for chunk in chunks(idle, 500):
        move_cursors(connection, chunk, opened)
