"""A whole site in a folder, driven as its entrances drive it: real files, a real database, real SMTP; time is set."""

from __future__ import annotations

import asyncio
import email
import email.policy
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from feed_publisher.app import App
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.parse.subscribers import read_subscribers
from feed_publisher.services.absorbing import PickupReport
from feed_publisher.services.send import SendReport
from feed_publisher.web.site import build

MONDAY = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

TOML = """
[site]
title = "Quay"
{site}
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "The Letter"
from_address = "letter@harbour.example"
{digest}
"""


@dataclass(slots=True)
class Site:
    """``now`` is the clock of every App opened here."""

    folder: Path
    now: datetime = MONDAY
    overrides: tuple[str, ...] = ()
    site: str = ""
    digest: str = ""
    _written: int = field(default=0)

    def make(self) -> Site:
        (self.folder / "entries").mkdir(parents=True)
        self.configure()
        return self

    def configure(self, **parts: str) -> None:
        """Write publisher.toml again with other lines under [site] or [[digests]]."""
        self.site, self.digest = parts.get("site", self.site), parts.get("digest", self.digest)
        (self.folder / "publisher.toml").write_text(TOML.format(site=self.site, digest=self.digest))

    @contextmanager
    def open(self) -> Iterator[App]:
        with App(self.folder, self.overrides, clock=lambda: self.now) as app:
            yield app

    @contextmanager
    def browsing(self) -> Iterator[TestClient]:
        """Everything published, then asked over HTTP."""
        with self.open() as app:
            app.publish()
            with TestClient(build(app), follow_redirects=False) as client:
                yield client

    # --- articles

    def write(self, name: str, text: str) -> Path:
        """A file in entries/, old enough to be read at once, with a time of its own."""
        return settled(self.folder / "entries" / name, text, self._next())

    def _next(self) -> datetime:
        self._written += 1
        return LONG_AGO + timedelta(seconds=self._written)

    def pickup(self, *paths: Path, topic: str | None = None) -> PickupReport:
        with self.open() as app:
            report = asyncio.run(app.intake.pickup([str(path) for path in paths], topic))
            app.publish()
        return report

    # --- readers

    def join(self, csv: str, digest: str = "weekly") -> None:
        """Rows of a CSV file with a header, all confirmed."""
        with self.open() as app:
            report = app.add_subscribers(digest, read_subscribers(csv.encode(), "x.csv"), True, "x.csv")
        assert report.rejected == []

    # --- mail

    def tick(self) -> list[Issue]:
        """All that ``tick`` does; the issues opened."""
        with self.open() as app, app.owning():
            return asyncio.run(_tick(app))

    def send(self, slug: str = "weekly") -> Issue | None:
        """The manual send."""
        with self.open() as app, app.owning():
            issue = app.open_manual(slug)
            if issue is not None:
                asyncio.run(_deliver(app))
                issue = app.issues.get(issue.id)
        return issue

    def deliver(self) -> SendReport | None:
        """Hand over what is due."""
        with self.open() as app, app.owning():
            return asyncio.run(_deliver(app))

    def mails(self) -> list[Mail]:
        """Everything in the built-in mailbox, oldest first."""
        files = sorted((self.folder / "var" / "mailbox" / "new").glob("*"))
        return [parse_mail(file.read_bytes()) for file in files]

    # --- looking inside

    def issues(self) -> list[Issue]:
        """Oldest first."""
        with self.open() as app:
            return app.issues.newest(1000)[::-1]

    def mailed_issues(self) -> list[Issue]:
        return [issue for issue in self.issues() if issue.state is not IssueState.SKIPPED]

    def books(self, number: int) -> dict[str, int]:
        with self.open() as app:
            return {state.value: count for state, count in app.issues.books(number).items()}

    def notices(self) -> list[str]:
        with self.open() as app:
            return [notice.sentence for notice in app.desk.notices(100)]

    def entries(self) -> list[Any]:
        """All entries, newest first."""
        from feed_publisher.ports.pickup import Page

        with self.open() as app:
            return app.entries.page(Page(limit=1000))

    def ids(self) -> dict[str, str]:
        return {entry.title: entry.id for entry in self.entries()}

    def change(self, title: str, allowed: Sequence[Any], state: Any) -> None:
        """What ``entries withdraw`` and its sisters do."""
        key = next(entry.key for entry in self.entries() if entry.title == title)
        with self.open() as app:
            app.change_entry(key, allowed, state)
            app.publish()

    def feed(self, name: str) -> Path:
        return self.folder / "public" / "feeds" / name

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Straight into the database; for arranging what time would bring, and for asking without our code."""
        return sql(self.folder, statement, *values)

    def assert_books_balance(self) -> None:
        wrong = self.sql(
            "SELECT id, audience, (SELECT count(*) FROM delivery d WHERE d.issue_id = issue.id) AS n FROM issue"
            " WHERE audience IS NOT NULL AND audience <> n"
        )
        assert wrong == []


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    connection = sqlite3.connect(folder / "var" / "publisher.sqlite3", timeout=10)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def settled(path: Path, text: str, changed: datetime) -> Path:
    path.write_text(text)
    os.utime(path, (changed.timestamp(), changed.timestamp()))
    return path


async def _deliver(app: App) -> SendReport | None:
    async with app.relay() as mailer:
        report = await app.send_run(mailer).run()
    app.ledger.finish(app.clock())
    return report


async def _tick(app: App) -> list[Issue]:
    await app.intake.pickup()
    app.publish()
    opened = app.open_issues()
    async with app.relay() as mailer:
        await app.send_letters(mailer)
        await app.send_due(mailer)
    app.ledger.finish(app.clock())
    return [app.issues.get(issue.id) for issue in opened]


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    message_id: str
    text: str
    html: str
    raw: bytes

    def titles(self, known: Sequence[str]) -> list[str]:
        """Which of these titles stand in it on a line of their own, in its order, as often as they stand there."""
        lines = [line.strip() for line in self.text.splitlines()]
        return [line for line in lines if line in known]

    def numbered(self) -> list[int]:
        """Numbers of articles called "Article 0007"."""
        return [int(number) for number in re.findall(r"^Article (\d+)$", self.text, re.MULTILINE)]


def parse_mail(raw: bytes, to: str = "") -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return Mail(
        to or str(message.get("Delivered-To") or message["To"]),
        str(message["Subject"]),
        str(message["Message-ID"]),
        plain.get_content().replace("\r\n", "\n"),
        html.get_content().replace("\r\n", "\n"),
        raw,
    )


def got(mails: Sequence[Mail]) -> dict[str, Counter[int]]:
    """How often each reader got each numbered article."""
    counts: dict[str, Counter[int]] = {}
    for mail in mails:
        counts.setdefault(mail.to, Counter()).update(mail.numbered())
    return counts


def listing(topic: str, numbers: Sequence[int], page: str = "") -> str:
    """Articles "Article 0007" in this order under one heading."""
    blocks = [f"Article {number:04}\nBy Ann Po\nSummary of number {number}: {_word(number)}." for number in numbers]
    return "\n\n".join([topic, *blocks]) + (f"\n{page}\n" if page else "\n")


def _word(number: int) -> str:
    """Summaries unlike each other, so that none is taken for another one retitled."""
    return " ".join(f"w{(number * 7919 + k * 104729) % 99991:05}" for k in range(8))


def sent_count(books: dict[str, int]) -> int:
    return books.get(DeliveryState.SENT.value, 0)
