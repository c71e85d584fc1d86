"""Rendering costs grow with the number of editions, not with that of recipients.

Opens an issue of 60 articles with 1, 10 and 1,000 editions, and with 10 editions for ten times the recipients, and
prints the CPU time that rendering took in each; medians of several rounds. The ratio of the last two rows to each other
should be near 1, the time per edition about the same in all but the first row, which compiles the templates.

Run: .venv/bin/python benchmarks/editions.py [--rounds N] [--readers N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from opening import make

from feed_publisher.app import App
from feed_publisher.compose import digest
from feed_publisher.services import edition


def rendering(folder: Path, readers: int, choices: int) -> tuple[int, float, float]:
    """Editions, seconds of CPU for rendering them, and for opening the whole issue."""
    make(folder, 8000, readers, 60, choices)
    spent: list[float] = []

    def timed(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        made = digest.render_edition(*given, **named)
        spent.append(time.process_time() - start)
        return made

    edition.render_edition = timed
    try:
        with App(folder) as app, app.owning():
            start = time.process_time()
            app.open_manual("digest")
            return len(spent), sum(spent), time.process_time() - start
    finally:
        edition.render_edition = digest.render_edition


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--readers", type=int, default=10_000)
    wanted = parser.parse_args()
    few, many = wanted.readers, wanted.readers * 10
    for readers, choices in ((few, 1), (few, 1000), (few, 10), (many, 10)):
        found = []
        for _ in range(wanted.rounds):
            with tempfile.TemporaryDirectory() as parent:
                found.append(rendering(Path(parent) / "site", readers, choices))
        editions = found[0][0]
        seconds, whole = (statistics.median(each[part] for each in found) for part in (1, 2))
        print(
            f"{editions:5} editions, {readers:7,} recipients: {seconds:6.3f} s rendering,"
            f" {seconds / editions * 1000:.1f} ms each; {whole:.2f} s for the whole issue"
        )


if __name__ == "__main__":
    main()
