"""Connections and transactions on SQLite and PostgreSQL, and the translation of their errors."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from feed_publisher.domain.errors import ConfigError, ForeignDatabaseError, StorageError

BUSY_TIMEOUT = 10_000  # milliseconds a writer waits for another before "database is locked"

WHERE = "database.url"
_WRITE = "write postgresql://user@host/name, or sqlite:////folder/file, or leave it empty"


class Database:
    """One database; ``read``, ``write`` and ``durable`` are its three kinds of transaction.

    On SQLite a write begins IMMEDIATE (a deferred one that reads first loses updates), and ``durable`` runs on
    connections with synchronous=FULL: what it commits survives a power cut. PostgreSQL does both by itself.
    ``busy_timeout`` (SQLite only) is in milliseconds. Raises ConfigError for an address that is none of ours.
    """

    def __init__(self, url: str, busy_timeout: int = BUSY_TIMEOUT) -> None:
        self.url = _parsed(url)
        self._busy_timeout = busy_timeout
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.name = self.url.database or "" if self.is_sqlite else _without_secrets(self.url)
        self._engine = self._create("NORMAL")
        self._durable = self._create("FULL") if self.is_sqlite else self._engine

    def _create(self, synchronous: str) -> Engine:
        if not self.is_sqlite:
            url = self.url.set(drivername="postgresql+psycopg")
            try:
                return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
            except ImportError as error:
                advice = "install it with: pip install 'feed-publisher[postgres]'"
                raise ConfigError(f"PostgreSQL needs the extra `postgres`; {advice}", WHERE) from error
        engine = create_engine(self.url, connect_args={"isolation_level": None, "timeout": self._busy_timeout / 1000})
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare(synchronous, self._busy_timeout))
        event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, from one snapshot."""
        with self._translated(), self._reader() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write."""
        with self._translated(), self._writer(self._engine) as connection, connection.begin():
            yield connection

    @contextmanager
    def durable(self) -> Iterator[Connection]:
        """A write that is on the disk when it returns: for marks and results."""
        with self._translated(), self._writer(self._durable) as connection, connection.begin():
            yield connection

    def _reader(self) -> Connection:
        connection = self._engine.connect()
        # PostgreSQL's default takes a new snapshot for every statement.
        return connection if self.is_sqlite else connection.execution_options(isolation_level="REPEATABLE READ")

    def _writer(self, engine: Engine) -> Connection:
        return engine.connect().execution_options(begin="BEGIN IMMEDIATE")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()
        self._durable.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._explain(error) from error

    def _explain(self, error: SQLAlchemyError) -> Exception:
        if not isinstance(error, DBAPIError):
            return StorageError(f"database {self.name}: {self._cleaned(str(error))}")
        lines = self._cleaned(str(error.orig).strip()).splitlines()
        reason = lines[0] if lines else type(error.orig).__name__
        if "not a database" in reason:
            return ForeignDatabaseError(f"{self.name} is not a database of feed-publisher; move it or set database.url")
        for sign, advice in _ADVICE.items():
            if sign in reason:
                return StorageError(f"database {self.name}: {reason}; {advice}")
        return StorageError(f"database {self.name}: {reason}")

    def _cleaned(self, words: str) -> str:
        """What a driver says, without the passwords of the address."""
        for secret in _secrets(self.url):
            words = words.replace(secret, "***")
        return words


_ADVICE = {
    "locked": "another program holds it; try again, or stop that program",
    "unable to open": "does the folder exist and may this user write to it?",
    "readonly": "this user may not write to it; change its owner or run as that user",
    "disk is full": "free some space; nothing was half-written",
    "No space left": "free some space; nothing was half-written",
    "disk I/O": "check the disk; nothing was half-written",
    "connection": "is the server running, and is database.url right?",
}


def _parsed(address: str) -> URL:
    """No part of the address is in the errors, nor in their causes: it may hold a password."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"is not the address of a database; {_WRITE}", WHERE) from None
    if url.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise ConfigError(f"{url.drivername.split('+')[0]!r} is not a database we know; {_WRITE}", WHERE)
    if "@" in (url.host or ""):
        raise ConfigError("has two @; write one that belongs to a password as %40", WHERE)
    return url


def _is_secret(key: str) -> bool:
    return "pass" in key.lower()


def _secrets(url: URL) -> list[str]:
    values = [values for key, values in url.query.items() if _is_secret(key)]
    flat = [each for value in values for each in ((value,) if isinstance(value, str) else value)]
    return [each for each in (str(url.password or ""), *flat) if each]


def _without_secrets(url: URL) -> str:
    """The address for people."""
    return url.difference_update_query([key for key in url.query if _is_secret(key)]).render_as_string()


def _make_private(_dialect: Any, _record: Any, args: list[Any], _more: dict[str, Any]) -> None:
    """A new file can be read by this user only; SQLite gives the files beside it the same mode."""
    name = str(args[0])
    if name and not name.startswith((":", "file:")):
        # Only ever a new file: closing any descriptor of an existing one drops all of SQLite's locks in this process.
        with suppress(OSError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(synchronous: str, busy_timeout: int) -> Any:
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {busy_timeout}")
        if _may_be_ours(cursor):
            _write_ahead(cursor, busy_timeout)
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return on_connect


def _write_ahead(cursor: Any, busy_timeout: int) -> None:
    """SQLite does not wait for another process that is just making the file, whatever busy_timeout says."""
    end = time.monotonic() + busy_timeout / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _may_be_ours(cursor: Any) -> bool:
    """Another program's file is left as it is: the journal mode would stay in it."""
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return not tables or "entry_revision" in tables


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def lock_site(connection: Connection) -> None:
    """Let one transaction at a time decide what is new to the site; on SQLite every write does so by itself."""
    connection.execute(text("UPDATE counter SET value = value WHERE name = 'sequence'"))


def lock_counter(connection: Connection, name: str, count: int) -> int:
    """Take ``count`` numbers of a counter and return the last; its row stays locked until commit."""
    return int(
        connection.execute(
            text("UPDATE counter SET value = value + :count WHERE name = :name RETURNING value"),
            {"count": count, "name": name},
        ).scalar_one()
    )
