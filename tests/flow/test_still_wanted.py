"""“Still want this?” from the first mail to the pause, on both databases, with a real mail server; time is set."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from faults.relay import CUT, Relay
from flow.asking_world import KEPT, LEFT, ORDER, PAUSED, SUBJECTS, Asked, addresses, is_over, link, made
from flow.flow_site import DAY, HOUR, Site, listing
from sqlalchemy import MetaData, select

from feed_publisher.adapters.database.store.asked import SqlAskedStore
from feed_publisher.adapters.lists import read_lists
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.asking import AskState, Patience
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.token import Purpose, dated, make_token
from feed_publisher.parse.columns import System
from feed_publisher.parse.subscribers import Reading
from feed_publisher.ports.asking import Part
from feed_publisher.ports.people import Wanted
from feed_publisher.services import asking
from feed_publisher.services.moving_in import Order
from feed_publisher.services.subscribe import REQUEST_BITS

NAMES = ("ann", "ben", "cay", "dov", "eve", "fay")


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@pytest.fixture
def world(tmp_path: Path, relay: Relay, database_url: str) -> Asked:
    """Six readers for whom only the operator's word is there."""
    found = made(tmp_path / "site", relay, database_url)
    found.site.join(addresses(NAMES))
    found.site.now += DAY
    return found


def days(world: Asked, count: int) -> None:
    """A tick at each."""
    for _ in range(count):
        world.site.tick()
        world.site.now += DAY


def test_yes_keeps_silence_pauses_and_nothing_is_erased(world: Asked) -> None:
    site = world.site
    round_ = world.ask()
    assert (round_.size, world.asked_of()) == (6, {})
    site.tick()
    assert world.asked_of() == dict.fromkeys(NAMES, 1)
    mail = world.mails("ann")[0]
    assert mail.subject == SUBJECTS[0]
    words = " ".join(mail.text.split())
    assert "The Letter has been coming to this address since November 2, 2026." in words
    assert "Your address came from an earlier list." in words
    assert "pause it about November 17, 2026" in words
    leave = link(mail, "unsubscribe")
    assert f"List-Unsubscribe: <http://127.0.0.1:8000{leave}>".encode() in mail.raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in mail.raw
    assert re.search(rf'<a href="http://127.0.0.1:8000{link(mail, "keep")}"[^>]*>Yes, keep it</a>', mail.html)

    assert "Thank you, you keep it" in world.press("ann")
    world.press("cay", "unsubscribe", **ONE_CLICK)
    world.press("dov", "preferences", digest="weekly", action="save", cadence="daily", scope="all", hour="", zone="")
    assert world.states() == {"ann": KEPT, "ben": "asked", "cay": LEFT, "dov": KEPT, "eve": "asked", "fay": "asked"}
    world.press("ben")

    days(world, 7)
    site.tick()
    assert world.asked_of() == {**dict.fromkeys(NAMES, 1), "eve": 2, "fay": 2}, "who answered is left in peace"
    assert world.mails("eve")[1].subject == SUBJECTS[1]
    days(world, 6)
    site.now += DAY - HOUR
    site.tick()
    assert not world.is_paused("eve")
    world.press("fay", "preferences", digest="weekly", action="pause", days="7", then="catch-up")
    site.now += HOUR
    site.tick()
    assert world.is_paused("eve")
    assert world.states()["eve"] == PAUSED
    assert world.states()["fay"] == KEPT, "a pause of one's own is an answer"
    days(world, 9)
    assert (world.is_paused("fay"), world.is_paused("eve")) == (False, True)
    assert world.asked_of().total() == 8
    assert world.readers() == 6
    assert world.view("eve").state == "active"
    with site.open() as app:
        assert is_over(app)
        story = next(notice.sentence for notice in app.desk.notices(20) if "still want it" in notice.sentence)
    assert "Of 6 readers of weekly" in story
    assert "4 keep it, 1 were silent and are paused, 1 have left, and 0 could not be reached" in story


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_less_often_is_a_yes(world: Asked) -> None:
    site = world.site
    site.join("email,cadence\nann@example.org,daily\n")
    world.ask()
    site.tick()
    with world.browser() as client:
        page = client.get(link(world.mails("ann")[0], "keep")).text
        assert "Less often: " in page
        refused = client.post(link(world.mails("ann")[0], "keep"), data={"keep": "yes", "cadence": "hourly"})
    assert refused.status_code == 422
    assert (world.states()["ann"], world.view("ann").cadence) == ("asked", "daily"), "a refused choice is no yes"
    text = world.press("ann", keep="yes", cadence="weekly")
    assert "It comes less often from now on." in text
    assert (world.states()["ann"], world.view("ann").cadence) == (KEPT, "weekly")
    assert "said yes" in world.consent("ann")[1]


def test_yes_is_evidence_and_older_evidence_stays(world: Asked) -> None:
    site = world.site
    site.join("email,consented_at,consent_source\ngus@example.org,2019-05-01,the web form\n")
    before = world.consent("gus")
    world.ask(part=Part())
    site.tick()
    assert "has been coming to this address since May 1, 2019. Our list says where it is from: “the web form”." in (
        " ".join(world.mails("gus")[0].text.split())
    )
    site.now += HOUR
    for name in ("ann", "gus"):
        world.press(name)
    said = world.consent("ann")
    assert said == (site.now, "said yes on the page of the mail that asked (round 1)")
    assert world.consent("gus") == before
    site.now += HOUR
    for name in ("ann", "gus"):
        world.press(name)  # again
    assert world.consent("ann") == said
    assert [what for what, _ in world.history("gus")] == ["joined", "still wanted?", "still wanted?"]
    assert world.history("ann") == [
        ("joined", "imported"),
        ("still wanted?", "asked by mail (round 1)"),
        ("still wanted?", "said yes on the page of the mail that asked (round 1); before: imported"),
    ]
    assert world.count(part=Part(unconfirmed=True), again_after=0) == {"asked already": 5}, "ann has said it herself"


def test_looking_changes_nothing_and_only_the_own_link_says_yes(world: Asked) -> None:
    world.ask()
    world.site.tick()
    address = link(world.mails("ann")[0], "keep")
    with world.site.open() as app, world.browser() as client:
        before = dump(app)
        for _ in range(3):
            page = client.get(address)
            client.head(address)
            client.post(address, data={"something": "else"})
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-robots-tag"] == "noindex"
        other = link(world.mails("ann")[0], "unsubscribe").replace("/unsubscribe/", "/keep/")
        bad = [address[:-2] + "AA", "/keep/x", other, link(world.mails("ann")[0], "preferences")[:8] + "x"]
        key = app.subscribe.current_key
        bad += [f"/keep/{make_token(Purpose.KEEP, subject, *key)}" for subject in (0, 1, (9 << 40) + 1, (1 << 40) + 99)]
        for each in bad:
            assert client.get(each).status_code == 404, each
            assert client.post(each, data={"keep": "yes"}).status_code == 404, each
        elsewhere = [
            address.replace("/keep/", f"/{page}/") for page in ("unsubscribe", "preferences", "confirm", "move")
        ]
        for each in elsewhere:
            assert client.post(each, data=ONE_CLICK | {"action": "leave", "digest": "weekly"}).status_code == 404
        assert dump(app) == before


def dump(app):  # type: ignore[no-untyped-def]
    """All rows of all tables."""
    tables = MetaData()
    with app.database.read() as connection:
        tables.reflect(connection)
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in tables.tables.items()
        }


def test_a_yes_after_the_pause_brings_it_back_with_what_came_meanwhile_or_without(world: Asked) -> None:
    site = world.site
    world.ask()
    days(world, 15)
    assert world.states() == dict.fromkeys(NAMES, PAUSED)
    site.write("a.txt", listing("News", [1, 2]))
    site.pickup()
    assert site.send() is None, "nobody is there"
    with world.browser() as client:
        page = client.get(link(world.mails("ann")[0], "keep")).text
        assert "We asked twice whether" in page
        assert "Send it to me in the next issue" in page
        own = client.get(link(world.mails("ann")[0], "preferences")).text
        assert "We asked twice whether you still want it and had no answer." in own
        assert "End the pause now" in own
    world.press("ann")
    world.press("ben", keep="yes", then="fresh")
    world.press("cay", "preferences", digest="weekly", action="resume", then="catch-up")
    assert world.states() == {**dict.fromkeys(NAMES, PAUSED), "ann": KEPT, "ben": KEPT, "cay": KEPT}
    assert site.send() is not None
    got = {mail.partition("@")[0] for mail, raw in world.relay.accepted if b"Article 0001" in raw}
    assert got == {"ann", "cay"}
    assert world.history("ben")[-1][1].startswith("start fresh after sequence")
    with site.open() as app:
        assert app.keeping.is_silent(world.view("dov").subscription)
        assert not app.keeping.is_silent(world.view("cay").subscription)


def test_articles_that_wait_for_the_hour_of_a_silent_reader_come_when_she_goes_on(world: Asked) -> None:
    site = world.site
    site.configure(digest='cadences = ["weekly", "daily"]\nhour = "07:00"\nzone = "UTC"')
    site.join("email,zone,hour\nann@example.org,America/Lima,21\n")
    site.now = site.now.replace(hour=20)  # a Tuesday
    world.ask()
    days(world, 13)
    assert world.relay.got["ann"] == 2
    site.write("a.txt", listing("News", [1]))
    site.now = site.now.replace(hour=8)  # the Monday: the issue is there, Lima's evening is to come
    site.tick()
    site.tick()
    assert waiting(world) == 1
    site.now = site.now.replace(hour=21) + DAY
    with site.open() as app:
        app.ask_mails().step(False, site.now)
    assert (world.is_paused("ann"), waiting(world)) == (True, 0)
    site.tick()
    assert world.relay.got["ann"] == 2
    world.press("ann")
    days(world, 9)
    assert sum(b"Article 0001" in raw for to, raw in world.relay.accepted if to.startswith("ann")) == 1


def waiting(world: Asked) -> int:
    """Mails of issues that have not left."""
    with world.site.open() as app:
        return sum(app.issues.books(issue.id).get(DeliveryState.QUEUED, 0) for issue in app.issues.newest(9))


# --- who is asked


def test_the_part_that_is_chosen(world: Asked, tmp_path: Path) -> None:
    site = world.site
    site.now += 10 * DAY
    file = tmp_path / "new.csv"
    file.write_text("email,cadence\nnew1@example.org,daily\nnew2@example.org,weekly\nann@example.org,weekly\n")
    with site.open() as app:
        lists = read_lists(file)
        order = Order(
            digest="weekly", name="new", fingerprint="1", sheets=lists.sheets, confirmed=True, reading=READING
        )
        tally = app.moving_in().bring(order, site.now, lambda ended: None, lambda count: None)
        app.subscribe.ask("weekly", parse_address("pending@example.org"), None, site.now)
    site.join("email,consented_at\nown@example.org,2020-01-01\n")
    everybody = world.count(part=Part())
    assert everybody == {"asked": 9}, "who has not confirmed is not on the list"
    joined = site.now - DAY
    assert world.count(part=Part(joined_before=joined)) == {"asked": 6}
    assert world.count(part=Part(unconfirmed=True)) == {"asked": 8}
    assert world.count(part=Part(import_number=tally.number)) == {"asked": 2}, "ann was there before"
    assert world.count(part=Part(cadence="daily")) == {"asked": 1}
    assert world.count(part=Part(cadence="daily", joined_before=joined)) == {}
    listed = lists.sheets
    assert world.count(part=Part(file="new.csv"), sheets=listed) == {"asked": 3}
    assert world.count(part=Part(file="new.csv", joined_before=joined), sheets=listed) == {"asked": 1}

    with site.open() as app:
        app.preferences.pause(world.view("ann"), 5, False, site.now)
        app.people.leave(world.view("ben").subscription, site.now)
        app.people.suppress(app.subscribe.key_of(parse_address("cay@example.org")), "by hand", site.now)
    assert world.count(part=Part()) == {"asked": 6, "paused": 1, "never mailed": 1}
    world.ask(part=Part(import_number=tally.number))
    assert world.count(part=Part()) == {"asked": 4, "paused": 1, "never mailed": 1, "asked already": 2}
    site.tick()
    for name in ("new1", "new2"):
        world.press(name)
    assert world.count(part=Part())["asked already"] == 2, "within half a year"
    assert "asked already" not in world.count(part=Part(), again_after=0)
    assert world.ask(part=Part(), again_after=0).size == 6
    site.tick()
    assert world.asked_of() == {"new1": 2, "new2": 2, "own": 1, "dov": 1, "eve": 1, "fay": 1}


READING = Reading(system=System.CSV, maps={})


def test_a_list_with_strangers_and_an_address_twice(world: Asked, tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text("email\nann@example.org\nANN@example.org\nnobody@example.org\nnot an address\nfay@example.org\n")
    order = replace(ORDER, part=Part(file=file.name), sheets=read_lists(file).sheets, fingerprint="f")
    with world.site.open() as app:
        found = app.asking().foresee(order, world.site.now)
    assert (found.size, found.unknown, len(found.problems)) == (2, 1, 1)
    world.order = order
    assert world.ask().size == 2
    world.site.tick()
    assert world.asked_of() == {"ann": 1, "fay": 1}


def test_only_so_many_a_day(world: Asked) -> None:
    world.ask(patience=Patience(remind_after=7, pause_after=14, per_day=2))
    asked_on = []
    for _ in range(24):
        world.site.tick()
        asked_on.append(world.asked_of().total())
        world.site.now += 6 * HOUR
    assert asked_on[:12] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert asked_on[-1] == 6


# --- what ends it


def test_stopped_nobody_is_asked_or_paused_any_more(world: Asked) -> None:
    site = world.site
    world.ask()
    site.tick()
    site.now += 7 * DAY
    world.press("ann")
    site.tick()
    with site.open() as app:
        assert app.asking().stop("weekly", site.now) == 1
        assert app.asking().stop("weekly", site.now) == 0
    days(world, 30)
    assert not any(world.is_paused(name) for name in NAMES)
    assert world.asked_of().total() == 11
    world.press("ben")
    assert "said yes" in world.consent("ben")[1], "a yes is welcome at any time"
    assert world.count() == {"asked already": 4}, "within half a year; ann and ben have confirmed"
    assert world.count(again_after=1) == {"asked": 4}


def test_every_sign_of_life_is_a_yes_and_going_ends_it(world: Asked) -> None:
    site = world.site
    site.join(addresses(["gus", "hal", "ida"]))
    world.ask()
    site.tick()
    views = {name: world.view(name) for name in (*NAMES, "gus", "hal", "ida")}
    with site.open() as app:
        same = Wanted(cadence="weekly", topics=None, zone="", at="")
        assert app.preferences.change(views["ann"], same, [], site.now), "saved without a change"
        app.preferences.pause(views["ben"], 3, False, site.now)
        app.preferences.speak(views["cay"], "de", site.now)
        app.preferences.resume(views["dov"], False, site.now)
        app.preferences.ask_data(views["eve"], site.now)
        subject = dated(views["fay"].subscription, int(site.now.timestamp()))
        token = make_token(Purpose.DATA, subject, *app.subscribe.current_key)
        app.preferences.ask_move(token, parse_address("moved@example.org"), site.now)
        subject = (views["fay"].subscription << REQUEST_BITS) + 1
        app.preferences.move(make_token(Purpose.MOVE, subject, *app.subscribe.current_key), site.now)
        app.preferences.erase_address(app.subscribe.key_of(parse_address("gus@example.org")), site.now)
        app.people.suppress(app.subscribe.key_of(parse_address("hal@example.org")), "by hand", site.now)
        app.subscribe.ask("weekly", parse_address("ida@example.org"), None, site.now)
    states = world.states()
    assert {name: states[name] for name in ("ann", "ben", "cay", "dov", "eve", "moved")} == dict.fromkeys(
        ("ann", "ben", "cay", "dov", "eve", "moved"), KEPT
    )
    assert states[""] == LEFT, "erased"
    assert states["ida"] == "asked", "anybody may type in an address"
    days(world, 20)
    assert world.states()["hal"] == LEFT
    assert world.asked_of() == {**dict.fromkeys((*NAMES, "gus", "hal"), 1), "ida": 2}
    assert world.is_paused("ida")
    with world.browser() as client:
        gone = client.post(link(world.mails("hal")[0], "keep"), data={"keep": "yes"}).text
    assert "No mail goes to this address." in gone


def test_a_yes_does_not_bring_back_who_has_left(world: Asked) -> None:
    site = world.site
    world.ask()
    site.tick()
    world.press("ann", "unsubscribe", **ONE_CLICK)
    assert "It no longer comes to you" in world.press("ann")
    assert (world.view("ann").state, world.states()["ann"]) == ("unsubscribed", LEFT)
    with site.open() as app:
        app.preferences.join(world.view("ann"), "weekly", site.now)
    days(world, 20)
    assert (world.view("ann").state, world.is_paused("ann")) == ("active", False)
    assert world.asked_of()["ann"] == 1


# --- what goes wrong


def test_who_could_not_be_reached_is_not_paused(world: Asked) -> None:
    site, relay = world.site, world.relay
    relay.at_rcpt = {"ann": "550 5.1.1 no such user", "ben": "550 5.7.1 we do not like you", "cay": "451 later"}
    relay.at_end = {"dov": CUT}
    world.ask()
    site.tick()
    assert world.states() == {
        "ann": "unreached", "ben": "unreached", "cay": "waiting", "dov": "asked", "eve": "asked", "fay": "asked"
    }  # fmt: skip
    assert world.view("ann").suppressed, "as when an issue is refused for its address"
    assert not world.view("ben").suppressed
    assert "could not be handed over" in world.history("ben")[-1][1]
    relay.at_rcpt = {"eve": "550 5.7.1 not now"}
    relay.at_end = {"fay": CUT}
    site.now += HOUR
    site.tick()
    assert world.states()["cay"] == "asked", "tried again"
    days(world, 25)
    assert world.states() == {
        "ann": "unreached", "ben": "unreached", "cay": PAUSED, "dov": PAUSED, "eve": "unreached", "fay": "unreached"
    }  # fmt: skip
    assert world.asked_of()["dov"] == 1, "the first is in doubt and not repeated"
    assert [world.is_paused(name) for name in NAMES] == [False, False, True, True, False, False]


def test_a_mail_that_is_deferred_for_days_is_given_up_and_pauses_nobody(world: Asked) -> None:
    world.relay.at_rcpt = dict.fromkeys(NAMES, "451 4.2.0 try later")
    world.ask()
    for _ in range(40):
        world.site.tick()
        world.site.now += 3 * HOUR
    assert world.states() == dict.fromkeys(NAMES, "unreached")
    days(world, 20)
    assert not any(world.is_paused(name) for name in NAMES)


def test_a_mail_server_that_is_gone_for_weeks_pauses_nobody_unheard(world: Asked) -> None:
    site, overrides = world.site, world.site.overrides
    world.ask()
    site.tick()
    site.overrides = (*overrides, "smtp.port=9")
    for _ in range(21):
        with site.open() as app:
            app.open_issues()
        site.now += DAY
    site.overrides = overrides
    site.tick()
    assert world.asked_of() == dict.fromkeys(NAMES, 2), "the reminder is late"
    days(world, 6)
    assert not any(world.is_paused(name) for name in NAMES)
    days(world, 3)
    assert all(world.is_paused(name) for name in NAMES)


def test_a_program_that_stood_still_gives_its_readers_their_time_again(world: Asked) -> None:
    site = world.site
    world.ask()
    site.tick()
    site.now += 7 * DAY
    site.tick()
    site.now += 21 * DAY  # their page was not there
    site.tick()
    assert not any(world.is_paused(name) for name in NAMES)
    with site.open() as app:
        ((round_, _),) = app.asking().rounds("weekly")
        assert round_.hold_until == site.now + 7 * DAY
    world.press("ann")
    days(world, 7)
    assert not any(world.is_paused(name) for name in NAMES)
    days(world, 1)
    assert [world.is_paused(name) for name in NAMES] == [False, *[True] * 5]


def test_a_crash_while_a_mail_is_claimed_or_handed_over(world: Asked) -> None:
    """Nobody is asked twice because of it, and nobody forgotten."""
    site = world.site
    world.ask()
    with site.open() as app:
        store = SqlAskedStore(app.database)
        (round_,) = store.going_on(["weekly"], False)
        claimed = store.claim(round_, 2, site.now)
        assert [due.state for due in claimed] == [AskState.WAITING] * 2
        assert store.mark(claimed[0], site.now)  # and the process dies
    lost = next(name for name in NAMES if world.view(name).subscription == claimed[0].subscription)
    held = next(name for name in NAMES if world.view(name).subscription == claimed[1].subscription)
    site.tick()
    assert world.asked_of().keys() == set(NAMES) - {lost, held}
    site.now += timedelta(minutes=11)
    site.tick()
    assert world.asked_of()[held] == 1
    site.now += HOUR
    site.tick()
    assert (world.states()[lost], world.asked_of()[lost]) == ("asked", 0)
    site.now += 7 * DAY
    with site.open() as app:
        store = SqlAskedStore(app.database)
        claimed = [
            due for due in store.claim(round_, 100, site.now) if world.view(held).subscription == due.subscription
        ]
        assert store.mark(claimed[0], site.now)  # dies again
    site.now += timedelta(minutes=11)
    site.tick()
    site.now += HOUR
    days(world, 10)
    assert world.states()[held] == "unreached", "nobody knows whether the reminder came"
    assert world.states()[lost] == PAUSED, "the reminder did"
    assert world.asked_of() == {**dict.fromkeys(NAMES, 2), lost: 1, held: 1}


def test_an_answer_that_comes_while_the_mail_is_under_way_stands(world: Asked) -> None:
    site = world.site
    world.ask()
    site.tick()
    site.now += 7 * DAY
    world.relay.on_end = lambda to: world.press("ann") and None if to.startswith("ann") else None
    site.tick()
    assert world.states()["ann"] == KEPT
    world.relay.on_end = None
    days(world, 10)
    assert not world.is_paused("ann")


def test_a_round_that_is_killed_while_it_is_stored_is_continued(
    world: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.site
    site.join(addresses([f"r{number}" for number in range(20)]))
    script = KILLED.format(folder=str(site.folder), overrides=site.overrides, now=site.now)
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert died.returncode == 9, died.stderr
    with site.open() as app:
        ((round_, tally),) = app.asking().rounds("weekly")
    assert (round_.ready_at, round_.size, tally[AskState.WAITING]) == (None, 8, 8)
    days(world, 1)
    assert world.asked_of() == {}, "nobody before all are in"
    with pytest.raises(InputError, match="round 1 was interrupted"):
        world.ask(part=Part())
    monkeypatch.setattr(asking, "BATCH", 5)
    assert (world.ask().number, world.ask(part=Part()).number) == (1, 2)
    with site.open() as app:
        (second, (first, _)) = app.asking().rounds("weekly")
    assert (first.size, second[0].size) == (26, 0)
    site.tick()
    assert world.asked_of() == dict.fromkeys((*NAMES, *(f"r{number}" for number in range(20))), 1)


KILLED = """
import datetime, os, pathlib
from feed_publisher.app import App
from feed_publisher.services import asking
from flow.asking_world import ORDER
asking.BATCH = 4
now = {now!r}
with App(pathlib.Path({folder!r}), {overrides!r}, clock=lambda: now) as app:
    app.asking().begin(ORDER, now, lambda size: os._exit(9) if size >= 8 else None)
"""


def test_a_rehearsal_changes_nobody(tmp_path: Path, relay: Relay) -> None:
    site = Site(tmp_path / "site", digest='cadences = ["weekly", "daily"]').make()
    site.join(addresses(NAMES))
    world = Asked(site, relay, replace(ORDER, rehearsal=True))
    site.now += DAY
    before = [world.consent(name) for name in NAMES], [world.history(name) for name in NAMES]
    world.ask()
    days(world, 3)
    keep = {mail.to: link(mail, "keep") for mail in site.mails()}
    with world.browser() as client:
        answer = client.post(keep["ann@example.org"], data={"keep": "yes", "cadence": "daily"}).text
        assert "Thank you, you keep it" in answer
    days(world, 20)
    assert len(site.mails()) == 11
    assert world.states() == {**dict.fromkeys(NAMES, PAUSED), "ann": KEPT}
    assert not any(world.is_paused(name) for name in NAMES)
    assert ([world.consent(name) for name in NAMES], [world.history(name) for name in NAMES]) == before
    with site.open() as app:
        assert not app.keeping.is_silent(world.view("ben").subscription)

    world.ask(again_after=0)  # still going on when the mail server comes
    site.overrides = relay.overrides
    days(world, 20)
    assert world.asked_of() == {}, "a rehearsal stays one"
    world.order = ORDER
    world.ask()
    site.tick()
    assert world.asked_of() == dict.fromkeys(NAMES, 1)
    site.overrides = ()
    for _ in range(20):
        site.tick()
        site.now += DAY
    assert not any(world.is_paused(name) for name in NAMES), "without its mail server it rests"
    site.overrides = relay.overrides
    days(world, 6)
    assert world.asked_of() == dict.fromkeys(NAMES, 2)
    assert not any(world.is_paused(name) for name in NAMES)


def test_an_import_is_taken_back_only_where_nobody_was_asked(world: Asked, tmp_path: Path) -> None:
    site, file = world.site, tmp_path / "new.csv"
    file.write_text(addresses(["new1", "new2"]))
    with site.open() as app:
        order = Order(
            digest="weekly",
            name="new",
            fingerprint="1",
            sheets=read_lists(file).sheets,
            confirmed=True,
            reading=READING,
        )
        number = app.moving_in().bring(order, site.now, lambda ended: None, lambda count: None).number
    world.ask(part=Part(import_number=number), patience=Patience(remind_after=7, pause_after=14, per_day=1))
    site.tick()
    (asked_one,) = world.asked_of()
    with site.open() as app:
        undone = app.moving.undo(number, site.now)
    assert (undone.removed, undone.mailed) == (1, 1)
    assert set(world.states()) == {asked_one}
