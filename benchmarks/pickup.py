"""What pickup costs beside the least it could cost, in the same run; medians of several rounds.

- `sources`: a round of visits to 1,000 sources that all answer 304, beside the bare requests of the same client.
  Goal: at most 1.5.
- `feed`: a feed of 1,000 entries, all new, beside `feedparser.parse` of its bytes. Goal: at most 1.4. Also with one
  entry new.
- `folder`: looking through 10,000 files with nothing new. Goal: under 50 ms of CPU per 1,000 files.
- `import`: 100,000 entries from files, beside a bare INSERT of as many rows into SQLite. Memory must not grow.

Run: .venv/bin/python benchmarks/pickup.py [sources feed folder import] [--rounds N] [--scale 0.1]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser

from feed_publisher.app import App
from feed_publisher.domain.source import Validators
from feed_publisher.ports.pickup import FetchRequest, Page
from feed_publisher.services.absorbing import PickupReport

TOML = """
[site]
title = "Bench"
[fetch]
allow = ["127.0.0.1"]
connections = 20
per_host = 20
"""
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ETAG = '"one"'


class Server:
    """The quickest answers there are: 304 to whoever has the ETag, else the body of the path."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.port = 0
        self.etag = ETAG

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = self.bodies.get(head.split(b" ", 2)[1].decode(), b"")
                if not body or self.etag.encode() in head:
                    writer.write(f"HTTP/1.1 304 Not Modified\r\nETag: {self.etag}\r\n\r\n".encode())
                    continue
                lines = f"ETag: {self.etag}\r\nContent-Type: application/rss+xml\r\nContent-Length: {len(body)}"
                writer.write(f"HTTP/1.1 200 OK\r\n{lines}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def make_site(folder: Path, sources: str, clock: Clock) -> App:
    folder.mkdir(parents=True)
    (folder / "entries").mkdir()
    (folder / "publisher.toml").write_text(TOML + sources)
    return App(folder, clock=clock)


def memory() -> float:
    """MB this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def shown(name: str, ours: list[float], theirs: list[float], goal: str) -> None:
    one, other = statistics.median(ours), statistics.median(theirs)
    spread = f"({min(ours) * 1000:.0f}–{max(ours) * 1000:.0f} to {min(theirs) * 1000:.0f}–{max(theirs) * 1000:.0f})"
    print(f"{name:44} {one * 1000:8.0f} ms to {other * 1000:.0f} ms {spread}: ratio {one / other:.2f} ({goal})")


async def timed(step: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


async def sources(rounds: int, scale: float) -> None:
    count = int(1000 * scale)
    clock, server = Clock(), Server()
    async with server.running():
        server.bodies = {f"/{number}": rss(1, number) for number in range(count)}
        addresses = [f"http://127.0.0.1:{server.port}/{number}" for number in range(count)]
        blocks = [
            f'[[sources]]\nslug = "s{number}"\nkind = "feed"\nlocation = "{address}"\n'
            for number, address in enumerate(addresses)
        ]
        with tempfile.TemporaryDirectory() as folder, make_site(Path(folder) / "s", "".join(blocks), clock) as app:
            asked = [FetchRequest(url=address, validators=Validators(etag=ETAG)) for address in addresses]
            async with app.intake.fetching() as fetcher:

                async def bare() -> None:
                    queue = iter(asked)

                    async def worker() -> None:
                        for request in queue:
                            await fetcher.get(request)

                    async with asyncio.TaskGroup() as group:
                        for _ in range(40):
                            group.create_task(worker())

                async def visits() -> None:
                    report = PickupReport()
                    await app.intake.visit_due(report, fetcher)
                    assert report.rejected == []

                await visits()
                ours, theirs = [], []
                before = memory()
                for _ in range(rounds):
                    clock.now += timedelta(hours=1)
                    theirs.append(await timed(bare))
                    ours.append(await timed(visits))
                    assert {record.tried_at for record in app.sources.all()} == {clock.now}
                shown(f"{count} sources, all 304, beside bare requests", ours, theirs, "goal: at most 1.5")
                print(f"{'':44} memory grew by {memory() - before:.1f} MB in {rounds} rounds")


def rss(count: int, start: int = 0) -> bytes:
    paragraph = "<p>The <em>harbour</em> was quiet that day, and a heron stood upon the pier for an hour. </p>" * 30
    items = "".join(
        f"<item><title>Article number {n} of the chronicle</title><link>https://harbour.example/articles/{n}</link>"
        f'<guid isPermaLink="false">article-{n}</guid>'
        f"<pubDate>Sat, 21 Nov 2026 {n % 24:02}:{n % 60:02}:00 GMT</pubDate>"
        f"<dc:creator>Ann Po</dc:creator><category>Ships</category><description>Summary of number {n}.</description>"
        f"<content:encoded><![CDATA[{paragraph}]]></content:encoded></item>"
        for n in range(start, start + count)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Harbour</title>'
        f"<link>https://harbour.example/</link><description>News</description>{items}</channel></rss>"
    ).encode()


async def feed(rounds: int, scale: float) -> None:
    count = int(1000 * scale)
    server, new, again, theirs = Server(), [], [], []
    async with server.running():
        source = f'[[sources]]\nslug = "s"\nkind = "feed"\nlocation = "http://127.0.0.1:{server.port}/"\n'
        for _ in range(rounds):
            server.bodies["/"], server.etag = rss(count), ETAG
            began = time.perf_counter()
            feedparser.parse(io.BytesIO(server.bodies["/"]))
            theirs.append(time.perf_counter() - began)
            clock = Clock()
            with tempfile.TemporaryDirectory() as folder, make_site(Path(folder) / "s", source, clock) as app:
                new.append(await timed(app.intake.pickup))
                server.bodies["/"], server.etag = rss(count + 1), '"two"'
                clock.now += timedelta(days=1)
                again.append(await timed(app.intake.pickup))
                found = len(app.entries.page(Page(limit=9999)))
                assert found == count + 1, (found, app.sources.all())
    shown(f"a feed of {count} new entries beside feedparser.parse", new, theirs, "goal: at most 1.4")
    shown("… with one new entry", again, theirs, "goal: at most 1.4")


async def folder(rounds: int, scale: float) -> None:
    count = int(10_000 * scale)
    with tempfile.TemporaryDirectory() as place:
        source = '[[sources]]\nslug = "entries"\nlocation = "entries"\n'
        with make_site(Path(place) / "s", source, Clock()) as app:
            for number in range(count):
                entry = {"id": f"urn:x:{number}", "title": f"Article {number}", "summary": "A sentence."}
                (app.folder / "entries" / f"{number:05}.json").write_text(json.dumps(entry))
            await asyncio.sleep(0.5)
            report = await app.intake.pickup()
            assert len(report.new) == count
            spent = []
            for _ in range(rounds):
                before = time.process_time()
                report = await app.intake.pickup()
                spent.append(time.process_time() - before)
                assert report.unchanged == count
    middle = statistics.median(spent) * 1000 / (count / 1000)
    print(f"{count} files, nothing new: {middle:.1f} ms CPU per 1,000 files (goal: under 50)")


async def imports(rounds: int, scale: float) -> None:
    count, part = int(100_000 * scale), 1000
    with tempfile.TemporaryDirectory() as place:
        source = '[[sources]]\nslug = "entries"\nlocation = "entries"\n'
        with make_site(Path(place) / "s", source, Clock()) as app:
            rates, sizes = [], []
            for start in range(0, count, 10 * part):
                for first in range(start, min(start + 10 * part, count), part):
                    items = [
                        {"id": f"urn:x:{n}", "title": f"Article {n}", "summary": f"Sentence {n}.", "tags": ["Ships"]}
                        for n in range(first, first + part)
                    ]
                    (app.folder / "entries" / f"{first:07}.json").write_text(json.dumps(items))
                await asyncio.sleep(0.5)
                with_files = [str(app.folder / "entries")]
                took = await timed(lambda: app.intake.pickup(with_files))  # noqa: B023
                rates.append(10 * part / took)
                sizes.append(memory())
        began = time.perf_counter()
        bare = sqlite3.connect(Path(place) / "bare.sqlite3")
        bare.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT, title TEXT, summary TEXT)")
        for n in range(count):
            bare.execute(
                "INSERT INTO entry (key, title, summary) VALUES (?, ?, ?)", (f"urn:x:{n}", f"Article {n}", "S")
            )
        bare.commit()
        rate = count / (time.perf_counter() - began)
    print(f"{count} entries imported: {statistics.median(rates):.0f} a second; bare INSERT loop {rate:.0f} a second")
    print(f"first ten thousand {rates[0]:.0f} a second, last {rates[-1]:.0f}")
    print(f"memory after the first {sizes[0]:.0f} MB, at the end {sizes[-1]:.0f} MB")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", default=["sources", "feed", "folder", "import"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    steps = {"sources": sources, "feed": feed, "folder": folder, "import": imports}
    for name in given.which:
        await steps[name](given.rounds, given.scale)


if __name__ == "__main__":
    asyncio.run(main())
