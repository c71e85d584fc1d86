"""Lists of readers come in from other systems, go out again, and what came in can be taken back; on both databases."""

from __future__ import annotations

import csv
import io
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed_publisher.adapters.database.store.letters import SqlLetterStore
from feed_publisher.adapters.lists import read_lists, written_list
from feed_publisher.app import App
from feed_publisher.cli.moving import _cells
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.parse.columns import COLUMNS, System, read_maps
from feed_publisher.parse.subscribers import Reading
from feed_publisher.ports.moving import Fate
from feed_publisher.services import moving_in
from feed_publisher.services.moving_in import Ended, Order, Tally, read_groups

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
TOML = """
[site]
title = "Harbour"
[database]
url = "{url}"
[[topics]]
slug = "fog"
title = "Fog and rain"
[[topics]]
slug = "quay"
title = "The quay"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "digest@example.org"
cadences = ["weekly", "daily"]
"""
MAILCHIMP = (
    '"Email Address","First Name","Last Name",Sections,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,'
    "LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
    'ann@example.org,Ann,Po,"The quay, Fog and rain",2,"2024-01-15 10:00:00",198.51.100.7,"2024-01-15 10:05:00",'
    '198.51.100.7,,,,,America/New_York,US,NY,"2024-02-01 00:00:00",1,a1,,"""VIP"""\n'
    'ben@example.org,Ben,,,2,,,"2024-01-16 10:05:00",,,,,,,,,"2024-02-01 00:00:00",2,a2,,\n'
    'cleo@example.org,Cleo,,,2,"2024-01-15 10:00:00",,"2024-01-15 10:05:00",,,,,,,,,"2024-02-01 00:00:00",3,a3,,\n'
)
UNSUBSCRIBED = (
    '"Email Address","First Name",MEMBER_RATING,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON,LEID,EUID\n'
    'CLEO@example.org,Cleo,2,"2024-01-15 10:00:00","2024-03-01 10:00:00",NORMAL,3,a3\n'
)
CLEANED = (
    '"Email Address",MEMBER_RATING,OPTIN_TIME,CLEAN_TIME,LEID,EUID\ngone@example.org,2,"2024-03-01 10:00:00",4,a4\n'
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\r\n"
    'm1,ann@example.org,Ann Po,,true,false,,2024-01-15T10:00:00.000Z,,"The quay,VIP",\r\n'
    "m2,ben@example.org,,,false,false,,2024-01-16T10:00:00.000Z,,,\r\n"
)
LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    'u1,ann@example.org,Ann,"{""language"": ""de"", ""city"": ""Hull"", ""topics"": [""fog""]}",enabled,'
    "2024-01-15 10:00:00.123456 +0000 UTC,2024-01-15 10:00:00.1 +0000 UTC\n"
    "u2,ben@example.org,Ben,{},blocklisted,2024-01-15 10:00:00 +0000 UTC,2024-01-15 10:00:00 +0000 UTC\n"
    "u3,cleo@example.org,Cleo,{},disabled,2024-01-15 10:00:00 +0000 UTC,2024-01-15 10:00:00 +0000 UTC\n"
)


@dataclass
class Harbour:
    """A site, and the service that brings lists to it."""

    app: App
    folder: Path
    now: datetime = NOW

    def order(self, file: Path, *maps: str, groups: tuple[str, ...] = (), confirmed: bool = False) -> Order:
        lists = read_lists(file)
        return Order(
            digest="weekly",
            name=lists.name,
            fingerprint=lists.fingerprint,
            sheets=lists.sheets,
            reading=Reading(maps=read_maps(maps)),
            confirmed=confirmed,
            groups=read_groups(groups),
        )

    def file(self, text: str | bytes, name: str = "list.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def zip(self, **files: str) -> Path:
        path = self.folder / "audience.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(f"{name}_members_export_a1b2.csv", text)
        return path

    def bring(self, order: Order, told: list[Ended] | None = None) -> Tally:
        tell = (lambda ended: None) if told is None else told.append
        return self.app.moving_in().bring(order, self.now, tell, lambda count: None)

    def take(self, text: str | bytes, *maps: str, confirmed: bool = True, groups: tuple[str, ...] = ()) -> Tally:
        return self.bring(self.order(self.file(text), *maps, confirmed=confirmed, groups=groups))

    def key(self, address: str) -> str:
        return self.app.subscribe.key_of(parse_address(address))

    def state(self, address: str) -> tuple[str, bool, tuple[str, ...], str]:
        (view,) = self.app.people.find(self.key(address))
        return str(view.state), view.suppressed, view.topics, view.name

    def readers(self) -> list[tuple[str, ...]]:
        return [_cells(listed) for listed in self.app.moving.listed("weekly", ())]

    def suppressed(self) -> int:
        return len(self.app.people.suppressions())

    def everything(self) -> list[object]:
        """All that imports write, without numbers and times of the imports themselves."""
        with self.app.database.read() as connection:
            rows = [
                connection.exec_driver_sql(query).all()
                for query in (
                    "SELECT address, address_key, name, language FROM subscriber ORDER BY address_key",
                    "SELECT s.address_key, n.state, n.cadence, n.cursor, n.topic_set_id, n.clock_id, n.consent_source"
                    " FROM subscription n JOIN subscriber s ON s.id = n.subscriber_id ORDER BY s.address_key",
                    "SELECT s.address_key, e.what, e.detail FROM subscription_event e"
                    " JOIN subscription n ON n.id = e.subscription_id JOIN subscriber s ON s.id = n.subscriber_id"
                    " ORDER BY s.address_key, e.id",
                    "SELECT address_key, reason FROM suppression ORDER BY address_key",
                    "SELECT address_key, place, fate, after FROM reader_import_row ORDER BY address_key",
                )
            ]
        return [[tuple(row) for row in part] for part in rows]


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Harbour]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "publisher.toml").write_text(TOML.format(url=database_url))
    with App(folder, clock=lambda: NOW) as app:
        yield Harbour(app, tmp_path)


def test_a_mailchimp_zip(site: Harbour) -> None:
    order = site.order(
        site.zip(subscribed=MAILCHIMP, unsubscribed=UNSUBSCRIBED, cleaned=CLEANED), "Sections=topics", "TAGS="
    )
    assert {plan.system for _, plan in site.app.moving_in().plans(order)} == {System.MAILCHIMP}
    tally = site.bring(order)
    assert (tally.added, tally.suppressed, tally.rejected) == (2, 2, 1)
    assert "cleo@example.org is on the never-mail list" in tally.problems[0].reason
    assert site.state("ann@example.org") == ("active", False, ("fog", "quay"), "Ann Po")
    assert site.state("ben@example.org")[0] == "pending", "confirmed, but never opted in: an owner may have put him in"
    assert site.app.people.find(site.key("cleo@example.org")) == []
    (ann,) = site.app.people.find(site.key("ann@example.org"))
    (event,) = site.app.preferences.history(ann)
    assert event.what == "joined"
    assert "opted in 2024-01-15 10:00:00 from 198.51.100.7" in event.detail
    (cells,) = [cells for cells in site.readers() if cells[0] == "ann@example.org"]
    assert cells[COLUMNS.index("consented_at")] == "2024-01-15T10:00:00+00:00"


def test_ghost_members(site: Harbour) -> None:
    tally = site.take(GHOST)
    assert (tally.added, tally.suppressed, tally.rejected) == (0, 1, 1)
    assert dict(tally.unknown) == {"VIP": 1}
    assert "there is no topic 'VIP'" in tally.problems[0].reason
    tally = site.take(GHOST, groups=("vip=",))
    assert (tally.added, tally.suppressed, tally.rejected) == (1, 1, 0)
    assert site.state("ann@example.org") == ("active", False, ("quay",), "Ann Po")


def test_listmonk_subscribers(site: Harbour) -> None:
    tally = site.take(LISTMONK)
    assert (tally.added, tally.suppressed, tally.rejected) == (1, 2, 0)
    assert site.state("ann@example.org") == ("active", False, ("fog",), "Ann")
    assert site.readers()[0][COLUMNS.index("language")] == "de"


def test_never_mailed_wins_over_every_other_row_and_over_subscriptions(site: Harbour) -> None:
    site.take("email\nann@example.org\nben@example.org\n")
    tally = site.take(
        "email,status,hour\nann@example.org,active,\nANN@example.org,bounced,99\ncleo@example.org,spam,\n"
        "cleo@example.org,active,\n"
    )
    assert (tally.added, tally.updated, tally.suppressed, tally.rejected) == (0, 0, 2, 2)
    assert site.state("ann@example.org")[:2] == ("active", True)
    assert site.take("email\ncleo@example.org\n").rejected == 1


def test_who_left_here_is_not_brought_back(site: Harbour) -> None:
    site.take("email\nann@example.org\n")
    (ann,) = site.app.people.find(site.key("ann@example.org"))
    site.app.people.leave(ann.subscription, NOW)
    tally = site.take("email,name\nann@example.org,New name\n")
    assert tally.counts[Fate.LEFT] == 1
    assert "has unsubscribed; only they can come back" in tally.problems[0].reason
    assert site.state("ann@example.org")[0] == "unsubscribed"


def test_our_own_list_read_back_bars_nobody_who_only_left_this_digest(site: Harbour) -> None:
    """The never-mail list is for the whole site: it would end their other newsletters, too."""
    site.take("email\nann@example.org\nben@example.org\n")
    for name in ("ann@example.org", "ben@example.org"):
        (view,) = site.app.people.find(site.key(name))
        if name.startswith("ann"):
            site.app.people.leave(view.subscription, NOW)
    text = "email,state\nann@example.org,unsubscribed\nben@example.org,unsubscribed\ncleo@example.org,unsubscribed\n"
    order = site.order(site.file(text), confirmed=True)
    assert site.app.moving_in().foresee(order, NOW).counts == {Fate.SAME: 1, Fate.SUPPRESSED: 2}
    assert site.bring(order, []).counts == {Fate.SAME: 1, Fate.SUPPRESSED: 2}
    assert site.state("ann@example.org")[:2] == ("unsubscribed", False), "as the list says, and no more"
    assert site.state("ben@example.org")[1], "another system says so of somebody who is mailed here"
    assert site.take("email,state\nann@example.org,bounced\n").suppressed == 1, "that is about the address"


def test_groups_are_topics_by_title_or_slug_or_as_told(site: Harbour) -> None:
    text = "email,tags\na@example.org,THE QUAY\nb@example.org,fog; quay\nc@example.org,Old harbour|Junk\n"
    tally = site.take(text, groups=("Old Harbour=quay", "*="))
    assert tally.rejected == 0
    found = {cells[0][0]: cells[2] for cells in site.readers()}
    assert found == {"a": "quay", "b": "fog;quay", "c": "quay"}
    with pytest.raises(InputError, match="there is no topic 'nowhere'"):
        site.app.moving_in().plans(site.order(site.file(text), groups=("Junk=nowhere",)))
    with pytest.raises(InputError, match="there is no column “Shoe size”"):
        site.app.moving_in().plans(site.order(site.file(text), "Shoe size=name"))


def test_looking_stores_nothing_and_says_what_storing_does(site: Harbour) -> None:
    site.take("email,name\nann@example.org,Ann\nsame@example.org,\n")
    text = "email,name,state\nann@example.org,Anna\nsame@example.org,\nnew@example.org,\nNEW@example.org,\nbad,\n" + (
        "b@example.org,,bounced\nb@example.org,,\n"
    )
    order, before = site.order(site.file(text), confirmed=True), site.everything()
    forecast = site.app.moving_in().foresee(order, NOW)
    assert site.everything() == before
    assert [new.address for _, new in forecast.examples] == ["ann@example.org", "same@example.org", "new@example.org"]
    told: list[Ended] = []
    tally = site.bring(order, told)
    assert forecast.counts == tally.counts
    assert dict(tally.counts) == {
        Fate.SUPPRESSED: 1,
        Fate.UPDATED: 1,
        Fate.SAME: 1,
        Fate.ADDED: 1,
        Fate.AGAIN: 1,
        Fate.REJECTED: 1,
        Fate.NEVER: 1,
    }
    assert [(ended.line, ended.fate) for ended in told if ended.fate is Fate.REJECTED] == [(6, Fate.REJECTED)]


def test_the_same_list_again_changes_nothing(site: Harbour) -> None:
    text = "email,name,topics,cadence,hour,zone\nann@example.org,Ann,fog,daily,7,Europe/Berlin\n"
    site.take(text)
    with site.app.database.read() as connection:
        before = connection.exec_driver_sql("SELECT * FROM subscription").all()
    tally = site.take(text)
    assert (tally.added, tally.counts[Fate.SAME]) == (0, 1)
    with site.app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT * FROM subscription").all() == before


# --- killed in the middle

_KILLED = """
import os, sys
from datetime import datetime, UTC
from pathlib import Path
from feed_publisher.app import App
from feed_publisher.adapters.lists import read_lists
from feed_publisher.parse.subscribers import Reading
from feed_publisher.services import moving_in
moving_in.BATCH = 50
folder, file, most = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
lists = read_lists(file)
order = moving_in.Order(digest="weekly", name="x", fingerprint=lists.fingerprint, sheets=lists.sheets,
                        reading=Reading(), confirmed=True)
def progress(count):
    if count >= most:
        os.kill(os.getpid(), 9)
with App(folder) as app:
    app.moving_in().bring(order, datetime(2026, 11, 2, 8, tzinfo=UTC), lambda ended: None, progress)
"""


def _many(count: int) -> str:
    rows = (f"r{n % 330}@example.org,Reader {n},{'bounced' if n % 7 == 0 else ''}" for n in range(count))
    return "email,name,state\n" + "\n".join(rows) + "\n"


def test_killed_and_run_again_is_the_same_as_run_once(
    site: Harbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving_in, "BATCH", 50)
    file = site.file(_many(400))
    order = site.order(file, confirmed=True)
    for most in (30, 120, 300):
        command = [sys.executable, "-c", _KILLED, str(site.folder / "site"), str(file), str(most)]
        assert subprocess.run(command, check=False).returncode == -9
        assert site.app.moving.imports(1)[0].finished_at is None
    tally = site.bring(order)
    (record,) = site.app.moving.imports(9)
    assert record.finished_at is not None
    assert record.number == tally.number
    killed, counts = site.everything(), tally.counts
    assert sum(counts.values()) == 400
    site.app.moving.undo(tally.number, NOW)
    assert site.readers() == []
    assert site.suppressed() == 0
    again = site.bring(order)
    assert again.counts == counts
    once = [
        [tuple(str(x).replace(f"import {again.number}", "import 1") for x in row) for row in part]
        for part in (site.everything()[i] for i in (0, 1, 2, 3))
    ]
    assert once[0] == [tuple(map(str, row)) for row in killed[0]]
    assert [[str(x) for x in row] for row in killed[3]] == [list(row) for row in once[3]]
    assert [[str(x) for x in row] for row in killed[2]] == [list(row) for row in once[2]]


# --- taken back


def test_undoing_takes_back_exactly_what_an_import_did(site: Harbour) -> None:
    site.take("email,name,topics,cadence\nold@example.org,Old,fog,weekly\n")
    before = site.readers()
    tally = site.take(
        "email,name,topics,cadence,state\nold@example.org,Older,quay,daily,\nnew@example.org,,,,\nb@example.org,,,,bounced\n"
    )
    assert (tally.added, tally.counts[Fate.UPDATED], tally.suppressed) == (1, 1, 1)
    foreseen = site.app.moving.foresee_undo(tally.number)
    done = site.app.moving.undo(tally.number, NOW)
    assert done == foreseen
    assert (done.removed, done.given_back, done.unsuppressed, done.mailed, done.changed) == (1, 1, 1, 0, 0)
    assert site.readers() == before
    assert site.suppressed() == 0
    assert site.app.moving.get(tally.number).undone_at == NOW
    with site.app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM subscriber").scalar() == 1


def test_undoing_leaves_whoever_has_been_mailed_a_link(site: Harbour) -> None:
    """SQLite gives the number of the last subscription away again, and the link would open somebody else's page."""
    tally = site.take("email\nann@example.org\nben@example.org\n")
    (ben,) = site.app.people.find(site.key("ben@example.org"))
    letters = SqlLetterStore(site.app.database)
    later = NOW + timedelta(minutes=5)
    site.app.subscribe.ask("weekly", parse_address("ben@example.org"), None, later)
    (letter,) = letters.claim(["weekly"], 10, later)
    assert letter.subscription == ben.subscription
    letters.done(letter, accepted=True)
    foreseen = site.app.moving.foresee_undo(tally.number)
    done = site.app.moving.undo(tally.number, later)
    assert done == foreseen
    assert (done.removed, done.mailed, done.changed) == (1, 1, 0)
    site.app.subscribe.ask("weekly", parse_address("zoe@example.org"), None, later)
    (zoe,) = site.app.people.find(site.key("zoe@example.org"))
    assert zoe.subscription != ben.subscription
    assert site.state("ben@example.org")[0] == "active"


def test_undoing_leaves_who_changed_something_or_was_on_the_list_before(site: Harbour) -> None:
    site.app.people.suppress(site.key("b@example.org"), "by hand", NOW)
    tally = site.take("email,state\nann@example.org,\nben@example.org,\nb@example.org,bounced\n")
    (ann,) = site.app.people.find(site.key("ann@example.org"))
    site.app.people.leave(ann.subscription, NOW + timedelta(hours=1))
    done = site.app.moving.undo(tally.number, NOW)
    assert (done.removed, done.unsuppressed, done.changed) == (1, 0, 1)
    assert [cells[0] for cells in site.readers()] == ["ann@example.org"]
    assert site.suppressed() == 1


def test_a_person_who_is_erased_leaves_no_trace_in_imports(site: Harbour) -> None:
    tally = site.take("email,name\nann@example.org,Ann\n")
    assert site.app.preferences.erase_address(site.key("ann@example.org"), NOW)
    with site.app.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM reader_import_row").scalar() == 0
    assert site.app.moving.undo(tally.number, NOW).removed == 0


# --- hostile lists


def test_a_zip_that_is_none_or_too_much(site: Harbour) -> None:
    with pytest.raises(InputError, match="damaged"):
        read_lists(site.file(b"PK\x03\x04" + b"x" * 100, "a.zip"))
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme.md", "x")
    with pytest.raises(InputError, match="holds no list"):
        read_lists(site.file(empty.getvalue(), "b.zip"))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as member:
        for _ in range(80):
            member.write(b"\0" * (1 << 20))
    with pytest.raises(InputError, match="which no list is"):
        read_lists(site.file(bomb.getvalue(), "c.zip"))


@pytest.mark.parametrize(
    ("text", "added", "reasons"),
    [
        ("", 0, ["no column named email"]),
        ("email,name\n", 0, []),
        (b"PK\x01\x02" + b"\0" * 500, 0, ["is not text"]),
        ('email,name\na@example.org,"never closed\nb@example.org,B\n', 1, ["check its quotes"]),
        ("email,name\na@example.org," + "x" * 5_000_000 + "\nb@example.org,B\n", 1, ["field larger"]),
        ("email\nk\u00e4te@b\u00fccher.example\nB\u00fcro@BUCHER.example\n".encode("latin-1"), 2, []),
        ("email\nann@b\u00fccher.example\nANN@xn--bcher-kva.example\n", 1, []),
        ("email\na\0@example.org\nb@example.org\n" + "x" * 3 + "@example.org\n", 2, ["invisible"]),
        (",".join(["email", *(f"c{n}" for n in range(99))]) + "\na@example.org\n", 1, ["does not know"] * 99),
        ("email;name\nann@example.org;Zo\u00eb\n".encode("utf-16"), 1, []),
        ("email,state\na@example.org,who knows\nb@example.org,\n", 1, ["“who knows” is not known"]),
    ],
)
def test_odd_lists(site: Harbour, text: str | bytes, added: int, reasons: list[str]) -> None:
    tally = site.take(text)
    assert tally.added == added
    assert len(tally.problems) == len(reasons)
    for problem, reason in zip(tally.problems, reasons, strict=True):
        assert reason in problem.reason
        assert "list.csv" in problem.where


# --- going out


cell = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.one_of(cell, st.sampled_from(["=cmd()", "'=x", "@a", "+1", "-"])), min_size=1, max_size=5))
def test_a_list_of_ours_comes_in_again_as_it_was(tmp_path: Path, sqlite_template: Path, names: list[str]) -> None:
    lists = []
    for count in range(2):
        with tempfile.TemporaryDirectory(dir=tmp_path) as name:
            folder = Path(name)
            shutil.copy(sqlite_template, folder / "x.sqlite3")
            (folder / "publisher.toml").write_text(TOML.format(url=f"sqlite:///{folder / 'x.sqlite3'}"))
            with App(folder, clock=lambda: NOW) as app:
                site = Harbour(app, folder)
                if count == 0:
                    with written_list(folder / "first.csv", COLUMNS) as writer:
                        for number, each in enumerate(names):
                            given = each, "quay;fog", "daily", "07:30", "Europe/Berlin", "de", "2026-01-02", f"={each}"
                            writer.writerow((f"+r{number}@example.org", *given, "active"))
                    source = folder / "first.csv"
                tally = site.bring(site.order(source))
                assert (tally.added, tally.rejected) == (len(names), 0)
                lists.append(site.readers())
                source = tmp_path / "out.csv"
                with written_list(source, COLUMNS) as writer:
                    for cells in site.readers():
                        writer.writerow(cells)
    assert lists[0] == lists[1]
    assert stat.S_IMODE(source.stat().st_mode) == 0o600
    with source.open(newline="") as opened:
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in csv.reader(opened) for cell in row)


def test_a_list_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("before")

    def breaks_off() -> None:
        with written_list(file, COLUMNS) as writer:
            writer.writerow(["a@example.org"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]


# --- memory

_PEAK = """
import sys, tracemalloc
from datetime import datetime, UTC
from pathlib import Path
from feed_publisher.app import App
from feed_publisher.adapters.lists import read_lists
from feed_publisher.parse.subscribers import Reading
from feed_publisher.services import moving_in
moving_in.BATCH = 200
folder, file = Path(sys.argv[1]), Path(sys.argv[2])
lists = read_lists(file)
order = moving_in.Order(digest="weekly", name="x", fingerprint=lists.fingerprint, sheets=lists.sheets,
                        reading=Reading(), confirmed=True)
now = datetime(2026, 11, 2, 8, tzinfo=UTC)
with App(folder) as app:
    service = app.moving_in()
    def run():
        tracemalloc.reset_peak()
        service.foresee(order, now)
        service.bring(order, now, lambda ended: None, lambda count: None)
        return tracemalloc.get_traced_memory()[1]
    tracemalloc.start()
    run()
    print(run())
"""


def test_memory_does_not_grow_with_the_list(tmp_path: Path, sqlite_template: Path) -> None:
    peaks = []
    for count in (600, 6_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        shutil.copy(sqlite_template, folder / "x.sqlite3")
        (folder / "publisher.toml").write_text(TOML.format(url=f"sqlite:///{folder / 'x.sqlite3'}"))
        rows = (f"r{n}@example.org,{'bounced' if n % 3 == 0 else ''},Reader" for n in range(count))
        file = folder / "list.csv"
        file.write_text("email,state,name\n" + "\n".join(rows) + "\n")
        command = [sys.executable, "-c", _PEAK, str(folder), str(file)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] < peaks[0] + 500_000, peaks
