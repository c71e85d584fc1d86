"""One entry from one Markdown file, with or without front matter."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.parse.charset import decode
from feed_publisher.parse.fields import MAX_SUMMARY, Fields
from feed_publisher.parse.frontmatter import FrontMatter, split_front_matter
from feed_publisher.parse.html import html_to_text, sanitise_html
from feed_publisher.parse.media import media_of
from feed_publisher.parse.text import clean, cut, lines_of

MAX_BODY = 500_000
MAX_PARAGRAPH = 50_000  # hostile nesting of brackets takes the square of it

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def read_markdown(data: bytes, name: str) -> Reading:
    """One draft, or one problem naming file:line and key. InputError when ``data`` is not text."""
    lines = lines_of(decode(data))
    try:
        front = split_front_matter(lines)
    except InputError as error:
        return Reading(problems=(Problem(where=f"{name}:{error.where}", reason=error.reason),))
    try:
        return Reading(drafts=(_draft(front, f"{name}:1"),))
    except InputError as error:
        line = front.lines.get(re.split(r"[.\[]", error.where)[0], 1)  # image.alt stands at image
        reason = f"{error.where}: {error.reason}" if error.where else error.reason
        return Reading(problems=(Problem(where=f"{name}:{line}", reason=reason),))


def _draft(front: FrontMatter, where: str) -> Draft:
    fields = Fields(values=front.values)
    tokens = _tokens(front.body)
    title = fields.line("title")
    heading = _heading(tokens)
    if not title or heading == title:
        title, tokens = heading, _without_heading(tokens)
    if not title:
        raise InputError("has no title; write “title: …” in the front matter or a line “# …”", "title")
    image, enclosures = media_of(fields)
    return Draft(
        title=title,
        where=where,
        authors=fields.authors(),
        summary=fields.line("summary", "description", limit=MAX_SUMMARY) or _first_paragraph(tokens),
        content_html=sanitise_html(_render(tokens)),
        topics=fields.many("topics", "topic", "categories", "category"),
        explicit_id=fields.identity(),
        link=fields.link("link", "url"),
        published=fields.date("date", "published"),
        language=fields.language(),
        image=image,
        enclosures=enclosures,
    )


def _tokens(body: list[str]) -> Sequence[Token]:
    text = "\n".join(body)
    if len(text) > MAX_BODY:
        raise InputError(f"is longer than {MAX_BODY:,} characters; split it into several files")
    if any(len(paragraph) > MAX_PARAGRAPH for paragraph in re.split(r"\n[ \t]*\n", text)):
        raise InputError(f"has a paragraph longer than {MAX_PARAGRAPH:,} characters; put blank lines into it")
    return _MARKDOWN.parse(text)


def _render(tokens: Sequence[Token]) -> str:
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _first(tokens: Sequence[Token], kind: str, tag: str) -> int | None:
    """Index of the first top-level block of this kind that says something."""
    for index, token in enumerate(tokens):
        if token.type == kind and token.tag == tag and token.level == 0 and _words(tokens[index + 1]):
            return index
    return None


def _words(token: Token) -> str:
    return html_to_text(_render([token]))


def _heading(tokens: Sequence[Token]) -> str:
    index = _first(tokens, "heading_open", "h1")
    if index is None:
        return ""
    return Fields(values={"title": _words(tokens[index + 1])}).line("title")


def _without_heading(tokens: Sequence[Token]) -> Sequence[Token]:
    index = _first(tokens, "heading_open", "h1")
    return tokens if index is None else [*tokens[:index], *tokens[index + 3 :]]


def _first_paragraph(tokens: Sequence[Token]) -> str:
    index = _first(tokens, "paragraph_open", "p")
    return "" if index is None else cut(clean(_words(tokens[index + 1])))
