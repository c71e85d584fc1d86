"""Atom 1.0 and RSS 2.0 from one document; the only importer of feedgen, whose traps end here.

The bytes depend on the document alone: no clock, no locale, no version number in them.
"""

from __future__ import annotations

from email.utils import format_datetime
from html import escape
from typing import Any

import feedgen.entry
import feedgen.feed

from feed_publisher.compose.feedcheck import legal
from feed_publisher.compose.jsonfeed import name_of, names_of, render_json, title_of
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import FeedDocument, FeedFormat, FeedItem

GENERATOR = "feed-publisher"
TTL_MINUTES = 30
"""The same as max-age of the feed's HTTP answer."""

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LINK_ATTRIBUTES = ("rel", "type", "hreflang", "title", "length")


# feedgen's own formatRFC2822 sets the locale of the whole process and back, which leaks between threads.
feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = format_datetime


class _Entry(feedgen.entry.FeedEntry):  # type: ignore[misc]
    """FeedEntry whose Atom links keep their attributes (feedgen issue #135) and which may have its own language."""

    language: str | None = None

    def atom_entry(self, extensions: bool = True) -> Any:
        element = super().atom_entry(extensions)
        for link_element, link in zip(element.iterfind("link"), self.link(), strict=True):
            for name in _LINK_ATTRIBUTES:
                if link.get(name):
                    link_element.set(name, link[name])
        if self.language:
            element.set(_XML_LANG, self.language)
        return element


def render(document: FeedDocument, format: FeedFormat) -> bytes:
    """FeedError when the format cannot say what the document holds: no title, a date without zone."""
    renderers = {FeedFormat.ATOM: render_atom, FeedFormat.RSS: render_rss, FeedFormat.JSON: render_json}
    try:
        return renderers[format](document)
    except ValueError as error:
        raise FeedError(f"{document.urls[format]} cannot be written: {error}") from error


def render_atom(document: FeedDocument) -> bytes:
    feed = _feed(document, FeedFormat.ATOM)
    feed.author({"name": feed.title()})  # RFC 4287 §4.1.1: for the entries that name nobody
    for item in document.items:
        entry = _add_entry(feed, item)
        if item.summary:
            entry.summary(legal(item.summary), type="text")
        if item.language and item.language != document.language:
            entry.language = legal(item.language)
    return bytes(feed.atom_str(pretty=True))


def render_rss(document: FeedDocument) -> bytes:
    feed = _feed(document, FeedFormat.RSS)
    feed.load_extension("dc", atom=False)  # RSS's own author element wants an e-mail address
    feed.ttl(TTL_MINUTES)
    feed.docs("")
    for item in document.items:
        entry = _add_entry(feed, item)
        if item.summary:
            entry.summary(escape(legal(item.summary), quote=False))  # RSS readers take a description for HTML
        entry.dc.dc_creator(names_of(item))
        if item.language and item.language != document.language:
            entry.dc.dc_language(legal(item.language))
    return bytes(feed.rss_str(pretty=True))


def _feed(document: FeedDocument, format: FeedFormat) -> Any:
    feed = feedgen.feed.FeedGenerator()
    feed.id(legal(document.id))
    feed.title(legal(document.title))
    feed.subtitle(legal(document.subtitle) or legal(document.title))  # RSS requires a description
    feed.updated(document.updated)  # feedgen's default is now
    feed.language(legal(document.language))
    feed.generator(GENERATOR)
    feed.link(href=legal(document.urls[format]), rel="self", type=f"application/{format}+xml")
    feed.link(href=legal(document.page_url), rel="alternate", type="text/html")  # RSS's link is the last one
    return feed


def _add_entry(feed: Any, item: FeedItem) -> Any:
    entry = feed.add_entry(_Entry(), order="append")  # feedgen's default reverses the feed
    entry.id(legal(item.id))
    entry.title(title_of(item))  # an entry without one would cost the whole feed
    entry.published(item.published)
    entry.updated(item.updated)  # feedgen's default is now
    entry.link(href=legal(item.url), rel="alternate", type="text/html")
    entry.author([{"name": name} for name in names_of(item)])
    entry.category([{"term": topic.slug, "label": name_of(topic)} for topic in item.topics])
    if item.content_html:
        entry.content(legal(item.content_html), type="html")
    return entry
