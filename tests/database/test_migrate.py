"""Migrations lead from nothing to the schema, whoever starts them, and however often."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from database_world import DAY, NOW, World
from sqlalchemy import bindparam, text

from feed_publisher.adapters.database import migrate as migrations
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
from feed_publisher.adapters.database.schema import Utc, metadata
from feed_publisher.adapters.database.store.authors import SqlAuthorStore
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceRules, SourceState
from feed_publisher.ports.pickup import Page

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


def test_a_site_of_the_first_version_is_brought_up_to_date(
    empty_url: str, open_database: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "HEAD", "0001")
        patched.setattr(migrations, "_first_rows", lambda connection, now: None)
        patched.setattr("alembic.command.upgrade", lambda config, to: _upgrade_alembic(config, "0001"))
        migrate(database, NOW)
    with database.write() as connection:
        for statement in _FIRST_SITE:
            connection.execute(text(statement).bindparams(bindparam("now", type_=Utc())), {"now": NOW})
    with pytest.raises(StorageError):
        SqlSourceStore(database).all()
    migrate(database, NOW + DAY)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert SqlSourceStore(database).all() == [
        SourceRecord(slug="entries", kind="folder", added_at=NOW, tried_at=NOW, read_at=NOW, newest_at=NOW),
        SourceRecord(slug="empty", kind="folder", added_at=NOW),
    ]
    world = World(database)
    (entry,) = world.entries.page(Page())
    assert (entry.title, entry.image, entry.enclosures) == ("One", None, ())
    assert {feed.slug: feed.kind for feed in world.feeds.dirty()} == {"all": "all", "ships": "topic"}
    assert world.in_feed("ships") == ["One"]
    assert world.feeds.out(["feeds/all.atom"])["feeds/all.atom"].etag == "abc"
    authors = SqlAuthorStore(database)
    assert [entry.title for entry in authors.newest("ann-lee", 9)] == ["One"]
    assert authors.find(["ANN LEE"])["ANN LEE"].name == "Ann Lee"
    world.entries.settle_languages()
    assert world.feeds.make("lang/de", False, NOW), "what the entry itself says"
    assert not world.feeds.make("lang/en", False, NOW)
    rules = SourceRules(slug="entries", kind=SourceKind.FOLDER, location="entries/")
    SqlSourceStore(database).sync([rules], NOW + DAY)
    (entries, _) = SqlSourceStore(database).all()
    assert (entries.location, entries.due_at, entries.state) == ("entries/", None, SourceState.ACTIVE)


_upgrade_alembic = command.upgrade
_FIRST_SITE = (
    "INSERT INTO source (id, slug, kind, added_at, picked_up_at) VALUES (1, 'entries', 'folder', :now, :now)",
    "INSERT INTO source (id, slug, kind, added_at) VALUES (2, 'empty', 'folder', :now)",
    "INSERT INTO entry (id, key, atom_id, source_id, state, reason, feed_only, published, updated, first_seen,"
    " revision_id) VALUES (1, 'k', 'urn:k', 1, 'public', '', FALSE, :now, :now, :now, 1)",
    "INSERT INTO entry_revision (id, entry_id, title, authors, summary, content_html, language, created_at)"
    """ VALUES (1, 1, 'One', '["Ann Lee", "ann  lee"]', '', '', 'de-AT', :now)""",
    "INSERT INTO counter (name, value) SELECT 'sequence', 0 WHERE :now IS NOT NULL",
    "INSERT INTO topic (id, slug, title, added_at) VALUES (1, 'ships', 'Ships', :now)",
    "INSERT INTO entry_topic (entry_id, topic_id, published) VALUES (1, 1, :now)",
    "INSERT INTO feed (slug, topic_id, atom_id, added_at, dirty, version, problem)"
    " VALUES ('all', NULL, 'urn:a', :now, FALSE, 1, ''), ('ships', 1, 'urn:s', :now, FALSE, 1, '')",
    "INSERT INTO feed_file (path, feed_id, version, etag, last_modified) VALUES ('feeds/all.atom', 1, 1, 'abc', :now)",
)


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
