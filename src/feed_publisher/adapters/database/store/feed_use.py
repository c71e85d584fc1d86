"""How much feeds are read: numbers per file, day and process, and what the operator sees of each feed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import feed, feed_file, feed_use
from feed_publisher.adapters.database.store.common import insert_if_missing
from feed_publisher.adapters.database.store.feed_rows import feed_of, feed_rows
from feed_publisher.adapters.database.store.making import drop_unused
from feed_publisher.ports.feeds import FeedState, FeedUse

KEPT = timedelta(days=400)
UNUSED = timedelta(days=30)
"""A combined feed that nobody asks for so long is dropped."""


class SqlFeedUseStore:
    """Counts of all processes, and the feeds with them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, owner: str, uses: Sequence[FeedUse], now: datetime) -> None:
        """Replace this process's numbers of these files and days; ``owner`` begins with its machine, then a space."""
        today = now.date()
        with self._database.write() as connection:
            for use in uses:
                key = {"path": use.path, "day": use.day, "owner": owner}
                values = {"polls": use.polls, "readers": use.readers}
                if not insert_if_missing(connection, feed_use, key | values):
                    mine = and_(*(feed_use.c[name] == value for name, value in key.items()))
                    connection.execute(update(feed_use).where(mine).values(values))
            connection.execute(delete(feed_use).where(feed_use.c.day < today - KEPT))
            drop_unused(connection, today - UNUSED, now)

    def states(self, now: datetime) -> list[FeedState]:
        """Every feed, in the order in which they were made."""
        yesterday = now.date() - timedelta(days=1)
        per_process = (
            select(feed_file.c.feed_id, feed_use.c.day, feed_use.c.owner)
            .add_columns(func.sum(feed_use.c.readers).label("readers"), func.sum(feed_use.c.polls).label("polls"))
            .join(feed_file, feed_file.c.path == feed_use.c.path)
            .where(feed_use.c.day >= yesterday)
            .group_by(feed_file.c.feed_id, feed_use.c.day, feed_use.c.owner)
        )
        changed = select(feed_file.c.feed_id, func.max(feed_file.c.last_modified).label("at"))
        with self._database.read() as connection:
            used = _per_feed(connection.execute(per_process))
            at = {row.feed_id: row.at for row in connection.execute(changed.group_by(feed_file.c.feed_id))}
            return [
                FeedState(
                    feed=feed_of(row),
                    changed_at=at.get(row.id),
                    readers=used.get(row.id, (0, 0))[0],
                    polls=used.get(row.id, (0, 0))[1],
                    problem=row.problem,
                )
                for row in connection.execute(feed_rows().order_by(feed.c.id))
            ]


def _per_feed(rows: Iterable[Row[Any]]) -> dict[int, tuple[int, int]]:
    """(readers, polls) of the day that had more readers, by feed.

    Whoever reads from one process of a machine reads from the next one, after a restart; machines have readers of
    their own.
    """
    readers: dict[tuple[int, date], dict[str, int]] = defaultdict(dict)
    polls: Counter[tuple[int, date]] = Counter()
    for row in rows:
        per_machine, machine = readers[row.feed_id, row.day], row.owner.partition(" ")[0]
        per_machine[machine] = max(per_machine.get(machine, 0), int(row.readers))
        polls[row.feed_id, row.day] += int(row.polls)
    used: dict[int, tuple[int, int]] = {}
    for (feed_id, day), per_machine in readers.items():
        used[feed_id] = max(used.get(feed_id, (0, 0)), (sum(per_machine.values()), polls[feed_id, day]))
    return used
