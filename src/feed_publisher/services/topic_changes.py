"""Topics of the settings that go into others, or are split from them, with their readers (docs/feeds.md)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.ports.topics import ChangeKind, Concerned, TopicChange, TopicChangeStore, TopicWish


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTopic:
    """What the settings say of where a topic comes from: slugs it had, or took over, and the one it was split from."""

    slug: str
    was: tuple[str, ...] = ()
    split_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A change that the next start makes."""

    wish: TopicWish
    concerned: Concerned


class TopicChanges:
    """``tell`` says to the operator what is being done."""

    def __init__(self, store: TopicChangeStore, tell: Callable[[str], None]) -> None:
        self._store = store
        self._tell = tell

    def foreseen(self, declared: Iterable[DeclaredTopic]) -> list[Foreseen]:
        """What the next start would do, topics that are not there yet included. Changes nothing."""
        topics = list(declared)
        there = self._store.there({slug for each in topics for slug in (each.slug, each.split_from, *each.was)})
        new = [wish for each in topics if each.slug not in there for wish in _of_new(each, there)]
        wanted = [*self._store.outstanding(wishes(topics)), *new]
        return [Foreseen(wish=wish, concerned=self._store.concerned(wish)) for wish in wanted]

    def only_in(self, numbers: Collection[int], digest: str) -> int:
        """How many active readers of a digest have chosen nothing but these topics."""
        return self._store.only_in(numbers, digest)

    def begin(self, declared: Iterable[DeclaredTopic], now: datetime) -> None:
        """Note what the settings ask for and nobody has begun."""
        for wish in self._store.outstanding(wishes(declared)):
            words = f"topic {wish.other} goes into {wish.topic}"
            self._tell(words if wish.kind is ChangeKind.MERGE else f"topic {wish.topic} is split from {wish.other}")
            self._store.begin(wish, now)

    def finish(self, now: datetime) -> None:
        """Carry out what has begun: here, in another process, or before the program was stopped."""
        for change in self._store.begun():
            if change.kind is ChangeKind.MERGE:
                self._move(change)
            while not self._store.conclude(change, now):
                self._give(change)

    def _give(self, change: TopicChange) -> None:
        while self._store.give(change):
            pass

    def _move(self, change: TopicChange) -> None:
        """Readers first: an article that comes into the topic they were led to must find them there."""
        while not self._store.close(change):
            self._give(change)
        place = self._store.copy(change, None)
        while place is not None:
            place = self._store.copy(change, place)


def _of_new(topic: DeclaredTopic, there: Collection[str]) -> list[TopicWish]:
    """The first topic of ``was`` becomes the new one, and the others go into it."""
    old = [slug for slug in topic.was if slug in there]
    kinds = [ChangeKind.RENAME, *[ChangeKind.MERGE] * len(old)]
    found = [TopicWish(kind=kind, topic=topic.slug, other=slug) for kind, slug in zip(kinds, old, strict=False)]
    if topic.split_from in there:
        found.append(TopicWish(kind=ChangeKind.SPLIT, topic=topic.slug, other=topic.split_from))
    return found


def wishes(declared: Iterable[DeclaredTopic]) -> Sequence[TopicWish]:
    """Splits first: who follows a topic that goes at the same time follows what was split from it."""
    topics = list(declared)
    splits = [TopicWish(kind=ChangeKind.SPLIT, topic=t.slug, other=t.split_from) for t in topics if t.split_from]
    merges = [TopicWish(kind=ChangeKind.MERGE, topic=t.slug, other=old) for t in topics for old in t.was]
    return [*splits, *merges]
