"""Whose turn it is: few requests at once to one host, none while it has asked to be left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from feed_publisher.domain.errors import FetchError

_LONGEST_REST = timedelta(hours=1)


class Hosts:
    """Turns to talk. The host's own comes first, so that a slow host cannot hold all places of the others."""

    def __init__(self, connections: int, per_host: int, now: Callable[[], datetime]) -> None:
        self._all = asyncio.Semaphore(connections)
        self._per_host = per_host
        self._now = now
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._resting: dict[str, datetime] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a place. Raises FetchError at once while the host rests."""
        self._refuse_resting(host)
        place = self._places.get(host)
        if place is None:
            place = self._places[host] = asyncio.Semaphore(self._per_host)
        async with place, self._all:
            self._refuse_resting(host)  # it may have asked for it while we waited
            yield

    def let_rest(self, host: str, seconds: int) -> None:
        """The host answered 429 or 503 with Retry-After."""
        now = self._now()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        self._resting[host] = now + min(timedelta(seconds=seconds), _LONGEST_REST)

    def _refuse_resting(self, host: str) -> None:
        until = self._resting.get(host)
        if until is not None and until > self._now():
            raise FetchError(f"{host} has asked to be left alone until {until:%H:%M:%S} UTC")
