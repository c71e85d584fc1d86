"""Whatever happens to topics, nobody misses an article that was wanted and nobody gets one again (topic_walk.py)."""

from __future__ import annotations

import pytest
from database_world import World
from topic_walk import Walk

from feed_publisher.adapters.database.store import topic_changes


@pytest.mark.parametrize("seed", range(12))
def test_readers_get_what_they_wanted_once(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_changes, "BATCH", 2)  # so that a change takes many transactions
    Walk(world, seed).run(60)
    world.assert_books_balance()
