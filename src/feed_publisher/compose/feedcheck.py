"""Would a reader accept these feed bytes? Asked before a file replaces the last good one (invariant 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lxml import etree

from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import FeedFormat

MAX_BYTES = 5_000_000
"""The W3C validator and several readers stop there."""
JSON_FEED_VERSION = "https://jsonfeed.org/version/1.1"

_ATOM = "{http://www.w3.org/2005/Atom}"
_ATOM_REQUIRED = tuple(f"{_ATOM}{name}" for name in ("id", "title", "updated"))
_ATOM_DATES = tuple(f"{_ATOM}{name}" for name in ("updated", "published"))
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
# XML 1.0 §2.2: what is no Char, and what its note discourages: C1 controls and the noncharacters of every plane.
_ILLEGAL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def legal(text: str) -> str:
    """``text`` without the characters no feed may hold; line ends become LF, as an XML reader would make them."""
    if text.isascii() and text.isprintable():
        return text
    return _ILLEGAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def check_feed(data: bytes, format: FeedFormat) -> None:
    """FeedError with one sentence when the document would not be valid. No entities, no network."""
    if len(data) > MAX_BYTES:
        raise FeedError(f"the feed is {len(data)} bytes long; readers take at most {MAX_BYTES}")
    match format:
        case FeedFormat.ATOM:
            _check_atom(_parse_xml(data))
        case FeedFormat.RSS:
            _check_rss(_parse_xml(data))
        case FeedFormat.JSON:
            _check_json(_parse_json(data))


_Parts = Mapping[str, list[etree._Element]]
"""The children of an element by their tags: each check would look through all of them again."""


def _parts(element: etree._Element) -> _Parts:
    parts: dict[str, list[etree._Element]] = {}
    for child in element.iterchildren("*"):
        parts.setdefault(child.tag, []).append(child)
    return parts


def _check_atom(feed: etree._Element) -> None:
    """RFC 4287 §4.1.1 and §4.1.2."""
    if feed.tag != f"{_ATOM}feed":
        raise FeedError(f"the document is not an Atom feed: its root is {feed.tag}")
    of_feed = _parts(feed)
    _check_atom_parts(of_feed, "the feed")
    has_author = _has_author(of_feed)
    entries = [_parts(entry) for entry in of_feed.get(f"{_ATOM}entry", ())]
    for parts, where in _named(entries, f"{_ATOM}id"):
        _check_atom_parts(parts, where)
        if f"{_ATOM}content" not in parts and not any(_alternates(parts)):
            raise FeedError(f"{where} has neither content nor an alternate link")
        if not (has_author or _has_author(parts)):
            raise FeedError(f"{where} has no author, and the feed has none either")
    if not entries and not has_author:
        raise FeedError("the feed has no author")
    _check_unique(_text(parts, f"{_ATOM}id") for parts in entries)


def _check_atom_parts(parts: _Parts, where: str) -> None:
    """What a feed and an entry have in common."""
    for tag in _ATOM_REQUIRED:
        _required(parts, tag, where)
    for tag in _ATOM_DATES:
        for date in parts.get(tag, ()):
            _check_rfc3339(date.text, f"{_name(tag)} of {where}")
    alternates = list(_alternates(parts))
    if len(alternates) != len(set(alternates)):
        raise FeedError(f"{where} has two alternate links of the same type and language")


def _alternates(parts: _Parts) -> Iterator[tuple[str | None, str | None]]:
    """(type, hreflang) of each alternate link; a link without rel is one (RFC 4287 §4.2.7.2)."""
    for link in parts.get(f"{_ATOM}link", ()):
        if link.get("rel", "alternate") == "alternate":
            yield link.get("type"), link.get("hreflang")


def _has_author(parts: _Parts) -> bool:
    return any((author.findtext(f"{_ATOM}name") or "").strip() for author in parts.get(f"{_ATOM}author", ()))


def _check_rss(rss: etree._Element) -> None:
    """RSS 2.0 as the Advisory Board specifies it; guid is our own demand."""
    channels = rss.findall("channel")
    if rss.tag != "rss" or rss.get("version") != "2.0" or len(channels) != 1:
        raise FeedError("the document is not RSS 2.0 with one channel")
    channel = _parts(channels[0])
    for name in ("title", "link", "description"):
        _required(channel, name, "the channel")
    for date in channel.get("lastBuildDate", ()):
        _check_rfc822(date.text, "lastBuildDate of the channel")
    items = [_parts(item) for item in channel.get("item", ())]
    for parts, where in _named(items, "guid"):
        _required(parts, "guid", where)
        if not (_text(parts, "title") or _text(parts, "description")):
            raise FeedError(f"{where} has neither title nor description")
        for date in parts.get("pubDate", ()):
            _check_rfc822(date.text, f"pubDate of {where}")
    _check_unique(_text(parts, "guid") for parts in items)


def _check_json(feed: Any) -> None:
    """JSON Feed 1.1."""
    if not isinstance(feed, dict) or feed.get("version") != JSON_FEED_VERSION:
        raise FeedError("the document is not a JSON Feed 1.1: its version is missing or another")
    if not _is_filled(feed.get("title")):
        raise FeedError("the feed has no title")
    items = feed.get("items")
    if not isinstance(items, list):
        raise FeedError("the feed has no list of items")
    for number, item in enumerate(items, 1):
        where = f"item {number}"
        if not isinstance(item, dict) or not _is_filled(item.get("id")):
            raise FeedError(f"{where} has no id")
        if not any(isinstance(item.get(name), str) for name in ("content_html", "content_text")):
            raise FeedError(f"{where} has neither content_html nor content_text")
        for name in ("date_published", "date_modified"):
            if name in item:
                _check_rfc3339(item[name], f"{name} of {where}")
    _check_unique(item["id"] for item in items)


def _parse_xml(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise FeedError(f"the feed is not well-formed XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise FeedError("the feed has a document type; readers refuse it or take it for an attack")
    return root


def _parse_json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FeedError(f"the feed is not well-formed JSON in UTF-8: {error}") from error


def _named(elements: Sequence[_Parts], id_tag: str) -> Iterator[tuple[_Parts, str]]:
    """Each element with words for it: its place, and its id if it has one."""
    for number, parts in enumerate(elements, 1):
        yield parts, f"entry {number} {_text(parts, id_tag)}".rstrip()


def _text(parts: _Parts, tag: str) -> str:
    """Of the first child with this tag."""
    return (parts[tag][0].text or "").strip() if tag in parts else ""


def _required(parts: _Parts, tag: str, where: str) -> None:
    """Exactly one, and not empty."""
    if not _text(parts, tag):
        raise FeedError(f"{where} has no {_name(tag)}")
    if len(parts[tag]) > 1:
        raise FeedError(f"{where} has more than one {_name(tag)}")


def _name(tag: str) -> str:
    return etree.QName(tag).localname


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_unique(ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            raise FeedError(f"two entries have the id {id}")
        seen.add(id)


def _check_rfc3339(value: Any, where: str) -> None:
    try:
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise ValueError(value)
        datetime.fromisoformat(value)
    except ValueError as error:
        raise FeedError(f"{where} is no RFC 3339 date: {value!r}") from error


def _check_rfc822(value: str | None, where: str) -> None:
    try:
        parsedate_to_datetime(value or "")
    except ValueError as error:
        raise FeedError(f"{where} is no RFC 822 date: {value!r}") from error
