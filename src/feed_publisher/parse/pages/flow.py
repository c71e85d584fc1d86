"""The text of a page as the lines a reader sees, with gaps where entries begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from lxml import etree

from feed_publisher.parse.byline import is_certain
from feed_publisher.parse.pages.tree import BLOCKS, HEADINGS, Element, Page, line_of, text_of
from feed_publisher.parse.text import clean, lines_of

_APART = frozenset(["h1", "article", "section", "li", "tr", "main", "table", "ul", "ol", "hr"])
_BEFORE = HEADINGS | {"dt"}
_BOXES = frozenset(["div", "p", "td", "blockquote"])
_BOLD = frozenset(("b", "strong", "a"))


@dataclass(frozen=True, slots=True)
class Line:
    """One visible line, "" for a gap. ``number``: of the source; ``link``: where all of its words lead."""

    number: int
    text: str
    link: str | None = None


@dataclass(slots=True)
class _Flow:
    page: Page
    lines: list[Line] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    number: int = 0
    links: list[tuple[str, str]] = field(default_factory=list)

    def say(self, text: str | None, element: Element) -> None:
        if text:
            if not self.number and text.strip():
                self.number = line_of(element)
            self.parts.append(text)

    def end_line(self) -> bool:
        """Whether there was anything on it."""
        text = clean("".join(self.parts))
        if text:
            link = next((href for words, href in self.links if words == text), None)
            self._add(Line(self.number, text, self.page.link(link)))
        self.parts, self.links, self.number = [], [], 0
        return bool(text)

    def gap(self) -> None:
        self.end_line()
        if self.lines and self.lines[-1].text:
            self.lines.append(Line(0, ""))

    def _add(self, line: Line) -> None:
        """A byline belongs to what stands above it, however many boxes are between."""
        if is_certain(line.text) and len(self.lines) > 1 and not self.lines[-1].text:
            self.lines.pop()
        self.lines.append(line)


def lines_in(page: Page, tops: Sequence[Element], limit: int) -> list[Line]:
    """What is outside of the matter is left out, unless ``tops`` themselves are. ``limit``: elements of each top."""
    flow = _Flow(page)
    boxes_part = len(page.headings) < 3
    for top in tops:
        _walk(flow, top, boxes_part, limit)
        flow.end_line()
    return flow.lines


def _walk(flow: _Flow, top: Element, boxes_part: bool, limit: int) -> None:
    skip = flow.page.outside if top not in flow.page.outside else frozenset()
    walker = etree.iterwalk(top, events=("start", "end"))
    preformatted = 0
    for event, element in islice(walker, limit * 2):
        if event == "start":
            if element in skip:
                walker.skip_subtree()
                continue
            _open(flow, element, boxes_part)
            preformatted += element.tag == "pre"
            _say(flow, element.text, element, preformatted)
            continue
        preformatted -= element.tag == "pre" and element not in skip
        if element not in skip:
            _close(flow, element, boxes_part)
        if element is not top:
            _say(flow, element.tail, element, preformatted)


def _say(flow: _Flow, text: str | None, element: Element, preformatted: int) -> None:
    if not preformatted or not text:
        flow.say(text, element)
        return
    first, *others = lines_of(text)
    flow.say(first, element)
    for offset, other in enumerate(others, start=1):
        if not flow.end_line():
            flow.gap()
        flow.say(other, element)
        flow.number = flow.number and (line_of(element)) + offset


def _open(flow: _Flow, element: Element, boxes_part: bool) -> None:
    tag = str(element.tag)
    if tag in _APART or tag in _BEFORE or (boxes_part and tag in _BOXES and _is_apart(element)):
        flow.gap()
    elif tag == "br":
        if not flow.end_line():
            flow.gap()
    elif tag in BLOCKS:
        flow.end_line()


def _close(flow: _Flow, element: Element, boxes_part: bool) -> None:
    tag = str(element.tag)
    if tag == "a" and element.get("href"):
        flow.links.append((text_of(element), element.get("href", "")))
    if tag in _APART or (boxes_part and tag in _BOXES and _holds_lines(element)):
        flow.gap()
    elif tag in BLOCKS and tag != "br":
        flow.end_line()


def _is_apart(element: Element) -> bool:
    """A box of several lines, or one that is all bold or a link, as titles are."""
    if _holds_lines(element):
        return True
    only = element[0] if len(element) == 1 else None
    return (
        only is not None and only.tag in _BOLD and text_of(only) == text_of(element) and not is_certain(text_of(only))
    )


def _holds_lines(element: Element) -> bool:
    return next(_blocks_in(element), None) is not None


def _blocks_in(element: Element) -> Iterator[Element]:
    return (child for child in element if child.tag in BLOCKS)
