"""Deciding about issues that wait, on both databases."""

from __future__ import annotations

import tracemalloc

import pytest
from database_world import DAY, NOW, World
from sqlalchemy import Engine, event, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, edition, issue
from feed_publisher.adapters.database.store import letting_go
from feed_publisher.adapters.database.store.decisions import SqlDecisionStore
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState

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


def lateness(world: World) -> list[str]:
    """How each waiting mail stands to the hour it was made for."""
    with world.database.read() as connection:
        rows = connection.execute(select(delivery.c.not_before, delivery.c.due_at).order_by(delivery.c.id)).all()
    return ["on time" if row == (NOW, NOW) else "from now" if row == (NOW + DAY, NOW + DAY) else "odd" for row in rows]


def stopped(world: World, opened: Issue, state: IssueState) -> None:
    with world.database.write() as connection:
        connection.execute(issue.update().where(issue.c.id == opened.id).values(state=state))
        connection.execute(delivery.update().values(not_before=NOW, due_at=NOW))


@pytest.mark.parametrize("act", ["approve", "send_undecided"])
def test_an_issue_that_is_let_go_late_locks_few_readers_at_once(
    world: World, store: SqlDecisionStore, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    opened = world.site_with_issue("anna", "bert", "cleo", "dora", "emil")
    stopped(world, opened, IssueState.DRAFT)
    monkeypatch.setattr(letting_go, "STEP", 2)
    counts: list[int] = []

    def note(_c: object, cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("UPDATE delivery"):
            counts.append(cursor.rowcount)  # type: ignore[attr-defined]

    event.listen(Engine, "after_cursor_execute", note)
    try:
        getattr(store, act)(opened.id, "ann", NOW + DAY)
    finally:
        event.remove(Engine, "after_cursor_execute", note)
    assert counts == [2, 2, 1]
    assert lateness(world) == ["from now"] * 5
    assert world.issues.get(opened.id).state is IssueState.READY


def test_what_a_crash_left_half_let_go_stays_stopped_and_goes_whole_the_next_time(
    world: World, store: SqlDecisionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = world.site_with_issue("anna", "bert", "cleo")
    stopped(world, opened, IssueState.PAUSED)
    monkeypatch.setattr(letting_go, "STEP", 2)
    assert letting_go._some_from_now(world.database, opened.id, 0, NOW + DAY) is not None  # and it dies
    assert lateness(world) == ["from now", "from now", "on time"]
    assert world.issues.get(opened.id).state is IssueState.PAUSED
    store.approve(opened.id, "ann", NOW + DAY)
    assert lateness(world) == ["from now"] * 3


def test_an_approval_that_is_refused_moves_no_hour(world: World, store: SqlDecisionStore) -> None:
    opened = world.site_with_issue("anna")
    stopped(world, opened, IssueState.DRAFT)
    with pytest.raises(InputError, match="somebody else has changed it"):
        store.approve(opened.id, "ann", NOW + DAY, seen=7)
    stopped(world, opened, IssueState.READY)
    with pytest.raises(InputError, match="it is ready"):
        store.approve(opened.id, "ann", NOW + DAY)
    assert not store.send_undecided(opened.id, "nobody", NOW + DAY)
    assert lateness(world) == ["on time"]
