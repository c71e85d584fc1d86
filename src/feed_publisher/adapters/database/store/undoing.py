"""An import is taken back: only what nobody has touched since, and nobody was mailed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, or_, select, update

from feed_publisher.adapters.database.schema import (
    asked,
    delivery,
    reader_import_row,
    subscriber,
    subscription,
    subscription_event,
    suppression,
)
from feed_publisher.adapters.database.store.fingerprints import fingerprint_of, fingerprints_of
from feed_publisher.adapters.database.store.history import note
from feed_publisher.domain.asking import AskState
from feed_publisher.ports.moving import Fate, ImportRecord, Undoing

SOME = 2_000
_DID = (Fate.ADDED, Fate.UPDATED, Fate.SUPPRESSED)
_TIMES = ("joined_at", "cadence_at", "consented_at", "letter_due_at")


@dataclass(slots=True)
class _Sorted:
    """What of some rows can be taken back."""

    added: list[Row[Any]] = field(default_factory=list)
    updated: list[Row[Any]] = field(default_factory=list)
    suppressed: list[Row[Any]] = field(default_factory=list)
    mailed: int = 0
    changed: int = 0

    @property
    def counts(self) -> Undoing:
        return Undoing(
            removed=len(self.added),
            given_back=len(self.updated),
            unsuppressed=len(self.suppressed),
            mailed=self.mailed,
            changed=self.changed,
        )


def foresee_undo(connection: Connection, record: ImportRecord) -> Undoing:
    """What ``undo_some`` would do with all of them."""
    done, after = Undoing(), ""
    while rows := _rows(connection, record.number, after):
        done += _sorted(connection, rows, record.started_at).counts
        after = rows[-1].address_key
    return done


def undo_some(connection: Connection, record: ImportRecord, after: str, now: datetime) -> tuple[Undoing, str | None]:
    """The rows that follow this address; what was done, and where to go on, or None at the end."""
    rows = _rows(connection, record.number, after)
    if not rows:
        return Undoing(), None
    numbers = [row.subscription_id for row in rows if row.subscription_id is not None]
    locked = select(subscription.c.id).where(subscription.c.id.in_(numbers)).order_by(subscription.c.id)
    connection.execute(locked.with_for_update()).all()
    found = _sorted(connection, rows, record.started_at)
    _remove(connection, found.added)
    for row in found.updated:
        _give_back(connection, row, now)
    keys = [row.address_key for row in found.suppressed]
    connection.execute(delete(suppression).where(suppression.c.address_key.in_(keys)))
    undone = keys + [row.address_key for row in (*found.added, *found.updated)]
    mine = and_(reader_import_row.c.import_id == record.number, reader_import_row.c.address_key.in_(undone))
    connection.execute(delete(reader_import_row).where(mine))
    return found.counts, rows[-1].address_key


def _rows(connection: Connection, number: int, after: str) -> Sequence[Row[Any]]:
    mine = and_(reader_import_row.c.import_id == number, reader_import_row.c.address_key > after)
    query = select(reader_import_row).where(mine, reader_import_row.c.fate.in_(_DID))
    return connection.execute(query.order_by(reader_import_row.c.address_key).limit(SOME)).all()


def _sorted(connection: Connection, rows: Sequence[Row[Any]], since: datetime) -> _Sorted:
    found = _Sorted()
    numbers = [row.subscription_id for row in rows if row.subscription_id is not None]
    prints, mailed = fingerprints_of(connection, numbers), _mailed(connection, numbers, since)
    reasons = _reasons(connection, [row.address_key for row in rows if row.fate == Fate.SUPPRESSED])
    for row in rows:
        if row.fate == Fate.SUPPRESSED:
            same, goal = reasons.get(row.address_key) == row.after, found.suppressed
        else:
            same, goal = prints.get(row.subscription_id) == row.after, found.added
            goal = goal if row.fate == Fate.ADDED else found.updated
        if row.subscription_id in mailed:
            found.mailed += 1
        elif not same:
            found.changed += 1
        else:
            goal.append(row)
    return found


def _mailed(connection: Connection, numbers: Sequence[int], since: datetime) -> set[int]:
    """Those for whom something was made or sent since then, or who were asked whether they still want it."""
    query = select(delivery.c.subscription_id).where(delivery.c.subscription_id.in_(numbers))
    found = set(connection.execute(query.where(delivery.c.changed_at >= since)).scalars())
    written_to = or_(asked.c.state != AskState.WAITING, asked.c.handing.is_(True))
    letters = select(asked.c.subscription_id).where(asked.c.subscription_id.in_(numbers), written_to)
    return found | set(connection.execute(letters).scalars())


def _reasons(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    query = select(suppression.c.address_key, suppression.c.reason).where(suppression.c.address_key.in_(keys))
    return {row.address_key: fingerprint_of(row.reason) for row in connection.execute(query)}


def _remove(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """The subscriptions; and the readers, where the import brought them and nothing else is theirs."""
    numbers = [row.subscription_id for row in rows]
    new = [row.subscription_id for row in rows if row.before]
    readers = list(connection.execute(select(subscription.c.subscriber_id).where(subscription.c.id.in_(new))).scalars())
    connection.execute(delete(subscription_event).where(subscription_event.c.subscription_id.in_(numbers)))
    connection.execute(delete(asked).where(asked.c.subscription_id.in_(numbers)))
    connection.execute(delete(subscription).where(subscription.c.id.in_(numbers)))
    has_more = exists().where(subscription.c.subscriber_id == subscriber.c.id)
    connection.execute(delete(subscriber).where(subscriber.c.id.in_(readers), ~has_more))


def _give_back(connection: Connection, row: Row[Any], now: datetime) -> None:
    of_reader, its_own = row.before["reader"], dict(row.before["subscription"])
    for name in _TIMES:
        if its_own.get(name):
            its_own[name] = datetime.fromisoformat(its_own[name])
    mine = subscription.c.id == row.subscription_id
    if of_reader:
        reader = select(subscription.c.subscriber_id).where(mine).scalar_subquery()
        connection.execute(update(subscriber).where(subscriber.c.id == reader).values(of_reader))
    if its_own:
        connection.execute(update(subscription).where(mine).values(its_own))
    note(connection, row.subscription_id, "changed", f"import {row.import_id} was undone", now)
