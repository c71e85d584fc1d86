"""What the feeds' front is told of addresses without a file: old ones, ended ones, and feeds made when asked for."""

from __future__ import annotations

import asyncio
import re

from feed_publisher.app import App
from feed_publisher.domain.archive import GONE_AFTER

_ADDRESS = re.compile(r"/(?:topics/([a-z0-9-]+)|feeds/([a-z0-9+-]+)((?:[./].*)?\.(?:atom|rss|json)))")

_PLAIN = re.compile(r"/[a-z0-9./+-]*")


class Directory:
    """web.feeds.FeedDirectory of one site. The configuration is read when the site starts, and so is this."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._aliases = app.topics.aliases()
        self._over = {slug: since + GONE_AFTER for slug, since in app.topics.ended().items()}
        self._usual = f".{app.settings.site.feeds}."
        self._old = old_addresses(app)

    def moved(self, path: str) -> str | None:
        if (target := self._old.get(path.rstrip("/"))) is not None:
            return target
        if not _PLAIN.fullmatch(path):
            return None  # whatever stands in it would stand in a header
        if self._usual in path and path.startswith("/feeds/"):
            return path.replace(self._usual, ".", 1)
        return self._renamed(path) if self._aliases else None

    def _renamed(self, path: str) -> str | None:
        found = _ADDRESS.fullmatch(path)
        if found is None:
            return None
        topic, slug, rest = found.groups()
        if topic:
            return f"/topics/{self._aliases[topic]}" if topic in self._aliases else None
        now = "+".join(sorted({self._aliases.get(part, part) for part in slug.split("+")}))
        return f"/feeds/{now}{rest}" if now != slug and set(slug.split("+")) & self._aliases.keys() else None

    def ended(self, slug: str) -> bool:
        return slug in self._over and self._app.clock() >= self._over[slug]

    async def make(self, slug: str, form: str) -> bool:
        return await asyncio.to_thread(self._app.make_feed, slug, bool(form))


def old_addresses(app: App) -> dict[str, str]:
    """Where the feeds that people followed before are now, by path without the last slash."""
    site = app.settings
    old = dict.fromkeys(site.site.old_feeds, "all")
    old |= {path: topic.slug for topic in site.topics for path in topic.old_feeds}
    return {path.rstrip("/"): f"/feeds/{slug}.{_format(path)}" for path, slug in old.items()}


def _format(path: str) -> str:
    """Readers keep the format that they had; most old feeds are RSS."""
    return next((format for format in ("atom", "json") if format in path.lower()), "rss")
