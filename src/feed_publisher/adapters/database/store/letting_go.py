"""A draft or a paused issue goes on. Mail whose hour passed while it waited is due, and counted, from then."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, issue
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import IssueState

STEP = 2_000
"""Readers in one transaction: for a million of them, one would keep others from writing for seconds."""

_NOT_WAITING = tuple(each for each in DeliveryState if each not in (DeliveryState.QUEUED, DeliveryState.DEFERRED))
_STOPPED = (IssueState.DRAFT, IssueState.PAUSED)


def count_from_now(database: Database, number: int, now: datetime) -> None:
    """Before it goes, while none of its mail can leave. What a crash leaves undone is done by the next who lets it go.

    Nothing happens to an issue that is not stopped.
    """
    behind: int | None = 0
    while behind is not None:
        behind = _some_from_now(database, number, behind, now)


def _some_from_now(database: Database, number: int, behind: int, now: datetime) -> int | None:
    """Up to where it got; None at the end."""
    mine = and_(delivery.c.issue_id == number, delivery.c.subscription_id > behind)
    last = select(delivery.c.subscription_id).where(mine).order_by(delivery.c.subscription_id)
    with database.write() as connection:
        stopped = and_(issue.c.id == number, issue.c.state.in_(_STOPPED))
        if connection.execute(select(issue.c.id).where(stopped).with_for_update()).first() is None:
            return None
        to: int | None = connection.execute(last.offset(STEP - 1).limit(1)).scalar()
        page = mine if to is None else and_(mine, delivery.c.subscription_id <= to)
        # By what the state is not: SQLite would walk all that waits in the issue for each step.
        late = and_(page, delivery.c.state.not_in(_NOT_WAITING), delivery.c.not_before < now)
        connection.execute(update(delivery).where(late).values(not_before=now, due_at=now))
        return to


def let_go(connection: Connection, number: int) -> None:
    """From here on its mail leaves when it is due."""
    mine = and_(issue.c.id == number, issue.c.state.in_(_STOPPED))
    connection.execute(update(issue).where(mine).values(state=IssueState.READY, held=False))
