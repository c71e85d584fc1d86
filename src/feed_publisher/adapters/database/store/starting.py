"""Where a digest starts, and moving that, for readers who have had no issue yet (SEMANTICS §2, Start and cursor)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, digest, entry, entry_topic, issue, subscription
from feed_publisher.adapters.database.store.audience import digest_id
from feed_publisher.adapters.database.store.issues import UNFINISHED_ISSUES
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.domain.delivery import NOT_RECEIVED
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.shadow import shadow_of
from feed_publisher.ports.starting import Start


class SqlStartStore:
    """ports.StartStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, slug: str) -> Start:
        with self._database.read() as connection:
            return _look(connection, connection.execute(select(digest).where(digest.c.slug == slug)).one())

    def sequence_of(self, number: int, topics: Collection[int] | None) -> int | None:
        mine = and_(entry_topic.c.entry_id == number, _covered(topics))
        with self._database.read() as connection:
            lowest: int | None = connection.execute(select(func.min(entry_topic.c.sequence)).where(mine)).scalar()
            return lowest

    def articles(self, after: int, through: int, topics: Collection[int] | None) -> int:
        within = and_(entry_topic.c.sequence > after, entry_topic.c.sequence <= through, _covered(topics))
        query = select(func.count(entry_topic.c.entry_id.distinct())).select_from(entry_topic).join(entry)
        with self._database.read() as connection:
            return int(connection.execute(query.where(within, entry.c.state == EntryState.PUBLIC)).scalar_one())

    def first(self, after: int, topics: Collection[int] | None) -> Entry | None:
        fresh = and_(entry_topic.c.sequence > after, _covered(topics), entry.c.state == EntryState.PUBLIC)
        query = select(entry.c.id).join(entry_topic, entry_topic.c.entry_id == entry.c.id).where(fresh)
        with self._database.read() as connection:
            number = connection.execute(query.order_by(entry_topic.c.sequence).limit(1)).scalar()
            found = [] if number is None else load_entries(connection, entry_rows().where(entry.c.id == number))
        return found[0] if found else None

    def newcomers(self, slug: str) -> int:
        active = subscription.c.state == SubscriptionState.ACTIVE
        mine = and_(subscription.c.digest_id == digest_id(slug), active, ~_had())
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(subscription).where(mine)).scalar_one())

    def restart(self, slug: str, after: int | None, next_number: int | None) -> None:
        with self._database.write() as connection:
            # Locked as by whoever opens an issue: none is opened between looking and changing.
            row = connection.execute(select(digest).where(digest.c.slug == slug).with_for_update()).one()
            found = _look(connection, row)
            _check(slug, found, next_number)
            mine = update(digest).where(digest.c.id == row.id)
            if next_number is not None:
                connection.execute(mine.values(issue_number=next_number - 1))
            if after is not None:
                connection.execute(mine.values(start=after, instant_through=after))
                _restart_shadow(connection, slug, after)

    def move(self, slug: str, behind: int, limit: int) -> tuple[int | None, int]:
        with self._database.write() as connection:
            row = connection.execute(select(digest).where(digest.c.slug == slug)).one()
            mine = and_(subscription.c.digest_id == row.id, subscription.c.id > behind)
            last = select(subscription.c.id).where(mine).order_by(subscription.c.id).offset(limit - 1).limit(1)
            to: int | None = connection.execute(last).scalar()
            page = mine if to is None else and_(mine, subscription.c.id <= to)
            values = {"cursor": row.start, "rehearsed_cursor": row.start}
            active = subscription.c.state == SubscriptionState.ACTIVE
            counted = select(func.count()).select_from(subscription).where(page, active, ~_had())
            count = int(connection.execute(counted).scalar_one())
            connection.execute(update(subscription).where(page, ~_had()).values(values))
            return to, count


def _look(connection: Connection, row: Row[Any]) -> Start:
    mine = or_(issue.c.digest_id == row.id, issue.c.digest_id == digest_id(shadow_of(row.slug)))
    open_ = select(func.min(issue.c.id)).where(mine, issue.c.state.in_(UNFINISHED_ISSUES))
    given = select(func.max(issue.c.issue_number)).where(issue.c.digest_id == row.id)
    return Start(
        after=row.start,
        next_number=row.issue_number + 1,
        given=connection.execute(given).scalar() or 0,
        open_issue=connection.execute(open_).scalar(),
    )


def _check(slug: str, found: Start, next_number: int | None) -> None:
    if found.open_issue is not None:
        reason = f"issue {found.open_issue} of {slug} has not left yet: wait until it has, or end it with"
        raise InputError(f"{reason} `issues cancel {found.open_issue}`")
    if next_number is not None and next_number <= found.given:
        raise InputError(f"there is a number {found.given} already; give {found.given + 1} or a higher one", "--number")


def _restart_shadow(connection: Connection, slug: str, after: int) -> None:
    """The desk is to see what the first issue would have, whatever it has had."""
    shadow = digest.c.slug == shadow_of(slug)
    connection.execute(update(digest).where(shadow).values(start=after, instant_through=after))
    operators = subscription.c.digest_id == digest_id(shadow_of(slug))
    connection.execute(update(subscription).where(operators).values(cursor=after, rehearsed_cursor=after))


def _had() -> ColumnElement[bool]:
    """Whether a reader has, or may have, been mailed an issue that is no rehearsal."""
    its = and_(delivery.c.subscription_id == subscription.c.id, delivery.c.issue_id == issue.c.id)
    return exists().where(its, delivery.c.state.not_in(NOT_RECEIVED), issue.c.rehearsal.is_(False))


def _covered(topics: Collection[int] | None) -> ColumnElement[bool]:
    has = entry_topic.c.sequence.is_not(None)
    return has if topics is None else and_(has, entry_topic.c.topic_id.in_(topics))
