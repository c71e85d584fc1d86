"""A source's own WebSub hub tells us of news (W3C WebSub, the subscriber's part).

What a hub sends is taken as a hint only: the source itself is visited then, so that a hub can neither add nor lose
an entry.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from feed_publisher.domain.errors import FetchError
from feed_publisher.domain.source import SourceRecord, SourceState
from feed_publisher.ports.pickup import Fetcher, SourceStore

log = logging.getLogger("feed_publisher")

LEASE = timedelta(days=10)
LONGEST_LEASE = timedelta(days=90)
ASKED = timedelta(hours=1)
"""How long a request is waited for, before it is made again."""

RENEW = timedelta(minutes=30)
"""Before its end a lease is renewed."""

EAGER = timedelta(seconds=10)
"""However often we are told, a source is visited no more often than this."""


@dataclass(frozen=True, slots=True)
class HubSubscriber:
    """``slugs`` are the configured sources. ``callback``: slug -> the address that the hub is to call. ``local``: only
    hubs on this machine could call it.
    """

    sources: SourceStore
    slugs: Collection[str]
    callback: Callable[[str], str]
    clock: Callable[[], datetime]
    local: bool = False

    async def renew(self, fetcher: Fetcher) -> None:
        """Ask every hub whose lease ends soon, or that was not asked yet."""
        dead: set[str | None] = set()
        for record in wanting(await asyncio.to_thread(self.sources.all), self.clock()):
            secret, now = secrets.token_hex(32), self.clock()
            host = urlsplit(record.hub).hostname
            if record.slug not in self.slugs or host in dead or (self.local and not _is_local(record.hub)):
                continue
            if not await asyncio.to_thread(self.sources.claim_hub, record.slug, secret, now + ASKED, now + RENEW):
                continue  # another process is asking
            form = {
                "hub.mode": "subscribe",
                "hub.topic": record.hub_topic,
                "hub.callback": self.callback(record.slug),
                "hub.secret": secret,
                "hub.lease_seconds": str(int(LEASE.total_seconds())),
            }
            try:
                answer = await fetcher.post(record.hub, form)
            except FetchError as error:
                log.warning("the hub of %s cannot be asked: %s", record.slug, error)
                dead.add(host)  # many sources may have the same one
                continue
            if answer.status // 100 != 2:
                log.warning("the hub of %s refuses: %s answers %d", record.slug, record.hub, answer.status)

    def verify(self, slug: str, mode: str, topic: str, lease_seconds: int | None) -> bool:
        """Whether we asked for what a hub wants to be confirmed; a confirmed lease begins."""
        record = self.sources.get(slug)
        if record is None or mode != "subscribe" or topic != record.hub_topic or not record.hub:
            return False
        if not self.sources.hub_secret(slug):
            return False  # it was another hub that we asked
        lease = LEASE if lease_seconds is None else timedelta(seconds=max(0, min(lease_seconds, 10**8)))
        self.sources.lease_hub(slug, self.clock() + min(max(lease, ASKED), LONGEST_LEASE))
        return True

    def told(self, slug: str, body: bytes, signature: str) -> bool:
        """Visit the source now, if the hub proves that it knows our secret (WebSub §8)."""
        secret = self.sources.hub_secret(slug)
        if not secret or not _is_signed(body, signature, secret):
            return False
        hasten(self.sources, slug, self.clock())
        return True


def hasten(sources: SourceStore, slug: str, now: datetime) -> None:
    """Have a source visited at once, unless it just was."""
    record = sources.get(slug)
    if record is not None and record.state is SourceState.ACTIVE:
        sources.hasten([slug], max(now, record.tried_at + EAGER) if record.tried_at else now)


def wanting(records: Sequence[SourceRecord], now: datetime) -> list[SourceRecord]:
    """Those whose hub is to be asked."""
    return [
        record
        for record in records
        if record.hub
        and record.hub_topic
        and record.state is SourceState.ACTIVE
        and (record.hub_until is None or record.hub_until - now < RENEW)
    ]


def _is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    method, _, given = signature.partition("=")
    if method not in ("sha1", "sha256", "sha384", "sha512"):
        return False
    expected = hmac.new(secret.encode(), body, method).hexdigest()
    return hmac.compare_digest(expected.encode(), given.strip().lower().encode())
