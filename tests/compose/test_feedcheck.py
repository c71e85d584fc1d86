"""Every rule of feedcheck with a document that breaks only this rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from feed_samples import document, golden_document, item
from lxml import etree

from feed_publisher.compose.feedcheck import MAX_BYTES, check_feed, legal
from feed_publisher.compose.feeds import render
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import FeedFormat

ATOM = "{http://www.w3.org/2005/Atom}"
XML_FORMATS = [FeedFormat.ATOM, FeedFormat.RSS]


def broken_xml(format: FeedFormat, change: Callable[[Any], object]) -> bytes:
    root = etree.fromstring(render(golden_document(), format))
    change(root)
    return etree.tostring(root)


def broken_json(change: Callable[[Any], object]) -> bytes:
    feed = json.loads(render(golden_document(), FeedFormat.JSON))
    change(feed)
    return json.dumps(feed).encode()


def refuses(data: bytes, format: FeedFormat, sentence: str) -> None:
    with pytest.raises(FeedError, match=sentence):
        check_feed(data, format)


def drop(path: str) -> Callable[[Any], object]:
    def change(root: Any) -> None:
        for element in root.findall(path):
            element.getparent().remove(element)

    return change


def write(path: str, text: str) -> Callable[[Any], object]:
    return lambda root: setattr(root.find(path), "text", text)


def repeat(path: str) -> Callable[[Any], object]:
    def change(root: Any) -> None:
        element = root.find(path)
        element.addnext(etree.fromstring(etree.tostring(element)))

    return change


def both(*changes: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda root: [change(root) for change in changes]


# Any format


@pytest.mark.parametrize("format", list(FeedFormat))
def test_a_good_feed_passes(format: FeedFormat) -> None:
    check_feed(render(golden_document(), format), format)


@pytest.mark.parametrize("format", list(FeedFormat))
def test_size_is_limited(format: FeedFormat) -> None:
    data = render(golden_document(), format)
    check_feed(data + b"\n" * (MAX_BYTES - len(data)), format)
    refuses(data + b"\n" * (MAX_BYTES - len(data) + 1), format, "bytes long")


@pytest.mark.parametrize("format", list(FeedFormat))
@pytest.mark.parametrize("data", [b"", b"\x00", b"<feed>", b"{", b'{"a": "\xff"}', b"[" * 100_000])
def test_it_must_be_well_formed(data: bytes, format: FeedFormat) -> None:
    refuses(data, format, "not well-formed")


@pytest.mark.parametrize("format", list(FeedFormat))
@pytest.mark.parametrize("other", list(FeedFormat))
def test_one_format_is_not_another(format: FeedFormat, other: FeedFormat) -> None:
    if format is not other:
        refuses(render(golden_document(), other), format, "not")


@pytest.mark.parametrize("format", XML_FORMATS)
def test_a_document_type_is_refused_and_its_entities_stay_unread(format: FeedFormat) -> None:
    declaration, body = render(golden_document(), format).split(b"\n", 1)
    doctype = b'<!DOCTYPE feed [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
    refuses(declaration + doctype + body.replace(b"The Quay", b"&secret;"), format, "document type")


# Atom


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (drop(f"{ATOM}id"), "^the feed has no id"),
        (drop(f"{ATOM}title"), "^the feed has no title"),
        (drop(f"{ATOM}updated"), "^the feed has no updated"),
        (drop(f"{ATOM}entry/{ATOM}id"), "^entry 1 has no id"),
        (drop(f"{ATOM}entry/{ATOM}title"), "^entry 1 urn:uuid:.*1 has no title"),
        (drop(f"{ATOM}entry/{ATOM}updated"), "^entry 1 urn:uuid:.*1 has no updated"),
        (write(f"{ATOM}title", "  "), "^the feed has no title"),
        (repeat(f"{ATOM}id"), "^the feed has more than one id"),
        (repeat(f"{ATOM}title"), "^the feed has more than one title"),
        (repeat(f"{ATOM}updated"), "^the feed has more than one updated"),
        (repeat(f"{ATOM}entry/{ATOM}id"), "^entry 1 .* more than one id"),
        (repeat(f"{ATOM}entry/{ATOM}title"), "^entry 1 .* more than one title"),
        (repeat(f"{ATOM}entry/{ATOM}updated"), "^entry 1 .* more than one updated"),
        (repeat(f"{ATOM}entry"), "^two entries have the id urn:uuid:.*1$"),
        (write(f"{ATOM}updated", "2026-03-02 09:30:00+00:00"), "^updated of the feed is no RFC 3339 date"),
        (write(f"{ATOM}entry/{ATOM}updated", "2026-03-02T09:30:00"), "^updated of entry 1 .* no RFC 3339 date"),
        (write(f"{ATOM}entry/{ATOM}published", "2026-02-30T09:30:00Z"), "^published of entry 1 .* no RFC 3339 date"),
        (drop(f"{ATOM}author"), "^entry 3 .* has no author"),
        (write(f"{ATOM}author/{ATOM}name", " "), "^entry 3 .* has no author"),
        (both(drop(f"{ATOM}author"), drop(f"{ATOM}entry")), "^the feed has no author"),
        (drop(f"{ATOM}entry/{ATOM}link"), "^entry 3 .* has neither content nor an alternate link"),
        (repeat(f"{ATOM}link[@rel='alternate']"), "^the feed has two alternate links"),
        (repeat(f"{ATOM}entry/{ATOM}link"), "^entry 1 .* has two alternate links"),
    ],
)
def test_atom_rules(change: Callable[[Any], object], sentence: str) -> None:
    refuses(broken_xml(FeedFormat.ATOM, change), FeedFormat.ATOM, sentence)


def test_atom_authors_of_entries_are_enough() -> None:
    root = etree.fromstring(render(document(item(1)), FeedFormat.ATOM))
    drop(f"{ATOM}author")(root)
    check_feed(etree.tostring(root), FeedFormat.ATOM)


@pytest.mark.parametrize(("attribute", "value"), [("type", "text/plain"), ("hreflang", "fr"), ("rel", "related")])
def test_atom_alternate_links_may_differ(attribute: str, value: str) -> None:
    def change(root: Any) -> None:
        path = f"{ATOM}entry/{ATOM}link"
        repeat(path)(root)
        root.find(path).set(attribute, value)

    check_feed(broken_xml(FeedFormat.ATOM, change), FeedFormat.ATOM)


def test_atom_link_without_rel_is_an_alternate_link() -> None:
    def change(root: Any) -> None:
        repeat(f"{ATOM}entry/{ATOM}link")(root)
        del root.find(f"{ATOM}entry/{ATOM}link").attrib["rel"]

    refuses(broken_xml(FeedFormat.ATOM, change), FeedFormat.ATOM, "two alternate links")


# RSS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda root: root.set("version", "0.91"), "not RSS 2.0"),
        (lambda root: setattr(root, "tag", "rdf"), "not RSS 2.0"),
        (drop("channel"), "not RSS 2.0 with one channel"),
        (repeat("channel"), "not RSS 2.0 with one channel"),
        (drop("channel/title"), "^the channel has no title"),
        (drop("channel/link"), "^the channel has no link"),
        (drop("channel/description"), "^the channel has no description"),
        (repeat("channel/title"), "^the channel has more than one title"),
        (repeat("channel/link"), "^the channel has more than one link"),
        (drop("channel/item/guid"), "^entry 1 has no guid"),
        (repeat("channel/item/guid"), "^entry 1 .* more than one guid"),
        (repeat("channel/item"), "^two entries have the id"),
        (both(drop("channel/item/title"), drop("channel/item/description")), "^entry 1 .* neither title nor descr"),
        (write("channel/lastBuildDate", "2026-03-02T09:30:00Z"), "^lastBuildDate of the channel is no RFC 822 date"),
        (write("channel/item/pubDate", "yesterday"), "^pubDate of entry 1 .* no RFC 822 date"),
        (write("channel/item/pubDate", ""), "^pubDate of entry 1 .* no RFC 822 date"),
    ],
)
def test_rss_rules(change: Callable[[Any], object], sentence: str) -> None:
    refuses(broken_xml(FeedFormat.RSS, change), FeedFormat.RSS, sentence)


@pytest.mark.parametrize("name", ["title", "description"])
def test_rss_title_or_description_is_enough(name: str) -> None:
    check_feed(broken_xml(FeedFormat.RSS, drop(f"channel/item/{name}")), FeedFormat.RSS)


# JSON


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda feed: feed.pop("version"), "not a JSON Feed 1.1"),
        (lambda feed: feed.update(version="https://jsonfeed.org/version/1"), "not a JSON Feed 1.1"),
        (lambda feed: feed.pop("title"), "^the feed has no title"),
        (lambda feed: feed.update(title=" "), "^the feed has no title"),
        (lambda feed: feed.pop("items"), "^the feed has no list of items"),
        (lambda feed: feed.update(items={}), "^the feed has no list of items"),
        (lambda feed: feed["items"].append("x"), "^item 4 has no id"),
        (lambda feed: feed["items"][1].pop("id"), "^item 2 has no id"),
        (lambda feed: feed["items"][1].update(id=7), "^item 2 has no id"),
        (lambda feed: feed["items"][2].pop("content_text"), "^item 3 has neither content_html nor content_text"),
        (lambda feed: feed["items"].append(feed["items"][0]), "^two entries have the id"),
        (lambda feed: feed["items"][0].update(date_published="2026-03-02"), "^date_published of item 1 .* RFC 3339"),
        (lambda feed: feed["items"][0].update(date_modified=5), "^date_modified of item 1 .* RFC 3339"),
    ],
)
def test_json_rules(change: Callable[[Any], object], sentence: str) -> None:
    refuses(broken_json(change), FeedFormat.JSON, sentence)


def test_json_must_be_an_object() -> None:
    refuses(b"[]", FeedFormat.JSON, "not a JSON Feed 1.1")


# Characters


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("tab\tand\nline", "tab\tand\nline"),
        ("\r\nold\rends", "\nold\nends"),
        ("\x00\x08\x0b\x0c\x0e\x1f\x7f\x80\x85\x9f", ""),
        ("\ud800\udfff\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff", ""),
        (
            "\xa0\u200d\u202e\ud7ff\ue000\ufffd\U00010000\U0010fffd",
            "\xa0\u200d\u202e\ud7ff\ue000\ufffd\U00010000\U0010fffd",
        ),
    ],
)
def test_legal(text: str, kept: str) -> None:
    assert legal(text) == kept
