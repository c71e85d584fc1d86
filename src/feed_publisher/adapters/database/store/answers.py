"""What readers do counts as an answer to “still want this?”; each is part of the transaction that does it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, select, update

from feed_publisher.adapters.database.schema import asked, asking, subscription
from feed_publisher.adapters.database.store.history import note
from feed_publisher.domain.asking import OPEN, AskState

STILL_WANTED = "still wanted?"
"""In the history of a subscription."""


def answered(connection: Connection, number: int, how: str, now: datetime, resumes: bool = False) -> None:
    """A sign of life is a yes. ``resumes``: it also ends, or replaces, a pause for want of an answer."""
    states = (*OPEN, AskState.PAUSED) if resumes else OPEN
    _end(connection, [number], states, AskState.KEPT, f"yes: {how}", now)


def answered_by_person(connection: Connection, subscriber: int, how: str, now: datetime) -> None:
    """A sign of life that concerns all that somebody gets."""
    query = select(subscription.c.id).where(subscription.c.subscriber_id == subscriber)
    _end(connection, connection.execute(query).scalars().all(), OPEN, AskState.KEPT, f"yes: {how}", now)


def departed(connection: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Unsubscribed or erased: nothing more is asked. Nothing is noted, since leaving is in the history itself."""
    _end(connection, numbers, (*OPEN, AskState.PAUSED), AskState.LEFT, "", now)


def is_silent(connection: Connection, number: int) -> bool:
    """Whether a subscription is paused for want of an answer."""
    query = select(asked.c.asking_id).join(asking, asking.c.id == asked.c.asking_id)
    mine = and_(asked.c.subscription_id == number, asked.c.state == AskState.PAUSED, asking.c.rehearsal.is_(False))
    return connection.execute(query.where(mine).limit(1)).first() is not None


def _end(
    connection: Connection,
    numbers: Sequence[int],
    states: Sequence[AskState],
    state: AskState,
    detail: str,
    now: datetime,
) -> None:
    mine = and_(asked.c.subscription_id.in_(numbers), asked.c.state.in_(states))
    query = select(asked.c.asking_id, asked.c.subscription_id).where(mine)
    rows = connection.execute(query.order_by(*asked.primary_key.columns).with_for_update()).all()
    if not rows:
        return
    values = {"state": state, "due_at": None, "handing": False, "ended_at": now}
    connection.execute(update(asked).where(mine).values(values))
    rounds = [row.asking_id for row in rows]
    meant = and_(asking.c.id.in_(rounds), asking.c.rehearsal.is_(False))
    real = set(connection.execute(select(asking.c.id).where(meant)).scalars())
    for number in {row.subscription_id for row in rows if row.asking_id in real and detail}:
        note(connection, number, STILL_WANTED, detail, now)
