"""Who an issue is for and what could be in it: readers, their groups, candidate entries, what they already had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from feed_publisher.adapters.database.schema import (
    clock,
    delivery,
    digest,
    edition_entry,
    entry,
    entry_topic,
    issue,
    subscriber,
    subscription,
    suppression,
    topic_set,
)
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.adapters.database.store.cursors import cursor_of
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.delivery import NOT_RECEIVED
from feed_publisher.domain.issue import Reader, SubscriptionState
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.selection import Candidate
from feed_publisher.ports.issues import Audience, ReaderGroup


def candidates(connection: Connection, after: int, through: int) -> list[tuple[Entry, Candidate]]:
    """Public entries that became mailable anywhere in (after, through], newest first."""
    fresh = select(entry_topic.c.entry_id).where(entry_topic.c.sequence > after, entry_topic.c.sequence <= through)
    query = entry_rows().where(entry.c.state == EntryState.PUBLIC, entry.c.id.in_(fresh))
    query = query.order_by(entry.c.published.desc(), entry.c.id.desc())
    entries = load_entries(connection, query)
    sequences = _sequences(connection, [found.number for found in entries])
    return [(e, Candidate(entry=e.number, sequences=sequences.get(e.number, {}))) for e in entries]


def groups(connection: Connection, audience: Audience, now: datetime) -> list[ReaderGroup]:
    cursor = cursor_of(audience.rehearsal)
    query = (
        select(topic_set.c.choice, cursor.label("cursor_value"), subscriber.c.language, func.count())
        .select_from(subscription)
        .join(topic_set)
        .join(subscriber)
        .where(_in_audience(audience, now), ~suppressed())
        .group_by(topic_set.c.choice, cursor, subscriber.c.language)
    )
    return [
        ReaderGroup(choice=row[0], cursor=row[1], language=row[2], count=row[3]) for row in connection.execute(query)
    ]


def readers(connection: Connection, query: Select[Any]) -> list[Reader]:
    """Run a query made here."""
    return [
        Reader(
            subscription=row.id,
            subscriber=row.subscriber_id,
            choice=row.choice,
            cursor=row.cursor_value,
            language=row.language,
            cadence=row.cadence,
            zone=row.zone,
            at=row.at,
            suppressed=row.suppressed,
        )
        for row in connection.execute(query)
    ]


def reader_query(audience: Audience, after: int, limit: int, now: datetime) -> Select[Any]:
    """The audience in pages, in the order of subscriptions."""
    query = _reader_rows(audience.rehearsal).where(_in_audience(audience, now), subscription.c.id > after)
    return query.order_by(subscription.c.id).limit(limit)


def one_reader(slug: str, address_key: str, rehearsal: bool) -> Select[Any]:
    """The subscription of one address, whatever its state."""
    mine = and_(subscription.c.digest_id == digest_id(slug), subscriber.c.address_key == address_key)
    return _reader_rows(rehearsal).where(mine)


def already_had(
    connection: Connection, subscriptions: Sequence[int], entries: Sequence[int], rehearsal: bool
) -> set[tuple[int, int]]:
    """Which of these (subscription, entry) pairs the ledger knows as received."""
    had: set[tuple[int, int]] = set()
    for chunk in chunks(subscriptions, 500):
        query = (
            select(delivery.c.subscription_id, edition_entry.c.entry_id)
            .join(edition_entry, edition_entry.c.edition_id == delivery.c.edition_id)
            .join(issue, issue.c.id == delivery.c.issue_id)
            .where(delivery.c.subscription_id.in_(chunk), edition_entry.c.entry_id.in_(entries))
            .where(delivery.c.state.not_in(NOT_RECEIVED))
        )
        if not rehearsal:
            query = query.where(issue.c.rehearsal.is_(False))
        had |= {(row[0], row[1]) for row in connection.execute(query)}
    return had


def _reader_rows(rehearsal: bool) -> Select[Any]:
    return (
        select(
            subscription.c.id,
            subscription.c.subscriber_id,
            subscription.c.cadence,
            cursor_of(rehearsal).label("cursor_value"),
            topic_set.c.choice,
            subscriber.c.language,
            clock.c.zone,
            clock.c.at,
            suppressed().label("suppressed"),
        )
        .select_from(subscription)
        .join(topic_set)
        .join(subscriber)
        .join(clock)
    )


def _in_audience(audience: Audience, now: datetime) -> ColumnElement[bool]:
    conditions = [
        subscription.c.digest_id == digest_id(audience.digest),
        subscription.c.state == SubscriptionState.ACTIVE,
        or_(subscription.c.paused_until.is_(None), subscription.c.paused_until <= now),
    ]
    if audience.cadence is not None:
        conditions.append(subscription.c.cadence == audience.cadence)
    return and_(*conditions)


def suppressed() -> ColumnElement[bool]:
    """Whether the address of a subscriber is never mailed."""
    return exists().where(suppression.c.address_key == subscriber.c.address_key).correlate(subscriber)


def digest_id(slug: str) -> Any:
    """A digest's id, as a subquery."""
    return select(digest.c.id).where(digest.c.slug == slug).scalar_subquery()


def _sequences(connection: Connection, entries: Sequence[int]) -> dict[int, dict[int, int]]:
    found: dict[int, dict[int, int]] = {}
    for chunk in chunks(entries, 500):
        query = select(entry_topic).where(entry_topic.c.entry_id.in_(chunk), entry_topic.c.sequence.is_not(None))
        for row in connection.execute(query):
            found.setdefault(row.entry_id, {})[row.topic_id] = row.sequence
    return found
