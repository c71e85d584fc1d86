"""Sequences: the order in which entries became mailable in each topic (SEMANTICS §1, Sequence)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, select, text

from feed_publisher.adapters.database.engine import lock_counter
from feed_publisher.adapters.database.schema import Utc, counter, entry_topic, topic
from feed_publisher.adapters.database.store.common import chunks, insert_missing

_NUMBER = text(
    "UPDATE entry_topic SET sequence = :n, mailable_at = :now WHERE entry_id = :e AND topic_id = :t"
).bindparams(bindparam("now", type_=Utc()))


def make_mailable(connection: Connection, entries: Sequence[int], now: datetime) -> None:
    """Give every (entry, topic) without a sequence the next one; entries in the order given, oldest first.

    The counter's row stays locked until the transaction ends, so commit order is sequence order.
    """
    for chunk in chunks(entries, 500):
        _follow_merges(connection, chunk)
        place = {number: index for index, number in enumerate(chunk)}
        query = select(entry_topic.c.entry_id, entry_topic.c.topic_id)
        rows = connection.execute(
            query.where(entry_topic.c.entry_id.in_(chunk), entry_topic.c.sequence.is_(None), ~_counted_before())
        ).all()
        if not rows:
            continue
        ordered = sorted(rows, key=lambda row: (place[row.entry_id], row.topic_id))
        first = lock_counter(connection, "sequence", len(ordered)) - len(ordered) + 1
        connection.execute(
            _NUMBER,
            [{"n": first + i, "e": row.entry_id, "t": row.topic_id, "now": now} for i, row in enumerate(ordered)],
        )


def _counted_before() -> ColumnElement[bool]:
    """The entry was mailable in a topic that has gone into this one: to those who wanted it, once and for all."""
    past = entry_topic.alias("past")
    same = and_(past.c.entry_id == entry_topic.c.entry_id, past.c.sequence.is_not(None))
    return exists().where(same, topic.c.id == past.c.topic_id, topic.c.merged_into == entry_topic.c.topic_id)


def _follow_merges(connection: Connection, entries: Sequence[int]) -> None:
    """What was never mailable in a topic that has gone becomes so in the one it went into."""
    left = and_(entry_topic.c.entry_id.in_(entries), entry_topic.c.sequence.is_(None), topic.c.merged_into.is_not(None))
    query = select(entry_topic.c.entry_id, entry_topic.c.topic_id, entry_topic.c.published, topic.c.merged_into)
    rows = connection.execute(query.join(topic, topic.c.id == entry_topic.c.topic_id).where(left)).all()
    moved = [{"entry_id": row.entry_id, "topic_id": row.merged_into, "published": row.published} for row in rows]
    insert_missing(connection, entry_topic, moved)
    for row in rows:
        old = and_(entry_topic.c.entry_id == row.entry_id, entry_topic.c.topic_id == row.topic_id)
        connection.execute(delete(entry_topic).where(old))


def current_sequence(connection: Connection) -> int:
    """The last sequence given by a committed transaction."""
    return int(connection.execute(select(counter.c.value).where(counter.c.name == "sequence")).scalar_one())


def sequence_at(connection: Connection, instant: datetime) -> int:
    """The last sequence that had been given at an instant."""
    given = select(entry_topic.c.sequence).where(entry_topic.c.sequence.is_not(None))
    until = given.where(entry_topic.c.mailable_at <= instant).order_by(entry_topic.c.sequence.desc()).limit(1)
    return int(connection.execute(until).scalar() or 0)
