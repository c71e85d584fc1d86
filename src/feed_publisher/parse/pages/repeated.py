"""Entries without any mark: elements that look alike, stand together, and say something each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from feed_publisher.domain.model import Draft
from feed_publisher.parse.pages.card import has_words, read_card
from feed_publisher.parse.pages.rank import quality
from feed_publisher.parse.pages.tree import HEADINGS, Element, Page

Group = list[Element]

LEAST = 3
MAX_GROUPS = 12  # that are read in full
MAX_MEMBERS = 501  # one more than are taken, so that it is told
ENOUGH_TEXT = 15  # characters
_LONG_TEXT = 400  # more does not make a better entry

_CHANGING = re.compile(r"\d|^(?:odd|even|first|last|active|current|is-.*|has-.*)$")
_NEVER_NAMES = "html body head option a span b i em strong br img td th time small figure picture font"
_NEVER = frozenset(_NEVER_NAMES.split())
_LEADS = HEADINGS | {"dt"}


def repeated_entries(page: Page) -> list[Element]:
    """The group that reads best; in doubt the one that comes first."""
    best: list[Element] = []
    score = 0.0
    for group in best_groups(page):
        drafts = _read(page, group)
        value = quality(drafts) if len(drafts) >= LEAST else 0.0
        if value > score:
            best, score = group, value
    return best


def best_groups(page: Page) -> list[Group]:
    """Groups with most to say, by a cheap look at each."""
    speaking = _speaking(page)
    groups: dict[object, Group] = {}
    for element in page.order:
        if element in speaking:
            for key in _keys(element):
                groups.setdefault(key, []).append(element)
    apart = (_apart(group[:MAX_MEMBERS]) for group in groups.values() if len(group) >= LEAST)
    several = {tuple(group): None for group in apart if len(group) >= LEAST}
    ranked = sorted(several, key=lambda group: -sum(min(page.sizes[element], _LONG_TEXT) for element in group))
    return [list(group) for group in ranked[:MAX_GROUPS]]


def _apart(group: Group) -> Group:
    """Without those inside another one: articles hold no articles, and each would be read again and again."""
    members = set(group)
    return [element for element in group if not any(outer in members for outer in element.iterancestors())]


def parts_of(element: Element, starts: Iterable[Element]) -> list[Element]:
    """A heading or a term leads an entry that goes on to the next one; anything else is an entry by itself."""
    if element.tag not in _LEADS:
        return [element]
    others, parts = set(starts), [element]
    for sibling in islice(element.itersiblings(), 30):
        if sibling in others or (sibling.tag in HEADINGS and sibling.tag <= element.tag) or sibling.tag == "hr":
            break
        parts.append(sibling)
    return parts


def _read(page: Page, group: Sequence[Element]) -> list[Draft]:
    starts = set(group)
    found = (read_card(page, parts_of(element, starts)) for element in group)
    drafts = [draft for draft in found if draft is not None and has_words(draft.title, 2)]
    return drafts if len({draft.title for draft in drafts}) * 2 > len(drafts) else []


def _speaking(page: Page) -> set[Element]:
    """Elements with a heading or link and some words; a heading speaks for what follows it."""
    speaking: set[Element] = set()
    for element in reversed(page.order):
        leads = element.tag in _LEADS or (element.tag == "a" and element.get("href"))
        if leads or element in speaking:
            speaking.add(element)
            parent = element.getparent()
            if parent is not None:
                speaking.add(parent)
    return {
        element
        for element in speaking
        if element.tag not in _NEVER and element not in page.outside and page.sizes[element] >= ENOUGH_TEXT
    }


def _keys(element: Element) -> list[object]:
    """Alike among siblings by tag, by classes too, and alike in the whole page."""
    parent = element.getparent()
    if parent is None:
        return []
    above = parent.getparent()
    look = signature(element)
    keys: list[object] = [(parent, element.tag), (parent, look)]
    return [*keys, (look, signature(parent), "" if above is None else signature(above))]


def signature(element: Element) -> str:
    classes = (name for name in (element.get("class") or "").split()[:8] if not _CHANGING.search(name))
    return ".".join([str(element.tag), *sorted(set(classes))])
