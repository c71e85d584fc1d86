"""Proofs: the bytes of a preview are those of the mail, and the reasons agree with what readers really get."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from faults.relay import Relay
from flow.flow_site import DAY, HOUR, Site, listing, parse_mail
from sqlalchemy import event

from feed_publisher.app import App
from feed_publisher.compose.seen import seen
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.model import EntryState
from feed_publisher.domain.why import EntryWhy, ReaderWhy
from feed_publisher.ports.people import SubscriberView, Wanted
from feed_publisher.services import turnout
from feed_publisher.services.proof import Proof

ANN, BEN, CLEO = "ann@example.org", "ben@example.org", "cleo@example.org"
READERS = f"email,topics,language\n{ANN},,\n{BEN},ships,de\n{CLEO},,\n"
PUBLIC, HELD, HIDDEN, WITHDRAWN = EntryState.PUBLIC, EntryState.HELD, EntryState.HIDDEN, EntryState.WITHDRAWN


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@pytest.fixture
def full(site: Site) -> Site:
    """Five articles in two topics, three readers."""
    site.write("ships.txt", listing("Ships", [1, 2, 3]))
    site.write("towns.txt", listing("Towns", [4, 5]))
    site.pickup()
    site.join(READERS)
    return site


def proof(site: Site, reader: str = "", as_of: datetime | None = None, cadence: str | None = None) -> Proof:
    with site.open() as app:
        address = parse_address(reader) if reader else None
        return app.proofs().proof(app.asked("weekly", as_of, cadence, address), app.clock())


def bytes_of(site: Site, reader: str = "", as_of: datetime | None = None) -> bytes:
    mail = proof(site, reader, as_of).mail
    assert mail is not None
    return mail.message


def titles(shown: Proof) -> list[str]:
    return [line.entry.title for line in shown.lines]


def whys(shown: Proof) -> dict[str, EntryWhy]:
    return {verdict.entry.title: verdict.why for verdict in shown.entries}


def why(site: Site, reader: str, **more: Any) -> ReaderWhy:
    found = proof(site, reader, **more).reader
    assert found is not None
    return found.verdict.why


def words(site: Site, shown: Proof) -> dict[str, str]:
    with site.open() as app:
        said = app.reasons(one=shown.reader is not None)
        return {verdict.entry.title: said.entry(verdict) for verdict in shown.entries}


def view(app: App, reader: str) -> SubscriberView:
    (found,) = app.people.find(app.subscribe.key_of(parse_address(reader)))
    return found


TOKEN = rb"(?<=/)[A-Za-z0-9_-]{56}(?![A-Za-z0-9_-])"


def same(message: bytes) -> bytes:
    """Without what differs by nature: the Message-ID, the boundary that comes from it, and tokens (of one length)."""
    message = re.sub(rb"Message-ID: <[^@]+@", b"Message-ID: <@", message)
    message = re.sub(rb"=_[0-9a-f]{32}", b"=_", message)
    return re.sub(TOKEN, b"token", message.replace(b"=\r\n", b""))


# --- the same bytes


def test_a_proof_has_the_bytes_of_the_mail(full: Site, relay: Relay) -> None:
    full.overrides = relay.overrides
    shown = {reader: bytes_of(full, reader) for reader in (ANN, BEN, CLEO)}
    assert full.send() is not None
    really = dict(relay.accepted)
    assert set(really) == set(shown)
    for reader, message in shown.items():
        sent = really[reader].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert same(message) == same(sent)
        assert abs(len(message) - len(sent)) <= 8, "only the name in the Message-ID may be longer"
        assert (b"Ausgabe 1" if reader == BEN else b"Issue 1") in message
    assert same(shown[ANN]) != same(shown[BEN])


def test_no_link_of_a_proof_works_and_every_link_of_the_mail_does(full: Site) -> None:
    pattern = r"http://127\.0\.0\.1:8000(/(?:unsubscribe|preferences)/[A-Za-z0-9_-]{56})"
    links = set(re.findall(pattern, seen(bytes_of(full, ANN)).text))
    full.send()
    (mail,) = (each for each in full.mails() if each.to == ANN)
    real = set(re.findall(pattern, mail.text))
    assert len(links) == len(real) == 2
    assert not links & real
    with full.browsing() as client:
        assert all(client.get(link).status_code == 200 for link in real)
        assert all(client.get(link).status_code == 404 for link in links)


def test_a_proof_for_a_future_time_has_the_bytes_of_the_scheduled_mail(site: Site) -> None:
    site.configure(digest='cadences = ["weekly"]\nday = "tuesday"\nhour = "07:00"\nzone = "UTC"')
    site.join(f"email\n{ANN}\n")
    site.write("ships.txt", listing("Ships", [1, 2]))
    site.write("later.md", f"---\ntitle: Article 0003\npublished: {site.now + 20 * HOUR:%Y-%m-%dT%H:%MZ}\n---\nText.\n")
    site.pickup()
    due = site.now.replace(hour=7) + DAY
    early, message = proof(site, ANN, due - 7 * HOUR), bytes_of(site, ANN, due)
    assert (len(early.lines), parse_mail(message).numbered()) == (2, [3, 1, 2])
    assert whys(early)["Article 0003"] is EntryWhy.SCHEDULED
    assert proof(site, ANN, cadence="weekly").at == due
    site.now = due
    (issue,) = site.tick()
    assert issue.slot == "weekly:2026-W45"
    (mail,) = site.mails()
    sent = mail.raw.partition(b"\nFrom: ")[2]
    assert same(message.partition(b"\r\nFrom: ")[2]) == same(re.sub(rb"\r?\n", b"\r\n", sent))
    assert b"Date: Tue, 03 Nov 2026 07:00:00 +0000" in message


@pytest.mark.parametrize(
    ("cadence", "settings", "comes"),
    [
        ("daily", 'hour = "07:00"', 2 * HOUR),
        ("cron", 'cron = "30 17 * * tue"', 36.5 * HOUR),
    ],
)
def test_the_next_issue_is_closed_and_comes_as_shown(site: Site, cadence: str, settings: str, comes: timedelta) -> None:
    site.configure(digest=f'cadences = ["{cadence}"]\n{settings}\nzone = "UTC"\ncutoff = "1 hour"\nminimum = 2')
    site.join(f"email\n{ANN}\n")
    due = site.now + comes
    for number, now in ((1, site.now), (2, site.now), (9, due - 0.5 * HOUR)):
        site.now = now
        site.write(f"{number}.txt", listing("Ships", [number]))
        site.pickup()
    shown = proof(site, ANN, cadence=cadence)
    assert shown.mail is not None
    assert (shown.at, whys(shown)["Article 0009"]) == (due, EntryWhy.CUT_OFF)
    site.now = due
    (issue,) = site.tick()
    (mail,) = site.mails()
    assert issue.slot.startswith(f"{cadence}:")
    sent = re.sub(rb"\r?\n", b"\r\n", b"\nFrom: " + mail.raw.partition(b"\nFrom: ")[2])
    assert same(b"\r\nFrom: " + shown.mail.message.partition(b"\r\nFrom: ")[2]) == same(sent)
    assert sorted(mail.numbered()) == [1, 2]


def test_as_it_happens_waits_for_the_end_of_quiet_hours(site: Site) -> None:
    site.configure(digest='cadences = ["instant"]\nhour = "10:00"\nzone = "UTC"\nquiet = "4-9"\nminimum = 2')
    site.join(f"email\n{ANN}\n")
    site.write("1.txt", listing("Ships", [1]))
    site.pickup()
    shown = proof(site, ANN, cadence="instant").reader
    assert shown is not None
    assert (shown.verdict.why, shown.verdict.at) == (ReaderWhy.HOUR_TO_COME, site.now + 4 * HOUR)
    site.now += timedelta(minutes=3)
    site.tick()
    assert site.mails() == []
    assert why(site, ANN, cadence="instant") is ReaderWhy.WAITING
    site.now = site.now.replace(hour=9, minute=0)
    site.tick()
    assert [mail.numbered() for mail in site.mails()] == [[1]]


def test_fewer_than_the_minimum_wait_for_more(full: Site) -> None:
    full.configure(digest="minimum = 4")
    shown = proof(full, BEN, cadence="weekly")
    assert shown.reader is not None
    assert (shown.reader.verdict.why, len(shown.lines)) == (ReaderWhy.TOO_FEW, 3)
    census = proof(full, cadence="weekly").turnout.census
    assert census == {ReaderWhy.IN: 2, ReaderWhy.NOTHING_NEW: 0, ReaderWhy.TOO_FEW: 1}
    assert why(full, BEN) is ReaderWhy.IN, "by hand any number will do"
    assert why(full, BEN, as_of=full.now + 35 * DAY, cadence="weekly") is ReaderWhy.IN, "after four weeks it comes"


def test_a_past_time_leaves_out_what_came_later(full: Site) -> None:
    before = full.now
    full.now += HOUR
    full.write("new.txt", listing("Ships", [9]))
    full.pickup()
    assert len(titles(proof(full, ANN))) == 6
    shown = proof(full, ANN, before + timedelta(minutes=1))
    assert len(titles(shown)) == 5
    assert shown.at == full.now, "it would leave now"
    assert whys(shown)["Article 0009"] is EntryWhy.LATER
    with full.open() as app:
        asked = app.asked("weekly", before + timedelta(minutes=1))
        mails = {mail.to: mail.message for mail in app.dry_run("weekly", asked.as_of)}
        made = app.proofs().mail(app.asked("weekly", asked.as_of, reader=parse_address(ANN)), app.clock())
    assert made is not None
    assert same(mails[ANN]) == same(made.message)


def test_a_test_mail_is_what_most_readers_would_get(full: Site) -> None:
    full.send()
    full.now += DAY
    full.write("new.txt", listing("Ships", [6]))
    full.pickup()
    with full.open() as app:
        asyncio.run(app.send_test("weekly", [parse_address("me@example.org")], None))
    (mail,) = (each for each in full.mails() if each.to == "me@example.org")
    assert (mail.numbered(), mail.subject) == ([6], "[Test] Article 0006")
    full.send()
    with full.open() as app:
        asyncio.run(app.send_test("weekly", [parse_address("later@example.org")], None))
    (mail,) = (each for each in full.mails() if each.to == "later@example.org")
    assert len(mail.numbered()) == 6, "with nothing new, what somebody gets who has had nothing"


# --- who


def test_versions_and_readers_are_counted(full: Site) -> None:
    counted = proof(full).turnout
    assert [(v.readers, len(v.lines), v.language) for v in counted.versions] == [(2, 5, "en"), (1, 3, "de")]
    assert (counted.census[ReaderWhy.IN], counted.readers, counted.exact) == (3, 3, True)
    full.send()
    counted = proof(full).turnout
    assert (counted.versions, counted.census) == ((), {ReaderWhy.IN: 0, ReaderWhy.NOTHING_NEW: 3})
    assert proof(full).mail is None


def test_every_subscription_is_in_the_census(full: Site) -> None:
    full.configure(digest='cadences = ["weekly", "daily"]')
    full.join("email,cadence\nd@example.org,daily\n")
    full.join("email\np@example.org\ns@example.org\nu@example.org\nn@example.org\n")
    with full.open() as app:
        now = app.clock()
        app.preferences.pause(view(app, "p@example.org"), 14, False, now)
        app.people.suppress(app.subscribe.key_of(parse_address("s@example.org")), "by hand", now)
        app.people.leave(view(app, "u@example.org").subscription, now)
    full.sql("UPDATE subscription SET state = 'pending' WHERE id = (SELECT max(id) FROM subscription)")
    census = proof(full, cadence="weekly").turnout.census
    expected = {ReaderWhy.IN: 3, ReaderWhy.NOTHING_NEW: 0, ReaderWhy.OTHER_CADENCE: 1, ReaderWhy.PAUSED: 1}
    expected |= {ReaderWhy.NEVER_MAILED: 1, ReaderWhy.UNSUBSCRIBED: 1, ReaderWhy.NOT_CONFIRMED: 1}
    assert census == expected
    for letter, reason in zip("psun", list(expected)[3:], strict=True):
        assert why(full, f"{letter}@example.org", cadence="weekly") is reason
    assert why(full, "d@example.org", cadence="weekly") is ReaderWhy.OTHER_CADENCE
    assert why(full, "d@example.org") is ReaderWhy.IN
    assert why(full, "p@example.org", as_of=full.now + 15 * DAY) is ReaderWhy.IN
    with pytest.raises(NotFoundError, match="nobody with this address"):
        proof(full, "no@example.org")
    with pytest.raises(InputError, match="it comes weekly, daily"):
        proof(full, cadence="monthly")


def test_an_hour_to_come_and_what_waits_for_it(full: Site) -> None:
    full.configure(digest='cadences = ["daily"]\nhour = "07:00"\nzone = "UTC"')
    full.join(f"email,hour,cadence\n{CLEO},11,daily\n{ANN},,daily\n")
    due = full.now.replace(hour=7)
    assert why(full, ANN, as_of=due, cadence="daily") is ReaderWhy.IN
    shown = proof(full, CLEO, due, "daily").reader
    assert shown is not None
    assert (shown.verdict.why, shown.verdict.at) == (ReaderWhy.HOUR_TO_COME, due + 4 * HOUR)
    full.now = due
    full.tick()
    assert why(full, ANN) is ReaderWhy.NOTHING_NEW
    assert proof(full).turnout.waiting == 1
    waiting = proof(full, CLEO)
    assert waiting.reader is not None
    assert (waiting.reader.verdict.why, waiting.reader.verdict.at) == (ReaderWhy.WAITING, due + 4 * HOUR)
    assert len(waiting.lines) == 5, "another issue would replace it, with all its articles"
    full.change("Article 0002", [PUBLIC], WITHDRAWN)
    assert len(proof(full, CLEO).lines) == 4


def test_what_was_had_before_is_asked_of_the_ledger(full: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben chose ships: an article about towns that is tagged with them later is new to him, for he never had it."""
    full.send()
    full.now += DAY
    full.write("more.txt", listing("Ships", [4]))
    full.pickup()
    counted = proof(full).turnout
    assert [(v.readers, len(v.lines), counted.exact) for v in counted.versions] == [(1, 1, True)]
    assert (counted.census[ReaderWhy.IN], counted.census[ReaderWhy.NOTHING_NEW]) == (1, 2)
    monkeypatch.setattr(turnout, "EXACT", 1)
    assert not proof(full).turnout.exact


def test_groups_beyond_a_number_are_only_counted(full: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnout, "GROUPS", 1)
    counted = proof(full).turnout
    assert ([v.readers for v in counted.versions], counted.others, counted.readers) == ([2], 1, 3)


def test_many_readers_cost_what_a_few_do(full: Site) -> None:
    def asked() -> int:
        with full.open() as app:
            count = 0

            def note(*_: object) -> None:
                nonlocal count
                count += 1

            event.listen(app.database._engine, "before_cursor_execute", note)
            app.proofs().proof(app.asked("weekly"), app.clock())
            return count

    few = asked()
    full.join("email\n" + "".join(f"r{number}@example.org\n" for number in range(300)))
    assert asked() == few
    assert [version.readers for version in proof(full).turnout.versions] == [302, 1]


# --- why


def test_every_reason_of_an_article(full: Site) -> None:
    full.configure(digest="maximum = 3")
    assert list(whys(proof(full, ANN)).values()).count(EntryWhy.COUNTED) == 2
    assert whys(proof(full, BEN))["Article 0004"] is EntryWhy.OTHER_TOPICS
    full.send()
    full.now += DAY
    full.write("b.txt", listing("Ships", [11, 12, 13, 14]))
    full.write("c.txt", listing("Towns", [15]))
    full.pickup()
    full.change("Article 0012", [PUBLIC], WITHDRAWN)
    full.change("Article 0013", [PUBLIC], HELD)
    full.change("Article 0014", [PUBLIC], HELD)
    full.change("Article 0014", [HELD], HIDDEN)
    full.now += DAY
    with full.open() as app:
        ben = view(app, BEN)
        app.preferences.change(
            ben, Wanted(cadence="weekly", topics=("ships", "towns"), zone="", at=""), ["ships", "towns"], full.now
        )
    full.sql(
        "UPDATE entry SET feed_only = 1 WHERE id IN (SELECT entry_id FROM entry_revision WHERE title = 'Article 0011')"
    )
    full.sql("UPDATE entry_topic SET sequence = NULL WHERE entry_id IN (SELECT id FROM entry WHERE feed_only = 1)")
    found = whys(proof(full, BEN))
    assert found["Article 0011"] is EntryWhy.FEED_ONLY
    assert found["Article 0012"] is EntryWhy.WITHDRAWN
    assert found["Article 0013"] is EntryWhy.HELD
    assert found["Article 0014"] is EntryWhy.HIDDEN
    assert found["Article 0015"] is EntryWhy.CHOSEN_LATER
    assert found["Article 0001"] is EntryWhy.SENT
    said = words(full, proof(full, BEN))
    assert said["Article 0001"].startswith("It was in rehearsal 1 of Mon 2 Nov 2026")
    assert said["Article 0015"] == "It came Tue 3 Nov 2026, 05:00, before this reader chose “Towns”."
    assert all(sentence.endswith(".") for sentence in said.values())
    full.configure(digest='topics = ["ships"]')
    assert whys(proof(full, ANN))["Article 0015"] is EntryWhy.NOT_COVERED


def test_who_joins_late_gets_nothing_of_before(full: Site) -> None:
    full.configure(digest='cadences = ["weekly"]\nhour = "05:30"\nzone = "UTC"')
    full.now += HOUR
    full.tick()
    full.join("email\nlate@example.org\n")
    shown = proof(full, "late@example.org")
    assert set(whys(shown).values()) == {EntryWhy.BEFORE}
    assert "before the first issue of this reader" in words(full, shown)["Article 0001"]


def test_a_withdrawn_article_of_the_last_issue_and_a_corrected_one_are_told(full: Site) -> None:
    full.write("own.md", "---\nid: own\ntitle: Article 0008\nauthor: Ann Po\n---\nText.\n")
    full.pickup()
    assert proof(full).difference is None
    full.send()
    full.now += DAY
    full.write("more.txt", listing("Ships", [6]))
    full.pickup()
    full.change("Article 0002", [PUBLIC], WITHDRAWN)
    full.write("own.md", "---\nid: own\ntitle: Article 0008, corrected\nauthor: Ann Po\n---\nText.\n")
    full.pickup()
    told = proof(full).difference
    assert told is not None
    assert (told.new, told.again, told.gone) == (1, 0, 6)
    assert told.corrected == ("Article 0008",)
    assert told.withdrawn == ("Article 0002",)
    assert (told.last.readers, len(told.last.entries)) == (3, 6)
    (mail, *_) = (each for each in full.mails() if each.to == ANN)
    assert abs(told.size - len(mail.raw)) < 200


def test_a_proof_changes_nothing(full: Site) -> None:
    def dump() -> list[Any]:
        tables = [name for (name,) in full.sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [full.sql(f"SELECT * FROM {name}") for name in tables]

    with full.open():
        pass
    before = dump()
    proof(full, ANN, full.now + DAY)
    proof(full, cadence="weekly")
    assert dump() == before
