"""A whole site for the tests of the web side: settings, articles, readers, and clients for its pages."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from sqlalchemy import MetaData, select
from starlette.testclient import TestClient

from feed_publisher.adapters.mailbox import StoredMail
from feed_publisher.app import App
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.model import Draft, Entry, EntryState
from feed_publisher.domain.token import Purpose, make_token
from feed_publisher.ports.people import SubscriberView
from feed_publisher.ports.pickup import Page
from feed_publisher.services.subscribe import REQUEST_BITS
from feed_publisher.web.feeds import Asgi
from feed_publisher.web.limits import Limits
from feed_publisher.web.site import build

BASE = "http://127.0.0.1:8000"
HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("203.0.113.7", 50000)

SETTINGS = """
[site]
title = "Harbour & Sons"
base_url = "{base_url}"
timezone = "Europe/Berlin"
postal_address = "4 Net Loft Lane, Kesby"
{site}

[[digests]]
slug = "weekly"
title = "The Quay Letter"
from_address = "letter@harbour.example"
cadences = ["weekly", "daily"]

[[digests]]
slug = "towns"
title = "Towns & Tides"
from_address = "letter@harbour.example"
topics = ["harbour-towns"]
{rest}
"""


class Clock:
    """The time, moved by the test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


class Site:
    """One opened site."""

    def __init__(self, folder: Path, migrated: Path, base_url: str = BASE, site: str = "", rest: str = "") -> None:
        (folder / "var").mkdir(parents=True)
        shutil.copyfile(migrated, folder / "var" / "publisher.sqlite3")
        (folder / "publisher.toml").write_text(SETTINGS.format(base_url=base_url, site=site, rest=rest))
        self.folder = folder
        self.clock = Clock()
        self.app = App(folder, clock=self.clock)
        self.asgi: Asgi = build(self.app, Limits(time.monotonic, burst=1_000_000))

    def client(self, at: tuple[str, int] = HERE, base_url: str = BASE, careful: bool = True) -> TestClient:
        """A visitor without cookies or redirects; ``careful`` raises what the pages raise."""
        return TestClient(
            self.asgi, base_url=base_url, client=at, follow_redirects=False, raise_server_exceptions=careful
        )

    def add(self, title: str, topic: str = "Harbour towns", state: EntryState | None = None, **more: object) -> Entry:
        """An article; ``publish`` writes its feeds."""
        draft = Draft(title=title, where="test", topics=(topic,), **more)  # type: ignore[arg-type]
        self.app.add_entry(draft)
        entry = next(each for each in self.app.entries.page(Page(limit=1000)) if each.title == title)
        if state is not None:
            entry = self.app.change_entry(entry.key, [entry.state], state)
        return entry

    def mail(self, digest: str = "weekly") -> None:
        """An issue to all its readers, by hand."""

        async def send() -> None:
            async with self.app.relay() as mailer:
                await self.app.send_run(mailer).run()

        with self.app.owning():
            assert self.app.open_manual(digest) is not None
            asyncio.run(send())
        self.app.publish()

    # --- readers

    def reader(self, address: str, digest: str = "weekly") -> SubscriberView:
        """What is known of an address; LookupError when nothing is."""
        found = self.app.people.find(self.app.subscribe.key_of(parse_address(address)))
        return next(each for each in found if each.digest == digest)

    def state(self, address: str, digest: str = "weekly") -> str:
        found = self.app.people.find(self.app.subscribe.key_of(parse_address(address)))
        return next((each.state for each in found if each.digest == digest), "nobody")

    def unsubscribe_url(self, address: str) -> str:
        return f"/unsubscribe/{self.token(Purpose.UNSUBSCRIBE, self.reader(address).subscription)}"

    def confirm_url(self, address: str, request: int, digest: str = "weekly") -> str:
        subject = (self.reader(address, digest).subscription << REQUEST_BITS) + request
        return f"/confirm/{self.token(Purpose.CONFIRM, subject)}"

    def token(self, purpose: Purpose, subject: int) -> str:
        return make_token(purpose, subject, *self.app.subscribe.current_key)

    def ask(self, address: str, client: TestClient | None = None, **form: str) -> httpx2.Response:
        return (client or self.client(ELSEWHERE)).post("/digests/weekly", data={"email": address, **form})

    def join(self, address: str) -> str:
        """A reader who has confirmed; the address of the page to leave."""
        self.ask(address)
        self.client().post(self.confirm_url(address, 1), data={"confirm": "yes"})
        assert self.state(address) == "active"
        return self.unsubscribe_url(address)

    def letters(self) -> list[StoredMail]:
        """Send what waits; everything in the mailbox, newest first."""

        async def send() -> None:
            async with self.app.relay() as mailer:
                await self.app.send_letters(mailer)

        asyncio.run(send())
        return [self.app.mailbox.read(each.id) for each in self.app.mailbox.list(limit=1000)]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables."""
        tables = MetaData()
        with self.app.database.read() as connection:
            tables.reflect(connection)
            return {
                name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for name, table in tables.tables.items()
            }


@contextmanager
def opened(folder: Path, migrated: Path, **settings: str) -> Iterator[Site]:
    """A site without articles, closed again; ``migrated`` is a database to copy."""
    site = Site(folder, migrated, **settings)
    with site.app:
        yield site


@contextmanager
def filled(folder: Path, migrated: Path, **settings: str) -> Iterator[Site]:
    """A site with articles in every state."""
    with opened(folder, migrated, **settings) as site:
        site.add("The Street That Floods", summary="Four days’ notice, and a loan of trestles.", authors=("L. Varga",))
        site.add("Taken Back", state=EntryState.WITHDRAWN)
        site.add("Nobody Sees This", state=EntryState.HIDDEN)
        site.app.publish()
        yield site
