"""The whole line on SQLite and on PostgreSQL: pickup, feeds, a digest, a correction before it leaves, leaving."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feed_publisher.app import App
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.editing import Change
from feed_publisher.domain.issue import IssueState
from feed_publisher.domain.model import EntryState
from feed_publisher.parse.subscribers import read_subscribers
from feed_publisher.ports.pickup import Page

TOML = """
[site]
title = "Quay"
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "digest@example.org"
"""
LISTING = "Tides\n\nA high one\nBy Ann Po\nIt came at noon.\n\nA low one\nBy Bob Lee\nIt went at six.\n"


async def deliver(app: App) -> None:
    async with app.relay() as mailer:
        await app.letters().send(mailer, app.clock())
        await app.send_run(mailer).run()


def test_the_line_on_both_databases(tmp_path: Path, empty_url: str) -> None:
    (tmp_path / "entries").mkdir()
    (tmp_path / "entries" / "a.txt").write_text(LISTING)
    (tmp_path / "publisher.toml").write_text(TOML)
    with App(tmp_path, (f"database.url={empty_url}",)) as app:
        assert len(asyncio.run(app.intake.pickup()).new) == 2
        assert len(app.publish().written) == 10
        rows = read_subscribers(b"email\nann@example.org\nben@example.org\n", "readers.csv")
        assert app.add_subscribers("weekly", rows, True, "readers.csv").added == 2
        with app.owning():
            issue = app.open_manual("weekly")
            assert issue is not None
            newest = app.entries.page(Page())[0]
            app.change_entry(newest.key, (EntryState.PUBLIC,), EntryState.WITHDRAWN)
            asyncio.run(deliver(app))
            assert app.issues.books(issue.id) == {DeliveryState.SENT: 2}
            assert app.issues.get(issue.id).state is IssueState.FINISHED
            assert app.open_manual("weekly") is None, "nothing new for anybody"
            assert app.open_issues() == []
            assert app.overview().happened
            assert "feeds/digests/weekly.atom" in app.publish().written
            (sent,) = app.archive.page("weekly", "", 9)
            assert [each.title for each in sent.entries] == ["A low one"]
            assert app.archive.find("weekly", sent.name) == sent
            assert app.archive.page("weekly", sent.name, 9) == []
            mail = app.archive.mail("weekly", sent.name)
            assert mail is not None
            assert "A low one" in mail.html
            assert app.archive.enter(False, app.clock()) == 0, "rehearsals step aside for a mail server"
            assert app.archive.page("weekly", "", 9) == []
        mails = [app.mailbox.read(mail.id) for mail in app.mailbox.list()]
        assert sorted(mail.to for mail in mails) == ["ann@example.org", "ben@example.org"]
        assert all("A low one" in mail.text and "A high one" not in mail.text for mail in mails)
        token = dict(mails[0].headers)["List-Unsubscribe"].strip("<>").rpartition("/")[2]
        left = app.subscribe.leave(token, app.clock())
        assert left is not None
        assert left.state == "unsubscribed"


def test_deciding_on_both_databases(tmp_path: Path, empty_url: str) -> None:
    (tmp_path / "entries").mkdir()
    (tmp_path / "entries" / "a.txt").write_text(LISTING)
    (tmp_path / "publisher.toml").write_text(f'[mail]\noperators = ["desk@example.org"]\n{TOML}policy = "approve"\n')
    now = [datetime(2026, 11, 20, 12, tzinfo=UTC)]  # a Friday
    with App(tmp_path, (f"database.url={empty_url}",), clock=lambda: now[0]) as app, app.owning():
        asyncio.run(app.intake.pickup())
        rows = read_subscribers(b"email\nann@example.org\nben@example.org\n", "readers.csv")
        app.add_subscribers("weekly", rows, True, "readers.csv")
        now[0] += timedelta(days=3)
        (issue,) = app.open_issues()
        assert issue.state is IssueState.DRAFT
        asyncio.run(ask(app))
        (question,) = [app.mailbox.read(mail.id) for mail in app.mailbox.list()]
        assert question.to == "desk@example.org"
        first, second = app.decisions.entries(issue.id)
        deciding = app.deciding()
        edited = deciding.edit(issue.id, Change(lead=second.key, leave_out=(first.key,), note="Hello."), "ann", now[0])
        assert (edited.revision, edited.subject) == (1, second.title)
        assert [each.left_out for each in app.decisions.entries(issue.id)] == [True, False]
        assert deciding.hold(issue.id, "ann", now[0]).held
        assert deciding.approve(issue.id, "ben", now[0]).state is IssueState.READY
        assert [(each.what, each.who) for each in app.decisions.look(issue.id).history] == [
            ("changed", "ann"),
            ("held", "ann"),
            ("approved", "ben"),
        ]
        asyncio.run(deliver(app))
        assert app.issues.books(issue.id) == {DeliveryState.SENT: 2}
        assert app.ledger.finish(now[0]) in ([], [issue.id])
        (tmp_path / "entries" / "b.txt").write_text("Tides\n\nAnother\nBy Cy Ro\nIt stayed.\n")
        asyncio.run(app.intake.pickup())
        now[0] += timedelta(days=7)
        (rolled,) = app.open_issues()
        app.decisions.roll(rolled.id, "nobody", "not approved in time", now[0])
        assert app.issues.books(rolled.id) == {DeliveryState.EXCLUDED: 2}
        now[0] += timedelta(days=7)
        (waiting,) = app.open_issues()
        now[0] += timedelta(days=7)
        (tmp_path / "entries" / "c.txt").write_text("Tides\n\nOne more\nBy Cy Ro\nIt left.\n")
        asyncio.run(app.intake.pickup())
        (following,) = app.open_issues()
        assert following.entries == 2, "what was rolled over and overtaken, and what is new"
        app.ledger.finish(now[0])
        assert [each.id for each in app.decisions.overtaken(now[0])] == [waiting.id]


async def ask(app: App) -> None:
    async with app.relay() as mailer:
        await app.send_letters(mailer)
