"""What telling of changed feeds needs (WebSub). A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A hub of others that is to be told that a file has changed; ``failures`` in a row so far."""

    hub: str
    path: str
    etag: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to our hub; ``mode`` is subscribe or unsubscribe, ``lease`` in seconds."""

    mode: str
    path: str
    callback: str
    secret: str = ""
    lease: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A request that its callback is to confirm."""

    id: int
    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A subscription that is to get a file as it is now."""

    id: int
    path: str
    callback: str
    secret: str
    etag: str
    failures: int


class HubStore(Protocol):
    """Who is to be told of changed feeds. What is claimed is for this process alone until ``until``."""

    def claim_pings(self, hubs: Sequence[str], until: datetime, now: datetime, limit: int) -> list[Ping]: ...
    def pinged(self, ping: Ping, failures: int, due_at: datetime) -> None: ...
    def is_out(self, path: str) -> bool: ...
    def ask(self, asked: Asked, host: str, now: datetime) -> bool:
        """Note a request; False when this host, or all together, have too many."""
        ...

    def claim_verifications(self, until: datetime, now: datetime, limit: int) -> list[Verification]: ...
    def confirm(self, verification: Verification, until: datetime | None) -> None:
        """Start the lease, or end the subscription when there is none."""
        ...

    def reject(self, verification: Verification) -> None:
        """What was before the request stays."""
        ...

    def claim_distributions(self, until: datetime, now: datetime, limit: int) -> list[Distribution]: ...
    def distributed(self, distribution: Distribution, etag: str, failures: int, due_at: datetime) -> None: ...
    def end(self, id: int) -> None: ...
    def end_leases(self, now: datetime) -> None: ...
    def without_topic(self, limit: int) -> list[Distribution]:
        """Subscriptions to feeds that are no more."""
        ...
