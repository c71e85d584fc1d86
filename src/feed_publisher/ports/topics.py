"""Topics, and how they change: one goes into another, or is parted. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from feed_publisher.domain.model import TopicRef


class ChangeKind(StrEnum):
    """How a topic comes to the readers of another one."""

    MERGE = "merge"
    SPLIT = "split"
    RENAME = "rename"  # which is done at once, and never begun


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicWish:
    """What the settings ask for and nobody has begun: ``other`` goes into ``topic``, which may be split from it."""

    kind: ChangeKind
    topic: str
    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChange:
    """One that has begun, by numbers of topics. Readers of ``other`` get ``topic`` from above ``sequence``."""

    id: int
    kind: ChangeKind
    topic: int
    other: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """What a change would concern: articles of the other topic, and active readers who have chosen it by name."""

    articles: int
    readers: int


Place = tuple[datetime, int]
"""Where an entry stands in its topic: (published, entry's number)."""


class TopicStore(Protocol):
    """Topics by slug. Those that have gone into another one are not there any more."""

    def all(self) -> list[TopicRef]: ...
    def get(self, slug: str) -> TopicRef | None: ...
    def refs(self) -> Mapping[int, TopicRef]:
        """By number; one that has gone into another is what it has become."""
        ...

    def reach(self, slugs: Sequence[str]) -> set[int]:
        """The numbers of these topics, by the slugs they have or had, with all that has gone into them."""
        ...

    def over(self) -> set[int]:
        """The numbers of those that have ended, with all that has gone into them."""
        ...

    def declare(self, slug: str, title: str, now: datetime, was: Sequence[str] = (), ended: bool = False) -> None: ...


class TopicChangeStore(Protocol):
    """Changes are carried out in short transactions that may be repeated: whoever is there continues them."""

    def there(self, slugs: Collection[str]) -> set[str]:
        """Those of the slugs that are a topic's."""
        ...

    def outstanding(self, wishes: Sequence[TopicWish]) -> list[TopicWish]:
        """Those that can begin and have not: both topics exist, under these slugs."""
        ...

    def concerned(self, wish: TopicWish) -> Concerned: ...
    def begin(self, wish: TopicWish, now: datetime) -> None:
        """Note it, with a sequence of its own, and give it to the readers; once, whoever comes first."""
        ...

    def begun(self) -> list[TopicChange]:
        """Those that are not carried out yet, oldest first."""
        ...

    def give(self, change: TopicChange) -> bool:
        """Add the topic to some of the choices that have the other one, if they are many; whether more are left."""
        ...

    def close(self, change: TopicChange) -> bool:
        """From here on articles of the other topic come into this one. False while too many choices are left."""
        ...

    def copy(self, change: TopicChange, after: Place | None) -> Place | None:
        """Put some articles of the other topic under this one, from a place on; up to where, None at the end."""
        ...

    def conclude(self, change: TopicChange, now: datetime) -> bool:
        """The last step. False while too many choices are left."""
        ...

    def only_in(self, numbers: Collection[int], digest: str) -> int:
        """How many active readers of a digest have chosen nothing but these topics."""
        ...
