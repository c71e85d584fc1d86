"""What hubs are told, and what our own hub knows. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.websub import HubRequest
from feed_publisher.ports.pickup import Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A hub is to be told that the feed at ``path`` is now ``etag``; it is ours to do ``until`` then.

    ``failures`` counts those in a row since the hub was last told, or given up.
    """

    hub: str
    path: str
    etag: str
    failures: int
    until: datetime


class PingStore(Protocol):
    """What each hub was last told of each feed."""

    def claim(self, hub: str, until: datetime, now: datetime, limit: int) -> list[Ping]:
        """The feeds that have changed since the hub was told; nobody else gets them before ``until``."""
        ...

    def told(self, ping: Ping, again: datetime) -> None:
        """The hub knows; it is told of the next change not before ``again``."""
        ...

    def failed(self, ping: Ping, again: datetime, error: str) -> None: ...
    def given_up(self, ping: Ping, again: datetime, error: str) -> None:
        """The hub is told of this feed no more, until its bytes change again, and not before ``again``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLimits:
    """How many subscriptions and unanswered requests our hub takes, from one host and in all."""

    per_host: int = 1000
    total: int = 20_000
    waiting_per_host: int = 100
    waiting: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSubscription:
    """A callback that gets a topic, as long as its lease lasts. ``etag``: what is to be delivered, "" for nothing.

    It is ours to do ``until`` then. ``failures`` counts those in a row.
    """

    key: str
    topic: str
    path: str
    callback: str
    secret: str = field(repr=False)
    etag: str
    failures: int
    until: datetime


class HubStore(Protocol):
    """The requests and subscriptions of our own hub."""

    def etag(self, path: str) -> str | None:
        """Of a feed that is out now; None for what is no topic."""
        ...

    def ask(self, request: HubRequest, etag: str, limits: HubLimits, now: datetime) -> bool:
        """Keep a request, in place of an earlier one of the same topic and callback. False where there is no room."""
        ...

    def claim_requests(self, until: datetime, now: datetime, limit: int) -> list[HubRequest]:
        """The longest waiting; nobody else gets them before ``until``."""
        ...

    def confirm(self, request: HubRequest, now: datetime) -> bool:
        """Do what was asked; the lease begins. False when another request has taken its place meanwhile."""
        ...

    def refuse(self, request: HubRequest) -> None:
        """Forget the request; a subscription that is there stays as it is."""
        ...

    def claim_deliveries(self, until: datetime, now: datetime, limit: int) -> list[HubSubscription]:
        """Those whose feed has changed since its last delivery; nobody else gets them before ``until``."""
        ...

    def delivered(self, subscription: HubSubscription, now: datetime) -> None: ...
    def failed(self, subscription: HubSubscription, again: datetime, error: str) -> None: ...
    def drop(self, subscription: HubSubscription) -> None: ...
    def end_leases(self, now: datetime) -> int:
        """Drop what has run out; how many."""
        ...

    def take_strays(self, base_url: str, limit: int) -> list[HubSubscription]:
        """Drop those whose topic is not ours any more; they are to be told."""
        ...


class Caller(Protocol):
    """The one HTTP client, for hubs and what strangers gave us. Any status is an answer; raises FetchError."""

    async def get_exactly(self, url: str) -> Fetched:
        """No redirect is followed; ``body`` is there for any 2xx."""
        ...

    async def post(self, url: str, form: Mapping[str, str]) -> Fetched:
        """A form; as ``post_bytes``."""
        ...

    async def post_bytes(self, url: str, body: bytes, headers: Mapping[str, str]) -> Fetched:
        """No redirect is followed; no body comes back."""
        ...
