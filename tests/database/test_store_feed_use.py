from __future__ import annotations

from datetime import timedelta

from database_world import NOW, World, article
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.feed_use import KEPT, SqlFeedUseStore
from feed_publisher.ports.feeds import FeedFile, FeedUse

TODAY = NOW.date()


def test_counts_of_processes_and_days_come_together(world: World, database: Database) -> None:
    world.absorb(article("One"))
    for feed in world.feeds.dirty():
        files = [
            FeedFile(path=f"feeds/{feed.slug}.{kind}", version=feed.version, etag="e", last_modified=NOW)
            for kind in ("atom", "rss")
        ]
        world.feeds.replace(feed, [file.path for file in files], lambda out, files=files: files)  # type: ignore[misc]
    uses = SqlFeedUseStore(database)

    def note(owner: str, kind: str, days_ago: int, polls: int, readers: int) -> None:
        day = TODAY - timedelta(days=days_ago)
        uses.note(owner, [FeedUse(path=f"feeds/all.{kind}", day=day, polls=polls, readers=readers)], NOW)

    def seen() -> tuple[int, int]:
        return next((state.readers, state.polls) for state in uses.states(NOW) if state.feed.slug == "all")

    assert seen() == (0, 0)
    note("one", "atom", 0, 5, 2)
    note("one", "atom", 0, 9, 3)
    assert seen() == (3, 9), "the later numbers of a day replace the earlier ones"
    note("two", "atom", 0, 1, 1)
    note("one", "rss", 0, 10, 10)
    assert seen() == (14, 20)
    note("one", "atom", 1, 100, 50)
    assert seen() == (50, 100), "yesterday was a whole day"
    note("one", "atom", 2, 1000, 500)
    assert seen() == (50, 100)
    note("one", "atom", KEPT.days + 1, 1, 1)
    note("three 1", "atom", 0, 60, 60)
    note("three 2", "atom", 0, 50, 55)
    assert seen() == (74, 130), "a machine that was started again has the same readers"
    old = "SELECT count(*) FROM feed_use WHERE day < :day"
    with database.read() as connection:
        assert connection.execute(text(old), {"day": TODAY - timedelta(days=300)}).scalar() == 0
    assert {state.feed.slug: state.changed_at for state in uses.states(NOW)} == {"all": NOW, "news": NOW}
