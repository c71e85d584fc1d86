"""How often strangers get something that costs: whole feeds, letters to an address they have typed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

BURST = 5
"""Whole answers at once: a reader fetches a feed two or three times when it is added."""

EVERY = 60.0
"""Seconds until one more is granted."""

REMEMBERED = 20_000
"""Askers and what they ask for; those that have not asked for the longest time are forgotten."""

ASKED_BURST = 20
ASKED_EVERY = 180.0
"""Letters that one network can have sent at once, and seconds until one more: an office subscribes together."""


class Limits:
    """A bucket of ``burst`` tokens for each (asker, name), in memory. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], burst: int = BURST, every: float = EVERY) -> None:
        self._clock = clock
        self._burst = burst
        self._every = every
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def wait(self, asker: str, name: str) -> int:
        """Seconds to wait before this asker may have this again; 0: it may, and one token is spent."""
        now, key = self._clock(), (asker, name)
        full_at = max(self._full_at.pop(key, now), now)
        missing = (full_at - now) / self._every
        if missing <= self._burst - 1:
            full_at += self._every
        self._full_at[key] = full_at
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        return 0 if missing <= self._burst - 1 else max(1, round((missing - (self._burst - 1)) * self._every))


def network_of(address: str) -> str:
    """What one person or office has: /24 of IPv4, /64 of IPv6; "" for this machine and for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped  # as a socket for both versions sees it: all of IPv4 would be one network
    if parsed.is_loopback:
        return ""
    return str(ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))
