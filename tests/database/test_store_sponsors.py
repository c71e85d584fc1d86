"""Places in issues are counted: none is given twice, none is lost by an issue that ends without leaving."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from database_world import ACCEPTED, CUT_OFF, NO_SUCH_READER, NOW, World, article, judged
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.archive import SqlArchiveStore
from feed_publisher.adapters.database.store.decisions import SqlDecisionStore
from feed_publisher.adapters.database.store.issues import SqlIssueStore
from feed_publisher.adapters.database.store.sponsors import SqlSponsorStore
from feed_publisher.domain.editing import Change, edited
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueEdits, IssueState
from feed_publisher.domain.sponsor import Place, Sponsor, SponsorBlock


def sponsor(slug: str = "boats", issues: int | None = None, place: Place = Place.TOP) -> Sponsor:
    block = SponsorBlock(
        sponsor=slug, place=place, title=slug.title(), text="Good.\nReally.", link="https://b.example/"
    )
    return Sponsor(block=block, issues=issues)


def claim(world: World, slot: str, *sponsors: Sponsor, digest: str = "weekly", rehearsal: bool = False) -> Issue:
    claimed = world.issues.claim_slot(digest, slot, IssueState.PREPARING, "", rehearsal, "me", NOW, sponsors=sponsors)
    assert claimed is not None
    return claimed


def carries(world: World, issue: Issue) -> list[str]:
    return [block.sponsor for block in SqlSponsorStore(world.database).of_issue(issue.id)]


def used(world: World, slug: str = "boats", rehearsal: bool = False) -> int:
    return SqlSponsorStore(world.database).used([slug], rehearsal).get(slug, 0)


def leave_out(world: World, issue: Issue, *slugs: str, most: int | None = None) -> None:
    change = Change(sponsors_out=slugs)
    limits = {} if most is None else {"boats": most}
    SqlDecisionStore(world.database).edit(issue.id, lambda before: edited(before, change), "a test", NOW, most=limits)


def test_an_issue_keeps_what_it_was_opened_with(world: World) -> None:
    world.digest()
    upper, lower = sponsor(), sponsor("nets", place=Place.BOTTOM)
    issue = claim(world, "weekly:2026-W45", lower, upper)
    store = SqlSponsorStore(world.database)
    assert store.of_issue(issue.id) == (upper.block, lower.block), "as they were, the upper one first"
    again = replace(upper, block=replace(upper.block, text="Other words."))
    assert (
        world.issues.claim_slot(
            "weekly", "weekly:2026-W45", IssueState.PREPARING, "", False, "other", NOW, sponsors=(again,)
        )
        is None
    )
    assert store.of_issue(issue.id) == (upper.block, lower.block)
    assert used(world) == 1


def test_looking_takes_nothing_and_tells_what_is_taken(world: World) -> None:
    world.digest()
    store, wanted = SqlSponsorStore(world.database), [sponsor("boats", 1), sponsor("nets", 1)]
    assert [block.sponsor for _ in range(3) for block in store.next(wanted, False)] == ["boats"] * 3
    for slot, expected in (("weekly:2026-W45", ["boats"]), ("weekly:2026-W46", ["nets"]), ("weekly:2026-W47", [])):
        shown = [block.sponsor for block in store.next(wanted, False)]
        assert shown == carries(world, claim(world, slot, *wanted)) == expected


def test_a_skipped_slot_and_one_that_somebody_has_take_nothing(world: World) -> None:
    world.digest()
    world.issues.claim_slot("weekly", "weekly:2026-W44", IssueState.SKIPPED, "late", False, "me", NOW)
    assert used(world) == 0
    issue = claim(world, "weekly:2026-W45", sponsor())
    assert world.issues.freeze(issue, IssueState.READY, "", NOW).state is IssueState.SKIPPED, "nobody to mail"
    assert used(world) == 0


def test_an_issue_that_ends_unsent_gives_its_place_back(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann", "ben")
    decisions, only = SqlDecisionStore(world.database), sponsor(issues=1)
    for number, end in enumerate(
        (
            lambda issue: world.issues.cancel(issue.id, NOW),
            lambda issue: decisions.roll(issue.id, "nobody", "not approved in time", NOW),
        )
    ):
        issue = claim(world, f"weekly:2026-W{45 + number}", only)
        world.prepare(issue)
        with world.database.write() as connection:
            connection.execute(text("UPDATE issue SET state = 'draft' WHERE id = :id"), {"id": issue.id})
        assert used(world) == 1, "it waits"
        end(issue)
        assert used(world) == 0
    refused = world.prepare(claim(world, "weekly:2026-W48", only))
    assert carries(world, refused) == ["boats"]
    world.end(refused, NO_SUCH_READER)
    world.ledger.finish(NOW)
    assert world.issues.get(refused.id).state is IssueState.FINISHED
    assert used(world) == 0, "nobody got it"


@pytest.mark.parametrize("outcome", [ACCEPTED, CUT_OFF], ids=["sent", "in doubt"])
def test_what_somebody_may_have_got_counts_however_the_issue_ends(world: World, outcome: object) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann", "ben")
    issue = world.prepare(claim(world, "weekly:2026-W45", sponsor(issues=1)))
    (first,) = world.transmit(issue, "me", limit=1)
    world.ledger.settle("me", [judged(first, outcome, NOW)], [], NOW)  # type: ignore[arg-type]
    assert world.issues.cancel(issue.id, NOW).state is IssueState.CANCELLED
    assert used(world) == 1
    SqlArchiveStore(world.database).enter(False, NOW)
    assert used(world) == 1


def test_rehearsals_count_among_themselves(world: World) -> None:
    world.digest()
    only = sponsor(issues=2)
    assert [carries(world, claim(world, f"manual:{n}", only, rehearsal=True)) for n in range(3)] == [
        ["boats"],
        ["boats"],
        [],
    ]
    assert (used(world), used(world, rehearsal=True)) == (0, 2)
    assert carries(world, claim(world, "manual:4", only)) == ["boats"], "the first real one"
    assert (used(world), used(world, rehearsal=True)) == (1, 3)


def test_all_digests_of_a_sponsor_share_its_issues(world: World) -> None:
    world.digest()
    world.digest("daily")
    only = sponsor(issues=1)
    assert carries(world, claim(world, "daily:2026-11-02", only, digest="daily")) == ["boats"]
    assert carries(world, claim(world, "weekly:2026-W45", only)) == []


# --- by hand


def test_a_sponsor_that_is_left_out_in_time_has_its_place_back(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann")
    issue = world.prepare(claim(world, "weekly:2026-W45", sponsor(issues=1), sponsor("nets", place=Place.BOTTOM)))
    leave_out(world, issue, "boats")
    assert (carries(world, issue), used(world), used(world, "nets")) == (["nets"], 0, 1)
    leave_out(world, issue, most=1)
    assert (carries(world, issue), used(world)) == (["boats", "nets"], 1)


def test_it_cannot_come_back_when_another_issue_has_its_place(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann")
    issue = world.prepare(claim(world, "weekly:2026-W45", sponsor(issues=1)))
    leave_out(world, issue, "boats")
    assert carries(world, claim(world, "weekly:2026-W46", sponsor(issues=1))) == ["boats"]
    with pytest.raises(InputError, match="sponsor boats has had its 1 issues in the meantime"):
        leave_out(world, issue, most=1)
    assert carries(world, issue) == []
    assert world.issues.get(issue.id).edits == IssueEdits(sponsors_out=("boats",)), "nothing of it is stored"
    assert used(world) == 1
    leave_out(world, issue, most=2)
    assert used(world) == 2


def test_left_out_when_somebody_has_got_it_is_too_late_to_get_the_place_back(world: World) -> None:
    world.digest()
    world.absorb(article("One"))
    world.join("ann", "ben")
    issue = world.prepare(claim(world, "weekly:2026-W45", sponsor(issues=1)))
    (first,) = world.transmit(issue, "me", limit=1)
    world.ledger.settle("me", [judged(first, ACCEPTED, NOW)], [], NOW)
    leave_out(world, issue, "boats")
    assert (carries(world, issue), used(world)) == ([], 1)


# --- at the same time


def test_the_last_place_is_given_once(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    digests = [f"d{number}" for number in range(6)]
    for slug in digests:
        world.digest(slug)
    only = sponsor(issues=17)
    stores = [SqlIssueStore(open_database(database_url)) for _ in digests]
    barrier = threading.Barrier(len(digests))

    def run(number: int) -> None:
        barrier.wait()
        for week in range(8):
            stores[number].claim_slot(
                digests[number], f"weekly:2026-W{45 + week}", IssueState.PREPARING, "", False, "me", NOW, None, (only,)
            )

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(digests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM issue")).scalar() == 48, "no issue is lost by it"
        assert connection.execute(text("SELECT count(*) FROM issue_sponsor")).scalar() == 17
    assert used(world) == 17


PROCESS = """
import sys
from datetime import UTC, datetime
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.issues import SqlIssueStore
from feed_publisher.domain.issue import IssueState
from feed_publisher.domain.sponsor import Place, Sponsor, SponsorBlock

url, name = sys.argv[1:]
only = Sponsor(block=SponsorBlock(sponsor="boats", place=Place.TOP, title="Boats", text="Good."), issues=5)
store = SqlIssueStore(Database(url))
sys.stdin.readline()
for number in range(8):
    store.claim_slot("weekly", f"manual:{name}-{number}", IssueState.PREPARING, "", False, name,
                     datetime(2026, 11, 2, tzinfo=UTC), None, (only,))
"""


def test_two_processes_spend_no_place_twice(world: World, database_url: str) -> None:
    world.digest()
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, database_url, name], stdin=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0, 0]
    assert used(world) == 5
    with world.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM issue")).scalar() == 16
