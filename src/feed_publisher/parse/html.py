"""Foreign HTML made safe, and its plain text."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import urljoin

import nh3
from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.text import clean, lines_of, visible

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
    "*": {"lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "time": {"datetime"},
}
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_SILENT),
    attributes=_ATTRIBUTES,
    tag_attribute_values={tag: {"dir": {"ltr", "rtl", "auto"}} for tag in _TAGS},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",  # nh3's default lets them through; what is still relative relates to nothing
    link_rel="noopener noreferrer",
)

# Three more for html, body and main. libxml2 itself breaks off at 255, which bounds the time for any nesting.
_TOO_DEEP = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 4)})")

_PLAIN = re.compile(r"[^<>&\xa0\r]*+")
_DROPPED = "x-dropped"
"""No such element is allowed: nh3 takes it out."""
_LAZY = ("data-src", "data-lazy-src", "data-original")
_SETS = ("srcset", "data-srcset", "data-lazy-srcset")
_PLACEHOLDER = re.compile(
    r"data:|about:|#|.*/[^/?]*(?:blank|placeholder|spacer|transparent)[^/?]*\.(?:gif|png|svg)\b", re.IGNORECASE
)
_ABSOLUTE = ("http://", "https://")
_NO_SIZE = re.compile(r"\s*0*[01](?:\.0*)?\s*(?:px)?\s*", re.IGNORECASE)
_UNSEEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden"
    r"|(?:^|;)\s*(?:max-)?(?:width|height)\s*:\s*0*[01](?:\.0*)?(?:px)?\s*(?:!\s*important\s*)?(?:;|$)",
    re.IGNORECASE,
)
# What counts readers, and the "share this" pictures of FeedBurner, FeedsPortal and WordPress.com.
_BEACON_HOSTS = (
    r"(?:[\w-]+\.)*(?:feedsportal\.com|doubleclick\.net|google-analytics\.com|scorecardresearch\.com|quantserve\.com"
    r"|eotrx\.substackcdn\.com)"
    r"|(?:pixel|stats)\.(?:wp|wordpress)\.com|counter\.theconversation\.com|pixel\.newscred\.com"
)
_BEACON_ADDRESSES = (
    r"(?:feeds\d?|feedproxy)\.(?:feedburner|google)\.com/~|feeds\.feedblitz\.com/~/|feeds\.wordpress\.com/1\.0/"
    r"|(?:www\.)?facebook\.com/tr\b|(?:\w+\.)?medium\.com/_/stat\b|(?:www\.)?blogger\.googleusercontent\.com/tracker/"
    r"|[\w-]+\.list-manage\.com/track/"
)
_BEACON_PATHS = r"(?:pixel|beacon|tracking-?pixel)(?:\.(?:gif|png|jpe?g|php))?(?:\?|$)|(?:piwik|matomo)\.php\?"
_BEACON = re.compile(
    rf"https?://(?:(?:{_BEACON_HOSTS})(?:[:/?]|$)|{_BEACON_ADDRESSES}|[^?#]*/(?:{_BEACON_PATHS}))", re.IGNORECASE
)


def sanitise_html(html: str, base: str = "") -> str:
    """Allow-listed HTML without tracking pixels. InputError when it is too long or nested too deep.

    ``base``: the absolute address that relative links and images become absolute against; without it they go.
    """
    return visible(html).strip() if _is_plain(html) else _safe(_tree(html), base)


def html_to_text(html: str) -> str:
    """The words of ``html`` on one line; same errors as ``sanitise_html``."""
    return clean(html) if _is_plain(html) else _words(_tree(html))


def paragraphs_of(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs."""
    parts = map(clean, "\n".join(lines_of(text)).split("\n\n"))
    return "\n".join(f"<p>{escape(part)}</p>" for part in parts if part)


def clean_article(html: str, base: str = "") -> tuple[str, str]:
    """What ``sanitise_html`` and ``html_to_text`` give, for little more than the price of the first."""
    if _is_plain(html):
        return visible(html).strip(), clean(html)
    root = _tree(html)
    words = _words(root)  # first: _safe changes the tree
    return _safe(root, base), words


def _is_plain(html: str) -> bool:
    """Most summaries: parsing and writing them again would change nothing."""
    return len(html) <= MAX_HTML and _PLAIN.fullmatch(html) is not None


def _tree(html: str) -> etree._Element:
    """Parsed under a <main> that keeps libxml2 from adding a paragraph and that nh3 takes away again."""
    if len(html) > MAX_HTML:
        raise InputError(f"its HTML is longer than {MAX_HTML:,} characters; shorten it")
    root = etree.fromstring(f"<main>{visible(html)}</main>".encode(), etree.HTMLParser(encoding="utf-8"))
    if html.count("<") > MAX_DEPTH and _TOO_DEEP(root):
        raise InputError(f"its HTML is nested more than {MAX_DEPTH} elements deep; simplify it")
    return root


def _words(root: etree._Element) -> str:
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


def _safe(root: etree._Element, base: str) -> str:
    """libxml2 has closed every element: nh3 alone takes seconds for a few kilobytes of unclosed ones."""
    for image in root.iter("img"):
        _mend_image(image, base)
    for link in root.iter("a"):
        _mend_link(link, base)
    html = etree.tostring(root, method="html", encoding="unicode")
    if "xml:lang=" in html:
        html = _with_lang(root)
    return visible(_CLEANER.clean(html)).strip()  # character references such as &#1; are characters by now


def _with_lang(root: etree._Element) -> str:
    """XHTML's xml:lang, which HTML readers pass over, as lang."""
    for element in root.iter(etree.Element):
        language = element.attrib.pop("xml:lang", "")
        if language and "lang" not in element.attrib:
            element.set("lang", language)
    return etree.tostring(root, method="html", encoding="unicode")


def _mend_link(link: etree._Element, base: str) -> None:
    address = link.get("href")
    if address and base and not address.startswith(_ABSOLUTE):
        link.set("href", _absolute(address, base))


def _mend_image(image: etree._Element, base: str) -> None:
    """Its real address; the alternative text in place of an image without one; nothing for a tracking pixel."""
    address = _absolute(source_of(image), base)
    if is_unseen(image) or is_beacon(address):
        _drop(image)
    elif address.lower().startswith(_ABSOLUTE):
        image.set("src", address)
    else:
        image.tag, image.text = "span", image.get("alt")


def source_of(image: etree._Element) -> str:
    """Where the picture is: pages that load it late keep that elsewhere."""
    source = (image.get("src") or "").strip()
    if source and not _PLACEHOLDER.match(source):
        return source
    lazy = next(filter(None, ((image.get(name) or "").strip() for name in _LAZY)), "")
    sets = next(filter(None, ((image.get(name) or "").strip(" \t\r\n,") for name in _SETS)), "")
    late = lazy or (sets.split()[0].rstrip(",") if sets else "")
    return late or ("" if source.startswith("#") else source)


def is_unseen(image: etree._Element) -> bool:
    """Whether it is a tracking pixel, or hidden: by what its element says."""
    if is_pixel(image.get("width"), image.get("height")):
        return True
    return "hidden" in image.attrib or bool(_UNSEEN_STYLE.search(image.get("style") or ""))


def is_pixel(*sizes: str | None) -> bool:
    """Whether a width or height is that of a tracking pixel."""
    return any(size and _NO_SIZE.fullmatch(size) for size in sizes)


def is_beacon(address: str) -> bool:
    """Whether it is the address of a picture that only counts readers."""
    return _BEACON.match(address) is not None


def _drop(image: etree._Element) -> None:
    """With the link around it, which would be left empty."""
    parent = image.getparent()
    image.tag = _DROPPED
    if parent is not None and parent.tag == "a" and len(parent) == 1 and not _has_text(parent):
        parent.tag = _DROPPED


def _has_text(element: etree._Element) -> bool:
    return any(text.strip() for text in element.itertext())


def _absolute(address: str, base: str) -> str:
    """ "" for what cannot be an address."""
    try:
        return urljoin(base, address.strip()) if address else ""
    except ValueError:
        return ""
