"""Editions that an entry has changed under: found, and replaced for mail that has not left (SEMANTICS §2, Editions)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, exists, or_, select, update

from feed_publisher.adapters.database.schema import (
    delivery,
    digest,
    edition,
    edition_entry,
    entry,
    issue,
    topic,
)
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.editions import count_readers, main_edition, store_edition
from feed_publisher.adapters.database.store.members import lock_feeds, mark_issues_dirty
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, IssueState
from feed_publisher.domain.model import Entry, EntryState, TopicRef
from feed_publisher.ports.issues import StaleEdition

_OPEN = (IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
# A claimed delivery still has the old edition in its sender's hands; its mark is refused then, and it comes again.
_NOT_LEFT = and_(
    delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.CLAIMED)),
    delivery.c.attempted.is_(False),
)


def stale_editions(connection: Connection) -> list[StaleEdition]:
    """Editions of unfinished issues with mail never attempted and an entry that was corrected or withdrawn."""
    waits = exists().where(delivery.c.edition_id == edition.c.id, delivery.c.issue_id == issue.c.id, _NOT_LEFT)
    changed = exists().where(
        edition_entry.c.edition_id == edition.c.id,
        entry.c.id == edition_entry.c.entry_id,
        or_(entry.c.state != EntryState.PUBLIC, entry.c.revision_id != edition_entry.c.revision_id),
    )
    query = (
        select(edition.c.id, edition.c.issue_id, edition.c.language, digest.c.slug)
        .add_columns(issue.c.issue_number, issue.c.opened_at)
        .join(issue, issue.c.id == edition.c.issue_id)
        .join(digest, digest.c.id == issue.c.digest_id)
        .where(issue.c.state.in_(_OPEN), changed, waits)
        .order_by(edition.c.id)
    )
    return [
        StaleEdition(
            id=row.id,
            issue=row.issue_id,
            digest=row.slug,
            issue_number=row.issue_number,
            opened_at=row.opened_at,
            language=row.language,
            entries=_public_entries(connection, row.id),
        )
        for row in connection.execute(query).all()
    ]


def _public_entries(connection: Connection, number: int) -> tuple[tuple[Entry, TopicRef], ...]:
    ordered = (
        select(edition_entry.c.entry_id, topic.c.slug, topic.c.title)
        .join(topic, topic.c.id == edition_entry.c.topic_id)
        .where(edition_entry.c.edition_id == number)
        .order_by(edition_entry.c.place)
    )
    places = connection.execute(ordered).all()
    wanted = entry_rows().where(entry.c.id.in_([row.entry_id for row in places]), entry.c.state == EntryState.PUBLIC)
    found = {each.number: each for each in load_entries(connection, wanted)}
    return tuple(
        (found[row.entry_id], TopicRef(slug=row.slug, title=row.title)) for row in places if row.entry_id in found
    )


def replace_edition(
    connection: Connection, stale: StaleEdition, renewed: Edition | None, templates: Mapping[str, str], now: datetime
) -> int:
    """Repoint deliveries never attempted to the renewed edition; without one exclude them. How many moved."""
    lock_feeds(connection)
    mine = and_(delivery.c.issue_id == stale.issue, delivery.c.edition_id == stale.id, _NOT_LEFT)
    if renewed is None:
        put_cursors_back(connection, mine)
        values = {"state": DeliveryState.EXCLUDED, "reason": "withdrawn", "changed_at": now}
        excluded = connection.execute(update(delivery).where(mine).values(values)).rowcount
        count_readers(connection, {stale.id: -excluded})
        _name(connection, stale.issue)
        return int(excluded)
    number = store_edition(connection, stale.issue, renewed, templates)
    moved = connection.execute(update(delivery).where(mine).values(edition_id=number)).rowcount
    count_readers(connection, {stale.id: -moved})
    count_readers(connection, {number: moved})
    _name(connection, stale.issue)
    return int(moved)


def _name(connection: Connection, number: int) -> None:
    """An issue is called by the subject that most of its readers see."""
    largest = select(edition.c.subject).where(edition.c.id == main_edition(number)).scalar_subquery()
    connection.execute(update(issue).where(issue.c.id == number).values(subject=largest))
    mark_issues_dirty(connection, [number])
