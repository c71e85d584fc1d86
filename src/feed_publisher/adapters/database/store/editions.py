"""Storing an edition: once per issue and fingerprint. Afterwards only the number of its readers changes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from feed_publisher.adapters.database.schema import edition, edition_entry, template
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.topic_names import named
from feed_publisher.domain.issue import Edition
from feed_publisher.ports.issues import Batch


def store_editions(connection: Connection, issue_id: int, batch: Batch, wanted: Set[str]) -> dict[str, int]:
    """The ids of the wanted editions, by fingerprint; those that are new are among the batch's."""
    known = _known(connection, issue_id, wanted)
    for new in batch.editions:
        if new.fingerprint in wanted and new.fingerprint not in known:
            known[new.fingerprint] = _insert(connection, issue_id, new, batch.templates)
    return known


def store_edition(connection: Connection, issue_id: int, new: Edition, templates: Mapping[str, str]) -> int:
    """The id of the edition; ``templates`` are sources by hash."""
    number = _known(connection, issue_id, {new.fingerprint}).get(new.fingerprint)
    if number is None:
        return _insert(connection, issue_id, new, templates)
    connection.execute(update(edition).where(edition.c.id == number).values(revision=new.revision))
    return number


def _known(connection: Connection, issue_id: int, fingerprints: Set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(sorted(fingerprints), 500):
        query = select(edition.c.fingerprint, edition.c.id)
        query = query.where(edition.c.issue_id == issue_id, edition.c.fingerprint.in_(chunk))
        found |= {row.fingerprint: row.id for row in connection.execute(query)}
    return found


def _insert(connection: Connection, issue_id: int, new: Edition, templates: Mapping[str, str]) -> int:
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
        "revision": new.revision,
    }
    number = int(connection.execute(edition.insert().returning(edition.c.id), values).scalar_one())
    topics = named(connection, {slug for *_, slug in (*new.entries, *new.left_out)})
    rows = [
        {
            "edition_id": number,
            "entry_id": e,
            "revision_id": r,
            "topic_id": topics[slug],
            "place": place,
            "left_out": place >= len(new.entries),
        }
        for place, (e, r, slug) in enumerate((*new.entries, *new.left_out))
    ]
    connection.execute(edition_entry.insert(), rows)
    return number


def count_readers(connection: Connection, more: Mapping[int, int]) -> None:
    """So many more (or fewer) readers get each of these editions."""
    counted = update(edition).where(edition.c.id == bindparam("number"))
    rows = [{"number": number, "more": count} for number, count in sorted(more.items())]
    if rows:
        connection.execute(counted.values(readers=edition.c.readers + bindparam("more")), rows)


def main_edition(issue_id: Any) -> Any:
    """The number of the edition that most readers of an issue get, or got."""
    each = edition.alias("each")
    mine = select(each.c.id).where(each.c.issue_id == issue_id)
    return mine.order_by(each.c.readers.desc(), each.c.id).limit(1).scalar_subquery()
