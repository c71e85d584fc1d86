"""Entries marked up for machines in the HTML itself: microformats2, classic hAtom, schema.org microdata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from lxml import etree

from feed_publisher.parse.pages.card import MAX_ELEMENTS, Hints
from feed_publisher.parse.pages.jsonld import ARTICLES
from feed_publisher.parse.pages.tree import Element, Page, found_at

_H_ENTRY = {
    "title": ("p-name",),
    "link": ("u-url",),
    "summary": ("p-summary",),
    "author": ("p-author",),
    "date": ("dt-published",),
    "identity": ("u-uid",),
    "image": ("u-featured", "u-photo"),
}
_H_ATOM = {
    "title": ("entry-title",),
    "summary": ("entry-summary",),
    "author": ("author", "vcard"),
    "date": ("published",),
}
_MICRODATA = {
    "title": ("headline", "name"),
    "link": ("url", "mainentityofpage"),
    "summary": ("description", "abstract"),
    "author": ("author", "creator"),
    "date": ("datepublished",),
    "image": ("image", "thumbnailurl"),
}


def microformat_entries(page: Page) -> list[Element]:
    """Those inside of another are what it cites, answers or comments on."""
    roots = [element for element in page.body.iter() if _vocabulary(element) and element not in page.outside]
    known = set(roots)
    return [root for root in roots if not any(around in known for around in root.iterancestors())]


def microformat_hints(root: Element) -> Hints:
    """Only what is marked; the rest is looked for as in any other entry."""
    vocabulary = _vocabulary(root)
    if not vocabulary:
        return Hints()
    attribute = "itemprop" if vocabulary is _MICRODATA else "class"
    elements = list(islice(_own(root), MAX_ELEMENTS))
    marked = {field: _marked(elements, attribute, names) for field, names in vocabulary.items()}
    return Hints(**{field: found for field, found in marked.items() if found})


def _vocabulary(element: Element) -> Mapping[str, tuple[str, ...]] | None:
    classes = (element.get("class") or "").split()
    if "h-entry" in classes:
        return _H_ENTRY
    if "hentry" in classes:
        return _H_ATOM if found_at(element, ".//*[contains(@class, 'entry-title')]") else None
    if element.get("itemscope") is not None and _schema_type(element) in ARTICLES:
        return _MICRODATA
    return None


def _schema_type(element: Element) -> str:
    itemtype = (element.get("itemtype") or "").split()
    return itemtype[0].rsplit("/", 1)[-1] if itemtype and "schema.org" in itemtype[0] else ""


def _own(root: Element) -> Iterator[Element]:
    """Without what is inside of an item of its own: the name of an author is not that of the entry."""
    walker = etree.iterwalk(root, events=("start",))
    for _, element in walker:
        if element is root:
            continue
        yield element
        is_item = element.get("itemscope") is not None
        if is_item or any(name.startswith("h-") for name in (element.get("class") or "").split()):
            walker.skip_subtree()


def _marked(elements: Iterable[Element], attribute: str, names: tuple[str, ...]) -> list[Element]:
    """Those with the first of the names that occurs."""
    elements = list(elements)
    for name in names:
        found = [element for element in elements if name in (element.get(attribute) or "").lower().split()]
        if found:
            return [_named(element) for element in found]
    return []


def _named(element: Element) -> Element:
    """An author is often an item of its own; its name is what is meant."""
    inner = found_at(element, ".//*[@itemprop='name' or contains(concat(' ', @class, ' '), ' p-name ')]")
    return (
        inner[0]
        if inner and (element.get("itemscope") is not None or "h-card" in element.get("class", ""))
        else element
    )
