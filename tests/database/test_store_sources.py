"""What is known of sources, and whose turn it is, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from database_world import DAY, HOUR, NOW, World, article
from sqlalchemy import Engine, event

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.domain.source import Outcome, SourceKind, SourceRecord, SourceRules, SourceState, Validators

MINUTE = timedelta(minutes=1)
UNTIL = NOW + 10 * MINUTE


def feed(slug: str = "blog", kind: SourceKind = SourceKind.FEED, location: str = "") -> SourceRules:
    return SourceRules(slug=slug, kind=kind, location=location or f"https://{slug}.example/feed")


def read(slug: str = "blog", **more: Any) -> Outcome:
    """A success whose next turn is tomorrow."""
    return Outcome(**({"slug": slug, "at": NOW + MINUTE, "due_at": NOW + DAY} | more))


def found(sources: SqlSourceStore, slug: str = "blog") -> SourceRecord:
    record = sources.get(slug)
    assert record is not None
    return record


def slugs(records: Sequence[SourceRecord]) -> list[str]:
    return [record.slug for record in records]


@pytest.fixture
def sources(database: Database) -> SqlSourceStore:
    return SqlSourceStore(database)


@pytest.fixture
def claimed(sources: SqlSourceStore) -> SqlSourceStore:
    """One feed, being read."""
    sources.sync([feed()], NOW)
    assert slugs(sources.claim(["blog"], UNTIL, NOW)) == ["blog"]
    return sources


def written(action: Callable[[], object]) -> list[str]:
    """The statements of an action that are no reads."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, _p: Any, _x: Any, _many: bool) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA")) or "IMMEDIATE" in statement:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        action()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return statements


# --- knowing what is configured


def test_new_fetched_sources_are_due_at_once_others_never(sources: SqlSourceStore) -> None:
    folder = SourceRules(slug="entries", location="entries/")
    push = SourceRules(slug="cms", kind=SourceKind.PUSH, location="")
    sources.sync([feed(), folder, push, feed("shop", SourceKind.PAGE)], NOW)
    assert {record.slug: (record.kind, record.due_at) for record in sources.all()} == {
        "blog": ("feed", NOW),
        "entries": ("folder", None),
        "cms": ("push", None),
        "shop": ("page", NOW),
    }
    assert found(sources) == SourceRecord(
        slug="blog", kind="feed", location="https://blog.example/feed", added_at=NOW, due_at=NOW
    )
    assert sources.get("nowhere") is None


def test_the_same_settings_again_write_nothing(sources: SqlSourceStore) -> None:
    configured = [feed(), SourceRules(slug="entries", location="entries/"), feed("shop")]
    sources.sync(configured, NOW)
    sources.set_state("shop", SourceState.PAUSED, "", NOW)
    assert written(lambda: sources.sync(configured, NOW + DAY)) == []
    sources.claim(["blog"], UNTIL, NOW)
    assert written(lambda: sources.sync(configured, NOW + DAY)) == []


def test_a_new_location_starts_afresh_and_is_due(claimed: SqlSourceStore) -> None:
    validators = Validators(etag='"1"', last_modified="yesterday")
    outcome = read(address="https://b.example/", validators=validators, fingerprint="f", hub=("https://hub/", "t"))
    claimed.record([outcome, read(error="is down")])
    claimed.sync([feed(location="https://new.example/")], NOW + HOUR)
    assert found(claimed) == SourceRecord(
        slug="blog",
        kind="feed",
        location="https://new.example/",
        added_at=NOW,
        due_at=NOW + HOUR,
        tried_at=NOW + MINUTE,
    )


def test_what_the_old_location_said_late_is_not_believed_of_the_new(claimed: SqlSourceStore) -> None:
    claimed.sync([feed(location="https://new.example/")], NOW + MINUTE)
    validators = Validators(etag='"old"')
    claimed.record([read(at=NOW + HOUR, validators=validators, address="https://x/", retired="gone", fingerprint="f")])
    record = found(claimed)
    assert (record.state, record.due_at, record.address) == (SourceState.ACTIVE, NOW + MINUTE, "")
    assert (record.validators, record.fingerprint) == (Validators(), "")


def test_a_new_location_is_a_new_chance_only_for_what_retired_by_itself(sources: SqlSourceStore) -> None:
    sources.sync([feed("gone"), feed("ended"), feed("paused")], NOW)
    sources.record([read("gone", retired="is gone for good (410)")])
    sources.set_state("ended", SourceState.RETIRED, "closed", NOW)
    sources.set_state("paused", SourceState.PAUSED, "", NOW)
    sources.sync([feed(slug) for slug in ("gone", "ended", "paused")], NOW + HOUR)
    assert found(sources, "gone").state is SourceState.RETIRED, "the same location is none"
    sources.sync([feed(slug, location="https://new.example/") for slug in ("gone", "ended", "paused")], NOW + HOUR)
    record = found(sources, "gone")
    assert (record.state, record.reason, record.error, record.failures) == (SourceState.ACTIVE, "", "", 0)
    assert slugs(sources.claim(["gone", "ended", "paused"], NOW + DAY, NOW + HOUR)) == ["gone"]
    assert found(sources, "ended").reason == "closed"


def test_a_source_of_another_kind_is_read_anew_or_not_fetched_any_more(claimed: SqlSourceStore) -> None:
    claimed.record([read(validators=Validators(etag="1"))])
    claimed.sync([feed(kind=SourceKind.PAGE)], NOW + HOUR)
    record = found(claimed)
    assert (record.kind, record.validators, record.due_at) == ("page", Validators(), NOW + HOUR)
    claimed.sync([SourceRules(slug="blog", location="blog/")], NOW + HOUR)
    assert found(claimed).due_at is None
    claimed.hasten(["blog"], NOW)
    assert claimed.claim(["blog"], NOW + DAY, NOW + DAY) == []


def test_one_known_before_it_was_configured_gets_its_turn(world: World, sources: SqlSourceStore) -> None:
    world.entries.add_source("blog", "feed", NOW)
    sources.sync([feed()], NOW)
    assert slugs(sources.claim(["blog"], UNTIL, NOW)) == ["blog"]


# --- turns


def test_the_longest_due_come_first_and_only_once(sources: SqlSourceStore) -> None:
    sources.sync([feed("late")], NOW)
    sources.sync([feed("late"), feed("later")], NOW + MINUTE)
    sources.sync([feed("never")], NOW - DAY)
    asked = ["later", "late", "unknown"]
    assert slugs(sources.claim(asked, NOW + HOUR, NOW + MINUTE)) == ["late", "later"]
    assert sources.claim(asked, NOW + HOUR, NOW + MINUTE) == []
    assert slugs(sources.claim(asked, NOW + DAY, NOW + HOUR)) == ["late", "later"], "a crash keeps nobody out for ever"
    assert slugs(sources.claim(["never"], NOW + DAY, NOW)) == ["never"]


def test_looking_for_what_is_due_writes_nothing(sources: SqlSourceStore) -> None:
    configured = [feed(f"s{n}") for n in range(1200)]
    sources.sync(configured, NOW)
    everyone = [rules.slug for rules in configured]
    assert len(sources.claim(everyone, UNTIL, NOW)) == 1200
    assert written(lambda: sources.claim(everyone, UNTIL, NOW)) == []
    assert written(lambda: sources.claim([], UNTIL, UNTIL)) == []
    sources.record([read(slug) for slug in everyone])
    assert {record.due_at for record in sources.all()} == {NOW + DAY}


def test_paused_and_retired_ones_wait_until_they_are_active(claimed: SqlSourceStore) -> None:
    claimed.record([read(error="is down")])
    for state in (SourceState.PAUSED, SourceState.RETIRED):
        claimed.set_state("blog", state, "a long story", NOW)
        claimed.hasten(["blog"], NOW)
        record = found(claimed)
        assert (record.state, record.reason, record.due_at) == (state, "a long story", None)
        assert claimed.claim(["blog"], NOW + 3 * DAY, NOW + 2 * DAY) == []
    claimed.set_state("blog", SourceState.ACTIVE, "", NOW + HOUR)
    record = found(claimed)
    assert (record.due_at, record.failures, record.error) == (NOW + HOUR, 0, "")
    with pytest.raises(NotFoundError, match="no source has the slug nowhere"):
        claimed.set_state("nowhere", SourceState.PAUSED, "", NOW)


def test_paused_while_it_was_read_it_stays_paused(claimed: SqlSourceStore) -> None:
    claimed.set_state("blog", SourceState.PAUSED, "not now", NOW)
    claimed.record([read(new=2), read(retired="gone")])
    record = found(claimed)
    assert (record.state, record.reason, record.due_at) == (SourceState.PAUSED, "not now", None)
    assert (record.newest_at, record.failures) == (NOW + MINUTE, 1)


def test_hastened_while_it_was_read_it_stays_due(claimed: SqlSourceStore) -> None:
    claimed.hasten(["blog"], NOW + 2 * MINUTE)
    claimed.record([read(at=NOW), read(at=NOW + 5 * MINUTE)])
    assert found(claimed).due_at == NOW + 2 * MINUTE, "whether the attempt is dated by its start or by its end"
    assert slugs(claimed.claim(["blog"], UNTIL, NOW + 2 * MINUTE)) == ["blog"]
    claimed.record([read()])
    assert found(claimed).due_at == NOW + DAY, "hastened once, read once more"


def test_hastening_never_delays(claimed: SqlSourceStore) -> None:
    claimed.record([read()])
    claimed.hasten(["blog"], NOW + 2 * DAY)
    assert found(claimed).due_at == NOW + DAY
    claimed.hasten(["blog"], NOW + HOUR)
    assert found(claimed).due_at == NOW + HOUR
    claimed.hasten(["nowhere"], NOW)


def test_two_processes_never_read_one_source_at_once(
    sources: SqlSourceStore, database_url: str, open_database: Callable[[str], Database]
) -> None:
    everyone = [f"s{n}" for n in range(60)]
    sources.sync([feed(slug) for slug in everyone], NOW)
    taken: list[list[str]] = [[], [], []]
    errors: list[BaseException] = []
    start = threading.Barrier(3)
    rounds = 8

    def work(mine: list[str]) -> None:
        try:
            store = SqlSourceStore(open_database(database_url))
            for turn in range(rounds):
                start.wait(30)
                now = NOW + turn * HOUR
                records = store.claim(everyone, now + HOUR, now)
                mine += [f"{turn} {record.slug}" for record in records]
                store.record([read(record.slug, at=now, due_at=now + HOUR) for record in reversed(records)])
                store.hasten([everyone[turn]], now + HOUR)
                start.wait(30)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    together = [each for mine in taken for each in mine]
    assert len(together) == len(set(together)), "claimed twice"
    left = [record.slug for record in sources.claim(everyone, NOW + DAY, NOW + rounds * HOUR)]
    assert len(left) == 60, "none is lost"


# --- outcomes


def test_failures_are_counted_until_a_success(claimed: SqlSourceStore) -> None:
    claimed.record([read(error="is down")])
    claimed.record([read(error="is down still", at=NOW + HOUR, due_at=NOW + 2 * HOUR)])
    record = found(claimed)
    assert (record.failures, record.error, record.tried_at, record.read_at) == (2, "is down still", NOW + HOUR, None)
    assert record.due_at == NOW + 2 * HOUR
    claimed.record([read(at=NOW + DAY)])
    record = found(claimed)
    assert (record.failures, record.error, record.tried_at, record.read_at) == (0, "", NOW + DAY, NOW + DAY)
    assert record.newest_at is None


def test_what_an_outcome_does_not_tell_stays(claimed: SqlSourceStore) -> None:
    validators = Validators(etag='W/"1"', last_modified="Sun, 22 Nov 2026 08:00:00 GMT")
    told = {"address": "https://b.example/", "validators": validators, "fingerprint": "f", "hub": ("https://h/", "t")}
    claimed.record([read(new=3, **told)])
    claimed.record([read(at=NOW + DAY)])
    record = found(claimed)
    assert (record.address, record.validators, record.fingerprint) == ("https://b.example/", validators, "f")
    assert (record.hub, record.hub_topic, record.newest_at) == ("https://h/", "t", NOW + MINUTE)
    claimed.record([read(address="", validators=Validators(), fingerprint="", hub=("", ""))])
    record = found(claimed)
    assert (record.address, record.validators, record.fingerprint, record.hub) == ("", Validators(), "", "")


def test_a_source_that_says_it_is_gone_retires(claimed: SqlSourceStore) -> None:
    claimed.record([read(retired="is gone for good (410)")])
    record = found(claimed)
    assert (record.state, record.reason, record.due_at) == (SourceState.RETIRED, "is gone for good (410)", None)
    assert (record.error, record.failures, record.read_at) == ("is gone for good (410)", 1, None)


def test_hostile_words_spoil_no_batch(sources: SqlSourceStore) -> None:
    sources.sync([feed("good"), feed("evil")], NOW)
    words = "nul \x00 half \udc80 quote ' and " + "x" * 9000
    evil = read("evil", error=words, address=words, validators=Validators(etag=words, last_modified=words))
    sources.record([evil, read("good"), read("unknown")])
    assert found(sources, "good").read_at == NOW + MINUTE
    assert found(sources, "evil").error.startswith("nul  half  quote ' and x")
    sources.record([])


def test_a_lease_ends_when_the_document_names_another_hub(claimed: SqlSourceStore) -> None:
    assert claimed.hub_secret("blog") is None
    claimed.record([read(hub=("https://hub.example/", "topic"))])
    claimed.claim_hub("blog", "secret", NOW + HOUR, NOW + HOUR)
    claimed.lease_hub("blog", NOW + DAY)
    claimed.record([read(hub=("https://hub.example/", "topic"))])
    assert (claimed.hub_secret("blog"), found(claimed).hub_until) == ("secret", NOW + DAY)
    claimed.record([read(hub=("https://hub.example/", "another topic"))])
    assert (claimed.hub_secret("blog"), found(claimed).hub_until) == (None, None)
    assert claimed.hub_secret("nowhere") is None
    assert not claimed.claim_hub("nowhere", "secret", NOW, NOW)
    with pytest.raises(NotFoundError):
        claimed.lease_hub("nowhere", NOW)


def test_only_one_may_ask_a_hub(claimed: SqlSourceStore) -> None:
    assert claimed.claim_hub("blog", "mine", NOW + HOUR, NOW)
    assert not claimed.claim_hub("blog", "another", NOW + HOUR, NOW)
    assert claimed.hub_secret("blog") == "mine"
    assert claimed.claim_hub("blog", "later", NOW + DAY, NOW + 2 * HOUR)


# --- what it brought


def test_first_contact_is_not_counted_as_brought(world: World, sources: SqlSourceStore) -> None:
    world.absorb(article("Old"), article("Older"))
    assert sources.brought("site", NOW - DAY) == 0
    world.entries.end_first_contact("site", NOW)
    assert sources.brought("site", NOW - DAY) == 0
    world.absorb(article("New"), article("Old"), now=NOW + DAY)
    world.absorb(article("Elsewhere"), source="other", now=NOW + DAY)
    assert sources.brought("site", NOW - DAY) == 1
    assert sources.brought("site", NOW + 2 * DAY) == 0
    assert sources.brought("nowhere", NOW) == 0


def test_entries_per_iso_week(world: World, sources: SqlSourceStore) -> None:
    sunday = datetime(2026, 11, 8, 23, 59, 59, tzinfo=UTC)
    world.absorb(article("One"), article("Two"), now=sunday)
    world.absorb(article("Three"), document="b", now=sunday + timedelta(seconds=1))
    world.absorb(article("Four"), document="c", now=sunday + 15 * DAY)
    world.absorb(article("Five"), source="other", now=sunday)
    for slug in ("site", "other"):
        world.entries.end_first_contact(slug, sunday - DAY)
    weeks = {date(2026, 11, 2): 2, date(2026, 11, 9): 1, date(2026, 11, 23): 1}
    assert sources.per_week(sunday - 7 * DAY) == {"site": weeks, "other": {date(2026, 11, 2): 1}}
    assert sources.per_week(sunday, "site") == {"site": weeks}
    assert sources.per_week(sunday + 16 * DAY) == {}
    assert sources.per_week(sunday, "nowhere") == {}


def test_rules_are_compared_by_what_is_stored_only(sources: SqlSourceStore) -> None:
    sources.sync([feed()], NOW)
    changed = replace(feed(), topics=("News",), every=HOUR, headers=(("Authorization", "secret"),))
    assert written(lambda: sources.sync([changed], NOW + HOUR)) == []
