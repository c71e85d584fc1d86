"""What `try` shows of a trial: the feed as a reader program gets it, and the digest as a mail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.compose.message import Links, Personal, Sender, Skeleton, readable
from feed_publisher.domain.issue import Edition
from feed_publisher.domain.model import Entry

READER = "reader@example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A digest as one reader would get it; its links to unsubscribe lead nowhere."""

    subject: str
    html: str
    text: str
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An article as it stands in a feed file; ``url`` "" where it has no page of its own."""

    title: str
    url: str
    summary: str
    authors: str
    published: datetime
    topics: tuple[str, ...]


def mail_of(edition: Edition, sender: Sender, links: Links, now: datetime) -> Mail:
    """Nothing is sent."""
    skeleton = Skeleton(sender, edition.subject, edition.html, edition.text, edition.language, edition.nonce)
    message_id = f"try.{int(now.timestamp())}@{sender.message_id_domain}"
    personal = Personal(
        to=READER, message_id=message_id, date=now, values=links.values, unsubscribe_url=links.unsubscribe
    )
    return Mail(
        subject=edition.subject,
        html=readable(edition.html, edition.nonce, links),
        text=readable(edition.text, edition.nonce, links),
        message=skeleton.message(personal),
    )


def items_of(feed: bytes, ours: str) -> list[Item]:
    """The articles of a JSON feed that we have written; ``ours`` begins the addresses of our own pages."""
    return [
        Item(
            title=item.get("title", ""),
            url="" if item.get("url", "").startswith(ours) else item.get("url", ""),
            summary=item.get("summary", ""),
            authors=", ".join(author["name"] for author in item.get("authors", ()) if author.get("name")),
            published=datetime.fromisoformat(item["date_published"]),
            topics=tuple(item.get("tags", ())),
        )
        for item in json.loads(feed)["items"]
    ]


def topic_counts(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """Title and number of articles of each topic, largest first."""
    return Counter(topic.title for entry in entries for topic in entry.topics).most_common()
