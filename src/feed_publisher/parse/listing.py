"""The plain text listing: a heading, then blocks of title, byline and summary with blank lines between.

Harbour news

The Ferry That Would Not Sail
By Ann Po and Sam Lee Jr.
A strike over a bell keeps forty thousand commuters ashore.

Page 1 of 2
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.parse.byline import is_certain, names_of, split_authors
from feed_publisher.parse.charset import decode
from feed_publisher.parse.text import clean, lines_of

MAX_TITLE = 500
MAX_SUMMARY = 20_000
MAX_LINES = 50

_PAGE = re.compile(r"page \d{1,9} of \d{1,9}\.?", re.IGNORECASE)
_SHAPE = "a listing is a heading, a blank line, then blocks of title, By line and summary with blank lines between"

Line = tuple[int, str]
Block = list[Line]


def read_listing(data: bytes, name: str) -> Reading:
    """Drafts of a listing; ``where`` is name:line of the title. InputError when ``data`` is not text."""
    blocks = list(_blocks(lines_of(decode(data))))
    topics, blocks, problems = _take_heading(blocks, name)
    drafts: list[Draft] = []
    for block in blocks:
        where = f"{name}:{block[0][0]}"
        try:
            drafts.append(_draft(block, where, len(drafts), topics))
        except InputError as error:
            problems.append(Problem(where=error.where or where, reason=error.reason))
    if not drafts and not problems:
        problems.append(Problem(where=f"{name}:1", reason=f"has no entries; {_SHAPE}"))
    return Reading(drafts=tuple(drafts), problems=tuple(problems))


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Runs of lines that are not blank; a page line is a block of its own."""
    block: Block = []
    for number, raw in enumerate(lines, start=1):
        line = clean(raw)
        is_page = _PAGE.fullmatch(line)
        if line and not is_page:
            block.append((number, line))
        elif block:
            yield block
            block = []
        if is_page:
            yield [(number, line)]
    if block:
        yield block


def _take_heading(blocks: list[Block], name: str) -> tuple[tuple[str, ...], list[Block], list[Problem]]:
    """The topic, the blocks of single entries, and a problem when the heading cannot be one."""
    entries = [part for block in _without_pages(blocks) for part in _unglue(block, block is blocks[0])]
    if not entries or len(entries[0]) > 1:
        return (), entries, []
    number, heading = entries[0][0]
    if len(heading) > MAX_TITLE:
        reason = f"the heading is longer than {MAX_TITLE} characters; put a short topic on the first line"
        return (), entries[1:], [Problem(where=f"{name}:{number}", reason=reason)]
    return (heading,), entries[1:], []


def _without_pages(blocks: list[Block]) -> Iterator[Block]:
    """Page lines left out, and the heading where the next page of a joined file says it again."""
    heading, after_page = "", False
    for block in blocks:
        text = block[0][1]
        if _PAGE.fullmatch(text):
            after_page = True
        elif not (after_page and len(block) == 1 and text == heading):
            heading = heading or text
            yield block
            after_page = False


def _unglue(block: Block, is_first: bool) -> list[Block]:
    """Entries that stand without blank lines between, told apart by the title above each By line."""
    starts: list[int] = []
    for index in range(1, len(block)):
        follows_title = index == 1 or not is_certain(block[index - 1][1])
        if follows_title and is_certain(block[index][1]):
            starts.append(index - 1)
    heading_is_glued = is_first and starts[:1] == [1]
    if len(starts) < 2 and not heading_is_glued:
        return [block]
    edges = [*([0] if starts[0] else []), *starts, len(block)]
    return [block[start:end] for start, end in pairwise(edges)]


def _draft(block: Block, where: str, place: int, topics: tuple[str, ...]) -> Draft:
    title, rest = block[0][1], [text for _, text in block[1:]]
    if len(block) > MAX_LINES:
        raise InputError(f"has {len(block)} lines without a blank one; put a blank line between entries")
    if len(title) > MAX_TITLE:
        raise InputError(f"the title is longer than {MAX_TITLE} characters; put the title on a line of its own")
    names = names_of(rest[0]) if rest else None
    if names is None and is_certain(title):
        raise InputError("is a By line without a title; put the title on the line above it")
    if names is not None:
        rest = rest[1:]
    if any(is_certain(line) for line in rest):
        raise InputError("has a By line that is not right under its title; move it there, all authors on one line")
    summary = " ".join(rest)
    if len(summary) > MAX_SUMMARY:
        raise InputError(f"the summary is longer than {MAX_SUMMARY:,} characters; shorten it")
    authors = split_authors(names or "")
    return Draft(title=title, where=where, place=place, authors=authors, summary=summary, topics=topics)
