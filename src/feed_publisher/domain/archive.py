"""Kinds of feeds, and how a feed is parted: the live document with the newest entries, archive pages with the others.

Pages are cut from the oldest end and then stay as they are (RFC 5005 §4). A page is known by its newest entry and
holds everything older, down to the newest entry of the page before it; so the pages and the live document together
hold each entry exactly once, wherever an entry that comes late belongs.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum


class FeedKind(StrEnum):
    """What the entries of a feed have in common."""

    ALL = "all"
    TOPIC = "topic"
    AUTHOR = "author"
    LANGUAGE = "language"
    DIGEST = "digest"  # its issues, not articles
    NAMED = "named"  # several topics, by the configuration
    COMBINED = "combined"  # several topics, by whoever asked for it
    GONE = "gone"  # its files are to be removed


LIVE_MOST = 50
LIVE_LEAST = 20
"""Entries of a live document."""

LIVE_LARGE = 30
"""From so many on, entries of a live document that is too large for its readers go into a page."""

PAGE = 30
"""Entries of an archive page when it is cut."""

PAGE_MOST = 60
"""Entries that come late make a page grow up to this; then it is parted."""

TOPICS_MOST = 8
"""Topics of one combined feed."""

GONE_AFTER = timedelta(days=30)
"""For so long the feed of an ended topic says so itself; then its files are removed, and it is answered 410."""

COMBINED_LONGEST = 230
"""Characters of its address: a file's name has 255 bytes, and form, extension and coding follow."""


def fits_together(slugs: Collection[str]) -> bool:
    """Whether so many topics, with addresses of such a length, may make one feed."""
    return len(slugs) <= TOPICS_MOST and len("+".join(slugs)) <= COMBINED_LONGEST


def page_sizes(count: int, most: int = LIVE_MOST) -> list[int]:
    """How many entries the pages take, oldest first, so that the live document has at most ``most`` of ``count``.

    >>> page_sizes(50), page_sizes(51), page_sizes(110)
    ([], [30], [30, 30])
    >>> page_sizes(30, LIVE_LARGE - 1)
    [10]
    >>> page_sizes(15, 7)
    [8]
    """
    sizes: list[int] = []
    while count > most:
        sizes.append(min(PAGE, count - min(LIVE_LEAST, most)))
        count -= sizes[-1]
    return sizes


def part_sizes(count: int) -> list[int]:
    """How many entries the parts of an overgrown page take, oldest first; the last part stays the page it was.

    >>> part_sizes(61), part_sizes(9)
    ([30, 31], [4, 5])
    """
    parts = min(count, max(2, round(count / PAGE)))
    return [count * (part + 1) // parts - count * part // parts for part in range(parts)]
