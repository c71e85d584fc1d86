"""Migrations lead from nothing to the schema, whoever starts them, and however often."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from database_world import DAY, NOW, World

from feed_publisher.adapters.database import migrate as migrations
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
from feed_publisher.adapters.database.schema import metadata

Opener = Callable[[str], Database]


def test_from_nothing_to_the_schema(empty_url: str, open_database: Opener) -> None:
    database = open_database(empty_url)
    migrate(database, NOW)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    world = World(database)
    assert [feed.slug for feed in world.feeds.dirty()] == ["all"]
    assert world.issues.current_sequence() == 0
    secrets = world.people.secrets("pepper")
    migrate(database, NOW + DAY)
    assert world.people.secrets("pepper") == secrets, "a second start changes nothing"


def test_head_is_the_newest_migration() -> None:
    folder = Path(migrations.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [migrations.HEAD]


def test_a_migration_that_fails_leaves_nothing(
    empty_url: str, open_database: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(connection: object, now: object) -> None:
        raise RuntimeError("power cut")

    database = open_database(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_first_rows", fails)
        with pytest.raises(RuntimeError, match="power cut"):
            migrate(database, NOW)
    migrate(database, NOW)
    assert World(database).issues.current_sequence() == 0


_START = """
import sys
from datetime import datetime, UTC
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
import alembic.command
print("ready", flush=True)
sys.stdin.readline()
migrate(Database(sys.argv[1]), datetime.now(UTC))
"""


def test_two_processes_start_at_once(empty_url: str, open_database: Opener) -> None:
    source = str(Path(__file__).parents[2] / "src")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _START, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": source},
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    world = World(open_database(empty_url))
    assert len(world.people.secrets("token")) == 1
    assert [feed.slug for feed in world.feeds.dirty()] == ["all"]
