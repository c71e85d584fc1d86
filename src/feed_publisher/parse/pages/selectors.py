"""CSS selectors that override what is found in a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

from cssselect import ExpressionError, SelectorError
from lxml import etree
from lxml.cssselect import CSSSelector

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.source import Selectors
from feed_publisher.parse.pages.card import Hints
from feed_publisher.parse.pages.tree import Element

MAX_SELECTOR = 500
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w-]{0,60}", re.ASCII)
_FIELDS = ("title", "link", "summary", "author", "date", "topic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Compiled selectors by the name of their field; those that are "" are missing."""

    paths: Mapping[str, CSSSelector]

    @property
    def has_fields(self) -> bool:
        return any(name in self.paths for name in _FIELDS)

    def find(self, field: str, top: Element) -> list[Element]:
        """Elements only; ``top`` itself may be one of them."""
        try:
            found = cast("list[object]", self.paths[field](top))
        except etree.XPathError as error:
            raise InputError(f"cannot be used: {error}", f"select.{field}") from error
        return [element for element in found if isinstance(element, etree._Element)]

    def hints(self, tops: Sequence[Element]) -> Hints:
        chosen = [name for name in _FIELDS if name in self.paths]
        return Hints(**{name: [element for top in tops for element in self.find(name, top)] for name in chosen})


def choose(select: Selectors) -> Chosen:
    """InputError that names the field whose selector is wrong."""
    given = ((item.name, getattr(select, item.name).strip()) for item in fields(select))
    return Chosen(paths={name: _compile(text, name) for name, text in given if text})


def _compile(text: str, field: str) -> CSSSelector:
    where = f"select.{field}"
    if len(text) > MAX_SELECTOR:
        raise InputError(f"is longer than {MAX_SELECTOR} characters", where)
    try:
        return CSSSelector(text, translator="html")
    except (SelectorError, ExpressionError, etree.XPathError, ValueError, RecursionError) as error:
        raise InputError(f"“{text[:60]}” is not a CSS selector: {error}", where) from error


def selectors_for(elements: Sequence[Element]) -> list[str]:
    """Selectors that may find just these, the simplest first: for the caller to try."""
    if not elements:
        return []
    own, parents = _common(elements), _common([parent for item in elements if (parent := item.getparent()) is not None])
    attributes = ["[itemtype*='Article']", "[itemtype*='Posting']"]
    plain = [own, f"{parents} > {own}" if own and parents else "", f"main {own}" if own else ""]
    return [*filter(None, plain), ".h-entry", ".hentry", *attributes]


def _common(elements: Sequence[Element]) -> str:
    """The tag and the classes that all have; "" when the tags differ or are no names."""
    tags = {str(element.tag) for element in elements}
    classes = [set((element.get("class") or "").split()) for element in elements]
    shared = sorted(name for name in set.intersection(*classes) if _PLAIN_NAME.fullmatch(name)) if classes else []
    tag = tags.pop() if len(tags) == 1 else ""
    return ".".join([tag, *shared[:3]]) if _PLAIN_NAME.fullmatch(tag) else ""
