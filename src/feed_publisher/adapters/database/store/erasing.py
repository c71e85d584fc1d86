"""All that is stored about a person: to be seen by them, and to be erased (SEMANTICS §2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update

from feed_publisher.adapters.database.schema import (
    bounce,
    delivery,
    issue,
    reader_import_row,
    subscriber,
    subscription,
    subscription_event,
)
from feed_publisher.adapters.database.store.answers import departed
from feed_publisher.adapters.database.store.people import views_of
from feed_publisher.adapters.database.store.topic_history import events_of
from feed_publisher.adapters.database.store.transitions import WAITING, move
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import SubscriptionState


def personal_data(connection: Connection, number: int) -> dict[str, Any]:
    """Everything about the person whose subscription this is, as JSON takes it; {} when there is none."""
    mine = select(subscription.c.subscriber_id).where(subscription.c.id == number).scalar_subquery()
    person = connection.execute(select(subscriber).where(subscriber.c.id == mine)).first()
    if person is None:
        return {}
    views = views_of(connection, subscription.c.subscriber_id == person.id)
    consents = select(subscription.c.id, subscription.c.consented_at, subscription.c.consent_source)
    consented = {row.id: row for row in connection.execute(consents.where(subscription.c.subscriber_id == person.id))}
    return {
        "address": person.address,
        "name": person.name,
        "language": person.language,
        "new_address": person.new_address,
        "known_since": person.added_at.isoformat(),
        "subscriptions": [
            {
                "newsletter": view.digest,
                "state": view.state,
                "how_often": view.cadence,
                "topics": list(view.topics),
                "hour": view.at,
                "zone": view.zone,
                "paused_until": view.paused_until.isoformat() if view.paused_until else None,
                "joined_at": view.joined_at.isoformat(),
                "consented_at": _iso(consented[view.subscription].consented_at),
                "consent": consented[view.subscription].consent_source,
                "history": _events(connection, view.subscription),
                "mails": _mails(connection, view.subscription),
            }
            for view in views
        ],
    }


def _events(connection: Connection, number: int) -> list[dict[str, str]]:
    events = events_of(connection, number)
    return [{"at": each.at.isoformat(), "what": each.what, "how": each.detail} for each in events]


def _mails(connection: Connection, number: int) -> list[dict[str, Any]]:
    query = (
        select(issue.c.slot, issue.c.subject, delivery.c.state, delivery.c.changed_at, delivery.c.reason)
        .join(issue, issue.c.id == delivery.c.issue_id)
        .where(delivery.c.subscription_id == number)
        .order_by(delivery.c.id)
    )
    return [
        {"date": row.slot, "subject": row.subject, "state": row.state, "at": _iso(row.changed_at), "why": row.reason}
        for row in connection.execute(query)
    ]


def erase_person(connection: Connection, person: int, now: datetime) -> bool:
    """Blank the address, and what was said about its mail; counts, and the never-mail list, stay.

    False when it was erased before. Nothing more is sent; what is just being transmitted is.
    """
    row = connection.execute(select(subscriber).where(subscriber.c.id == person).with_for_update()).first()
    if row is None or not row.address:
        return False
    mine = select(subscription.c.id).where(subscription.c.subscriber_id == person)
    numbers = list(connection.execute(mine).scalars())
    connection.execute(update(delivery).where(delivery.c.subscription_id.in_(numbers)).values(reason=""))
    connection.execute(update(bounce).where(bounce.c.subscription_id.in_(numbers)).values(reason=""))
    waiting = and_(delivery.c.subscription_id.in_(numbers), delivery.c.state.in_(WAITING))
    move(connection, waiting, DeliveryState.EXCLUDED, "erased", now)
    connection.execute(delete(subscription_event).where(subscription_event.c.subscription_id.in_(numbers)))
    connection.execute(delete(reader_import_row).where(reader_import_row.c.subscription_id.in_(numbers)))
    left = {"state": SubscriptionState.UNSUBSCRIBED, "left_at": now, "letter": None, "letter_due_at": None}
    blank = {**left, "consent_source": "", "request": subscription.c.request + 1}
    connection.execute(update(subscription).where(subscription.c.id.in_(numbers)).values(blank))
    departed(connection, numbers, now)
    nobody = {"address": "", "address_key": f"erased {person}", "name": "", "language": None, "new_address": None}
    connection.execute(update(subscriber).where(subscriber.c.id == person).values(nobody))
    return True


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
