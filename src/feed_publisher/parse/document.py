"""Any document that pickup is handed: its kind is what the rules say, else what its name and first characters say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.charset import decode
from feed_publisher.parse.jsonfile import read_json
from feed_publisher.parse.listing import read_listing
from feed_publisher.parse.markdown import read_markdown
from feed_publisher.parse.rows import delimiter_of
from feed_publisher.parse.tabular import COLUMNS, column_names, read_csv, read_jsonl

Reader = Callable[[bytes, str, ParseRules], Reading]

MAX_BYTES = 20_000_000
MAX_PROBLEMS = 1_000
_HEAD = 65_536

_ROOT = re.compile(
    r"(?:[\s\ufeff]++|(?><!--.*?-->)|(?><\?.*?\?>))*+<(?:!doctype\s+)?(?:[\w.-]+:)?(?P<name>[a-z][\w.-]*)",
    re.IGNORECASE | re.DOTALL,
)
_JSON_FEED = re.compile(rb'"version"\s*:\s*"https?:\\?/\\?/(?:www\.)?jsonfeed\.org', re.IGNORECASE)
_JSON_LINES = re.compile(r"\s*\{[^\r\n]*\}[ \t]*[\r\n]\s*\{")
_FEEDS = frozenset({"rss", "feed", "rdf", "opml"})  # the reader of feeds says what to do with OPML
_SITEMAPS = frozenset({"urlset", "sitemapindex"})
_PAGE_NAMES = "html head body meta title link script style main article section header nav div p h1 h2 table ul ol a"
_PAGES = frozenset(_PAGE_NAMES.split())


def read_document(data: bytes, name: str, rules: ParseRules = ParseRules()) -> Reading:  # noqa: B008  frozen
    """Drafts and problems; never raises, whatever the bytes."""
    try:
        if len(data) > MAX_BYTES:
            raise InputError(f"is larger than {MAX_BYTES // 1_000_000} MB; split it into several files")
        return _bounded(_reader(data, name, rules)(data, name, rules), name)
    except InputError as error:
        return Reading(problems=(Problem(where=error.where or name, reason=error.reason),))


def is_markup(data: bytes) -> bool:
    """Whether it is XML or HTML, told by its first element; Markdown may be as well."""
    return _by_root(data) is not None


def _bounded(reading: Reading, name: str) -> Reading:
    """A document that is all wrong says so often enough in its first thousand places."""
    more = len(reading.problems) - MAX_PROBLEMS
    if more <= 0:
        return reading
    last = Problem(where=name, reason=f"has {more:,} problems more; mend these first, then read it again")
    return replace(reading, problems=(*reading.problems[:MAX_PROBLEMS], last))


def _reader(data: bytes, name: str, rules: ParseRules) -> Reader:
    if rules.kind:
        return _WANTED[rules.kind]
    by_suffix = _READERS.get(_suffix(name))
    if by_suffix is _markdown:
        return by_suffix  # may begin with HTML
    return _by_root(data) or by_suffix or _by_text(decode(data))


def _by_root(data: bytes) -> Reader | None:
    """The reader for XML and HTML, told by the first element; None for anything else."""
    # NULs gone, UTF-16 and UTF-32 read like ASCII.
    head = data[:_HEAD].replace(b"\0", b"").decode("utf-8", "ignore").lstrip("\ufeff")
    match = _ROOT.match(head)
    root = match["name"].lower() if match else ""
    if root in _FEEDS:
        return _feed
    if root in _SITEMAPS:
        return _sitemap
    if root in _PAGES:
        return _page
    return _foreign if root else None


def _by_text(text: str) -> Reader:
    if _JSON_LINES.match(text):
        return _jsonl
    if text.lstrip().startswith(("{", "[")):
        return _json
    if re.match(r"---[ \t]*[\r\n]", text):
        return _markdown
    header = column_names(text.lstrip()[:1_000].splitlines()[0].split(delimiter_of(text))) if text.strip() else []
    return _csv if len(header) > 1 and "title" in header and COLUMNS.issuperset(header) else _listing


def _suffix(name: str) -> str:
    path = re.split(r"[?#]", name)[0] if name.startswith(("http://", "https://")) else name
    return PurePosixPath(path).suffix.lower()


def _named(kind: str, reading: Reading) -> Reading:
    return replace(reading, about=replace(reading.about, kind=kind))


def _listing(data: bytes, name: str, rules: ParseRules) -> Reading:
    return _named("listing", read_listing(data, name))


def _markdown(data: bytes, name: str, rules: ParseRules) -> Reading:
    return _named("markdown", read_markdown(data, name))


def _csv(data: bytes, name: str, rules: ParseRules) -> Reading:
    return _named("csv", read_csv(data, name))


def _jsonl(data: bytes, name: str, rules: ParseRules) -> Reading:
    return _named("json", read_jsonl(data, name))


def _json(data: bytes, name: str, rules: ParseRules) -> Reading:
    return _jsonfeed(data, name, rules) if _JSON_FEED.search(data) else _named("json", read_json(data, name))


# Imported when they are needed: most sites read folders only, and feedparser alone takes longer than all the rest.
def _feed(data: bytes, name: str, rules: ParseRules) -> Reading:
    from feed_publisher.parse.feed import read_feed

    return read_feed(data, name, rules)


def _jsonfeed(data: bytes, name: str, rules: ParseRules) -> Reading:
    from feed_publisher.parse.jsonfeed import read_jsonfeed

    return read_jsonfeed(data, name, rules)


def _sitemap(data: bytes, name: str, rules: ParseRules) -> Reading:
    from feed_publisher.parse.sitemap import read_sitemap

    return read_sitemap(data, name, rules)


def _page(data: bytes, name: str, rules: ParseRules) -> Reading:
    from feed_publisher.parse.page import read_page

    return read_page(data, name, rules)


def _any_feed(data: bytes, name: str, rules: ParseRules) -> Reading:
    head = data[:_HEAD].replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").strip(b"\xfe\xff \t\r\n")
    return (_jsonfeed if head.startswith(b"{") else _feed)(data, name, rules)


def _foreign(data: bytes, name: str, rules: ParseRules) -> Reading:
    raise InputError(
        "looks like HTML or XML, but is neither a page nor a feed nor a sitemap."
        " Save it as a text listing (.txt), Markdown (.md), CSV (.csv) or JSON (.json)"
    )


_WANTED: dict[str, Reader] = {"feed": _any_feed, "page": _page, "sitemap": _sitemap}
_READERS: dict[str, Reader] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".json": _json,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _listing,
    ".text": _listing,
    ".listing": _listing,
    ".html": _page,
    ".htm": _page,
    ".xhtml": _page,
    ".xml": _feed,
    ".rss": _feed,
    ".atom": _feed,
    ".rdf": _feed,
}
KNOWN_SUFFIXES = frozenset(_READERS)
