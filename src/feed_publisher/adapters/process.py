"""This process as an owner of deliveries: an OS lock tells others on this host whether it still lives."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import uuid
from pathlib import Path
from types import TracebackType

from feed_publisher.adapters.files import private_folder
from feed_publisher.domain.errors import StorageError
from feed_publisher.ports.sending import Process

SILENT = 60.0
"""Seconds without a sign of life after which a process on another host is taken for dead."""


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


class Owner:
    """Holds ``var/run/OWNER.lock`` until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = uuid.uuid4().hex
        where = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        self.host = f"{socket.gethostname()} {_boot_id()} {where}"
        self._file: int | None = None

    @property
    def counting(self) -> str:
        """Machine and process, for numbers that processes of one machine share: at most 64 characters."""
        return f"{hashlib.sha256(self.host.encode()).hexdigest()[:16]} {self.name}"

    def __enter__(self) -> Owner:
        try:
            private_folder(self._folder)
            self._file = os.open(self._path(self.name), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(f"{self._folder}: cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path(self.name).unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)

    def is_dead(self, process: Process) -> bool:
        """Here: nobody holds its lock, or the machine has started again. Elsewhere: silent too long.

        Another site folder on this machine counts as elsewhere, because its locks are not ours to see.
        """
        if process.owner == self.name:
            return False
        host, boot, where = [*process.host.split(" "), "", ""][:3]
        own_host, own_boot, own_where = self.host.split(" ")
        if host != own_host or (boot == own_boot and where != own_where):
            return process.silent_for > SILENT
        return boot != own_boot or self._is_free(process.owner)

    def _is_free(self, owner: str) -> bool:
        path = self._path(owner)
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(file)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{Path(owner).name}.lock"
