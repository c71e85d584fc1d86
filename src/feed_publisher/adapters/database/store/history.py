"""What readers did with their subscriptions, and when: evidence of consent, and an answer to "why do I get this?"."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from feed_publisher.adapters.database.schema import subscription_event


def times(connection: Connection, subscription: int, what: str, since: datetime) -> int:
    """How often it was done since then."""
    done = subscription_event.c.subscription_id == subscription, subscription_event.c.what == what
    query = select(func.count()).where(*done, subscription_event.c.at > since)
    return int(connection.execute(query).scalar_one())


def note(connection: Connection, subscription: int, what: str, detail: str, now: datetime) -> None:
    """Part of the transaction that does it."""
    row = {"subscription_id": subscription, "at": now, "what": what, "detail": detail}
    connection.execute(subscription_event.insert(), row)
