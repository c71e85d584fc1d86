"""A reader's change of address: the new one is written to, and takes the old one's place when its owner says yes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, select, update

from feed_publisher.adapters.database.schema import subscriber, subscription
from feed_publisher.adapters.database.store.answers import answered_by_person
from feed_publisher.adapters.database.store.history import note, times
from feed_publisher.adapters.database.store.people import is_suppressed, may_be_written_to
from feed_publisher.ports.people import Moved

MOVE_FOR = timedelta(hours=1)
MOVES_MOST = 3
"""Addresses that one reader can have written to in a day."""


def ask_move(connection: Connection, number: int, address: str, key: str, now: datetime) -> None:
    """Have a link mailed to the new address, if it may be written to; nobody is told whether it was."""
    person = _person(connection, number, lock=True)
    if person is None or not person.address or is_suppressed(connection, key):
        return
    if times(connection, number, "asked to move", now - timedelta(days=1)) >= MOVES_MOST:
        return
    if not may_be_written_to(connection, key, now):
        return
    note(connection, number, "asked to move", "", now)
    asked = {"new_address": address, "move_request": person.move_request + 1, "move_asked_at": now}
    connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(asked))
    letter = {"letter": "move", "letter_due_at": now}
    connection.execute(update(subscription).where(subscription.c.id == number).values(letter))


def pending_move(
    connection: Connection, number: int, request: int, now: datetime, lock: bool = False
) -> Row[tuple[object, ...]] | None:
    """The person whose new address is asked for by this request, while it may still be answered."""
    person = _person(connection, number, lock)
    if person is None or person.new_address is None or person.move_request != request:
        return None
    return person if person.move_asked_at is not None and person.move_asked_at > now - MOVE_FOR else None


def move_person(connection: Connection, number: int, request: int, key: str, now: datetime) -> Moved:
    """``key`` is that of the new address. Subscriptions, and what was read, stay."""
    person = pending_move(connection, number, request, now, lock=True)
    if person is None:
        return Moved.TOO_LATE
    other = connection.execute(select(subscriber.c.id).where(subscriber.c.address_key == key)).scalar()
    if other is not None and other != person.id:
        return Moved.TAKEN
    if is_suppressed(connection, key):
        return Moved.TOO_LATE
    moved = {"address": person.new_address, "address_key": key, "new_address": None, "move_asked_at": now}
    connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(moved))
    note(connection, number, "moved", "to another address, by links mailed to both", now)
    answered_by_person(connection, person.id, "the reader changed the address", now)
    return Moved.DONE


def _person(connection: Connection, number: int, lock: bool) -> Row[tuple[object, ...]] | None:
    mine = select(subscription.c.subscriber_id).where(subscription.c.id == number)
    query = select(subscriber).where(subscriber.c.id.in_(mine))
    return connection.execute(query.with_for_update() if lock else query).first()
