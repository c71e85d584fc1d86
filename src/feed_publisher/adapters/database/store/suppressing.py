"""Taking an address out for good, with the reason in the history of its subscriptions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from feed_publisher.adapters.database.schema import subscriber, subscription, suppression
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.adapters.database.store.history import note


def suppress_reader(connection: Connection, person: int, reason: str, now: datetime) -> bool:
    """Never mail this subscriber's address again; False when that is so already, or the address was erased."""
    key = connection.execute(select(subscriber.c.address_key).where(subscriber.c.id == person)).scalar_one()
    if key.startswith("erased "):
        return False  # its hash is gone with the address
    if not insert_if_missing(connection, suppression, {"address_key": key, "reason": reason, "created_at": now}):
        return False
    mine = select(subscription.c.id).where(subscription.c.subscriber_id == person)
    for number in connection.execute(mine).scalars().all():
        note(connection, number, "never mailed", reason, now)
    return True
