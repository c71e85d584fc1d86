"""Feeds over HTTP: a small ASGI application in front of the framework. No database, no rendering per request.

Bytes and headers are held in memory and checked against the file's mtime and size (RFC 9110 §13 for conditions).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_NAME = re.compile(r"/(feeds/[a-z0-9-]{1,80}\.(?:atom|rss|json)|feeds\.opml)")
_TYPES = {
    "atom": b"application/atom+xml; charset=utf-8",
    "rss": b"application/rss+xml; charset=utf-8",
    "json": b"application/feed+json",
    "opml": b"text/x-opml; charset=utf-8",
}
_CACHE_CONTROL = b"public, max-age=1800, stale-while-revalidate=600, stale-if-error=86400"
_SUFFIXES = ("--gzip", "-gzip", "-gz", "-br", ";gzip")
CACHED = 3000
"""Feeds held in memory at most."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """One feed as it is on disk: ``stamp`` is (mtime_ns, size, inode)."""

    stamp: tuple[int, int, int]
    plain: bytes
    packed: bytes
    etag: str
    modified: datetime
    kind: str


class FeedFront:
    """Answers ``/feeds/…`` and ``/feeds.opml`` from ``public/`` and passes everything else on."""

    def __init__(self, public: Path, base_url: str, inner: Asgi) -> None:
        self._public = public
        self._base_url = base_url
        self._inner = inner
        self._cache: dict[str, _Stored] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/feeds/", "/feeds.opml")):
            await self._inner(scope, receive, send)
            return
        status, headers, body = self.answer(scope["path"], scope["method"], _joined(scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, path: str, method: str, asked: dict[bytes, bytes]) -> tuple[int, Headers, bytes]:
        """Status, headers and body; a HEAD has the headers of its GET."""
        if method not in ("GET", "HEAD"):
            return _small(405, b"Feeds are only read here.\n", [(b"allow", b"GET, HEAD")])
        found = _NAME.fullmatch(path)
        stored = self._load(found.group(1)) if found else None
        if stored is None:
            return _small(404, b"There is no such feed.\n", [(b"cache-control", b"public, max-age=300")])
        packed = _takes_gzip(asked.get(b"accept-encoding", b""))
        headers = self._headers(stored, path, packed)
        if _not_modified(stored, asked):
            return 304, headers, b""
        body = stored.packed if packed else stored.plain
        headers += [(b"content-type", _TYPES[stored.kind]), (b"content-length", str(len(body)).encode())]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        return 200, headers, body

    def _headers(self, stored: _Stored, path: str, packed: bool) -> Headers:
        etag = f'"{stored.etag}-gz"' if packed else f'"{stored.etag}"'
        return [
            (b"etag", etag.encode()),
            (b"last-modified", format_datetime(stored.modified, usegmt=True).encode()),
            (b"cache-control", _CACHE_CONTROL),
            (b"vary", b"Accept-Encoding"),
            (b"link", f'<{self._base_url}{path}>; rel="self"'.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"access-control-allow-origin", b"*"),
        ]

    def _load(self, name: str) -> _Stored | None:
        file = self._public / name
        try:
            status = os.stat(file)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._cache.get(name)
            if known is not None and known.stamp == stamp:
                return known
            stored = _read(file)
        except OSError:
            self._cache.pop(name, None)
            return None
        if len(self._cache) >= CACHED:
            self._cache.pop(next(iter(self._cache)))
        self._cache[name] = stored
        return stored


def _read(file: Path) -> _Stored:
    with file.open("rb") as opened:
        # The stamp of the file that is open: a replacement in between cannot mix two versions.
        status = os.fstat(opened.fileno())
        data = opened.read()
    return _Stored(
        stamp=(status.st_mtime_ns, status.st_size, status.st_ino),
        plain=data,
        packed=gzip.compress(data, 6, mtime=0),
        etag=hashlib.sha256(data).hexdigest()[:32],
        modified=datetime.fromtimestamp(int(status.st_mtime), UTC),
        kind=file.suffix.removeprefix("."),
    )


def _not_modified(stored: _Stored, asked: dict[bytes, bytes]) -> bool:
    """If-None-Match decides alone when it is there (RFC 9110 §13.2.2); it is compared weakly."""
    tags = asked.get(b"if-none-match")
    if tags is not None:
        return any(_same_tag(tag, stored.etag) for tag in tags.decode("latin-1").split(","))
    since = asked.get(b"if-modified-since")
    if since is None:
        return False
    try:
        date = parsedate_to_datetime(since.decode("latin-1"))
    except (ValueError, TypeError):
        return False
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return stored.modified <= date <= datetime.now(UTC)


def _same_tag(tag: str, etag: str) -> bool:
    """Proxies weaken tags and add suffixes for the coding; neither makes it another feed."""
    tag = tag.strip()
    if tag == "*":
        return True
    tag = tag.removeprefix("W/").strip('"')
    for suffix in _SUFFIXES:
        tag = tag.removesuffix(suffix)
    return tag == etag


def _takes_gzip(accepted: bytes) -> bool:
    """Whether gzip is accepted with a weight above zero (RFC 9110 §12.5.3); its own weight beats that of ``*``."""
    weights: dict[str, bool] = {}
    for part in accepted.decode("latin-1").lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return next((weights[coding] for coding in ("gzip", "x-gzip", "*") if coding in weights), False)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A header sent on several lines is one list (RFC 9110 §5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


def _small(status: int, text: bytes, more: Headers) -> tuple[int, Headers, bytes]:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    return status, headers + more, text


class BasePath:
    """Takes the path of base_url off requests, for proxies that pass it on as well as for those that do not."""

    def __init__(self, prefix: str, inner: Asgi) -> None:
        self._prefix = prefix
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + "/")):
            scope = {**scope, "path": path[len(self._prefix) :] or "/"}
        await self._inner(scope, receive, send)
