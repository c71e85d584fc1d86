"""The one HTTP client: polite, bounded, and deaf to addresses that are not public unless the operator allows them."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Self
from urllib.parse import urlencode

import httpcore2
import httpx2

from feed_publisher.adapters.http.addresses import Guard, port_of
from feed_publisher.adapters.http.exchange import Answer, Exchange, Limits, RawHeaders
from feed_publisher.adapters.http.hosts import Hosts
from feed_publisher.adapters.http.network import CheckedNetwork, Resolve, SystemResolver
from feed_publisher.adapters.http.trail import Trail, trail_from
from feed_publisher.domain.errors import ConfigError, FetchError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.source import Validators
from feed_publisher.ports.pickup import Fetched, FetchRequest

ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, "
    "application/json;q=0.9, text/html;q=0.8, */*;q=0.5"
)
KEPT = 4.0
"""Seconds an idle connection is kept; common servers give theirs up after 5."""
USUAL = Limits()

_OURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "expect", "te", "upgrade")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def _system_trust() -> ssl.SSLContext:
    """Read once: it takes longer than many a request."""
    return httpx2.create_ssl_context()


class HttpFetcher:
    """Implements ports.pickup.Fetcher and ports.websub.Caller; belongs to one event loop.

    No cookies; the environment's proxies are ignored.

    ``allow``: the operator's own hosts, addresses and networks, each may end in ``:port``; they may be private.
    ``proxy``: all requests go through it, and names that only it can look up are for it to judge. ``tls`` replaces
    the certificates that the system trusts.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow: Sequence[str] = (),
        connections: int = 20,
        per_host: int = 2,
        limits: Limits = USUAL,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._limits = limits
        self._now = now
        self._hosts = Hosts(connections, per_host, now)
        self._resolver = SystemResolver(threads=2 * connections)
        self._network = CheckedNetwork(Guard(allow), resolve or self._resolver, limits.resolve)
        self._behind_proxy = proxy is not None
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or _system_trust(),
            proxy=None if proxy is None else _read_proxy(proxy),
            max_connections=connections,
            keepalive_expiry=KEPT,
            network_backend=None if self._behind_proxy else self._network,
        )
        self._exchange = Exchange(self._pool, limits)
        self._standing = _headers(
            [("User-Agent", user_agent), ("Accept-Encoding", "gzip, deflate"), ("Accept", ACCEPT)]
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._pool.aclose()
        self._resolver.close()

    async def get(self, request: FetchRequest) -> Fetched:
        """``body`` is there for 200 only; ``moved_to`` for 200 and 304 only: nobody moves to an error."""
        with trail_from(request.url) as trail:
            own = _own_headers(request.headers)
            conditions = _conditions(request.validators)
            patience = _Patience(self._limits.total)
            while True:
                headers = self._with(own if trail.is_home else []) + conditions
                answer = await self._ask("GET", trail.url, headers, patience)
                if not trail.follow(answer.status, answer.headers.location(), self._limits.redirects):
                    return self._fetched(answer, trail, request.validators)

    async def get_exactly(self, url: str) -> Fetched:
        """No redirect is followed; ``body`` is there for any 2xx."""
        with trail_from(url) as trail:
            patience = _Patience(self._limits.total)
            answer = await self._ask("GET", trail.url, self._standing, patience, wanted=range(200, 300))
            return self._fetched(answer, trail, Validators())

    async def post(self, url: str, form: Mapping[str, str]) -> Fetched:
        """As ``post_bytes``."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.post_bytes(url, urlencode(form).encode(), headers)

    async def post_bytes(self, url: str, body: bytes, headers: Mapping[str, str]) -> Fetched:
        """Never sent twice, not even when the connection breaks; no redirect is followed; no body comes back."""
        with trail_from(url) as trail:
            own = self._with(_own_headers(list(headers.items())))
            patience = _Patience(self._limits.total)
            answer = await self._ask("POST", trail.url, own, patience, body, wanted=())
            return self._fetched(answer, trail, Validators())

    def _with(self, more: RawHeaders) -> RawHeaders:
        names = {name.lower() for name, _ in more}
        return [header for header in self._standing if header[0].lower() not in names] + more

    async def _ask(
        self,
        method: str,
        url: httpx2.URL,
        headers: RawHeaders,
        patience: _Patience,
        content: bytes = b"",
        wanted: Container[int] = (200,),
    ) -> Answer:
        host = url.netloc.decode("ascii")
        async with self._hosts.turn(host), patience.tried():
            if self._behind_proxy:
                await self._network.check(url.raw_host.decode("ascii"), port_of(url))
            answer = await self._exchange.ask(method, url, headers, content, wanted)
            if answer.status in (429, 503):
                self._hosts.let_rest(host, answer.headers.retry_after(self._now()) or 0)
            return answer

    def _fetched(self, answer: Answer, trail: Trail, asked: Validators) -> Fetched:
        now = self._now()
        content_type, charset = answer.headers.content_type()
        validators = answer.headers.validators()
        if answer.status == 304:
            validators = Validators(
                etag=validators.etag or asked.etag, last_modified=validators.last_modified or asked.last_modified
            )
        links = answer.headers.links(trail.url)
        return Fetched(
            url=str(trail.url),
            status=answer.status,
            body=answer.body,
            content_type=content_type,
            charset=charset,
            moved_to=trail.moved_to if answer.status in (200, 304) else None,
            validators=validators,
            fresh_for=answer.headers.fresh_for(now),
            retry_after=answer.headers.retry_after(now),
            hub=links.get("hub"),
            itself=links.get("self"),
        )


class _Patience:
    """The time one ``get`` may take over all its redirects; waiting for a turn is not the server's fault."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @asynccontextmanager
    async def tried(self) -> AsyncIterator[None]:
        began = time.monotonic()
        async with asyncio.timeout(self._left):
            yield
        self._left -= time.monotonic() - began


def _headers(pairs: Sequence[tuple[str, str]]) -> RawHeaders:
    """Raises FetchError that names the header and never its value."""
    for name, value in pairs:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise FetchError(f'the header "{escaped(name)}" has characters that HTTP does not allow')
    return [(name.encode("ascii"), value.strip().encode("latin-1")) for name, value in pairs]


def _own_headers(pairs: Sequence[tuple[str, str]]) -> RawHeaders:
    for name, _ in pairs:
        if name.lower() in _OURS:
            raise FetchError(f'the header "{name}" is not for sources to set')
    return _headers(pairs)


def _conditions(validators: Validators) -> RawHeaders:
    """Validators that HTTP does not allow are left out: better the whole document than never again."""
    pairs = (("If-None-Match", validators.etag), ("If-Modified-Since", validators.last_modified))
    return _headers([(name, value) for name, value in pairs if value and _VALUE.fullmatch(value)])


def _read_proxy(text: str) -> httpcore2.Proxy:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigError("this is not a valid address", "[fetch] proxy") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError('write it as "http://HOST:PORT"', "[fetch] proxy")
    place = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=port_of(url), target=b"/")
    return httpcore2.Proxy(place, auth=(url.username.encode(), url.password.encode()) if url.userinfo else None)
