"""A page that is a plain listing set in HTML: titles, By lines and summaries, read as the text file would be."""

from __future__ import annotations

from dataclasses import replace

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.parse.listing import read_listing
from feed_publisher.parse.pages.card import is_more
from feed_publisher.parse.pages.flow import Line, lines_in
from feed_publisher.parse.pages.tree import Element, Page, found_at

MAX_ELEMENTS = 20_000


def listing_text(page: Page) -> Reading:
    """Nothing unless at least half of the entries have a By line: any prose would do otherwise."""
    lines = [line for line in lines_in(page, [_main(page)], MAX_ELEMENTS) if not (line.link and _turns_page(line.text))]
    try:
        reading = read_listing("\n".join(line.text for line in lines).encode(), "")
    except InputError:
        return Reading()
    signed = sum(bool(draft.authors) for draft in reading.drafts)
    if not signed or signed * 2 < len(reading.drafts) or len(reading.problems) > len(reading.drafts):
        return Reading()
    sources = [_at(lines, draft.where) for draft in reading.drafts]
    drafts = [
        replace(draft, where=f"{page.name}:{line.number}", link=line.link)
        for draft, line in zip(reading.drafts, sources, strict=True)
    ]
    problems = [
        Problem(where=f"{page.name}:{_at(lines, problem.where).number}", reason=problem.reason)
        for problem in reading.problems
    ]
    return Reading(drafts=tuple(drafts), problems=tuple(problems))


def _main(page: Page) -> Element:
    """The ``main`` region when it holds the page's heading, else the body."""
    found = found_at(page.body, ".//main | .//*[@role='main']")
    main: Element | None = next(iter(found), None)
    return page.body if main is None or main.find(".//h1") is None else main


def _at(lines: list[Line], where: str) -> Line:
    return lines[int(where.rpartition(":")[2]) - 1]


def _turns_page(text: str) -> bool:
    return (
        is_more(text) or text.isdecimal() or text.strip(" «»‹›<>←→").lower() in ("next", "previous", "older", "newer")
    )
