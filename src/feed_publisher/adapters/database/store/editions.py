"""Storing an edition: once per issue and fingerprint. Afterwards only the number of its readers changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, select, update

from feed_publisher.adapters.database.schema import edition, edition_entry, template, topic
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.domain.issue import Edition


def store_edition(connection: Connection, issue_id: int, new: Edition, templates: Mapping[str, str]) -> int:
    """The id of the edition; ``templates`` are sources by hash."""
    same = and_(edition.c.issue_id == issue_id, edition.c.fingerprint == new.fingerprint)
    known = connection.execute(select(edition.c.id).where(same)).scalar()
    if known is not None:
        return int(known)
    insert_missing(connection, template, [{"hash": h, "source": source} for h, source in templates.items()])
    values = {
        "issue_id": issue_id,
        "fingerprint": new.fingerprint,
        "template_hash": new.template,
        "language": new.language,
        "subject": new.subject,
        "html": new.html,
        "text": new.text,
        "nonce": new.nonce,
        "shown": new.shown,
    }
    number = int(connection.execute(edition.insert().returning(edition.c.id), values).scalar_one())
    topics = {row.slug: row.id for row in connection.execute(select(topic.c.slug, topic.c.id))}
    rows = [
        {"edition_id": number, "entry_id": e, "revision_id": r, "topic_id": topics[slug], "place": place}
        for place, (e, r, slug) in enumerate(new.entries)
    ]
    connection.execute(edition_entry.insert(), rows)
    return number


def count_readers(connection: Connection, number: int, more: int) -> None:
    """So many more (or fewer) readers get this edition."""
    counted = update(edition).where(edition.c.id == number).values(readers=edition.c.readers + more)
    connection.execute(counted)


def main_edition(issue_id: Any) -> Any:
    """The number of the edition that most readers of an issue get, or got."""
    each = edition.alias("each")
    mine = select(each.c.id).where(each.c.issue_id == issue_id)
    return mine.order_by(each.c.readers.desc(), each.c.id).limit(1).scalar_subquery()
