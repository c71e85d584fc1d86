"""Entries from JSON: a list, {"entries": […]}, a single entry, or a JSON Feed 1.1 (jsonfeed.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.parse.charset import decode
from feed_publisher.parse.fields import MAX_SUMMARY, Fields
from feed_publisher.parse.html import clean_article, paragraphs_of
from feed_publisher.parse.media import media_of
from feed_publisher.parse.text import cut, lines_of

_LISTS = ("entries", "items")
_DEFAULTS = ("topics", "topic", "authors", "author", "language")  # of the document, for entries that say nothing
_SHAPE = 'write a list of entries, {"entries": […]} or one entry with a "title"'


def read_json(data: bytes, name: str) -> Reading:
    """``where`` is name: entries[3].date, or name:line for a syntax error. InputError when ``data`` is not text."""
    try:
        document = load_json("\n".join(lines_of(decode(data))))
        items = list(_items(document))
        defaults = _defaults(document)
    except InputError as error:
        return Reading(problems=(Problem(where=join_place(name, error.where), reason=error.reason),))
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for path, item in items:
        try:
            drafts.append(draft_of(item, defaults, f"{name}: {path}" if path else name, len(drafts)))
        except InputError as error:
            place = ".".join(part for part in (path, error.where) if part)
            problems.append(Problem(where=f"{name}: {place}" if place else name, reason=error.reason))
    if not items:
        problems.append(Problem(where=name, reason=f"has no entries; {_SHAPE}"))
    return Reading(drafts=tuple(drafts), problems=tuple(problems))


def join_place(name: str, where: str) -> str:
    """A line follows the name at once, a field after a space."""
    return f"{name}:{where}" if where.isdigit() else f"{name}: {where}" if where else name


def load_json(text: str) -> object:
    """InputError with the line in its ``where`` when it is not JSON."""
    if not text.strip():
        raise InputError(f"is empty; {_SHAPE}", "1")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg} (column {error.colno}); correct the line", str(error.lineno)
        ) from error
    except RecursionError as error:
        raise InputError(f"is nested too deep; {_SHAPE}") from error
    except ValueError as error:
        raise InputError("holds a number of thousands of digits; write it as text") from error


def _items(document: object) -> Iterator[tuple[str, object]]:
    """Each entry with its path in the document."""
    if isinstance(document, list):
        yield from ((f"entries[{index}]", item) for index, item in enumerate(document))
        return
    if not isinstance(document, dict):
        raise InputError(f"is neither a list nor an object; {_SHAPE}")
    key = next((key for key in _LISTS if key in document), None)
    if key is None:
        yield "", document
        return
    if not isinstance(document[key], list):
        raise InputError("is not a list; put the entries in [ ]", key)
    yield from ((f"{key}[{index}]", item) for index, item in enumerate(document[key]))


def _defaults(document: object) -> dict[str, object]:
    """What the document says for all its entries; refused as a whole when it is wrong."""
    if not isinstance(document, dict):
        return {}
    fields = Fields(values={key: document[key] for key in _DEFAULTS if key in document})
    if not any(key in document for key in _LISTS):
        return {}
    topics, authors = fields.many("topics", "topic"), fields.authors()
    return {"topics": list(topics), "authors": list(authors), "language": fields.language()}


def draft_of(item: object, defaults: Mapping[str, object], where: str, place: int) -> Draft:
    """One entry object; ``defaults`` are what its document says for all. InputError with the field in its ``where``."""
    if not isinstance(item, dict):
        raise InputError('is not an object; write {"title": …}')
    fields, general = Fields(values=item), Fields(values=defaults)
    title = fields.line("title")
    if not title:
        raise InputError("is missing; give every entry a title", "title")
    link = fields.link("link", "url", "external_url")
    content, words = content_of(fields, link or "")
    image, enclosures = media_of(fields)
    return Draft(
        title=title,
        where=where,
        place=place,
        authors=fields.authors() or general.authors(),
        summary=fields.line("summary", "description", limit=MAX_SUMMARY) or cut(words),
        content_html=content,
        topics=fields.many("topics", "topic", "categories", "category", "tags") or general.many("topics"),
        explicit_id=fields.identity(),
        link=link,
        published=fields.date("date_published", "published", "date"),
        language=fields.language() or general.language(),
        image=image,
        enclosures=enclosures,
    )


def content_of(fields: Fields, base: str = "") -> tuple[str, str]:
    """Sanitised HTML and its words; plain text becomes paragraphs."""
    html = fields.raw("content_html")
    if not html:
        html = paragraphs_of(fields.raw("content_text"))
    try:
        return clean_article(html, base)
    except InputError as error:
        raise InputError(error.reason, "content_html" if "content_html" in fields.values else "content_text") from error
