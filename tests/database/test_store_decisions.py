"""Deciding about issues that wait, on both databases."""

from __future__ import annotations

import tracemalloc

import pytest
from database_world import World
from sqlalchemy import select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import edition
from feed_publisher.adapters.database.store.decisions import SqlDecisionStore

LONG = "x" * 500_000


@pytest.fixture
def store(database: Database) -> SqlDecisionStore:
    return SqlDecisionStore(database)


def put_editions(world: World, issue: int, readers: list[int]) -> None:
    """In place of what the issue has: as many editions, each with so many readers."""
    with world.database.write() as connection:
        (row,) = connection.execute(select(edition).where(edition.c.issue_id == issue)).all()
        like = {name: value for name, value in row._mapping.items() if name != "id"}
        connection.execute(edition.update().values(readers=0))
        for number, count in enumerate(readers):
            new = {"fingerprint": f"{number:064}", "text": f"{number}", "html": LONG, "readers": count}
            connection.execute(edition.insert(), like | new)


def test_the_main_edition_is_the_one_with_most_readers(world: World, store: SqlDecisionStore) -> None:
    opened = world.site_with_issue("anna", "bert")
    put_editions(world, opened.id, [2, 7, 0, 7, 1])
    main = store.main_edition(opened.id)
    assert main is not None
    assert (main.text, main.readers, main.all_readers, main.editions) == ("1", 7, 17, 4)


def test_without_readers_there_is_no_main_edition(world: World, store: SqlDecisionStore) -> None:
    opened = world.site_with_issue("anna")
    put_editions(world, opened.id, [0])
    assert store.main_edition(opened.id) is None
    assert store.main_edition(999) is None


def test_only_the_main_edition_is_read(world: World, store: SqlDecisionStore) -> None:
    """An issue may have thousands, each with a whole mail."""
    opened = world.site_with_issue("anna")
    put_editions(world, opened.id, [1] * 20)
    tracemalloc.start()
    try:
        assert store.main_edition(opened.id) is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(LONG)
