"""What is reported of mails after the relay had accepted them, and what follows from it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    bounce,
    delivery,
    digest,
    issue,
    mail_back,
    subscriber,
    subscription,
)
from feed_publisher.adapters.database.store.common import insert_if_missing, insert_missing
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.passing_on import Answers
from feed_publisher.adapters.database.store.people import end_subscription
from feed_publisher.adapters.database.store.suppressing import suppress_reader
from feed_publisher.adapters.database.store.transitions import move
from feed_publisher.domain.bounce import SCORING, BounceKind, Patience, Report, consequence, origins
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.verp import Returning, Way, is_attempt
from feed_publisher.ports.bounces import Acted, Bounced, Fate

_ARRIVING = (DeliveryState.CLAIMED, DeliveryState.TRANSMITTING)


class SqlBounceStore(Answers):
    """ports.BounceStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def act(self, named: Returning, report: Report, patience: Patience, now: datetime) -> Acted:
        with self._database.write() as connection:
            query = _delivery if named.way is Way.BOUNCE else _subscription
            found = connection.execute(query(named.number)).first()
            if found is None:
                return Acted(fate=Fate.OTHER)
            if named.way is Way.LEAVE:
                return _complained(connection, found, report, now)
            if not found.attempted or not is_attempt(named.attempt, found.attempt):
                return Acted(fate=Fate.OTHER, digest=found.digest)
            if found.state in _ARRIVING:
                return Acted(fate=Fate.EARLY, digest=found.digest)
            return _act(connection, found, report, patience, now)

    def latest(self, address_key: str, since: datetime) -> Returning | None:
        mine = (
            select(delivery.c.id, delivery.c.attempt)
            .join(subscription, subscription.c.id == delivery.c.subscription_id)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .where(subscriber.c.address_key == address_key, delivery.c.attempted, delivery.c.changed_at >= since)
            .order_by(delivery.c.id.desc())
        )
        with self._database.read() as connection:
            return _named(connection.execute(mine.limit(1)).first())

    def named(self, number: int, delivery_number: int) -> Returning | None:
        mine = and_(delivery.c.id == delivery_number, delivery.c.issue_id == number)
        with self._database.read() as connection:
            return _named(connection.execute(select(delivery.c.id, delivery.c.attempt).where(mine)).first())

    def digest_of(self, delivery_number: int) -> str | None:
        joined = delivery.join(issue, issue.c.id == delivery.c.issue_id).join(digest, digest.c.id == issue.c.digest_id)
        query = select(digest.c.slug).select_from(joined).where(delivery.c.id == delivery_number)
        with self._database.read() as connection:
            slug: str | None = connection.execute(query).scalar()
            return slug

    def count(self, what: str, day: date) -> None:
        with self._database.write() as connection:
            insert_missing(connection, mail_back, [{"day": day, "what": what, "count": 0}])
            mine = and_(mail_back.c.day == day, mail_back.c.what == what)
            connection.execute(update(mail_back).where(mine).values(count=mail_back.c.count + 1))

    def counts(self, since: date) -> dict[str, int]:
        query = select(mail_back.c.what, func.sum(mail_back.c.count)).where(mail_back.c.day >= since)
        with self._database.read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query.group_by(mail_back.c.what))}

    def of_issue(self, number: int) -> Mapping[BounceKind, int]:
        query = select(bounce.c.kind, func.count()).where(bounce.c.issue_id == number).group_by(bounce.c.kind)
        with self._database.read() as connection:
            return {BounceKind(row[0]): int(row[1]) for row in connection.execute(query.order_by(bounce.c.kind))}

    def newest(self, limit: int) -> list[Bounced]:
        query = (
            select(bounce.c.at, bounce.c.issue_id, bounce.c.kind, bounce.c.reason, subscriber.c.address, digest.c.slug)
            .join(subscriber, subscriber.c.id == bounce.c.subscriber_id)
            .join(subscription, subscription.c.id == bounce.c.subscription_id)
            .join(digest, digest.c.id == subscription.c.digest_id)
            .order_by(bounce.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                Bounced(
                    at=row.at,
                    address=row.address,
                    digest=row.slug,
                    issue=row.issue_id,
                    kind=row.kind,
                    reason=row.reason,
                )
                for row in connection.execute(query)
            ]


def _delivery(number: int) -> Select[Any]:
    return (
        select(delivery, digest.c.slug.label("digest"))
        .join(issue, issue.c.id == delivery.c.issue_id)
        .join(digest, digest.c.id == issue.c.digest_id)
        .where(delivery.c.id == number)
        .with_for_update(of=delivery)
    )


def _subscription(number: int) -> Select[Any]:
    return (
        select(subscription, digest.c.slug.label("digest"))
        .join(digest, digest.c.id == subscription.c.digest_id)
        .where(subscription.c.id == number)
        .with_for_update(of=subscription)
    )


def _named(row: Any) -> Returning | None:
    return None if row is None else Returning(way=Way.BOUNCE, number=row.id, attempt=row.attempt)


def _act(connection: Connection, found: Row[Any], report: Report, patience: Patience, now: datetime) -> Acted:
    """A report about a delivery whose result is stored."""
    follows = consequence(report.kind)
    moved = False
    if follows.state is not None:
        mine = and_(delivery.c.id == found.id, delivery.c.state.in_(origins(follows.state)))
        if follows.state is DeliveryState.BOUNCED and not follows.suppress:
            put_cursors_back(connection, mine)
        moved = bool(move(connection, mine, follows.state, str(report), now))
    if report.kind is BounceKind.DELIVERED and not moved:
        return Acted(fate=Fate.KNOWN, digest=found.digest)
    if not _store(connection, found, report, now):
        return Acted(fate=Fate.KNOWN, digest=found.digest)
    suppressed = follows.suppress and suppress_reader(connection, found.subscriber_id, _why(report), now)
    if follows.unsubscribe:
        end_subscription(connection, found.subscription_id, _why(report), now)
    if moved and follows.scores:
        suppressed = _score(connection, found.subscriber_id, report, patience, now)
    return Acted(fate=Fate.DONE, digest=found.digest, suppressed=suppressed)


def _store(connection: Connection, found: Row[Any], report: Report, now: datetime) -> bool:
    row = {
        "at": now,
        "kind": report.kind,
        "reason": str(report),
        "subscription_id": found.subscription_id,
        "subscriber_id": found.subscriber_id,
        "issue_id": found.issue_id,
        "delivery_id": found.id,
        "attempt": found.attempt,
    }
    return insert_if_missing(connection, bounce, row)


def _score(connection: Connection, person: int, report: Report, patience: Patience, now: datetime) -> bool:
    recent = and_(bounce.c.subscriber_id == person, bounce.c.at > now - patience.lasting, bounce.c.kind.in_(SCORING))
    days = [at.date() for at in connection.execute(select(bounce.c.at).where(recent)).scalars()]
    if not patience.is_over(days, now.date()):
        return False
    times = f"came back on {len(set(days))} days"
    return suppress_reader(connection, person, f"{times}, at last: {report}", now)


def _complained(connection: Connection, found: Row[Any], report: Report, now: datetime) -> Acted:
    """A complaint that names a subscription, because whoever sent it on had removed the envelope."""
    if report.kind is not BounceKind.COMPLAINT:
        return Acted(fate=Fate.OTHER, digest=found.digest)
    ended = end_subscription(connection, found.id, _why(report), now)
    suppressed = suppress_reader(connection, found.subscriber_id, _why(report), now)
    if not ended and not suppressed:
        return Acted(fate=Fate.KNOWN, digest=found.digest)
    row = {"at": now, "kind": report.kind, "reason": str(report)}
    row |= {"subscription_id": found.id, "subscriber_id": found.subscriber_id}
    connection.execute(bounce.insert(), row)
    return Acted(fate=Fate.DONE, digest=found.digest, suppressed=suppressed)


_WORDS = {BounceKind.HARD: "no such address", BounceKind.COMPLAINT: "called spam"}


def _why(report: Report) -> str:
    said = _WORDS.get(report.kind, report.kind)
    return f"{said}: {report}" if str(report) else said
