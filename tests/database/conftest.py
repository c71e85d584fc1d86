from __future__ import annotations

import pytest
from database_world import World

from feed_publisher.adapters.database.engine import Database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)
