"""What waits of an issue that is cancelled ends in short steps: for a million readers one would lock out everybody."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, exists, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, issue
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.transitions import WAITING, move
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import IssueState

STEP = 500
"""Readers in one transaction."""

_NOT_WAITING = tuple(state for state in DeliveryState if state not in WAITING)


def cancelled_issues(database: Database, *reasons: str) -> list[int]:
    """Those that have mails which wait; only those that were cancelled for these reasons, if any are given."""
    ended = issue.c.state == IssueState.CANCELLED
    waits = and_(delivery.c.issue_id == issue.c.id, delivery.c.state.in_(WAITING))
    query = select(issue.c.id).where(ended, exists().where(waits))
    with database.read() as connection:
        return list(connection.execute(query.where(issue.c.reason.in_(reasons)) if reasons else query).scalars())


def end_mails(database: Database, number: int, behind: int, limit: int, now: datetime) -> tuple[int | None, int]:
    """End what waits among so many subscriptions behind one, with the issue's reason; the articles come again.

    Up to where it got (None: to the end), and how many mails.
    """
    mine = and_(delivery.c.issue_id == number, delivery.c.subscription_id > behind)
    last = select(delivery.c.subscription_id).where(mine).order_by(delivery.c.subscription_id)
    with database.write() as connection:
        to: int | None = connection.execute(last.offset(limit - 1).limit(1)).scalar()
        page = mine if to is None else and_(mine, delivery.c.subscription_id <= to)
        # By what the state is not: SQLite would walk all that waits in the issue for each step.
        waiting = and_(page, delivery.c.state.not_in(_NOT_WAITING))
        put_cursors_back(connection, waiting)
        reason = connection.execute(select(issue.c.reason).where(issue.c.id == number)).scalar_one()
        return to, move(connection, waiting, DeliveryState.EXCLUDED, reason or "cancelled", now)


def end_all(database: Database, number: int, now: datetime) -> None:
    """Every step of one issue. What a crash leaves is ended by the next step that opens issues."""
    behind: int | None = 0
    while behind is not None:
        behind, _ = end_mails(database, number, behind, STEP, now)
