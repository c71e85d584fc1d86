"""Every kind of source on SQLite and on PostgreSQL: read, unchanged, changed, pushed twice at once, withdrawn."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flow.publisher import Publisher, Story

from feed_publisher.app import App
from feed_publisher.ports.pickup import Page

TOML = """
[site]
title = "Quay"
[fetch]
allow = ["127.0.0.1"]
[[sources]]
slug = "feed"
kind = "feed"
location = "{feed}"
first_contact = "all"
[[sources]]
slug = "page"
kind = "page"
location = "{page}"
first_contact = "30 days"
[[sources]]
slug = "cms"
kind = "push"
"""
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def story(number: int, title: str = "") -> Story:
    words = ["heron", "ferry", "crane", "buoy", "sail", "rope", "tide", "quay"]
    title = title or f"{words[number % 8].capitalize()} by the {words[(number + 3) % 8]}"
    summary = f"A {words[number % 8]} was seen {number} times."
    return Story(f"token{number}", title, f"/{number}", f"guid-{number}", NOW - DAY, summary)


def test_every_kind_on_both_databases(tmp_path: Path, empty_url: str) -> None:
    now = [NOW]
    publisher = Publisher(now=NOW, feed=[story(2), story(1)], listing=[story(n) for n in range(3, 9)])
    with publisher.running():
        (tmp_path / "publisher.toml").write_text(
            TOML.format(feed=publisher.url("/feed/"), page=publisher.url("/ships"))
        )
        with App(tmp_path, (f"database.url={empty_url}",), clock=lambda: now[0]) as app:
            assert len(asyncio.run(app.intake.pickup()).new) == 8
            assert asyncio.run(app.intake.pickup()).unchanged == 0, "nothing is due"
            now[0] += DAY
            report = asyncio.run(app.intake.pickup())
            assert (report.new, report.changed, report.held) == ([], [], [])
            assert {status for _, status in publisher.visits[-2:]} == {304}
            publisher.feed[0].title = "A title mended"
            now[0] += DAY
            assert [draft.title for draft in asyncio.run(app.intake.pickup()).changed] == ["A title mended"]

            push, (rules,) = app.intake.pushing(), [each for each in app.intake.configured() if each.slug == "cms"]
            token = push.new_token("cms")
            assert push.source_of(token) == "cms"
            assert push.source_of(token + "x") is None
            entry = {"id": "post-1", "title": "Pushed by hand", "summary": "It came by itself."}
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: push.take(rules, [entry], "once"), range(8)))
            keys = {answer.body["entries"][0]["key"] for answer in answers}
            assert (len(keys), {answer.status for answer in answers}) == (1, {200})
            assert push.withdraw(rules, "post-1").status == 200
            assert push.withdraw(rules, "post-1").status == 404
            states = [entry.state.value for entry in app.entries.page(Page(limit=99))]
            assert sorted(states) == ["public"] * 8 + ["withdrawn"]
            health = {each.record.slug: each for each in app.intake.health()}
            assert health["feed"].status == "ok"
            assert [sum(count for _, count in health[slug].weeks) for slug in ("feed", "page", "cms")] == [0, 0, 0], (
                "first contact is nothing new"
            )
