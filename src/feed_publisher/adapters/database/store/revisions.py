"""Editions that an entry has changed under: found, and replaced for mail that has not left (SEMANTICS §2, Editions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, update

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
from feed_publisher.adapters.database.store.sponsors import blocks_of
from feed_publisher.adapters.database.store.topic_names import STANDS_FOR, WAS
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Edition, IssueEdits, IssueState
from feed_publisher.domain.model import Entry, EntryState, TopicRef
from feed_publisher.ports.issues import StaleEdition

LEFT_OUT = "all their articles were left out by hand"
"""Why a reader is excluded from an issue of which the operator left nothing for them."""

_OPEN = (IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
# A claimed delivery still has the old edition in its sender's hands; its mark is refused then, and it comes again.
_NOT_LEFT = and_(
    delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.CLAIMED)),
    delivery.c.attempted.is_(False),
)


def stale_editions(connection: Connection) -> list[StaleEdition]:
    """Editions of unfinished issues with mail never attempted that an entry or the issue's edits changed under."""
    waits = exists().where(delivery.c.edition_id == edition.c.id, delivery.c.issue_id == issue.c.id, _NOT_LEFT)
    changed = exists().where(
        edition_entry.c.edition_id == edition.c.id,
        entry.c.id == edition_entry.c.entry_id,
        or_(entry.c.state != EntryState.PUBLIC, entry.c.revision_id != edition_entry.c.revision_id),
    )
    query = (
        select(edition.c.id, edition.c.issue_id, edition.c.language, digest.c.slug)
        .add_columns(issue.c.issue_number, issue.c.opened_at, issue.c.edits, issue.c.revision)
        .join(issue, issue.c.id == edition.c.issue_id)
        .join(digest, digest.c.id == issue.c.digest_id)
        .where(issue.c.state.in_(_OPEN), or_(changed, edition.c.revision != issue.c.revision), waits)
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
            edits=to_edits(row.edits),
            revision=row.revision,
            sponsors=blocks_of(connection, row.issue_id),
        )
        for row in connection.execute(query).all()
    ]


def _public_entries(connection: Connection, number: int) -> tuple[tuple[Entry, TopicRef], ...]:
    ordered = (
        select(edition_entry.c.entry_id, topic.c.slug, topic.c.title)
        .join(WAS, WAS.c.id == edition_entry.c.topic_id)
        .join(topic, STANDS_FOR)
        .where(edition_entry.c.edition_id == number)
    )
    places = connection.execute(ordered).all()
    wanted = entry_rows().where(entry.c.id.in_([row.entry_id for row in places]), entry.c.state == EntryState.PUBLIC)
    found = {each.number: each for each in load_entries(connection, wanted)}
    pairs = [(found[row.entry_id], TopicRef(slug=row.slug, title=row.title)) for row in places if row.entry_id in found]
    # Not as they stand in it: another lead may have changed that.
    return tuple(sorted(pairs, key=lambda pair: (pair[0].published, pair[0].number), reverse=True))


def replace_edition(
    connection: Connection, stale: StaleEdition, renewed: Edition | None, templates: Mapping[str, str], now: datetime
) -> int:
    """Repoint deliveries never attempted to the renewed edition; without one exclude them. How many moved.

    What was withdrawn comes again when it is restored; what the operator left out does not: the cursor stays.
    """
    lock_feeds(connection)
    mine = and_(delivery.c.issue_id == stale.issue, delivery.c.edition_id == stale.id, _NOT_LEFT)
    if renewed is None:
        reason = LEFT_OUT if stale.entries else "withdrawn"
        if not stale.entries:
            put_cursors_back(connection, mine)
        values = {"state": DeliveryState.EXCLUDED, "reason": reason, "changed_at": now}
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


def to_edits(stored: Mapping[str, Any] | None) -> IssueEdits:
    """As they are stored with an issue."""
    if not stored:
        return IssueEdits()
    lists = {name: tuple(stored.get(name, ())) for name in ("left_out", "sponsors_out")}
    return IssueEdits(**{**stored, **lists})


def put_edits(connection: Connection, number: int, edits: IssueEdits) -> None:
    """Store them; ``stale_editions`` finds what is to be rendered with them.

    Readers who were excluded because nothing was left for them wait again, unless a later issue has them: rendering
    decides about them anew. Only while nothing can leave, for until then they would get what is left out.
    """
    values = {"edits": asdict(edits), "revision": issue.c.revision + 1}
    connection.execute(update(issue).where(issue.c.id == number).values(values))
    waits = issue.c.state.in_((IssueState.DRAFT, IssueState.PAUSED))
    if connection.execute(select(issue.c.id).where(issue.c.id == number, waits)).first() is None:
        return
    later = delivery.alias("later")
    others = exists().where(later.c.subscription_id == delivery.c.subscription_id, later.c.id > delivery.c.id)
    back = and_(delivery.c.issue_id == number, delivery.c.reason == LEFT_OUT, ~others)
    back = and_(back, delivery.c.state == DeliveryState.EXCLUDED)
    counts = select(delivery.c.edition_id, func.count()).where(back).group_by(delivery.c.edition_id)
    count_readers(connection, {row[0]: row[1] for row in connection.execute(counts)})
    connection.execute(update(delivery).where(back).values(state=DeliveryState.QUEUED, reason=""))
