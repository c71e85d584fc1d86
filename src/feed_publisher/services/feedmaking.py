"""The bytes of feeds: what stands in them is read, entries not rendered yet are, and documents are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from feed_publisher.compose.feedcheck import MAX_BYTES
from feed_publisher.domain.archive import LIVE_LARGE, LIVE_MOST, PAGE_MOST
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.issue import SentIssue
from feed_publisher.domain.model import Entry, FeedDocument, FeedFormat, FeedLayout, FeedPiece
from feed_publisher.ports.feeds import Content, Feed, FeedPage, FeedStore, Pieces, RenderFeed, RenderPiece
from feed_publisher.services.feeddocument import FeedSite, feed_item, feed_paths, live_document, page_document

SIZE = 250_000
"""Bytes. The JSON Feed specification calls this size fine, and readers poll often."""

LARGEST = MAX_BYTES * 9 // 10
"""Bytes. Documents above this are parted, however few entries they have: readers refuse them."""


@dataclass(slots=True)
class Made:
    """Bytes by path, and pieces worth keeping by their recipes. ``trouble``: why the other form is not there."""

    files: dict[str, bytes] = field(default_factory=dict)
    keep: dict[str, Pieces] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A document that is laid out and not checked. ``is_known``: each of its pieces has stood in a valid one."""

    files: dict[str, FeedLayout]
    is_known: bool
    fresh: Pieces
    recipe: str
    count: int

    @property
    def size(self) -> int:
        return max(layout.size for layout in self.files.values())


@dataclass(slots=True)
class FeedMaker:
    """``specimen`` is a rendering of an entry that has everything: when it changes, no kept piece is used."""

    feeds: FeedStore
    site: FeedSite
    piece: RenderPiece
    render: RenderFeed
    check: Callable[[bytes, FeedFormat], None]
    specimen: str

    @property
    def recipes(self) -> list[str]:
        """By which pieces can be made now."""
        return [self.site.recipe(full, self.specimen) for full in (True, False)]

    def live(self, feed: Feed) -> Made:
        """Entries that are too many, or too large together, go into the archive. Raises FeedError."""
        draft = self._live(feed)
        if draft.count > LIVE_MOST:
            self.feeds.seal(feed, LIVE_MOST)
            draft = self._live(feed)
        if draft.count >= LIVE_LARGE and draft.size > SIZE:
            self.feeds.seal(feed, LIVE_LARGE - 1)
            draft = self._live(feed)
        while draft.count > 1 and draft.size > LARGEST:
            self.feeds.seal(feed, draft.count // 2)
            draft = self._live(feed)
        made = Made(self._checked(draft), {draft.recipe: draft.fresh})
        if feed.both_forms:
            self._add_other_form(feed, made)
        return made

    def _add_other_form(self, feed: Feed, made: Made) -> None:
        """It holds up the usual form in nothing: somebody only asked for it."""
        try:
            other = self._live(feed, other_form=True)
            made.files |= self._checked(other)
            made.keep[other.recipe] = other.fresh
        except FeedError as error:
            made.trouble = str(error)

    def page(self, page: FeedPage) -> Made | None:
        """None when it has grown too large: then its parts are dirty and come in their turn. Raises FeedError."""
        recipe = self.site.recipe(self.site.full, self.specimen)
        contents = self.feeds.of_page(page, PAGE_MOST + 1, recipe)
        if len(contents) > PAGE_MOST:
            self.feeds.part(page)
            return None
        name = f"{page.feed.slug}/{page.number}"
        entries, fresh = self._rendered(contents, self.site.full, name)
        draft = self._draft(name, page_document(page, entries, self.site), fresh, recipe, len(entries))
        if draft.count > 1 and draft.size > LARGEST:
            self.feeds.part(page)
            return None
        return Made(self._checked(draft))  # and no pieces: a page is seldom made again

    def _live(self, feed: Feed, other_form: bool = False) -> _Draft:
        """The live document in one form; an entry more than it may have stands for all others."""
        full = self.site.full != other_form
        recipe = self.site.recipe(full, self.specimen)
        live = self.feeds.live(feed, recipe)
        name = f"{feed.slug}.{self.site.other_form}" if other_form else feed.slug
        entries, fresh = self._rendered(live.contents, full, name)
        document = live_document(feed, entries, live.older, self.site, other_form)
        return self._draft(name, document, fresh, recipe, len(entries) + live.overfull)

    def _rendered(self, contents: Content, full: bool, name: str) -> tuple[list[FeedPiece | SentIssue], Pieces]:
        """Contents with entries rendered, and the pieces made now."""
        fresh: dict[int, FeedPiece] = {}
        entries: list[FeedPiece | SentIssue] = []
        for each in contents:
            if isinstance(each, Entry):
                entries.append(fresh.setdefault(each.number, self._piece(each, full, name)))
            else:
                entries.append(each)
        return entries, fresh

    def _piece(self, entry: Entry, full: bool, name: str) -> FeedPiece:
        try:
            return self.piece(feed_item(entry, self.site, full))
        except ValueError as error:
            raise FeedError(f"feeds/{name} cannot be written: {entry.key}: {error}") from error

    def _draft(self, name: str, document: FeedDocument, fresh: Pieces, recipe: str, count: int) -> _Draft:
        if len({item.id for item in document.items}) < len(document.items):
            raise FeedError(f"feeds/{name}: two entries have the same id")
        files = {path: self.render(document, format) for format, path in feed_paths(name).items()}
        is_known = not fresh and all(isinstance(item, FeedPiece) for item in document.items)
        return _Draft(files, is_known, fresh, recipe, count)

    def _checked(self, draft: _Draft) -> dict[str, bytes]:
        """The bytes of a document by path. Raises FeedError when any of them would not be valid.

        Where all pieces are known, only what is around them is looked at.
        """
        files = {path: layout.whole for path, layout in draft.files.items()}
        for path, layout in draft.files.items():
            is_known = draft.is_known and layout.size <= SIZE
            self.check(layout.frame if is_known else files[path], FeedFormat(path.rpartition(".")[2]))
        return files
