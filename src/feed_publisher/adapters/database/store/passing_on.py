"""Answers of readers that reached the address of bounces: kept until they are passed on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import answer
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.ports.bounces import Answer

HOUR = timedelta(hours=1)
CLAIMED = timedelta(minutes=10)


class Answers:
    """The part of ports.BounceStore that is about answers."""

    _database: Database

    def keep_answer(self, fingerprint: str, digest: str, mail: bytes, most: int, now: datetime) -> bool | None:
        row = {"fingerprint": fingerprint, "digest": digest, "at": now, "mail": mail, "due_at": now}
        with self._database.write() as connection:
            waiting = connection.execute(select(func.count()).where(answer.c.due_at.is_not(None))).scalar_one()
            known = connection.execute(select(answer.c.id).where(answer.c.fingerprint == fingerprint)).first()
            if known is None and waiting >= most:
                return None
            return insert_if_missing(connection, answer, row)

    def claim_answers(self, digests: Sequence[str], an_hour: int, now: datetime) -> list[Answer]:
        """Claimed for ten minutes: after a crash the operator rather has one twice than not at all."""
        due = and_(answer.c.due_at <= now, answer.c.digest.in_(digests))
        if not self._is_there(due):
            return []
        with self._database.write() as connection:
            left = select(func.count()).where(answer.c.left_at > now - HOUR)
            free = max(0, an_hour - connection.execute(left).scalar_one())
            query = select(answer).where(due).order_by(answer.c.id).limit(min(free, 10))
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            mine = answer.c.id.in_([row.id for row in rows])
            connection.execute(update(answer).where(mine).values(due_at=now + CLAIMED))
            return [
                Answer(number=row.id, fingerprint=row.fingerprint, digest=row.digest, at=row.at, mail=row.mail)
                for row in rows
            ]

    def answer_later(self, number: int, due_at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(answer).where(answer.c.id == number).values(due_at=due_at))

    def answer_left(self, number: int, now: datetime) -> None:
        """Passed on, or refused for good: only its fingerprint is kept."""
        with self._database.write() as connection:
            done = {"due_at": None, "left_at": now, "mail": b""}
            connection.execute(update(answer).where(answer.c.id == number).values(done))

    def forget_answers(self, before: datetime) -> None:
        """Until then their fingerprint keeps them from being passed on again; some never could be."""
        old = answer.c.at < before
        if self._is_there(old):
            with self._database.write() as connection:
                connection.execute(delete(answer).where(old))

    def _is_there(self, which: ColumnElement[bool]) -> bool:
        """Asked first, because it is asked every second: a write would hold others up."""
        with self._database.read() as connection:
            return connection.execute(select(answer.c.id).where(which).limit(1)).first() is not None
