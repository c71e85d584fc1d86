"""The heading that entries stand under."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from feed_publisher.parse.pages.tree import HEADINGS, Element, Page, text_of

MAX_TOPIC = 200
MAX_BACK = 300  # headings looked at before an entry
_SECTIONS = frozenset(("h1", "h2", "h3"))


def topic_of(page: Page, titled: Element, top: Element) -> tuple[str, ...]:
    """The nearest heading above that is higher than the title and whose section holds the entry, else the page's."""
    level = str(titled.tag) if titled.tag in HEADINGS else "h9"
    above = set(top.iterancestors())
    end = bisect_left(page.headings, page.order[top], key=lambda heading: page.order[heading])
    for heading in islice(reversed(page.headings[:end]), MAX_BACK):
        if heading.tag in _SECTIONS and str(heading.tag) < level and _scope(page, heading) in above:
            return _usable(text_of(heading))
    return () if level == "h1" else topic_of_page(page, text_of(titled))


def topic_of_page(page: Page, title: str) -> tuple[str, ...]:
    """None when the page's heading is the title of the entry itself."""
    return () if page.heading == title else _usable(page.heading)


def _usable(topic: str) -> tuple[str, ...]:
    return (topic,) if topic and len(topic) <= MAX_TOPIC else ()


def _scope(page: Page, heading: Element) -> Element | None:
    """What the heading is the heading of: its parent, or that of a box that holds little else."""
    parent = heading.getparent()
    for _ in range(3):
        if (
            parent is None
            or parent.tag in ("body", "main", "section")
            or page.sizes[parent] * 4 > page.sizes[heading] * 5
        ):
            break
        parent = parent.getparent()
    return parent
