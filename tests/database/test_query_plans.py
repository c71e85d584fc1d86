"""The queries that run often find what they need by an index, seen in SQLite's plan of the statements really run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from database_world import ACCEPTED, HOUR, NOW, World, article, judged, mark
from sqlalchemy import event

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.asked import SqlAskedStore
from feed_publisher.adapters.database.store.asking import SqlAskingStore
from feed_publisher.adapters.database.store.preview import SqlPreviewStore
from feed_publisher.adapters.database.store.pushes import SqlPushStore
from feed_publisher.adapters.database.store.shadows import SqlShadowStore
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.adapters.database.store.starting import SqlStartStore
from feed_publisher.domain.asking import AskState, Next, Patience
from feed_publisher.domain.source import SourceKind, SourceRules
from feed_publisher.ports.asking import NewRound, Part, Within
from feed_publisher.ports.issues import Audience
from feed_publisher.ports.people import NewSubscription


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def full(world: World) -> World:
    """No ANALYZE: on a site's tables none is run either."""
    world.digest()
    world.absorb(*(article(f"Article {n}", "News", "Culture") for n in range(60)))
    world.join(*(f"r{n}" for n in range(60)))
    world.open()
    return world


@contextmanager
def plans(database: Database) -> Iterator[Callable[[str], str]]:
    """Records the statements of a block; the function gives the plan of those that contain a text."""
    ran: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        if not statement.startswith(("EXPLAIN", "BEGIN", "PRAGMA")):
            ran.append((statement, parameters))

    engines = {database._engine, database._durable}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)

    def plan(containing: str) -> str:
        with database.read() as connection:
            found = [
                row.detail
                for statement, parameters in ran
                if containing in " ".join(statement.split())
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
        assert found, f"no statement contains {containing!r}"
        return "\n".join(found)

    yield plan
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def test_claiming_walks_its_index(full: World) -> None:
    (opened,) = full.issues.newest(1)
    with plans(full.database) as plan:
        claimed = full.ledger.claim(opened.id, "me", 5, NOW)
    due = plan("ORDER BY delivery.due_at, delivery.id LIMIT")
    assert "USING COVERING INDEX ix_delivery_issue_id_state_due_at" in due
    assert "SCAN" not in due
    assert "TEMP B-TREE" not in due, "no sorting of the whole queue"
    assert "SCAN delivery" not in plan("delivery")
    with plans(full.database) as plan:
        full.ledger.settle("me", [], [mark(one) for one in claimed], NOW)
        full.ledger.settle("me", [judged(claimed[0], ACCEPTED, NOW)], [], NOW)
        full.ledger.sendable(False, ["weekly"], NOW)
        full.ledger.processes()
        full.ledger.next_due(False)
        full.ledger.expire(NOW, NOW)
        full.ledger.finish(NOW)
        full.ledger.release("me", NOW)
        full.ledger.recover("me", NOW)
        full.issues.books(opened.id)
        full.issues.cancel(opened.id, NOW)
    assert "SCAN delivery" not in plan("delivery")
    for statement in ("SET state = 'transmitting'", "SET state = 'sent'"):
        found = plan(statement).splitlines()[0]
        assert found.startswith("SEARCH delivery"), found
        assert "rowid=?" in found, "not all that is claimed"


def test_candidates_use_the_sequence_index(full: World) -> None:
    with plans(full.database) as plan:
        assert len(full.issues.candidates(110, 120)) == 5
    used = plan("entry_topic.sequence > ?")
    assert "sqlite_autoindex_entry_topic_2 (sequence>? AND sequence<?)" in used
    assert "SCAN" not in used.replace("SCAN source", "")


def test_the_newest_of_a_topic_use_its_index(full: World) -> None:
    with plans(full.database) as plan:
        assert len(full.in_feed("news")) == 50
    used = plan("LIMIT")
    assert "ix_entry_topic_topic_id_published (topic_id=?)" in used
    assert "SCAN entry" not in used
    assert "TEMP B-TREE" not in used


def test_the_newest_of_all_use_an_index(full: World) -> None:
    with plans(full.database) as plan:
        assert len(full.in_feed("all")) == 50
    used = plan("LIMIT")
    assert "ix_entry_state_published (state=?)" in used
    assert "TEMP B-TREE" not in used


def test_slots_and_clocks_are_looked_up(full: World) -> None:
    with plans(full.database) as plan:
        full.issues.slot_taken("weekly", "weekly:2026-W45")
        assert full.issues.clocks("weekly", "weekly") == [("", "")]
    assert "sqlite_autoindex_issue_1 (digest_id=? AND slot=?)" in plan("issue.slot = ?")
    clocks = plan("FROM clock")
    assert "ix_subscription_digest_id_cadence_clock_id" in clocks
    assert "SCAN subscription" not in clocks


def test_an_issue_asks_for_its_readers_by_index(full: World) -> None:
    (opened,) = full.issues.newest(1)
    full.end(opened, ACCEPTED)
    with plans(full.database) as plan:
        full.issues.readers(Audience(digest="weekly", cadence=None, rehearsal=False), 0, 10, NOW)
    page = plan("subscription.cursor AS cursor_value")
    assert "ix_subscription_digest_id_id (digest_id=? AND id>?)" in page
    assert "TEMP B-TREE" not in page
    audience = Audience(digest="weekly", cadence="weekly", rehearsal=False)
    with plans(full.database) as plan:
        full.issues.release_unfinished(audience, 0, 10, NOW)
        full.issues.readers(audience, 0, 10, NOW)
        full.issues.already_had([1, 2], [1, 2], False)
        full.people.view(1)
        full.letters.claim(["weekly"], 5, NOW)
    assert "SCAN delivery" not in plan("delivery")
    page = plan("subscription.cursor AS cursor_value")
    assert "ix_subscription_digest_id_cadence_id (digest_id=? AND cadence=? AND id>?)" in page
    assert "TEMP B-TREE" not in page, "a page must not sort the whole audience"
    assert "SCAN edition_entry" not in plan("edition_entry")
    assert "SCAN subscriber" not in plan("subscriber")
    assert "ix_subscription_letter_due_at" in plan("subscription.letter_due_at <= ?")


def test_a_preview_asks_by_index(full: World) -> None:
    (opened,) = full.issues.newest(1)
    full.end(opened, ACCEPTED)
    store = SqlPreviewStore(full.database)
    with plans(full.database) as plan:
        assert store.last("weekly", False) is not None
        assert store.reader("weekly", "r1", False) is not None
        assert store.mailed("weekly", [1, 2], 1, False)
        assert store.mailed("weekly", [1, 2], None, False)
        assert len(store.standings([1], 5)) == 6
        assert store.maturing(NOW) == []
        assert store.census("weekly", "weekly", NOW)
    for table in ("delivery", "edition_entry", "edition", "issue", "entry", "entry_topic", "subscriber"):
        assert f"SCAN {table}\n" not in plan(table) + "\n", table
    assert "ix_entry_state_published (state=?)" in plan("ORDER BY entry.published DESC")
    assert "TEMP B-TREE" not in plan("ORDER BY entry.published DESC")
    assert "ix_entry_state_published (state=? AND published<?)" in plan("entry.published <= ?")
    assert "SCAN subscription" not in plan("FROM subscription")


def test_entries_are_found_by_key_prefix_and_recognised_by_index(full: World, tmp_path: Path) -> None:
    (entry, _) = full.issues.candidates(0, 2)[0]
    with plans(full.database) as plan:
        full.entries.get(entry.key[:8])
        full.absorb(article("New one"), document="b.md")
    assert "sqlite_autoindex_entry_2 (key>? AND key<?)" in plan("LIMIT")
    assert "SCAN entry_key" not in plan("entry_key")
    assert "sqlite_autoindex_listing_1 (source_id=? AND name=?)" in plan("listing.place FROM listing")
    assert "SCAN" not in plan("entry.id IN")


def test_what_is_asked_of_sources_every_second_is_indexed(full: World) -> None:
    sources = SqlSourceStore(full.database)
    sources.sync(
        [SourceRules(slug=f"s{n}", kind=SourceKind.FEED, location=f"https://s{n}.example/") for n in range(9)], NOW
    )
    with plans(full.database) as plan:
        assert sources.claim(["s1"], NOW + HOUR, NOW)
        sources.brought("site", NOW)
        sources.per_week(NOW, "site")
        sources.hasten(["s1"], NOW)
        SqlPushStore(full.database).owner("hash")
        SqlPushStore(full.database).forget(NOW)
        full.entries.fingerprints("site")
    due = plan("source.due_at <= ? ORDER BY")
    assert "ix_source_due_at (due_at>? AND due_at<?)" in due or "ix_source_due_at (due_at<?)" in due
    assert "SCAN" not in plan("source")
    assert "ix_entry_source_id_first_seen (source_id=? AND first_seen>?)" in plan("count(*)")
    assert "COVERING INDEX ix_entry_source_id_first_seen" in plan("GROUP BY source.slug, entry.first_seen")
    assert "ix_source_push_hash" in plan("push_hash = ?")
    assert "ix_push_request_at" in plan("FROM push_request")


def test_rounds_of_asking_walk_their_index(full: World) -> None:
    asking, working = SqlAskingStore(full.database), SqlAskedStore(full.database)
    patience = Patience(remind_after=7, pause_after=14)
    new = NewRound(digest="weekly", part=Part(), patience=patience, rehearsal=False, fingerprint="1")
    with plans(full.database) as plan:
        assert asking.up_to("weekly", 0, 30) == 30
        within = Within(after=0, to=30)
        everybody = Part(joined_before=NOW + HOUR, unconfirmed=True, cadence="weekly", import_number=1)
        asking.fits("weekly", everybody, within, False, NOW, NOW)
        round_ = asking.add(asking.begin(new, NOW), range(1, 31), 30, NOW)
        asking.ready(round_.number, NOW)
        (claimed, *_) = working.claim(round_, 10, NOW)
        working.mark(claimed, NOW)
        working.settle(claimed, Next(state=AskState.REMINDED, due_at=NOW), "", False, NOW)
        working.pause_silent(round_, NOW + HOUR, 10, NOW)
        working.end(round_.number, NOW)
        asking.tally(round_.number)
        full.people.leave(2, NOW)
    assert "ix_subscription_digest_id_id (digest_id=? AND id>?)" in plan("SELECT max(")
    assert "SCAN" not in plan("CASE WHEN")
    due = plan("ORDER BY asked.due_at LIMIT")
    assert "ix_asked_asking_id_state_due_at (asking_id=? AND state=? AND due_at<?)" in due
    assert "TEMP B-TREE" not in due
    assert "sqlite_autoindex_asked_1 (asking_id=? AND subscription_id=?)" in plan("subscriber.language")
    assert "ix_asked_subscription_id" in plan("ORDER BY asked.asking_id, asked.subscription_id")
    assert "SCAN asked" not in plan("asked").replace("SCAN asking", "")
    assert "SCAN subscription" not in plan("subscription")


def test_who_gets_a_digest_is_looked_up_by_indexes(full: World) -> None:
    shadows = SqlShadowStore(full.database)
    desk = NewSubscription(address="d@x.example", address_key="d", digest="weekly~desk", active=True)
    with plans(full.database) as plan:
        shadows.begin("weekly", [desk], ["weekly"], NOW)
        shadows.seated("weekly")
        assert shadows.end_issues(NOW) == 1
        assert shadows.ended_issues() == [1]
        assert shadows.end_mails(1, 0, 10, NOW) == (10, 10)
        assert "SCAN" not in plan("subscription.consent_source = ?")
        assert "SCAN" not in plan("UPDATE subscription SET cadence=?")
        assert "SCAN" not in plan("digest.rests")
        assert "SCAN" not in plan("issue.reason IN")
        assert "(issue_id=? AND subscription_id>? AND subscription_id<?)" in plan("UPDATE delivery SET state=?")


def test_moving_readers_to_a_start_walks_them_in_order(full: World) -> None:
    full.issues.cancel(1, NOW)
    starts = SqlStartStore(full.database)
    with plans(full.database) as plan:
        starts.restart("weekly", 3, 9)
        assert starts.move("weekly", 0, 10) == (10, 10)
        for statement in ("UPDATE subscription SET cursor=?, rehearsed_cursor=?", "ORDER BY subscription.id"):
            assert "SCAN" not in plan(statement)
            assert "TEMP B-TREE" not in plan(statement)
        starts.articles(3, 9, None)
        assert "SCAN" not in plan("count(DISTINCT entry_topic.entry_id)")
