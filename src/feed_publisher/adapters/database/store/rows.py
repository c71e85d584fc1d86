"""Rows that become entries: shared by the stores that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from feed_publisher.adapters.database.schema import entry, entry_revision, entry_topic, source, topic
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.topic_names import IS_SHOWN
from feed_publisher.domain.model import Enclosure, Entry, EntryState, Image, TopicRef


def entry_rows() -> Select[Any]:
    """Every entry with its latest revision and its source's slug."""
    return (
        select(entry, entry_revision, source.c.slug.label("source_slug"))
        .join(entry_revision, entry_revision.c.id == entry.c.revision_id)
        .join(source, source.c.id == entry.c.source_id)
    )


def load_entries(connection: Connection, query: Select[Any]) -> list[Entry]:
    """Run a query made from ``entry_rows``."""
    rows = connection.execute(query).all()
    topics = topics_of(connection, [row.entry_id for row in rows])
    return [to_entry(row, topics.get(row.entry_id, ())) for row in rows]


def to_entry(row: Row[Any], topics: tuple[TopicRef, ...]) -> Entry:
    """An Entry from a row of entry, entry_revision and source."""
    return Entry(
        number=row.entry_id,
        revision=row.revision_id,
        key=row.key,
        id=row.atom_id,
        title=row.title,
        authors=tuple(row.authors),
        summary=row.summary,
        content_html=row.content_html,
        link=row.link,
        language=row.language,
        published=row.published,
        updated=row.updated,
        state=EntryState(row.state),
        reason=row.reason,
        topics=topics,
        source=row.source_slug,
        image=Image(**row.image) if row.image else None,
        enclosures=tuple(Enclosure(**each) for each in row.enclosures),
    )


def topics_of(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[TopicRef, ...]]:
    """The topics of entries, in the order the topics were added to the site."""
    found: dict[int, list[TopicRef]] = {}
    for chunk in chunks(numbers, 500):
        query = select(entry_topic.c.entry_id, topic.c.slug, topic.c.title).join(topic)
        query = query.where(IS_SHOWN).order_by(topic.c.id)
        for row in connection.execute(query.where(entry_topic.c.entry_id.in_(chunk))):
            found.setdefault(row.entry_id, []).append(TopicRef(slug=row.slug, title=row.title))
    return {number: tuple(refs) for number, refs in found.items()}
