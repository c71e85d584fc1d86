"""Fixtures that all tests share: the event loop, and a migrated database of either kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import postgres
import pytest

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate

FIRST_DAY = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
"""When the databases of the tests were made."""

_numbers = count(1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """A PostgreSQL server of this session's own: the folder of its socket."""
    with ExitStack() as stack:
        try:
            socket = stack.enter_context(postgres.server())
        except postgres.Missing as missing:
            if os.environ.get("CI") == "true":
                raise
            print(f"\n*** NO POSTGRESQL: its tests are skipped. {missing} ***")
            pytest.skip(f"no PostgreSQL: {missing}")
        yield socket


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "site.sqlite3"
    made = Database(f"sqlite:///{file}")
    migrate(made, FIRST_DAY)
    made.close()
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_socket: str) -> str:
    postgres.execute(postgres_socket, "CREATE DATABASE migrated TEMPLATE template0")
    made = Database(postgres.url(postgres_socket, "migrated"))
    migrate(made, FIRST_DAY)
    made.close()
    return "migrated"


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database a test runs on; asking for it runs the test on both."""
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database without tables."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    yield from _postgres_database(request.getfixturevalue("postgres_socket"), "template0")


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    if backend == "sqlite":
        file = tmp_path / "site.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    socket = request.getfixturevalue("postgres_socket")
    yield from _postgres_database(socket, request.getfixturevalue("postgres_template"))


def _postgres_database(socket: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    postgres.execute(socket, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield postgres.url(socket, name)
    postgres.execute(socket, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    """Opens databases and closes them after the test; two on one address stand for two processes."""
    opened: list[Database] = []

    def open_one(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(database_url: str, open_database: Callable[[str], Database]) -> Database:
    """A migrated database, once SQLite and once PostgreSQL."""
    return open_database(database_url)
