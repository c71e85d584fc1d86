"""Feeds over HTTP: a small ASGI application in front of the framework. No database, no rendering for a stored feed."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import date
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from feed_publisher.domain.archive import fits_together
from feed_publisher.domain.errors import NoRoomError, StorageError
from feed_publisher.web.conditions import Asked, asked_of, best_coding, is_conditional, not_modified
from feed_publisher.web.feedcache import FeedCache, Headers, Stored
from feed_publisher.web.feedcounts import FeedCounts
from feed_publisher.web.limits import Limits

log = logging.getLogger("feed_publisher.web")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, Headers, bytes]

_NAME = re.compile(
    r"feeds/(?P<slug>(?:(?:authors|lang|digests)/)?[a-z0-9-]{1,80}(?:\+[a-z0-9-]{1,80})*)"
    r"(?:\.(?P<form>full|summary))?(?P<page>/[1-9]\d{0,6})?\.(?P<kind>atom|rss|json)"
)
OUTLINE = "feeds.opml"
MAKING = 4
"""Feeds that are made at the same time for those who ask for them first; others are asked to come again."""

UNKNOWN_FOR = 300.0
MISSING_FOR = 5.0
UNKNOWN_MOST = 10_000
"""Addresses of which it is remembered that there is no feed, or no such page of one, and for how many seconds."""

LONGEST = 400
"""Characters of the path of a feed, at most."""

_CACHED = (b"cache-control", b"public, max-age=300")
_FOREVER = (b"cache-control", b"public, max-age=86400")


class FeedDirectory(Protocol):
    """What is known of addresses that have no file. ``moved`` and ``ended`` are asked often and answer from memory."""

    def moved(self, path: str) -> str | None:
        """The path that an old one leads to now."""
        ...

    def ended(self, slug: str) -> bool: ...
    async def make(self, slug: str, form: str) -> bool:
        """Publish a feed that is made when it is first asked for; whether there is one."""
        ...


class FeedFront:
    """Answers ``/feeds/…``, ``/feeds.opml`` and old addresses of feeds, and passes everything else on.

    ``hubs`` are told of in each feed's headers. ``limits``: for askers that are not on this machine.
    """

    def __init__(
        self,
        public: Path,
        base_url: str,
        inner: Asgi,
        directory: FeedDirectory | None = None,
        hubs: Sequence[str] = (),
        limits: Limits | None = None,
        counts: FeedCounts | None = None,
    ) -> None:
        self._base_url = base_url
        self._inner = inner
        self._directory = directory
        self._cache = FeedCache(public, base_url, hubs)
        self._counts = counts or FeedCounts(date.today)
        self._limits = limits or Limits(time.monotonic)
        self._making: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._unknown: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path.startswith(("/feeds/", "/feeds.opml")):
            asked = asked_of(scope["headers"])
            answer: Answer | None = await self._answer(path, method, asked, _asker(scope, asked))
            if method == "GET" and answer and answer[0] in (200, 304):
                self._counts.note(path[1:], (scope.get("client") or ("",))[0], asked.get(b"user-agent", b""))
        else:
            answer = self._moved(path)
        if answer is None:
            await self._inner(scope, receive, send)
            return
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    async def _answer(self, path: str, method: str, asked: Asked, asker: str) -> Answer:
        found = self.answer(path, method, asked, asker)
        if found[0] != HTTPStatus.NOT_FOUND or self._directory is None:
            return found
        if moved := self._moved(path):
            return moved
        name = _parts(path)
        if name is None or not _is_made_when_asked(path, name):
            return found
        key = path.rpartition(".")[0]
        if self._unknown.get(key, 0.0) > time.monotonic():
            return found
        try:
            made = await self._make(name["slug"], name["form"] or "")
        except NoRoomError:
            return _small(503, b"There is no room for another feed of several topics.\n", [(b"retry-after", b"86400")])
        except StorageError as error:
            log.error("%s: %s", path, error)
            made = None
        if made is None:
            return _small(503, b"This feed cannot be made now. Please ask again.\n", [(b"retry-after", b"10")])
        answer = self.answer(path, method, asked, asker)
        if answer[0] == HTTPStatus.NOT_FOUND:
            if made and not name["page"]:  # it would not be valid, and the operator is told why
                return _small(503, b"This feed cannot be made now. Please ask again.\n", [(b"retry-after", b"600")])
            self._remember_unknown(key, MISSING_FOR if made else UNKNOWN_FOR)
        return answer

    def _remember_unknown(self, key: str, seconds: float) -> None:
        if len(self._unknown) >= UNKNOWN_MOST:
            self._unknown.clear()
        self._unknown[key] = time.monotonic() + seconds

    def answer(self, path: str, method: str, asked: Asked, asker: str = "") -> Answer:
        """Status, headers and body of what is stored; a HEAD has the headers of its GET."""
        if method not in ("GET", "HEAD"):
            return _small(405, b"Feeds are only read here.\n", [(b"allow", b"GET, HEAD")])
        name = _parts(path)
        if name and self._directory and self._directory.ended(name["slug"]):
            return _small(410, b"This feed has ended.\n", [_FOREVER])
        if name and "+" in name["slug"] and (other := canonical(path, name["slug"])) != path:
            return self._redirect(other) if other else _unknown()
        stored = self._cache.get(path[1:], bool(name and name["page"])) if name or path[1:] == OUTLINE else None
        return _unknown() if stored is None else self._of(stored, path, asked, asker)

    def _of(self, stored: Stored, path: str, asked: Asked, asker: str) -> Answer:
        coded = stored.codings[best_coding(asked.get(b"accept-encoding", b"")[:200], tuple(stored.codings))]
        if not_modified(asked, stored.etag, stored.modified):
            return 304, coded.unchanged, b""
        # Who shows that it keeps what it gets is never told to wait for news.
        if asker and not is_conditional(asked) and (seconds := self._limits.wait(asker, path)):
            text = b"You have had this feed several times. Please send If-None-Match, and ask less often.\n"
            return _small(429, text, [(b"retry-after", str(seconds).encode())])
        return 200, coded.ok, coded.body

    # --- addresses

    def _moved(self, path: str) -> Answer | None:
        target = self._directory.moved(path) if self._directory else None
        return None if target is None else self._redirect(target)

    def _redirect(self, path: str) -> Answer:
        return _small(301, b"Moved.\n", [(b"location", f"{self._base_url}{path}".encode()), _FOREVER])

    async def _make(self, slug: str, form: str) -> bool | None:
        """Whether there is such a feed now; None when too many are being made."""
        key = slug, form
        task = self._making.get(key)
        if task is None:
            if len(self._making) >= MAKING or self._directory is None:
                return None
            task = self._making[key] = asyncio.create_task(self._directory.make(slug, form))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)


def _parts(path: str) -> re.Match[str] | None:
    return _match(path) if len(path) <= LONGEST else None


@lru_cache(4096)
def _match(path: str) -> re.Match[str] | None:
    return _NAME.fullmatch(path[1:])


def _is_made_when_asked(path: str, name: re.Match[str]) -> bool:
    """Feeds of topics are made by themselves; pages are those of the usual form."""
    slug, form, page = name["slug"], name["form"], name["page"]
    if form and page:
        return False
    if "+" in slug:
        return canonical(path, slug) == path
    return bool(form or page or "/" in slug)


def canonical(path: str, slug: str) -> str:
    """The one address of a combined feed: its topics sorted, each once; "" for too many or too long."""
    topics = sorted(set(slug.split("+")))
    if not fits_together(topics):
        return ""
    return path.replace(f"/feeds/{slug}", f"/feeds/{'+'.join(topics)}", 1)


def _asker(scope: Scope, asked: Asked) -> str:
    """Who asks: many readers share an address, many programs a name. "" for one on this machine."""
    client = scope.get("client")
    address = client[0] if client else ""
    try:
        if ip_address(address).is_loopback:
            return ""
    except ValueError:
        pass
    return f"{address} {asked.get(b'user-agent', b'').decode('latin-1')[:200]}" if address else ""


def _unknown() -> Answer:
    return _small(404, b"There is no such feed.\n", [_CACHED])


def _small(status: int, text: bytes, more: Headers) -> Answer:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"access-control-allow-origin", b"*"),
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
