"""What documents say of an entry: single values, and named fields whose errors name the key in ``where``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.byline import split_authors
from feed_publisher.parse.text import clean

MAX_LINE = 500
MAX_SUMMARY = 20_000
MAX_LINK = 2_048
MAX_MANY = 100

_FEED_TYPE = re.compile(r"\s*application/(?:rss\+xml|atom\+xml|feed\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of one entry; absent, null and blank are the same."""

    values: Mapping[str, object]

    def first(self, *keys: str) -> tuple[str, object]:
        """The first of ``keys`` that has a value, and the value; the first key and None when none has."""
        for key in keys:
            value = self.values.get(key)
            if value is not None and value != [] and not (isinstance(value, str) and not clean(value)):
                return key, value
        return keys[0], None

    def line(self, *keys: str, limit: int = MAX_LINE) -> str:
        key, value = self.first(*keys)
        return "" if value is None else _line(value, key, limit)

    def raw(self, *keys: str) -> str:
        """A text whose lines matter."""
        key, value = self.first(*keys)
        if not isinstance(value, str | None):
            raise InputError(f"is {_kind(value)}; write a text", key)
        return value or ""

    def many(self, *keys: str) -> tuple[str, ...]:
        """One text or a list of texts, each once; commas are part of a text."""
        key, value = self.first(*keys)
        return () if value is None else _many(value, key)

    def authors(self) -> tuple[str, ...]:
        """A text is split like a By line; a list holds texts or objects with a name."""
        key, value = self.first("authors", "author")
        if isinstance(value, Mapping):
            value = [value]
        if isinstance(value, list):
            return _many([_name(item, key) for item in value], key)
        return split_authors(self.line(key))

    def date(self, *keys: str) -> datetime | None:
        key, value = self.first(*keys)
        return None if value is None else parse_date(_line(value, key), key)

    def link(self, *keys: str) -> str | None:
        key, value = self.first(*keys)
        return None if value is None else parse_link(_line(value, key, MAX_LINK), key)

    def identity(self) -> str | None:
        """JSON Feed allows a number for an id."""
        value = self.values.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.line("id", limit=MAX_LINK) or None

    def language(self) -> str | None:
        text = self.line("language", "lang")
        return parse_language(text, "language") if text else None


def parse_date(text: str, key: str = "date") -> datetime:
    """ISO 8601 in UTC; without a time it is midnight UTC, without a zone UTC."""
    try:
        date = datetime.fromisoformat(text.strip())
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        example = "write it as 2026-11-22 or 2026-11-22T07:30:00Z"
        raise InputError(f"“{text[:60]}” is not a date; {example}", key) from error


def parse_link(text: str, key: str = "link") -> str:
    """An absolute http or https address without blanks."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
        parts.port  # noqa: B018  raises ValueError when it is not a port
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"“{text[:100]}” is not a web address; write it in full, with https://", key)
    return text


def parse_language(text: str, key: str = "language") -> str:
    """A BCP 47 tag; pt_BR is read as pt-BR."""
    tag = text.replace("_", "-")
    if not _LANGUAGE.fullmatch(tag):
        raise InputError(f"“{text[:60]}” is not a language; write a code such as en or pt-BR", key)
    return tag


def absolute(address: object, base: str) -> str | None:
    """A usable web address, or None. Resolved as browsers do: line ends and tabs fall out, blanks are encoded."""
    text = re.sub(r"[\t\r\n]", "", address.strip()) if isinstance(address, str) else ""
    text = clean(text.replace(" ", "%20"))
    if not text:
        return None
    try:
        link = parse_link(urljoin(base, text).replace(" ", "%20"))
    except (InputError, ValueError):
        return None
    return link if len(link) <= MAX_LINK else None


def date_of(text: object) -> datetime | None:
    """A date that can be understood, or None."""
    try:
        return parse_date(clean(text)) if isinstance(text, str) else None
    except InputError:
        return None


def language_of(text: object) -> str | None:
    """A language that can be understood, or None."""
    try:
        return parse_language(clean(text)) if isinstance(text, str) else None
    except InputError:
        return None


def is_feed_type(media_type: str) -> bool:
    """Whether a link with this ``type`` leads to a feed."""
    return bool(_FEED_TYPE.fullmatch(media_type))


def _line(value: object, key: str, limit: int = MAX_LINE) -> str:
    if not isinstance(value, str):
        raise InputError(f"is {_kind(value)}; write a text", key)
    text = clean(value)
    if len(text) > limit:
        raise InputError(f"is longer than {limit:,} characters; shorten it", key)
    return text


def _many(value: object, key: str) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_MANY:
        raise InputError(f"has {len(items)} values; {MAX_MANY} are allowed", key)
    return tuple(dict.fromkeys(text for text in (_line(item, key) for item in items) if text))


def _name(item: object, key: str) -> object:
    """An author object of JSON Feed may carry only an address or picture: no name, no author."""
    if isinstance(item, Mapping):
        name = item.get("name")
        return "" if name is None else name
    return item


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "not a text")
