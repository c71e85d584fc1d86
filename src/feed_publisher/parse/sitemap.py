"""Entries from a news sitemap (sitemaps.org with Google's news extension); other sitemaps give no titles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feedentry import MAX_ENTRIES, too_many
from feed_publisher.parse.fields import MAX_LINE, MAX_MANY, absolute, date_of, language_of
from feed_publisher.parse.text import clean, cut
from feed_publisher.parse.xmltree import Xml, local, read_xml, text_of_xml

_FIRST = datetime.min.replace(tzinfo=UTC)
_NO_TITLES = (
    "is a sitemap without news titles (<news:title>): addresses alone make no entries."
    ' Use the news sitemap or a feed of the same site, or kind = "page" for a page that lists its articles'
)


def read_sitemap(data: bytes, name: str, rules: ParseRules) -> Reading:
    """Drafts of the addresses that have a title. Never raises: what cannot be read is a Problem."""
    try:
        if data.startswith(b"\x1f\x8b"):
            raise InputError("is compressed with gzip; give the address of the plain sitemap")
        xml = read_xml(text_of_xml(data, rules.charset))
        kind = local(xml.root)
        if kind not in ("urlset", "sitemapindex"):
            raise InputError(f"is not a sitemap (its root is <{kind[:60]}>); check the address")
    except InputError as error:
        return Reading(problems=(Problem(where=name, reason=error.reason),))
    if kind == "sitemapindex":
        return _index(xml, name, rules.base)
    return _news(xml, name, rules.base)


def _index(xml: Xml, name: str, base: str) -> Reading:
    """``older`` leads to the child that changed last; without dates to the first."""
    children = [
        (date_of(_text(child, "lastmod")) or _FIRST, -place, address)
        for place, child in enumerate(_named(xml.root, "sitemap"))
        if (address := absolute(_text(child, "loc"), base)) is not None
    ]
    problems = xml.problems(name, f"{len(children)} sitemaps could be read")
    if not children:
        problems.append(Problem(where=name, reason="is a sitemap index without an address; check the sitemap"))
    newest = max(children)[2] if children else None
    return Reading(problems=tuple(problems), about=About(kind="sitemap index", older=newest))


def _news(xml: Xml, name: str, base: str) -> Reading:
    titled = [url for url in _named(xml.root, "url") if _text(url, "title")]
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for place, url in enumerate(titled[:MAX_ENTRIES]):
        try:
            drafts.append(_draft(url, name, place, base))
        except InputError as error:
            problems.append(Problem(where=f"{name}: entry {place + 1}", reason=error.reason))
    if not titled:
        problems.append(Problem(where=name, reason=_NO_TITLES))
    if len(titled) > MAX_ENTRIES:
        problems.append(too_many(name, len(titled)))
    problems += xml.problems(name, f"{len(drafts)} entries could be read")
    return Reading(drafts=tuple(drafts), problems=tuple(problems), about=About(kind="sitemap"))


def _draft(url: etree._Element, name: str, place: int, base: str) -> Draft:
    link = absolute(_text(url, "loc"), base)
    if link is None:
        raise InputError("has no usable address in <loc>; write it in full, with https://")
    title = cut(_text(url, "title"), MAX_LINE)
    keywords = (cut(clean(word), MAX_LINE) for word in _text(url, "keywords").split(",")[:MAX_MANY])
    return Draft(
        title=title,
        where=f"{name}: entry {place + 1} ({cut(title, 60)})",
        place=place,
        topics=tuple(dict.fromkeys(word for word in keywords if word)),
        link=link,
        published=date_of(_text(url, "publication_date")),
        language=language_of(_text(_publication(url), "language")),
    )


def _publication(url: etree._Element) -> etree._Element:
    """Holds the language, beside the name of the paper."""
    return next(_inside(url, "publication"), url)


def _named(root: etree._Element, name: str) -> Iterable[etree._Element]:
    return (child for child in root if local(child) == name)


def _inside(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """Pictures and videos of an address have titles as well; they are not those of the article."""
    return (inner for inner in element.iter(etree.Element) if local(inner) == name and _is_ours(inner))


def _text(element: etree._Element, name: str) -> str:
    found = next(_inside(element, name), None)
    return "" if found is None else clean("".join(map(str, found.itertext())))


def _is_ours(element: etree._Element) -> bool:
    namespace = etree.QName(element).namespace or ""
    return "sitemap-image" not in namespace and "sitemap-video" not in namespace
