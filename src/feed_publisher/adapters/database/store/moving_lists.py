"""Imports of whole lists of readers, and lists to take away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    MetaData,
    Row,
    String,
    Table,
    and_,
    exists,
    select,
    update,
)

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    clock,
    digest,
    reader_import,
    reader_import_row,
    subscriber,
    subscription,
    suppression,
    topic_set,
)
from feed_publisher.adapters.database.store.importing import SqlTaking
from feed_publisher.adapters.database.store.people import is_of_shadow
from feed_publisher.adapters.database.store.topic_names import slugs_by_number
from feed_publisher.adapters.database.store.undoing import foresee_undo, undo_some
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.selection import Choice
from feed_publisher.ports.moving import ImportRecord, Listed, Taking, Undoing

PAGE = 2_000

_foreseen = Table(
    "foreseen_row",
    MetaData(),
    Column("import_id", BigInteger, primary_key=True, autoincrement=False),
    Column("address_key", String(64), primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("fate", String(20), nullable=False),
    Column("subscription_id", BigInteger),
    Column("before", JSON(none_as_null=True)),
    Column("after", String(64), nullable=False),
    prefixes=["TEMPORARY"],
)
"""Of one connection only: what a list holds may be more than fits into memory."""


class SqlMovingStore:
    """ports.MovingStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, slug: str, file: str, fingerprint: str, now: datetime) -> int:
        open_ones = and_(reader_import.c.finished_at.is_(None), reader_import.c.undone_at.is_(None))
        with self._database.write() as connection:
            number = connection.execute(select(digest.c.id).where(digest.c.slug == slug)).scalar_one()
            same = and_(reader_import.c.digest_id == number, reader_import.c.fingerprint == fingerprint)
            found = connection.execute(select(reader_import.c.id).where(open_ones, same)).scalar()
            if found is not None:
                return int(found)
            row = {"digest_id": number, "file": file, "fingerprint": fingerprint, "started_at": now, "counts": {}}
            return int(connection.execute(reader_import.insert().returning(reader_import.c.id), row).scalar_one())

    def taking(self, number: int) -> Taking:
        return SqlTaking(self._database.write, reader_import_row, number, self.get(number).digest, writes=True)

    @contextmanager
    def foresee(self, slug: str) -> Iterator[Taking]:
        with self._database.read() as connection:
            _foreseen.create(connection)
            yield SqlTaking(lambda: nullcontext(connection), _foreseen, 0, slug, writes=False)
            _foreseen.drop(connection)

    def finish(self, number: int, counts: Mapping[str, int], now: datetime) -> None:
        mine = and_(reader_import.c.id == number, reader_import.c.finished_at.is_(None))
        with self._database.write() as connection:
            connection.execute(update(reader_import).where(mine).values(finished_at=now, counts=dict(counts)))

    def imports(self, limit: int) -> list[ImportRecord]:
        """Newest first."""
        query = _records().order_by(reader_import.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def get(self, number: int) -> ImportRecord:
        with self._database.read() as connection:
            row = connection.execute(_records().where(reader_import.c.id == number)).first()
        if row is None:
            raise NotFoundError(f"there is no import {number}; `subscribers imports` lists them")
        return _record(row)

    def foresee_undo(self, number: int) -> Undoing:
        with self._database.read() as connection:
            return foresee_undo(connection, self.get(number))

    def undo(self, number: int, now: datetime) -> Undoing:
        """Some thousands in a transaction; interrupted, it goes on where it was."""
        record, done = self.get(number), Undoing()
        after: str | None = ""
        while after is not None:
            with self._database.write() as connection:
                some, after = undo_some(connection, record, after, now)
                done += some
        with self._database.write() as connection:
            connection.execute(update(reader_import).where(reader_import.c.id == number).values(undone_at=now))
        return done

    def listed(self, slug: str | None, states: Sequence[str]) -> Iterator[Listed]:
        """In the order they joined, read in pages."""
        after = 0
        while True:
            with self._database.read() as connection:
                query = _listed(slug, states).where(subscription.c.id > after).limit(PAGE)
                rows = connection.execute(query).all()
                slugs = slugs_by_number(connection)
            for row in rows:
                yield _to_listed(row, slugs)
            if len(rows) < PAGE:
                return
            after = rows[-1].id


def _records() -> Any:
    return select(reader_import, digest.c.slug).join(digest, digest.c.id == reader_import.c.digest_id)


def _record(row: Row[Any]) -> ImportRecord:
    return ImportRecord(
        number=row.id,
        digest=row.slug,
        file=row.file,
        started_at=row.started_at,
        finished_at=row.finished_at,
        undone_at=row.undone_at,
        counts=row.counts,
    )


def _listed(slug: str | None, states: Sequence[str]) -> Any:
    suppressed = exists().where(suppression.c.address_key == subscriber.c.address_key).correlate(subscriber)
    query = (
        select(subscription, subscriber.c.address, subscriber.c.name, subscriber.c.language, digest.c.slug)
        .add_columns(topic_set.c.choice, clock.c.zone, clock.c.at, suppressed.label("suppressed"))
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(digest, digest.c.id == subscription.c.digest_id)
        .join(topic_set, topic_set.c.id == subscription.c.topic_set_id)
        .join(clock, clock.c.id == subscription.c.clock_id)
        .where(subscriber.c.address != "", ~is_of_shadow())
        .order_by(subscription.c.id)
    )
    if slug is not None:
        query = query.where(digest.c.slug == slug)
    return query.where(subscription.c.state.in_(states)) if states else query


def _to_listed(row: Row[Any], slugs: Mapping[int, str]) -> Listed:
    choice = Choice.parse(row.choice)
    chosen = tuple(sorted({slugs[number] for number in choice.starts if number in slugs}))
    return Listed(
        number=row.id,
        address=row.address,
        name=row.name,
        digest=row.slug,
        state=SubscriptionState(row.state),
        suppressed=bool(row.suppressed),
        cadence=row.cadence,
        topics=None if choice.everything is not None else chosen,
        zone=row.zone,
        at=row.at,
        language=row.language or "",
        consented_at=row.consented_at,
        consent_source=row.consent_source,
    )
