"""Sources: the places where entries come from, how each is read, and what is known of its health."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class SourceKind(StrEnum):
    """What a source is. HAND and PATH are never configured: typed in, and named on the command line."""

    FOLDER = "folder"
    FEED = "feed"
    PAGE = "page"
    SITEMAP = "sitemap"
    PUSH = "push"
    HAND = "hand"
    PATH = "path"

    @property
    def is_fetched(self) -> bool:
        """Whether it is read over HTTP."""
        return self in (SourceKind.FEED, SourceKind.PAGE, SourceKind.SITEMAP)


class SourceState(StrEnum):
    """Whether a source is read. RETIRED: it said itself that it is gone (410), or the operator ended it."""

    ACTIVE = "active"
    PAUSED = "paused"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """CSS selectors that override what is found in a page. ``entry`` finds one element per article, the others are
    looked for inside it, ``next`` in the whole page; "" means: find it yourself.
    """

    entry: str = ""
    title: str = ""
    link: str = ""
    summary: str = ""
    author: str = ""
    date: str = ""
    topic: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseRules:
    """How the bytes of one document are to be read.

    ``kind`` forces a reader where "" lets the bytes tell: "feed", "page", "sitemap". ``base`` is the absolute address
    the document came from ("" for a file): relative links are resolved against it. ``charset`` is that of the
    Content-Type header.
    """

    kind: str = ""
    base: str = ""
    charset: str = ""
    select: Selectors = Selectors()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """A source as it is configured.

    ``location``: a folder or file seen from the site, or an address. ``topics``: titles that replace the headings;
    ``topic_map``: heading -> title, "" drops the heading. ``first_contact``: how old entries may be to be mailed when
    the source is read for the first time; None: of any age, zero: none are. ``pages``: how many pages of a listing
    are followed. ``silence``: how long it may bring nothing before the operator is told; None: judged by its history.
    ``wanted``: named by hand, so it is taken as it is, without storm guard. ``prefix``: what the names of its
    documents begin with, when only a part of a folder is read. ``headers`` are sent
    with every request to its own host; "file:NAME" stands for what that file holds. ``takes_over``: its ids become
    those of its new entries.
    """

    slug: str
    location: str
    kind: SourceKind = SourceKind.FOLDER
    every: timedelta = timedelta(minutes=30)
    topics: tuple[str, ...] = ()
    topic_map: Mapping[str, str] = field(default_factory=dict)
    language: str | None = None
    first_contact: timedelta | None = None
    headers: tuple[tuple[str, str], ...] = ()
    select: Selectors = Selectors()
    pages: int = 3
    silence: timedelta | None = None
    wanted: bool = False
    prefix: str = ""
    takes_over: bool = False

    @property
    def mark(self) -> str:
        """Read under other rules, a document is another reading; "" under none in particular."""
        if not self.topics and not self.topic_map and self.language is None and self.select == Selectors():
            return ""
        parts = (self.topics, tuple(self.topic_map.items()), self.language, self.select)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]

    @property
    def is_remote(self) -> bool:
        """Whether its location is an address."""
        return self.location.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a server gave to ask with the next time (RFC 9110 §8.8); "" where it gave none."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What is stored of a source.

    ``location`` is as configured, ``address`` where it is fetched from since it moved for good (301). ``error`` is
    the reason of the last failure, "" after a success; ``failures`` counts those in a row. ``fingerprint`` tells
    whether the bytes of its document are those of the last reading. ``hub``: the WebSub hub that it names,
    ``hub_topic`` the address to ask it for, ``hub_until`` how long that hub tells us of news.
    """

    slug: str
    kind: str
    state: SourceState = SourceState.ACTIVE
    reason: str = ""
    location: str = ""
    address: str = ""
    added_at: datetime
    first_read_at: datetime | None = None
    due_at: datetime | None = None
    tried_at: datetime | None = None
    read_at: datetime | None = None
    newest_at: datetime | None = None
    failures: int = 0
    error: str = ""
    validators: Validators = Validators()
    fingerprint: str = ""
    hub: str = ""
    hub_topic: str = ""
    hub_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt to read a fetched source; None leaves what is stored.

    ``error`` "" is a success. ``retired`` is why it is never tried again. ``hub``: the WebSub hub that its document
    names, and the topic to ask it for.
    """

    slug: str
    at: datetime
    due_at: datetime
    error: str = ""
    retired: str = ""
    address: str | None = None
    validators: Validators | None = None
    fingerprint: str | None = None
    new: int = 0
    hub: tuple[str, str] | None = None
