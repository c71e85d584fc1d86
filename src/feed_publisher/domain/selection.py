"""Which entries a subscription gets: cursors, topics and their starts (SEMANTICS §2, Start and cursor)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The topics a reader chose, each with the sequence from which it counts.

    ``starts`` maps topic numbers to starts; ``everything`` is the start of all topics not named, later ones
    included, or None when only the named topics are chosen. Interned by its ``text``: "*@0" or "*@340,12@0".
    """

    everything: int | None = None
    starts: Mapping[int, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        parts = [] if self.everything is None else [f"{EVERYTHING}@{self.everything}"]
        return ",".join(parts + [f"{topic}@{start}" for topic, start in sorted(self.starts.items())])

    @classmethod
    def parse(cls, text: str) -> Choice:
        """The inverse of ``text``."""
        pairs = [part.split("@") for part in text.split(",") if part]
        everything = next((int(start) for name, start in pairs if name == EVERYTHING), None)
        return cls(everything=everything, starts={int(n): int(s) for n, s in pairs if n != EVERYTHING})

    def start_of(self, topic: int) -> int | None:
        """The sequence above which entries of this topic count, or None when it is not chosen."""
        return self.starts.get(topic, self.everything)

    def led(self, other: int, topic: int, sequence: int) -> Choice:
        """What it becomes when ``topic`` comes to those who chose ``other``: both from there on.

        Who has come to the other one later gets nothing from before that; an earlier start stays.
        """
        start, had = max(sequence, self.starts[other]), self.start_of(topic)
        return self if had is not None and had <= start else replace(self, starts={**self.starts, topic: start})

    def is_within(self, topics: Collection[int]) -> bool:
        """Whether it has nothing but these topics."""
        return self.everything is None and bool(self.starts) and self.starts.keys() <= set(topics)


def change_choice(old: Choice, wanted: Iterable[int] | None, now_sequence: int) -> Choice:
    """The choice after a change of topics (None: everything). Kept topics keep their start, new ones start now."""
    if wanted is None:
        if old.everything is not None:
            return Choice(everything=old.everything, starts=_informative(old.starts, old.everything))
        return Choice(everything=now_sequence, starts=_informative(old.starts, now_sequence))
    starts = {topic: old.start_of(topic) for topic in wanted}
    return Choice(starts={topic: now_sequence if start is None else start for topic, start in starts.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An entry with a new sequence somewhere, and its sequence in every topic it is mailable in.

    ``elsewhere``: the lowest sequence in a topic that does not count here, but may have counted once.
    """

    entry: int
    sequences: Mapping[int, int]
    elsewhere: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """``entry`` is due; ``may_have_had`` asks the ledger first: it was mailable elsewhere before the cursor."""

    entry: int
    topic: int
    sequence: int
    may_have_had: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """Fewer ``entries`` wait for the next date, unless one of them has a sequence up to ``overdue``."""

    entries: int
    overdue: int


def select(candidates: Iterable[Candidate], choice: Choice, cursor: int, through: int) -> list[Selected]:
    """The entries above the cursor for this choice, in the order of the candidates.

    The lowest sequence over the chosen topics (those above each topic's start) decides, so an entry that moves
    on to a second chosen topic is not new again.
    """
    selected = []
    for candidate in candidates:
        counted = {topic: n for topic, n in candidate.sequences.items() if _counts(choice, topic, n, through)}
        if counted and min(counted.values()) > cursor:
            anywhere = [*candidate.sequences.values(), *([] if candidate.elsewhere is None else [candidate.elsewhere])]
            may_have_had = min(anywhere) <= cursor
            topic = min(counted, key=lambda t: counted[t])
            selected.append(
                Selected(entry=candidate.entry, topic=topic, sequence=counted[topic], may_have_had=may_have_had)
            )
    return selected


def rolls_over(selected: Sequence[Selected], minimum: Minimum) -> bool:
    """Whether a reader's entries wait for the next date."""
    return 0 < len(selected) < minimum.entries and min(each.sequence for each in selected) > minimum.overdue


def _counts(choice: Choice, topic: int, sequence: int, through: int) -> bool:
    start = choice.start_of(topic)
    return start is not None and start < sequence <= through


def _informative(starts: Mapping[int, int], everything: int) -> dict[int, int]:
    return {topic: start for topic, start in starts.items() if start != everything}
