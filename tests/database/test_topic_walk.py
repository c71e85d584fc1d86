"""Whatever happens to topics, nobody misses an article that was wanted and nobody gets one again (topic_walk.py)."""

from __future__ import annotations

import pytest
from database_world import World
from topic_walk import Walk

from feed_publisher.adapters.database.store import topic_changes

SEEDS = (0, 1, 2, 3, 4, 5, 22, 26, 34, 52)
"""The last four notice what the others do not, when the code is broken on purpose."""


@pytest.mark.parametrize("seed", SEEDS)
def test_readers_get_what_they_wanted_once(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_changes, "BATCH", 2)  # so that a change takes many transactions
    Walk(world, seed).run(70)
    world.assert_books_balance()
