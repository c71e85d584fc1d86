"""Rounds that go on: who is mailed now, what became of the mail, and the pause of who was silent.

Whoever locks a subscription and a row of ``asked`` locks the subscription first, as readers' own acts do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    asked,
    asking,
    delivery,
    digest,
    subscriber,
    subscription,
    subscription_event,
    suppression,
)
from feed_publisher.adapters.database.store.answers import STILL_WANTED
from feed_publisher.adapters.database.store.asking import round_rows, tally, to_round
from feed_publisher.adapters.database.store.audience import suppressed
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.history import note
from feed_publisher.adapters.database.store.transitions import WAITING, move
from feed_publisher.domain.asking import AskState, Next
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.ports.asking import Due, Round

LEASE = timedelta(minutes=10)
"""How long a claimed mail belongs to one process; after a crash another takes it then."""

IN_DOUBT = timedelta(hours=1)
"""How long a mail may be under way; then the process that handed it over is gone."""

MAILED = (AskState.ASKED, AskState.WAITING)
"""States that end with a mail. Reminders come first: those who wait have not been promised a day."""


class SqlAskedStore:
    """ports.AskedStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def going_on(self, digests: Collection[str], rehearsal: bool) -> list[Round]:
        running = and_(asking.c.ready_at.is_not(None), asking.c.stopped_at.is_(None), asking.c.ended_at.is_(None))
        query = round_rows().where(running, asking.c.rehearsal.is_(rehearsal), digest.c.slug.in_(digests))
        with self._database.read() as connection:
            return [to_round(row) for row in connection.execute(query.order_by(asking.c.id))]

    def look(self, number: int, hold_until: datetime | None, now: datetime) -> None:
        values: dict[str, Any] = {"looked_at": now} | ({"hold_until": hold_until} if hold_until else {})
        with self._database.write() as connection:
            connection.execute(update(asking).where(asking.c.id == number).values(values))

    def claim(self, round_: Round, limit: int, now: datetime) -> list[Due]:
        with self._database.read() as connection:
            numbers = [number for state in MAILED for number in _due(connection, round_.number, state, limit, now)]
        if not numbers:
            return []
        with self._database.write() as connection:
            rows = _locked(connection, round_.number, numbers[:limit], MAILED, now)
            _set(connection, round_.number, [row.id for row in rows], due_at=now + LEASE)
            lost = [row for row in rows if row.handing]
            _settle_lost(connection, round_, lost, now)
            _settle_gone(connection, round_, [row for row in rows if not row.handing], now)
        return [_to_due(round_, row) for row in rows if not row.handing and _is_to_be_asked(row, now)]

    def mark(self, due: Due, now: datetime) -> bool:
        wanting = and_(
            subscription.c.id == due.subscription,
            subscription.c.state == SubscriptionState.ACTIVE,
            or_(subscription.c.paused_until.is_(None), subscription.c.paused_until <= now),
            subscriber.c.id == subscription.c.subscriber_id,
            ~suppressed(),
        )
        goes_on = and_(asking.c.id == due.round.number, asking.c.stopped_at.is_(None))
        mine = and_(_mine(due), asked.c.handing.is_(False), exists().where(wanting), exists().where(goes_on))
        values = {"handing": True, "due_at": now + IN_DOUBT}
        with self._database.durable() as connection:
            return connection.execute(update(asked).where(mine).values(values)).rowcount == 1

    def settle(self, due: Due, after: Next, reason: str, suppress: bool, now: datetime) -> None:
        over = after.state is AskState.UNREACHED
        values: dict[str, Any] = {"state": after.state, "due_at": after.due_at, "tries": after.tries, "handing": False}
        values |= {"ended_at": now} if over else {}
        if after.state is AskState.ASKED and due.state is AskState.WAITING:
            values["asked_at"] = now
        with self._database.durable() as connection:
            # The note refers to it: its reader, who has it first, may be about to answer.
            connection.execute(select(subscription.c.id).where(subscription.c.id == due.subscription).with_for_update())
            settled = connection.execute(update(asked).where(_mine(due)).values(values)).rowcount
            if settled and after.state is not due.state and not due.round.rehearsal:
                note(connection, due.subscription, STILL_WANTED, _story(after.state, due.round.number, reason), now)
            if suppress and not due.round.rehearsal:
                _suppress(connection, due.subscription, reason, now)

    def pause_silent(self, round_: Round, until: datetime, limit: int, now: datetime) -> int:
        with self._database.read() as connection:
            numbers = _due(connection, round_.number, AskState.REMINDED, limit, now)
        if not numbers:
            return 0
        with self._database.write() as connection:
            theirs = select(subscription.c.id).where(subscription.c.id.in_(numbers)).order_by(subscription.c.id)
            connection.execute(theirs.with_for_update()).all()
            rows = _locked(connection, round_.number, numbers, (AskState.REMINDED,), now)
            _settle_gone(connection, round_, rows, now)
            silent = [row.id for row in rows if _is_to_be_asked(row, now)]
            _set(connection, round_.number, silent, state=AskState.PAUSED, due_at=None, ended_at=now)
            if silent and not round_.rehearsal:
                _pause(connection, round_.number, silent, until, now)
        return len(numbers)

    def end(self, number: int, now: datetime) -> bool:
        left = exists().where(asked.c.asking_id == number, asked.c.state.in_((*MAILED, AskState.REMINDED)))
        with self._database.read() as connection:
            if connection.execute(select(left)).scalar():
                return False
        mine = and_(asking.c.id == number, asking.c.ended_at.is_(None), ~left)
        with self._database.write() as connection:
            return connection.execute(update(asking).where(mine).values(ended_at=now)).rowcount == 1

    def tally(self, number: int) -> dict[AskState, int]:
        with self._database.read() as connection:
            return tally(connection, number)


def _due(connection: Connection, number: int, state: AskState, limit: int, now: datetime) -> list[int]:
    mine = and_(asked.c.asking_id == number, asked.c.state == state, asked.c.due_at <= now)
    query = select(asked.c.subscription_id).where(mine).order_by(asked.c.due_at).limit(limit)
    return list(connection.execute(query).scalars())


def _locked(
    connection: Connection, number: int, subscriptions: Sequence[int], states: Sequence[AskState], now: datetime
) -> Sequence[Row[Any]]:
    """Those that are still due, with what is known of their readers.

    Whether they are is seen here: an index that begins with the state would be walked from its beginning.
    """
    query = (
        select(asked.c.state.label("asked_state"), asked.c.due_at, asked.c.handing, asked.c.tries, subscription)
        .add_columns(subscriber.c.address, subscriber.c.language, suppressed().label("suppressed"))
        .join(subscription, subscription.c.id == asked.c.subscription_id)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(asked.c.asking_id == number, asked.c.subscription_id.in_(subscriptions))
    )
    rows = connection.execute(query.with_for_update(of=asked, skip_locked=True)).all()
    due = [row for row in rows if row.asked_state in states and row.due_at is not None and row.due_at <= now]
    return sorted(due, key=lambda row: (row.due_at, row.id))


def _set(connection: Connection, number: int, subscriptions: Sequence[int], **values: Any) -> None:
    mine = and_(asked.c.asking_id == number, asked.c.subscription_id.in_(subscriptions))
    if subscriptions:
        connection.execute(update(asked).where(mine).values(values))


def _mine(due: Due) -> ColumnElement[bool]:
    """Unless its reader has answered meanwhile."""
    return and_(
        asked.c.asking_id == due.round.number,
        asked.c.subscription_id == due.subscription,
        asked.c.state == due.state,
    )


def _is_to_be_asked(row: Row[Any], now: datetime) -> bool:
    return not _has_gone(row) and not _has_paused(row, now)


def _has_gone(row: Row[Any]) -> bool:
    return row.state != SubscriptionState.ACTIVE or row.suppressed or not row.address


def _has_paused(row: Row[Any], now: datetime) -> bool:
    return row.paused_until is not None and row.paused_until > now


def _settle_gone(connection: Connection, round_: Round, rows: Sequence[Row[Any]], now: datetime) -> None:
    """Who has left, or is never mailed, is asked no more; nor who has paused it, which was an answer."""
    over = {"due_at": None, "handing": False, "ended_at": now}
    gone = [row.id for row in rows if _has_gone(row)]
    paused = [row.id for row in rows if not _has_gone(row) and _has_paused(row, now)]
    _set(connection, round_.number, gone, state=AskState.LEFT, **over)
    _set(connection, round_.number, paused, state=AskState.KEPT, **over)


def _settle_lost(connection: Connection, round_: Round, rows: Sequence[Row[Any]], now: datetime) -> None:
    """Mails that a crash left in doubt. The first is not repeated; after the second nobody knows what silence means."""
    first = [row.id for row in rows if row.asked_state == AskState.WAITING]
    second = [row.id for row in rows if row.asked_state == AskState.ASKED]
    due_at = now + round_.patience.until_reminder
    _set(connection, round_.number, first, state=AskState.ASKED, due_at=due_at, handing=False, asked_at=now)
    _set(connection, round_.number, second, state=AskState.UNREACHED, due_at=None, handing=False, ended_at=now)


def _to_due(round_: Round, row: Row[Any]) -> Due:
    return Due(
        round=round_,
        subscription=row.id,
        state=AskState(row.asked_state),
        tries=row.tries,
        address=row.address,
        language=row.language,
        since=min(row.joined_at, row.consented_at or row.joined_at),
        source=row.consent_source,
    )


def _story(state: AskState, number: int, reason: str) -> str:
    match state:
        case AskState.ASKED:
            return f"asked by mail (round {number})"
        case AskState.REMINDED:
            return f"asked once more by mail (round {number})"
    return f"the mail could not be handed over, so silence means nothing (round {number}): {reason}".rstrip(": ")


def _suppress(connection: Connection, number: int, reason: str, now: datetime) -> None:
    """As when a mail of an issue is refused for its address; the hash of an erased one is gone."""
    query = select(subscriber.c.address_key).join(subscription, subscription.c.subscriber_id == subscriber.c.id)
    key = connection.execute(query.where(subscription.c.id == number, subscriber.c.address != "")).scalar()
    if key is not None:
        insert_missing(connection, suppression, [{"address_key": key, "reason": reason, "created_at": now}])


def _pause(connection: Connection, round_number: int, numbers: Sequence[int], until: datetime, now: datetime) -> None:
    """What waits for them is taken back, so that its articles come when they go on."""
    waiting = and_(delivery.c.subscription_id.in_(numbers), delivery.c.state.in_(WAITING))
    put_cursors_back(connection, waiting)
    move(connection, waiting, DeliveryState.EXCLUDED, "unsubscribed or paused", now)
    values = {"paused_until": until, "paused_fresh": False}
    connection.execute(update(subscription).where(subscription.c.id.in_(numbers)).values(values))
    detail = f"asked twice whether it is still wanted, no answer (round {round_number}); until the reader goes on"
    rows = [{"subscription_id": number, "at": now, "what": "paused", "detail": detail} for number in numbers]
    connection.execute(subscription_event.insert(), rows)
