"""What moving the start of a digest needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from feed_publisher.domain.model import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a digest starts for readers who have had no issue: after the sequence ``after``.

    ``next_number`` is that of its next issue, ``given`` the highest one that an issue has had. ``open_issue``: the id
    of one, its shadow's included, that is being made or has not left.
    """

    after: int
    next_number: int
    given: int
    open_issue: int | None


class StartStore(Protocol):
    """Digests, and their readers who have had no issue. ``topics``: those of the digest by number; None: all."""

    def look(self, slug: str) -> Start: ...
    def sequence_of(self, entry: int, topics: Collection[int] | None) -> int | None:
        """The lowest that an entry has in these topics; None when it never becomes due by them."""
        ...

    def articles(self, after: int, through: int, topics: Collection[int] | None) -> int:
        """How many public entries became mailable in (after, through]."""
        ...

    def first(self, after: int, topics: Collection[int] | None) -> Entry | None:
        """The first public entry that became mailable after a sequence."""
        ...

    def newcomers(self, slug: str) -> int:
        """How many readers have had no issue yet."""
        ...

    def restart(self, slug: str, after: int | None, next_number: int | None) -> None:
        """Let the digest, and its shadow with all operators, start elsewhere, and count from another number.

        Readers follow by ``move``. Raises InputError for a number that is not above all given ones, and while an issue
        is open.
        """
        ...

    def move(self, slug: str, behind: int, limit: int) -> tuple[int | None, int]:
        """Move those to the start who have had no issue, among so many subscriptions behind one.

        Up to where it got (None: to the end), and how many were moved.
        """
        ...
