"""What publishing needs: which feeds are dirty, which bytes are out. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feed_publisher.domain.model import Entry, FeedDocument, FeedFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyFeed:
    """A feed to be written; ``title`` is None for the feed of all entries."""

    id: int
    slug: str
    title: str | None
    atom_id: str
    version: int
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """A feed file that is out. ``etag`` is the hash of the identity bytes, without quotes."""

    path: str
    version: int
    etag: str
    last_modified: datetime


class FeedStore(Protocol):
    """Which feeds are dirty and which bytes are out."""

    def dirty(self, every: bool = False) -> list[DirtyFeed]: ...
    def newest(self, slug: str, limit: int) -> list[Entry]: ...
    def replace(self, dirty: DirtyFeed, write: Callable[[dict[str, FeedFile]], list[FeedFile]]) -> bool: ...
    def refuse(self, dirty: DirtyFeed, problem: str) -> None: ...
    def problems(self) -> dict[str, str]: ...
    def depend_on(self, settings: str) -> bool:
        """All feeds are dirty when what they take from the settings has changed since the last call; whether it has."""
        ...


class FeedFiles(Protocol):
    """The folder ``public/``."""

    def matches(self, path: str, data: bytes) -> bool: ...
    def read(self, path: str) -> bytes:
        """Raises StorageError."""
        ...

    def write(self, path: str, data: bytes, modified: datetime) -> None: ...


RenderFeed = Callable[[FeedDocument, FeedFormat], bytes]
RenderOutline = Callable[[str, Sequence[tuple[str, str, str]]], bytes]
"""OPML from a title and, per feed, its title, the address of its page and its own."""
