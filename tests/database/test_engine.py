"""Connections: how they are set up, how writers wait for each other, and what a broken database says."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from database_world import NOW
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
from feed_publisher.domain.errors import ConfigError, ForeignDatabaseError, StorageError

Opener = Callable[[str], Database]


@pytest.fixture
def sqlite(tmp_path: Path, open_database: Opener) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'one.sqlite3'}")


@pytest.mark.parametrize(("kind", "synchronous"), [("read", 1), ("write", 1), ("durable", 2)])
def test_pragmas(sqlite: Database, kind: str, synchronous: int) -> None:
    with getattr(sqlite, kind)() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        }
    assert found == {"synchronous": synchronous, "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}


def test_writers_that_read_first_lose_no_update(database: Database, database_url: str, open_database: Opener) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO counter (name, value) VALUES ('test', 0)")

    def count() -> None:
        own = open_database(database_url)
        for number in range(25):
            with own.durable() if number % 5 == 0 else own.write() as connection:
                query = "SELECT value FROM counter WHERE name = 'test'"
                value = connection.exec_driver_sql(query if own.is_sqlite else f"{query} FOR UPDATE").scalar_one()
                connection.execute(text("UPDATE counter SET value = :v WHERE name = 'test'"), {"v": value + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT value FROM counter WHERE name = 'test'").scalar_one() == 100


def test_a_read_sees_one_snapshot(database: Database) -> None:
    with database.read() as reading:
        before = reading.exec_driver_sql("SELECT count(*) FROM fact").scalar_one()
        with database.write() as writing:
            writing.exec_driver_sql("INSERT INTO fact (name, value) VALUES ('a', 'b')")
        assert reading.exec_driver_sql("SELECT count(*) FROM fact").scalar_one() == before
    with database.read() as reading:
        assert reading.exec_driver_sql("SELECT count(*) FROM fact").scalar_one() == before + 1
    with database.write() as writing:
        assert writing.exec_driver_sql("DELETE FROM fact").rowcount == 1


def test_a_failed_block_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:  # noqa: PT012
        connection.exec_driver_sql("INSERT INTO fact (name, value) VALUES ('a', 'b')")
        _ = 1 / 0
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM fact").scalar_one() == 0


def test_a_name_without_password_is_shown(database: Database) -> None:
    assert "secret" not in Database("postgresql://me:secret@host/site").name


# --- trouble


def test_a_locked_database_says_so_after_the_timeout(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.sqlite3'}"
    holder, waiter = Database(url), Database(url, busy_timeout=50)
    with holder.write() as connection:
        connection.exec_driver_sql("CREATE TABLE entry_revision (a)")
        with pytest.raises(StorageError, match="database is locked; another program holds it"), waiter.write():
            pass
    with waiter.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM entry_revision").scalar_one() == 0
    holder.close()
    waiter.close()


def test_a_file_that_is_no_database(tmp_path: Path, open_database: Opener) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 100)
    with pytest.raises(ForeignDatabaseError, match=r"letter\.txt is not a database of feed-publisher; move it or set"):
        migrate(open_database(f"sqlite:///{file}"), NOW)
    assert file.read_text() == "Dear reader, " * 100


def test_another_programs_database_is_left_as_it_was(tmp_path: Path, open_database: Opener) -> None:
    file = tmp_path / "photos.db"
    with sqlite3.connect(file) as theirs:
        theirs.execute("CREATE TABLE photo (name)")
    theirs.close()
    before = file.read_bytes()
    database = open_database(f"sqlite:///{file}")
    with pytest.raises(ForeignDatabaseError, match=r"photos\.db holds another program's tables; move it or set"):
        migrate(database, NOW)
    database.close()
    assert file.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["photos.db"]


def test_another_programs_postgres_database(empty_url: str, open_database: Opener) -> None:
    database = open_database(empty_url)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE photo (name text)")
    with pytest.raises(ForeignDatabaseError, match="holds another program's tables"):
        migrate(database, NOW)


def test_a_database_of_a_newer_version(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ForeignDatabaseError, match="written by a newer feed-publisher; upgrade the program") as caught:
        migrate(database, NOW)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("path", ["missing/site.sqlite3", "file/site.sqlite3"])
def test_a_folder_that_is_not_there(tmp_path: Path, open_database: Opener, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="does the folder exist and may this user write to it") as caught:
        migrate(open_database(f"sqlite:///{tmp_path / path}"), NOW)
    assert caught.value.exit_code == 75


@contextmanager
def as_somebody() -> Iterator[None]:
    """Root may write everywhere, so put that right aside."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_this_user_may_not_write(sqlite_template: Path, open_database: Opener, what: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fp-", dir="/tmp"))  # pytest's folders are closed to others
    file = folder / "site.sqlite3"
    try:
        if what == "file":
            shutil.copyfile(sqlite_template, file)
            file.chmod(0o444)
        folder.chmod(0o555)
        database = open_database(f"sqlite:///{file}")
        refusal = r"may (this user|not) write to it"
        with as_somebody(), pytest.raises(StorageError, match=refusal) as caught:  # noqa: PT012
            migrate(database, NOW)
            with database.write() as connection:
                connection.exec_driver_sql("DELETE FROM fact")
        assert str(caught.value).startswith(f"database {file}: ")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_full_disk(tmp_path: Path, open_database: Opener) -> None:
    """A real tmpfs of 1 MB where mounting is allowed; else SQLite's own limit on pages."""
    mounted = os.geteuid() == 0 and _mount(tmp_path)
    database = open_database(f"sqlite:///{tmp_path / 'small.sqlite3'}")
    try:
        migrate(database, NOW)
        with pytest.raises(StorageError, match="disk is full; free some space"):  # noqa: PT012, SIM117
            with database.write() as connection:
                if not mounted:
                    connection.exec_driver_sql("PRAGMA max_page_count = 1")
                for number in range(200):
                    values = {"name": str(number), "value": "x" * 20_000}
                    connection.execute(text("INSERT INTO fact (name, value) VALUES (:name, :value)"), values)
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM fact").scalar_one() == 0
    finally:
        database.close()
        if mounted:
            subprocess.run(["umount", tmp_path], check=True)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_server_that_is_not_there(open_database: Opener, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is the server running, and is"):
        migrate(open_database(f"postgresql://me@/site?host={tmp_path}"), NOW)


def test_an_address_through_a_unix_socket(postgres_socket: str, open_database: Opener) -> None:
    with open_database(f"postgresql://tester@/postgres?host={postgres_socket}").read() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "tester"


# --- addresses and secrets


@pytest.mark.parametrize("url", ["not a url", "postgresql://me:s3cret@host:five/x", "://", "s3cret", "http//x"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^database\.url: is not the address of a database; write postgresql:"
    ) as caught:
        Database(url)
    assert "s3cret" not in f"{caught.value!s} {caught.value.__cause__}"


@pytest.mark.parametrize("kind", ["mysql", "postgres", "sqlite+aiosqlite", "postgresql+psycopg2", "oracle", "mssql"])
def test_other_databases_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a database we know; write postgresql://user@host/name") as caught:
        Database(f"{kind}://me:s3cret@host/x")
    assert "s3cret" not in str(caught.value)


def test_a_password_with_an_at_sign_is_not_taken_for_a_host() -> None:
    with pytest.raises(ConfigError, match="as %40") as caught:
        Database("postgresql://me:p@s3cret@host/x")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        "me:s3cret@127.0.0.1:1/x",
        "127.0.0.1:1/x?user=u&password=s3cret",
        "me:s3cret@127.0.0.1:1/x?nonsense=s3cret",
        "127.0.0.1:1/x?user=u&password=s3cret&password=s3cret",
    ],
)
def test_no_error_shows_a_password(rest: str, open_database: Opener) -> None:
    database = open_database(f"postgresql://{rest}")
    with pytest.raises(StorageError) as caught:
        migrate(database, NOW)
    known = str(caught.value) if "nonsense" not in rest else str(caught.value).replace("nonsense=s3cret", "")
    assert "s3cret" not in known
    assert len(str(caught.value).splitlines()) == 1


def test_postgres_without_its_extra_is_one_line() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from feed_publisher.adapters.database.engine import Database\n"
        "from feed_publisher.domain.errors import ConfigError\n"
        "try: Database('postgresql://me:s3cret@host/x')\n"
        "except ConfigError as error: print(error)\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
        check=True,
    )
    assert done.stdout.startswith("database.url: PostgreSQL needs the extra `postgres`; install it with: ")


def test_a_new_file_is_ours_alone(tmp_path: Path, open_database: Opener) -> None:
    before = os.umask(0)
    try:
        database = open_database(f"sqlite:///{tmp_path / 'one.sqlite3'}")
        migrate(database, NOW)
        with database.durable() as connection:
            connection.exec_driver_sql("DELETE FROM fact")
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("one.sqlite3", "one.sqlite3-wal", "one.sqlite3-shm"), 0o600)


VISITOR = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM some'); c.close()"


def test_a_visitor_does_not_take_the_log_away_from_those_who_stay(tmp_path: Path) -> None:
    """POSIX locks belong to the process: closing any descriptor of the file would drop them all.

    SQLite of another program would then take itself for the last one and delete the write-ahead log under us.
    """
    file, log = tmp_path / "publisher.sqlite3", tmp_path / "publisher.sqlite3-wal"
    database = Database(f"sqlite:///{file}")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE some (thing INTEGER)"))
    with database.read() as first, database.read() as second:  # the second makes a new connection
        assert first.execute(text("SELECT count(*) FROM some")).scalar() == 0
        assert second.execute(text("SELECT count(*) FROM some")).scalar() == 0
    before = os.stat(log).st_ino
    subprocess.run([sys.executable, "-c", VISITOR, str(file)], check=True)
    assert os.stat(log).st_ino == before
    with database.write() as connection:
        connection.execute(text("INSERT INTO some VALUES (1)"))
    database.close()
