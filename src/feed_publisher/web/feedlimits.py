"""How often one asker gets a whole feed: often enough to subscribe, not so often as a broken reader asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

BURST = 5
"""Whole answers at once: a reader fetches a feed two or three times when it is added."""

EVERY = 60.0
"""Seconds until one more is granted."""

REMEMBERED = 20_000
"""Askers and feeds; those that have not asked for the longest time are forgotten."""


class FeedLimits:
    """A bucket of ``burst`` tokens for each (asker, feed), in memory. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], burst: int = BURST) -> None:
        self._clock = clock
        self._burst = burst
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def wait(self, asker: str, name: str) -> int:
        """Seconds to wait before this asker may have this feed again; 0: it may, and one token is spent."""
        now, key = self._clock(), (asker, name)
        full_at = max(self._full_at.pop(key, now), now)
        missing = (full_at - now) / EVERY
        if missing <= self._burst - 1:
            full_at += EVERY
        self._full_at[key] = full_at
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        return 0 if missing <= self._burst - 1 else max(1, round((missing - (self._burst - 1)) * EVERY))
