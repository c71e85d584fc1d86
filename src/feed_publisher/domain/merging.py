"""The drafts of one document that are the same article, and those that contradict each other (SEMANTICS §1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feed_publisher.domain.identity import (
    DOUBTFUL,
    NEAR_SAME,
    Key,
    KeyKind,
    fragment_keys,
    keys_of,
    link_title_key,
    normalise,
    summary_likeness,
    text_keys,
)
from feed_publisher.domain.model import Draft

if TYPE_CHECKING:
    from feed_publisher.domain.recognition import Known

SAME_TITLE = "has the title and authors of another article in the same listing but another summary"
SAME_LINK = "has the link of another article in the same listing but another title"


@dataclass(frozen=True, slots=True)
class Article:
    """One article of a document and the keys it may be known by. ``doubt`` says why it may be none of its own."""

    draft: Draft
    keys: tuple[Key, ...]
    doubt: str = ""

    @property
    def textual(self) -> bool:
        """Whether only its text can tell which entry it is."""
        return has_text_keys(self.keys)

    def without_title(self, doubt: str) -> Article:
        """Known by its full text only: title and authors belong to another one."""
        return Article(self.draft, own_text(self.keys), doubt)


def merged(drafts: Sequence[Draft], source: str, known: Mapping[Key, Known]) -> list[Article]:
    """Drafts that share a key become one, with both topics; then the doubts: those that contradict it."""
    keyed = _keyed(drafts, source)
    keepers = _keepers(keyed, known)
    articles: list[Article] = []
    doubts: dict[tuple[Key, ...], Article] = {}
    at: dict[Key, int] = {}
    for draft, keys in keyed:
        keeper = keepers.get(keys[-1], draft)
        index = next((at[key] for key in keys if key in at), None)
        if keeper is draft or not _contradicts(draft, keys, keeper):
            if index is None:
                at.update((key, len(articles)) for key in keys)
                articles.append(Article(draft, keys))
                continue
            if not _contradicts(draft, keys, articles[index].draft):
                articles[index] = _with_topics_of(articles[index], draft)
                continue
        doubt = _doubt(draft, keys)
        same = doubts.get(doubt.keys)
        doubts[doubt.keys] = _with_topics_of(same, draft) if same else doubt
    return [*articles, *doubts.values()]


def has_text_keys(keys: tuple[Key, ...]) -> bool:
    """Whether these are the keys of a draft that only its text can tell from others."""
    return any(key.kind is KeyKind.TITLE for key in keys)


def own_text(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Without the key of title and authors."""
    return tuple(key for key in keys if key.kind is not KeyKind.TITLE)


Keyed = tuple[Draft, tuple[Key, ...]]


def _keyed(drafts: Sequence[Draft], source: str) -> list[Keyed]:
    shared = _shared_links(drafts) | _shared_ids(drafts, source)
    apart = _apart_by_fragment(drafts)
    return [(draft, _own_keys(draft, source, shared, apart)) for draft in drafts]


def _own_keys(draft: Draft, source: str, shared: set[Key], apart: set[Key]) -> tuple[Key, ...]:
    keys: list[Key] = []
    for key in keys_of(draft, source):
        if key in apart:
            keys += fragment_keys(draft) or (key,)
        elif key not in shared:
            keys.append(key)
    return tuple(keys) or text_keys(draft, source)


def _keepers(keyed: Iterable[Keyed], known: Mapping[Key, Known]) -> dict[Key, Draft]:
    """By title key, where several drafts share that of a known entry: the draft that is this entry."""
    groups: dict[Key, list[Keyed]] = {}
    for draft, keys in keyed:
        if keys[-1].kind is KeyKind.TITLE and keys[-1] in known:
            groups.setdefault(keys[-1], []).append((draft, keys))
    keepers = {key: _keeper(group, known[key], known) for key, group in groups.items() if len(group) > 1}
    return {key: keeper for key, keeper in keepers.items() if keeper}


def _keeper(group: Sequence[Keyed], entry: Known, known: Mapping[Key, Known]) -> Draft | None:
    for draft, keys in group:
        if any(key in known and known[key].number == entry.number for key in own_text(keys)):
            return draft
    likest = max((draft for draft, _ in group), key=lambda draft: summary_likeness(draft.summary, entry.summary))
    return likest if summary_likeness(likest.summary, entry.summary) >= DOUBTFUL else None


def _with_topics_of(first: Article, second: Draft) -> Article:
    topics = tuple(dict.fromkeys(first.draft.topics + second.topics))
    return replace(first, draft=replace(first.draft, topics=topics))


def _contradicts(one: Draft, keys: tuple[Key, ...], other: Draft) -> bool:
    """Whether a draft is hardly the article it shares a key with: titles and links are weaker than ids."""
    if has_text_keys(keys):
        if not one.summary or not other.summary:
            return False
        return summary_likeness(one.summary, other.summary) < NEAR_SAME
    if one.explicit_id or normalise(one.title) == normalise(other.title):
        return False
    return summary_likeness(one.summary, other.summary) < NEAR_SAME


def _doubt(draft: Draft, keys: tuple[Key, ...]) -> Article:
    if has_text_keys(keys):
        return Article(draft, own_text(keys), SAME_TITLE)
    return Article(draft, (link_title_key(draft),), SAME_LINK)


def _apart_by_fragment(drafts: Sequence[Draft]) -> set[Key]:
    """Link keys of drafts without ids that only their fragments tell apart."""
    fragments: dict[Key, set[Key]] = {}
    for draft in drafts:
        if not draft.explicit_id and (own := fragment_keys(draft)):
            for key in keys_of(draft, ""):
                fragments.setdefault(key, set()).update(own)
    return {key for key, several in fragments.items() if len(several) > 1 and key.kind is KeyKind.LINK}


def _shared_ids(drafts: Sequence[Draft], source: str) -> set[Key]:
    """Ids that several drafts of one document share which have neither link nor title in common."""
    seen: dict[Key, Draft] = {}
    shared: set[Key] = set()
    for draft in drafts:
        for key in keys_of(draft, source):
            if key.kind is KeyKind.ID:
                first = seen.setdefault(key, draft)
                if first is not draft and _are_others(first, draft):
                    shared.add(key)
    return shared


def _are_others(one: Draft, other: Draft) -> bool:
    return one.link != other.link and normalise(one.title) != normalise(other.title)


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
