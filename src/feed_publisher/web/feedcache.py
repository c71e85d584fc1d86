"""Feed documents held in memory, in every coding, with their headers: what each request only compares and copies."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import brotli

Headers = list[tuple[bytes, bytes]]

TYPES = {
    "atom": b"application/atom+xml; charset=utf-8",
    "rss": b"application/rss+xml; charset=utf-8",
    "json": b"application/feed+json",
    "opml": b"text/x-opml; charset=utf-8",
}
LIVE = b"public, max-age=1800, stale-while-revalidate=600, stale-if-error=86400"
ARCHIVE = b"public, max-age=86400, stale-if-error=604800"
HELD = 100_000_000
"""Bytes of feeds held in memory at most."""

_TAGS = {"br": "-br", "gzip": "-gz", "identity": ""}


@dataclass(frozen=True, slots=True)
class Coded:
    """A document in one coding, with the headers of its two answers."""

    body: bytes
    ok: Headers
    unchanged: Headers


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is on disk; ``stamp`` is (mtime_ns, size, inode), ``codings`` are best first."""

    stamp: tuple[int, int, int]
    etag: str
    modified: datetime
    codings: dict[str, Coded]

    @property
    def size(self) -> int:
        return sum(len(coded.body) for coded in self.codings.values())


class FeedCache:
    """The documents of ``public/``. A file is looked at for each request, and read when it is another one."""

    def __init__(self, public: Path, base_url: str, hubs: Sequence[str]) -> None:
        self._public = public
        self._base_url = base_url
        self._hubs = hubs
        self._held: dict[str, Stored] = {}
        self._size = 0

    def get(self, name: str, archived: bool = False) -> Stored | None:
        """The document of this name below ``public/``, such as ``feeds/all.atom``."""
        file = self._public / name
        try:
            status = os.stat(file)
            known = self._held.get(name)
            if known is not None and known.stamp == (status.st_mtime_ns, status.st_size, status.st_ino):
                return known
            stored = self._read(file, name, archived)
        except OSError:
            self._forget(name)
            return None
        self._hold(name, stored)
        return stored

    def _hold(self, name: str, stored: Stored) -> None:
        self._forget(name)
        self._held[name] = stored
        self._size += stored.size
        while self._size > HELD and len(self._held) > 1:
            self._forget(next(iter(self._held)))

    def _forget(self, name: str) -> None:
        gone = self._held.pop(name, None)
        self._size -= gone.size if gone else 0

    def _read(self, file: Path, name: str, archived: bool) -> Stored:
        with file.open("rb") as opened:
            # The stamp of the file that is open: a replacement in between cannot mix two versions.
            status = os.fstat(opened.fileno())
            plain = opened.read()
        bodies = {"br": _brotli(file, plain), "gzip": _gzipped(file, plain), "identity": plain}
        etag = hashlib.sha256(plain).hexdigest()[:32]
        modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
        shared = self._shared(name, modified, archived)
        kind = TYPES[file.suffix.removeprefix(".")]
        return Stored(
            stamp=(status.st_mtime_ns, status.st_size, status.st_ino),
            etag=etag,
            modified=modified,
            codings={
                coding: _coded(body, coding, etag, kind, shared) for coding, body in bodies.items() if body is not None
            },
        )

    def _shared(self, name: str, modified: datetime, archived: bool) -> Headers:
        """Headers of every answer. Archive pages are no topics of WebSub: they hardly ever change."""
        hubs = [] if archived or name.endswith(".opml") else [f'<{hub}>; rel="hub"' for hub in self._hubs]
        links = ", ".join([*hubs, f'<{self._base_url}/{name}>; rel="self"'])
        return [
            (b"last-modified", format_datetime(modified, usegmt=True).encode()),
            (b"cache-control", ARCHIVE if archived else LIVE),
            (b"vary", b"Accept-Encoding"),
            (b"link", links.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"access-control-allow-origin", b"*"),
        ]


def _coded(body: bytes, coding: str, etag: str, kind: bytes, shared: Headers) -> Coded:
    unchanged = [(b"etag", f'"{etag}{_TAGS[coding]}"'.encode()), *shared]
    ok = [*unchanged, (b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if coding != "identity":
        ok.append((b"content-encoding", coding.encode()))
    return Coded(body=body, ok=ok, unchanged=unchanged)


def _gzipped(file: Path, plain: bytes) -> bytes:
    """The stored gzip form; made here while the files are being replaced, when it may be another document's."""
    try:
        packed = file.with_name(file.name + ".gz").read_bytes()
        if gzip.decompress(packed) == plain:
            return packed
    except (OSError, EOFError, zlib.error):
        pass
    return gzip.compress(plain, 6, mtime=0)


def _brotli(file: Path, plain: bytes) -> bytes | None:
    try:
        packed = file.with_name(file.name + ".br").read_bytes()
        return packed if brotli.decompress(packed) == plain else None
    except (OSError, brotli.error):
        return None
