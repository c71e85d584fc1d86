"""What opening an issue for a million subscriptions costs, and what it does to the pages meanwhile.

Makes a site on SQLite with readers of 20 topics (some choose all, most a few), 4 cadences and 24 zones. `serve` opens
the issues of all cadences while a page is asked for again and again: its p99 beside the idle one. Then one issue is
opened for all readers: CPU seconds, the most memory, the longest times the database was locked for writing.
Goals: 10 times, 60 s of CPU, 300 MB, 100 ms.

Run: .venv/bin/python benchmarks/opening.py [--readers N] [--articles N]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from feed_publisher.adapters.database import engine
from feed_publisher.adapters.database.schema import clock, subscriber, subscription, topic_set
from feed_publisher.app import App

TOPICS, CADENCES = 20, ("daily", "weekdays", "weekly", "monthly")
TOML = """
[site]
title = "Bench"
base_url = "http://127.0.0.1:{port}"
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "digest"
title = "Digest"
from_address = "digest@example.org"
cadences = ["daily", "weekdays", "weekly", "monthly"]
policy = "approve"
backfill = "all"
"""
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def make(folder: Path, port: int, readers: int, articles: int, choices: int = 50) -> None:
    """The readers go straight into the tables: how they came is not what is measured."""
    (folder / "entries").mkdir(parents=True)
    (folder / "publisher.toml").write_text(TOML.format(port=port))
    items = [
        {
            "id": f"urn:example:{number}",
            "title": f"Article number {number} of the harbour chronicle",
            "url": f"https://harbour.example/articles/{number}",
            "summary": "A sentence of the usual length that tells what the article is about. " * 2,
            "authors": [{"name": "Ann Po"}],
            "tags": [f"Topic {number % TOPICS}"],
        }
        for number in range(articles)
    ]
    (folder / "entries" / "a.json").write_text(json.dumps({"items": items}))
    old = time.time() - 60
    os.utime(folder / "entries" / "a.json", (old, old))
    subprocess.run([*PROGRAM, "--site", str(folder), "tick"], check=True, capture_output=True)
    chance = random.Random(1)
    zones = sorted(zone for zone in available_timezones() if "/" in zone)[::24][:24]
    some = dict.fromkeys(["*@0"])
    while len(some) < choices:
        some[",".join(f"{topic}@0" for topic in sorted(chance.sample(range(1, TOPICS + 1), 3)))] = None
    with App(folder) as app, app.database.write() as connection:
        connection.execute(clock.insert(), [{"zone": zone, "at": f"{n % 24:02}:00"} for n, zone in enumerate(zones)])
        connection.execute(topic_set.insert(), [{"choice": choice} for choice in some])
        clocks = [row.id for row in connection.execute(clock.select())]
        sets = [row.id for row in connection.execute(topic_set.select())]
        for start in range(0, readers, 50_000):
            numbers = range(start + 1, min(start + 50_000, readers) + 1)
            people = [
                {"id": n, "address": f"reader{n}@example.org", "address_key": f"{n:064x}", "added_at": THEN}
                for n in numbers
            ]
            connection.execute(subscriber.insert(), people)
            connection.execute(
                subscription.insert(),
                [
                    {
                        "subscriber_id": n,
                        "digest_id": 1,
                        "state": "active",
                        "cadence": chance.choice(CADENCES),
                        "clock_id": chance.choice(clocks),
                        "topic_set_id": chance.choice(sets),
                        "cursor": 0,
                        "rehearsed_cursor": 0,
                        "joined_at": THEN,
                    }
                    for n in numbers
                ],
            )


PROGRAM = [str(Path(sys.executable).with_name("feed-publisher"))]


@contextmanager
def locks(held: list[float]) -> Iterator[None]:
    """Note how long each writing transaction has held the lock."""
    plain = engine.Database.write

    @contextmanager
    def write(self: engine.Database) -> Iterator[object]:
        begun = 0.0
        try:
            with plain(self) as connection:
                begun = time.perf_counter()
                yield connection
        finally:
            held.append(time.perf_counter() - begun)

    engine.Database.write = write  # type: ignore[method-assign]
    try:
        yield
    finally:
        engine.Database.write = plain  # type: ignore[method-assign]


def open_all(folder: Path) -> None:
    """In a process of its own: what it costs is told on standard output."""
    held: list[float] = []
    with App(folder) as app, app.owning(), locks(held):
        before, start = time.process_time(), time.perf_counter()
        issue = app.open_manual("digest")
        assert issue is not None
        seen = {
            "audience": issue.audience,
            "editions": len(_editions(app, issue.id)),
            "cpu": time.process_time() - before,
            "wall": time.perf_counter() - start,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "locked": sorted(held)[-3:],
            "transactions": len(held),
        }
    print(json.dumps(seen))


def _editions(app: App, issue: int) -> list[int]:
    from sqlalchemy import text

    with app.database.read() as connection:
        return [row[0] for row in connection.execute(text("SELECT id FROM edition WHERE issue_id = :i"), {"i": issue})]


class Visitor(threading.Thread):
    """Asks for a page again and again, with a pause, and notes how long each took."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.took, self.ended = url, list[float](), threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            start = time.perf_counter()
            urllib.request.urlopen(self.url, timeout=30).read()
            self.took.append(time.perf_counter() - start)
            time.sleep(0.01)

    def end(self) -> list[float]:
        self.ended.set()
        self.join()
        return self.took


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--articles", type=int, default=60)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.open:
        open_all(Path(wanted.open))
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "site"
        make(folder, port, wanted.readers, wanted.articles)
        print(f"{wanted.readers:,} subscriptions, {TOPICS} topics, {len(CADENCES)} cadences, 24 zones")
        by_the_scheduler(folder, f"http://127.0.0.1:{port}/digests/digest", port)
        sql(folder, "DELETE FROM delivery", "DELETE FROM edition_entry", "DELETE FROM edition", "DELETE FROM issue")
        sql(folder, "UPDATE subscription SET cursor = 0, rehearsed_cursor = 0")
        this = [sys.executable, __file__, "--open", str(folder)]
        done = subprocess.run(this, check=True, capture_output=True, text=True)
        seen = json.loads(done.stdout)
        print(
            f"one issue for all: {seen['audience']:,} deliveries, {seen['editions']} editions: {seen['cpu']:.1f} s CPU,"
            f" {seen['wall']:.1f} s, {seen['memory']:.0f} MB; {seen['transactions']} transactions, the longest locked"
            f" for {', '.join(f'{each * 1000:.0f}' for each in seen['locked'])} ms"
        )


def by_the_scheduler(folder: Path, url: str, port: int) -> None:
    """One process serves a page and opens the issues of all cadences, which wait for approval."""
    command = [*PROGRAM, "--site", str(folder), "serve", "--port", str(port)]
    sql(folder, "UPDATE subscription SET state = 'pending'")
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait(url)
        idle = visit(url, lambda start: time.monotonic() > start + 10)
        sql(folder, "UPDATE subscription SET state = 'active'", "UPDATE digest SET added_at = '2026-01-01'")
        busy = visit(url, lambda start: _drafts(folder) >= 2 and not _preparing(folder))
        print(
            f"by the scheduler of `serve`: {sum(_audiences(folder)):,} deliveries of {_drafts(folder)} issues in"
            f" {busy[1]:.0f} s; a page meanwhile: p99 {busy[0]:.1f} ms, idle {idle[0]:.1f} ms: {busy[0] / idle[0]:.1f}x"
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def visit(url: str, ended: Callable[[float], bool]) -> tuple[float, float]:
    """The p99 of a page in milliseconds until something has ended, and the seconds that took."""
    visitor, start = Visitor(url), time.monotonic()
    visitor.start()
    while not ended(start):
        time.sleep(0.5)
    return p99(visitor.end()), time.monotonic() - start


def sql(folder: Path, *statements: str) -> list[Any]:
    """Straight into the database; the rows of the last statement."""
    connection = sqlite3.connect(folder / "var" / "publisher.sqlite3", timeout=60)
    try:
        with connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]
    finally:
        connection.close()


def _drafts(folder: Path) -> int:
    return int(sql(folder, "SELECT count(*) FROM issue WHERE state = 'draft'")[0][0])


def _preparing(folder: Path) -> int:
    return int(sql(folder, "SELECT count(*) FROM issue WHERE state = 'preparing'")[0][0])


def _audiences(folder: Path) -> list[int]:
    return [int(row[0]) for row in sql(folder, "SELECT audience FROM issue WHERE state = 'draft'")]


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


if __name__ == "__main__":
    main()
