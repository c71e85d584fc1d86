"""Readers on both databases: joining, asking, confirming, leaving, and never being mailed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from database_world import ACCEPTED, DAY, HOUR, NOW, World, article

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.letters import LEASE
from feed_publisher.domain.errors import InputError
from feed_publisher.ports.people import Joined, Letter, NewSubscription


@pytest.fixture(autouse=True)
def _digest(world: World) -> None:
    world.digest()


def anna(**more: object) -> NewSubscription:
    values: dict[str, object] = {
        "address": "Anna@x.example",
        "address_key": "anna",
        "digest": "weekly",
        "active": False,
    }
    return NewSubscription(**(values | more))  # type: ignore[arg-type]


def choice(world: World, name: str) -> str:
    with world.database.read() as connection:
        query = (
            "SELECT t.choice FROM topic_set t JOIN subscription n ON n.topic_set_id = t.id"
            f" WHERE n.id = {world.reader(name)}"
        )
        return str(connection.exec_driver_sql(query).scalar_one())


def test_joining_adds_once_and_updates_only_what_is_given(world: World) -> None:
    assert world.join("anna", "bert", zone="Asia/Tokyo", at="06:30", name="A.") == Joined(
        added=2, updated=0, left=(), suppressed=()
    )
    assert world.join("anna", "carl", cadence="daily") == Joined(added=1, updated=1, left=(), suppressed=())
    view = world.people.find("anna")[0]
    assert (view.cadence, view.zone, view.at, view.name, view.topics) == ("daily", "Asia/Tokyo", "06:30", "A.", ("*",))
    assert (view.state, view.joined_at, view.digest, view.address) == ("active", NOW, "weekly", "anna@x.example")
    assert world.people.view(view.subscription) == view
    assert world.people.view(999) is None
    assert [found.address for found in world.people.page("weekly", 0, 2)] == ["anna@x.example", "bert@x.example"]
    assert [found.address for found in world.people.page(None, world.reader("bert"), 9)] == ["carl@x.example"]
    assert world.people.page("other", 0, 9) == []


def test_a_new_topic_starts_now_and_kept_ones_keep_their_start(world: World) -> None:
    world.absorb(article("One", "News", "Culture"))
    world.join("anna", topics=("news",))
    numbers = world.numbers()
    assert choice(world, "anna") == f"{numbers['news']}@0"
    world.join("anna", topics=("news", "culture"), now=NOW + DAY)
    assert choice(world, "anna") == ",".join(sorted([f"{numbers['news']}@0", f"{numbers['culture']}@2"]))
    assert sorted(world.people.find("anna")[0].topics) == ["culture", "news"]


def test_an_unknown_topic_spoils_the_whole_batch_and_says_which(world: World) -> None:
    with pytest.raises(InputError, match="'nowhere'"):
        world.join("anna", "bert", topics=("nowhere",))
    assert world.people.page(None, 0, 9) == []


def test_a_subscription_starts_after_the_last_issue_of_its_cadence(world: World) -> None:
    world.absorb(article("One"))
    world.join("anna")
    assert world.cursors()["anna"] == 0, "no issue yet: the digest's start"
    world.end(world.open("manual:1"), ACCEPTED)
    world.join("bert")
    assert world.cursors()["bert"] == 0, "a manual issue is no issue of a cadence"
    world.end(world.open("weekly:2026-W45"), ACCEPTED)
    world.absorb(article("Two"), document="b.md")
    world.join("carl")
    world.join("dora", cadence="daily")
    assert (world.cursors()["carl"], world.cursors()["dora"]) == (1, 0)


def test_a_rehearsal_does_not_move_the_start(world: World) -> None:
    world.absorb(article("One"))
    world.join("anna")
    world.end(world.open("weekly:2026-W45", rehearsal=True), ACCEPTED)
    world.join("bert")
    assert world.cursors()["bert"] == 0
    assert world.cursors("rehearsed_cursor")["bert"] == 1


# --- asking and confirming


def claim(world: World, now: datetime) -> list[Letter]:
    return world.letters.claim(["weekly"], 9, now)


def test_a_letter_belongs_to_one_process_until_it_is_done_or_the_lease_ends(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    assert world.letters.claim(["another"], 9, NOW) == []
    (letter,) = claim(world, NOW)
    assert claim(world, NOW) == []
    assert claim(world, NOW + LEASE) == [letter], "the process that had it may have died"
    world.letters.later(letter, NOW + 2 * DAY)
    assert claim(world, NOW + DAY) == []
    assert claim(world, NOW + 2 * DAY) == [letter]


def test_a_letter_never_goes_to_an_address_that_is_never_mailed(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    world.people.suppress("anna", "complained", NOW)
    assert claim(world, NOW) == []


def test_only_the_request_that_was_answered_is_done(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    (first,) = claim(world, NOW)
    world.people.ask(anna(), "weekly", NOW + DAY)
    world.letters.done(first, True)
    assert [letter.request for letter in claim(world, NOW + DAY)] == [2]


def test_asking_is_due_a_letter_at_most_once_a_day(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    (letter,) = claim(world, NOW)
    assert (letter.kind, letter.address, letter.digest, letter.request) == ("confirm", "Anna@x.example", "weekly", 1)
    world.letters.done(letter, True)
    assert claim(world, NOW + DAY) == []
    for later in (timedelta(0), HOUR, DAY - timedelta(seconds=1)):
        world.people.ask(anna(), "weekly", NOW + later)
    assert claim(world, NOW + DAY) == []
    world.people.ask(anna(cadence="daily"), "weekly", NOW + DAY)
    (again,) = claim(world, NOW + DAY)
    assert again.request == 2
    assert world.people.find("anna")[0].cadence == "daily"


def test_who_has_subscribed_already_gets_a_link_instead(world: World) -> None:
    world.join("anna")
    world.people.ask(anna(cadence="daily"), "weekly", NOW)
    (letter,) = claim(world, NOW)
    assert letter.kind == "link"
    view = world.people.find("anna")[0]
    assert (view.state, view.cadence) == ("active", "weekly"), "a stranger's form changes nothing"


def test_who_is_never_mailed_gets_no_letter(world: World) -> None:
    world.people.suppress("anna", "", NOW)
    world.people.ask(anna(), "weekly", NOW)
    assert claim(world, NOW) == []
    assert world.people.find("anna") == []


def test_confirming_works_once_within_72_hours(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    number = world.reader("anna")
    assert world.people.confirm(number, 2, "link", NOW) is False, "another request"
    assert world.people.confirm(999, 1, "link", NOW) is False
    assert world.people.confirm(number, 1, "link", NOW + timedelta(hours=72, seconds=1)) is False
    assert world.people.confirm(number, 1, "link", NOW + timedelta(hours=72)) is True
    assert world.people.find("anna")[0].state == "active"
    assert world.people.confirm(number, 1, "link", NOW + timedelta(hours=73)) is True, "clicking twice is no error"
    world.people.leave(number, NOW + 4 * DAY)
    assert world.people.confirm(number, 1, "link", NOW + DAY) is False, "spent: leaving is not undone by an old link"
    world.people.ask(anna(), "weekly", NOW + 5 * DAY)
    assert world.people.confirm(number, 1, "link", NOW + 5 * DAY) is False
    assert world.people.confirm(number, 2, "link", NOW + 5 * DAY) is True


@pytest.mark.parametrize("how", ["confirm", "import"])
def test_nothing_from_the_time_before_confirming_is_mailed(world: World, how: str) -> None:
    world.absorb(article("One"))
    world.join("bert")
    world.people.ask(anna(), "weekly", NOW)
    world.end(world.open(), ACCEPTED)
    assert world.cursors()["anna"] == 0
    if how == "confirm":
        assert world.people.confirm(world.reader("anna"), 1, "link", NOW + DAY)
    else:
        world.people.join([anna(active=True)], "weekly", NOW + DAY)
    assert world.cursors()["anna"] == 1
    assert world.people.find("anna")[0].joined_at == NOW + DAY


def test_coming_back_skips_what_was_missed_meanwhile(world: World) -> None:
    world.absorb(article("One"))
    world.join("anna", "bert")
    world.people.leave(world.reader("anna"), NOW)
    world.end(world.open(), ACCEPTED)
    world.people.ask(anna(), "weekly", NOW)
    assert world.people.find("anna")[0].state == "pending"
    assert world.people.confirm(world.reader("anna"), 1, "link", NOW)
    assert world.cursors()["anna"] == 1


# --- leaving


def test_leaving_twice_is_the_same_as_once(world: World) -> None:
    world.join("anna")
    number = world.reader("anna")
    assert world.people.leave(number, NOW) is True
    assert world.people.leave(number, NOW + DAY) is True
    assert world.people.leave(999, NOW) is False
    assert world.people.find("anna")[0].state == "unsubscribed"
    with world.database.read() as connection:
        left = connection.exec_driver_sql("SELECT left_at FROM subscription").scalar_one()
    assert str(left).startswith("2026-11-02")


def test_an_import_does_not_bring_back_who_left(world: World) -> None:
    world.join("anna")
    world.people.leave(world.reader("anna"), NOW)
    joined = world.join("anna", consented_at=NOW - DAY)
    assert (joined.added, joined.updated, joined.left) == (0, 0, ("anna@x.example",))
    assert world.people.find("anna")[0].state == "unsubscribed"


def test_leaving_takes_a_waiting_letter_back(world: World) -> None:
    world.people.ask(anna(), "weekly", NOW)
    world.people.leave(world.reader("anna"), NOW)
    assert claim(world, NOW) == []


def test_never_mailed_wins_over_import(world: World) -> None:
    assert world.people.suppress("anna", "complained", NOW) is True
    assert world.people.suppress("anna", "again", NOW) is False
    assert world.join("anna", "bert") == Joined(added=1, updated=0, left=(), suppressed=("anna@x.example",))
    assert world.people.suppressions() == [("", "complained", NOW)]
    assert world.people.unsuppress("anna") is True
    assert world.people.unsuppress("anna") is False
    world.join("anna")
    world.people.suppress("anna", "bounced", NOW + HOUR)
    assert world.people.find("anna")[0].suppressed is True
    assert world.people.suppressions() == [("anna@x.example", "bounced", NOW + HOUR)]


def test_secrets_are_made_with_the_database(world: World) -> None:
    (pepper,) = world.people.secrets("pepper").values()
    assert len(pepper) == 32
    assert world.people.secrets("token") != world.people.secrets("pepper")
    assert world.people.secrets("nothing") == {}


def test_the_same_address_twice_at_once_joins_once(
    world: World, database_url: str, open_database: Callable[[str], Database]
) -> None:
    added: list[int] = []
    errors: list[BaseException] = []
    start = threading.Barrier(3)

    def join() -> None:
        other = World(open_database(database_url))
        for n in range(8):
            start.wait()
            try:
                added.append(other.join(f"r{n}").added)
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

    threads = [threading.Thread(target=join) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(added) == 8


def test_letters_of_a_digest_that_is_gone_do_not_stand_before_others(world: World) -> None:
    """More of them than are looked at together."""
    world.digest("weekly")
    world.digest("gone")
    for number in range(11):
        person = NewSubscription(address=f"o{number}@x.example", address_key=f"o{number}", digest="gone", active=False)
        world.people.ask(person, "weekly", NOW)
    later = NOW + timedelta(hours=1)
    new = NewSubscription(address="new@x.example", address_key="new", digest="weekly", active=False)
    world.people.ask(new, "weekly", later)
    assert [letter.address for letter in world.letters.claim(["weekly"], 1, later)] == ["new@x.example"]
