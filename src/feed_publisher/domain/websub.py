"""WebSub from the publisher's side (W3C Recommendation, 23 January 2018): what is a topic, leases, retries."""

from __future__ import annotations

import re
from datetime import timedelta

LEASE = timedelta(days=10)
SHORTEST_LEASE = timedelta(hours=1)
LONGEST_LEASE = timedelta(days=30)

SECRET_MOST = 199
CALLBACK_MOST = 2048
PER_HOST = 1000
IN_ALL = 20_000
"""Subscriptions of our hub: to callbacks on one host, and altogether."""

RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""After so long it is tried again; then the next change of the feed is waited for."""

_TOPIC = re.compile(r"feeds/(?:(?:authors|lang|digests)/)?[a-z0-9+-]+(?:\.(?:full|summary))?\.(?:atom|rss|json)")


def is_topic(path: str) -> bool:
    """Whether a file is a live document: archive pages are none, nor is the list of feeds."""
    return _TOPIC.fullmatch(path) is not None


def lease(seconds: int | None) -> timedelta:
    """How long a subscription lasts that asks for so many seconds; never for ever (WebSub §5.3)."""
    asked = LEASE if seconds is None else timedelta(seconds=min(max(seconds, 0), 10**8))
    return min(max(asked, SHORTEST_LEASE), LONGEST_LEASE)


def retry(failures: int) -> timedelta | None:
    """How long to wait after so many failures in a row; None: no more."""
    return RETRIES[failures - 1] if failures <= len(RETRIES) else None
