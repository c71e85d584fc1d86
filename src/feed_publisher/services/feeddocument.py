"""What stands in a feed: the documents that bytes are made of, from entries or issues and the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from feed_publisher.compose.issue import issue_html, issue_text
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.issue import SentIssue
from feed_publisher.domain.model import Entry, FeedDocument, FeedFormat, FeedItem, FeedPiece
from feed_publisher.ports.feeds import Feed, FeedPage


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSite:
    """What feeds take from the settings. ``full``: whether their usual form holds whole articles, not just summaries.

    ``logo`` is an absolute address or ""; ``hubs`` are those that tell readers of news at once.
    """

    title: str
    base_url: str
    language: str
    full: bool = True
    logo: str = ""
    hubs: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes when every feed does."""
        return "\n".join([self.title, self.base_url, self.language, str(self.full), self.logo, *self.hubs])

    def recipe(self, full: bool, specimen: str) -> str:
        """Names what the pieces of entries in one form are made with: they stay while it does."""
        parts = [self.base_url, self.language, str(full), specimen]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def other_form(self) -> str:
        """What the address of a feed in the unusual form has before the extension."""
        return "summary" if self.full else "full"

    def page_url(self, feed: Feed) -> str:
        """The page for people that belongs to a feed."""
        match feed.kind:
            case FeedKind.TOPIC:
                return f"{self.base_url}/topics/{feed.slug}"
            case FeedKind.AUTHOR:
                return f"{self.base_url}/{feed.slug}"
            case FeedKind.DIGEST:
                return f"{self.base_url}/issues/{feed.slug.removeprefix('digests/')}"
        return f"{self.base_url}/"

    def feed_urls(self, name: str) -> dict[FeedFormat, str]:
        return {format: f"{self.base_url}/{path}" for format, path in feed_paths(name).items()}

    def entry_url(self, entry: Entry) -> str:
        """The article's own address, else our page for it."""
        return entry.link or f"{self.base_url}/entries/{entry.key}"

    def issue_url(self, issue: SentIssue) -> str:
        """Its page in the archive."""
        return f"{self.base_url}/issues/{issue.digest}/{issue.name}"


def feed_paths(name: str) -> dict[FeedFormat, str]:
    """Paths under ``public/`` of a document by its format; ``name``: a feed's slug, with a form or a page's number."""
    return {format: f"feeds/{name}.{format}" for format in FeedFormat}


def page_number(path: str, slug: str) -> int:
    """Which archive page of a feed a file is; 0 for its live documents."""
    name = path.removeprefix(f"feeds/{slug}/").partition(".")[0]
    return int(name) if name.isdigit() else 0


Rendered = Sequence[FeedPiece | SentIssue]
"""What stands in a document, newest first; entries are rendered."""


def live_document(feed: Feed, entries: Rendered, older: int, site: FeedSite, other_form: bool) -> FeedDocument:
    """The newest entries, which readers poll. In the other form the archive's pages are those of the usual one."""
    name = f"{feed.slug}.{site.other_form}" if other_form else feed.slug
    id = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{feed.atom_id}#{site.other_form}')}" if other_form else feed.atom_id
    return _document(feed, entries, older, site, id, name, site.full != other_form)


def page_document(page: FeedPage, entries: Rendered, site: FeedSite) -> FeedDocument:
    """An archive page."""
    feed, name = page.feed, f"{page.feed.slug}/{page.number}"
    current = site.feed_urls(feed.slug)
    return _document(feed, entries, page.older, site, feed.atom_id, name, site.full, current)


def _document(
    feed: Feed,
    entries: Rendered,
    older: int,
    site: FeedSite,
    id: str,
    name: str,
    full: bool,
    current: dict[FeedFormat, str] | None = None,
) -> FeedDocument:
    items: tuple[FeedItem | FeedPiece, ...] = tuple(
        issue_item(each, feed, site, full) if isinstance(each, SentIssue) else each for each in entries
    )
    if feed.ended_at and not current:
        items = (_last_item(feed, feed.ended_at, site), *items)
    everything = feed.kind is FeedKind.ALL
    subtitle = {
        FeedKind.ALL: f"All articles of {site.title}",
        FeedKind.DIGEST: f"All issues of {feed.title}, as they were mailed",
    }
    return FeedDocument(
        id=id,
        title=site.title if everything else f"{feed.title} – {site.title}",
        subtitle=subtitle.get(feed.kind, f"{site.title}: {feed.title}"),
        page_url=site.page_url(feed),
        urls=site.feed_urls(name),
        language=feed.title if feed.kind is FeedKind.LANGUAGE else site.language,
        updated=max((item.updated for item in items), default=feed.added_at),
        items=items,
        older=site.feed_urls(f"{feed.slug}/{older}") if older else {},
        current=current or {},
        hubs=() if current else site.hubs,
        icon=f"{site.base_url}/static/icon.svg",
        logo=site.logo,
        expired=feed.ended_at is not None and not current,
    )


def _last_item(feed: Feed, ended_at: datetime, site: FeedSite) -> FeedItem:
    """What those read who follow a topic that has ended."""
    return FeedItem(
        id=f"urn:uuid:{uuid5(NAMESPACE_URL, f'{feed.atom_id}#ended')}",
        url=site.page_url(feed),
        title=f"“{feed.title}” has ended",
        authors=(),
        summary=f"No more articles will follow in this topic. You find all others at {site.base_url}/",
        content_html="",
        published=ended_at,
        updated=ended_at,
        topics=(),
    )


def feed_item(entry: Entry, site: FeedSite, full: bool) -> FeedItem:
    """The same for every feed that has the entry in this form, so that it is rendered once."""
    return FeedItem(
        id=entry.id,
        url=site.entry_url(entry),
        title=entry.title,
        authors=entry.authors,
        summary=entry.summary,
        content_html=entry.content_html if full or not entry.summary else "",
        published=entry.published,
        updated=entry.updated,
        topics=entry.topics,
        language=entry.language if entry.language != site.language else None,
        image=entry.image,
        enclosures=entry.enclosures,
    )


def issue_item(issue: SentIssue, feed: Feed, site: FeedSite, full: bool) -> FeedItem:
    """An issue in the feed of its digest: the articles it was sent with, without those withdrawn since."""
    topics = {sent.topic.slug: sent.topic for sent in issue.entries if not sent.withdrawn}
    language = issue.language
    return FeedItem(
        id=f"urn:uuid:{uuid5(NAMESPACE_URL, f'{feed.atom_id}#issue {issue.id}')}",
        url=site.issue_url(issue),
        title=issue.title,
        authors=(),
        summary=issue_text(issue),
        content_html=issue_html(issue, site.entry_url) if full else "",
        published=issue.sent_at,
        updated=issue.updated,
        topics=tuple(topics.values()),
        language=language if language != site.language else None,
    )
