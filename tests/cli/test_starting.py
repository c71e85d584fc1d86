"""Where a digest starts and who gets it, as the operator meets it: words, JSON, questions, and what is refused."""

from __future__ import annotations

import errno
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flow.flow_site import LONG_AGO, listing, settled, sql
from press import error_of, run

ROOT = Path(__file__).parents[2]
DESK = 'recipients = "operators"\n[mail]\noperators = ["desk@harbour.example", "chief@harbour.example"]\n'
TOML = """
[site]
title = "Quay"
timezone = "Europe/Berlin"
[[topics]]
slug = "ships"
title = "Ships"
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "The Letter"
from_address = "letter@harbour.example"
"""


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Path:
    """Five articles, and three readers who have had nothing; the digest starts before them."""
    folder = tmp_path / "site"
    (folder / "var").mkdir(parents=True)
    (folder / "entries").mkdir()
    shutil.copyfile(sqlite_template, folder / "var" / "publisher.sqlite3")
    (folder / "publisher.toml").write_text(TOML)
    run(folder, "check")
    settled(folder / "entries" / "a.txt", listing("Tides", range(5, 0, -1)), LONG_AGO)
    assert run(folder, "pickup").code == 0
    for name in ("ann", "ben", "cleo"):
        assert run(folder, "subscribers", "add", f"{name}@example.org").code == 0
    return folder


def start(site: Path, *words: object) -> dict[str, object]:
    done = run(site, "digest", "start", "weekly", *words, "--json")
    assert done.code == 0, done
    found: dict[str, object] = done.json
    first = found.pop("first")
    assert isinstance(first, dict | None)
    return {**found, "first": first["title"] if first else None}


def key(site: Path, number: int) -> str:
    title = f"Article {number:04}"
    (row,) = sql(
        site, "SELECT e.key FROM entry e JOIN entry_revision r ON r.id = e.revision_id WHERE r.title = ?", title
    )
    return str(row[0])


def refused(site: Path, *words: object) -> str:
    return error_of(run(site, "digest", "start", "weekly", *words))


def test_without_options_it_is_only_shown(site: Path) -> None:
    shown = {"digest": "weekly", "start": 0, "number": 1, "articles": 5, "first": "Article 0001", "readers": 3}
    before = sql(site, "SELECT * FROM digest"), sql(site, "SELECT * FROM subscription")
    assert start(site) == shown
    assert (sql(site, "SELECT * FROM digest"), sql(site, "SELECT * FROM subscription")) == before
    out = run(site, "digest", "start", "weekly").out
    assert "weekly starts after sequence 0: 5 articles since, the first is “Article 0001”\n" in out
    assert "its next issue is number 1\n" in out
    assert "that is for 3 readers who had no issue yet; others go on where they are\n" in out


def test_it_starts_with_an_article(site: Path) -> None:
    moved = start(site, "--from", key(site, 3)[:8], "--number", 48)
    assert moved == {
        "digest": "weekly",
        "start": 2,
        "number": 48,
        "articles": 3,
        "first": "Article 0003",
        "readers": 3,
    }
    assert sql(site, "SELECT DISTINCT cursor, rehearsed_cursor FROM subscription") == [(2, 2)]
    dry = run(site, "send", "weekly", "--dry-run", site / "dry", "--json")
    assert (dry.json["entries"], dry.json["audience"]) == (3, 3)
    assert "moved 3 readers who had no issue yet" in run(site, "digest", "start", "weekly", "--from", key(site, 3)).out


def test_it_starts_at_a_time_of_the_zone_of_the_digest(site: Path) -> None:
    sql(site, "UPDATE entry_topic SET mailable_at = '2026-10-31 23:30:00.000000' WHERE sequence <= 2")
    sql(site, "UPDATE entry_topic SET mailable_at = '2026-11-01 12:00:00.000000' WHERE sequence = 3")
    sql(site, "UPDATE entry_topic SET mailable_at = '2026-11-02 12:00:00.000000' WHERE sequence > 3")
    for text, first in (
        ("2026-11-01", 1),
        ("2026-11-01T00:45", 3),
        ("2026-10-31T23:45+00:00", 3),
        ("2026-11-02", 4),
        ("all", 1),
        ("now", None),
    ):
        assert start(site, "--from", text)["first"] == (f"Article {first:04}" if first else None), text
    (site / "publisher.toml").write_text(TOML + 'zone = "America/New_York"\n')
    assert start(site, "--from", "2026-11-01")["first"] == "Article 0003", "midnight in New York"


def test_what_is_refused_says_where_and_what_to_do(site: Path) -> None:
    (site / "publisher.toml").write_text(TOML + 'topics = ["ships"]\n')
    assert "Article 0003” is not mailed by weekly; `entries why" in refused(site, "--from", key(site, 3))
    (site / "publisher.toml").write_text(TOML)
    assert "--from" in refused(site, "--from", "abc")
    assert "or write a date such as 2026-11-01, `all` or `now`" in refused(site, "--from", "abc")
    assert "no entry has the key abcdef" in refused(site, "--from", "abcdef")
    assert "--from" in refused(site, "--from", "2026-13-01")
    assert error_of(run(site, "digest", "start", "nope"), 1) == (
        "error: there is no digest 'nope'; publisher.toml has: weekly"
    )
    assert run(site, "digest", "start", "weekly", "--number", 0).code == 2
    assert start(site)["start"] == 0, "nothing was changed"


def test_numbers_that_were_given_are_refused_and_what_has_left_counts(site: Path) -> None:
    sql(site, "UPDATE digest SET issue_number = 3")
    sql(
        site,
        "INSERT INTO issue (digest_id, slot, state, reason, rehearsal, issue_number, subject, through, opened_at,"
        " entries, prepared_to, owner)"
        " SELECT id, 'manual:x', 'draft', '', 0, 3, '', 0, added_at, 0, 0, 'x' FROM digest",
    )
    assert refused(site, "--number", 9) == (
        "error: issue 1 of weekly has not left yet: wait until it has, or end it with `issues cancel 1`"
    )
    sql(site, "UPDATE issue SET state = 'finished'")
    assert "there is a number 3 already; give 4 or a higher one" in refused(site, "--number", 3)
    assert start(site, "--number", 4)["number"] == 4


def on_a_terminal(site: Path, answer: str, *words: str) -> tuple[int, str]:
    """Exit code and all that is shown."""
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "feed_publisher", "--site", str(site), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(mine, f"{answer}\n".encode())
        shown = b""
        try:
            while piece := os.read(mine, 4096):
                shown += piece
        except OSError as error:
            if error.errno != errno.EIO:  # what Linux says when the other end is closed
                raise
        os.close(mine)
    return process.returncode, shown.decode()


def test_it_asks_before_articles_are_left_out_or_come_after_all(site: Path) -> None:
    command = ("digest", "start", "weekly", "--from")
    code, shown = on_a_terminal(site, "n", *command, "now")
    assert (code, "Nothing was changed." in shown) == (1, True)
    assert "5 articles would not come to the 3 readers of weekly who had no issue yet." in shown
    assert start(site)["start"] == 0
    assert on_a_terminal(site, "y", *command, "now")[0] == 0
    code, shown = on_a_terminal(site, "n", *command, key(site, 4)[:8])
    assert (code, "2 older articles would come to the 3 readers" in shown) == (1, True)
    code, shown = on_a_terminal(site, "", *command, key(site, 4)[:8], "--yes")
    assert (code, "Start there?" in shown) == (0, False)
    assert start(site)["first"] == "Article 0004"
    code, shown = on_a_terminal(site, "", *command, key(site, 4)[:8])
    assert (code, "Start there?" in shown) == (0, False), "the same again changes nothing"


# --- who gets it


@pytest.fixture
def desk(site: Path) -> Path:
    (site / "publisher.toml").write_text(TOML + DESK)
    return site


def test_lists_and_checks_say_who_waits(desk: Path) -> None:
    said = "goes to the 2 operators only; 3 readers wait"
    assert f"weekly {said}\n" in run(desk, "digest", "list").out
    (found,) = run(desk, "digest", "list", "--json").json["digests"]
    assert (found["digest"], found["readers"], found["recipients"]) == ("weekly", 3, "operators")
    assert "07:00" in found["due"]["weekly"]
    checks = {each["name"]: each for each in run(desk, "check", "--json").json["checks"]}
    assert (checks["digest weekly"]["ok"], checks["digest weekly"]["text"]) == (True, said)
    assert f"weekly {said}. This is what its readers would get." in run(desk, "digest", "preview", "weekly").out
    assert f"weekly {said}\n" in run(desk, "digest", "start", "weekly").out


def test_a_check_names_operators_who_do_not_get_it(desk: Path) -> None:
    run(desk, "suppress", "add", "desk@harbour.example")
    found = {each["name"]: each for each in run(desk, "check", "--json").json["checks"]}["digest weekly"]
    assert (found["ok"], "never mailed: desk@harbour.example" in found["text"]) == (True, True)
    sql(desk, "UPDATE subscription SET state = 'unsubscribed' WHERE consent_source LIKE 'an operator%'")
    found = {each["name"]: each for each in run(desk, "check", "--json").json["checks"]}["digest weekly"]
    assert (found["ok"], "chief@harbour.example unsubscribed" in found["text"]) == (False, True)


def test_an_issue_by_hand_goes_to_the_desk_and_takes_no_number(desk: Path) -> None:
    sent = run(desk, "send", "weekly", "--yes", "--json").json
    assert (sent["digest"], sent["desk"], sent["number"], sent["audience"]) == ("weekly~desk", True, None, 2)
    assert sent["books"]["sent"] == 2
    (listed,) = run(desk, "issues", "list", "--json").json["issues"]
    assert (listed["digest"], listed["desk"]) == ("weekly~desk", True)
    assert "issue 1 of weekly, for the operators only, manual:" in run(desk, "issues", "show", sent["issue"]).out
    assert "Nothing new for anybody" in run(desk, "send", "weekly", "--yes").out
    assert start(desk, "--from", "all")["readers"] == 3
    again = run(desk, "send", "weekly", "--yes", "--json").json
    assert (again["audience"], again["entries"]) == (2, 5), "the desk sees what the first issue will have"
    (desk / "publisher.toml").write_text(TOML)
    refusal = error_of(run(desk, "issues", "resend", sent["issue"], "--subscriber", "desk@harbour.example"))
    assert "its newsletter goes to its readers now (recipients in [[digests]])" in refusal
    live = run(desk, "send", "weekly", "--yes", "--json").json
    assert (live["digest"], live["desk"], live["audience"], live["entries"]) == ("weekly", False, 3, 5)


def test_operators_are_in_no_list_of_readers(desk: Path) -> None:
    listed = run(desk, "subscribers", "list", "--json").json["subscribers"]
    assert {each["digest"] for each in listed} == {"weekly"}
    assert run(desk, "subscribers", "export", desk / "out.csv").code == 0
    assert "desk@harbour.example" not in (desk / "out.csv").read_text()
    assert "weekly~desk: active" in run(desk, "subscribers", "show", "desk@harbour.example").out
    for words in (
        ("list", "--digest"),
        ("add", "eve@example.org", "--digest"),
        ("import", desk / "out.csv", "--digest"),
    ):
        assert "there is no digest 'weekly~desk'" in error_of(run(desk, "subscribers", *words, "weekly~desk"))
