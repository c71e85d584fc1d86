"""Calling many servers: at the same time, but each in turn, so that a slow one holds up no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from feed_publisher.domain.errors import FetchError

T = TypeVar("T")

PARALLEL = 10
"""Servers that are called at the same time."""

BATCH = 20
"""Calls that are claimed together."""

CLAIMED = timedelta(minutes=4)
"""How long they are ours: a batch of calls of ten seconds, all to one server, is done by then."""

GRACE, USUAL = 5.0, 0.5
"""Seconds that a server may take in one round: once, and more for each call."""


@dataclass(slots=True)
class Round:
    """A server that cannot be reached, or is too slow, is not called again in the same round.

    ``down``: why, by server. ``seconds`` is a clock that only runs forward.
    """

    seconds: Callable[[], float] = time.monotonic
    down: dict[str, str] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)

    async def call(
        self,
        items: Sequence[T],
        server: Callable[[T], str],
        call: Callable[[T], Awaitable[str]],
        settle: Callable[[T, str], object],
    ) -> None:
        """Call and settle each. ``call`` returns what is wrong, or "", and may raise FetchError."""
        gate = asyncio.Semaphore(PARALLEL)
        groups: dict[str, list[T]] = {}
        for item in items:
            groups.setdefault(server(item), []).append(item)

        async def in_turn(name: str) -> None:
            async with gate:
                for item in groups[name]:
                    error = self.down.get(name) or await self._one(name, call(item))
                    await asyncio.to_thread(settle, item, error)

        ended = await asyncio.gather(*map(in_turn, groups), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error  # the others went on to their end

    async def _one(self, server: str, call: Awaitable[str]) -> str:
        began = self.seconds()
        try:
            error = await call
        except FetchError as failure:
            error = self.down[server] = failure.reason
        self._left[server] = self._left.get(server, GRACE) + USUAL - (self.seconds() - began)
        if self._left[server] < 0:
            self.down.setdefault(server, "it is too slow")
        return error
