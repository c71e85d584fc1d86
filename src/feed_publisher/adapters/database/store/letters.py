"""Letters that wait: mails to one person that belong to no issue. Who does not confirm is reminded once and forgotten.

What is to be done next about a subscription stands in ``letter``, and when in ``letter_due_at``: to ask for the
confirmation, to remind of it, to forget it (which is no mail).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    asked,
    delivery,
    digest,
    subscriber,
    subscription,
    subscription_event,
    suppression,
)
from feed_publisher.adapters.database.store.erasing import erase_person
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.ports.people import Letter

REMIND_AFTER = timedelta(hours=48)
"""A day before the link stops working."""

TOO_LATE = timedelta(hours=70)
"""Nobody is reminded of a link that stops working in two hours."""

FORGET_AFTER = timedelta(days=7)
_FORGET = "forget"

LEASE = timedelta(minutes=10)
"""How long a claimed letter belongs to one process; after a crash another takes it then."""


class SqlLetterStore:
    """ports.LetterStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, digests: Collection[str], limit: int, now: datetime) -> list[Letter]:
        """Letters that are due, for this process alone; never to an address on the never-mail list."""
        suppressed = exists().where(suppression.c.address_key == subscriber.c.address_key).correlate(subscriber)
        # Letters of a digest that has left the settings stay due, and would stand before all others for ever.
        sendable = select(digest.c.id).where(digest.c.slug.in_(digests))
        # Plus nothing: SQLite would look at all readers of the digest instead of the letters that are due.
        mail = and_(subscription.c.letter != _FORGET, (subscription.c.digest_id + 0).in_(sendable))
        due = select(subscription.c.id).where(subscription.c.letter_due_at <= now, mail)
        with self._database.read() as connection:
            numbers = connection.execute(due.order_by(subscription.c.letter_due_at).limit(10 * limit)).scalars().all()
        if not numbers:
            return []
        query = (
            select(subscription.c.id, subscription.c.request, subscription.c.letter)
            .add_columns(subscriber.c.address, subscriber.c.new_address, subscriber.c.move_request)
            .add_columns(subscriber.c.language, digest.c.slug)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .join(digest, digest.c.id == subscription.c.digest_id)
            .where(subscription.c.id.in_(numbers), subscription.c.letter_due_at <= now)
            .where(digest.c.slug.in_(digests), ~suppressed, subscription.c.letter != _FORGET)
            .order_by(subscription.c.letter_due_at)
            .limit(limit)
        )
        with self._database.write() as connection:
            rows = connection.execute(query.with_for_update(of=subscription, skip_locked=True)).all()
            mine = subscription.c.id.in_([row.id for row in rows])
            connection.execute(update(subscription).where(mine).values(letter_due_at=now + LEASE))
        return [_letter(row) for row in rows]

    def done(self, letter: Letter, accepted: bool) -> None:
        """Accepted, or refused for good. A newer request of the same person stays due."""
        with self._database.write() as connection:
            mine = and_(subscription.c.id == letter.subscription, subscription.c.letter == letter.kind)
            if letter.kind != "move":
                mine = and_(mine, subscription.c.request == letter.request)
            row = connection.execute(select(subscription).where(mine).with_for_update()).first()
            if row is not None:
                values = _afterwards(row, letter.kind, accepted)
                connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))

    def forget(self, now: datetime) -> int:
        """Those who have not confirmed for so long; how many. A reminder that comes too late is none."""
        due = and_(subscription.c.letter_due_at <= now, subscription.c.letter == _FORGET)
        late = and_(
            subscription.c.letter_due_at <= now,
            subscription.c.letter == "reminder",
            subscription.c.asked_at < now - TOO_LATE,
        )
        with self._database.read() as connection:
            if connection.execute(select(subscription.c.id).where(or_(due, late)).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            connection.execute(update(subscription).where(late).values(letter=_FORGET, letter_due_at=now))
            rows = connection.execute(select(subscription).where(due).limit(500).with_for_update()).all()
            for row in rows:
                _forget(connection, row, now)
            return len(rows)

    def later(self, letter: Letter, due_at: datetime) -> None:
        """Not accepted yet."""
        with self._database.write() as connection:
            mine = and_(subscription.c.id == letter.subscription, subscription.c.letter_due_at.is_not(None))
            connection.execute(update(subscription).where(mine).values(letter_due_at=due_at))


def _letter(row: Row[Any]) -> Letter:
    """A change of address is asked of the new one."""
    address, request = row.address, row.request
    if row.letter == "move" and row.new_address:
        address, request = row.new_address, row.move_request
    return Letter(
        subscription=row.id,
        request=request,
        kind=row.letter,
        address=address,
        digest=row.slug,
        language=row.language,
    )


def _afterwards(row: Row[Any], kind: str, accepted: bool) -> dict[str, Any]:
    """What is to be done next, and when."""
    if row.state != SubscriptionState.PENDING or row.asked_at is None:
        return {"letter": None, "letter_due_at": None}
    if kind == "confirm" and accepted:
        return {"letter": "reminder", "letter_due_at": row.asked_at + REMIND_AFTER}
    return {"letter": _FORGET, "letter_due_at": row.asked_at + FORGET_AFTER}


def _forget(connection: Connection, row: Row[Any], now: datetime) -> None:
    """Nothing is left of somebody who never agreed; a former reader is one again.

    SQLite would give the highest number to the next subscription, which an old link would then open: such a row stays,
    blank.
    """
    number = row.id
    if row.state != SubscriptionState.PENDING:
        done = update(subscription).where(subscription.c.id == number)
        connection.execute(done.values(letter=None, letter_due_at=None))
        return
    had = select(delivery.c.id).where(delivery.c.subscription_id == number).limit(1)
    highest = connection.execute(select(func.max(subscription.c.id))).scalar()
    known = row.left_at is not None or connection.execute(had).first() is not None
    others = select(subscription.c.id).where(subscription.c.subscriber_id == row.subscriber_id)
    alone = connection.execute(others.where(subscription.c.id != number).limit(1)).first() is None
    if known or number == highest:
        values = {"state": SubscriptionState.UNSUBSCRIBED, "letter": None, "letter_due_at": None}
        left = update(subscription).where(subscription.c.id == number)
        connection.execute(left.values(request=subscription.c.request + 1, **values))
        if alone and not known:
            erase_person(connection, row.subscriber_id, now)
        return
    connection.execute(delete(subscription_event).where(subscription_event.c.subscription_id == number))
    connection.execute(delete(asked).where(asked.c.subscription_id == number))
    connection.execute(delete(subscription).where(subscription.c.id == number))
    if alone:
        connection.execute(delete(subscriber).where(subscriber.c.id == row.subscriber_id))
