"""What a page says of itself."""

from __future__ import annotations

import re

from feed_publisher.domain.model import About
from feed_publisher.parse.fields import MAX_LINE
from feed_publisher.parse.pages.pagination import older_page
from feed_publisher.parse.pages.selectors import Chosen
from feed_publisher.parse.pages.tree import Element, Page, absolute, found_at, text_of, tokens
from feed_publisher.parse.text import clean, cut

MAX_FEEDS = 50
_FEED = re.compile(r"\s*application/(?:rss\+xml|atom\+xml|feed\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


def about(page: Page, chosen: Chosen, guess: bool) -> About:
    links = list(page.root.iter("link"))
    return About(
        kind="page",
        title=_title(page),
        language=page.language,
        generator=_meta(page, "//meta[@name='generator']/@content"),
        older=older_page(page, chosen, guess),
        hub=_related(page, links, "hub"),
        itself=_related(page, links, "self"),
        feeds=_feeds(page, links),
    )


def _title(page: Page) -> str:
    title = page.root.find(".//title")
    said = _meta(page, "//meta[@property='og:title']/@content") or ("" if title is None else text_of(title))
    heading = page.root.find(".//h1")
    return cut(said or ("" if heading is None else text_of(heading)), MAX_LINE)


def _meta(page: Page, path: str) -> str:
    found = found_at(page.root, path)
    return cut(clean(str(found[0])), MAX_LINE) if found else ""


def _related(page: Page, links: list[Element], relation: str) -> str | None:
    found = (absolute(page.base, link.get("href") or "") for link in links if relation in tokens(link, "rel"))
    return next(filter(None, found), None)


def _feeds(page: Page, links: list[Element]) -> tuple[str, ...]:
    """Those of comments are not about articles, so they come last."""
    found: dict[str, bool] = {}
    for link in links:
        address = absolute(page.base, link.get("href") or "")
        if address and "alternate" in tokens(link, "rel") and _FEED.fullmatch(link.get("type") or ""):
            found[address] = "comment" in f"{link.get('title')} {address}".lower()
    return tuple(sorted(found, key=lambda address: found[address]))[:MAX_FEEDS]
