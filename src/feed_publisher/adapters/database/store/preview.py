"""What is asked about an issue before it is sent: who would get it, what is new, what the last one had."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    delivery,
    edition,
    edition_entry,
    entry,
    entry_revision,
    entry_topic,
    issue,
    subscriber,
    subscription,
)
from feed_publisher.adapters.database.store.answers import is_silent
from feed_publisher.adapters.database.store.audience import digest_id, one_reader, readers, suppressed
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.editions import main_edition
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.delivery import NOT_RECEIVED, UNFINISHED, DeliveryState
from feed_publisher.domain.issue import IssueState, SubscriptionState
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.why import Mailed, ReaderWhy, Standing
from feed_publisher.ports.preview import KnownReader, LastEntry, LastIssue

MATURING = 1000
"""Post-dated entries that are looked at, at most."""


class SqlPreviewStore:
    """ports.PreviewStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def census(self, digest: str, cadence: str | None, at: datetime) -> dict[ReaderWhy, int]:
        why = case(
            (subscription.c.state == SubscriptionState.UNSUBSCRIBED, ReaderWhy.UNSUBSCRIBED),
            (subscription.c.state == SubscriptionState.PENDING, ReaderWhy.NOT_CONFIRMED),
            (suppressed(), ReaderWhy.NEVER_MAILED),
            (subscription.c.paused_until > at, ReaderWhy.PAUSED),
            *([(subscription.c.cadence != cadence, ReaderWhy.OTHER_CADENCE)] if cadence else []),
            else_=ReaderWhy.IN,
        ).label("why")
        each = (
            select(why)
            .select_from(subscription)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .where(subscription.c.digest_id == digest_id(digest))
            .subquery()
        )
        query = select(each.c.why, func.count()).group_by(each.c.why)
        with self._database.read() as connection:
            return {ReaderWhy(row[0]): row[1] for row in connection.execute(query)}

    def waiting(self, digest: str, rehearsal: bool) -> int:
        open_ = (IssueState.PREPARING, IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
        mine = and_(issue.c.digest_id == digest_id(digest), issue.c.state.in_(open_), _counts(rehearsal))
        left = select(func.count()).select_from(delivery).join(issue).where(mine, delivery.c.state.in_(UNFINISHED))
        with self._database.read() as connection:
            return int(connection.execute(left).scalar_one())

    def reader(self, digest: str, address_key: str, rehearsal: bool) -> KnownReader | None:
        with self._database.read() as connection:
            found = readers(connection, one_reader(digest, address_key, rehearsal))
            if not found:
                return None
            mine = subscription.c.id == found[0].subscription
            query = select(subscription, subscriber.c.address).join(
                subscriber, subscriber.c.id == subscription.c.subscriber_id
            )
            row = connection.execute(query.where(mine)).one()
            waiting, silent = _waiting(connection, row.id, rehearsal), is_silent(connection, row.id)
        return KnownReader(
            reader=found[0],
            address=row.address,
            state=SubscriptionState(row.state),
            joined_at=row.joined_at,
            left_at=row.left_at,
            paused_until=row.paused_until,
            paused_fresh=row.paused_fresh,
            waiting=_mailed(waiting, waiting.due_at, waiting.delivery_state) if waiting else None,
            from_sequence=min(waiting.from_sequence, found[0].cursor) if waiting else found[0].cursor,
            silent=silent,
        )

    def maturing(self, until: datetime) -> list[Standing]:
        due = and_(entry.c.state == EntryState.SCHEDULED, entry.c.published <= until, entry.c.feed_only.is_(False))
        query = entry_rows().where(due).order_by(entry.c.published, entry.c.id).limit(MATURING)
        with self._database.read() as connection:
            return _standings(connection, load_entries(connection, query))

    def standings(self, numbers: Collection[int], newest: int) -> list[Standing]:
        found: dict[int, Entry] = {}
        with self._database.read() as connection:
            for state in EntryState:  # each by its index: sorting all entries would read them all
                query = entry_rows().where(entry.c.state == state).order_by(entry.c.published.desc(), entry.c.id.desc())
                found |= {each.number: each for each in load_entries(connection, query.limit(newest))}
            recent = sorted(found.values(), key=_place, reverse=True)[:newest]
            missing = sorted(set(numbers) - {each.number for each in recent})
            for chunk in chunks(missing, 500):
                recent += load_entries(connection, entry_rows().where(entry.c.id.in_(chunk)))
            return _standings(connection, sorted(recent, key=_place, reverse=True))

    def mailed(
        self, digest: str, entries: Collection[int], subscriber_of: int | None, rehearsal: bool
    ) -> dict[int, Mailed]:
        found: dict[int, Mailed] = {}
        with self._database.read() as connection:
            for chunk in chunks(sorted(entries), 500):
                query = _to_one(subscriber_of) if subscriber_of is not None else _to_anybody(digest)
                query = query.where(edition_entry.c.entry_id.in_(chunk), _counts(rehearsal))
                for row in connection.execute(query.order_by(issue.c.id)):
                    state = DeliveryState(row.delivery_state) if subscriber_of is not None else None
                    at = row.due_at if state in UNFINISHED else row.opened_at
                    found[row.entry_id] = _mailed(row, at, state)
        return found

    def last(self, digest: str, rehearsal: bool) -> LastIssue | None:
        gone = (IssueState.SKIPPED, IssueState.CANCELLED, IssueState.PREPARING)
        mine = and_(issue.c.digest_id == digest_id(digest), issue.c.state.not_in(gone), issue.c.audience > 0)
        query = select(issue, main_edition(issue.c.id).label("edition_id")).where(mine, _counts(rehearsal))
        with self._database.read() as connection:
            row = connection.execute(query.order_by(issue.c.id.desc()).limit(1)).first()
            if row is None or row.edition_id is None:
                return None
            subject = connection.execute(select(edition.c.subject).where(edition.c.id == row.edition_id)).scalar_one()
            return LastIssue(
                mailed=_mailed(row, row.opened_at, None),
                edition=row.edition_id,
                subject=subject,
                readers=row.audience,
                entries=tuple(_last_entries(connection, row.edition_id)),
            )


def _place(found: Entry) -> tuple[datetime, int]:
    return found.published, found.number


def _standings(connection: Connection, entries: Sequence[Entry]) -> list[Standing]:
    rows: dict[int, list[Row[Any]]] = {}
    silent: set[int] = set()
    for chunk in chunks([each.number for each in entries], 500):
        query = select(entry_topic).where(entry_topic.c.entry_id.in_(chunk)).order_by(entry_topic.c.topic_id)
        for row in connection.execute(query):
            rows.setdefault(row.entry_id, []).append(row)
        feed_only = select(entry.c.id).where(entry.c.id.in_(chunk), entry.c.feed_only.is_(True))
        silent |= set(connection.execute(feed_only).scalars())
    return [_standing(each, rows.get(each.number, []), each.number in silent) for each in entries]


def _standing(found: Entry, rows: Sequence[Row[Any]], feed_only: bool) -> Standing:
    given = [row for row in rows if row.sequence is not None]
    return Standing(
        entry=found,
        topics=tuple(row.topic_id for row in rows),
        sequences={row.topic_id: row.sequence for row in given},
        mailable_at=min((row.mailable_at for row in given if row.mailable_at), default=None),
        feed_only=feed_only,
    )


def _counts(rehearsal: bool) -> ColumnElement[bool]:
    """Rehearsals are nothing to a site with a mail server."""
    return or_(issue.c.rehearsal.is_(False), issue.c.rehearsal.is_(rehearsal))


def _to_one(subscription_id: int) -> Select[Any]:
    return (
        select(edition_entry.c.entry_id, issue.c.id, issue.c.issue_number, issue.c.opened_at, delivery.c.due_at)
        .add_columns(delivery.c.state.label("delivery_state"))
        .join(edition_entry, edition_entry.c.edition_id == delivery.c.edition_id)
        .join(issue, issue.c.id == delivery.c.issue_id)
        .where(delivery.c.subscription_id == subscription_id, delivery.c.state.not_in(NOT_RECEIVED))
    )


def _to_anybody(digest: str) -> Select[Any]:
    return (
        select(edition_entry.c.entry_id, issue.c.id, issue.c.issue_number, issue.c.opened_at)
        .distinct()
        .join(edition, edition.c.id == edition_entry.c.edition_id)
        .join(issue, issue.c.id == edition.c.issue_id)
        .where(issue.c.digest_id == digest_id(digest), issue.c.state != IssueState.CANCELLED)
    )


def _waiting(connection: Connection, number: int, rehearsal: bool) -> Row[Any] | None:
    query = (
        select(issue.c.id, issue.c.issue_number, delivery.c.due_at, delivery.c.from_sequence)
        .add_columns(delivery.c.state.label("delivery_state"))
        .join(issue, issue.c.id == delivery.c.issue_id)
        .where(delivery.c.subscription_id == number, delivery.c.state.in_(UNFINISHED), _counts(rehearsal))
    )
    return connection.execute(query.order_by(issue.c.id.desc()).limit(1)).first()


def _mailed(row: Row[Any], at: datetime, state: DeliveryState | str | None) -> Mailed:
    return Mailed(id=row.id, number=row.issue_number, at=at, state=DeliveryState(state) if state else None)


def _last_entries(connection: Connection, number: int) -> list[LastEntry]:
    query = (
        select(edition_entry, entry_revision.c.title, entry.c.revision_id.label("revision_now"), entry.c.state)
        .join(entry_revision, entry_revision.c.id == edition_entry.c.revision_id)
        .join(entry, entry.c.id == edition_entry.c.entry_id)
        .where(edition_entry.c.edition_id == number)
        .order_by(edition_entry.c.place)
    )
    return [
        LastEntry(
            number=row.entry_id,
            title=row.title,
            revision=row.revision_id,
            revision_now=row.revision_now,
            public=row.state == EntryState.PUBLIC,
        )
        for row in connection.execute(query)
    ]
