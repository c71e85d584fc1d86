"""What the operator is told: one plain sentence per cause."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import entry, feed_file, notice, source, subscription
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.model import EntryState
from feed_publisher.ports.people import Happened, Notice


class SqlDeskStore:
    """ports.DeskStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, about: str, sentence: str, now: datetime) -> bool:
        """True when this cause has not been told before."""
        with self._database.write() as connection:
            return insert_if_missing(connection, notice, {"about": about, "at": now, "sentence": sentence})

    def has_told(self, about: str) -> bool:
        """For a sentence that costs something to make."""
        with self._database.read() as connection:
            return connection.execute(select(notice.c.id).where(notice.c.about == about)).first() is not None

    def notices(self, limit: int) -> list[Notice]:
        with self._database.read() as connection:
            rows = connection.execute(select(notice).order_by(notice.c.at.desc(), notice.c.id.desc()).limit(limit))
            return [Notice(about=row.about, at=row.at, sentence=row.sentence) for row in rows]

    def happened(self) -> Happened:
        held = select(func.count()).where(entry.c.state == EntryState.HELD).scalar_subquery()
        active = select(func.count()).where(subscription.c.state == SubscriptionState.ACTIVE).scalar_subquery()
        query = select(
            select(func.count()).select_from(entry).scalar_subquery().label("entries"),
            held.label("held"),
            select(func.max(source.c.picked_up_at)).scalar_subquery().label("last_pickup"),
            select(func.max(feed_file.c.last_modified)).scalar_subquery().label("feeds_out"),
            active.label("active"),
        )
        with self._database.read() as connection:
            return Happened(**connection.execute(query).one()._mapping)
