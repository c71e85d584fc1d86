"""Foreign XML as a tree: no entity is expanded, nothing else is loaded, and what can be repaired is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from html.entities import html5
from typing import Any

from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem
from feed_publisher.parse.charset import to_text

_CHARSET = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]{0,300}\?>")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ROOT = re.compile(r"<[^!?]")
_AMPERSAND = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(#\d{1,7};|#x[0-9a-f]{1,6};|\w{1,40};)?", re.DOTALL | re.IGNORECASE
)
_PREDEFINED = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
# What writers forget to declare.
_PREFIXES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "media": "http://search.yahoo.com/mrss/",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}
_ENTITIES = "defines entities of its own, which can be used to attack its readers; remove the <!ENTITY …> lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Xml:
    """``data``: the same in well-formed UTF-8 without DOCTYPE. ``fault``: what was not well-formed; "" for nothing."""

    root: etree._Element
    data: bytes
    line: int = 0
    fault: str = ""

    def problems(self, name: str, kept: str) -> list[Problem]:
        """``kept`` says what could be read all the same."""
        if not self.fault:
            return []
        reason = f"breaks off or is not well-formed XML ({self.fault}); {kept}, what follows may be missing"
        return [Problem(where=f"{name}:{self.line}", reason=reason)]


def text_of_xml(data: bytes, charset: str = "") -> str:
    """``charset`` is that of the Content-Type header. InputError for binary."""
    declared = _CHARSET.match(data)
    return to_text(data, (charset, declared[1].decode("ascii") if declared else ""))


def read_xml(text: str) -> Xml:
    """InputError when nothing of it is XML, and when it defines entities."""
    declared = _DECLARATION.match(text)  # its charset is no longer true
    if declared:
        text = "\n" * declared[0].count("\n") + text[declared.end() :]  # lines keep their numbers
    text = _ILLEGAL.sub("", text)
    _refuse_entities(text)
    root, log = _parse(text)
    has_doctype = root is not None and root.getroottree().docinfo.internalDTD is not None
    if log or has_doctype:
        root, log = _parse(_AMPERSAND.sub(_resolved, text))
    if root is None or not isinstance(root.tag, str):
        raise InputError("is not XML; check that the address is that of a feed")
    if not log and not has_doctype:
        return Xml(root=root, data=text.encode())
    return _repaired(root, log)


def local(element: etree._Element) -> str:
    """The name without namespace, lower-case; "" for comments and the like."""
    return etree.QName(element).localname.lower() if isinstance(element.tag, str) else ""


def _refuse_entities(text: str) -> None:
    """Looked for in the prolog only; an article may well be about them."""
    if "<!ENTITY" not in text:
        return
    prolog = _COMMENT.sub("", text)
    root = _ROOT.search(prolog)
    if "<!ENTITY" in prolog[: root.start() if root else None]:
        raise InputError(_ENTITIES)


def _parse(text: str) -> tuple[etree._Element | None, list[etree._LogEntry]]:
    parser = etree.XMLParser(
        encoding="utf-8", recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        return None, []
    if root is not None and _declares(root.getroottree().docinfo.internalDTD):
        raise InputError(_ENTITIES)
    return root, list(parser.error_log)


def _declares(dtd: Any) -> bool:
    return dtd is not None and bool(dtd.entities())


def _resolved(found: re.Match[str]) -> str:
    """Named characters of HTML become characters, a bare ampersand is escaped; CDATA stays."""
    whole, name = found[0], found[1]
    if len(whole) > 1 and (whole[1] == "!" or name.startswith("#") or name in _PREDEFINED):
        return whole
    return escape(html5[name]) if name in html5 else f"&amp;{whole[1:]}"


def _repaired(root: etree._Element, log: list[etree._LogEntry]) -> Xml:
    if any(entry.domain_name == "NAMESPACE" for entry in log):
        _declare_prefixes(root)
    fault = next((entry for entry in log if entry.domain_name != "NAMESPACE"), None)
    data = etree.tostring(root, encoding="utf-8", with_tail=False)
    if fault is None:
        return Xml(root=root, data=data)
    return Xml(root=root, data=data, line=fault.line, fault=" ".join(fault.message.split())[:120])


def _declare_prefixes(root: etree._Element) -> None:
    for element in root.iter(etree.Element):
        if ":" in element.tag and not element.tag.startswith("{"):
            prefix, _, name = element.tag.partition(":")
            element.tag = f"{{{_PREFIXES.get(prefix, 'urn:undeclared')}}}{name.replace(':', '-') or 'unnamed'}"
        for key in [str(key) for key in element.attrib]:
            if ":" in key and not key.startswith("{"):
                del element.attrib[key]
