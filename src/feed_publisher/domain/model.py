"""The values that travel between the layers. Words as in docs/glossary.md; datetimes are aware UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EntryState(StrEnum):
    """Where an entry stands with the public (withdrawn: was public, its page answers 410)."""

    PUBLIC = "public"
    SCHEDULED = "scheduled"
    HELD = "held"
    HIDDEN = "hidden"
    WITHDRAWN = "withdrawn"


class FeedFormat(StrEnum):
    """The value is the file extension."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, separators of lines, turns of the writing direction, halves of characters."""


def escaped(text: str) -> str:
    """The text with backslash escapes for what would break a line, steer a terminal or fail to be written."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be understood and was skipped alone."""

    where: str
    reason: str

    def __str__(self) -> str:
        """One line of text, whatever the name of a file holds."""
        return escaped(f"{self.where}: {self.reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The picture of an entry. ``url`` is absolute; ``alt`` says what it shows, ``credit`` whose it is."""

    url: str
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that belongs to an entry, such as an episode. ``url`` is absolute, ``type`` a media type like audio/mpeg.

    ``length`` is in bytes, 0 when it is not known.
    """

    url: str
    type: str
    length: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry as a source gives it, before it has an identity.

    ``summary`` is plain text, ``content_html`` sanitised HTML or "". ``topics`` are headings as written.
    ``place`` counts from 0 at the top of the document. ``where`` is file:line or a URL.
    """

    title: str
    where: str
    place: int = 0
    authors: tuple[str, ...] = ()
    summary: str = ""
    content_html: str = ""
    topics: tuple[str, ...] = ()
    explicit_id: str | None = None
    link: str | None = None
    published: datetime | None = None
    language: str | None = None
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a document says of itself; all addresses are absolute.

    ``kind``: "atom", "rss", "rdf", "json feed", "page", "sitemap", "listing"… ``older`` leads to the document with the
    entries before these (RFC 5005 prev-archive or next, the next page of a listing). ``hub`` and ``itself`` are
    WebSub's links. ``wait``: seconds it asks readers to leave between two visits. ``feeds``: those a page advertises.
    """

    kind: str = ""
    title: str = ""
    language: str | None = None
    generator: str = ""
    older: str | None = None
    hub: str | None = None
    itself: str | None = None
    wait: int = 0
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one document gave: drafts in the order of the document, and what was skipped.

    ``withdrawn``: explicit ids of entries that the source says it has deleted (RFC 6721).
    """

    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
    about: About = About()
    withdrawn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRef:
    """A topic as entries, feeds and mails mention it."""

    slug: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorRef:
    """An author as pages mention them."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored entry with its latest revision.

    ``id`` is the permanent atom:id. ``link`` is the article's own address, or None where only our page exists.
    ``number`` is the database id of the entry, ``revision`` that of the revision.
    """

    number: int
    revision: int
    key: str
    id: str
    title: str
    authors: tuple[str, ...]
    summary: str
    content_html: str
    link: str | None
    language: str | None
    published: datetime
    updated: datetime
    state: EntryState
    reason: str = ""
    topics: tuple[TopicRef, ...] = ()
    source: str = ""
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One entry of a feed document; ``url`` is absolute: the article's own address, else our entry page."""

    id: str
    url: str
    title: str
    authors: tuple[str, ...]
    summary: str
    content_html: str
    published: datetime
    updated: datetime
    topics: tuple[TopicRef, ...]
    language: str | None = None
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPiece:
    """A FeedItem as it stands in a document of each format. ``id`` and ``updated`` are what the document asks of it."""

    id: str
    updated: datetime
    atom: bytes
    rss: bytes
    json: bytes

    def of(self, format: FeedFormat) -> bytes:
        match format:
            case FeedFormat.ATOM:
                return self.atom
            case FeedFormat.RSS:
                return self.rss
        return self.json


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """All that feed bytes depend on (invariant 2). ``items`` are newest first; ``updated`` never comes from a clock.

    ``urls`` holds the absolute self address per format; ``page_url`` is the page for people. ``older`` holds the
    addresses of the archive page with the entries before these, ``current`` those of the live document, which only an
    archive page has (RFC 5005 §4). ``hubs`` are WebSub hubs. ``icon`` and ``logo`` are absolute. ``expired``: no
    entry will follow.
    """

    id: str
    title: str
    subtitle: str
    page_url: str
    urls: dict[FeedFormat, str]
    language: str
    updated: datetime
    items: tuple[FeedItem | FeedPiece, ...] = field(default=())
    older: dict[FeedFormat, str] = field(default_factory=dict)
    current: dict[FeedFormat, str] = field(default_factory=dict)
    hubs: tuple[str, ...] = ()
    icon: str = ""
    logo: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True)
class FeedLayout:
    """The bytes of a document, with its entries apart from what is around them."""

    head: bytes
    entries: bytes
    tail: bytes

    @property
    def whole(self) -> bytes:
        return b"".join((self.head, self.entries, self.tail))

    @property
    def size(self) -> int:
        return len(self.head) + len(self.entries) + len(self.tail)

    @property
    def frame(self) -> bytes:
        """A document without entries."""
        return self.head + self.tail
