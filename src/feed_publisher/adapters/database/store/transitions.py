"""How deliveries move between their states, inside the ledger's transactions (the table of SEMANTICS §3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, and_, exists, or_, select, update

from feed_publisher.adapters.database.schema import Utc, delivery, issue, subscriber, subscription, suppression
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.suppressing import suppress_reader
from feed_publisher.domain.delivery import DeliveryState, Result, Verdict
from feed_publisher.domain.issue import IssueState, SubscriptionState
from feed_publisher.ports.sending import Mark

WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


def move(
    connection: Connection, which: ColumnElement[bool], state: DeliveryState, reason: str, now: datetime, **more: Any
) -> int:
    """Move deliveries to a state and out of their owner's hands; how many."""
    values = {"state": state, "reason": reason, "changed_at": now, "owner": None} | more
    return int(connection.execute(update(delivery).where(which).values(values)).rowcount)


def issue_goes(number: int) -> ColumnElement[bool]:
    """The issue is neither paused nor cancelled nor waiting for approval."""
    return exists().where(issue.c.id == number, issue.c.state == IssueState.READY)


def _consents(now: datetime) -> ColumnElement[bool]:
    """The reader of a delivery still wants mail now: not left, not paused."""
    wanting = and_(
        subscription.c.id == delivery.c.subscription_id,
        subscription.c.state == SubscriptionState.ACTIVE,
        or_(subscription.c.paused_until.is_(None), subscription.c.paused_until <= now),
    )
    return exists().where(wanting).correlate(delivery)


def _suppressed() -> ColumnElement[bool]:
    never = and_(subscriber.c.id == delivery.c.subscriber_id, suppression.c.address_key == subscriber.c.address_key)
    return exists().where(never).correlate(delivery)


def exclude_unfit(connection: Connection, numbers: Sequence[int], now: datetime) -> None:
    """End waiting deliveries whose reader has left or must not be mailed."""
    waiting = and_(delivery.c.id.in_(numbers), delivery.c.state.in_(WAITING))
    move(connection, and_(waiting, _suppressed()), DeliveryState.SUPPRESSED, "on the never-mail list", now)
    _exclude_left(connection, waiting, now)


def _exclude_left(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    left = and_(which, ~_consents(now))
    put_cursors_back(connection, left)
    move(connection, left, DeliveryState.EXCLUDED, "unsubscribed or paused", now)


def end_refused(connection: Connection, owner: str, marks: Sequence[Mark], now: datetime) -> None:
    """Marks that were refused: say why; a paused issue's deliveries wait on."""
    asked = or_(*(and_(delivery.c.id == asked.delivery, delivery.c.attempt == asked.attempt) for asked in marks))
    mine = and_(asked, delivery.c.owner == owner, delivery.c.state == DeliveryState.CLAIMED)
    move(connection, and_(mine, _suppressed()), DeliveryState.SUPPRESSED, "on the never-mail list", now)
    _exclude_left(connection, mine, now)
    end_cancelled(connection, mine, now)
    move(connection, mine, DeliveryState.QUEUED, "", now)


def end_cancelled(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    """What was under way when its issue was cancelled does not wait on."""
    gone = and_(issue.c.id == delivery.c.issue_id, issue.c.state == IssueState.CANCELLED)
    cancelled = and_(which, exists().where(gone).correlate(delivery))
    put_cursors_back(connection, cancelled)
    return move(connection, cancelled, DeliveryState.EXCLUDED, "cancelled", now)


_MARK = """
UPDATE delivery SET state = 'transmitting', attempted = {yes}, changed_at = {now}
WHERE {asked} AND state = 'claimed' AND owner = {owner}
AND EXISTS (SELECT 1 FROM issue WHERE issue.id = delivery.issue_id AND issue.state = 'ready')
AND EXISTS (SELECT 1 FROM subscription WHERE subscription.id = delivery.subscription_id
            AND subscription.state = 'active'
            AND (subscription.paused_until IS NULL OR subscription.paused_until <= {now}))
AND NOT EXISTS (SELECT 1 FROM subscriber JOIN suppression ON suppression.address_key = subscriber.address_key
                WHERE subscriber.id = delivery.subscriber_id)
RETURNING id
"""
_SENT = """
UPDATE delivery SET state = 'sent', reason = '', owner = NULL, changed_at = {now}
WHERE {asked} AND state IN ('claimed', 'transmitting', 'unknown') AND owner = {owner}
"""


def mark(connection: Connection, owner: str, asked: Sequence[Mark], now: datetime) -> set[int]:
    """The durable marks, those that are granted: each re-checks owner, attempt, edition, issue and consent."""
    if not asked:
        return set()
    keys = _any_of("id, attempt, edition_id", [(each.delivery, each.attempt, each.edition) for each in asked])
    return set(_straight(connection, _MARK, keys, owner=owner, now=now, yes=True).scalars())


def record_sent(connection: Connection, owner: str, results: Sequence[Result], now: datetime) -> None:
    """Store acceptances, by far the most results, as one statement for all; a late one resolves a doubt."""
    if results:
        keys = _any_of("id, attempt", [(result.delivery, result.attempt) for result in results])
        _straight(connection, _SENT, keys, owner=owner, now=now)


def _straight(connection: Connection, statement: str, asked: str, now: datetime, **values: Any) -> CursorResult[Any]:
    """Hand a statement to the driver: compiling one that is never the same takes longer than all the rest."""
    dialect = connection.dialect
    bind = Utc().bind_processor(dialect)
    values["now"] = now if bind is None else bind(now)
    place = ":{}" if dialect.name == "sqlite" else "%({})s"
    return connection.exec_driver_sql(statement.format(asked=asked, **{n: place.format(n) for n in values}), values)


def _any_of(columns: str, keys: Sequence[tuple[int, ...]]) -> str:
    """A condition on rows by their numbers, which stand in the statement: to bind each would cost more than to store.

    SQLite finds no row by a tuple, so the ids stand there by themselves, too.
    """
    ids = ", ".join(str(int(key[0])) for key in keys)
    tuples = ", ".join(f"({', '.join(str(int(number)) for number in key)})" for key in keys)
    return f"id IN ({ids}) AND ({columns}) IN (VALUES {tuples})"


def record(connection: Connection, owner: str, result: Result, verdict: Verdict, now: datetime) -> None:
    """Store what an attempt ended in other than acceptance, unless another owner or attempt has taken over."""
    origins = [DeliveryState.CLAIMED, DeliveryState.TRANSMITTING]
    if verdict.state is DeliveryState.BOUNCED:
        origins.append(DeliveryState.UNKNOWN)  # a late reply
    mine = and_(
        delivery.c.id == result.delivery,
        delivery.c.owner == owner,
        delivery.c.attempt == result.attempt,
        delivery.c.state.in_(origins),
    )
    more: dict[str, Any] = {} if verdict.due_at is None else {"due_at": verdict.due_at}
    if verdict.state is DeliveryState.DEFERRED:
        more["tries"] = delivery.c.tries + 1
    if verdict.state is DeliveryState.BOUNCED and not verdict.suppress:
        put_cursors_back(connection, mine)
    recorded = move(connection, mine, verdict.state, verdict.reason, now, **more)
    if recorded and verdict.state in WAITING:
        waiting = and_(delivery.c.id == result.delivery, delivery.c.state.in_(WAITING))
        end_cancelled(connection, waiting, now)
    if recorded and verdict.suppress:
        person = select(delivery.c.subscriber_id).where(delivery.c.id == result.delivery)
        suppress_reader(connection, connection.execute(person).scalar_one(), verdict.reason, now)
