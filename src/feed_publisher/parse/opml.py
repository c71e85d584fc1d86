"""The feeds of an OPML list: what feed readers export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem
from feed_publisher.parse.fields import MAX_LINE, absolute
from feed_publisher.parse.text import clean, cut
from feed_publisher.parse.xmltree import local, read_xml, text_of_xml

MAX_SUBSCRIPTIONS = 5_000
MAX_DEPTH = 20  # folders, one inside the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One feed. ``folders``: outermost first."""

    title: str
    address: str
    folders: tuple[str, ...] = ()


def read_opml(data: bytes, name: str) -> tuple[list[Subscription], list[Problem]]:
    """Each address once, in the order of the document. Never raises: what cannot be read is a Problem."""
    try:
        xml = read_xml(text_of_xml(data))
        if local(xml.root) != "opml":
            raise InputError(f"is not an OPML list (its root is <{local(xml.root)[:60]}>); export it as OPML")
    except InputError as error:
        return [], [Problem(where=name, reason=error.reason)]
    found: dict[str, Subscription] = {}
    problems: list[Problem] = []
    for outline, folders in _outlines(xml.root, ()):
        try:
            subscription = _subscription(outline, folders)
        except InputError as error:
            problems.append(Problem(where=f"{name}:{outline.sourceline}", reason=error.reason))
            continue
        found.setdefault(subscription.address, subscription)
    problems += xml.problems(name, f"{len(found)} feeds could be read")
    if not found and not problems:
        problems.append(Problem(where=name, reason="lists no feeds; export it again from the feed reader"))
    if len(found) > MAX_SUBSCRIPTIONS:
        reason = f"lists {len(found):,} feeds; the first {MAX_SUBSCRIPTIONS:,} were taken. Split the list"
        problems.append(Problem(where=name, reason=reason))
    return list(found.values())[:MAX_SUBSCRIPTIONS], problems


def _outlines(
    element: etree._Element, folders: tuple[str, ...], depth: int = 0
) -> Iterator[tuple[etree._Element, tuple[str, ...]]]:
    """Every feed with the folders around it. What neither is a feed nor holds anything is passed over."""
    for child in element:
        name = local(child)
        if name == "outline" and _is_feed(child):
            yield child, folders
        elif name in ("outline", "body") and depth < MAX_DEPTH:
            title = _title(child)
            yield from _outlines(child, (*folders, title) if title else folders, depth + 1)


def _is_feed(outline: etree._Element) -> bool:
    """Readers also write type="rss" to what has lost its address."""
    return bool(_attribute(outline, "xmlUrl")) or _attribute(outline, "type").lower() in ("rss", "atom")


def _subscription(outline: etree._Element, folders: tuple[str, ...]) -> Subscription:
    title, written = _title(outline), _attribute(outline, "xmlUrl")
    if not written:
        raise InputError(f"“{cut(title, 60)}” has no xmlUrl, the address of the feed; add it")
    address = absolute(written, "")
    if address is None:
        raise InputError(f"“{cut(written, 100)}” is not a web address; write it in full, with https://")
    return Subscription(title=title or address, address=address, folders=folders)


def _title(outline: etree._Element) -> str:
    return cut(_attribute(outline, "title") or _attribute(outline, "text"), MAX_LINE)


def _attribute(outline: etree._Element, name: str) -> str:
    """Names are written in any case."""
    return next((clean(str(value)) for key, value in outline.items() if str(key).lower() == name.lower()), "")
