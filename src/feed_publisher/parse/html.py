"""Foreign HTML made safe, and its plain text."""

from __future__ import annotations

import nh3
from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.text import clean, visible

MAX_HTML = 2_000_000  # characters of one article
MAX_DEPTH = 200

_BLOCK_NAMES = (
    "p div br hr h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table tr td th blockquote pre figure figcaption section article"
    " header footer main aside nav"
)
_SILENT_NAMES = "script style title template noscript iframe object textarea select plaintext xmp noembed noframes"
_TAG_NAMES = (
    "a abbr b blockquote br caption cite code dd del dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins"
    " kbd li mark ol p pre q s samp small span strong sub sup table tbody td tfoot th thead time tr u ul var"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SILENT = frozenset(_SILENT_NAMES.split())  # what stands inside them is no text either
_TAGS = frozenset(_TAG_NAMES.split())
_ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "time": {"datetime"},
}


class _Depth:
    """Parser target that stops at the first element nested too deep."""

    def __init__(self) -> None:
        self.depth = 0

    def start(self, tag: str | bytes, attrib: dict[str | bytes, str | bytes]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InputError(f"its HTML is nested more than {MAX_DEPTH} elements deep; simplify it")

    def end(self, tag: str | bytes) -> None:
        self.depth -= 1

    def data(self, data: str | bytes) -> None:
        """Part of lxml's protocol."""

    def comment(self, text: str | bytes) -> None:
        """Part of lxml's protocol."""

    def close(self) -> None:
        """Part of lxml's protocol."""


def sanitise_html(html: str) -> str:
    """Allow-listed HTML. InputError when it is too long or nested too deep.

    libxml2 closes every element first: nh3 alone takes seconds for a few kilobytes of unclosed ones.
    """
    root = _tree(html)
    if root is None:
        return ""
    _replace_unreachable_images(root)
    cleaned = nh3.clean(
        visible(etree.tostring(root, method="html", encoding="unicode")),
        tags=set(_TAGS),
        clean_content_tags=set(_SILENT),
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",  # nh3's default lets them through; a feed or mail has nothing they could relate to
        link_rel="noopener noreferrer",
    )
    return visible(cleaned).strip()  # character references such as &#1; are characters by now


def _replace_unreachable_images(root: etree._Element) -> None:
    """The alternative text in place of an image that only its own page could show."""
    for image in root.iter("img"):
        if not (image.get("src") or "").strip().lower().startswith(("http://", "https://")):
            image.tag, image.text = "span", image.get("alt")


def html_to_text(html: str) -> str:
    """The words of ``html`` on one line; same errors as ``sanitise_html``."""
    root = _tree(html)
    if root is None:
        return ""
    parts: list[str] = []
    silent = 0
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = element.tag if isinstance(element.tag, str) else ""
        starts = event == "start"
        if tag in _SILENT:
            silent += 1 if starts else -1
        if tag in _BLOCKS:
            parts.append(" ")
        text = element.text if starts else element.tail
        if text and not silent:
            parts.append(text)
    return clean("".join(parts))


def _tree(html: str) -> etree._Element | None:
    """Parsed under a <main> that keeps libxml2 from adding a paragraph and that nh3 takes away again."""
    if len(html) > MAX_HTML:
        raise InputError(f"its HTML is longer than {MAX_HTML:,} characters; shorten it")
    data = f"<main>{visible(html)}</main>".encode()
    etree.fromstring(data, etree.HTMLParser(target=_Depth(), encoding="utf-8"))
    return etree.fromstring(data, etree.HTMLParser(encoding="utf-8"))
