"""What readers were given by a change of topics, for their history.

It is not written down when it happens: that would be a row for each of a million readers. Their choices tell it, for a
topic that came by a change counts from a sequence that nothing else has. It is written down before a choice is changed.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from feed_publisher.adapters.database.schema import (
    subscription,
    subscription_event,
    topic,
    topic_change,
    topic_set,
)
from feed_publisher.adapters.database.store.history import note
from feed_publisher.domain.selection import Choice
from feed_publisher.ports.people import PersonEvent
from feed_publisher.ports.topics import ChangeKind

_SENTENCES = {
    ChangeKind.MERGE: "“{topic}” came along: “{other}”, which the reader had chosen, was merged into it",
    ChangeKind.SPLIT: "“{topic}” came along: it was split from “{other}”, which the reader had chosen",
}


def events_of(connection: Connection, number: int) -> list[PersonEvent]:
    """All that is known of a subscription, oldest first."""
    query = select(subscription_event).where(subscription_event.c.subscription_id == number)
    rows = connection.execute(query.order_by(subscription_event.c.id))
    stored = [PersonEvent(at=row.at, what=row.what, detail=row.detail) for row in rows]
    details = {each.detail for each in stored}
    given = [each for each in _given(connection, number) if each.detail not in details]
    return sorted([*stored, *given], key=lambda each: each.at)


def write_down(connection: Connection, number: int) -> None:
    """What a changed choice would not tell any more."""
    query = select(subscription_event.c.detail).where(subscription_event.c.subscription_id == number)
    stored = set(connection.execute(query).scalars())
    for each in _given(connection, number):
        if each.detail not in stored:
            note(connection, number, each.what, each.detail, each.at)


def _given(connection: Connection, number: int) -> list[PersonEvent]:
    changes = connection.execute(select(topic_change).order_by(topic_change.c.id)).all()
    if not changes:
        return []
    chosen = select(topic_set.c.choice).join(subscription, subscription.c.topic_set_id == topic_set.c.id)
    text = connection.execute(chosen.where(subscription.c.id == number)).scalar()
    starts = Choice.parse(text or "").starts
    titles = {row.id: row.title for row in connection.execute(select(topic.c.id, topic.c.title))}
    return [
        PersonEvent(
            at=row.at,
            what="changed",
            detail=_SENTENCES[ChangeKind(row.kind)].format(topic=titles[row.topic_id], other=titles[row.other_id]),
        )
        for row in changes
        if starts.get(row.topic_id) == row.sequence
    ]
