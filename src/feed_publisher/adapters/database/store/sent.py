"""Issues as they stand in the archive: what was sent, beside what its entries are now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select

from feed_publisher.adapters.database.schema import (
    digest,
    edition,
    edition_entry,
    entry,
    entry_revision,
    feed,
    issue,
    topic,
)
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.editions import main_edition
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.adapters.database.store.sponsors import sponsors_sent
from feed_publisher.adapters.database.store.topic_names import STANDS_FOR, WAS
from feed_publisher.domain.issue import SentEntry, SentIssue
from feed_publisher.domain.model import Entry, EntryState, TopicRef


def load_sent(connection: Connection, numbers: Sequence[int], most: int) -> list[SentIssue]:
    """These issues, in this order, each with its first ``most`` entries."""
    title = select(feed.c.title).where(feed.c.digest_id == digest.c.id).limit(1).scalar_subquery()
    query = select(issue, digest.c.slug, title.label("title"), main_edition(issue.c.id).label("edition_id"))
    rows = connection.execute(query.join(digest).where(issue.c.id.in_(numbers))).all()
    shown = [row.edition_id for row in rows]
    editions = {row.id: row for row in connection.execute(_about(shown))}
    entries = _entries(connection, shown, most)
    sponsors = sponsors_sent(connection, {row.id: editions[row.edition_id].revision for row in rows})
    found = {
        row.id: SentIssue(
            id=row.id,
            digest=row.slug,
            digest_title=row.title or row.slug,
            number=row.issue_number,
            subject=editions[row.edition_id].subject.strip(),
            language=editions[row.edition_id].language,
            sent_at=row.sent_at,
            entries=tuple(entries.get(row.edition_id, ())),
            count=editions[row.edition_id].entries,
            withdrawn=bool(editions[row.edition_id].withdrawn),
            sponsors=tuple(sponsors.get(row.id, ())),
        )
        for row in rows
    }
    return [found[number] for number in numbers]


def _about(editions: Sequence[int]) -> Select[Any]:
    """What is known of whole editions."""
    mine = and_(edition_entry.c.edition_id == edition.c.id, edition_entry.c.left_out.is_(False))
    count = select(func.count()).where(mine).correlate(edition).scalar_subquery().label("entries")
    gone = exists().where(mine, entry.c.id == edition_entry.c.entry_id, entry.c.state != EntryState.PUBLIC)
    about = select(edition.c.id, edition.c.subject, edition.c.language, edition.c.revision, count)
    return about.add_columns(gone.label("withdrawn")).where(edition.c.id.in_(editions))


def _entries(connection: Connection, editions: Sequence[int], most: int) -> dict[int, list[SentEntry]]:
    sent = (
        select(edition_entry, entry_revision.c.title, entry_revision.c.authors, entry_revision.c.summary)
        .add_columns(topic.c.slug, topic.c.title.label("topic_title"))
        .join(entry_revision, entry_revision.c.id == edition_entry.c.revision_id)
        .join(WAS, WAS.c.id == edition_entry.c.topic_id)
        .join(topic, STANDS_FOR)
        .join(edition, edition.c.id == edition_entry.c.edition_id)
        .where(edition_entry.c.edition_id.in_(editions), edition_entry.c.place < most)
        .where(edition_entry.c.place < func.coalesce(edition.c.shown, most), edition_entry.c.left_out.is_(False))
        .order_by(edition_entry.c.edition_id, edition_entry.c.place)
    )
    rows = connection.execute(sent).all()
    now = _as_they_are_now(connection, list({row.entry_id for row in rows}))
    found: dict[int, list[SentEntry]] = {}
    for row in rows:
        found.setdefault(row.edition_id, []).append(
            SentEntry(
                title=row.title,
                authors=tuple(row.authors),
                summary=row.summary,
                topic=TopicRef(slug=row.slug, title=row.topic_title),
                entry=now[row.entry_id],
            )
        )
    return found


def _as_they_are_now(connection: Connection, numbers: Sequence[int]) -> dict[int, Entry]:
    loaded = (
        each
        for chunk in chunks(numbers, 500)
        for each in load_entries(connection, entry_rows().where(entry.c.id.in_(chunk)))
    )
    return {each.number: each for each in loaded}
