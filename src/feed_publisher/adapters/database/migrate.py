"""Bring a database to the schema of this version, or say why it is not ours."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import counter, feed, secret
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.errors import ForeignDatabaseError

HEAD = "0018"
"""The newest migration. Known here so that opening a current database does not import Alembic (0.8 s)."""


def migrate(database: Database, now: datetime) -> None:
    """Create or upgrade the tables and the first secrets, in one transaction; safe when two processes start at once."""
    if _current(database) == HEAD:
        return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(7266)"))
        version = _version(connection, database.name)
        if version != HEAD:
            _upgrade(connection)
        if version is None:
            _first_rows(connection, now)


def _current(database: Database) -> str | None:
    with database.read() as connection:
        return _version(connection, database.name)


def _version(connection: Connection, name: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "entry_revision", "delivery"} <= tables:
        raise ForeignDatabaseError(f"{name} holds another program's tables; move it or set database.url")
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and str(version) > HEAD:
        raise ForeignDatabaseError(f"{name} was written by a newer feed-publisher; upgrade the program")
    return None if version is None else str(version)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _first_rows(connection: Connection, now: datetime) -> None:
    connection.execute(counter.insert(), {"name": "sequence", "value": 0})
    all_entries = {"slug": "all", "kind": FeedKind.ALL, "dirty": True, "version": 1, "added_at": now}
    connection.execute(feed.insert(), all_entries | {"atom_id": f"urn:uuid:{uuid.uuid4()}"})
    connection.execute(
        secret.insert(),
        [
            {"purpose": purpose, "key_id": 1, "value": secrets.token_hex(32), "created_at": now}
            for purpose in ("pepper", "token")
        ],
    )
