"""Letters that wait: mails to one person that belong to no issue."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import digest, subscriber, subscription, suppression
from feed_publisher.ports.people import Letter

LEASE = timedelta(minutes=10)
"""How long a claimed letter belongs to one process; after a crash another takes it then."""


class SqlLetterStore:
    """ports.LetterStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, digests: Collection[str], limit: int, now: datetime) -> list[Letter]:
        """Letters that are due, for this process alone; never to an address on the never-mail list."""
        suppressed = exists().where(suppression.c.address_key == subscriber.c.address_key).correlate(subscriber)
        due = select(subscription.c.id).where(subscription.c.letter_due_at <= now)
        with self._database.read() as connection:
            numbers = connection.execute(due.order_by(subscription.c.letter_due_at).limit(10 * limit)).scalars().all()
        if not numbers:
            return []
        query = (
            select(subscription.c.id, subscription.c.request, subscription.c.letter)
            .add_columns(subscriber.c.address, digest.c.slug)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .join(digest, digest.c.id == subscription.c.digest_id)
            .where(subscription.c.id.in_(numbers), subscription.c.letter_due_at <= now)
            .where(digest.c.slug.in_(digests), ~suppressed)
            .order_by(subscription.c.letter_due_at)
            .limit(limit)
        )
        with self._database.write() as connection:
            rows = connection.execute(query.with_for_update(of=subscription, skip_locked=True)).all()
            mine = subscription.c.id.in_([row.id for row in rows])
            connection.execute(update(subscription).where(mine).values(letter_due_at=now + LEASE))
        return [
            Letter(subscription=row.id, request=row.request, kind=row.letter, address=row.address, digest=row.slug)
            for row in rows
        ]

    def done(self, letter: Letter) -> None:
        """Accepted, or refused for good. A newer request of the same person stays due."""
        with self._database.write() as connection:
            mine = and_(
                subscription.c.id == letter.subscription,
                subscription.c.request == letter.request,
                subscription.c.letter == letter.kind,
            )
            connection.execute(update(subscription).where(mine).values(letter=None, letter_due_at=None))

    def later(self, letter: Letter, due_at: datetime) -> None:
        """Not accepted yet."""
        with self._database.write() as connection:
            mine = and_(subscription.c.id == letter.subscription, subscription.c.letter_due_at.is_not(None))
            connection.execute(update(subscription).where(mine).values(letter_due_at=due_at))
