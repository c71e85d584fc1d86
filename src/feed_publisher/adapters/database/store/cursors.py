"""Where a subscription stands: its cursor, and how it goes back when a delivery ends in nothing (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, update

from feed_publisher.adapters.database.schema import delivery, issue, subscription
from feed_publisher.domain.delivery import DeliveryState


def cursor_of(rehearsal: bool) -> ColumnElement[int]:
    """Rehearsals keep a cursor of their own, so the first real issue starts where the digest started."""
    if not rehearsal:
        return subscription.c.cursor
    ahead = subscription.c.rehearsed_cursor > subscription.c.cursor
    return case((ahead, subscription.c.rehearsed_cursor), else_=subscription.c.cursor)


def put_cursors_back(connection: Connection, ended: ColumnElement[bool]) -> None:
    """For deliveries that end without possible acceptance: their entries come in the next issue.

    ``ended`` selects deliveries that are about to leave an unfinished state.
    """
    for column, rehearsal in ((subscription.c.cursor, False), (subscription.c.rehearsed_cursor, True)):
        back = (
            select(func.min(delivery.c.from_sequence))
            .join(issue, issue.c.id == delivery.c.issue_id)
            .where(ended, delivery.c.subscription_id == subscription.c.id, issue.c.rehearsal.is_(rehearsal))
            .correlate(subscription)
            .scalar_subquery()
        )
        concerned = (
            select(delivery.c.subscription_id)
            .join(issue, issue.c.id == delivery.c.issue_id)
            .where(ended, issue.c.rehearsal.is_(rehearsal))
        )
        lower = and_(subscription.c.id.in_(concerned), column > back)
        connection.execute(update(subscription).where(lower).values({column: back}))


def expire_waiting(connection: Connection, subscriptions: Sequence[int], now: datetime) -> None:
    """End what these subscriptions still have waiting of earlier issues; the entries come again."""
    waiting = and_(
        delivery.c.subscription_id.in_(subscriptions),
        delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED)),
    )
    put_cursors_back(connection, waiting)
    values = {"state": DeliveryState.EXPIRED, "reason": "the next issue came first", "changed_at": now}
    connection.execute(update(delivery).where(waiting).values(values))
