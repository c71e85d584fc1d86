"""Time goes by for many readers at once, and each gets every wanted article once, at their hour (year_world.py).

A whole year of two hundred readers is `make year`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from flow.year_world import run

SPRING = datetime(2027, 3, 6, 9, tzinfo=UTC)  # clocks change on 14 March, 28 March and 4 April
AUTUMN = datetime(2026, 10, 20, 9, tzinfo=UTC)  # on 25 October and 1 November


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "begin"), [(1, SPRING), (2, AUTUMN), (3, SPRING)])
def test_everybody_gets_everything_once_at_their_hour(tmp_path: Path, seed: int, begin: datetime) -> None:
    world = run(tmp_path / "site", seed, readers=12, articles=80, begin=begin, days=32)
    assert len(world.mails) > 50
    assert sum(mail.kept_at is not None for mail in world.mails.values()) > 50
    assert {"publish", "change", "pause", "retag", "approve"} <= world.counts.keys()


@pytest.mark.slow
@pytest.mark.parametrize("begin", [datetime(2027, 3, 27, 9, tzinfo=UTC), datetime(2026, 10, 24, 9, tzinfo=UTC)])
def test_each_hour_to_the_minute_when_clocks_change(tmp_path: Path, begin: datetime) -> None:
    world = run(tmp_path / "site", 4, readers=16, articles=90, begin=begin, days=9, calm=True)
    assert len(world.mails) > 40
