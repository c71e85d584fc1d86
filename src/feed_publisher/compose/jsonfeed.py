"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

import json
from typing import Any

from feed_publisher.compose.feedcheck import JSON_FEED_VERSION, legal
from feed_publisher.domain.model import Enclosure, FeedDocument, FeedFormat, FeedItem, TopicRef


def json_frame(document: FeedDocument) -> tuple[bytes, bytes]:
    """What stands before the items and after them."""
    feed = {
        "version": JSON_FEED_VERSION,
        "title": document.title,
        "description": document.subtitle or None,
        "home_page_url": document.page_url,
        "feed_url": document.urls[FeedFormat.JSON],
        "next_url": document.older.get(FeedFormat.JSON),
        "icon": document.logo or None,
        "favicon": document.icon or None,
        "language": document.language or None,
        "expired": document.expired or None,
        "hubs": [{"type": "WebSub", "url": hub} for hub in document.hubs] or None,
    }
    head = json.dumps(_clean(feed), ensure_ascii=False, indent=2).encode().removesuffix(b"\n}")
    return head + b',\n  "items": [\n', b"\n  ]\n}\n"


def json_item(item: FeedItem) -> bytes:
    """One line, without its end."""
    return b"    " + json.dumps(_clean(_item(item)), ensure_ascii=False).encode()


def title_of(item: FeedItem) -> str:
    """Never empty, and the same in every format."""
    return legal(item.title).strip() or legal(item.url)


def names_of(item: FeedItem) -> list[str]:
    return [name for name in map(legal, item.authors) if name.strip()]


def name_of(topic: TopicRef) -> str:
    return legal(topic.title) or topic.slug


def _item(item: FeedItem) -> dict[str, Any]:
    content = {"content_html": item.content_html} if item.content_html else {"content_text": item.summary}
    return {
        "id": item.id,
        "url": item.url,
        "title": title_of(item),
        **content,
        "summary": item.summary or None,
        "image": item.image.url if item.image else None,
        "date_published": item.published.isoformat(),
        "date_modified": item.updated.isoformat(),
        "authors": [{"name": name} for name in names_of(item)] or None,
        "tags": [name_of(topic) for topic in item.topics] or None,
        "language": item.language,
        "attachments": [_attachment(file) for file in item.enclosures] or None,
    }


def _attachment(file: Enclosure) -> dict[str, Any]:
    return {
        "url": file.url,
        "mime_type": file.type,
        "title": file.title or None,
        "size_in_bytes": file.length or None,
    }


def _clean(value: Any) -> Any:
    """Without keys that have no value, and without characters no feed may hold."""
    match value:
        case dict():
            return {name: _clean(part) for name, part in value.items() if part is not None}
        case list():
            return [_clean(part) for part in value]
        case str():
            return legal(value)
    return value
