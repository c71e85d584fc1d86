"""From drafts to decisions: which are new, which are known, which are in doubt (SEMANTICS §1, Recognition)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from feed_publisher.domain.identity import (
    DOUBTFUL,
    NEAR_SAME,
    NEIGHBOURHOOD,
    Key,
    KeyKind,
    Likeness,
    keys_of,
    link_title_key,
    normalise,
    plain,
    retitled,
    summary_likeness,
    text_keys,
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
    return {
        key for draft in drafts for key in (*keys_of(draft, source), *text_keys(draft, source), link_title_key(draft))
    }


def recognise(
    drafts: Sequence[Draft], source: str, known: Mapping[Key, Known], listed: Sequence[Listed]
) -> list[Decision]:
    """One decision per article of a document, in its order; the same article twice becomes one with both topics."""
    articles, doubts = _merged(drafts, source)
    found = [(draft, keys, _hit(draft, keys, known)) for draft, keys in articles]
    still_there = {hit.number for _, _, hit in found if hit}
    gone = {old.place: old for old in listed if old.known.number not in still_there}
    places = {old.known.number: old.place for old in listed}
    anchors = sorted(
        (draft.place, draft.place - places[hit.number]) for draft, _, hit in found if hit and hit.number in places
    )
    decisions = [
        _known(draft, keys, hit, source, known) if hit else _unknown(draft, keys, source, gone, _shift(draft, anchors))
        for draft, keys, hit in found
    ]
    decisions += [_settle_doubt(doubt, known) for doubt in doubts]
    return sorted(decisions, key=lambda decision: decision.draft.place)


def is_significant(draft: Draft, known: Known) -> bool:
    """Whether a reader would notice. Spacing, case and the style of quotes and dashes are minor, all else counts."""
    return (
        plain(draft.title) != plain(known.title)
        or [plain(name) for name in draft.authors] != [plain(name) for name in known.authors]
        or plain(draft.summary) != plain(known.summary)
        or plain(draft.content_html) != plain(known.content_html)
    )


def _hit(draft: Draft, keys: tuple[Key, ...], known: Mapping[Key, Known]) -> Known | None:
    by_link = not draft.explicit_id and not _is_textual(keys)
    asked = (link_title_key(draft), *keys) if by_link else keys
    return next((known[key] for key in asked if key in known), None)


def _known(draft: Draft, keys: tuple[Key, ...], hit: Known, source: str, known: Mapping[Key, Known]) -> Decision:
    owned = hit.source == source
    ids = tuple(key for key in keys if key.kind is KeyKind.ID)
    if owned and ids and not any(key in known for key in ids) and _is_other_article(draft, hit):
        reason = (
            f"has the link of “{hit.title}”, but another id, title and summary: "
            "release it if it is another article, else hide it"
        )
        return Decision(verb=Verb.HOLD, draft=draft, keys=ids, reason=reason)
    verb = Verb.CHANGE if owned and is_significant(draft, hit) else Verb.KEEP
    return Decision(verb=verb, draft=draft, keys=keys, known=hit, owned=owned)


def _is_other_article(draft: Draft, hit: Known) -> bool:
    """A link alone does not make one of two articles that have neither title nor summary in common."""
    if not draft.summary or not hit.summary or normalise(draft.title) == normalise(hit.title):
        return False
    return summary_likeness(draft.summary, hit.summary) < DOUBTFUL


def _unknown(draft: Draft, keys: tuple[Key, ...], source: str, gone: dict[int, Listed], shift: int) -> Decision:
    """``gone`` holds, by their former places, the entries that the document no longer lists as they were."""
    if _is_textual(keys):
        for apart in sorted(range(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1), key=abs):
            old = gone.get(draft.place - shift - apart)
            if old is None:
                continue
            likeness = retitled(draft, old.known.title, old.known.authors, old.known.summary, apart)
            if likeness is Likeness.SAME:
                del gone[old.place]
                return _known(draft, keys, old.known, source, {})
            if likeness is Likeness.DOUBT:
                reason = (
                    f"may be “{old.known.title}” under a new title: release it if it is another article, else hide it"
                )
                return Decision(verb=Verb.HOLD, draft=draft, keys=keys, reason=reason)
    return Decision(verb=Verb.NEW, draft=draft, keys=keys)


Article = tuple[Draft, tuple[Key, ...]]


def _merged(drafts: Sequence[Draft], source: str) -> tuple[list[Article], list[Decision]]:
    """Drafts of one document that share a key become one, with both topics; those that contradict it are doubts."""
    articles: list[Article] = []
    doubts: dict[tuple[Key, ...], Decision] = {}
    at: dict[Key, int] = {}
    shared_links = _shared_links(drafts)
    for draft in drafts:
        keys = tuple(key for key in keys_of(draft, source) if key not in shared_links) or text_keys(draft, source)
        index = next((at[key] for key in keys if key in at), None)
        if index is None:
            at.update((key, len(articles)) for key in keys)
            articles.append((draft, keys))
            continue
        first, first_keys = articles[index]
        if not _contradicts(draft, keys, first):
            articles[index] = (_with_topics_of(first, draft), first_keys)
            continue
        doubt = _doubt(draft, keys, source)
        same = doubts.get(doubt.keys)
        doubts[doubt.keys] = replace(same, draft=_with_topics_of(same.draft, draft)) if same else doubt
    return articles, list(doubts.values())


def _with_topics_of(first: Draft, second: Draft) -> Draft:
    return replace(first, topics=tuple(dict.fromkeys(first.topics + second.topics)))


def _is_textual(keys: tuple[Key, ...]) -> bool:
    return any(key.kind is KeyKind.TITLE for key in keys)


def _contradicts(one: Draft, keys: tuple[Key, ...], other: Draft) -> bool:
    """Whether a draft is hardly the article it shares a key with: titles and links are weaker than ids."""
    likeness = summary_likeness(one.summary, other.summary)
    if _is_textual(keys):
        return bool(one.summary and other.summary) and likeness < NEAR_SAME
    if one.explicit_id:
        return False
    return normalise(one.title) != normalise(other.title) and likeness < NEAR_SAME


def _doubt(draft: Draft, keys: tuple[Key, ...], source: str) -> Decision:
    if _is_textual(keys):
        own_title = title_key(draft, source)
        own_keys = tuple(key for key in keys if key != own_title)
        what = "the title and authors of another article in the same listing but another summary"
    else:
        own_keys = (link_title_key(draft),)
        what = "the link of another article in the same listing but another title"
    reason = f"has {what}: release it if it is another article, else hide it"
    return Decision(verb=Verb.HOLD, draft=draft, keys=own_keys, reason=reason)


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


def _shift(draft: Draft, anchors: list[tuple[int, int]]) -> int:
    """By how many places the listing moved near this draft since it was last read.

    ``anchors`` are (place, shift) of the entries known at both times, in order.
    """
    index = bisect_left(anchors, (draft.place, 0))
    near = anchors[max(0, index - 1) : index + 1]
    return min(near, key=lambda anchor: abs(anchor[0] - draft.place))[1] if near else 0
