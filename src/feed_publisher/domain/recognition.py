"""From drafts to decisions: which are new, which are known, which are in doubt (SEMANTICS §1, Recognition)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from feed_publisher.domain.identity import (
    NEAR_SAME,
    Key,
    KeyKind,
    Likeness,
    is_textual,
    keys_of,
    normalise,
    retitled,
    summary_likeness,
    title_key,
)
from feed_publisher.domain.model import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What recognition needs of a stored entry; ``number`` is its database id."""

    number: int
    key: str
    source: str
    title: str
    authors: tuple[str, ...]
    summary: str
    content_html: str
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry that the same document listed when it was last read."""

    known: Known
    place: int


class Verb(StrEnum):
    """What is to be done with a draft."""

    NEW = "new"
    HOLD = "hold"
    CHANGE = "change"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``known`` is None for NEW and HOLD; ``keys`` are those to be stored with the entry.

    ``owned``: the known entry belongs to the source that was read; other sources only add topics.
    """

    verb: Verb
    draft: Draft
    keys: tuple[Key, ...]
    known: Known | None = None
    owned: bool = False
    reason: str = ""


def wanted_keys(drafts: Iterable[Draft], source: str) -> set[Key]:
    """All keys that ``recognise`` will ask for."""
    return {key for draft in drafts for key in keys_of(draft, source)}


def recognise(
    drafts: Sequence[Draft], source: str, known: Mapping[Key, Known], listed: Sequence[Listed]
) -> list[Decision]:
    """One decision per article of a document, in its order; the same article twice becomes one with both topics."""
    shared_links = _shared_links(drafts)
    found: list[tuple[Draft, tuple[Key, ...], Known | None]] = []
    doubts: list[Decision] = []
    for draft in _merged(drafts, source, doubts):
        keys = tuple(key for key in keys_of(draft, source) if key not in shared_links)
        found.append((draft, keys, next((known[key] for key in keys if key in known), None)))
    still_there = {hit.number for _, _, hit in found if hit}
    gone = [old for old in listed if old.known.number not in still_there]
    shifts = [(draft.place, hit.number) for draft, _, hit in found if hit]
    decisions = [
        _known(draft, keys, hit, source) if hit else _unknown(draft, keys, source, gone, _shift(draft, shifts, listed))
        for draft, keys, hit in found
    ]
    return decisions + [_settle_doubt(doubt, known) for doubt in doubts]


def is_significant(draft: Draft, known: Known) -> bool:
    """Whether a reader would notice: other words in title, byline, summary or content. Spacing and case are minor."""
    return (
        normalise(draft.title) != normalise(known.title)
        or draft.authors != known.authors
        or normalise(draft.summary) != normalise(known.summary)
        or normalise(draft.content_html) != normalise(known.content_html)
    )


def _known(draft: Draft, keys: tuple[Key, ...], hit: Known, source: str) -> Decision:
    owned = hit.source == source
    verb = Verb.CHANGE if owned and is_significant(draft, hit) else Verb.KEEP
    return Decision(verb=verb, draft=draft, keys=keys, known=hit, owned=owned)


def _unknown(draft: Draft, keys: tuple[Key, ...], source: str, gone: list[Listed], shift: int) -> Decision:
    if is_textual(draft):
        for old in gone:
            apart = draft.place - shift - old.place
            likeness = retitled(draft, old.known.title, old.known.authors, old.known.summary, apart)
            if likeness is Likeness.SAME:
                gone.remove(old)
                return _known(draft, keys, old.known, source)
            if likeness is Likeness.DOUBT:
                reason = (
                    f"may be “{old.known.title}” under a new title: release it if it is another article, else hide it"
                )
                return Decision(verb=Verb.HOLD, draft=draft, keys=keys, reason=reason)
    return Decision(verb=Verb.NEW, draft=draft, keys=keys)


def _merged(drafts: Sequence[Draft], source: str, doubts: list[Decision]) -> list[Draft]:
    """Drafts of one document that share a key become one; equal titles with other summaries go to ``doubts``."""
    merged: list[Draft] = []
    at: dict[Key, int] = {}
    shared_links = _shared_links(drafts)
    for draft in drafts:
        keys = [key for key in keys_of(draft, source) if key not in shared_links]
        index = next((at[key] for key in keys if key in at), None)
        if index is None:
            at.update((key, len(merged)) for key in keys)
            merged.append(draft)
        elif is_textual(draft) and _contradicts(draft, merged[index]):
            doubts.append(_doubt(draft, source))
        else:
            first = merged[index]
            merged[index] = replace(first, topics=tuple(dict.fromkeys(first.topics + draft.topics)))
    return merged


def _contradicts(one: Draft, other: Draft) -> bool:
    return bool(one.summary and other.summary) and summary_likeness(one.summary, other.summary) < NEAR_SAME


def _doubt(draft: Draft, source: str) -> Decision:
    own_title = title_key(draft, source)
    keys = tuple(key for key in keys_of(draft, source) if key != own_title)
    reason = (
        "has the title and authors of another article in the same listing but another summary: "
        "release it if it is another article, else hide it"
    )
    return Decision(verb=Verb.HOLD, draft=draft, keys=keys, reason=reason)


def _settle_doubt(doubt: Decision, known: Mapping[Key, Known]) -> Decision:
    hit = next((known[key] for key in doubt.keys if key in known), None)
    return replace(doubt, verb=Verb.KEEP, known=hit) if hit else doubt


def _shared_links(drafts: Sequence[Draft]) -> set[Key]:
    """Link keys that several ids of one document share: a link to the front page identifies nothing."""
    pairs = {
        (key, draft.explicit_id)
        for draft in drafts
        if draft.explicit_id
        for key in keys_of(draft, "")
        if key.kind is KeyKind.LINK
    }
    counts = Counter(key for key, _ in pairs)
    return {key for key, count in counts.items() if count > 1}


def _shift(draft: Draft, found: list[tuple[int, int]], listed: Sequence[Listed]) -> int:
    """By how many places the listing moved near this draft since it was last read."""
    places = {old.known.number: old.place for old in listed}
    near = [(abs(place - draft.place), place - places[number]) for place, number in found if number in places]
    return min(near)[1] if near else 0
