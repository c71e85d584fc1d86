"""The structure of a mail's HTML: what people with a screen reader, or without pictures, are left with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import html as lxml_html
from lxml.html import HtmlElement

from feed_publisher.domain.finding import Finding, advice, error

WIDEST = 600
"""Pixels that a picture may be wide."""


def lint_html(html: str) -> Iterator[Finding]:
    root = lxml_html.document_fromstring(html)
    yield from _document(root)
    for link in root.iter("a"):
        yield from _link(link)
    for image in root.iter("img"):
        yield from _image(image)
    yield from _foreign(root)


def _document(root: HtmlElement) -> Iterator[Finding]:
    if not root.get("lang"):
        yield advice("language", "The HTML does not say its language (html lang); screen readers guess then.")
    if not (root.findtext(".//title") or "").strip():
        yield advice("title", "The HTML has no title.")
    tables = [table for table in root.iter("table") if table.get("role") not in ("presentation", "none")]
    if any(not list(table.iter("th")) for table in tables):
        yield advice("role", 'A table that only lays out has no role="presentation"; screen readers read it as data.')
    if any(not heading.text_content().strip() for heading in root.iter("h1", "h2", "h3")):
        yield advice("heading", "A heading is empty.")


def _link(link: HtmlElement) -> Iterator[Finding]:
    address = (link.get("href") or "").strip()
    words = link.text_content().strip() or link.get("aria-label") or ""
    words = words or " ".join(image.get("alt") or "" for image in link.iter("img"))
    shown = address[:60] or "nowhere"
    if not words.strip():
        yield error("link text", f"A link to {shown} has no words; nobody can know where it leads.")
    if not re.match(r"(https?|mailto|tel):|#", address):
        yield error("link", f"A link leads to {shown}; only http, https and mailto work in mails.")


def _image(image: HtmlElement) -> Iterator[Finding]:
    address = image.get("src") or ""
    shown = address[:60] or "nothing"
    if image.get("alt") is None:
        yield error("alt text", f'The picture {shown} has no alt text; alt="" is for mere decoration.')
    if not address.startswith("https://"):
        yield error("picture", f"The picture {shown} is not https; mail programs leave it out.")
    width, height = (_pixels(image.get(name)) for name in ("width", "height"))
    if not width:
        yield advice("picture", f"The picture {shown} has no width; Outlook shows it as large as it is.")
    elif width > WIDEST:
        yield advice("picture", f"The picture {shown} is {width} wide; more than {WIDEST} does not fit.")
    if width in (0, 1) or height in (0, 1):
        yield error("tracking", f"The picture {shown} is a point: it looks like a tracker.")


def _pixels(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


_FOREIGN = ("script", "form", "input", "iframe", "object", "embed", "video", "audio", "link", "base", "svg")


def _foreign(root: HtmlElement) -> Iterator[Finding]:
    for name in sorted({element.tag for element in root.iter(*_FOREIGN)}):
        yield error("element", f"The HTML has a <{name}>; mail programs remove it, and filters distrust it.")
