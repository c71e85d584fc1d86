"""What publishing costs beside bare feedgen and gzip.

Rebuild: the feeds of 1,000 topics in three formats, checked, compressed twice and written, against feedgen alone making
Atom and RSS of the same entries, json.dumps the third, and gzip. Goal: at most 1.2.
One new entry: the time of publishing it in a site of 1,000 topics and 100,000 entries against one of 10 topics.
Goal: at most 2.

Run: make bench, or .venv/bin/python benchmarks/feeds.py [--entries N] [--topics N] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from feedgen.feed import FeedGenerator
from tick import TOML, entry

from feed_publisher.app import App
from feed_publisher.domain.model import Entry
from feed_publisher.ports.feeds import Feed

PER_FILE = 1000


async def make_site(folder: Path, entries: int, topics: int) -> App:
    (folder / "entries").mkdir(parents=True)
    (folder / "publisher.toml").write_text(TOML)
    for start in range(0, entries, PER_FILE):
        items = [article(number, topics) for number in range(start, min(start + PER_FILE, entries))]
        (folder / "entries" / f"{start:07}.json").write_text(json.dumps({"items": items}))
    app = App(folder)
    await asyncio.sleep(0.5)
    report = await app.intake.pickup()
    assert len(report.new) == entries, report.rejected[:1]
    app.publish()
    return app


def article(number: int, topics: int) -> dict[str, object]:
    """With a text of about 2 KB, as an article has in a full feed."""
    paragraph = f"<p>{'Words that say what number ' * 12}{number} is about.</p>"
    return {**entry(number, topics), "content_html": paragraph * 6}


def bare(documents: dict[str, tuple[Entry, ...]], folder: Path | None = None) -> None:
    """What somebody writes who has read feedgen's README; with a folder the files are written to stay."""
    for slug, entries in documents.items():
        feed = FeedGenerator()
        feed.id(f"urn:example:{slug}")
        feed.title(slug)
        feed.link(href="https://harbour.example/", rel="alternate")
        feed.description(slug)
        for each in entries:
            item = feed.add_entry(order="append")
            item.id(each.id)
            item.title(each.title)
            item.link(href=each.link)
            item.author([{"name": name} for name in each.authors])
            item.category([{"term": topic.slug, "label": topic.title} for topic in each.topics])
            item.published(each.published)
            item.updated(each.updated)
            item.summary(each.summary)
            item.content(each.content_html, type="html")
        items = [{"id": e.id, "title": e.title, "url": e.link, "content_html": e.content_html} for e in entries]
        for data in (feed.atom_str(), feed.rss_str(), json.dumps({"title": slug, "items": items}).encode()):
            packed = gzip.compress(data, 6)
            if folder:
                for name, each in ((f"{slug}.plain", data), (f"{slug}.gz", packed)):
                    write(folder / name, each)


def write(file: Path, data: bytes) -> None:
    """As every program should: whole or not at all, and there after a power cut."""
    with file.with_suffix(".tmp").open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    file.with_suffix(".tmp").replace(file)


def timed(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def rebuild(folder: Path, rounds: int) -> None:
    """Each round the site has another title, so that every file is another."""
    changed, same, theirs, stored = [], [], [], []
    for number in range(rounds):
        with App(folder, (f"site.title=Harbour {number}",)) as app, tempfile.TemporaryDirectory() as temporary:
            feeds = app.feeds.listed()
            documents = {feed.slug.replace("/", "-"): entries_of(app, feed) for feed in feeds}
            written: list[str] = []
            changed.append(timed(lambda app=app, written=written: written.extend(app.publish(pages=0).written)))
            assert len(written) >= 3 * len(feeds), len(written)
            app.feeds.all_dirty()
            same.append(timed(lambda app=app: app.publish(pages=0)))
            theirs.append(timed(lambda documents=documents: bare(documents)))
            stored.append(timed(lambda documents=documents, to=Path(temporary): bare(documents, to)))
    ours, bytes_same, bare_one, bare_stored = map(statistics.median, (changed, same, theirs, stored))
    print(
        f"rebuild of {len(feeds)} feeds, CPU: {bytes_same:.2f} s where the bytes stay, bare feedgen + gzip "
        f"{bare_one:.2f} s: ratio {bytes_same / bare_one:.2f} (goal 1.2)\n"
        f"every file another, in three codings, written to stay: {ours:.2f} s, bare feedgen + gzip with its files "
        f"written to stay {bare_stored:.2f} s: ratio {ours / bare_stored:.2f}"
    )


def entries_of(app: App, feed: Feed) -> tuple[Entry, ...]:
    return tuple(each for each in app.feeds.live(feed, "").contents if isinstance(each, Entry))


async def one_new(app: App, number: int, topics: int) -> float:
    file = app.folder / "entries" / f"new-{number}.json"
    file.write_text(json.dumps([{**article(10**6 + number, topics), "date_published": None}]))
    await asyncio.sleep(0.5)
    await app.intake.pickup()
    written: list[str] = []
    spent = timed(lambda: written.extend(app.publish().written))
    live = [path for path in written if path.count("/") == 1]
    assert len(live) == 6, written
    return spent


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--topics", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        few = await make_site(Path(temporary) / "few", given.entries // 100, given.topics // 100)
        many = await make_site(Path(temporary) / "many", given.entries, given.topics)
        rebuild(many.folder, given.rounds)
        many.publish()
        times: dict[str, list[float]] = {"few": [], "many": []}
        for number in range(4 * given.rounds):
            times["few"].append(await one_new(few, number, given.topics // 100))
            times["many"].append(await one_new(many, number, given.topics))
        small, large = (1000 * statistics.median(times[name]) for name in ("few", "many"))
        print(
            f"one new entry: {large:.1f} ms CPU, in the small site {small:.1f} ms: ratio {large / small:.2f} (goal 2)"
        )
        for app in (few, many):
            app.__exit__(None, None, None)


if __name__ == "__main__":
    asyncio.run(main())
