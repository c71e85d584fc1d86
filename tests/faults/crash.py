"""kill -9 in the middle of a send, again and again, and ask the mail server who got what.

Run: make crash, or python -m tests.faults.crash [--recipients N] [--kills N] [--seed N] [--lockstep].
Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 4
TOML = """
[site]
title = "Crash"
[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
connections = {connections}
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "digest@example.org"
"""
LISTING = "Harbour\n\nA crane that never sleeps\nBy Ann Po\nIt lifts what the tide brings.\n\nA second one\nIt rests.\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ledger and sink side by side."""

    recipients: int
    kills: int
    states: dict[str, int]
    accepted: int
    lost: int
    twice: int
    doubt_arrived: int
    balanced: bool

    @property
    def in_doubt(self) -> int:
        return self.states.get("unknown", 0)

    @property
    def holds(self) -> bool:
        """The promise: nothing lost, nobody twice, in doubt at most one per open connection and kill."""
        within = self.in_doubt <= self.kills * CONNECTIONS
        return self.lost == 0 and self.twice == 0 and within and self.balanced


def command(site: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "feed_publisher", "--site", str(site), *words]


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(site, *words), capture_output=True, text=True, env=_environment(), check=False)


def _environment() -> dict[str, str]:
    source = str(Path(__file__).parents[2] / "src")
    return {**os.environ, "PYTHONPATH": source}


@contextmanager
def sink(log: Path, delay_ms: float, pipelining: bool) -> Iterator[int]:
    """The port of a running sink."""
    words = [sys.executable, "-m", "tests.faults.sink", str(log), str(delay_ms), *["pipelining"] * pipelining]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=10)


def make_site(folder: Path, port: int, recipients: int) -> None:
    (folder / "entries").mkdir(parents=True)
    (folder / "publisher.toml").write_text(TOML.format(port=port, connections=CONNECTIONS))
    (folder / "entries" / "a.txt").write_text(LISTING)
    rows = "".join(f"reader{number}@example.org\n" for number in range(recipients))
    (folder / "readers.csv").write_text("email\n" + rows)
    for words in (("pickup",), ("subscribers", "import", str(folder / "readers.csv"), "--confirmed")):
        done = run(folder, *words)
        assert done.returncode == 0, done.stderr


def kill_once(site: Path, log: Path, target: int, after: float, rng: random.Random) -> bool:
    """Start a send and kill it when the sink has ``target`` messages (or after so many seconds); False: it ended."""
    process = subprocess.Popen(
        command(site, "send", "weekly", "--yes"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    deadline = time.monotonic() + after
    while process.poll() is None and _count(log) < target and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.01))
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def _count(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def crash(recipients: int, kills: int, seed: int, pipelining: bool) -> Outcome:
    """The whole story; the outcome is judged by the sink's own log."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        site, log = Path(temporary) / "site", Path(temporary) / "sink.log"
        with sink(log, 4, pipelining) as port:
            make_site(site, port, recipients)
            targets = sorted(rng.sample(range(1, recipients), kills))
            done = 0
            for index, target in enumerate(targets):
                # Every fifth kill comes at any moment after the start, so some land before the first message.
                after = rng.uniform(0.2, 2.0) if index % 5 == 4 else 60.0
                done += kill_once(site, log, target, after, rng)
            for _ in range(10):
                finished = run(site, "send", "weekly", "--yes", "--json")
                shown = json.loads(run(site, "issues", "list", "--json").stdout)["issues"]
                if shown and all(issue["state"] == "finished" for issue in shown):
                    break
                assert finished.returncode in (0, 75), finished.stderr
        return judge(site, log, recipients, done)


def judge(site: Path, log: Path, recipients: int, kills: int) -> Outcome:
    got = Counter(line.split()[0] for line in log.read_text().splitlines())
    issues = json.loads(run(site, "issues", "list", "--json").stdout)["issues"]
    number = issues[-1]["issue"]
    issue = json.loads(run(site, "issues", "show", str(number), "--json").stdout)
    export = site / "books.csv"
    run(site, "issues", "export", str(number), str(export))
    rows = [line.split(",")[:2] for line in export.read_text().splitlines()[1:]]
    sent = {address for address, state in rows if state == "sent"}
    doubt = {address for address, state in rows if state == "unknown"}
    unfinished = {address for address, state in rows if state not in ("sent", "unknown")}
    missing = recipients - len(rows)
    lost = sum(1 for address in sent if got[address] == 0) + len(unfinished) + missing
    return Outcome(
        recipients=recipients,
        kills=kills,
        states={state: count for state, count in issue["books"].items() if count},
        accepted=sum(got.values()),
        lost=lost,
        twice=sum(1 for count in got.values() if count > 1),
        doubt_arrived=sum(1 for address in doubt if got[address]),
        balanced=issue["audience"] == sum(issue["books"].values()) == recipients and len(issues) == 1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lockstep", action="store_true", help="the mail server does not offer PIPELINING")
    given = parser.parse_args()
    print(
        f"sending to {given.recipients} readers over {CONNECTIONS} connections, "
        f"kill -9 {given.kills} times (seed {given.seed}), {'without' if given.lockstep else 'with'} PIPELINING"
    )
    outcome = crash(given.recipients, given.kills, given.seed, not given.lockstep)
    states = ", ".join(f"{count} {state}" for state, count in outcome.states.items())
    print(f"kills that hit a running send   {outcome.kills}")
    print(f"ledger                          {states}")
    print(f"sink                            {outcome.accepted} messages accepted")
    print(f"lost                            {outcome.lost}")
    print(f"twice                           {outcome.twice}")
    bound = outcome.kills * CONNECTIONS
    print(
        f"in doubt                        {outcome.in_doubt} (at most {bound}); "
        f"{outcome.doubt_arrived} of them did arrive"
    )
    print(f"books                           {'balanced' if outcome.balanced else 'NOT BALANCED'}")
    print("the promise holds" if outcome.holds else "THE PROMISE IS BROKEN")
    sys.exit(0 if outcome.holds else 1)


if __name__ == "__main__":
    main()
