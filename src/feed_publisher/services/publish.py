"""Publish: render the feeds that changed, check them, and replace the files of those whose bytes differ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import Entry, FeedDocument, FeedFormat, FeedItem, Problem
from feed_publisher.ports.feeds import DirtyFeed, FeedFile, FeedFiles, FeedStore, RenderFeed, RenderOutline

LIMITS = (50, 35, 20)
"""Entries in a live document: the first of these that keeps it within SIZE, else the last."""

SIZE = 250_000
"""Bytes. The JSON Feed specification calls this size fine, and readers poll often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSite:
    """What feeds take from the settings."""

    title: str
    base_url: str
    language: str

    @property
    def fingerprint(self) -> str:
        return f"{self.title}\n{self.base_url}\n{self.language}"

    def page_url(self, feed: DirtyFeed) -> str:
        """The page for people that belongs to a feed."""
        return f"{self.base_url}/" if feed.title is None else f"{self.base_url}/topics/{feed.slug}"

    def entry_url(self, entry: Entry) -> str:
        """The article's own address, else our page for it."""
        return entry.link or f"{self.base_url}/entries/{entry.key}"


@dataclass(slots=True)
class PublishReport:
    """Paths under ``public/`` that were written, how many files stayed, and feeds that would not be valid."""

    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def publish(
    feeds: FeedStore,
    files: FeedFiles,
    site: FeedSite,
    render: RenderFeed,
    check: Callable[[bytes, FeedFormat], None],
    outline: RenderOutline,
    now: datetime,
    every: bool = False,
) -> PublishReport:
    """Write the dirty feeds (or every feed). One that would not validate keeps its last good files."""
    report = PublishReport()
    anew = feeds.depend_on(site.fingerprint) or every
    for dirty in feeds.dirty(every):
        try:
            rendered = _render(dirty, feeds, site, render, check)
        except FeedError as error:
            feeds.refuse(dirty, str(error))
            report.problems.append(Problem(where=f"feeds/{dirty.slug}", reason=str(error)))
            continue
        anew = _replace(dirty, rendered, feeds, files, report, now) or anew
    if anew:
        _write_outline(feeds, files, site, outline, report, now)
    return report


def _write_outline(
    feeds: FeedStore,
    files: FeedFiles,
    site: FeedSite,
    outline: RenderOutline,
    report: PublishReport,
    now: datetime,
) -> None:
    """The list of all feeds, for importing them into a reader at once."""
    rows = [
        (each.title or site.title, site.page_url(each), f"{site.base_url}/feeds/{each.slug}.{FeedFormat.ATOM}")
        for each in feeds.dirty(every=True)
    ]
    data = outline(site.title, rows)
    if files.matches("feeds.opml", data):
        report.unchanged += 1
    else:
        files.write("feeds.opml", data, now.replace(microsecond=0))
        report.written.append("feeds.opml")


def _render(
    dirty: DirtyFeed,
    feeds: FeedStore,
    site: FeedSite,
    render: RenderFeed,
    check: Callable[[bytes, FeedFormat], None],
) -> dict[str, bytes]:
    entries = feeds.newest(dirty.slug, LIMITS[0])
    rendered: dict[FeedFormat, bytes] = {}
    for limit in LIMITS:
        document = feed_document(dirty, entries[:limit], site)
        rendered = {format: render(document, format) for format in FeedFormat}
        if max(len(data) for data in rendered.values()) <= SIZE:
            break
    for format, data in rendered.items():
        check(data, format)
    return {f"feeds/{dirty.slug}.{format}": data for format, data in rendered.items()}


def feed_document(dirty: DirtyFeed, entries: list[Entry], site: FeedSite) -> FeedDocument:
    """All that the bytes of a feed depend on."""
    items = tuple(_item(entry, site) for entry in entries)
    base = site.base_url
    return FeedDocument(
        id=dirty.atom_id,
        title=site.title if dirty.title is None else f"{dirty.title} – {site.title}",
        subtitle=f"All articles of {site.title}" if dirty.title is None else f"{site.title}: {dirty.title}",
        page_url=site.page_url(dirty),
        urls={format: f"{base}/feeds/{dirty.slug}.{format}" for format in FeedFormat},
        language=site.language,
        updated=max((item.updated for item in items), default=dirty.added_at),
        items=items,
    )


def _item(entry: Entry, site: FeedSite) -> FeedItem:
    return FeedItem(
        id=entry.id,
        url=site.entry_url(entry),
        title=entry.title,
        authors=entry.authors,
        summary=entry.summary,
        content_html=entry.content_html,
        published=entry.published,
        updated=entry.updated,
        topics=entry.topics,
        language=entry.language,
    )


def _replace(
    dirty: DirtyFeed,
    rendered: dict[str, bytes],
    feeds: FeedStore,
    files: FeedFiles,
    report: PublishReport,
    now: datetime,
) -> bool:
    """Whether the feed is out for the first time."""
    first = False

    def write(out: dict[str, FeedFile]) -> list[FeedFile]:
        nonlocal first
        first, written = not out, []
        for path, data in rendered.items():
            etag = hashlib.sha256(data).hexdigest()[:32]
            before = out.get(path)
            if before is not None and before.etag == etag and files.matches(path, data):
                report.unchanged += 1
                continue
            modified = _last_modified(before, etag, now)
            files.write(path, data, modified)
            report.written.append(path)
            written.append(FeedFile(path=path, version=dirty.version, etag=etag, last_modified=modified))
        return written

    feeds.replace(dirty, write)
    return first


def _last_modified(before: FeedFile | None, etag: str, now: datetime) -> datetime:
    """Whole seconds, at least one more per change; the same bytes written again keep theirs."""
    now = now.replace(microsecond=0)
    if before is None:
        return now
    if before.etag == etag:
        return before.last_modified
    return max(now, before.last_modified + timedelta(seconds=1))
