"""Answers already given to pushes, so that one that is repeated is answered again and not done again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import push_request, source
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.ports.pickup import Answered


class SqlPushStore:
    """ports.PushStore on SQL. ``key`` is the Idempotency-Key of a request, at most 255 characters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_token(self, slug: str, token_hash: str) -> None:
        """This token may push from now on, and the former no more. Raises NotFoundError."""
        with self._database.write() as connection:
            mine = update(source).where(source.c.slug == slug)
            if connection.execute(mine.values(push_hash=token_hash)).rowcount == 0:
                raise NotFoundError(f"no source has the slug {slug}; `sources list` shows all")

    def owner(self, token_hash: str) -> str | None:
        """The slug of the source that a token belongs to, whatever its state."""
        with self._database.read() as connection:
            return connection.execute(select(source.c.slug).where(source.c.push_hash == token_hash)).scalar()

    def seen(self, slug: str, key: str) -> Answered | None:
        query = (
            select(push_request.c.request_hash, push_request.c.status, push_request.c.response)
            .join(source, source.c.id == push_request.c.source_id)
            .where(source.c.slug == slug, push_request.c.key == key)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
            return Answered(request_hash=row.request_hash, status=row.status, response=row.response) if row else None

    def remember(self, slug: str, key: str, answer: Answered, now: datetime) -> bool:
        with self._database.write() as connection:
            number = connection.execute(select(source.c.id).where(source.c.slug == slug)).scalar_one()
            return insert_if_missing(
                connection,
                push_request,
                {
                    "source_id": number,
                    "key": key,
                    "request_hash": answer.request_hash,
                    "status": answer.status,
                    "response": answer.response,
                    "at": now,
                },
            )

    def forget(self, before: datetime) -> int:
        """Drop what is older; how many. Looks first: mostly there is nothing to write."""
        old = push_request.c.at < before
        with self._database.read() as connection:
            if not connection.execute(select(push_request.c.key).where(old).limit(1)).first():
                return 0
        with self._database.write() as connection:
            return int(connection.execute(delete(push_request).where(old)).rowcount)
