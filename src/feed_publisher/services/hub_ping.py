"""Hubs of others are told which feeds have changed (W3C WebSub, the publisher's part).

What is due follows from what each hub was last told and from the bytes that are out, so publishing neither waits nor
fails for a hub, and a restart forgets nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feed_publisher.domain.websub import RETRIES, pause_after
from feed_publisher.ports.websub import Caller, Ping, PingStore
from feed_publisher.services.calling import BATCH, CLAIMED, Round

log = logging.getLogger("feed_publisher")

CALM = timedelta(seconds=20)
"""However often a feed changes, a hub is told of it no more often than this."""


@dataclass(frozen=True, slots=True)
class HubPings:
    """``tell(about, sentence)`` tells the operator, once for each ``about``."""

    pings: PingStore
    hubs: Sequence[str]
    base_url: str
    tell: Callable[[str, str], object]
    clock: Callable[[], datetime]

    async def run(self, caller: Caller) -> None:
        """Tell all hubs all that is due."""
        calls = Round()
        while claimed := await asyncio.to_thread(self._claim):
            await calls.call(claimed, lambda ping: ping.hub, lambda ping: self._post(ping, caller), self._settle)

    def _claim(self) -> list[Ping]:
        now = self.clock()
        return [ping for hub in self.hubs for ping in self.pings.claim(hub, now + CLAIMED, now, BATCH)]

    async def _post(self, ping: Ping, caller: Caller) -> str:
        """What is wrong, or "". The form is for hubs to say: older ones read hub.url, newer ones hub.topic."""
        topic = f"{self.base_url}/{ping.path}"
        answer = await caller.post(ping.hub, {"hub.mode": "publish", "hub.url": topic, "hub.topic": topic})
        return "" if answer.status // 100 == 2 else f"it answers {answer.status}"

    def _settle(self, ping: Ping, error: str) -> None:
        now = self.clock()
        if not error:
            self.pings.told(ping, now + CALM)
        elif ping.failures < len(RETRIES):
            self.pings.failed(ping, now + pause_after(ping.failures + 1), error)
        else:
            self.pings.given_up(ping, now + CALM, error)
            log.warning("the hub %s was not told of %s: %s", ping.hub, ping.path, error)
            sentence = (
                f"The hub {ping.hub} cannot be told of changes ({error}); it was tried {len(RETRIES) + 1} times. "
                "It is told of the next change; readers who rely on it wait until they look by themselves."
            )
            self.tell(f"hub {now:%Y-%m} {ping.hub}", sentence)  # a hub that stays away is told of once a month
