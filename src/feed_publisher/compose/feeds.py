"""Atom 1.0 and RSS 2.0 from one document; the only importer of feedgen, whose traps end here.

The bytes depend on the document alone: no clock, no locale, no version number in them. An entry looks the same in
every feed that contains it, so it is rendered once and the feeds are put together from such pieces.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from html import escape
from typing import Any

import feedgen.entry
import feedgen.feed
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.ext.dc import DcEntryExtension
from lxml import etree

from feed_publisher.compose.feedcheck import legal
from feed_publisher.compose.jsonfeed import json_frame, json_item, name_of, names_of, title_of
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import (
    Enclosure,
    FeedDocument,
    FeedFormat,
    FeedItem,
    FeedLayout,
    FeedPiece,
    Image,
    TopicRef,
)

GENERATOR = "feed-publisher"
TTL_MINUTES = 30
"""The same as max-age of the feed's HTTP answer."""

REMEMBERED = 1000
"""Rendered entries that are kept: those of a full rebuild come again in the feed of each of their topics."""

_OF_ATOM = {"fh": "http://purl.org/syndication/history/1.0", "media": "http://search.yahoo.com/mrss/"}
_OF_RSS = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    **_OF_ATOM,
}
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


class _Media(BaseEntryExtension):  # type: ignore[misc]
    """Media RSS for the picture, and in RSS for the files after the first: it has one enclosure."""

    item: FeedItem

    def extend_atom(self, entry: Any) -> Any:
        self._add_image(entry)
        return entry

    def extend_rss(self, entry: Any) -> Any:
        self._add_image(entry)
        for file in self.item.enclosures[1:]:
            size = {"fileSize": str(file.length)} if file.length else {}
            of_file = {"url": legal(file.url), "type": legal(file.type), **size}
            etree.SubElement(entry, _name("media", "content"), of_file)
        _add(entry, "atom", "updated", self.item.updated.isoformat())  # RSS itself cannot tell of a correction
        return entry

    def _add_image(self, entry: Any) -> None:
        image = self.item.image
        if image is None:
            return
        content = etree.SubElement(entry, _name("media", "content"), url=legal(image.url), medium="image")
        if image.alt:
            _add(content, "media", "description", legal(image.alt), type="plain")
        if image.credit:
            _add(content, "media", "credit", legal(image.credit))


class _History(BaseExtension):  # type: ignore[misc]
    """What feedgen cannot say of a feed: its archive (RFC 5005 §4), and in RSS the links that Atom has."""

    namespaces: dict[str, str]
    links: list[dict[str, str]]
    is_archive = False

    def extend_ns(self) -> dict[str, str]:
        return self.namespaces

    def extend_atom(self, feed: Any) -> Any:
        self._mark(feed)
        return feed

    def extend_rss(self, rss: Any) -> Any:
        (channel,) = rss
        for link in self.links:
            etree.SubElement(channel, _name("atom", "link"), link)
        self._mark(channel)
        return rss

    def _mark(self, parent: Any) -> None:
        if self.is_archive:
            etree.SubElement(parent, _name("fh", "archive"))


def lay_out(document: FeedDocument, format: FeedFormat) -> FeedLayout:
    """FeedError when the format cannot say what the document holds: no title, a date without zone."""
    frames = {FeedFormat.ATOM: _atom_frame, FeedFormat.RSS: _rss_frame, FeedFormat.JSON: json_frame}
    between = b",\n" if format is FeedFormat.JSON else b""
    try:
        head, tail = frames[format](document)
        pieces = [item if isinstance(item, FeedPiece) else piece_of(item) for item in document.items]
    except ValueError as error:
        raise FeedError(f"{document.urls[format]} cannot be written: {error}") from error
    return FeedLayout(head, between.join(piece.of(format) for piece in pieces), tail)


def render(document: FeedDocument, format: FeedFormat) -> bytes:
    """The whole document at once."""
    return lay_out(document, format).whole


def specimen() -> str:
    """Another whenever this module, feedgen or lxml would make another piece of an entry that has everything."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    file = Enclosure(url="https://a.example/b.mp3", type="audio/mpeg", length=1, title="b")
    everything = FeedItem(
        id="urn:a",
        url="https://a.example/",
        title="a & <b>",
        authors=("A", "B"),
        summary="c & <d>",
        content_html="<p>e &amp; f</p>",
        published=at,
        updated=at,
        topics=(TopicRef(slug="g", title="G & H"),),
        language="he",
        image=Image(url="https://a.example/i.png", alt="i", credit="j"),
        enclosures=(file, file),
    )
    return repr(piece_of(everything))


@lru_cache(REMEMBERED)
def piece_of(item: FeedItem) -> FeedPiece:
    """Raises ValueError when no entry can say what the item holds."""
    entry = _Entry()
    entry.id(legal(item.id))
    entry.title(title_of(item))  # an entry without one would cost the whole feed
    entry.published(item.published)
    entry.updated(item.updated)  # feedgen's default is now
    entry.link(href=legal(item.url), rel="alternate", type="text/html")
    entry.author([{"name": name} for name in names_of(item)])
    entry.category([{"term": topic.slug, "label": name_of(topic)} for topic in item.topics])
    if item.content_html:
        entry.content(legal(item.content_html), type="html")
    entry.register_extension("media", _Media)
    entry.media.item = item
    rss = _rss_item(entry, item)  # first: what only RSS needs is replaced for Atom
    return FeedPiece(id=item.id, updated=item.updated, rss=rss, atom=_atom_entry(entry, item), json=json_item(item))


def _atom_frame(document: FeedDocument) -> tuple[bytes, bytes]:
    feed = _feed(document, FeedFormat.ATOM)
    feed.author({"name": feed.title()})  # RFC 4287 §4.1.1: for the entries that name nobody
    if document.icon:
        feed.icon(legal(document.icon))
    return _parted(feed.atom_str(pretty=True), b"</feed>")


def _rss_frame(document: FeedDocument) -> tuple[bytes, bytes]:
    feed = _feed(document, FeedFormat.RSS)
    feed.ttl(TTL_MINUTES)
    feed.docs("")
    return _parted(feed.rss_str(pretty=True), b"  </channel>")


def _parted(feed: bytes, end: bytes) -> tuple[bytes, bytes]:
    head, _, tail = feed.rpartition(end)
    return head, end + tail


def _feed(document: FeedDocument, format: FeedFormat) -> Any:
    feed = feedgen.feed.FeedGenerator()
    feed.id(legal(document.id))
    feed.title(legal(document.title))
    feed.subtitle(legal(document.subtitle) or legal(document.title))  # RSS requires a description
    feed.updated(document.updated)  # feedgen's default is now
    feed.language(legal(document.language))
    feed.generator(GENERATOR)
    feed.register_extension("history", _History)
    feed.history.namespaces = _OF_ATOM if format is FeedFormat.ATOM else _OF_RSS
    feed.history.links = _more_links(document, format)
    # The oldest page has nowhere to lead to, and validators take an archive that does not for an incomplete one.
    feed.history.is_archive = bool(document.current and document.older)
    feed.link(href=legal(document.urls[format]), rel="self", type=f"application/{format}+xml")
    if format is FeedFormat.ATOM:
        for link in feed.history.links:
            feed.link(link)
    feed.link(href=legal(document.page_url), rel="alternate", type="text/html")  # RSS's link is the last one
    if document.logo:
        feed.logo(legal(document.logo))
    return feed


def _more_links(document: FeedDocument, format: FeedFormat) -> list[dict[str, str]]:
    """Hubs first: WebSub subscribers look no further than they must."""
    archive = {"prev-archive": document.older, "current": document.current}
    hubs = [{"rel": "hub", "href": legal(hub)} for hub in document.hubs]
    kind = f"application/{format}+xml"
    return hubs + [{"rel": rel, "href": legal(to[format]), "type": kind} for rel, to in archive.items() if to]


def _rss_item(entry: _Entry, item: FeedItem) -> bytes:
    entry.register_extension("dc", DcEntryExtension, atom=False)  # RSS's own author element wants an e-mail address
    entry.dc.dc_creator(names_of(item))
    if item.language:
        entry.dc.dc_language(legal(item.language))
    if item.summary:
        entry.summary(escape(legal(item.summary), quote=False))  # RSS readers take a description for HTML
    for file in item.enclosures[:1]:
        entry.enclosure(legal(file.url), str(file.length), legal(file.type))
    return _piece(entry.rss_entry(), _OF_RSS, 2)


def _atom_entry(entry: _Entry, item: FeedItem) -> bytes:
    if item.summary:
        entry.summary(legal(item.summary), type="text")
    if item.enclosures:
        entry.link([entry.link()[0], *map(_enclosure, item.enclosures)], replace=True)
    if item.language:
        entry.language = legal(item.language)
    return _piece(entry.atom_entry(), _OF_ATOM, 1)


def _enclosure(file: Enclosure) -> dict[str, str]:
    link = {"href": legal(file.url), "rel": "enclosure", "type": legal(file.type)}
    link |= {"length": str(file.length)} if file.length else {}
    return link | ({"title": legal(file.title)} if file.title else {})


def _piece(element: Any, namespaces: dict[str, str], level: int) -> bytes:
    """The element as it stands in the feed, whose root declares the namespaces."""
    parent = etree.Element("parent", nsmap=namespaces)
    parent.append(element)
    etree.indent(element, level=level)
    element.tail = "\n"
    text = etree.tostring(parent, encoding="unicode")
    return ("  " * level + text[text.index(">") + 1 : text.rindex("<")]).encode()


def _name(prefix: str, name: str) -> str:
    return f"{{{_OF_RSS[prefix]}}}{name}"


def _add(parent: Any, prefix: str, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, _name(prefix, name), attributes).text = text
