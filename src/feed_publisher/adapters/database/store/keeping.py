"""The answer to “still want this?”, given on the page that the mail leads to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import asked, asking, subscriber, subscription
from feed_publisher.adapters.database.store.answers import STILL_WANTED, is_silent
from feed_publisher.adapters.database.store.history import note
from feed_publisher.adapters.database.store.people import is_suppressed, views_of
from feed_publisher.adapters.database.store.preferences import resume
from feed_publisher.adapters.database.store.sequence import current_sequence
from feed_publisher.domain.asking import AskState, is_own_word
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.ports.asking import Keeper


class SqlKeepingStore:
    """ports.KeepingStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keeper(self, number: int, subscription_number: int) -> Keeper | None:
        with self._database.read() as connection:
            row = _row(connection, number, subscription_number)
            found = views_of(connection, subscription.c.id == subscription_number) if row is not None else []
        if row is None or not found:
            return None
        state = AskState(row.state)
        silent = state is AskState.PAUSED and not row.rehearsal
        return Keeper(view=found[0], state=state, silent=silent, rehearsal=row.rehearsal)

    def keep(self, number: int, subscription_number: int, fresh: bool, source: str, now: datetime) -> bool:
        with self._database.write() as connection:
            mine = subscription.c.id == subscription_number
            person = connection.execute(select(subscription).where(mine).with_for_update()).first()
            row = _row(connection, number, subscription_number)
            if person is None or row is None or not _may_keep(connection, person):
                return False
            this = and_(asked.c.asking_id == number, asked.c.subscription_id == subscription_number)
            values = {"state": AskState.KEPT, "due_at": None, "handing": False, "ended_at": now}
            first = and_(this, asked.c.state != AskState.KEPT)
            said = connection.execute(update(asked).where(first).values(values)).rowcount == 1
            if not row.rehearsal:
                _consent(connection, person, source, said, now)
                if row.state == AskState.PAUSED and person.paused_until is not None:
                    resume(connection, person, current_sequence(connection) if fresh else None, now)
            return True

    def is_silent(self, subscription_number: int) -> bool:
        with self._database.read() as connection:
            return is_silent(connection, subscription_number)


def _row(connection: Connection, number: int, subscription_number: int) -> Row[Any] | None:
    query = select(asked, asking.c.rehearsal).join(asking, asking.c.id == asked.c.asking_id)
    mine = and_(asked.c.asking_id == number, asked.c.subscription_id == subscription_number)
    return connection.execute(query.where(mine)).first()


def _may_keep(connection: Connection, person: Row[Any]) -> bool:
    """A yes brings back nobody who has left, and no address that is never to be mailed."""
    key = connection.execute(select(subscriber.c.address_key).where(subscriber.c.id == person.subscriber_id)).scalar()
    return person.state == SubscriptionState.ACTIVE and not is_suppressed(connection, str(key))


def _consent(connection: Connection, person: Row[Any], source: str, said: bool, now: datetime) -> None:
    """Older evidence is worth more and stays. ``said``: for the first time, which is in the history in any case."""
    own_word = is_own_word(person.consented_at, person.joined_at, person.consent_source)
    before = f"; before: {person.consent_source}" if person.consent_source and not own_word else ""
    if said or not own_word:
        note(connection, person.id, STILL_WANTED, source + before, now)
    if not own_word:
        values = {"consented_at": now, "consent_source": source}
        connection.execute(update(subscription).where(subscription.c.id == person.id).values(values))
