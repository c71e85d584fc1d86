"""Articles that a page describes in JSON-LD: schema.org ItemList, CollectionPage, Blog, NewsArticle…"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Image
from feed_publisher.parse.byline import split_authors
from feed_publisher.parse.fields import MAX_MANY, MAX_SUMMARY, absolute, language_of
from feed_publisher.parse.html import html_to_text, is_pixel
from feed_publisher.parse.media import picture
from feed_publisher.parse.pages.card import author_names
from feed_publisher.parse.pages.dates import machine_date
from feed_publisher.parse.pages.topics import topic_of_page
from feed_publisher.parse.pages.tree import Page
from feed_publisher.parse.text import clean, cut

Node = Mapping[str, object]

MAX_SCRIPT = 2_000_000
MAX_NODES = 50_000

_ARTICLE_NAMES = (
    "Article NewsArticle BlogPosting Report ReportageNewsArticle OpinionNewsArticle AnalysisNewsArticle "
    "ReviewNewsArticle BackgroundNewsArticle AskPublicNewsArticle ScholarlyArticle TechArticle LiveBlogPosting "
    "SatiricalArticle MediaReview PodcastEpisode"
)
ARTICLES = frozenset(_ARTICLE_NAMES.split())
_ITEMS = ARTICLES | {"WebPage", "CreativeWork", "Thing", ""}  # enough for what a list names
# What is told about something else than the entries.
_ASIDE_NAMES = (
    "@context @reverse author creator publisher image logo comment breadcrumb isPartOf about mentions video audio "
    "potentialAction review aggregateRating copyrightHolder sourceOrganization"
)
_ASIDES = frozenset(_ASIDE_NAMES.split())


def json_ld_drafts(page: Page) -> list[Draft]:
    """Scripts that are broken are no articles; what they hold may still be found otherwise."""
    nodes = [(line, node) for line, script in page.scripts for node in _nodes(_load(script))]
    known = {identity: node for _, node in nodes if isinstance(identity := node.get("@id"), str) and len(node) > 1}
    found = (_draft(page, line, item, known) for line, node in nodes for item in _items(node, known))
    return [draft for draft in found if draft is not None]


def _load(script: str) -> object:
    if len(script) > MAX_SCRIPT:
        return None
    text = script.strip().removeprefix("<!--").removesuffix("-->").strip().rstrip(";")
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _nodes(document: object) -> Iterator[Node]:
    """Objects in document order, without those that are told about."""
    waiting: list[object] = [document]
    for _ in range(MAX_NODES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict) and "BreadcrumbList" not in _types(value):
            yield value
            waiting.extend(child for key, child in reversed(value.items()) if key not in _ASIDES)


def _items(node: Node, known: Mapping[str, Node]) -> Iterator[Node]:
    types = _types(node)
    if types & ARTICLES:
        yield node
    elif "ItemList" in types:
        yield from _listed(node, known)


def _listed(node: Node, known: Mapping[str, Node]) -> Iterator[Node]:
    """In the order of the list, also what is only a name and an address; articles are met again by themselves."""
    for element in _many(node.get("itemListElement")):
        item = element.get("item", element) if isinstance(element, dict) else element
        if isinstance(item, str):
            item = {**(element if isinstance(element, dict) else {}), "url": item}
        if not isinstance(item, dict):
            continue
        item = _resolve(item, known)
        types = _types(item) - {"ListItem"}
        if (types or {""}) & _ITEMS:
            yield {"name": element.get("name"), **item} if isinstance(element, dict) else item


def _draft(page: Page, line: int, node: Node, known: Mapping[str, Node]) -> Draft | None:
    title = _words(node.get("headline")) or _words(node.get("name"))
    if not title:
        return None
    return Draft(
        title=title,
        where=f"{page.name}:{line}",
        link=_link(page, node),
        topics=topic_of_page(page, title),
        authors=_authors(node.get("author") or node.get("creator"), known),
        summary=cut(_words(node.get("description")) or _words(node.get("abstract")), MAX_SUMMARY),
        published=machine_date(_text(node.get("datePublished")) or _text(node.get("dateCreated"))),
        explicit_id=_identity(node),
        language=_language(page, node),
        image=_image(page, node, known),
    )


def _link(page: Page, node: Node) -> str | None:
    """Unlike a link in the page, an article's address may be that of the page itself."""
    for key in ("url", "mainEntityOfPage", "@id"):
        for value in _many(node.get(key)):
            text = _text(value.get("@id") or value.get("url")) if isinstance(value, dict) else _text(value)
            link = absolute(text, page.base) if text and not text.startswith("#") else None
            if link and (key != "@id" or "#" not in link):
                return link
    return None


def _identity(node: Node) -> str | None:
    for value in (node.get("@id"), *_many(node.get("identifier"))):
        text = _text(value.get("value") if isinstance(value, dict) else value)
        if text.startswith(("urn:", "tag:")):
            return text
        if text and (link := absolute(text, "")):
            return link
    return None


def _authors(value: object, known: Mapping[str, Node]) -> tuple[str, ...]:
    names: list[str] = []
    for author in _many(value)[:MAX_MANY]:
        if isinstance(author, dict):
            author = _resolve(author, known)
            name = _words(author.get("name"))
            names += [name] if name and "Person" in _types(author) else split_authors(name)
        else:
            names += author_names(_words(author))
    return tuple(dict.fromkeys(name for name in names if name and len(name) <= 300))


def _image(page: Page, node: Node, known: Mapping[str, Node]) -> Image | None:
    """An address, or an object that says what it shows and whose it is."""
    values = [*_many(node.get("image")), *_many(node.get("thumbnailUrl"))][:MAX_MANY]
    return next(filter(None, (_picture(page, value, known) for value in values)), None)


def _picture(page: Page, value: object, known: Mapping[str, Node]) -> Image | None:
    if not isinstance(value, dict):
        return picture(_text(value), page.base)
    node = _resolve(value, known)
    if is_pixel(_size(node.get("width")), _size(node.get("height"))):
        return None
    address = _text(node.get("url")) or _text(node.get("contentUrl"))
    alt = _words(node.get("caption")) or _words(node.get("description"))
    names = _authors(node.get("creator") or node.get("author"), known)
    return picture(address, page.base, alt, _words(node.get("creditText")) or ", ".join(names))


def _size(value: object) -> str:
    """Also of a QuantitativeValue."""
    return str(value.get("value") if isinstance(value, dict) else value)


def _resolve(node: Node, known: Mapping[str, Node]) -> Node:
    identity = node.get("@id")
    if isinstance(identity, str) and identity in known:
        return {**known[identity], **node}
    return node


def _language(page: Page, node: Node) -> str | None:
    language = language_of(_text(node.get("inLanguage")))
    return language if language != page.language else None


def _types(node: Node) -> set[str]:
    return {str(value).rsplit("/", 1)[-1].rsplit(":", 1)[-1] for value in _many(node.get("@type"))}


def _many(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _text(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("@value")
    return clean(value[: MAX_SUMMARY * 2]) if isinstance(value, str) else ""


def _words(value: object) -> str:
    """Publishers put HTML into JSON, and escape it once too often."""
    text = _text(value)
    if "&" in text:
        text = html.unescape(text)
    try:
        return html_to_text(text) if "<" in text else clean(text)
    except InputError:
        return ""
