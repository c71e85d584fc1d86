"""The list of all feeds as OPML 2.0 (http://opml.org/spec2.opml), for importing into a reader."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from feed_publisher.compose.feedcheck import legal


def render_opml(title: str, feeds: Sequence[tuple[str, str, str]]) -> bytes:
    """``feeds`` are (title, page URL, feed URL) in the order to be shown. No date in it: same feeds, same bytes."""
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = legal(title)
    body = etree.SubElement(root, "body")
    for name, page_url, feed_url in feeds:
        outline = etree.SubElement(body, "outline", type="rss", text=legal(name), title=legal(name))
        outline.set("xmlUrl", legal(feed_url))
        outline.set("htmlUrl", legal(page_url))
    return etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
