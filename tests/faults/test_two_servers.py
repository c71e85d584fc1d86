"""Two real servers on one database: a slot is mailed once, each reader gets it once, and either may die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faults.crash import sink
from faults.test_relay_faults import free_port
from flow.flow_site import DAY, Site, listing, sql

READERS = 60
SOURCE = str(Path(__file__).parents[2] / "src")


class Server:
    """A running ``serve``; what it says goes to a file."""

    def __init__(self, site: Site, relay: int, log: Path) -> None:
        self.port = free_port()
        self.log = log
        settings = ("smtp.host=127.0.0.1", f"smtp.port={relay}", "smtp.tls=none", "smtp.connections=2")
        words = [word for pair in settings for word in ("--config", pair)]
        place = [sys.executable, "-m", "feed_publisher", "--site", str(site.folder)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*place, *words, "serve", "--port", str(self.port)],
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": SOURCE},
            )

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_for(what: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def arrived(log: Path) -> Counter[str]:
    """Accepted mails by recipient, as the mail server wrote them down."""
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


@contextmanager
def two_servers(tmp_path: Path, delay_ms: float) -> Iterator[tuple[Site, list[Server], Path]]:
    """A digest declared long ago, whose slot is due this very hour; both servers start at once."""
    now = datetime.now(UTC)
    # The slot is due in this hour; just after midnight in UTC as well.
    site = Site(tmp_path / "site", now=now - DAY).make()
    site.configure(digest=f'cadences = ["weekly"]\nday = "{now:%A}"\nhour = "{now.hour}"'.lower())
    site.join("email\n" + "".join(f"r{number}@example.org\n" for number in range(READERS)))
    site.write("one.txt", listing("News", [1, 2, 3]))
    site.sql("UPDATE digest SET added_at = '2026-01-01 00:00:00.000000'")
    log = tmp_path / "log"
    with ExitStack() as stack:
        port = stack.enter_context(sink(log, delay_ms, True))
        servers = [Server(site, port, tmp_path / f"server{number}") for number in range(2)]
        for server in servers:
            stack.callback(server.end)
        yield site, servers, log


def issues(site: Site) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in sql(site.folder, "SELECT slot, state, audience FROM issue")]  # type: ignore[misc]


@pytest.mark.timeout(90)
def test_one_issue_for_the_slot_and_each_reader_once(tmp_path: Path) -> None:
    with two_servers(tmp_path, delay_ms=15) as (site, servers, log):
        wait_for(lambda: all(server.answers() for server in servers))
        wait_for(lambda: [issue[1] for issue in issues(site)] == ["finished"])
        [(slot, _, audience)] = issues(site)
        assert slot.startswith("weekly:")
        assert audience == READERS
        assert set(arrived(log).values()) == {1}
        assert len(arrived(log)) == READERS
        site.assert_books_balance()
        began = time.monotonic()
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        assert [server.process.wait(timeout=5) for server in servers] == [0, 0]
        assert time.monotonic() - began < 5
        said = "".join(server.log.read_text() for server in servers)
        assert not re.search("Traceback|failed|ERROR|NOT BALANCED", said), said
        assert sql(site.folder, "SELECT count(*) FROM process") == [(0,)]


@pytest.mark.timeout(90)
def test_when_one_is_killed_the_other_finishes_the_rest(tmp_path: Path) -> None:
    with two_servers(tmp_path, delay_ms=120) as (site, servers, log):
        wait_for(lambda: sum(arrived(log).values()) >= 8)
        owners = "SELECT owner, pid FROM process WHERE owner IN (SELECT owner FROM delivery WHERE owner IS NOT NULL)"
        busy = {pid for _, pid in sql(site.folder, owners)}
        victim = next((server for server in servers if server.process.pid in busy), servers[0])
        victim.process.kill()
        victim.process.wait()
        wait_for(lambda: [issue[1] for issue in issues(site)] == ["finished"], 60)
        counts = dict(sql(site.folder, "SELECT state, count(*) FROM delivery GROUP BY state"))
        assert set(counts) <= {"sent", "unknown"}
        assert counts.get("unknown", 0) <= 2, "at most one for each connection of the one that died"
        assert sum(counts.values()) == READERS
        assert max(arrived(log).values()) == 1
        sent = {
            address
            for (address,) in sql(
                site.folder,
                "SELECT s.address FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id WHERE d.state = 'sent'",
            )
        }
        assert sent <= set(arrived(log))
        site.assert_books_balance()
        if counts.get("unknown"):
            wait_for(lambda: any("may or may not have arrived" in notice for notice in site.notices()), 5)
