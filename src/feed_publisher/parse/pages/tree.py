"""A page as a tree that is safe to walk, with what is around the articles told apart from what may be one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.fields import absolute, language_of
from feed_publisher.parse.pages.charset import text_of_page
from feed_publisher.parse.text import clean

Element = etree._Element

MAX_BYTES = 5_000_000
MAX_ELEMENTS = 300_000
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCK_NAMES = (
    "address article aside blockquote br center dd details div dl dt fieldset figcaption figure footer form header "
    "hr legend li main nav ol p pre section summary table tbody td tfoot th thead tr ul"
)
BLOCKS = HEADINGS | frozenset(_BLOCK_NAMES.split())

_SILENT_NAMES = "script style template noscript iframe object textarea select svg button canvas video audio"
_SILENT = tuple(_SILENT_NAMES.split())
_UNSEEN = (
    "//*[@hidden or @aria-hidden='true' or contains(translate(@style, ' DISPLAYNOE', 'displaynoe'), 'display:none')]"
)
_FOR_SCREEN_READERS = re.compile(r"(?:^|\s)(?:sr-only|visually-hidden|visuallyhidden|screen-reader-text)(?:\s|$)")
_AROUND_TAGS = frozenset(("nav", "aside", "footer", "form", "dialog"))
_ROLE_NAMES = "navigation complementary contentinfo banner search dialog alertdialog menu menubar"
_AROUND_ROLES = frozenset(_ROLE_NAMES.split())
_AROUND_NAMES = re.compile(
    r"(?<![a-z])(?:nav|navbar|navigation|menu|sidebar|footer|breadcrumbs?|cookies?|consent|related|recommended|popular"
    r"|trending|share|sharing|social|signup|subscribe|comments?|pagination|pager|advert|adverts|advertisement|ads?"
    r"|most-?(?:read|viewed|popular|shared)|toolbar|skip|banner|login|modal|popup)(?![a-z])"
)
_NEVER_AROUND = HEADINGS | {"html", "body", "main", "article", "a"}
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A parsed page.

    ``address`` is where the page is, ``base`` what its links relate to; both absolute or "". ``scripts``: line and
    text of its JSON-LD. ``outside``: elements of navigation, sidebars, footers and the like. ``heading``: its first
    h1, else og:title. ``order``: document order. ``sizes``: characters of text within.
    """

    name: str
    address: str
    base: str
    language: str | None
    root: Element
    scripts: tuple[tuple[int, str], ...]
    outside: frozenset[Element]
    heading: str
    headings: tuple[Element, ...]
    order: dict[Element, int]
    sizes: dict[Element, int]

    @property
    def body(self) -> Element:
        body = self.root.find("body")
        return self.root if body is None else body

    def where(self, element: Element) -> str:
        return f"{self.name}:{line_of(element)}"

    def link(self, href: str | None) -> str | None:
        """An absolute web address, or None: also for one that leads to a place in this very page."""
        if not href or href.strip().startswith("#"):
            return None
        link = absolute(href, self.base)
        return None if link is None or (self.address and _same_page(link, self.address)) else link


def load(data: bytes, name: str, rules: ParseRules) -> Page:
    """InputError when the page is too large. Nesting beyond 2,048 elements is cut off by libxml2."""
    if len(data) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES // 1_000_000} MB; give the address of a smaller listing page")
    root = _parse(text_of_page(data, rules.charset))
    if sum(1 for _ in islice(root.iter(), MAX_ELEMENTS + 1)) > MAX_ELEMENTS:
        raise InputError(f"has more than {MAX_ELEMENTS:,} HTML elements; give the address of a smaller listing page")
    scripts = tuple((line_of(item), item.text or "") for item in root.iter("script") if _is_json_ld(item))
    etree.strip_elements(root, *_SILENT, with_tail=False)
    _remove_unseen(root)
    _space_blocks(root)
    elements = list(root.iter(etree.Element))
    sizes = _sizes(elements)
    address, base = _addresses(root, rules.base)
    outside = _outside(elements, sizes)
    headings = tuple(element for element in elements if element.tag in HEADINGS)
    return Page(
        name=name,
        address=address,
        base=base,
        language=language_at(root),
        root=root,
        scripts=scripts,
        outside=outside,
        heading=_heading(root, [heading for heading in headings if heading.tag == "h1"], outside),
        headings=headings,
        order={element: index for index, element in enumerate(elements)},
        sizes=sizes,
    )


def found_at(element: Element, path: str) -> list[Any]:
    """Elements, or the values of attributes, that an XPath of ours leads to."""
    return cast("list[Any]", element.xpath(path))


def line_of(element: Element) -> int:
    """Where it stands in the page; libxml2 counts no further than 65,535."""
    return cast("int | None", element.sourceline) or 1


def text_of(element: Element) -> str:
    return clean("".join(str(part) for part in element.itertext()))


def names_in(element: Element) -> str:
    """Its classes and id, in lower case, camelCase taken apart: "mostRead" is "most-read"."""
    return _CAMEL.sub("-", f"{element.get('class') or ''} {element.get('id') or ''}"[:500]).lower()


def tokens(element: Element, attribute: str) -> list[str]:
    return (element.get(attribute) or "").lower().split()


def language_at(element: Element) -> str | None:
    """What the element itself says."""
    return language_of(
        element.get("lang") or element.get("{http://www.w3.org/XML/1998/namespace}lang") or element.get("xml:lang")
    )


def _same_page(link: str, address: str) -> bool:
    return link.split("#")[0] == address.split("#")[0]


def _parse(text: str) -> Element:
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.LxmlError:
        root = None
    return etree.Element("html") if root is None else root


def _heading(root: Element, headings: Sequence[Element], outside: frozenset[Element]) -> str:
    heading = next((heading for heading in headings if heading not in outside), next(iter(headings), None))
    stated = found_at(root, "//meta[@property='og:title']/@content")
    return (text_of(heading) if heading is not None else "") or (clean(str(stated[0])) if stated else "")


def _is_json_ld(element: Element) -> bool:
    return (element.get("type") or "").split(";")[0].strip().lower() == "application/ld+json"


def _remove_unseen(root: Element) -> None:
    """Without what only screen readers meet, unless it is half of the page: a dialog hides all behind it."""
    found: list[Element] = found_at(root, _UNSEEN)
    found += [
        element for element in found_at(root, "//*[@class]") if _FOR_SCREEN_READERS.search(element.get("class", ""))
    ]
    if not found:
        return
    sizes = _sizes(list(root.iter(etree.Element)))
    for element in found:
        if element.tag not in _NEVER_AROUND - {"a"} - HEADINGS and sizes[element] * 2 <= sizes[root]:
            element.tag = "unseen"
    etree.strip_elements(root, "unseen", with_tail=False)


def _space_blocks(root: Element) -> None:
    """White space around blocks, so that the text of an element has its words apart."""
    for element in root.iter(*BLOCKS):
        element.tail = f" {element.tail or ''}"
        if element.tag != "br":
            element.text = f" {element.text or ''}"


def _sizes(elements: Sequence[Element]) -> dict[Element, int]:
    """Children come after their parents, so backwards every element is complete before it is added to its parent."""
    sizes = dict.fromkeys(elements, 0)
    for element in reversed(elements):
        sizes[element] += len((element.text or "").strip())
        parent = element.getparent()
        if parent is not None:
            sizes[parent] += sizes[element] + len((element.tail or "").strip())
    return sizes


def _outside(elements: Sequence[Element], sizes: dict[Element, int]) -> frozenset[Element]:
    """What holds more than half of the text is not beside the matter, whatever its name."""
    half = sizes[elements[0]] / 2 if elements else 0
    outside: set[Element] = set()
    for element in elements:
        if element.getparent() in outside or (sizes[element] <= half and _is_around(element)):
            outside.add(element)
    return frozenset(outside)


def _is_around(element: Element) -> bool:
    if element.tag in _NEVER_AROUND:
        return False
    if element.tag in _AROUND_TAGS or (element.get("role") or "").lower() in _AROUND_ROLES:
        return True
    if element.tag == "header":
        return element.find(".//h1") is None and next(element.iterancestors("article", "section", "main"), None) is None
    return bool(_AROUND_NAMES.search(names_in(element)))


def _addresses(root: Element, given: str) -> tuple[str, str]:
    """A saved page tells its address itself, if anything does."""
    stated = _first_href(root, given, ("//base/@href",))
    address = given or _first_href(
        root, stated, ("//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content")
    )
    return address or stated, stated or address


def _first_href(root: Element, base: str, paths: Iterable[str]) -> str:
    for path in paths:
        for href in found_at(root, path):
            link = absolute(href, base)
            if link:
                return link
    return ""
