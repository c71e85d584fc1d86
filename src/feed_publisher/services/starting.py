"""Where a digest starts: what that means for its readers, and moving it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Entry
from feed_publisher.ports.starting import Start, StartStore

BATCH = 1_000
"""Readers per transaction: others who want to write wait for some tens of milliseconds at most."""


def _quietly(count: int) -> None:
    """Nobody is there to see progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A start in articles and readers; ``first`` is the first article after it.

    Compared with the start there is: ``left_out`` were to come and would not, ``more`` were not to come and would.
    """

    start: Start
    first: Entry | None
    articles: int
    readers: int
    left_out: int = 0
    more: int = 0


class Starting:
    """One digest. ``topics``: those it covers by number; None: all."""

    def __init__(self, store: StartStore, slug: str, topics: Collection[int] | None) -> None:
        self._store = store
        self._slug = slug
        self._topics = topics

    def before(self, entry: Entry) -> int:
        """The start at which this entry is the first that is mailed."""
        sequence = self._store.sequence_of(entry.number, self._topics)
        if sequence is None:
            reason = f"“{entry.title}” is not mailed by {self._slug}; `entries why {entry.key}` says why"
            raise InputError(reason, "--from")
        return sequence - 1

    def look(self, through: int, after: int | None = None) -> Meaning:
        """Where it starts, or what it would mean to start ``after`` another sequence."""
        start = self._store.look(self._slug)
        wanted = start.after if after is None else after
        return Meaning(
            start=start,
            first=self._store.first(wanted, self._topics),
            articles=self._store.articles(wanted, through, self._topics),
            readers=self._store.newcomers(self._slug),
            left_out=self._store.articles(start.after, wanted, self._topics),
            more=self._store.articles(wanted, start.after, self._topics),
        )

    def begin(self, after: int | None, next_number: int | None, progress: Callable[[int], None] = _quietly) -> int:
        """Move the start, then readers who have had no issue; how many. When cut short, the same again goes on.

        ``progress`` is told how many have been moved.
        """
        self._store.restart(self._slug, after, next_number)
        behind: int | None = 0
        count = 0
        while after is not None and behind is not None:
            behind, moved = self._store.move(self._slug, behind, BATCH)
            count += moved
            progress(count)
        return count
