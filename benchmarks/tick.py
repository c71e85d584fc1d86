"""What one new entry costs in a small site and in one a hundred times larger.

Prints the CPU time of a tick (pickup, publish, due issues, sending) with one new entry, in a site of 1,000 entries and
10 topics and in one of 100,000 entries and 1,000 topics, measured in turn in one process; the ratio of the medians
is the figure. Goal: at most 2.

Run: make bench, or .venv/bin/python benchmarks/tick.py [--entries N] [--topics N] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from feed_publisher.app import App

TOML = """
[site]
title = "Bench"
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "digest@example.org"
"""
PER_FILE = 1000


def entry(number: int, topics: int) -> dict[str, object]:
    return {
        "id": f"urn:example:{number}",
        "title": f"Article number {number} of the harbour chronicle",
        "url": f"https://harbour.example/articles/{number}",
        "summary": "A sentence of the usual length that tells what the article is about. " * 2,
        "authors": ["Ann Po"],
        "date_published": f"{2000 + number % 25}-01-01T00:00:00Z",
        "tags": [f"Topic {number % topics}"],
    }


async def make_site(folder: Path, entries: int, topics: int) -> App:
    (folder / "entries").mkdir(parents=True)
    (folder / "publisher.toml").write_text(TOML)
    for start in range(0, entries, PER_FILE):
        items = [entry(number, topics) for number in range(start, min(start + PER_FILE, entries))]
        (folder / "entries" / f"{start:07}.json").write_text(json.dumps({"items": items}))
    app = App(folder)
    await asyncio.sleep(0.5)
    report = await app.intake.pickup()
    assert len(report.new) == entries, report.rejected[:1]
    app.publish()
    return app


async def tick(app: App, number: int, topics: int) -> float:
    """CPU seconds of a tick that finds one new entry."""
    file = app.folder / "entries" / f"new-{number}.json"
    file.write_text(json.dumps([{**entry(10**6 + number, topics), "date_published": None}]))
    await asyncio.sleep(0.5)
    before = time.process_time()
    report = await app.intake.pickup()
    published = app.publish()
    app.open_issues()
    spent = time.process_time() - before
    assert len(report.new) == 1, report
    pages = [path for path in published.written if path.count("/") > 1]
    assert len(published.written) - len(pages) == 6, published
    return spent


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        small = await make_site(Path(temporary) / "small", 1000, 10)
        began = time.perf_counter()
        large = await make_site(Path(temporary) / "large", given.entries, given.topics)
        print(f"{given.entries} entries picked up and published in {time.perf_counter() - began:.0f} s")
        times: dict[str, list[float]] = {"small": [], "large": []}
        for number in range(given.rounds):
            times["small"].append(await tick(small, number, 10))
            times["large"].append(await tick(large, number, given.topics))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, text in (
        ("small", "1,000 entries, 10 topics"),
        ("large", f"{given.entries:,} entries, {given.topics:,} topics"),
    ):
        low, high = min(times[name]), max(times[name])
        print(f"{text:32} {medians[name] * 1000:7.1f} ms CPU  ({low * 1000:.1f}–{high * 1000:.1f})")
    print(f"ratio {medians['large'] / medians['small']:.2f} (goal: at most 2)")


if __name__ == "__main__":
    asyncio.run(main())
