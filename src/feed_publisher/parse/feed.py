"""Entries from RSS 0.9x to 2.0, RDF (RSS 1.0) and Atom 0.3 and 1.0, by feedparser."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import repeat
from typing import Any

import feedparser
from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feedentry import (
    MAX_CONTENT,
    MAX_ENTRIES,
    Document,
    alternate,
    authors_of,
    links_of,
    plain,
    read_entry,
    too_many,
)
from feed_publisher.parse.feedmedia import captions_of, media_of, parts_of
from feed_publisher.parse.fields import MAX_LINE, absolute, is_feed_type, language_of
from feed_publisher.parse.media import Media
from feed_publisher.parse.text import clean, cut
from feed_publisher.parse.xmltree import Xml, local, read_xml, text_of_xml

MAX_CHILDREN = 500  # of an entry, and of a feed beside its entries
LONGEST_WAIT = 86_400

_ENTRY = ("{*}item", "{*}entry")
_KINDS = {"rss": "rss", "rdf": "rdf", "feed": "atom"}
_OTHERS = {
    "html": 'is an HTML page, not a feed: use kind = "page"',
    "urlset": 'is a sitemap, not a feed: use kind = "sitemap"',
    "sitemapindex": 'is a sitemap, not a feed: use kind = "sitemap"',
    "opml": "is an OPML list of feeds, not a feed: use the addresses in it",
}
_PAGE = re.compile(
    r"(?:\s++|(?><!--.*?-->)|(?><\?.*?\?>))*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_PERIODS = {"hourly": 3_600, "daily": 86_400, "weekly": 604_800, "monthly": 2_592_000, "yearly": 31_536_000}
_NO_MEDIA: Media = (None, ())
_DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"


def read_feed(data: bytes, name: str, rules: ParseRules) -> Reading:
    """Drafts in the order of the document. Never raises: what cannot be read is a Problem."""
    try:
        text = text_of_xml(data, rules.charset)
        _refuse_others(text, rules.base)
        xml = read_xml(text)
        kind = _kind(xml.root)
    except InputError as error:
        return Reading(problems=(Problem(where=name, reason=error.reason),))
    elements = list(xml.root.iter(*_ENTRY))
    found, kept = len(elements), [parts_of(element) for element in elements[:MAX_ENTRIES]]
    withdrawn = _withdrawn(xml.root)
    parsed = _parse(_eased(xml))
    feed = dict(parsed.get("feed") or {})
    about = _about(feed, kind, rules.base)
    document = _document(feed, about, name, rules.base)
    items = parsed["entries"][:MAX_ENTRIES]
    # Were there more or fewer, a picture might come to another article.
    media = (media_of(parts, document.base) for parts in kept) if len(items) == len(kept) else repeat(_NO_MEDIA)
    drafts, problems = _entries(items, media, document)
    if found and not parsed["entries"]:
        problems.append(Problem(where=name, reason=f"its {found:,} entries cannot be understood; validate the feed"))
    problems += xml.problems(name, f"{len(drafts)} entries could be read")
    if found > MAX_ENTRIES:
        problems.append(too_many(name, found))
    return Reading(drafts=tuple(drafts), problems=tuple(problems), about=about, withdrawn=withdrawn)


def _refuse_others(text: str, base: str) -> None:
    start = text[:2_000].lstrip("\ufeff \t\r\n")
    if not text.strip("\ufeff\0 \t\r\n"):
        raise InputError("is empty; check that the address is that of a feed")
    if start.startswith(("{", "[")):
        raise InputError("is JSON, not an RSS or Atom feed; check that the address is that of a feed")
    if _PAGE.match(text[:20_000]):
        raise InputError(_OTHERS["html"] + _hint(text, base))


def _hint(page: str, base: str) -> str:
    """The first feed that the page advertises."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True)
    root = etree.fromstring(page[:200_000].encode("utf-8", "replace"), parser)
    links = () if root is None else root.iter("link")
    address = next(filter(None, (link.get("href") for link in links if _advertises(link))), "")
    shown = cut(absolute(address, base) or clean(address), 300)
    return f", or read the feed that it names: {shown}" if shown else ""


def _advertises(link: etree._Element) -> bool:
    return "alternate" in (link.get("rel") or "").lower().split() and is_feed_type(link.get("type") or "")


def _kind(root: etree._Element) -> str:
    name = local(root)
    if name in _KINDS:
        return _KINDS[name]
    raise InputError(_OTHERS.get(name, f"is XML, but not a feed (its root is <{name[:60]}>); check the address"))


def _eased(xml: Xml) -> bytes:
    """Well-formed XML without what would cost feedparser minutes: entries, children and texts beyond all measure.

    Also without the captions of pictures, which it takes for articles.
    """
    entries = list(xml.root.iter(*_ENTRY))
    kept = entries[:MAX_ENTRIES]
    surplus = [*entries[MAX_ENTRIES:], *(child for entry in kept for child in list(entry)[MAX_CHILDREN:])]
    surplus += [child for holder in (xml.root, *xml.root.iterfind("{*}channel")) for child in _excess(holder)]
    surplus += [caption for entry in kept for caption in captions_of(entry)]
    for element in surplus:
        _drop(element)
    giant = len(xml.data) > MAX_CONTENT
    long = [child for entry in kept for child in entry if _is_long(child)] if giant else []
    for element in long:
        _shorten(element)
    return etree.tostring(xml.root, encoding="utf-8", with_tail=False) if surplus or long else xml.data


def _excess(holder: etree._Element) -> list[etree._Element]:
    return [child for child in holder if local(child) not in ("item", "entry")][MAX_CHILDREN:]


def _drop(element: etree._Element) -> None:
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def _is_long(element: etree._Element) -> bool:
    if len(element) == 0:
        return len(element.text or "") > MAX_CONTENT
    return sum(map(len, element.itertext())) > MAX_CONTENT


def _shorten(element: etree._Element) -> None:
    """Still too long to be taken, so the entry's problem says so."""
    text = "".join(map(str, element.itertext()))[: MAX_CONTENT + 1]
    del element[:]
    element.text = text


def _parse(data: bytes) -> Mapping[str, Any]:
    """A stream, for feedparser opens what looks like a path; our own sanitising and resolving are enough."""
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        parsed: Mapping[str, Any] = feedparser.parse(
            io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False, response_headers=headers
        )
    except Exception:  # noqa: BLE001  its dozens of handlers raise whatever a hostile value makes them
        return {"entries": []}
    return parsed


def _entries(
    items: list[Mapping[str, Any]], media: Iterable[Media], document: Document
) -> tuple[list[Draft], list[Problem]]:
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for number, (item, (image, enclosures)) in enumerate(zip(items, media, strict=False), 1):
        try:
            draft, fault = read_entry(item, number, document)
        except InputError as error:
            problems.append(Problem(where=f"{document.name}: entry {number}", reason=error.reason))
            continue
        drafts.append(replace(draft, image=image, enclosures=enclosures))
        if fault:
            problems.append(Problem(where=draft.where, reason=fault))
    return drafts, problems


def _document(feed: Mapping[str, Any], about: About, name: str, base: str) -> Document:
    """Atom resolves against the document (RFC 4287 §2); RSS says nothing, and its writers mean their site."""
    site = alternate(feed, base) or ""
    is_atom = about.kind == "atom"
    return Document(
        name=name,
        base=(base or about.itself or site) if is_atom else (site or base),
        is_atom=is_atom,
        language=about.language,
        authors=authors_of(feed),
    )


def _about(feed: Mapping[str, Any], kind: str, base: str) -> About:
    detail = feed.get("title_detail") or {"value": feed.get("title")}
    try:
        title = cut(plain(detail), MAX_LINE)
    except InputError:
        title = ""
    return About(
        kind=kind,
        title=title,
        language=language_of(feed.get("language")),
        generator=cut(clean(str(feed.get("generator") or "")), MAX_LINE),
        older=_related(feed, "prev-archive", base) or _related(feed, "next", base),
        hub=_related(feed, "hub", base),
        itself=_related(feed, "self", base),
        wait=_wait(feed),
    )


def _related(feed: Mapping[str, Any], rel: str, base: str) -> str | None:
    return next(filter(None, (absolute(link["href"], base) for link in links_of(feed, rel))), None)


def _wait(feed: Mapping[str, Any]) -> int:
    """RSS gives minutes; the syndication module how many times in a period, by default once a day."""
    minutes = _number(feed.get("ttl"))
    if minutes:
        return min(minutes * 60, LONGEST_WAIT)
    period, times = feed.get("sy_updateperiod"), _number(feed.get("sy_updatefrequency"))
    if not period and not times:
        return 0
    return min(_PERIODS.get(clean(str(period or "daily")).lower(), 0) // (times or 1), LONGEST_WAIT)


def _number(text: object) -> int:
    text = clean(str(text or ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _withdrawn(root: etree._Element) -> tuple[str, ...]:
    refs = (clean(element.get("ref") or "") for element in root.iter(_DELETED))
    return tuple(dict.fromkeys(ref for ref in refs if ref))[:MAX_ENTRIES]
