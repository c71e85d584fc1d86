"""Which topic a slug or a number stands for today: topics change their slugs, and go into others.

A topic that has gone into another one keeps its row and the sequences given in it: they are what its readers were
promised. Nothing shows it any more; wherever it is met, it stands for the one it went into.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from feed_publisher.adapters.database.schema import topic, topic_alias
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.domain.model import TopicRef

IS_SHOWN = topic.c.merged_at.is_(None)
"""For a query on table ``topic``: it has not gone into another one."""

_TODAY = func.coalesce(topic.c.merged_into, topic.c.id)


WAS = topic.alias("was")
STANDS_FOR = topic.c.id == func.coalesce(WAS.c.merged_into, WAS.c.id)
"""Where a column may name a topic that has gone, ``WAS`` is joined to it, and ``topic`` on this."""


def refs_by_number(connection: Connection) -> dict[int, TopicRef]:
    """All topics; one that has gone into another is what it has become."""
    rows = connection.execute(select(topic.c.id, topic.c.slug, topic.c.title, _TODAY.label("today"))).all()
    shown = {row.id: TopicRef(slug=row.slug, title=row.title) for row in rows}
    return {row.id: shown[row.today] for row in rows}


def slugs_by_number(connection: Connection) -> dict[int, str]:
    return {number: each.slug for number, each in refs_by_number(connection).items()}


def named(connection: Connection, slugs: Collection[str], kept: bool = False) -> dict[str, int]:
    """Numbers of topics by the slugs they have or had; what is no topic is left out.

    ``kept``: they stay as they are until the transaction ends. On PostgreSQL a topic could otherwise go into another
    one between the look at it and a choice that has it.
    """
    found: dict[str, int] = {}
    for chunk in chunks(sorted(set(slugs)), 500):
        old = select(topic_alias.c.slug, topic_alias.c.topic_id).where(topic_alias.c.slug.in_(chunk))
        found |= {row.slug: row.topic_id for row in connection.execute(old)}
        query = select(topic.c.slug, topic.c.id).where(topic.c.slug.in_(chunk))
        found |= {row.slug: row.id for row in connection.execute(query.with_for_update(read=True) if kept else query)}
    return found


def with_gone(connection: Connection, numbers: Collection[int]) -> set[int]:
    """These topics, those they are going into, and all that has gone into either."""
    today = select(_TODAY).where(topic.c.id.in_(numbers))
    return set(connection.execute(select(topic.c.id).where(_TODAY.in_(today))).scalars())


def reach(connection: Connection, slugs: Sequence[str], kept: bool = False) -> set[int]:
    """What a choice of these slugs means by numbers."""
    return with_gone(connection, set(named(connection, slugs, kept).values()))
