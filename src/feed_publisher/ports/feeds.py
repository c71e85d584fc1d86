"""What publishing needs: which feeds are dirty, which bytes are out. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from feed_publisher.compose.packing import Packed
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.issue import SentIssue
from feed_publisher.domain.model import Entry, FeedDocument, FeedFormat, FeedItem, FeedLayout, FeedPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed as it stands now. ``slug`` is its address below ``feeds/``, without form and extension.

    ``title``: of its topic or digest or its own, the author's name, the language's code; "" for that of all entries.
    ``both_forms``: somebody reads the form that is not the site's usual one too. ``version`` rises with each change.
    """

    id: int
    kind: FeedKind
    slug: str
    title: str
    atom_id: str
    version: int
    added_at: datetime
    both_forms: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """An archive page that is to be written; ``older`` is the number of the page before it, 0 for none."""

    feed: Feed
    number: int
    version: int
    older: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """A feed file that is out. ``etag`` is the hash of the identity bytes, without quotes."""

    path: str
    version: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedUse:
    """How often a file was asked for on a day (UTC), and by how many readers, as far as it can be told."""

    path: str
    day: date
    polls: int
    readers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """A feed as the operator sees it. ``readers`` of all its files: of today or yesterday, whichever had more."""

    feed: Feed
    changed_at: datetime | None
    readers: int
    polls: int
    problem: str


Content = Sequence[Entry | FeedPiece | SentIssue]
"""What stands in a document, newest first: issues, or entries, some of which are rendered already."""

Pieces = Mapping[int, FeedPiece]
"""By the numbers of their entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What stands in a live document.

    ``older`` is the number of the newest archive page, 0 for none. ``overfull``: there are more, to be sealed.
    """

    contents: Content
    older: int
    overfull: bool = False


WriteFiles = Callable[[dict[str, FeedFile]], list[FeedFile]]
"""Given those of the files that are out, writes what has changed and says what it wrote."""


class FeedStore(Protocol):
    """Which feeds are dirty and which bytes are out. ``recipe`` names what pieces are made with."""

    def dirty(self, slug: str | None = None) -> list[Feed]: ...
    def find(self, slugs: Sequence[str]) -> list[Feed]: ...
    def listed(self) -> list[Feed]:
        """Those that are written without being asked for: of all entries, topics, digests' issues, and named ones."""
        ...

    def seal(self, feed: Feed, most: int) -> None:
        """Move what a live document has too many of into archive pages."""
        ...

    def live(self, feed: Feed, recipe: str) -> Live: ...
    def dirty_pages(self, limit: int, feed: str | None = None, without: Collection[str] = ()) -> list[FeedPage]:
        """Of one feed, or of all but some."""
        ...

    def pages(self, slug: str, numbers: Sequence[int]) -> list[FeedPage]: ...
    def of_page(self, page: FeedPage, limit: int, recipe: str) -> Content: ...
    def part(self, page: FeedPage) -> None:
        """Part a page that has grown too large; the parts are dirty."""
        ...

    def out(self, paths: Sequence[str]) -> dict[str, FeedFile]: ...
    def replace(
        self,
        feed: Feed,
        paths: Sequence[str],
        write: WriteFiles,
        page: FeedPage | None = None,
        keep: Mapping[str, Pieces] = ...,
    ) -> bool:
        """Let ``write`` replace these files under the feed's lock; False when newer ones are out already.

        ``keep``: pieces by their recipes. They are kept unless something in the feed has changed since.
        """
        ...

    def clean(self, feed: Feed) -> None:
        """What is out is right, unless the feed has changed since it was read."""
        ...

    def refuse(self, feed: Feed, problem: str, page: FeedPage | None = None) -> None: ...
    def drop(self, feed: Feed) -> list[str]:
        """Forget a feed that is gone; the paths of its files."""
        ...

    def over(self, since: datetime) -> list[Feed]:
        """Feeds of topics that have ended by then, with files that are still out."""
        ...

    def clear(self, feed: Feed) -> list[str]:
        """Nothing of a feed is out any more; the paths of its files."""
        ...

    def all_dirty(self) -> None: ...
    def known(self, paths: Sequence[str]) -> set[str]:
        """Those of them that belong to a feed."""
        ...

    def out_since(self, moment: datetime | None) -> dict[str, list[FeedFile]]:
        """Files by the slug of their feed, of those written since then by whatever process; all without a moment."""
        ...

    def make(self, slug: str, both_forms: bool, now: datetime) -> bool:
        """Make a feed that somebody asks for, if there is what it would hold; whether it is there now."""
        ...

    def depend_on(self, settings: str, recipes: Collection[str]) -> bool:
        """All feeds are dirty when what they take from the settings has changed since the last call; whether it has.

        Then only pieces of these recipes stay.
        """
        ...

    def forget_settings(self) -> None:
        """The next call of ``depend_on`` finds them changed."""
        ...


class FeedFiles(Protocol):
    """The folder ``public/``."""

    def matches(self, path: str, data: bytes) -> bool: ...
    def is_out(self, path: str, modified: datetime) -> bool: ...
    def write(self, path: str, packed: Packed, modified: datetime) -> None: ...
    def remove(self, path: str) -> None: ...
    def read(self, path: str) -> bytes | None: ...
    def tidy(self, before: datetime) -> None:
        """Remove what a process that was killed has left there before that moment."""
        ...

    def documents(self, before: datetime) -> list[str]:
        """Paths of the feed documents that lie there since before that moment."""
        ...


RenderPiece = Callable[[FeedItem], FeedPiece]
RenderFeed = Callable[[FeedDocument, FeedFormat], FeedLayout]
RenderOutline = Callable[[str, Sequence[tuple[str, str, str]]], bytes]
"""OPML from a title and, per feed, its title, the address of its page and its own."""
