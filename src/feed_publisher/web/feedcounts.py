"""How many follow each feed, without noting who: only numbers leave this module, and they cannot be taken apart.

Services that fetch for many people say for how many in their User-Agent ("Feedly/1.0 (…; 42 subscribers)"). Everybody
else is counted once a day, by a hash with a salt that is never stored and is another one each day.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from feed_publisher.ports.feeds import FeedUse

_SUBSCRIBERS = re.compile(rb"(?<!\d)(\d{1,7})\s+(?:subscribers?|readers?)\b", re.IGNORECASE)
_FEED_ID = re.compile(rb"feed-?id[=:]\s*\w+", re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z][\w.-]*")
READERS_MOST = 20_000
READERS_OF_ALL = 500_000
"""Hashes kept per feed and day, and of all feeds, about 40 MB; beyond that new readers are not told from known ones."""

SERVICES_MOST = 100
FEEDS_MOST = 20_000


@dataclass(slots=True)
class _Day:
    """One feed on one day. ``services``: the largest number that each has said."""

    polls: int = 0
    pollers: set[int] = field(default_factory=set)
    services: dict[bytes, int] = field(default_factory=dict)
    changed: bool = False


class FeedCounts:
    """Counts of this process and day, in memory. ``today`` is the day in UTC."""

    def __init__(self, today: Callable[[], date]) -> None:
        self._today = today
        self._day = today()
        self._salt = secrets.token_bytes(16)
        self._feeds: dict[str, _Day] = {}
        self._readers = 0
        self._left: list[FeedUse] = []

    def note(self, path: str, address: str, program: bytes) -> None:
        """Somebody has asked for a feed."""
        self._turn()
        if path not in self._feeds and len(self._feeds) >= FEEDS_MOST:
            return
        feed = self._feeds.setdefault(path, _Day())
        feed.polls += 1
        feed.changed = True
        found = _SUBSCRIBERS.search(program)
        if found is None:
            self._add(feed, hash((self._salt, address, program)))
            return
        # Some services fetch one feed several times, for different ids of theirs; they say so.
        name = _NAME.match(program)
        service = (name[0] if name else b"") + b"".join(_FEED_ID.findall(program))
        if service in feed.services or len(feed.services) < SERVICES_MOST:
            feed.services[service] = max(feed.services.get(service, 0), int(found[1]))

    def _add(self, feed: _Day, reader: int) -> None:
        if reader not in feed.pollers and len(feed.pollers) < READERS_MOST and self._readers < READERS_OF_ALL:
            feed.pollers.add(reader)
            self._readers += 1

    def drain(self) -> list[FeedUse]:
        """What has changed since the last time; the numbers are those of the whole day so far."""
        self._turn()
        uses, self._left = self._left + self._changed(), []
        return uses

    def _turn(self) -> None:
        """Begin a new day when there is one."""
        today = self._today()
        if today != self._day:
            self._left += self._changed()
            self._day, self._salt, self._feeds, self._readers = today, secrets.token_bytes(16), {}, 0

    def _changed(self) -> list[FeedUse]:
        uses = []
        for path, feed in self._feeds.items():
            if feed.changed:
                feed.changed = False
                readers = len(feed.pollers) + sum(feed.services.values())
                uses.append(FeedUse(path=path, day=self._day, polls=feed.polls, readers=min(readers, 2**31 - 1)))
        return uses
