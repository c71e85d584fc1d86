"""Folders on disk: sources that are read, feed files that are written atomically, folders that are ours alone."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path

from feed_publisher.compose.packing import Packed
from feed_publisher.domain.errors import FileError, InputError
from feed_publisher.domain.model import Problem
from feed_publisher.ports.pickup import FoundFile

MAX_NAME = 500
SETTLED_AFTER = 0.3
"""Seconds since the last change of a file after which nobody is taken to be writing it."""


def private_folder(folder: Path) -> None:
    """Make a folder that only this user can read; one that is there keeps its mode (`check` tells). Raises OSError."""
    if not folder.parent.exists():
        private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


class DiskSources:
    """ports.SourceFiles: a folder with all its sub-folders, or one named file."""

    def __init__(self, site: Path, suffixes: frozenset[str]) -> None:
        self._site = site
        self._suffixes = suffixes

    def scan(self, location: str, now: datetime) -> tuple[list[FoundFile], list[Problem]]:
        """Files in order of name; hidden ones and editors' back-ups are passed over without a word."""
        root = self._site / location
        if not _is_text(str(root)):
            return [], [_problem(str(root), _NOT_TEXT)]
        if root.is_file():
            return [_found(root, root.name, os.stat(root), now)], []
        if not root.is_dir():
            reason = "there is no such file or folder; make it, or mend the location"
            return [], [Problem(where=str(root), reason=reason)]
        found: list[FoundFile] = []
        problems: list[Problem] = []
        self._walk(root, "", now, found, problems)
        return sorted(found, key=lambda file: file.name), problems

    def _walk(self, folder: Path, prefix: str, now: datetime, found: list[FoundFile], problems: list[Problem]) -> None:
        try:
            with os.scandir(folder) as items:
                wanted = [item for item in items if not _is_hidden(item.name)]
        except OSError as error:
            problems.append(_problem(str(folder), f"cannot be read: {error.strerror}"))
            return
        for item in wanted:
            name = prefix + item.name
            try:
                if item.is_dir(follow_symlinks=False) and _is_text(item.name):
                    self._walk(folder / item.name, name + "/", now, found, problems)
                elif refusal := self._refusal(item, name):
                    problems.append(_problem(item.path, refusal))
                else:
                    found.append(_found(Path(item.path), name, item.stat(), now))
            except OSError as error:
                problems.append(_problem(item.path, f"cannot be read: {error.strerror}"))

    def _refusal(self, item: os.DirEntry[str], name: str) -> str:
        """Why an item is passed over, or ""."""
        if not _is_text(item.name):
            return _NOT_TEXT
        if item.is_dir():
            return "linked folders are not followed; move the folder here, or make it one of [[sources]]"
        if not item.is_file():
            return "the file it links to is not there" if item.is_symlink() else "is neither a file nor a folder"
        if Path(item.name).suffix.lower() not in self._suffixes:
            return f"is none of {', '.join(sorted(self._suffixes))}; rename it or move it away"
        return f"its name is longer than {MAX_NAME} characters; shorten it" if len(name) > MAX_NAME else ""

    def read(self, path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path) from error


_NOT_TEXT = "its name is not valid UTF-8; rename it"


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~", "#")) or name.endswith(("~", ".swp", ".tmp", ".part"))


def _is_text(name: str) -> bool:
    """Whether a name can be stored and shown: the system hands over other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(path: str, reason: str) -> Problem:
    return Problem(where=os.fsencode(path).decode("utf-8", "backslashreplace"), reason=reason)


def _found(path: Path, name: str, stat: os.stat_result, now: datetime) -> FoundFile:
    age = now.timestamp() - stat.st_mtime
    # A time in the future comes from a copied file or a wrong clock, not from a writer at work.
    settled = age >= SETTLED_AFTER or age < -60
    return FoundFile(name=name, path=str(path), fingerprint=f"{stat.st_size}-{stat.st_mtime_ns}", settled=settled)


class PublicFolder:
    """ports.FeedFiles: ``public/``. A reader of the folder sees the old file or the new one, never a part.

    Beside each document lie its compressed forms, which web servers send as they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def matches(self, path: str, data: bytes) -> bool:
        """Whether exactly these bytes are out."""
        return self.read(path) == data

    def read(self, path: str) -> bytes | None:
        """The document that is out, or None."""
        try:
            return (self._folder / path).read_bytes()
        except OSError:
            return None

    def is_out(self, path: str, modified: datetime) -> bool:
        """Whether a document of this time is out; its bytes are not looked at."""
        try:
            status = os.stat(self._folder / path)
        except OSError:
            return False
        return status.st_mtime == modified.timestamp() and status.st_size > 0

    def write(self, path: str, packed: Packed, modified: datetime) -> None:
        target = self._folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for suffix, data in packed.codings.items():
                _replace(target.with_name(target.name + suffix), data, modified)
            _replace(target, packed.plain, modified)  # last: whoever sees it finds the others there
        except OSError as error:
            raise FileError(f"{target}: cannot be written: {error.strerror}; the last good file stays") from error

    def documents(self, before: datetime) -> list[str]:
        """The documents under ``feeds/`` that we have written, as far as they were put there before this moment.

        Ours have their compressed forms beside them, of the same time; a file that somebody else has laid down stays.
        """
        found = []
        for file in (self._folder / "feeds").rglob("*.br"):
            document = file.with_suffix("")
            try:
                status = os.stat(document)
                is_ours = status.st_mtime_ns == os.stat(file).st_mtime_ns
            except OSError:
                continue
            if is_ours and status.st_ctime < before.timestamp():
                found.append(document.relative_to(self._folder).as_posix())
        return found

    def tidy(self, before: datetime) -> None:
        """Remove the half written files that a process left there when it was killed."""
        for file in (self._folder / "feeds").rglob(f"{_HALF}*.tmp"):
            try:
                if os.stat(file).st_ctime < before.timestamp():
                    file.unlink()
            except OSError:
                continue  # somebody else was faster

    def remove(self, path: str) -> None:
        target = self._folder / path
        try:
            for each in (target, *target.parent.glob(f"{target.name}.*")):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"{target}: cannot be removed: {error.strerror}") from error


_HALF = ".feed-publisher-"
"""How the names of files begin that are just being written."""


def _replace(target: Path, data: bytes, modified: datetime) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=_HALF, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, 0o644)
            os.utime(handle, (modified.timestamp(), modified.timestamp()))
            os.fsync(handle)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
