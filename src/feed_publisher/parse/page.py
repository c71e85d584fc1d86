"""A topic page of a web site to drafts, by what it says to machines, else by what it looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules, Selectors
from feed_publisher.parse.fields import MAX_LINE
from feed_publisher.parse.pages.about import about
from feed_publisher.parse.pages.articles import article_entries
from feed_publisher.parse.pages.card import read_card
from feed_publisher.parse.pages.jsonld import json_ld_drafts
from feed_publisher.parse.pages.microformats import microformat_entries, microformat_hints
from feed_publisher.parse.pages.pictures import page_picture
from feed_publisher.parse.pages.plaintext import listing_text
from feed_publisher.parse.pages.rank import completeness, quality
from feed_publisher.parse.pages.repeated import parts_of, repeated_entries
from feed_publisher.parse.pages.selectors import Chosen, choose, selectors_for
from feed_publisher.parse.pages.tree import Element, Page, load

MAX_ENTRIES = 500

_NOTHING = (
    "no articles were found on this page; set select.entry to a CSS selector that finds one element per article"
    " (`feed-publisher sources detect URL` shows what it sees)"
)
_BY_ELEMENTS: dict[str, tuple[float, Callable[[Page], list[Element]]]] = {
    "microformats": (1.0, microformat_entries),
    "article elements": (0.95, article_entries),
    "repeated structure": (0.85, repeated_entries),
}
_TRUST_JSON_LD = 1.0
_TRUST_TEXT = 0.8
_UNLINKED = 0.5  # times the trust in elements that lead nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One way to read a page. ``select`` finds the same entries again; empty where no simple selector does."""

    method: str
    drafts: tuple[Draft, ...]
    select: Selectors = Selectors()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    method: str
    trust: float
    drafts: tuple[Draft, ...]
    problems: tuple[Problem, ...]
    tops: tuple[Element, ...] = ()

    @property
    def score(self) -> float:
        linked = sum(draft.link is not None for draft in self.drafts) * 2 >= len(self.drafts)
        return quality(self.drafts) * self.trust * (1 if linked or not self.tops else _UNLINKED)


def read_page(data: bytes, name: str, rules: ParseRules) -> Reading:
    """Drafts and problems; never raises, whatever the bytes."""
    try:
        chosen = choose(rules.select)
        page = load(data, name, rules)
        return _reading(page, chosen, guess=bool(rules.base))
    except InputError as error:
        problem = Problem(where=error.where or name, reason=error.reason)
        return Reading(problems=(problem,), about=About(kind="page"))


def find_shapes(data: bytes, name: str, rules: ParseRules) -> list[Shape]:
    """All ways in which something was found, best first. InputError for a page too large or a wrong selector."""
    chosen = choose(rules.select)
    page = load(data, name, rules)
    return [
        Shape(method=found.method, drafts=found.drafts, select=_reproducing(page, chosen, rules.select, found))
        for found in _ways(page, chosen)
    ]


def _reading(page: Page, chosen: Chosen, guess: bool) -> Reading:
    ways = _ways(page, chosen)
    says = about(page, chosen, guess)
    if not ways:
        return Reading(problems=(Problem(where=page.name, reason=_why_nothing(page, chosen)),), about=says)
    return Reading(drafts=ways[0].drafts, problems=ways[0].problems, about=says)


def _ways(page: Page, chosen: Chosen) -> list[_Found]:
    """sorted() is stable: equals stay in the order of trust."""
    if "entry" in chosen.paths:
        tops = chosen.find("entry", page.root)[: MAX_ENTRIES * 2]
        found = [_found(page, "selectors", 1.0, _cards(page, chosen, tops), tops)]
    else:
        found = list(_detected(page, chosen))
    return sorted((way for way in found if way.drafts), key=lambda way: -way.score)


def _detected(page: Page, chosen: Chosen) -> Iterator[_Found]:
    """A selector of a field needs elements to look inside of: JSON-LD and text have none."""
    if not chosen.has_fields:
        yield _found(page, "json-ld", _TRUST_JSON_LD, json_ld_drafts(page))
    for method, (trust, find) in _BY_ELEMENTS.items():
        tops = find(page)[: MAX_ENTRIES * 2]
        yield _found(page, method, trust, _cards(page, chosen, tops), tops)
    if not chosen.has_fields:
        yield _from_text(page)


def _from_text(page: Page) -> _Found:
    reading = listing_text(page)
    found = _found(page, "listing text", _TRUST_TEXT, reading.drafts)
    return replace(found, problems=(*reading.problems, *found.problems))


def _cards(page: Page, chosen: Chosen, tops: Sequence[Element]) -> list[Draft]:
    starts = set(tops)
    drafts: list[Draft] = []
    for top in tops:
        parts = parts_of(top, starts)
        draft = read_card(page, parts, chosen.hints(parts).or_else(microformat_hints(top)))
        if draft is not None:
            drafts.append(draft)
    return drafts


def _found(page: Page, method: str, trust: float, drafts: Sequence[Draft], tops: Sequence[Element] = ()) -> _Found:
    """Each once and in order, within the limits."""
    short = [draft for draft in drafts if len(draft.title) <= MAX_LINE]
    problems = [
        Problem(where=draft.where, reason=f"the title is longer than {MAX_LINE} characters; set select.title")
        for draft in drafts
        if len(draft.title) > MAX_LINE
    ]
    once = _once(short)
    if len(once) > MAX_ENTRIES:
        reason = f"the page lists more than {MAX_ENTRIES} articles; only the first {MAX_ENTRIES} are read"
        problems.append(Problem(where=page.name, reason=reason))
    if len(once) == 1 and once[0].image is None:
        once = [replace(once[0], image=page_picture(page, once[0].link))]
    placed = [replace(draft, place=place) for place, draft in enumerate(once[:MAX_ENTRIES])]
    return _Found(method=method, trust=trust, drafts=tuple(placed), problems=tuple(problems), tops=tuple(tops))


def _once(drafts: Sequence[Draft]) -> list[Draft]:
    """The same link twice is one entry: the more complete one, at the earlier place."""
    best: dict[object, Draft] = {}
    for draft in drafts:
        key = draft.link or (draft.title.casefold(), draft.authors)
        if key not in best or completeness(draft) > completeness(best[key]):
            best[key] = draft
    ids = Counter(draft.explicit_id for draft in best.values())
    return [draft if ids[draft.explicit_id] == 1 else replace(draft, explicit_id=None) for draft in best.values()]


def _reproducing(page: Page, chosen: Chosen, given: Selectors, found: _Found) -> Selectors:
    """The first simple selector that, tried on this page, gives the same drafts."""
    if "entry" in chosen.paths:
        return given
    for entry in selectors_for(found.tops):
        select = replace(given, entry=entry)
        ways = _ways(page, choose(select))
        if ways and ways[0].drafts == found.drafts:
            return select
    return Selectors()


def _why_nothing(page: Page, chosen: Chosen) -> str:
    if "entry" not in chosen.paths:
        return _NOTHING
    tops = chosen.find("entry", page.root)
    if not tops:
        return "select.entry finds nothing on this page; the page may have been rebuilt"
    return f"select.entry finds {len(tops)} elements, but none has a title; set select.title, or correct it"
