"""What readers did with their subscriptions, and when: evidence of consent, and an answer to "why do I get this?"."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from feed_publisher.adapters.database.schema import subscription_event


def note(connection: Connection, subscription: int, what: str, detail: str, now: datetime) -> None:
    """Part of the transaction that does it."""
    row = {"subscription_id": subscription, "at": now, "what": what, "detail": detail}
    connection.execute(subscription_event.insert(), row)
