"""A round of visits: no outcome is lost, whatever ends while others are being stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.app import App
from feed_publisher.domain.source import Outcome
from feed_publisher.services.absorbing import PickupReport

TOML = """
[site]
title = "Quay"
[fetch]
allow = ["127.0.0.1"]
[[sources]]
slug = "quick"
kind = "feed"
location = "http://127.0.0.1:{port}/quick"
[[sources]]
slug = "slow"
kind = "feed"
location = "http://127.0.0.1:{port}/slow"
"""


class WatchedStore(SqlSourceStore):
    """The real store; it says when it is asked to store the first outcomes, and waits before it does."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked, self.go_on = Event(), Event()

    def record(self, outcomes: Sequence[Outcome]) -> None:
        taken = list(outcomes)
        self.asked.set()
        assert self.go_on.wait(30)
        super().record(taken)


def test_what_ends_while_outcomes_are_stored_is_stored_too(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                store.asked.wait(30)  # the outcome of the quick one is being stored
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    (tmp_path / "publisher.toml").write_text(TOML.format(port=server.server_port))
    report = PickupReport()

    async def round_of_visits(app: App) -> None:
        visiting = asyncio.create_task(app.intake.visit_due(report))
        while len(report.rejected) < 2 and not visiting.done():
            await asyncio.sleep(0.01)
        store.go_on.set()  # both visits have ended, none is stored yet
        await visiting

    try:
        with App(tmp_path) as app:
            app.intake.sources = store = WatchedStore(app.intake.database)
            asyncio.run(round_of_visits(app))
            failed = {record.slug: record.failures for record in app.intake.sources.all()}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert failed == {"quick": 1, "slow": 1}
