"""Every command as people and scripts meet it: words, JSON, exit codes, and one line for each thing that is wrong."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from faults.relay import Relay
from flow.flow_site import LONG_AGO, listing, settled, sql

from feed_publisher.adapters.database import engine
from feed_publisher.cli import group
from feed_publisher.cli.main import COMMANDS, help_text, main

ROOT = Path(__file__).parents[2]
STATES = {
    "queued",
    "claimed",
    "transmitting",
    "sent",
    "deferred",
    "bounced",
    "unknown",
    "suppressed",
    "excluded",
    "expired",
}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cli:
    """Runs commands on one site, in this process; ``answer`` is what is typed."""

    folder: Path
    overrides: tuple[str, ...] = ()

    def __call__(self, *words: object, answer: str = "") -> Done:
        given = [word for pair in self.overrides for word in ("--config", pair)]
        argv = ["feed-publisher", "--site", str(self.folder), *given, *map(str, words)]
        out, err, code = io.StringIO(), io.StringIO(), 0
        before = sys.argv, sys.stdin
        sys.argv, sys.stdin = argv, io.StringIO(answer)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv, sys.stdin = before
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *words: object, answer: str = "") -> Done:
        done = self(*words, answer=answer)
        assert (done.code, done.err) == (0, ""), (words, done)
        return done

    def json(self, *words: object, code: int = 0) -> Any:
        """The one document on stdout; words may be on stderr."""
        done = self(*words, "--json")
        assert done.code == code, (words, done)
        return done.json

    def fails(self, *words: object, code: int = 1) -> str:
        """The one line that says why."""
        done = self(*words)
        assert done.code == code, (words, done)
        lines = done.err.splitlines()
        assert len(lines) == 1, done.err
        assert lines[0].startswith("error: "), done.err
        assert "Traceback" not in done.err
        return lines[0]

    def write(self, name: str, text: str) -> Path:
        return settled(self.folder / "entries" / name, text, LONG_AGO)


@pytest.fixture
def cli(tmp_path: Path, sqlite_template: Path) -> Cli:
    """A site as ``init`` makes it."""
    made = Cli(tmp_path / "site")
    made.folder.mkdir()
    (made.folder / "var").mkdir(mode=0o700)
    shutil.copy(sqlite_template, made.folder / "var" / "publisher.sqlite3")
    Cli(Path())("init", made.folder)
    return made


@pytest.fixture
def full(cli: Cli) -> Cli:
    """Twelve articles, three readers, nothing mailed yet."""
    cli.write("one.txt", listing("Harbour news", range(1, 13), "Page 1 of 2"))
    cli.ok("pickup")
    cli.ok("publish")
    readers = cli.folder / "readers.csv"
    readers.write_text("email,name\nann@example.org,Ann\nben@example.org,\ncleo@example.org,Cleo\n")
    cli.ok("subscribers", "import", readers, "--digest", "weekly", "--confirmed")
    return cli


def real(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")} | more.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "feed_publisher", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **more,
    )


def leaves() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its words."""
    context = click.Context(group.cli)
    for name in COMMANDS:
        command = group.cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from (((name, inner), each) for inner, each in command.commands.items())
        else:
            yield (name,), command


LEAVES = dict(leaves())


# Help


def test_the_static_help_lists_every_command() -> None:
    listed = re.findall(r"^  ([a-z]+)  ", help_text().partition("Commands:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)
    for words in LEAVES:
        if len(words) == 2:
            assert COMMANDS[words[0]]


@pytest.mark.parametrize("words", sorted({*LEAVES, *(words[:1] for words in LEAVES)}), ids=" ".join)
def test_help_of_each_command(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: feed-publisher {' '.join(words)}")
    for line in done.out.splitlines():
        assert len(line) <= 100


def test_help_is_answered_without_click() -> None:
    script = (
        "import sys; sys.argv = ['feed-publisher', '--help'];"
        "from feed_publisher.cli.main import main; main();"
        "print({'click', 'sqlalchemy', 'pydantic', 'jinja2', 'feed_publisher.app'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )
    assert done.stdout.endswith("set()\n")
    assert real().stdout == real("-h").stdout == help_text() + "\n"


def test_every_command_but_serve_speaks_json() -> None:
    silent = [words for words, command in LEAVES.items() if not any("--json" in p.opts for p in command.params)]
    assert silent == [("serve",)]


# Shapes that scripts rely on


def test_init_makes_a_site_that_works_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    done = real("init", str(folder), "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"site": str(folder)})
    assert {"publisher.toml", "entries", "templates", "var", "public"} <= {path.name for path in folder.iterdir()}
    cli = Cli(folder)
    assert cli.json("check")["checks"]
    assert cli.json("digest", "list")["digests"][0]["digest"] == "weekly"
    assert "has a site already" in cli.fails("init", folder)
    assert (folder / "public" / "feeds" / "all.atom").exists()


def test_pickup_and_publish(cli: Cli) -> None:
    cli.write("one.txt", listing("Harbour news", range(1, 4)))
    assert cli.json("pickup") == {"new": 3, "changed": 0, "unchanged": 0, "held": 0, "rejected": []}
    assert cli.json("pickup") == {"new": 0, "changed": 0, "unchanged": 3, "held": 0, "rejected": []}
    assert "0 new, 0 changed, 3 unchanged" in cli.ok("pickup").out
    published = cli.json("publish")
    assert "feeds/harbour-news.atom" in published["written"]
    assert {"written", "unchanged"} <= set(published)
    assert cli.json("publish")["written"] == []
    again = cli.json("publish", "--all")
    assert (again["written"], again["unchanged"]) == ([], 10)
    assert "0 feed files written" in cli.ok("publish").out
    other = settled(cli.folder / "other.md", "---\ntitle: By hand\n---\nText\n", LONG_AGO)
    assert cli.json("pickup", other, "--topic", "deep-sea")["new"] == 1
    assert cli.json("entries", "list", "--topic", "deep-sea")["entries"][0]["topics"] == ["deep-sea"]


def test_entries_show_prints_picture_and_files(cli: Cli) -> None:
    files = '[{"url": "https://a.example/e.mp3", "length": 4200000, "title": "Listen"}]'
    image = '{"url": "https://a.example/p.jpg", "alt": "A pier", "credit": "Ida"}'
    cli.write("one.json", f'{{"title": "Seen", "image": {image}, "enclosures": {files}}}')
    cli.ok("pickup")
    (entry,) = cli.json("entries", "list")["entries"]
    shown = cli.ok("entries", "show", entry["key"]).out
    assert "picture https://a.example/p.jpg, A pier, Ida\n" in shown
    assert "file https://a.example/e.mp3 (audio/mpeg, 4,200,000 bytes, Listen)\n" in shown
    assert cli.json("entries", "show", entry["key"])["enclosures"][0]["type"] == "audio/mpeg"


def test_entries_list_show_and_why(full: Cli) -> None:
    found = full.json("entries", "list")["entries"]
    assert [entry["title"] for entry in found] == [f"Article {number:04}" for number in range(1, 13)]
    assert {"key", "id", "title", "authors", "topics", "published", "url", "state"} <= set(found[0])
    first = found[0]
    assert first["id"] == f"urn:uuid:{first['key']}"
    assert (first["authors"], first["topics"], first["state"]) == (["Ann Po"], ["harbour-news"], "public")
    assert len(full.json("entries", "list", "--limit", 5)["entries"]) == 5
    assert full.json("entries", "list", "--state", "held") == {"entries": []}
    assert full.json("entries", "show", first["key"][:6]) == first
    assert "Article 0001" in full.ok("entries", "show", first["key"]).out
    assert first["key"][:8] in full.ok("entries", "list").out
    why = full.json("entries", "why", first["key"])
    assert why["issues"] == []
    assert "No issue has carried it yet" in full.ok("entries", "why", first["key"]).out
    full.ok("send", "weekly", "--yes")
    assert full.json("entries", "why", first["key"])["issues"] == [1]


def test_entries_add_withdraw_restore_hide_release(full: Cli) -> None:
    added = full.json("entries", "add", "--title", "Typed in", "--author", "Ann Po", "--topic", "Harbour news")
    assert added["state"] == "added"
    assert "feeds/harbour-news.atom" in added["written"]
    assert "known already" in full.ok("entries", "add", "--title", "Typed in", "--author", "Ann Po").out
    key = next(e["key"] for e in full.json("entries", "list")["entries"] if e["title"] == "Typed in")
    feed = full.folder / "public" / "feeds" / "all.json"
    assert "Typed in" in feed.read_text()
    assert full.json("entries", "withdraw", key)["entries"][0]["state"] == "withdrawn"
    assert "Typed in" not in feed.read_text()
    assert "withdrawn" in full.fails("entries", "withdraw", key)
    assert "restored" in full.ok("entries", "restore", key).out
    assert "Typed in" in feed.read_text()

    full.ok("entries", "add", "--title", "Later", "--author", "A B", "--published", "2099-01-01")
    later = full.json("entries", "list", "--state", "scheduled")["entries"][0]
    assert full.json("entries", "hide", later["key"])["entries"][0]["state"] == "hidden"
    assert "Later" not in feed.read_text()
    assert "hidden" in full.fails("entries", "release", later["key"])

    full.write(
        "links.json", '[{"id": "a", "url": "https://x.example/1", "title": "One", "summary": "Sea and salt air"}]'
    )
    full.ok("pickup")
    full.write(
        "links.json",
        '[{"id": "b", "url": "https://x.example/1", "title": "Two", "summary": "Cranes lifting grain all day"}]',
    )
    assert full.json("pickup")["held"] == 1
    held = full.json("entries", "list", "--state", "held")["entries"][0]
    assert "release it if it is another article" in full.ok("entries", "why", held["key"]).out
    assert full.json("entries", "release", held["key"])["entries"][0]["state"] == "public"


def test_subscribers_and_suppress(cli: Cli) -> None:
    cli.write("one.txt", listing("Harbour news", [1]))
    cli.ok("pickup")
    file = cli.folder / "r.csv"
    file.write_text(
        "email,hour,cadence\nann@example.org,7,daily\nnot an address,,\nben@example.org,,hourly\ncleo@example.org,,\n"
    )
    result = cli.json("subscribers", "import", file, "--confirmed", code=1)
    assert (result["added"], result["updated"]) == (2, 0)
    assert [problem["where"] for problem in result["rejected"]] == [f"{file}:3", f"{file}:4"]
    done = cli("subscribers", "import", file, "--confirmed")
    assert done.code == 1
    assert done.err.splitlines()[0].startswith(f"skipped {file}:3: ")
    assert "0 added, 2 updated, 2 skipped" in done.out
    assert cli.json("subscribers", "add", "dora@example.org", "--topic", "harbour-news")["added"] == 1
    assert "updated dora@example.org" in cli.ok("subscribers", "add", "dora@example.org").out
    assert "'weird'" in cli.fails("subscribers", "add", "e@example.org", "--topic", "weird")
    assert "'hourly'" in cli.fails("subscribers", "add", "e@example.org", "--cadence", "hourly")
    people = cli.json("subscribers", "list")["subscribers"]
    assert [person["address"] for person in people] == ["ann@example.org", "cleo@example.org", "dora@example.org"]
    assert (people[0]["cadence"], people[0]["hour"], people[2]["topics"]) == ("daily", "07:00", ["harbour-news"])
    assert "ann@example.org" in cli.ok("subscribers", "list").out
    assert cli.json("subscribers", "show", "ann@example.org")["subscriptions"][0]["state"] == "active"
    shown = cli.ok("subscribers", "show", "ann@example.org").out
    assert "active" in shown
    assert "joined" in shown, "what the reader did, as evidence of consent"
    history = cli.json("subscribers", "show", "ann@example.org")["subscriptions"][0]["history"]
    assert [event["what"] for event in history] == ["joined"]
    assert "subscribes to nothing" in cli.fails("subscribers", "show", "who@example.org")

    assert cli.json("suppress", "add", "ANN@Example.org")["added"] is True
    assert "already" in cli.ok("suppress", "add", "ann@example.org").out
    assert "never-mail" in cli.fails("subscribers", "add", "ann@example.org")
    assert cli.json("suppress", "list")["suppressed"][0]["address"] == "ann@example.org"
    assert "ann@example.org" in cli.ok("suppress", "list").out
    cli.ok("send", "weekly", "--yes")
    assert cli.json("issues", "show", 1)["books"]["suppressed"] == 1
    assert cli.json("suppress", "remove", "ann@example.org")["removed"] is True
    assert "was not on" in cli.ok("suppress", "remove", "ann@example.org").out


def test_lists_of_readers_in_and_out(full: Cli, tmp_path: Path) -> None:
    file, report = tmp_path / "list.csv", tmp_path / "report.csv"
    file.write_text(
        "Mail,Vorname,Gruppe,Status\nnew@example.org,=Nia,HARBOUR NEWS,active\nold@example.org,,,unsubscribed\n"
        "vip@example.org,,VIP,\nann@example.org,Anna,,\n"
    )
    shown = full.ok("subscribers", "import", file, "--digest", "weekly", "--confirmed", "--dry-run").out
    for words in (
        "Mail\temail",
        "Gruppe\ttopics",
        "new@example.org\t=Nia\tharbour-news",
        "1\tVIP",
        "nothing was stored",
    ):
        assert words in shown
    assert len(full.json("subscribers", "list")["subscribers"]) == 3
    done = full.json("subscribers", "import", file, "--digest", "weekly", "--confirmed", "--report", report, code=1)
    assert (done["added"], done["updated"], done["suppressed"], done["skipped"]) == (1, 1, 1, 1)
    assert done["rejected"][0]["where"] == f"{file}:4"
    assert done["unknown_groups"] == {"VIP": 1}
    assert "3,old@example.org,suppressed," in report.read_text()
    assert (report.stat().st_mode & 0o777) == 0o600
    number = done["import"]
    assert f"{number}\t" in full.ok("subscribers", "imports").out
    assert full.json("subscribers", "imports")["imports"][0]["counts"]["added"] == 1

    full.ok("send", "weekly", "--yes")
    full.ok("subscribers", "import", file, "--topic", "VIP=", "--confirmed")
    last = full.json("subscribers", "imports")["imports"][0]["import"]
    assert full("subscribers", "undo-import", last).code == 2
    assert full.json("subscribers", "undo-import", last, "--yes")["removed"] == 1
    kept = full.json("subscribers", "undo-import", number, "--yes")
    assert (kept["removed"], kept["given_back"], kept["kept_mailed"], kept["unsuppressed"]) == (0, 0, 2, 1)
    assert "there is no import 99" in full.fails("subscribers", "undo-import", "99", "--yes")

    out = tmp_path / "out.csv"
    assert full.json("subscribers", "export", out)["rows"] == 4
    assert "new@example.org,'=Nia,harbour-news,weekly" in out.read_text()
    again = full.json("subscribers", "import", out, "--digest", "weekly")
    assert (again["added"], again["unchanged"], again["rejected"]) == (0, 4, [])


@pytest.mark.parametrize(("answer", "code", "readers"), [("n", 1, 3), ("y", 0, 4)])
def test_on_a_terminal_a_list_is_shown_and_asked_for(
    full: Cli, tmp_path: Path, answer: str, code: int, readers: int
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Mail\nnew@example.org\n")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "feed_publisher", "--site", str(full.folder), "subscribers", "import", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        seen = b""
        with suppress(OSError):  # what the end of a terminal is on Linux
            while piece := os.read(ours, 4096):
                seen += piece
    os.close(ours)
    assert b"Store this?" in seen
    assert b"email" in seen
    assert process.returncode == code, seen
    assert len(full.json("subscribers", "list")["subscribers"]) == readers


def test_send_and_issues(full: Cli, tmp_path: Path) -> None:
    sent = full.json("send", "weekly", "--yes")
    assert {"issue", "subject", "entries", "audience", "state", "books"} <= set(sent)
    assert (sent["entries"], sent["audience"], sent["state"], sent["rehearsal"]) == (12, 3, "finished", True)
    assert set(sent["books"]) == STATES
    assert (sent["books"]["sent"], sum(sent["books"].values())) == (3, 3)
    shown = full.json("issues", "show", 1)
    assert {name: shown[name] for name in sent} == sent
    assert [article["left_out"] for article in shown["articles"]] == [False] * 12
    assert shown["history"] == []
    assert "it is finished" in full.fails("issues", "edit", 1, "--subject", "Too late")
    assert sent["web"] == "http://127.0.0.1:8000/issues/weekly/rehearsal-1"
    assert sent["web"] in full.ok("issues", "show", 1).out
    nothing = full.json("send", "weekly", "--yes")
    assert (nothing["issue"], nothing["books"]) == (None, {})
    assert "Nothing new for anybody" in full.ok("send", "weekly", "--yes").out

    full.ok("entries", "add", "--title", "One more", "--author", "A B")
    done = full.ok("send", "weekly", "--yes")
    assert "balanced" in done.out
    assert "NOT" not in done.out
    found = full.json("issues", "list")["issues"]
    assert [issue["issue"] for issue in found] == [2, 1]
    assert {"issue", "digest", "slot", "state", "books"} <= set(found[0])
    assert found[0]["slot"].startswith("manual:")
    assert len(full.json("issues", "list", "--limit", 1)["issues"]) == 1
    assert "rehearsal" in full.ok("issues", "list").out
    assert "articles: 12" in full.ok("issues", "show", 1).out
    csv = tmp_path / "books.csv"
    assert full.json("issues", "export", 1, csv) == {"issue": 1, "rows": 3}
    assert csv.read_text().splitlines()[0] == "address,state,reason,changed_at"
    assert full.json("issues", "resend", 1, "--state", "bounced") == {"issue": 1, "queued": 0}
    assert full.json("issues", "resend", 1, "--subscriber", "ann@example.org")["queued"] == 0
    for verb in ("approve", "pause", "resume", "cancel"):
        assert "it is finished" in full.fails("issues", verb, 1)
        assert "there is no issue 77" in full.fails("issues", verb, 77)


def test_pause_resume_and_cancel(full: Cli) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        full.overrides = ("smtp.host=127.0.0.1", f"smtp.port={nobody.getsockname()[1]}", "smtp.tls=none")
    assert "the rest waits" in full.fails("send", "weekly", "--yes", code=75).replace("\n", "")
    assert full.json("issues", "pause", 1)["state"] == "paused"
    assert full.json("tick")["pickup"]["unchanged"] == 12, "nothing to send, so no mail server is needed"
    assert full.json("issues", "resume", 1)["state"] == "ready"
    assert full("tick").code == 75
    cancelled = full.json("issues", "cancel", 1)
    assert (cancelled["state"], cancelled["books"]["excluded"]) == ("cancelled", 3)
    with Relay() as relay:
        full.overrides = relay.overrides
        sent = full.json("send", "weekly", "--yes")
        assert (sent["issue"], sent["number"], sent["books"]["sent"]) == (2, 2, 3)


def test_send_asks_first(full: Cli) -> None:
    before = database(full)
    done = full("send", "weekly", answer="n\n")
    assert done.code == 1
    assert "Readers     3" in done.out
    assert "Nothing was sent." in done.out
    assert full("send", "weekly", answer="").code == 1
    assert database(full) == before
    assert "3 accepted by the mail server (balanced)" in full.ok("send", "weekly", answer="y\n").out


def test_dry_run_writes_real_mails_and_changes_nothing(full: Cli, tmp_path: Path) -> None:
    before = database(full)
    done = full.json("send", "weekly", "--dry-run", tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.eml"))
    assert (done["audience"], done["entries"], len(files)) == (3, 12, 3)
    for file, to in zip(files, ("ann", "ben", "cleo"), strict=True):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert message["To"] == f"{to}@example.org"
        assert message["Subject"] == done["subject"]
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert message.defects == []
    assert database(full) == before
    assert not list((full.folder / "var").glob("mailbox/new/*"))
    assert "cannot be written" in full.fails("send", "weekly", "--dry-run", files[0] / "x")


def test_test_mail_is_marked_and_changes_nothing(full: Cli) -> None:
    before = database(full)
    done = full.json("send", "weekly", "--test", "me@example.org", "--test", "you@example.org")
    assert done["sent"] == ["me@example.org", "you@example.org"]
    [first, second] = sorted((full.folder / "var" / "mailbox" / "new").iterdir())
    message = email.message_from_bytes(first.read_bytes(), policy=email.policy.default)
    assert message["Subject"].startswith("[Test] ")
    assert message["Subject"] == done["subject"]
    assert b"Delivered-To: you@example.org" in second.read_bytes()
    assert database(full) == before
    with Relay(at_rcpt={"me": "550 5.1.1 no"}) as relay:
        full.overrides = relay.overrides
        done_words = full("send", "weekly", "--test", "me@example.org")
        assert (done_words.code, "not accepted: 550" in done_words.out) == (1, True)
    assert database(full) == before


def test_as_of_and_previews(full: Cli, tmp_path: Path) -> None:
    assert full.json("send", "weekly", "--yes", "--as-of", "2020-01-01")["issue"] is None
    shown = full.json("digest", "preview", "weekly")
    assert (shown["entries"], "Article 0012" in shown["text"]) == (12, True)
    assert (shown["readers"]["in"], [each["readers"] for each in shown["versions"]], shown["exact"]) == (3, [3], True)
    assert {each["rule"] for each in shown["findings"]} == {"one click", "dead link", "postal address"}
    assert shown["last"] is None
    assert "/unsubscribe/" in shown["text"]
    assert "unsubscribe_url" not in shown["text"] + shown["html"]
    words = full.ok("digest", "preview", "weekly", "--subscriber", "ann@example.org", "--why").out
    for line in (
        "Subject     ",
        "To          ann@example.org",
        "Reader      Gets it, with 12 articles.",
        "in\tArticle 0012\t",
    ):
        assert line in words
    assert "--as-of" in full.fails("send", "weekly", "--as-of", "soon")
    assert "--as-of" in full.fails("digest", "preview", "weekly", "--as-of", "soon")
    assert "does not come 'hourly'; it comes" in full.fails("digest", "preview", "weekly", "--cadence", "hourly")
    assert "nobody with this address" in full.fails("digest", "preview", "weekly", "--subscriber", "no@example.org")
    assert full.json("digest", "start", "weekly", "--from", "now")["readers"] == 3
    for reader, words in ((("--subscriber", "ann@example.org"), "for this reader"), ((), "for anybody")):
        assert f"There is nothing new {words}" in full.ok("digest", "preview", "weekly", *reader).out
    nothing = full.json("digest", "preview", "weekly", "--subscriber", "ann@example.org")
    assert (nothing["subject"], nothing["html"], nothing["subscriber"]["why"]) == (None, None, "nothing new")
    assert {each["why"] for each in nothing["why"]} == {"before"}
    assert "weekly" in full.ok("digest", "list").out
    assert "starts after sequence 0" in full.ok("digest", "start", "weekly", "--from", "all").out


def test_a_preview_can_be_kept(full: Cli, tmp_path: Path) -> None:
    full.ok("digest", "preview", "weekly", "--out", tmp_path / "p")
    message = email.message_from_bytes((tmp_path / "p" / "message.eml").read_bytes(), policy=email.policy.default)
    kept = {kind: (tmp_path / "p" / f"message.{kind}").read_text() for kind in ("html", "txt")}
    assert "Article 0001" in kept["html"]
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == kept["txt"]
    (tmp_path / "file").touch()
    assert "cannot be written" in full.fails("digest", "preview", "weekly", "--out", tmp_path / "file")


def test_why_a_reader_gets_what(full: Cli) -> None:
    told = full.json("subscribers", "why", "ann@example.org")["subscriptions"]
    assert [(each["digest"], each["in"], each["why"], len(each["entries"])) for each in told] == [
        ("weekly", True, "in", 12)
    ]
    full.ok("send", "weekly", "--yes")
    words = full.ok("subscribers", "why", "ann@example.org", "--digest", "weekly").out
    assert "weekly: Has nothing new: there is no mail." in words
    assert "out\tArticle 0001\tIt was in rehearsal 1 of " in words
    assert "subscribes to nothing here" in full.fails("subscribers", "why", "no@example.org")
    key = told[0]["entries"][0]["key"]
    assert ", if it were sent now: It was in rehearsal 1 of " in full.ok("entries", "why", key).out
    assert "It was in rehearsal 1 of " in full.ok("entries", "why", key, "--subscriber", "ann@example.org").out
    assert "subscribes to nothing here" in full.fails("entries", "why", key, "--subscriber", "no@example.org")


def test_tick_does_everything(full: Cli) -> None:
    full.write("two.txt", listing("Harbour news", [20]))
    done = full.json("tick")
    assert done["pickup"]["new"] == 1
    assert done["publish"]["written"]
    assert "issues" in done
    full.write("bad.md", "---\ntitle: [\n---\n")
    assert full.json("tick", code=1)["pickup"]["rejected"][0]["where"].startswith(
        str(full.folder / "entries" / "bad.md")
    )


# Wrong usage


def test_wrong_usage_is_2(cli: Cli) -> None:
    for words in (("nonsense",), ("send",), ("pickup", "--bogus"), ("issues", "show", "x"), ("issues", "resend", "1")):
        done = cli(*words)
        assert done.code == 2, words
        assert "Error: " in done.err
    assert real("nonsense").returncode == 2


def test_unknown_names_are_one_line(cli: Cli) -> None:
    assert "there is no digest 'monthly'" in cli.fails("send", "monthly")
    assert "weekly" in cli.fails("subscribers", "import", cli.folder / "publisher.toml", "--digest", "x")
    assert "No such file" in cli.fails("subscribers", "import", cli.folder / "none.csv")
    assert "abcdef" in cli.fails("entries", "show", "abcdef")
    assert "there is no issue 9" in cli.fails("issues", "show", "9")
    assert "no-such" in cli("pickup", cli.folder / "no-such.txt").err
    assert "x" in cli.fails("subscribers", "add", "x")


# Settings


def test_no_site(tmp_path: Path) -> None:
    line = Cli(tmp_path).fails("pickup")
    assert f"{tmp_path}/publisher.toml" in line
    assert "feed-publisher init" in line
    done = real("entries", "list", cwd=tmp_path, env={"FEED_PUBLISHER_SITE": str(tmp_path / "elsewhere")})
    assert (done.returncode, "elsewhere/publisher.toml" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[site]", "[site"), r"publisher\.toml: not valid TOML: .*line 3"),
        (
            ('title = "My site"', 'tilte = "My site"'),
            r"publisher\.toml:4: site\.tilte is not a setting; did you mean title\?",
        ),
        (("[[digests]]", "[[digest]]"), r"publisher\.toml:\d+: digest is not a setting; did you mean digests\?"),
        (
            ("digest@example.org", "digest at example"),
            r"publisher\.toml:19: digests\.0\.from_address: .*digest at example",
        ),
        (('hour = "07:00"', 'hour = "25"'), r"publisher\.toml:22: digests\.0\.hour: '25' is not a time of day"),
        (
            ('timezone = "UTC"', 'timezone = "Europe/Belrin"'),
            r"publisher\.toml:7: site\.timezone: .* is not a time zone",
        ),
        (('slug = "weekly"', 'slug = "Wee kly"'), r"publisher\.toml:16: digests\.0\.slug: "),
        (('from_address = "digest@example.org"', ""), r"publisher\.toml:15: digests\.0\.from_address is missing"),
    ],
)
def test_a_wrong_setting_names_its_place(cli: Cli, change: tuple[str, str], said: str) -> None:
    file = cli.folder / "publisher.toml"
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(change[0], change[1], 1))
    line = cli.fails("check")
    assert re.search(said, line), line


def test_flags_beat_environment_beats_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_PUBLISHER_SITE__TITLE", "From the environment")
    cli.ok("publish", "--all")
    feed = cli.folder / "public" / "feeds" / "all.atom"
    assert "From the environment" in feed.read_text()
    cli.overrides = ("site.title=From the flag",)
    cli.ok("publish", "--all")
    assert "From the flag" in feed.read_text()
    cli.overrides = ("site.title",)
    assert "write section.key=value" in cli.fails("publish")


def test_check_says_what_is_well_and_what_is_not(cli: Cli) -> None:
    done = cli("check")
    assert (done.code, done.out.count("ok ")) == (0, 13)
    (cli.folder / "entries").rmdir()
    (cli.folder / "templates" / "email").mkdir(parents=True)
    (cli.folder / "templates" / "email" / "digest.html").write_text("<p>\n{% for x in %}\n")
    checks = {check["name"]: check for check in cli.json("check", code=1)["checks"]}
    assert not checks["source entries"]["ok"]
    assert not checks["templates"]["ok"]
    assert "email/digest.html:2" in checks["templates"]["text"]
    assert cli("check").code == 1


def test_check_tells_which_languages_have_words(cli: Cli) -> None:
    def told() -> tuple[bool, str]:
        checks = {check["name"]: check for check in cli("check", "--json").json["checks"]}
        return checks["languages"]["ok"], checks["languages"]["text"]

    assert told() == (True, "there are words in ar, de, en")
    cli.overrides = ("site.language=fr",)
    assert told()[0]
    assert "none in fr" in told()[1]
    cli.overrides = ('site.languages=["de-AT", "fr"]',)
    assert told() == (False, "readers may choose fr, but there are no words of it; write locale/fr.po")
    (cli.folder / "locale").mkdir()
    catalog = cli.folder / "locale" / "fr.po"
    catalog.write_text('msgid "Privacy"\nmsgstr "Confidentialité"\n')
    assert told() == (True, "there are words in ar, de, en, fr")
    catalog.write_text("\nmsgid broken\n")
    well, text = told()
    assert not well
    assert "fr.po:2: " in text


def modes(folder: Path) -> dict[str, str]:
    """Every file and folder that others can do something with."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): f"{path.stat().st_mode:o}" for path in paths if path.stat().st_mode & 0o077}


def test_nobody_else_reads_var(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        cli = Cli(tmp_path / "site")
        cli.ok("init", cli.folder)
        cli.write("one.txt", listing("Harbour news", [1]))
        cli.ok("tick")
        cli.ok("send", "weekly", "--test", "me@example.org")
    finally:
        os.umask(before)
    assert len(list((cli.folder / "var" / "mailbox" / "new").iterdir())) == 1
    assert modes(cli.folder / "var") == {}
    assert (cli.folder / "public").stat().st_mode & 0o777 == 0o755
    assert (cli.folder / "public" / "feeds" / "all.atom").stat().st_mode & 0o777 == 0o644


def test_a_fresh_var_is_private_without_init(cli: Cli) -> None:
    shutil.rmtree(cli.folder / "var")
    cli.ok("entries", "list")
    assert modes(cli.folder / "var") == {}


def test_check_says_who_can_read_what_is_private(cli: Cli) -> None:
    var = cli.folder / "var"
    for path, mode in ((var, 0o755), (var / "publisher.sqlite3", 0o644)):
        usual = path.stat().st_mode
        path.chmod(mode)
        done = cli("check")
        [line] = [line for line in done.out.splitlines() if line.startswith("BAD")]
        assert (done.code, f"{path}: other users of this computer can read it" in line) == (1, True), line
        subprocess.run(["sh", "-c", line.partition("run: ")[2]], check=True)
        assert path.stat().st_mode == usual
        assert cli("check").code == 0


def test_a_broken_template_names_file_and_line(full: Cli) -> None:
    broken = full.folder / "templates" / "email" / "digest.html"
    broken.parent.mkdir(parents=True)
    broken.write_text(
        '{% extends "default/email/digest.html" %}\n{% block footer %}\n{{ nothing.at.all }}\n{% endblock %}\n'
    )
    line = full.fails("send", "weekly", "--yes")
    assert "email/digest.html:3" in line
    assert full.json("issues", "list")["issues"] == []
    broken.write_text('{% extends "default/email/digest.html" %}\n{% block footer %}Mine{% endblock %}\n')
    assert "Mine" in full.json("digest", "preview", "weekly")["html"]


# Broken input: the rest goes through


def test_broken_files_say_where_and_the_rest_goes_through(cli: Cli) -> None:
    listed = cli.write(
        "a.txt", "News\n\nGood one\nBy Ann Po\nText.\n\nBy Nobody Here\nLost.\n\nAnother\nBy Ben Po\nText two.\n"
    )
    markdown = cli.write("b.md", "---\ntitle: x\npublished: someday\n---\nText\n")
    as_json = cli.write("c.json", '[{"title": "Fine"},\n {"title": ""},\n 7]')
    cut = cli.write("d.json", '[{"title": "Fine too"\n')
    pdf = cli.folder / "entries" / "e.pdf"
    pdf.write_bytes(b"%PDF")
    result = cli.json("pickup", code=1)
    where = {problem["where"]: problem["reason"] for problem in result["rejected"]}
    assert f"{listed}:7" in where
    for file in (markdown, as_json, cut, pdf):
        assert any(place.startswith(str(file)) for place in where), (file, where)
    assert all(where.values())
    titles = {entry["title"] for entry in cli.json("entries", "list")["entries"]}
    assert {"Good one", "Another", "Fine"} <= titles
    assert all(re.match(r"skipped .+?: .+", line) for line in cli("pickup").err.splitlines())


def test_bad_names_stop_no_other_and_break_no_line(cli: Cli) -> None:
    entries = cli.folder / "entries"
    cli.write("good.txt", listing("Harbour news", [1]))
    (entries / "loop.txt").symlink_to("loop.txt")
    (entries / "two\nlines\x1b[2J.pdf").write_text("x")
    with open(os.fsencode(entries) + b"/caf\xe9.txt", "w") as file:
        file.write("x")
    done = cli("pickup")
    assert (done.code, "1 new" in done.out) == (1, True)
    assert len(done.err.splitlines()) == 3
    assert done.err.isascii()
    assert "\x1b" not in done.err
    assert r"two\nlines\x1b[2J.pdf" in done.err
    assert r"caf\xe9.txt: its name is not valid UTF-8" in done.err
    document = real("--site", str(cli.folder), "pickup", "--json")
    assert len(json.loads(document.stdout)["rejected"]) == 3
    named = real("--site", str(cli.folder), "pickup", os.fsdecode(os.fsencode(entries) + b"/caf\xe9.txt"))
    assert (named.returncode, "Traceback" in named.stderr) == (1, False)


# The disk and the database


@pytest.mark.parametrize("name", ["public", "var"])
def test_a_file_in_place_of_a_folder(full: Cli, name: str) -> None:
    shutil.rmtree(full.folder / name)
    (full.folder / name).write_text("in the way")
    full.write("two.txt", listing("Harbour news", [30]))
    done = full("tick")
    assert done.code == 1
    assert str(full.folder / name) in done.err
    assert "Traceback" not in done.err
    if name == "public":
        assert "not replaced: all: " in done.err, "the articles are kept, and published when it can be"
        (full.folder / "public").unlink()
        assert full("publish").code == 0
        assert "Harbour news" in (full.folder / "public" / "feeds" / "all.json").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["public", "var"])
def test_a_folder_that_may_not_be_written(full: Cli, name: str) -> None:
    folder = full.folder / name
    folder.chmod(0o500)
    try:
        full.write("two.txt", listing("Harbour news", [30]))
        assert full("tick").code in (1, 75)
    finally:
        folder.chmod(0o700)


def test_a_database_of_another_program_is_left_alone(cli: Cli) -> None:
    file = cli.folder / "var" / "publisher.sqlite3"
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    assert "another program" in cli.fails("pickup")
    assert file.read_bytes() == before
    file.write_bytes(b"This is a letter, not a database. " * 100)
    assert "is not a database" in cli.fails("pickup")


def test_a_locked_database_is_try_later(full: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.Database.__init__, "__defaults__", (100,))  # else it waits ten seconds
    holder = sqlite3.connect(full.folder / "var" / "publisher.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        line = full.fails("entries", "add", "--title", "X", code=75)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert "database is locked" in line
    assert str(full.folder / "var" / "publisher.sqlite3") in line
    full.ok("entries", "add", "--title", "X")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_nothing_is_half_written(full: Cli, small_disk: Path) -> None:
    site = small_disk / "site"
    shutil.copytree(full.folder, site, ignore=shutil.ignore_patterns("public"))
    cli = Cli(site)
    before = database(cli)
    filler = site / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                os.write(file.fileno(), b"x" * 4096)
        except OSError:
            pass
    done = cli("publish", "--all")
    assert done.code in (1, 75)
    assert len(done.err.splitlines()) == 1, done.err
    assert "Traceback" not in done.err
    assert not list(site.rglob("*.tmp"))
    filler.unlink()
    cli.ok("publish", "--all")
    assert database(cli)["entry"] == before["entry"]


def test_a_closed_pipe_is_no_traceback(full: Cli) -> None:
    script = f'{sys.executable} -m feed_publisher --site "{full.folder}" entries list --json | head -c 1'
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", [">&-", ">/dev/full", "1</dev/null", ">/dev/full 2>&1", ">&- 2>&-"])
def test_nowhere_to_write_to_is_no_traceback(full: Cli, where: str) -> None:
    for words in ("entries list", "entries list --json", "pickup --help", "send weekly --yes"):
        done = subprocess.run(
            ["bash", "-c", f'{sys.executable} -m feed_publisher --site "{full.folder}" {words} {where}'],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": ""},
            check=False,
        )
        assert done.returncode == 1, (words, done)
        said = r"error: (stdout is closed|the output cannot be written).+\n"
        assert re.fullmatch("" if "2>&" in where else said, done.stderr), (words, done.stderr)


def test_a_reader_that_went_away_is_silence(full: Cli) -> None:
    script = f'{sys.executable} -m feed_publisher --site "{full.folder}" entries list | true; exit ${{PIPESTATUS[0]}}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, "")


# The example


def test_demo_twice(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "example")
    first = cli("demo", "--once", "--json")
    assert first.code == 0, first
    document = first.json
    assert len(document["mails"]) == 6
    assert any(feed.endswith("coastal-shipping.atom") for feed in document["feeds"])
    assert "6 accepted by the mail server" in first.err
    again = cli("demo", "--once")
    assert again.code == 0
    assert "nothing new since" in again.out
    assert len(list((cli.folder / "var" / "mailbox" / "new").iterdir())) == 6
    fresh = cli("demo", "--once", "--fresh", "--json")
    assert len(fresh.json["mails"]) == 6
    mine = Cli(tmp_path / "mine")
    mine("init", mine.folder)
    for words in (("--once", "--fresh"), ("--once",)):
        assert "is a site of its own" in mine.fails("demo", *words)


def database(cli: Cli) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = [row[0] for row in sql(cli.folder, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sql(cli.folder, f'SELECT * FROM "{table}"') for table in tables if table != "process"}
