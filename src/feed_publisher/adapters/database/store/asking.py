"""Rounds of “still want this?”: who fits, stored in batches that can be cut short and continued; how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import asked, asking, digest, reader_import_row, subscriber, subscription
from feed_publisher.adapters.database.store.audience import digest_id, suppressed
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.domain.asking import BY_OPERATOR, OPEN, AskState, Patience
from feed_publisher.domain.errors import InputError, StorageError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.ports.asking import Fit, NewRound, Part, Round, Within
from feed_publisher.ports.moving import Fate


class SqlAskingStore:
    """ports.AskingStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def up_to(self, slug: str, after: int, limit: int) -> int | None:
        mine = and_(subscription.c.digest_id == digest_id(slug), subscription.c.id > after)
        page = select(subscription.c.id).where(mine).order_by(subscription.c.id).limit(limit).subquery()
        with self._database.read() as connection:
            return connection.execute(select(func.max(page.c.id))).scalar()

    def numbers(self, slug: str, address_keys: Sequence[str]) -> list[int]:
        query = (
            select(subscription.c.id)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .where(subscription.c.digest_id == digest_id(slug), subscriber.c.address_key.in_(address_keys))
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def fits(
        self, slug: str, part: Part, within: Within, rehearsal: bool, since: datetime, now: datetime
    ) -> list[tuple[int, Fit]]:
        fit = case(
            (suppressed(), Fit.NEVER),
            (subscription.c.paused_until > now, Fit.PAUSED),
            (_asked_since(rehearsal, since), Fit.LATELY),
            else_=Fit.FITS,
        )
        query = (
            select(subscription.c.id, fit)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .where(subscription.c.digest_id == digest_id(slug), subscription.c.state == SubscriptionState.ACTIVE)
            .where(subscription.c.id > within.after, subscription.c.id <= within.to, *_belongs(part))
            .order_by(subscription.c.id)
        )
        if within.only is not None:
            query = query.where(subscription.c.id.in_(within.only))
        with self._database.read() as connection:
            return [(row[0], Fit(row[1])) for row in connection.execute(query)]

    def begin(self, new: NewRound, now: datetime) -> Round:
        with self._database.write() as connection:
            number = connection.execute(select(digest.c.id).where(digest.c.slug == new.digest)).scalar_one()
            unfinished = and_(asking.c.ready_at.is_(None), asking.c.stopped_at.is_(None))
            mine = and_(asking.c.digest_id == number, asking.c.rehearsal.is_(new.rehearsal), unfinished)
            row = connection.execute(select(asking).where(mine).with_for_update()).first()
            if row is not None and row.fingerprint != new.fingerprint:
                reason = f"round {row.id} was interrupted before all were in it; give the same command again, or --stop"
                raise InputError(reason, new.digest)
            if row is None:
                added = connection.execute(asking.insert().returning(asking.c.id), _new(number, new, now)).scalar_one()
                return _get(connection, int(added))
            return _get(connection, row.id)

    def add(self, round_: Round, subscriptions: Sequence[int], to: int, now: datetime) -> Round:
        with self._database.write() as connection:
            row = connection.execute(select(asking).where(asking.c.id == round_.number).with_for_update()).one()
            if (row.reached, row.stopped_at, row.ready_at) != (round_.reached, None, None):
                raise StorageError(f"round {round_.number} was stopped, or is continued by another process")
            begun = round_.started_at
            rows = [
                {
                    "asking_id": round_.number,
                    "subscription_id": number,
                    "state": AskState.WAITING,
                    "due_at": begun + round_.patience.delay(round_.size + place),
                    "handing": False,
                    "tries": 0,
                }
                for place, number in enumerate(subscriptions)
            ]
            insert_missing(connection, asked, rows)
            values = {"reached": to, "size": asking.c.size + len(rows)}
            connection.execute(update(asking).where(asking.c.id == round_.number).values(values))
            return _get(connection, round_.number)

    def ready(self, number: int, now: datetime) -> None:
        mine = and_(asking.c.id == number, asking.c.ready_at.is_(None))
        with self._database.write() as connection:
            connection.execute(update(asking).where(mine).values(ready_at=now, looked_at=now))

    def stop(self, slug: str, now: datetime) -> int:
        running = and_(asking.c.stopped_at.is_(None), asking.c.ended_at.is_(None))
        mine = and_(asking.c.digest_id == digest_id(slug), running)
        with self._database.write() as connection:
            return int(connection.execute(update(asking).where(mine).values(stopped_at=now)).rowcount)

    def rounds(self, slug: str) -> list[Round]:
        query = round_rows().where(digest.c.slug == slug).order_by(asking.c.id.desc())
        with self._database.read() as connection:
            return [to_round(row) for row in connection.execute(query)]

    def tally(self, number: int) -> dict[AskState, int]:
        with self._database.read() as connection:
            return tally(connection, number)


def tally(connection: Connection, number: int) -> dict[AskState, int]:
    """How many readers of a round are in each state."""
    query = select(asked.c.state, func.count()).where(asked.c.asking_id == number).group_by(asked.c.state)
    found = {AskState(row[0]): row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in AskState}


def round_rows() -> Select[Any]:
    """To be read by ``to_round``."""
    return select(asking, digest.c.slug).join(digest, digest.c.id == asking.c.digest_id)


def to_round(row: Row[Any]) -> Round:
    return Round(
        number=row.id,
        digest=row.slug,
        part=row.part,
        patience=Patience(remind_after=row.remind_after, pause_after=row.pause_after, per_day=row.per_day),
        rehearsal=row.rehearsal,
        started_at=row.started_at,
        reached=row.reached,
        size=row.size,
        ready_at=row.ready_at,
        looked_at=row.looked_at,
        hold_until=row.hold_until,
        stopped_at=row.stopped_at,
        ended_at=row.ended_at,
    )


def _get(connection: Connection, number: int) -> Round:
    return to_round(connection.execute(round_rows().where(asking.c.id == number)).one())


def _new(number: int, new: NewRound, now: datetime) -> dict[str, Any]:
    part = {
        "joined_before": new.part.joined_before.isoformat() if new.part.joined_before else None,
        "unconfirmed": new.part.unconfirmed,
        "import": new.part.import_number,
        "cadence": new.part.cadence,
        "file": new.part.file,
    }
    return {
        "digest_id": number,
        "part": {name: value for name, value in part.items() if value},
        "fingerprint": new.fingerprint,
        "remind_after": new.patience.remind_after,
        "pause_after": new.patience.pause_after,
        "per_day": new.patience.per_day,
        "rehearsal": new.rehearsal,
        "started_at": now,
        "reached": 0,
        "size": 0,
    }


def _belongs(part: Part) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if part.joined_before is not None:
        found.append(subscription.c.joined_at < part.joined_before)
    if part.unconfirmed:
        found.append(_unconfirmed())
    if part.cadence is not None:
        found.append(subscription.c.cadence == part.cadence)
    if part.import_number is not None:
        row = reader_import_row.c
        brought = and_(row.import_id == part.import_number, row.fate == Fate.ADDED)
        found.append(exists().where(brought, row.subscription_id == subscription.c.id).correlate(subscription))
    return found


def _unconfirmed() -> ColumnElement[bool]:
    """The opposite of ``is_own_word``."""
    source = subscription.c.consent_source
    of_operator = or_(source == "", *(source.startswith(word) for word in BY_OPERATOR))
    same = and_(subscription.c.consented_at == subscription.c.joined_at, of_operator)
    return or_(subscription.c.consented_at.is_(None), same)


def _asked_since(rehearsal: bool, since: datetime) -> ColumnElement[bool]:
    """In a round that goes on, or mailed in any since then. Rehearsals and real rounds know nothing of each other."""
    goes_on = and_(asked.c.state.in_(OPEN), asking.c.stopped_at.is_(None))
    mine = and_(asked.c.subscription_id == subscription.c.id, asking.c.id == asked.c.asking_id)
    lately = or_(goes_on, asked.c.asked_at > since)
    return exists().where(mine, asking.c.rehearsal.is_(rehearsal), lately).correlate(subscription)
