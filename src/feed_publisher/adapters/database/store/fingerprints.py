"""What an import leaves of a subscription and its reader: by that it is seen later whether they have changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from feed_publisher.adapters.database.schema import subscriber, subscription
from feed_publisher.adapters.database.store.common import chunks

CHANGEABLE = (
    *("state", "cadence", "cadence_at", "clock_id", "topic_set_id", "cursor", "rehearsed_cursor"),
    *("joined_at", "consented_at", "consent_source", "letter", "letter_due_at"),
)
"""Columns of a subscription that an import may change."""

_OF_SUBSCRIPTION = (*CHANGEABLE, "paused_until", "left_at", "request")
_OF_READER = ("address", "name", "language")


def fingerprints_of(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """By subscription: a hash of what it is now, with its reader."""
    columns = [subscription.c[name] for name in _OF_SUBSCRIPTION] + [subscriber.c[name] for name in _OF_READER]
    query = select(subscription.c.id, *columns).join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
    found: dict[int, str] = {}
    for chunk in chunks(numbers, 1000):
        for row in connection.execute(query.where(subscription.c.id.in_(chunk))):
            found[row.id] = fingerprint_of(*row[1:])
    return found


def fingerprint_of(*values: Any) -> str:
    """Kept in the database: another way to make it would take every earlier import for changed."""
    return hashlib.sha256(repr([plain(value) for value in values]).encode()).hexdigest()


def plain(value: Any) -> Any:
    """As JSON can hold it."""
    return value.isoformat() if isinstance(value, datetime) else value
