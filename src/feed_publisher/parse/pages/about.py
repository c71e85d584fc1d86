"""What a page says of itself."""

from __future__ import annotations

from feed_publisher.domain.model import About
from feed_publisher.parse.fields import MAX_LINE, absolute, is_feed_type
from feed_publisher.parse.pages.pagination import older_page
from feed_publisher.parse.pages.selectors import Chosen
from feed_publisher.parse.pages.tree import Element, Page, found_at, text_of, tokens
from feed_publisher.parse.text import clean, cut

MAX_FEEDS = 50


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
    found = (absolute(link.get("href"), page.base) for link in links if relation in tokens(link, "rel"))
    return next(filter(None, found), None)


def _feeds(page: Page, links: list[Element]) -> tuple[str, ...]:
    """Those of comments are not about articles, so they come last."""
    found: dict[str, bool] = {}
    for link in links:
        address = absolute(link.get("href"), page.base)
        if address and "alternate" in tokens(link, "rel") and is_feed_type(link.get("type") or ""):
            found[address] = "comment" in f"{link.get('title')} {address}".lower()
    return tuple(sorted(found, key=lambda address: found[address]))[:MAX_FEEDS]
