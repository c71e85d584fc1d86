"""WebSub, the publisher's part: hubs are told of changed feeds, and our own hub sends them to who has subscribed.

What is to be done is read from the database: files whose bytes are other ones than those told of last. So nothing is
told twice, several changes in a row are told once, and a restart forgets nothing. Publishing never waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from feed_publisher.domain.errors import FetchError, InputError
from feed_publisher.domain.websub import CALLBACK_MOST, SECRET_MOST, is_topic, lease, retry
from feed_publisher.ports.feeds import FeedFiles
from feed_publisher.ports.hubs import Asked, Distribution, HubStore, Ping, Verification
from feed_publisher.ports.pickup import HttpClient

log = logging.getLogger("feed_publisher")

T = TypeVar("T")

AT_ONCE = 10
"""Requests of one step that are under way at the same time."""

STEP = 50
SECONDS = 10.0
CLAIM = timedelta(minutes=2)
COALESCED = timedelta(seconds=20)
"""A hub is told of one feed no more often than this."""

TYPES = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}

Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Pinger:
    """Tells the hubs of others. ``local``: the site itself is on this machine only, and so must they be."""

    store: HubStore
    hubs: Sequence[str]
    base_url: str
    local: bool
    tell: Tell
    clock: Callable[[], datetime]

    async def step(self, client: HttpClient) -> int:
        """Tell of what has changed; how many times a hub was told."""
        hubs = [hub for hub in self.hubs if not self.local or is_local(hub)]
        if not hubs:
            return 0
        now = self.clock()
        due = await asyncio.to_thread(self.store.claim_pings, hubs, now + CLAIM, now, STEP)
        await _each(due, lambda ping: self._ping(ping, client))
        return len(due)

    async def _ping(self, ping: Ping, client: HttpClient) -> None:
        topic = f"{self.base_url}/{ping.path}"
        # The standard leaves the name open: older hubs know hub.url, newer ones hub.topic.
        form = {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic}
        problem = await _problem(client.post(ping.hub, form))
        now, failures = self.clock(), ping.failures + 1 if problem else 0
        if not problem:
            await asyncio.to_thread(self.store.pinged, ping, 0, now + COALESCED)
            return
        wait = retry(failures)
        log.warning("the hub %s cannot be told of %s: %s", ping.hub, ping.path, problem)
        if wait is None:  # as if it had been told: the next change is another matter
            sentence = f"The hub {ping.hub} could not be told of news ({problem}); readers get them when they ask."
            self.tell(f"hub {ping.hub} {now:%Y-%m-%d}", sentence)
            await asyncio.to_thread(self.store.pinged, ping, 0, now + COALESCED)
            return
        await asyncio.to_thread(self.store.pinged, ping, failures, now + wait)


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub of this site, for its own feeds alone (WebSub §5, §7). ``address`` is its own."""

    store: HubStore
    files: FeedFiles
    base_url: str
    clock: Callable[[], datetime]

    @property
    def address(self) -> str:
        return f"{self.base_url}/hub"

    def ask(self, form: dict[str, str]) -> None:
        """Take a request; it is confirmed later. Raises InputError for one that cannot be."""
        asked = self._read(form)
        if not self.store.is_out(asked.path):
            raise InputError("is no feed of this site", "hub.topic")
        if not self.store.ask(asked, (urlsplit(asked.callback).hostname or "")[:255], self.clock()):
            raise InputError("has too many subscriptions here", "hub.callback")

    def _read(self, form: dict[str, str]) -> Asked:
        mode, topic = form.get("hub.mode", ""), form.get("hub.topic", "")
        if mode not in ("subscribe", "unsubscribe"):
            raise InputError("must be subscribe or unsubscribe", "hub.mode")
        path = topic.removeprefix(f"{self.base_url}/")
        if path == topic or not is_topic(path):
            raise InputError("is no feed of this site", "hub.topic")
        secret = form.get("hub.secret", "")
        if len(secret.encode(errors="replace")) > SECRET_MOST or not secret.isprintable():
            raise InputError(f"must be at most {SECRET_MOST} bytes, all of them printable", "hub.secret")
        seconds = form.get("hub.lease_seconds", "")
        asked = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 12 else None
        lasting = int(lease(asked).total_seconds())
        return Asked(mode=mode, path=path, callback=_callback(form), secret=secret, lease=lasting)

    async def step(self, client: HttpClient) -> int:
        """Confirm what was asked, send what has changed; how many requests that took."""
        now = self.clock()
        await asyncio.to_thread(self.store.end_leases, now)
        asked = await asyncio.to_thread(self.store.claim_verifications, now + CLAIM, now, STEP)
        await _each(asked, lambda each: self._verify(each, client))
        news = await asyncio.to_thread(self.store.claim_distributions, now + CLAIM, now, STEP)
        await _each(news, lambda each: self._distribute(each, client))
        gone = await asyncio.to_thread(self.store.without_topic, STEP)
        await _each(gone, lambda each: self._deny(each, client))
        return len(asked) + len(news) + len(gone)

    async def _verify(self, verification: Verification, client: HttpClient) -> None:
        """Ask the callback whether it was really it (WebSub §5.3); a redirect or an error is no yes."""
        asked, challenge = verification.asked, secrets.token_urlsafe(32)
        query = {"hub.mode": asked.mode, "hub.topic": f"{self.base_url}/{asked.path}", "hub.challenge": challenge}
        if asked.mode == "subscribe":
            query["hub.lease_seconds"] = str(asked.lease)
        try:
            async with asyncio.timeout(SECONDS):
                answer = await client.once("GET", _with_query(asked.callback, query))
            confirmed = answer.status == 200 and answer.body == challenge.encode()
        except (FetchError, TimeoutError):
            confirmed = False
        if not confirmed:
            await asyncio.to_thread(self.store.reject, verification)
            return
        until = self.clock() + timedelta(seconds=asked.lease) if asked.mode == "subscribe" else None
        await asyncio.to_thread(self.store.confirm, verification, until)

    async def _distribute(self, due: Distribution, client: HttpClient) -> None:
        """Send the whole document. Only 2xx is a success; 410 ends the subscription (WebSub §7)."""
        body = await asyncio.to_thread(self.files.read, due.path)
        if body is None:
            return  # it is just being replaced, or on its way from another machine
        status = 0
        try:
            async with asyncio.timeout(SECONDS):
                status = (await client.once("POST", due.callback, self._headers(due, body), body)).status
        except (FetchError, TimeoutError) as error:
            log.info("a subscriber of %s cannot be reached: %s", due.path, error)
        await asyncio.to_thread(self._store_outcome, due, status, hashlib.sha256(body).hexdigest()[:32])

    def _headers(self, due: Distribution, body: bytes) -> list[tuple[str, str]]:
        links = f'<{self.address}>; rel="hub", <{self.base_url}/{due.path}>; rel="self"'
        headers = [("Content-Type", TYPES[due.path.rpartition(".")[2]]), ("Link", links)]
        if due.secret:
            signature = hmac.new(due.secret.encode(), body, "sha256").hexdigest()
            headers.append(("X-Hub-Signature", f"sha256={signature}"))
        return headers

    def _store_outcome(self, due: Distribution, status: int, etag: str) -> None:
        now, failures = self.clock(), due.failures + 1
        wait = retry(failures)
        if status == 410:
            self.store.end(due.id)
        elif status // 100 == 2 or wait is None:  # given up until the next change; the lease goes on
            self.store.distributed(due, etag, 0, now)
        else:
            self.store.distributed(due, due.etag, failures, now + wait)

    async def _deny(self, due: Distribution, client: HttpClient) -> None:
        """Say that the subscription has ended because its feed has (WebSub §5.2)."""
        query = {"hub.mode": "denied", "hub.topic": f"{self.base_url}/{due.path}", "hub.reason": "the feed has ended"}
        await _problem(client.once("GET", _with_query(due.callback, query)))
        await asyncio.to_thread(self.store.end, due.id)


def is_local(address: str) -> bool:
    """Whether an address names this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _callback(form: dict[str, str]) -> str:
    callback = form.get("hub.callback", "")
    try:
        parts = urlsplit(callback)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment
    except ValueError:
        fits = False
    if not fits or len(callback) > CALLBACK_MOST or any(c <= " " or c > "~" for c in callback):
        raise InputError(f"must be a web address of at most {CALLBACK_MOST} characters", "hub.callback")
    return callback


def _with_query(callback: str, query: dict[str, str]) -> str:
    """Appended to the callback's own query, which stays as it is."""
    return f"{callback}{'&' if urlsplit(callback).query else '?'}{urlencode(query)}"


async def _problem(request: Awaitable[object]) -> str:
    """What went wrong, or ""."""
    try:
        async with asyncio.timeout(SECONDS):
            answer = await request
    except FetchError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {SECONDS:.0f} seconds"
    status = getattr(answer, "status", 0)
    return "" if status // 100 == 2 else f"it answers {status}"


async def _each(items: Sequence[T], do: Callable[[T], Awaitable[None]]) -> None:
    """All of them, a few at the same time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> None:
        async with turn:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
