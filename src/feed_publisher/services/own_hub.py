"""Our own WebSub hub: subscribers of our feeds get each change at once (W3C WebSub, the hub's part).

It knows only our feeds, and calls nobody who has not answered with our challenge. `services/hub.py` is the other
side: there we are a subscriber of the hubs of others.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.compose.packing import Packed
from feed_publisher.domain.errors import FeedPublisherError, NotFoundError
from feed_publisher.domain.websub import (
    CONTENT_TYPES,
    HubMode,
    HubRequest,
    denial,
    host_of,
    pause_after,
    read_request,
    server_of,
    signature,
)
from feed_publisher.ports.feeds import FeedFiles
from feed_publisher.ports.websub import Caller, HubLimits, HubStore, HubSubscription
from feed_publisher.services.calling import BATCH, CLAIMED, Round

log = logging.getLogger("feed_publisher")

LIMITS = HubLimits()


class HubFull(FeedPublisherError):
    """There is no room for another subscription or request now."""


@dataclass(frozen=True, slots=True)
class OwnHub:
    """``address`` is the hub's own. Of callbacks only the host is logged: the rest may be a secret."""

    store: HubStore
    files: FeedFiles
    base_url: str
    address: str
    clock: Callable[[], datetime]
    limits: HubLimits = LIMITS

    def accept(self, form: Mapping[str, str]) -> None:
        """Note what is asked; ``verify`` looks into it. Raises InputError, NotFoundError, HubFull."""
        request = read_request(form, self.base_url, secrets.token_urlsafe(32))
        etag = self.store.etag(request.path)
        if etag is None:
            raise NotFoundError(f"there is no feed {request.topic}")
        if not self.store.ask(request, etag, self.limits, self.clock()):
            raise HubFull("this hub has too many subscriptions or open requests, or too many of this host")

    # --- verification of intent

    async def verify(self, caller: Caller) -> None:
        """Ask those who are said to have asked; what they confirm is done."""
        calls = Round()
        while claimed := await asyncio.to_thread(self.store.claim_requests, *self._claim()):
            await calls.call(claimed, _server, lambda request: self._ask(request, caller), self._answered)

    async def _ask(self, request: HubRequest, caller: Caller) -> str:
        """Why the request is not confirmed, or ""."""
        ours = request.topic == f"{self.base_url}/{request.path}"  # base_url may be another one by now
        if not ours or await asyncio.to_thread(self.store.etag, request.path) is None:
            await caller.get_exactly(denial(request.topic, request.callback))
            return "its feed is gone"
        answer = await caller.get_exactly(request.verification)
        if answer.status // 100 != 2:
            return f"it answers {answer.status}"
        same = secrets.compare_digest(answer.body, request.challenge.encode())
        return "" if same else "it does not answer with the challenge"

    def _answered(self, request: HubRequest, error: str) -> None:
        if error:
            self.store.refuse(request)
            log.info("hub: %s of %s by %s is not confirmed: %s", request.mode, request.path, _host(request), error)
        elif self.store.confirm(request, self.clock()):
            done = "unsubscribes from" if request.mode is HubMode.UNSUBSCRIBE else "subscribes to"
            log.info("hub: %s %s %s", _host(request), done, request.path)

    # --- content distribution

    async def distribute(self, caller: Caller) -> None:
        """Deliver every feed that has changed to its subscribers, and tell those whose feed is gone."""
        await asyncio.to_thread(self.store.end_leases, self.clock())
        calls = Round()
        while strays := await asyncio.to_thread(self.store.take_strays, self.base_url, BATCH):
            await calls.call(strays, _server, lambda stray: self._deny(stray, caller), self._denied)
        while claimed := await asyncio.to_thread(self.store.claim_deliveries, *self._claim()):
            await calls.call(claimed, _server, lambda each: self._deliver(each, caller), self._delivered)

    async def _deliver(self, subscription: HubSubscription, caller: Caller) -> str:
        """Why the feed has not arrived, or ""."""
        body = await asyncio.to_thread(self.files.read, subscription.path)
        if body is None or Packed(body).etag != subscription.etag:
            return "its feed is not here yet"  # just replaced, or on its way from another machine
        answer = await caller.post_bytes(subscription.callback, body, self._headers(subscription, body))
        return "" if answer.status // 100 == 2 else f"it answers {answer.status}"

    def _headers(self, subscription: HubSubscription, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": CONTENT_TYPES[subscription.path.rpartition(".")[2]],
            "Link": f'<{self.address}>; rel="hub", <{subscription.topic}>; rel="self"',
        }
        if subscription.secret:
            headers["X-Hub-Signature"] = signature(body, subscription.secret)
        return headers

    def _delivered(self, subscription: HubSubscription, error: str) -> None:
        """A subscription outlives every other failure, until its lease ends."""
        now = self.clock()
        if not error:
            self.store.delivered(subscription, now)
        elif error == _GONE:
            self.store.drop(subscription)
            log.info("hub: %s wants %s no more", _host(subscription), subscription.path)
        else:
            self.store.failed(subscription, now + pause_after(subscription.failures + 1), error)
            log.info("hub: %s has not got %s: %s", _host(subscription), subscription.path, error)

    async def _deny(self, subscription: HubSubscription, caller: Caller) -> str:
        """Said once: it is a courtesy."""
        answer = await caller.get_exactly(denial(subscription.topic, subscription.callback))
        return "" if answer.status // 100 == 2 else f"it answers {answer.status}"

    def _denied(self, subscription: HubSubscription, error: str) -> None:
        told = f"which it could not be told: {error}" if error else "which it was told"
        log.info("hub: %s has lost %s, %s", _host(subscription), subscription.path, told)

    def _claim(self) -> tuple[datetime, datetime, int]:
        now = self.clock()
        return now + CLAIMED, now, BATCH


_GONE = "it answers 410"
"""How a subscriber says goodbye."""


def _host(either: HubRequest | HubSubscription) -> str:
    return host_of(either.callback)


def _server(either: HubRequest | HubSubscription) -> str:
    return server_of(either.callback)
