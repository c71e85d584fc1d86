"""Publish: make the feeds that changed, and replace the files of those whose bytes differ.

Live documents come first, which readers poll; then archive pages. What another process has published is brought into
this one's folder, so that every node answers with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from feed_publisher.compose.packing import Packed
from feed_publisher.domain.archive import GONE_AFTER, FeedKind
from feed_publisher.domain.errors import FeedError, FileError
from feed_publisher.domain.model import FeedFormat, Problem
from feed_publisher.ports.feeds import Feed, FeedFile, FeedFiles, FeedPage, FeedStore, RenderOutline
from feed_publisher.services.feeddocument import FeedSite, feed_paths, page_number
from feed_publisher.services.feedmaking import FeedMaker, Made

PAGES = 50
"""Archive pages that are read at a time."""

OUTLINE = "feeds.opml"

SWEEP_EVERY = timedelta(minutes=10)
SETTLED = timedelta(minutes=1)
"""A file that nobody knows may be one that another process is just putting there."""


@dataclass(slots=True)
class PublishReport:
    """Paths under ``public/`` that were written, how many files stayed, and what is wrong.

    ``stuck``: feeds of which a file cannot be written now.
    """

    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Publisher:
    """Keeps one process's ``public/`` as the database says it is. ``seen``: up to when the files are known to be right;
    None when all are to be looked at. ``swept``: when that was last so, and files that belong to no feed were removed.
    """

    feeds: FeedStore
    files: FeedFiles
    site: FeedSite
    maker: FeedMaker
    outline: RenderOutline
    seen: datetime | None = None
    swept: datetime | None = None
    outline_due: bool = True

    def publish(
        self, now: datetime, every: bool = False, pages: int | None = None, current: bool = True
    ) -> PublishReport:
        """Write the dirty feeds (or every feed) and at most so many archive pages.

        One that would not validate keeps its last good files, and one that cannot be written holds up no other.
        ``current``: this process has the settings that feeds are to be made with. What one without them has written
        is made again by the next one that has.
        """
        report = PublishReport()
        self.outline_due |= every or (current and self.feeds.depend_on(self.site.fingerprint, self.maker.recipes))
        sweeping = self.swept is None or now - self.swept >= SWEEP_EVERY
        if sweeping:
            self.seen = None
        if every:
            self.feeds.all_dirty()
        for feed in self.feeds.dirty():
            with self._alone(feed.slug, report):
                self.outline_due |= self._publish(feed, report, now)
        self._publish_pages(pages, report, now)
        self._bring_in(report, now)
        if self.outline_due:
            with self._alone(OUTLINE, report):
                self._write_outline(report, now)
                self.outline_due = False
        if sweeping:
            with self._alone("feeds", report):
                self._sweep(now)
        if report.written and not current:
            self.feeds.forget_settings()
        return report

    def publish_one(self, slug: str, now: datetime, current: bool = True) -> PublishReport:
        """What is not out yet of a feed and its archive, at once: somebody is waiting for it."""
        report = PublishReport()
        for feed in self.feeds.dirty(slug) or self._missing(slug):
            self._publish(feed, report, now)
        for page in self.feeds.dirty_pages(PAGES, slug):
            self._publish_page(page, report, now)
        if report.written and not current:
            self.feeds.forget_settings()
        return report

    def _missing(self, slug: str) -> list[Feed]:
        """The feed, when another machine has published it and its files are not here."""
        live = self.feeds.out(list(feed_paths(slug).values())).values()
        is_here = live and all(self.files.is_out(file.path, file.last_modified) for file in live)
        return [] if is_here else self.feeds.find([slug])

    @contextmanager
    def _alone(self, name: str, report: PublishReport) -> Iterator[None]:
        """A file that cannot be written is told of, and tried again the next time: its feed stays dirty."""
        try:
            yield
        except FileError as error:
            report.problems.append(Problem(where=name, reason=str(error)))
            report.stuck.append(name)

    # --- live documents

    def _publish(self, feed: Feed, report: PublishReport, now: datetime) -> bool:
        """Whether the list of feeds has changed."""
        if feed.kind is FeedKind.GONE or _is_over(feed, now):
            for path in self.feeds.drop(feed) if feed.kind is FeedKind.GONE else self.feeds.clear(feed):
                self.files.remove(path)
            return True
        try:
            made = self.maker.live(feed)
        except FeedError as error:
            self.feeds.refuse(feed, str(error))
            report.problems.append(Problem(where=f"feeds/{feed.slug}", reason=str(error)))
            return False
        is_new = self._replace(feed, made, report, now)
        if made.trouble:
            self.feeds.refuse(feed, made.trouble)
            report.problems.append(Problem(where=f"feeds/{feed.slug}.{self.site.other_form}", reason=made.trouble))
        return is_new

    # --- archive pages

    def _publish_pages(self, most: int | None, report: PublishReport, now: datetime) -> None:
        left = most
        while left is None or left > 0:
            pages = self.feeds.dirty_pages(PAGES if left is None else min(PAGES, left), without=report.stuck)
            for page in pages:
                with self._alone(page.feed.slug, report):
                    self._publish_page(page, report, now)
            if not pages:
                return
            left = None if left is None else left - len(pages)

    def _publish_page(self, page: FeedPage, report: PublishReport, now: datetime) -> None:
        try:
            made = self.maker.page(page)
        except FeedError as error:
            self.feeds.refuse(page.feed, str(error), page)
            where = f"feeds/{page.feed.slug}/{page.number}"
            report.problems.append(Problem(where=where, reason=str(error)))
            return
        if made is not None:
            self._replace(page.feed, made, report, now, page)

    # --- files

    def _replace(
        self, feed: Feed, made: Made, report: PublishReport, now: datetime, page: FeedPage | None = None
    ) -> bool:
        """Whether it is out for the first time."""
        known = self.feeds.out(list(made.files))
        packed = {path: Packed(data) for path, data in made.files.items()}
        changed = {path: each for path, each in packed.items() if not self._is_out(path, each, known.get(path))}
        if page is None and not changed and not any(made.keep.values()):
            self.feeds.clean(feed)
            report.unchanged += len(packed)
            return False
        for each in changed.values():
            _ = each.codings  # compressed now, not while the database waits

        def write(out: dict[str, FeedFile]) -> list[FeedFile]:
            return [self._write(path, each, out.get(path), feed.version, now) for path, each in changed.items()]

        if self.feeds.replace(feed, list(made.files), write, page, made.keep):
            report.unchanged += len(made.files) - len(changed)
            report.written += changed
        return not known

    def _is_out(self, path: str, packed: Packed, known: FeedFile | None) -> bool:
        is_known = known is not None and known.etag == packed.etag and self.files.is_out(path, known.last_modified)
        return is_known and self.files.matches(path, packed.plain)

    def _write(self, path: str, packed: Packed, before: FeedFile | None, version: int, now: datetime) -> FeedFile:
        modified = _last_modified(before, packed.etag, now)
        self.files.write(path, packed, modified)
        return FeedFile(path=path, version=version, etag=packed.etag, last_modified=modified)

    def _bring_in(self, report: PublishReport, now: datetime) -> None:
        """Write the files that another process has published, or that somebody has deleted."""
        troubles = len(report.stuck)
        for slug, files in self.feeds.out_since(self.seen).items():
            wrong = {file.path for file in files if not self.files.is_out(file.path, file.last_modified)}
            if wrong:
                self.outline_due = True
                with self._alone(slug, report):
                    self._restore(slug, wrong, report, now)
        if len(report.stuck) == troubles:
            # Clocks of other machines may differ a little; what was long under way there is found by the next sweep.
            self.seen = now - timedelta(minutes=1)

    def _restore(self, slug: str, wrong: set[str], report: PublishReport, now: datetime) -> None:
        numbers = {number for path in wrong if (number := page_number(path, slug))}
        for page in self.feeds.pages(slug, sorted(numbers)) if numbers else ():
            self._publish_page(page, report, now)
        if any(not page_number(path, slug) for path in wrong):
            for feed in self.feeds.find([slug]):
                self._publish(feed, report, now)

    def _sweep(self, now: datetime) -> None:
        """Remove what belongs to no feed any more: another machine has dropped it, or the program was stopped."""
        self.swept = now
        for feed in self.feeds.over(now - GONE_AFTER):
            self._publish(feed, PublishReport(), now)
        self.files.tidy(now - SETTLED)
        paths = self.files.documents(now - SETTLED)
        for path in sorted(set(paths) - self.feeds.known(paths)):
            self.files.remove(path)

    def _write_outline(self, report: PublishReport, now: datetime) -> None:
        """The list of the feeds that everybody may like, for importing them into a reader at once."""
        rows = [
            (each.title or self.site.title, self.site.page_url(each), self.site.feed_urls(each.slug)[FeedFormat.ATOM])
            for each in self.feeds.listed()
        ]
        data = self.outline(self.site.title, rows)
        if self.files.matches(OUTLINE, data):
            report.unchanged += 1
        else:
            self.files.write(OUTLINE, Packed(data), now.replace(microsecond=0))
            report.written.append(OUTLINE)


def _is_over(feed: Feed, now: datetime) -> bool:
    """Its topic has ended so long ago that whoever follows it knows."""
    return feed.ended_at is not None and now >= feed.ended_at + GONE_AFTER


def _last_modified(before: FeedFile | None, etag: str, now: datetime) -> datetime:
    """Whole seconds, at least one more per change; the same bytes written again keep theirs."""
    # Never later than the Date of the answer, which servers take once a second (RFC 9110 §8.8.2.1).
    now = (now - timedelta(seconds=1)).replace(microsecond=0)
    if before is None:
        return now
    if before.etag == etag:
        return before.last_modified
    return max(now, before.last_modified + timedelta(seconds=1))
