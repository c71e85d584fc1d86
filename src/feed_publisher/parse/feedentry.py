"""One entry, as feedparser understood it, to a draft."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urljoin

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Problem
from feed_publisher.parse.byline import split_authors
from feed_publisher.parse.fields import MAX_LINE, MAX_LINK, MAX_MANY, MAX_SUMMARY, absolute, language_of
from feed_publisher.parse.html import clean_article, html_to_text, paragraphs_of, sanitise_html
from feed_publisher.parse.text import clean, cut

MAX_ENTRIES = 5_000  # of one document
MAX_CONTENT = 500_000  # characters of one entry's content
TOO_LONG = f"its content is longer than {MAX_CONTENT:,} characters and was left out; shorten it"
SHORT = 300  # a description with no more words than a summary has is one, whatever its markup

_HTML = ("text/html", "application/xhtml+xml")
_MAIL = re.compile(r"""(?:mailto:)?[^\s()<>"',;:]+@[^\s()<>"',;]+""", re.IGNORECASE)
_BY = re.compile(r"by:?\s+", re.IGNORECASE)
# feedparser reads dates even into these.
_NO_DATE = re.compile(r"\s*(?:\d{9}|\d{4}-(?:00|1[3-9]|[2-9]\d)|\d{4}-\d\d-(?:00|3[2-9]|[4-9]\d))")
_ENDS_OF_VOID = re.compile(r"</(?:br|hr|img|col|wbr|input|source|embed|area)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What holds for all entries of a feed. ``base``: links are resolved against it where no xml:base is given.

    In RSS the links inside an article relate to the article: it was copied from its page.
    """

    name: str
    base: str
    is_atom: bool
    language: str | None
    authors: tuple[str, ...]


def read_entry(item: Mapping[str, Any], number: int, document: Document) -> tuple[Draft, str]:
    """The draft, and why its content was left out ("" when it was not). InputError when it cannot be an entry."""
    entry = dict(item)  # feedparser's own lookups invent and warn
    link = _link(entry, document)
    content, summary, fault = _texts(entry, document, link)
    title = cut(plain(entry.get("title_detail") or {"value": entry.get("title")}), MAX_LINE) or cut(summary, 80)
    if not title:
        raise InputError("has neither a title nor a text; give it a <title>")
    draft = Draft(
        title=title,
        where=f"{document.name}: entry {number} ({cut(title, 60)})",
        place=number - 1,
        authors=authors_of(entry) or authors_of(dict(entry.get("source") or {})) or document.authors,
        summary=summary,
        content_html=content,
        topics=_topics(entry),
        explicit_id=_identity(entry),
        link=link,
        published=_published(entry),
        language=_language(entry, document.language),
    )
    return draft, fault


def too_many(name: str, found: int) -> Problem:
    reason = f"has {found:,} entries; the first {MAX_ENTRIES:,} were read. Use a feed of the newest ones, or split it"
    return Problem(where=name, reason=reason)


def plain(detail: Mapping[str, Any]) -> str:
    """One line of text of what feedparser calls a detail; markup and entities are resolved once."""
    value = str(detail.get("value") or "")
    if detail.get("type", "text/plain") not in _HTML or not ("<" in value or "&" in value):
        return clean(value)
    return html_to_text(value[:MAX_CONTENT]) if "<" in value else clean(unescape(value))


def authors_of(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Names only, of an entry or a feed; several in one element ("Ann Po and Sam Lee") are parted."""
    names = [str(person.get("name") or "") for person in context.get("authors") or () if person]
    raw = str(context.get("author") or "")
    if names and "@" in raw:  # feedparser takes an address with a long last part to pieces
        names[-1] = raw
    people = (_MAIL.sub("", unescape(name)) for name in names[:MAX_MANY])
    parted = (part for person in people for part in _people(clean(person.replace("()", "")).strip("()<>\"' ")))
    return tuple(dict.fromkeys(cut(part, MAX_LINE) for part in parted))


def links_of(context: Mapping[str, Any], rel: str) -> list[Mapping[str, Any]]:
    return [link for link in context.get("links") or () if rel in link.get("rel", "").split() and link.get("href")]


def alternate(context: Mapping[str, Any], base: str) -> str | None:
    """The page for people; a text is preferred to other media."""
    links = sorted(links_of(context, "alternate"), key=lambda link: link.get("type") not in _HTML)
    return next(filter(None, (absolute(link["href"], base) for link in links)), None)


def _people(line: str) -> tuple[str, ...]:
    line = _BY.sub("", line, count=1) if _BY.match(line) else line
    parts = split_authors(line)
    whole = len(parts) > 1 and any(" " not in part for part in parts)  # "Po, Ann", "Lee and Sons"
    return (line,) if whole else parts


def _link(entry: Mapping[str, Any], document: Document) -> str | None:
    """A permanent guid serves when there is no link; many are no addresses, so it is never completed."""
    found = absolute(entry.get("feedburner_origlink"), "") or alternate(entry, document.base)
    return found or absolute(entry.get("link"), "")


def _join(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return base


def _texts(entry: Mapping[str, Any], document: Document, link: str | None) -> tuple[str, str, str]:
    """Content, summary, and why there is no content. Without a content, a description too long for a summary is it."""
    description: Mapping[str, Any] = entry.get("summary_detail") or {}
    full = _fullest(entry.get("content") or ())
    if not full and _may_be_article(description):
        content, words, fault = _article(description, document, link, True)
        return content if len(words) > SHORT else "", cut(words, SHORT), fault
    text = _lenient(description) if description.get("value") != full.get("value") else ""
    content, words, fault = _article(full, document, link, not 0 < len(text) <= SHORT)
    repeats = len(text) > SHORT and words.startswith(text.rstrip("…. "))
    return content, cut(words, SHORT) if repeats or not text else cut(text, MAX_SUMMARY), fault


def _fullest(contents: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The first with markup, else with text; pictures and other files are none."""
    texts = [part for part in contents if part.get("value") and part.get("type") in (*_HTML, "text/plain")]
    return min(texts, key=lambda part: part.get("type") not in _HTML, default={})


def _may_be_article(description: Mapping[str, Any]) -> bool:
    value = description.get("value") or ""
    return description.get("type") in _HTML and "<" in value and len(value) > SHORT


def _article(
    detail: Mapping[str, Any], document: Document, link: str | None, needs_words: bool
) -> tuple[str, str, str]:
    """Sanitised HTML, its words when they are needed (they cost a third), and what is wrong with it."""
    value = str(detail.get("value") or "")
    if len(value) > MAX_CONTENT:
        return "", _lenient({"type": detail.get("type"), "value": value[:20_000]}), TOO_LONG
    if detail.get("type") not in _HTML:
        return paragraphs_of(value), clean(value), ""
    own_base = str(detail.get("base") or "")
    base = _join(document.base, own_base) if document.is_atom or own_base else link or document.base
    html = _ENDS_OF_VOID.sub("", value)
    try:
        return (*clean_article(html, base), "") if needs_words else (sanitise_html(html, base), "", "")
    except InputError as error:
        return "", "", f"its content was left out: {error.reason}"


def _lenient(detail: Mapping[str, Any]) -> str:
    try:
        return plain(detail)
    except InputError:
        return ""


def _topics(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Labels, else terms; not what a system uses to tell kinds of entries apart."""
    tags = [tag for tag in entry.get("tags") or () if not str(tag.get("scheme") or "").endswith("#kind")]
    names = (clean(unescape(str(tag.get("label") or tag.get("term") or ""))) for tag in tags[:MAX_MANY])
    return tuple(dict.fromkeys(cut(name, MAX_LINE) for name in names if name))


def _identity(entry: Mapping[str, Any]) -> str | None:
    text = clean(str(entry.get("id") or ""))
    if len(text) > MAX_LINK:
        raise InputError(f"its id is longer than {MAX_LINK:,} characters; shorten it")
    return text or None


def _published(entry: Mapping[str, Any]) -> datetime | None:
    for key in ("published", "updated", "created"):
        parsed = entry.get(f"{key}_parsed")
        if parsed is not None and not _NO_DATE.match(str(entry.get(key))):
            try:
                year, month, day, hour, minute, second = parsed[:6]
                return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)  # leap second
            except (ValueError, OverflowError, TypeError):
                continue
    return None


def _language(entry: Mapping[str, Any], of_feed: str | None) -> str | None:
    """Its own; that of the feed is said once, by the feed."""
    details = [*(entry.get("content") or ()), entry.get("title_detail") or {}, entry.get("summary_detail") or {}]
    texts = [entry.get("language"), *(detail.get("language") for detail in details)]
    found = next(filter(None, map(language_of, texts)), None)
    return None if found is None or (of_feed and found.lower() == of_feed.lower()) else found
