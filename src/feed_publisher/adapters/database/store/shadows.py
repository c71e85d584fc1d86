"""Digests that go to the operators only: their shadows, and what rests meanwhile (docs/design-notes.md, Shadows)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, digest, issue, subscriber, subscription
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.adapters.database.store.ending import cancelled_issues, end_mails
from feed_publisher.adapters.database.store.history import note
from feed_publisher.adapters.database.store.issues import UNFINISHED_ISSUES
from feed_publisher.adapters.database.store.people import activate, find_subscription, join_one, start_of
from feed_publisher.adapters.database.store.sequence import current_sequence
from feed_publisher.domain.issue import IssueState, SubscriptionState
from feed_publisher.domain.shadow import is_shadow, shadow_of
from feed_publisher.ports.people import NewSubscription
from feed_publisher.ports.shadows import SEATED

LEFT = "an operator in the settings, until that was changed"
"""The same, of a subscription that the settings have ended."""

TO_OPERATORS = "the newsletter goes to the operators only now"
TO_READERS = "the newsletter goes to its readers now"
"""Why issues end that have not left."""


class SqlShadowStore:
    """ports.ShadowStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def resting(self) -> dict[str, bool]:
        with self._database.read() as connection:
            return {row.slug: row.rests for row in connection.execute(select(digest.c.slug, digest.c.rests))}

    def seated(self, slug: str) -> dict[str, str]:
        with self._database.read() as connection:
            return {row.address_key: row.cadence for row in _seated(connection, slug)}

    def begin(self, slug: str, operators: Sequence[NewSubscription], cadences: Sequence[str], now: datetime) -> None:
        with self._database.write() as connection:
            real = _locked(connection, slug)
            connection.execute(update(digest).where(digest.c.id == real.id).values(rests=True))
            first = {"slug": shadow_of(slug), "start": real.start, "added_at": now, "issue_number": 0, "rests": True}
            insert_missing(connection, digest, [first])
            shadow = _locked(connection, shadow_of(slug))
            if shadow.rests:
                _wake(connection, shadow, now, start=real.start)
            wanted = {person.address_key for person in operators}
            _unseat(connection, [row for row in _seated(connection, slug) if row.address_key not in wanted], now)
            for person in operators:
                _seat(connection, person, real.id, cadences[0], now)
            gone = and_(subscription.c.digest_id == shadow.id, subscription.c.cadence.not_in(cadences))
            connection.execute(update(subscription).where(gone).values(cadence=cadences[0], cadence_at=now))

    def end(self, slug: str, now: datetime) -> None:
        with self._database.write() as connection:
            real = _locked(connection, slug)
            if real.rests:
                _wake(connection, real, now)
            connection.execute(update(digest).where(digest.c.slug == shadow_of(slug)).values(rests=True))
            _unseat(
                connection, [row for row in _seated(connection, slug) if row.state == SubscriptionState.ACTIVE], now
            )

    def end_issues(self, now: datetime) -> int:
        open_ = and_(issue.c.state.in_(UNFINISHED_ISSUES), digest.c.rests)
        with self._database.read() as connection:
            query = select(issue.c.id, digest.c.slug).join(digest, digest.c.id == issue.c.digest_id)
            found = connection.execute(query.where(open_)).all()
        for row in found:
            with self._database.write() as connection:
                _end_issue(connection, row.id, TO_READERS if is_shadow(row.slug) else TO_OPERATORS, now)
        return len(found)

    def ended_issues(self) -> list[int]:
        return cancelled_issues(self._database, TO_OPERATORS, TO_READERS)

    def end_mails(self, number: int, behind: int, limit: int, now: datetime) -> tuple[int | None, int]:
        return end_mails(self._database, number, behind, limit, now)


def _locked(connection: Connection, slug: str) -> Row[Any]:
    return connection.execute(select(digest).where(digest.c.slug == slug).with_for_update()).one()


def _wake(connection: Connection, row: Row[Any], now: datetime, **more: Any) -> None:
    """It begins now: what was due while it rested is no missed date, and what came is no news "as it happens"."""
    values = {"rests": False, "added_at": now, "instant_through": current_sequence(connection), **more}
    connection.execute(update(digest).where(digest.c.id == row.id).values(values))


def _seated(connection: Connection, slug: str) -> list[Row[Any]]:
    query = (
        select(subscription, subscriber.c.address_key)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(digest, digest.c.id == subscription.c.digest_id)
        .where(digest.c.slug == shadow_of(slug), subscription.c.consent_source == SEATED)
    )
    return list(connection.execute(query))


def _seat(connection: Connection, person: NewSubscription, real: int, cadence: str, now: datetime) -> None:
    """An operator begins where a reader would who joins now, and not before what the desk has had."""
    row = find_subscription(connection, person)
    if row is not None and row.consent_source == SEATED:
        return
    if row is None:
        join_one(connection, person, cadence, now)
    else:
        activate(connection, row, SEATED, now)
    row = find_subscription(connection, person)
    if row is None:
        raise AssertionError("it has just been stored")
    start, rehearsed = start_of(connection, real, row.cadence)
    values = {"cursor": max(row.cursor, start), "rehearsed_cursor": max(row.rehearsed_cursor, rehearsed)}
    connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))


def _unseat(connection: Connection, rows: Iterable[Row[Any]], now: datetime) -> None:
    for row in rows:
        values = {"state": SubscriptionState.UNSUBSCRIBED, "consent_source": LEFT, "left_at": row.left_at or now}
        values |= {"letter": None, "letter_due_at": None}
        connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))
        note(connection, row.id, "left", LEFT, now)


def _end_issue(connection: Connection, number: int, reason: str, now: datetime) -> None:
    """Nothing more of it is claimed from here on. One that was being prepared has the audience it got to."""
    its = select(func.count()).where(delivery.c.issue_id == number).scalar_subquery()
    mine = and_(issue.c.id == number, issue.c.state.in_(UNFINISHED_ISSUES))
    values = {"state": IssueState.CANCELLED, "reason": reason, "finished_at": now}
    connection.execute(update(issue).where(mine).values(audience=func.coalesce(issue.c.audience, its), **values))
