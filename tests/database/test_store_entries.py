"""Entries, topics, sequences and feeds on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from database_world import DAY, HOUR, NOW, World, article, count_unnumbered
from sqlalchemy import Engine, delete, event, select

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import entry_key, entry_revision
from feed_publisher.adapters.database.store.absorb import SOURCE_WITHDREW
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.identity import Key, KeyKind, keys_of
from feed_publisher.domain.model import Draft, Enclosure, Entry, EntryState, Image, Problem, TopicRef
from feed_publisher.domain.recognition import Decision, Known, Listed, Verb, recognise, taking_over, wanted_keys
from feed_publisher.ports.feeds import FeedFile
from feed_publisher.ports.pickup import Absorbed, Page


def only(world: World) -> Entry:
    (entry,) = world.entries.page(Page())
    return entry


@contextmanager
def watching(note: Callable[..., None]) -> Iterator[None]:
    """``note`` is called after each statement of any database, as SQLAlchemy's ``after_cursor_execute``."""
    event.listen(Engine, "after_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", note)


# --- absorbing


def test_new_entries_are_stored_newest_first(world: World) -> None:
    absorbed = world.absorb(article("Three"), article("Two", "News", "Culture"), article("One"))
    assert [draft.title for draft in absorbed.new] == ["Three", "Two", "One"]
    entries = world.entries.page(Page())
    assert [entry.title for entry in entries] == ["Three", "Two", "One"]
    assert entries[1].topics == (TopicRef(slug="news", title="News"), TopicRef(slug="culture", title="Culture"))
    assert len({entry.published for entry in entries}) == 3
    assert all(entry.id == f"urn:uuid:{entry.key}" and entry.published <= NOW for entry in entries)
    assert world.sequences() == {
        ("One", "news"): 1,
        ("Two", "news"): 2,
        ("Two", "culture"): 3,
        ("Three", "news"): 4,
    }


PICTURE = Image(url="https://site.example/p.jpg", alt="A pier", credit="Ida")
FILES = (Enclosure(url="https://site.example/1.mp3", type="audio/mpeg", length=2**40, title="Listen"),)


def test_pictures_and_files_are_stored_with_their_revision(world: World) -> None:
    world.absorb(article("One", image=PICTURE, enclosures=FILES), article("Two"))
    one, two = world.entries.page(Page())
    assert (one.image, one.enclosures) == (PICTURE, FILES)
    assert (two.image, two.enclosures) == (None, ())
    with world.database.read() as connection:
        bare = entry_revision.c.image.is_(None)
        assert connection.execute(select(entry_revision.c.title).where(bare)).scalars().all() == ["Two"]


def test_another_file_makes_a_revision_and_another_picture_none(world: World) -> None:
    world.absorb(article("One"))
    before = only(world)
    world.absorb(article("One", image=PICTURE, enclosures=FILES), now=NOW + HOUR)
    first = only(world)
    moved = replace(PICTURE, url="https://cdn.example/p.jpg")
    same = world.absorb(article("One", image=moved, enclosures=FILES), now=NOW + DAY)
    still = only(world)
    other = (replace(FILES[0], url="https://site.example/2.mp3"),)
    world.absorb(article("One", image=moved, enclosures=other), now=NOW + 2 * DAY)
    last = only(world)
    assert before.updated < first.updated
    assert (same.unchanged, still) == (1, first)
    assert (last.id, last.image, last.enclosures) == (before.id, moved, other)
    assert last.updated > first.updated


# --- ids that are taken over

OLD = "https://site.example/?p=7"


def take_over(world: World, *drafts: Draft, slug: str = "site", now: datetime = NOW) -> Absorbed:
    """What a source does that takes over."""
    world.entries.add_source(slug, "feed", now)

    def decide(known: Mapping[Key, Known], listed: Sequence[Listed]) -> list[Decision]:
        return [taking_over(decision) for decision in recognise(drafts, slug, known, listed)]

    return world.entries.absorb(slug, None, wanted_keys(drafts, slug), decide, now)


def test_a_new_entry_gets_the_id_of_its_source(world: World) -> None:
    take_over(world, article("One", explicit_id=OLD), article("Two", explicit_id="7"))
    one, two = world.entries.page(Page())
    assert (one.id, two.id) == (OLD, f"urn:uuid:{two.key}")
    assert world.entries.get(OLD) == world.entries.get(one.key) == one
    assert world.entries.get(two.id.upper()) == two


def test_an_entry_that_is_stored_keeps_its_id(world: World) -> None:
    world.absorb(article("One", explicit_id=OLD))
    before = only(world)
    take_over(world, article("One", explicit_id=OLD, summary="Corrected"), now=NOW + DAY)
    take_over(world, article("One", explicit_id="https://site.example/new-id"), now=NOW + 2 * DAY)
    assert only(world).id == before.id == f"urn:uuid:{before.key}"


def test_one_entry_only_has_an_id(world: World) -> None:
    take_over(world, article("One", explicit_id=OLD))
    with world.database.write() as connection:  # so that recognition does not find the first by its id
        connection.execute(delete(entry_key))
    take_over(world, article("Another", explicit_id=OLD, link="https://site.example/x"), slug="other")
    second, first = sorted(world.entries.page(Page()), key=lambda each: each.title)
    assert (first.id, second.id) == (OLD, f"urn:uuid:{second.key}")


def test_two_new_entries_that_want_one_id(world: World) -> None:
    world.entries.add_source("site", "feed", NOW)
    drafts = [article("One"), article("Two")]
    wanting = [Decision(verb=Verb.NEW, draft=draft, keys=(), wanted_id=OLD) for draft in drafts]
    world.entries.absorb("site", None, set(), lambda known, listed: wanting, NOW)
    ids = [each.id for each in world.entries.page(Page())]
    assert ids.count(OLD) == 1
    assert len(set(ids)) == 2


def test_the_same_again_changes_nothing(world: World) -> None:
    world.absorb(article("One"), article("Two"))
    before, sequences = world.entries.page(Page()), world.sequences()
    again = world.absorb(article("One"), article("Two"), now=NOW + HOUR)
    assert (again.new, again.changed, again.held, again.unchanged) == ((), (), (), 2)
    assert world.entries.page(Page()) == before
    assert world.sequences() == sequences


def test_a_correction_makes_a_revision_and_keeps_id_date_and_sequence(world: World) -> None:
    world.absorb(article("One", summary="Old words"))
    before = only(world)
    changed = world.absorb(article("One", summary="New words"), now=NOW + DAY)
    after = only(world)
    assert [draft.summary for draft in changed.changed] == ["New words"]
    assert (after.id, after.key, after.published, after.number) == (
        before.id,
        before.key,
        before.published,
        before.number,
    )
    assert after.revision != before.revision
    assert after.updated > before.updated
    assert world.sequences() == {("One", "news"): 1}


def test_a_moved_article_with_the_same_id_keeps_its_id(world: World) -> None:
    draft = article("One", explicit_id="tag:site.example,2026:1")
    world.absorb(draft)
    before = only(world)
    world.absorb(replace(draft, link="https://new.example/1"), now=NOW + DAY)
    after = only(world)
    assert (after.id, after.link, after.updated) == (before.id, "https://new.example/1", before.updated)
    assert world.absorb(replace(draft, explicit_id=None, link="https://new.example/1")).unchanged == 1


def test_another_source_adds_topics_but_no_words(world: World) -> None:
    world.absorb(article("One", summary="Ours"))
    world.absorb(article("One", "Culture", summary="Theirs"), source="other")
    entry = only(world)
    assert (entry.summary, entry.source) == ("Ours", "site")
    assert [topic.slug for topic in entry.topics] == ["news", "culture"]
    assert world.sequences() == {("One", "news"): 1, ("One", "culture"): 2}, "its own number when it got there"


def test_doubt_is_held_and_released_with_a_number_of_its_own(world: World) -> None:
    one = article("Weekly", link=None, summary="alpha beta gamma delta epsilon")
    absorbed = world.absorb(one, replace(one, summary="quite other words entirely here"))
    assert len(absorbed.new) == len(absorbed.held) == 1
    (held,) = world.entries.page(Page(state=EntryState.HELD))
    assert held.reason == absorbed.held[0][1]
    assert count_unnumbered(world) == 1
    world.absorb(article("Later"), document="other.md")
    world.entries.change_state(held.number, [EntryState.HELD], EntryState.PUBLIC, "", NOW)
    assert count_unnumbered(world) == 0
    found = world.issues.candidates(2, 3)
    assert [entry.number for entry, _ in found] == [held.number], "nobody's cursor has passed it"
    assert world.absorb(one, replace(one, summary="quite other words entirely here")).unchanged == 2


def test_unchanged_entries_cost_no_statement_but_listing_and_topics(world: World) -> None:
    drafts = [article(f"Old {n}", link=None, summary=f"words {n}") for n in range(700)]
    world.absorb(*drafts)
    written: list[tuple[str, int]] = []

    def note(conn: object, cursor: object, statement: str, parameters: object, context: object, many: bool) -> None:
        verb, *rest = statement.split()
        if verb in ("INSERT", "UPDATE", "DELETE"):
            table = next(word for word in rest if word not in ("INTO", "FROM"))
            written.append((table, len(parameters) if many else 1))  # type: ignore[arg-type]

    added = article("New", link=None, summary="quite another matter")
    with watching(note):
        absorbed = world.absorb(added, *drafts)
    assert (len(absorbed.new), absorbed.changed, absorbed.unchanged) == (1, (), 700)
    per_table = {table: sum(n for name, n in written if name == table) for table, _ in written}
    per_table.pop("listing")
    assert per_table.pop("entry_key") == 2
    assert max(per_table.values()) <= 2, per_table


def test_a_link_that_comes_later_is_stored_with_its_entry(world: World) -> None:
    bare = article("One", link=None, summary="alpha beta gamma")
    world.absorb(bare)
    before = only(world)
    linked = replace(bare, link="https://site.example/1", explicit_id="1")
    assert world.absorb(linked).unchanged == 1
    after = only(world)
    assert (after.id, after.link, after.updated) == (before.id, "https://site.example/1", before.updated)
    assert world.absorb(replace(linked, explicit_id=None)).unchanged == 1
    assert len(world.absorb(replace(linked, link="https://site.example/2", explicit_id="2")).new) == 1
    assert world.absorb(linked, replace(linked, link="https://site.example/2", explicit_id="2")).unchanged == 2


def test_feed_only_entries_get_no_number(world: World) -> None:
    world.absorb(article("Old"), feed_only=True)
    world.absorb(article("Old", "Culture"), source="other")
    assert set(world.sequences().values()) == {None}
    assert world.in_feed("news", 9) == ["Old"]
    number = only(world).number
    world.entries.change_state(number, [EntryState.PUBLIC], EntryState.HIDDEN, "", NOW)
    world.entries.change_state(number, [EntryState.HIDDEN], EntryState.PUBLIC, "", NOW)
    assert set(world.sequences().values()) == {None}


def test_scheduled_entries_mature_and_are_numbered_then(world: World) -> None:
    world.absorb(article("Soon", published=NOW + HOUR), article("Now"))
    assert world.in_feed("news", 9) == ["Now"]
    assert world.entries.mature(NOW) == []
    world.absorb(article("Between"), document="other.md")
    (matured,) = world.entries.mature(NOW + HOUR)
    assert (matured.title, matured.state) == ("Soon", EntryState.PUBLIC)
    assert world.entries.mature(NOW + HOUR) == []
    assert world.sequences() == {("Now", "news"): 1, ("Between", "news"): 2, ("Soon", "news"): 3}


def test_a_withdrawn_and_restored_entry_keeps_its_number(world: World) -> None:
    world.absorb(article("One"))
    number = only(world).number
    withdrawn = world.entries.change_state(number, [EntryState.PUBLIC], EntryState.WITHDRAWN, "wrong", NOW)
    assert (withdrawn.state, withdrawn.reason) == (EntryState.WITHDRAWN, "wrong")
    assert world.in_feed("all", 9) == []
    with pytest.raises(InputError, match="this entry is withdrawn"):
        world.entries.change_state(number, [EntryState.PUBLIC, EntryState.HELD], EntryState.HIDDEN, "", NOW)
    world.entries.change_state(number, [EntryState.WITHDRAWN], EntryState.PUBLIC, "", NOW)
    assert world.sequences() == {("One", "news"): 1}


def test_released_before_its_date_it_stays_scheduled(world: World) -> None:
    world.absorb(article("Soon", published=NOW + DAY))
    number = only(world).number
    world.entries.change_state(number, [EntryState.SCHEDULED], EntryState.HIDDEN, "", NOW)
    assert world.entries.mature(NOW + DAY) == []
    again = world.entries.change_state(number, [EntryState.HIDDEN], EntryState.PUBLIC, "", NOW)
    assert again.state is EntryState.SCHEDULED
    assert count_unnumbered(world) == 1


# --- looking


def test_an_entry_is_found_by_the_start_of_its_key(world: World) -> None:
    world.absorb(article("One"), article("Two"))
    entry = world.entries.page(Page())[0]
    for given in (entry.key, entry.key[:6], entry.id, entry.key.upper()[:9], f" {entry.key[:20]} "):
        assert world.entries.get(given) == entry
    for given in ("zzzzzz", "abc\x00def", "%%%%%%%", entry.key + "0"):
        with pytest.raises(NotFoundError):
            world.entries.get(given)
    with pytest.raises(InputError, match="too short"):
        world.entries.get(entry.key[:5])


def test_a_prefix_of_two_keys_is_refused(world: World) -> None:
    world.absorb(article("One"), article("Two"))
    with world.database.write() as connection:
        for number, entry in enumerate(world.entries.page(Page())):
            connection.exec_driver_sql(
                f"UPDATE entry SET key = 'abcdef0{number}-0000-4000-8000-000000000000' WHERE id = {entry.number}"
            )
    with pytest.raises(InputError, match="more than one"):
        world.entries.get("abcdef")
    assert world.entries.get("abcdef01").title == "Two"


def test_pages_are_cut_by_state_and_topic(world: World) -> None:
    world.absorb(article("Three", "Culture"), article("Two"), article("One", "Culture", "News"))
    assert [entry.title for entry in world.entries.page(Page(topic="culture"))] == ["Three", "One"]
    assert [entry.title for entry in world.entries.page(Page(limit=1))] == ["Three"]
    assert world.entries.page(Page(state=EntryState.HELD)) == []
    assert world.entries.page(Page(topic="nowhere")) == []


def test_first_contact_lasts_until_it_is_ended(world: World) -> None:
    assert world.entries.add_source("site", "folder", NOW) is True
    world.absorb(article("One"), document="a.md")
    world.absorb(article("Two"), article("Three"), document="b.md")
    assert world.entries.add_source("site", "folder", NOW) is True, "still its first contact"
    world.entries.end_first_contact("site", NOW)
    assert world.entries.add_source("site", "folder", NOW) is False


def test_what_is_asked_of_a_folder_every_second(world: World) -> None:
    assert world.entries.fingerprints("site") == {}
    world.absorb(article("One"), document="a.md")
    problem = Problem(where="b.md:7", reason="no date")
    world.absorb(article("Two"), article("Three"), document="b.md", problems=[problem])
    world.absorb(article("Four"), source="other")
    assert world.entries.fingerprints("site") == {"a.md": "1", "b.md": "2"}
    assert world.entries.problems("site") == {"b.md": [problem]}
    assert world.entries.problems("other") == {}
    assert world.entries.listed_total("site", {"a.md", "b.md", "gone.md"}) == 3
    assert world.entries.listed_total("site", {"a.md"}) == 1


def test_where_an_article_was_seen(world: World) -> None:
    draft = article("One", explicit_id="tag:site.example,2026:1")
    world.absorb(article("Zero"), draft)
    world.absorb(draft, source="other", document="feed")
    number = next(entry.number for entry in world.entries.page(Page()) if entry.title == "One")
    assert world.entries.listed_in(number) == [("other", "feed", 0), ("site", "list.md", 1)]
    assert {key.kind for key in world.entries.keys(number)} == {KeyKind.ID, KeyKind.LINK}
    assert set(keys_of(draft, "site")) <= set(world.entries.keys(number))
    assert world.entries.keys(number + 99) == world.entries.listed_in(number + 99) == []


# --- what a source has deleted


def key(draft: Draft) -> set[Key]:
    return set(keys_of(draft, "site"))


def test_what_a_source_has_deleted_is_withdrawn_until_it_is_listed_again(world: World) -> None:
    one, two = article("One", "Culture"), article("Two")
    world.absorb(one, two)
    before = {entry.title: entry for entry in world.entries.page(Page())}
    publish(world)
    absorbed = world.absorb(two, withdrawn=key(one), now=NOW + HOUR)
    assert (absorbed.withdrawn, absorbed.restored, absorbed.unchanged) == (("One",), (), 1)
    (withdrawn,) = world.entries.page(Page(state=EntryState.WITHDRAWN))
    assert withdrawn == replace(before["One"], state=EntryState.WITHDRAWN, reason=SOURCE_WITHDREW)
    assert set(dirty(world)) == {"all", "culture"}
    assert world.absorb(two, withdrawn=key(one)).withdrawn == (), "once"
    publish(world)
    sequences = world.sequences()
    again = world.absorb(one, two, now=NOW + DAY)
    assert (again.new, again.changed, again.restored) == ((), (), ("One",))
    assert {entry.title: entry for entry in world.entries.page(Page())} == before
    assert world.sequences() == sequences
    assert set(dirty(world)) == {"all", "culture"}
    assert world.absorb(one, two).restored == ()


def test_only_the_owner_withdraws_and_only_what_it_does_not_list(world: World) -> None:
    one = article("One")
    world.absorb(one)
    assert world.absorb(source="other", withdrawn=key(one)).withdrawn == ()
    assert world.absorb(one, withdrawn=key(one)).withdrawn == ()
    assert world.absorb(article("New"), document="b", withdrawn=key(article("New"))).withdrawn == ()
    assert only_states(world) == {EntryState.PUBLIC}
    world.absorb(withdrawn=key(one))
    assert world.absorb(one, source="other").restored == (), "another source cannot give it back"


def test_one_withdrawn_by_hand_stays_withdrawn(world: World) -> None:
    one = article("One")
    world.absorb(one)
    number = only(world).number
    world.entries.change_state(number, [EntryState.PUBLIC], EntryState.WITHDRAWN, "", NOW)
    assert world.absorb(withdrawn=key(one)).withdrawn == ()
    assert world.absorb(one).restored == ()
    assert only(world).state is EntryState.WITHDRAWN
    hidden = article("Hidden")
    world.absorb(hidden)
    number = world.entries.page(Page(state=EntryState.PUBLIC))[0].number
    world.entries.change_state(number, [EntryState.PUBLIC], EntryState.HIDDEN, "", NOW)
    assert world.absorb(withdrawn=key(hidden)).withdrawn == (), "it is not to be seen anyway"


def test_a_scheduled_one_comes_back_scheduled_or_is_numbered_when_its_time_has_come(world: World) -> None:
    soon, later = article("Soon", published=NOW + HOUR), article("Later", published=NOW + 3 * DAY)
    world.absorb(soon, later)
    assert set(world.absorb(withdrawn=key(soon) | key(later)).withdrawn) == {"Soon", "Later"}
    assert world.entries.mature(NOW + HOUR) == []
    assert world.absorb(soon, later, now=NOW + DAY).restored == ("Soon", "Later")
    assert [entry.state for entry in world.entries.page(Page())] == [EntryState.SCHEDULED, EntryState.PUBLIC]
    assert world.sequences() == {("Soon", "news"): 1, ("Later", "news"): None}


def test_a_new_entry_keeps_the_reason_of_its_decision(world: World) -> None:
    world.absorb(article("Old"), feed_only=True, reason="was there before this source was added")
    assert (only(world).state, only(world).reason) == (EntryState.PUBLIC, "was there before this source was added")


def only_states(world: World) -> set[EntryState]:
    return {entry.state for entry in world.entries.page(Page())}


def test_a_reading_tells_when_its_source_last_brought_something(world: World) -> None:
    sources = SqlSourceStore(world.database)
    world.absorb(article("One"))
    world.absorb(article("One", summary="Corrected"), now=NOW + DAY)
    record = sources.get("site")
    assert record is not None
    assert (record.read_at, record.newest_at) == (NOW + DAY, NOW)


# --- topics


def test_unknown_headings_make_topics_once(world: World) -> None:
    world.absorb(article("One", "Local  News"), article("Two", "LOCAL NEWS"), article("Three", "日本"))
    world.absorb(article("Four", "local news"), document="b.md")
    first, second = world.topics.all()
    assert first.slug == "local-news"
    assert second.slug.startswith("t-")
    assert world.topics.get("local-news") == first
    assert world.topics.get("nowhere") is None
    assert list(world.numbers()) == ["local-news", second.slug]


def test_other_headings_with_the_same_slug_get_numbers_and_reserved_words_too(world: World) -> None:
    world.absorb(article("One", "C", "C+", "C++", "All"))
    assert [topic.slug for topic in world.topics.all()] == ["c", "c-2", "c-3", "all-2"]


def test_a_heading_longer_than_a_title_may_be_is_cut(world: World) -> None:
    world.absorb(article("One", "x" * 700), article("Two", "x" * 700 + "y"))
    assert [len(topic.title) for topic in world.topics.all()] == [500]
    assert len(world.topics.all()[0].slug) == 80


def test_a_declared_topic_takes_its_title_from_the_settings(world: World) -> None:
    world.topics.declare("culture", "Kultur", NOW)
    world.absorb(article("One", "Kultur"))
    assert [topic.slug for topic in world.topics.all()] == ["culture"]
    publish(world)
    world.topics.declare("culture", "Kultur", NOW)
    assert world.feeds.dirty() == []
    world.topics.declare("culture", "Culture", NOW)
    assert world.topics.all() == [TopicRef(slug="culture", title="Culture")]
    assert len(world.feeds.dirty()) == 2, "other feeds name it too"
    world.absorb(article("Two", "Culture"), article("Three", "Kultur"), document="b.md")
    assert [topic.slug for topic in world.topics.all()] == ["culture"]


# --- two at once


def test_commit_order_is_sequence_order_with_two_writers(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    seen: list[int] = []
    stop = threading.Event()
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            other = World(open_database(database_url))
            for n in range(12):
                other.absorb(article(f"{name} {n}", "News", name), source=name, document=f"{n}.md")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    def watch() -> None:
        """A reader whose cursor follows the counter must see every number up to it."""
        other = World(open_database(database_url))
        while not stop.is_set():
            with other.database.read() as connection:
                value = connection.exec_driver_sql("SELECT value FROM counter WHERE name = 'sequence'").scalar_one()
                numbered = connection.exec_driver_sql("SELECT count(sequence) FROM entry_topic").scalar_one()
            seen.append(value - numbered)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    watcher = threading.Thread(target=watch)
    for thread in [watcher, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    watcher.join()
    assert errors == []
    assert set(seen) == {0}, "a number was visible before its entry"
    assert sorted(n for n in world.sequences().values() if n) == list(range(1, 49))
    assert sorted(topic.slug for topic in world.topics.all()) == ["a", "b", "news"]


def test_two_sources_with_the_same_articles_at_once_make_them_once(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(2)

    def write(name: str) -> None:
        other = World(open_database(database_url))
        for n in range(10):
            start.wait()
            try:
                other.absorb(article(f"Article {n}", f"Topic {n}"), source=name, document=f"{n}.md")
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(world.entries.page(Page(limit=100))) == 10


# --- feeds


def publish(world: World) -> None:
    for dirty in world.feeds.dirty():
        file = FeedFile(path=f"{dirty.slug}.atom", version=dirty.version, etag="e", last_modified=NOW)
        assert world.feeds.replace(dirty, [f"{dirty.slug}.atom"], lambda out, file=file: [file])  # type: ignore[misc]


def dirty(world: World) -> list[str]:
    return [feed.slug for feed in world.feeds.dirty()]


def test_only_feeds_of_changed_entries_are_dirty(world: World) -> None:
    assert dirty(world) == ["all"]
    world.absorb(article("One"), article("Two", "Culture"), article("Three", "Sport"))
    assert set(dirty(world)) == {"all", "news", "culture", "sport"}
    publish(world)
    assert dirty(world) == []
    world.absorb(article("One"), article("Two", "Culture"), article("Three", "Sport"))
    assert dirty(world) == [], "nothing changed"
    world.absorb(article("One"), article("Two", "Culture", summary="Corrected"), article("Three", "Sport"))
    assert dirty(world) == ["all", "culture"]
    publish(world)
    world.absorb(article("One", "Sport"), source="other", document="x.md")
    assert set(dirty(world)) == {"all", "news", "sport"}
    publish(world)
    sport = next(entry for entry in world.entries.page(Page()) if entry.title == "Three")
    world.entries.change_state(sport.number, [EntryState.PUBLIC], EntryState.WITHDRAWN, "", NOW)
    assert dirty(world) == ["all", "sport"]


def test_feeds_list_public_entries_newest_first(world: World) -> None:
    world.absorb(article("Soon", published=NOW + DAY), article("Two", "News", "Culture"), article("One"))
    assert world.in_feed("all", 9) == ["Two", "One"]
    assert world.in_feed("news", 1) == ["Two"]
    assert world.in_feed("culture", 9) == ["Two"]
    assert world.in_feed("nowhere", 9) == []


def test_files_are_replaced_only_by_a_higher_version(world: World) -> None:
    world.absorb(article("One"))
    old = {feed.slug: feed for feed in world.feeds.dirty()}["news"]
    world.absorb(article("One", summary="Corrected"))
    new = {feed.slug: feed for feed in world.feeds.dirty()}["news"]
    assert (old.id, old.title, old.atom_id) == (new.id, "News", new.atom_id)
    assert new.version > old.version
    file = FeedFile(path="news.atom", version=new.version, etag="new", last_modified=NOW)
    assert world.feeds.replace(new, ["news.atom"], lambda out: [file]) is True
    assert dirty(world) == ["all"]

    def must_not_write(out: object) -> list[FeedFile]:
        raise AssertionError("an older version was written over a newer one")

    assert world.feeds.replace(old, ["news.atom"], must_not_write) is False
    assert world.feeds.out(["news.atom"]) == {"news.atom": file}


def test_a_feed_that_changed_while_it_was_written_stays_dirty(world: World) -> None:
    world.absorb(article("One"))
    old = {feed.slug: feed for feed in world.feeds.dirty()}["news"]
    world.absorb(article("One", summary="Corrected"))
    assert world.feeds.replace(old, ["news.atom"], lambda out: []) is True
    world.feeds.refuse(old, "bad")
    assert set(dirty(world)) == {"all", "news"}
    assert world.feeds.problems() == {}


def test_when_writing_fails_the_row_stays_as_it_was(world: World) -> None:
    (feed,) = world.feeds.dirty()

    def fails(out: object) -> list[FeedFile]:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        world.feeds.replace(feed, ["news.atom"], fails)
    assert world.feeds.dirty() == [feed]
    assert world.feeds.out(["news.atom"]) == {}


def test_a_refused_feed_says_why_until_it_is_right(world: World) -> None:
    (feed,) = world.feeds.dirty()
    world.feeds.refuse(feed, "two entries share an id")
    assert world.feeds.problems() == {"all": "two entries share an id"}
    assert world.feeds.dirty() == []
    assert [known.slug for known in world.feeds.listed()] == ["all"]
    world.absorb(article("One"))
    publish(world)
    assert world.feeds.problems() == {}


def test_feeds_depend_on_settings(world: World) -> None:
    world.absorb(article("One"))
    publish(world)
    world.feeds.depend_on("title=A", [])
    assert set(dirty(world)) == {"all", "news"}
    publish(world)
    world.feeds.depend_on("title=A", [])
    assert dirty(world) == []
    world.feeds.depend_on("title=B", [])
    assert set(dirty(world)) == {"all", "news"}


def test_the_desk_tells_each_cause_once(world: World) -> None:
    assert world.desk.tell("a", "First.", NOW) is True
    assert world.desk.tell("a", "First.", NOW + HOUR) is False
    assert world.desk.tell("b", "Second.", NOW + HOUR) is True
    assert [notice.sentence for notice in world.desk.notices(9)] == ["Second.", "First."]
    assert len(world.desk.notices(1)) == 1
    world.digest()
    world.join("anna")
    world.absorb(article("One"))
    happened = world.desk.happened()
    assert (happened.entries, happened.held, happened.active, happened.last_pickup) == (1, 0, 1, NOW)
    assert happened.feeds_out is None


def test_another_file_of_the_same_name_is_not_touched(world: World, tmp_path: Path) -> None:
    """The folder of a site holds nothing but the database's own files."""
    world.absorb(article("One"))
    assert {file.name.split(".")[0] for file in tmp_path.iterdir()} <= {"site"}
