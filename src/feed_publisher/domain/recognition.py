"""From drafts to decisions: which are new, which are known, which are in doubt (SEMANTICS §1, Recognition)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from feed_publisher.domain.identity import (
    DOUBTFUL,
    NEIGHBOURHOOD,
    Key,
    KeyKind,
    Likeness,
    adopted,
    adopted_key,
    canonical_link,
    comparable,
    fragment_keys,
    identifying_link,
    is_permanent_id,
    is_textual,
    keys_of,
    link_title_key,
    moved_host,
    normalise,
    plain,
    retitled,
    same_title,
    same_titled,
    summary_likeness,
    text_keys,
    title_key,
)
from feed_publisher.domain.merging import SAME_LINK, Article, merged
from feed_publisher.domain.model import Draft

CHOICE = ": release it if it is another article, else hide it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What recognition needs of a stored entry; ``number`` is its database id. ``undecided``: held, or hidden.

    ``files`` are the addresses of its enclosures.
    """

    number: int
    key: str
    source: str
    title: str
    authors: tuple[str, ...]
    summary: str
    content_html: str
    link: str | None
    published: datetime | None = None
    undecided: bool = False
    has_image: bool = False
    files: tuple[str, ...] = ()


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
    """``known`` is None for NEW and HOLD; ``keys`` are those to be stored with the entry, none that is stored already.

    ``owned``: the known entry belongs to the source that was read; other sources only add topics. ``feed_only``: a
    new entry that fills feeds but is never mailed. ``wanted_id``: the atom:id that a new entry gets unless another
    has it; "" for one of our own.
    """

    verb: Verb
    draft: Draft
    keys: tuple[Key, ...]
    known: Known | None = None
    owned: bool = False
    reason: str = ""
    feed_only: bool = False
    wanted_id: str = ""


def taking_over(decision: Decision) -> Decision:
    """The new entry keeps the id under which readers of its source know it.

    Not an id that recognition does not go by either, as several articles share it.
    """
    identity = decision.draft.explicit_id or ""
    is_its_own = any(key.kind is KeyKind.ID for key in decision.keys)
    taken = decision.known is None and is_its_own and is_permanent_id(identity)
    return replace(decision, wanted_id=identity) if taken else decision


def wanted_keys(drafts: Iterable[Draft], source: str) -> set[Key]:
    """All keys that ``recognise`` will ask for."""
    wanted: set[Key] = set()
    for draft in drafts:
        wanted.update((*text_keys(draft, source), *fragment_keys(draft)))
        if not is_textual(draft):
            wanted.update((*keys_of(draft, source), link_title_key(draft), adopted_key(draft, source)))
    return wanted


def recognise(
    drafts: Sequence[Draft], source: str, known: Mapping[Key, Known], listed: Sequence[Listed]
) -> list[Decision]:
    """One decision per article of a document, in its order; the same article twice becomes one with both topics."""
    found = [_found(article, known) for article in merged(drafts, source, known)]
    unfound = (article for article, hit in found if hit is None and not article.textual)
    rivals = Counter(key for article in unfound for key in text_keys(article.draft, source))
    judge = _Judge(source, known, _Gone.of(found, listed), {hit.number for _, hit in found if hit}, rivals)
    decisions = [judge.known_one(article, hit) if hit else judge.unknown(article) for article, hit in found]
    return sorted(decisions, key=lambda decision: decision.draft.place)


def is_significant(draft: Draft, known: Known) -> bool:
    """Whether a reader would notice. Spacing, case and the style of quotes and dashes are minor, all else counts.

    Of pictures only the first: sites cut and move theirs at any time. Of files only other addresses: a new episode is
    under one, whereas lengths, types and signatures in the query differ between two readings of the same feed.
    """
    return (
        _differ(draft.title, known.title)
        or len(draft.authors) != len(known.authors)
        or any(_differ(one, other) for one, other in zip(draft.authors, known.authors, strict=True))
        or _differ(draft.summary, known.summary)
        or _differ(draft.content_html, known.content_html)
        or (draft.image is not None and not known.has_image)
        or _places(each.url for each in draft.enclosures) != _places(known.files)
    )


def _differ(one: str, other: str) -> bool:
    return one != other and plain(one) != plain(other)


def _places(addresses: Iterable[str]) -> list[str]:
    return [canonical_link(address).partition("?")[0] for address in addresses]


Found = tuple[Article, Known | None]


def _found(article: Article, known: Mapping[Key, Known]) -> Found:
    """The entry that the keys of an article lead to. Title and authors alone lead to no quite different summary."""
    asked = article.keys
    if not article.draft.explicit_id and not article.textual:
        asked = (link_title_key(article.draft), *asked)
    contradicted = next((key for key in asked if _is_contradicted(key, article.draft, known)), None)
    if contradicted and len(article.keys) > 1:
        asked = tuple(key for key in article.keys if key is not contradicted)
        doubt = f"has the id of “{known[contradicted].title}”, but another link, title and summary"
        article = Article(article.draft, asked, doubt)
    key = next((key for key in asked if key in known), None)
    if key is None:
        return article, None
    hit = known[key]
    if key.kind is KeyKind.TITLE and _is_unlike(article.draft, hit):
        return article.without_title(f"has the title and authors of “{hit.title}” but another summary"), None
    return article, hit


def _is_contradicted(key: Key, draft: Draft, known: Mapping[Key, Known]) -> bool:
    """An id alone does not make one of two articles that have nothing else in common: some give all the same."""
    hit = known.get(key)
    if hit is None or key.kind is not KeyKind.ID or not _is_other_article(draft, hit):
        return False
    links = identifying_link(draft.link), identifying_link(hit.link)
    return None not in links and links[0] != links[1]


def _is_unlike(draft: Draft, hit: Known) -> bool:
    return comparable(draft.summary, hit.summary) and summary_likeness(draft.summary, hit.summary) < DOUBTFUL


def _has_nothing_else_of(draft: Draft, hit: Known) -> bool:
    """Under a new id a link proves less: where neither has a summary, another title is another article."""
    if not draft.summary and not hit.summary:
        return not same_title(draft, hit.title)
    return _is_other_article(draft, hit)


def _is_other_article(draft: Draft, hit: Known) -> bool:
    """A link alone does not make one of two articles that have neither title nor summary in common."""
    if not draft.summary or not hit.summary or normalise(draft.title) == normalise(hit.title):
        return False
    return summary_likeness(draft.summary, hit.summary) < DOUBTFUL


@dataclass(slots=True)
class _Gone:
    """The entries that the document no longer lists as they were, by their former places.

    ``anchors`` are (place, shift) of the entries known at both times, in order.
    """

    by_place: dict[int, Listed]
    by_title: dict[str, list[Listed]]
    anchors: list[tuple[int, int]]

    @classmethod
    def of(cls, found: Sequence[Found], listed: Sequence[Listed]) -> _Gone:
        still_there = {hit.number for _, hit in found if hit}
        places = {old.known.number: old.place for old in listed}
        anchors = sorted(
            (article.draft.place, article.draft.place - places[hit.number])
            for article, hit in found
            if hit and hit.number in places
        )
        gone = cls({}, {}, anchors)
        for old in listed:
            if old.known.number not in still_there:
                gone.by_place[old.place] = old
                gone.by_title.setdefault(normalise(old.known.title), []).append(old)
        return gone

    def take(self, hit: Known) -> None:
        """It was found: no other draft is this entry."""
        titled = self.by_title.get(normalise(hit.title), [])
        for old in [old for old in titled if old.known.number == hit.number]:
            titled.remove(old)
            if self.by_place.get(old.place) is old:
                del self.by_place[old.place]

    def near(self, draft: Draft) -> Iterator[tuple[Listed, int]]:
        """Those at neighbouring places with the distance, nearest first."""
        at = draft.place - self._shift(draft)
        for apart in sorted(range(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1), key=abs):
            if at - apart in self.by_place:
                yield self.by_place[at - apart], apart

    def titled(self, draft: Draft) -> list[tuple[Listed, int]]:
        """A few of its title, wherever they were, with the distance, nearest first."""
        titled = self.by_title.get(normalise(draft.title), [])
        at = draft.place - self._shift(draft)
        apart = [(old, at - old.place) for old in titled if same_title(draft, old.known.title)]
        return sorted(apart, key=lambda pair: abs(pair[1]))[: 2 * NEIGHBOURHOOD + 1]

    def _shift(self, draft: Draft) -> int:
        """By how many places the listing moved near this draft since it was last read."""
        index = bisect_left(self.anchors, (draft.place, 0))
        near = self.anchors[max(0, index - 1) : index + 1]
        return min(near, key=lambda anchor: abs(anchor[0] - draft.place))[1] if near else 0


@dataclass(slots=True)
class _Judge:
    """Decides about the articles of one document.

    ``taken``: numbers of the entries that its keys lead to. ``rivals`` counts by their text keys the articles whose
    id or link is unknown: two of one text cannot both be the entry that was known by it.
    """

    source: str
    known: Mapping[Key, Known]
    gone: _Gone
    taken: set[int]
    rivals: Counter[Key]
    decided: set[int] = field(default_factory=set)

    def known_one(self, article: Article, hit: Known, more: tuple[Key, ...] = ()) -> Decision:
        draft, owned = article.draft, hit.source == self.source
        ids = tuple(key for key in article.keys if key.kind is KeyKind.ID)
        if owned and ids and not more and self._new(ids) == ids and _has_nothing_else_of(draft, hit):
            return self._held(Article(draft, ids), f"has the link of “{hit.title}”, but another id, title and summary")
        # Two drafts that lead to one entry must not correct each other at each reading.
        first = hit.number not in self.decided
        self.decided.add(hit.number)
        verb = Verb.CHANGE if owned and first and is_significant(draft, hit) else Verb.KEEP
        return Decision(verb=verb, draft=draft, keys=self._new((*article.keys, *more)), known=hit, owned=owned)

    def unknown(self, article: Article) -> Decision:
        if article.doubt == SAME_LINK:
            return self._held(article, article.doubt)
        if article.doubt or article.textual:
            return self._by_place(article)
        return self._adopted(article) or self._moved(article)

    def _by_place(self, article: Article) -> Decision:
        """Compare with the entries that are gone from this document."""
        doubt = article.doubt
        for old, likeness in self._likenesses(article):
            if likeness is Likeness.SAME:
                self._take(old.known)
                return self.known_one(article, old.known)
            if likeness is Likeness.DOUBT:
                doubt = doubt or _may_be(article.draft, old.known)
        return self._held(article, doubt) if doubt else self._new_one(article)

    def _likenesses(self, article: Article) -> Iterator[tuple[Listed, Likeness]]:
        draft = article.draft
        for old, apart in self.gone.titled(draft):
            yield old, same_titled(draft, old.known.summary, apart)
        if article.doubt:
            return  # its title is known: it is under no new one
        for old, apart in self.gone.near(draft):
            if not same_title(draft, old.known.title):
                yield old, retitled(draft, old.known.title, old.known.authors, old.known.summary, apart)

    def _adopted(self, article: Article) -> Decision | None:
        """An entry formerly known by its text only, which has got an id or a link."""
        draft, title = article.draft, title_key(article.draft, self.source)
        adoption = adopted_key(draft, self.source)
        texts = text_keys(draft, self.source)
        hit = next((self.known[key] for key in texts if self._is_bare(self.known.get(key))), None)
        if hit is None or adoption in self.known:
            return None
        near = next((old for old, apart in self.gone.titled(draft) if abs(apart) <= NEIGHBOURHOOD), None)
        in_its_place = near is not None and near.known.number == hit.number
        by_text = next((key for key in texts if key != title and self.known.get(key) == hit), None)
        likeness = Likeness.SAME if by_text else adopted(draft, hit.summary, in_its_place)
        if likeness is Likeness.SAME and self.rivals[by_text or title] > 1:
            likeness = Likeness.DOUBT
        if likeness is Likeness.SAME:
            self._take(hit)
            return self.known_one(article, hit, (adoption,))
        return self._held(article, _may_be(draft, hit)) if likeness is Likeness.DOUBT else None

    def _is_bare(self, hit: Known | None) -> bool:
        """Whether it is an entry of this source without a link of its own that no other draft is."""
        return (
            hit is not None
            and hit.source == self.source
            and hit.number not in self.taken
            and identifying_link(hit.link) is None
        )

    def _moved(self, article: Article) -> Decision:
        """The same path on another host, under the same title, instead of an entry that is gone."""
        draft = article.draft
        for old in (old.known for old, _ in self.gone.titled(draft)):
            if old.source != self.source or not moved_host(draft.link, old.link):
                continue
            likeness = adopted(draft, old.summary, in_its_place=False)
            if likeness is Likeness.SAME:
                self._take(old)
                return self.known_one(article, old)
            if likeness is Likeness.DOUBT:
                return self._held(article, _may_be(draft, old))
        return self._new_one(article)

    def _take(self, hit: Known) -> None:
        self.gone.take(hit)
        self.taken.add(hit.number)

    def _new_one(self, article: Article) -> Decision:
        return Decision(verb=Verb.NEW, draft=article.draft, keys=self._new(article.keys))

    def _held(self, article: Article, doubt: str) -> Decision:
        return Decision(verb=Verb.HOLD, draft=article.draft, keys=self._new(article.keys), reason=doubt + CHOICE)

    def _new(self, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        return tuple(key for key in keys if key not in self.known)


def _may_be(draft: Draft, known: Known) -> str:
    changed = "with another byline, summary or link" if same_title(draft, known.title) else "under a new title"
    return f"may be “{known.title}” {changed}"
