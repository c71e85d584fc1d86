"""Sequences: the order in which entries became mailable in each topic (SEMANTICS §1, Sequence)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, text

from feed_publisher.adapters.database.engine import lock_counter
from feed_publisher.adapters.database.schema import Utc, counter, entry_topic
from feed_publisher.adapters.database.store.common import chunks

_NUMBER = text(
    "UPDATE entry_topic SET sequence = :n, mailable_at = :now WHERE entry_id = :e AND topic_id = :t"
).bindparams(bindparam("now", type_=Utc()))


def make_mailable(connection: Connection, entries: Sequence[int], now: datetime) -> None:
    """Give every (entry, topic) without a sequence the next one; entries in the order given, oldest first.

    The counter's row stays locked until the transaction ends, so commit order is sequence order.
    """
    for chunk in chunks(entries, 500):
        place = {number: index for index, number in enumerate(chunk)}
        query = select(entry_topic.c.entry_id, entry_topic.c.topic_id)
        rows = connection.execute(
            query.where(entry_topic.c.entry_id.in_(chunk), entry_topic.c.sequence.is_(None))
        ).all()
        if not rows:
            continue
        ordered = sorted(rows, key=lambda row: (place[row.entry_id], row.topic_id))
        first = lock_counter(connection, "sequence", len(ordered)) - len(ordered) + 1
        connection.execute(
            _NUMBER,
            [{"n": first + i, "e": row.entry_id, "t": row.topic_id, "now": now} for i, row in enumerate(ordered)],
        )


def current_sequence(connection: Connection) -> int:
    """The last sequence given by a committed transaction."""
    return int(connection.execute(select(counter.c.value).where(counter.c.name == "sequence")).scalar_one())


def sequence_at(connection: Connection, instant: datetime) -> int:
    """The last sequence that had been given at an instant."""
    given = select(entry_topic.c.sequence).where(entry_topic.c.sequence.is_not(None))
    until = given.where(entry_topic.c.mailable_at <= instant).order_by(entry_topic.c.sequence.desc()).limit(1)
    return int(connection.execute(until).scalar() or 0)
