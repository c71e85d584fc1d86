"""No two issues of a digest have the same subject, on both databases, also when they want it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from database_world import World
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.issues import SqlIssueStore

WANTED = ("Tide", "Lamp", "Tide (2026-11-02)")


def test_an_issue_gets_the_first_subject_that_no_other_has(world: World) -> None:
    world.digest()
    first, second, third, fourth = (world.claim(f"manual:{n}") for n in range(4))
    assert world.issues.claim_subject(first.id, WANTED) == "Tide"
    assert world.issues.claim_subject(second.id, WANTED) == "Lamp"
    assert world.issues.claim_subject(third.id, WANTED) == "Tide (2026-11-02)"
    assert world.issues.claim_subject(fourth.id, WANTED) == "Tide (2026-11-02)", "no issue is stopped by its subject"


def test_an_issue_keeps_what_it_has(world: World) -> None:
    world.digest()
    first, second = world.claim("manual:1"), world.claim("manual:2")
    assert world.issues.claim_subject(first.id, WANTED) == "Tide"
    assert world.issues.claim_subject(first.id, ("Lamp", "Tide")) == "Lamp", "another edition of it"
    assert world.issues.claim_subject(first.id, WANTED) == "Tide", "a correction, or continued after a crash"
    assert world.issues.claim_subject(second.id, WANTED) == "Tide (2026-11-02)"


def test_rehearsals_and_other_digests_take_nothing_away(world: World) -> None:
    world.digest()
    assert world.issues.claim_subject(world.claim("manual:1", rehearsal=True).id, WANTED) == "Tide"
    assert world.issues.free_subject("weekly", False, WANTED) == "Tide"
    assert world.issues.free_subject("weekly", True, WANTED) == "Lamp"
    assert world.issues.claim_subject(world.claim("manual:2").id, WANTED) == "Tide"
    world.digest("other")
    assert world.issues.free_subject("other", False, WANTED) == "Tide"


def test_looking_takes_nothing(world: World) -> None:
    world.digest()
    assert [world.issues.free_subject("weekly", False, WANTED) for _ in range(2)] == ["Tide", "Tide"]
    world.issues.claim_subject(world.claim().id, WANTED)
    assert world.issues.free_subject("weekly", False, WANTED) == "Lamp"
    assert world.issues.free_subject("weekly", False, ("Tide",)) == "Tide"


def test_issues_that_race_get_different_subjects(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    world.digest()
    opened = [world.claim(f"manual:{n}") for n in range(6)]
    wanted = [f"Subject {n}" for n in range(6)]
    stores = [SqlIssueStore(open_database(database_url)) for _ in opened]
    barrier, got = threading.Barrier(len(opened)), dict[int, str]()

    def claim(n: int) -> None:
        barrier.wait()
        got[n] = stores[n].claim_subject(opened[n].id, wanted)

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(len(opened))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got.values()) == wanted
    with world.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM issue_subject")).scalar() == 6
