"""Which entry a draft is: the keys of an entry, and the rules for doubt (SEMANTICS §1, Recognition).

Keys are rows (scope, kind, value). Everything here is pure; services/pickup looks the keys up and acts.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from feed_publisher.domain.model import Draft

SITE = ""
"""The scope of keys that mean the same wherever they appear."""


class KeyKind(StrEnum):
    """What a key was made of."""

    ID = "id"
    LINK = "link"
    TITLE = "title"
    TEXT = "text"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One row of the key table; ``value`` is at most 64 characters (hashed when it would be longer)."""

    scope: str
    kind: KeyKind
    value: str


_TRACKING = re.compile(
    r"^(utm_\w+|fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|yclid|_hsenc|_hsmi|vero_id|wt_mc)$", re.IGNORECASE
)
_URI = re.compile(r"^(https?|urn|tag|info|doi|ark|ni):\S+$", re.IGNORECASE)
"""Ids that mean the same everywhere. ``article:12`` is a URI by its form only: two systems may both use it."""
_PERMANENT = re.compile(
    r"(?:https?://[^/?#]+(?:[/?#].*)?|urn:[a-z0-9][a-z0-9-]+:.+|tag:[^,:]+,\d{4}(?:-\d\d){0,2}:.*)", re.IGNORECASE
)
_NO_URI = re.compile(r'[\s\x00-\x20\x7f"<>\\^`{|}]')
MAX_ID = 1_000  # characters; column ``entry.atom_id`` holds as many
_STYLES = str.maketrans({**dict.fromkeys('’‘‚‛ʼ“”„‟«»‹›"`´', "'"), **dict.fromkeys("–—‐‑‒―−", "-")})
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")
_NO_WORD = re.compile(r"[^\w\s]")
_FRONT_PAGE = re.compile(r"(//[^/?]*)?")
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
NEAR_SAME = 0.85
DOUBTFUL = 0.6
NEIGHBOURHOOD = 2


def plain(text: str) -> str:
    """Text without what is mere style: case, spacing, kinds of quotes and dashes, invisible characters."""
    if text.isascii():
        return " ".join(text.lower().translate(_STYLES).split())
    styled = _INVISIBLE.sub("", text).translate(_STYLES)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", styled).casefold())
    return " ".join(_INVISIBLE.sub("", folded).translate(_STYLES).split())


def normalise(text: str) -> str:
    """Text reduced to its words: no punctuation either. Currencies, +, % and # stay: "C++" is not "C"."""
    reduced = plain(text)
    if reduced.isascii():
        return " ".join(reduced.translate(_ASCII_PARTS).split())
    return " ".join(_NO_WORD.sub(_word_part, reduced).split())


@lru_cache(4096)
def canonical_link(link: str) -> str:
    """The form in which links are compared: no scheme, www., fragment, tracking parameters or last slash.

    What is no address at all is compared as it is written.
    """
    try:
        parts = urlsplit(link.strip())
        host = ".".join(_label(label) for label in (parts.hostname or "").rstrip(".").removeprefix("www.").split("."))
        if parts.port and parts.port not in (80, 443):
            host += f":{parts.port}"
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        kept = sorted((name, value) for name, value in pairs if not _TRACKING.match(name))
        path = _PERCENT.sub(lambda code: code[0].upper(), quote(parts.path, safe="/%:@!$&'()*+,;=~"))
        return urlunsplit(("", host, path.rstrip("/"), urlencode(kept), ""))
    except ValueError:
        return link.strip()


def identifying_link(link: str | None) -> str | None:
    """The canonical link, or None for one that leads to no particular article: empty, or a front page."""
    canonical = canonical_link(link) if link else ""
    return None if _FRONT_PAGE.fullmatch(canonical) else canonical


def keys_of(draft: Draft, source: str) -> tuple[Key, ...]:
    """The keys a draft is recognised by, strongest first. ``source`` is the source's slug.

    Only drafts with neither id nor link are recognised by their text: within the source by title and authors,
    anywhere by title, authors and summary together.
    """
    keys: list[Key] = []
    if draft.explicit_id:
        scope = SITE if _URI.match(draft.explicit_id) else source
        keys.append(Key(scope, KeyKind.ID, _short(draft.explicit_id)))
    link = identifying_link(draft.link)
    if link is not None:
        keys.append(Key(SITE, KeyKind.LINK, _short(link)))
    return tuple(keys) or text_keys(draft, source)


def is_permanent_id(text: str) -> bool:
    """Whether an id of a source may become ours: an absolute URI (RFC 4287 §4.2.6) that says whose it is.

    Letters beyond ASCII are as good: Atom wants an IRI.
    """
    return len(text) <= MAX_ID and _PERMANENT.fullmatch(text) is not None and not _NO_URI.search(text)


def fragment_keys(draft: Draft) -> tuple[Key, ...]:
    """The key of a link with its fragment: articles of one page, such as the versions in a list of changes."""
    fragment = urlsplit(draft.link).fragment if draft.link and "#" in draft.link else ""
    link = identifying_link(draft.link)
    return (Key(SITE, KeyKind.LINK, _short(f"{link}#{fragment}")),) if fragment and link else ()


def text_keys(draft: Draft, source: str) -> tuple[Key, ...]:
    """The keys of a draft that only its text can tell from others."""
    return (*_text_key(draft), title_key(draft, source))


def title_key(draft: Draft, source: str) -> Key:
    """The key of a draft with neither id nor link: (source, normalised title, authors)."""
    return Key(source, KeyKind.TITLE, _hash(normalise(draft.title) or draft.title, *_names(draft.authors)))


def adopted_key(draft: Draft, source: str) -> Key:
    """Tells that the entry of this title and byline has got an id or link since: the next one is another article."""
    return Key(source, KeyKind.TEXT, _hash("adopted", title_key(draft, source).value))


def link_title_key(draft: Draft) -> Key:
    """The key of a doubtful draft: it has the link of another article but a title of its own."""
    return Key(SITE, KeyKind.TEXT, _hash("link", identifying_link(draft.link) or "", normalise(draft.title)))


def is_textual(draft: Draft) -> bool:
    """Whether the draft has neither id nor identifying link, so only its text can tell which entry it is."""
    return not draft.explicit_id and identifying_link(draft.link) is None


def summary_likeness(one: str, other: str) -> float:
    """0.0 (nothing in common) to 1.0 (the same words); two empty summaries tell nothing: 0.0."""
    first, second = normalise(one).split()[:200], normalise(other).split()[:200]
    if not first or not second:
        return 0.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


class Likeness(StrEnum):
    """Whether a draft is an entry that no key of its own leads to."""

    SAME = "same"
    DOUBT = "doubt"
    OTHER = "other"


def same_authors(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two bylines name the same people, in whatever order and case."""
    return _names(one) == _names(other)


def retitled(draft: Draft, title: str, authors: tuple[str, ...], summary: str, places_apart: int) -> Likeness:
    """Compare a draft without id and link with an entry whose title is gone from the same listing.

    The same entry when authors agree and the summary is near-same at a neighbouring place; doubt is held.
    """
    if not same_authors(draft.authors, authors) or abs(places_apart) > NEIGHBOURHOOD:
        return Likeness.OTHER
    likeness = summary_likeness(draft.summary, summary)
    if likeness >= NEAR_SAME:
        return Likeness.SAME
    return Likeness.DOUBT if likeness >= DOUBTFUL and normalise(title) else Likeness.OTHER


def same_title(draft: Draft, title: str) -> bool:
    """Whether two titles have the same words; titles without any word are compared as they are written."""
    return (normalise(draft.title) or draft.title) == (normalise(title) or title)


def same_titled(draft: Draft, summary: str, places_apart: int) -> Likeness:
    """Compare a draft without id and link with an entry of its title that is gone from the same listing.

    The same entry, its byline corrected, when the summary is near-same at a neighbouring place. A summary that one
    of them lacks tells nothing there, and a near-same one far away is no proof: both are doubts.
    """
    near = abs(places_apart) <= NEIGHBOURHOOD
    if not comparable(draft.summary, summary):
        return Likeness.DOUBT if near else Likeness.OTHER
    likeness = summary_likeness(draft.summary, summary)
    if likeness >= NEAR_SAME:
        return Likeness.SAME if near else Likeness.DOUBT
    return Likeness.DOUBT if likeness >= DOUBTFUL and near else Likeness.OTHER


def adopted(draft: Draft, summary: str, in_its_place: bool) -> Likeness:
    """Compare a draft with a first id or link with the entry that was known by this title and byline only.

    ``in_its_place``: the entry is gone from a neighbouring place of the same listing.
    """
    if not comparable(draft.summary, summary):
        return Likeness.SAME if in_its_place else Likeness.DOUBT
    likeness = summary_likeness(draft.summary, summary)
    if likeness >= NEAR_SAME:
        return Likeness.SAME
    return Likeness.DOUBT if likeness >= DOUBTFUL else Likeness.OTHER


def comparable(one: str, other: str) -> bool:
    """Whether both summaries have words, so that their likeness means anything."""
    return bool(normalise(one) and normalise(other))


def moved_host(link: str | None, other: str | None) -> bool:
    """Whether two links differ in their host only, as when a site moves to another domain."""
    paths = [
        canonical.removeprefix("//").partition("/") for canonical in map(identifying_link, (link, other)) if canonical
    ]
    return len(paths) == 2 and paths[0][2] != "" and paths[0][1:] == paths[1][1:] and paths[0][0] != paths[1][0]


def _text_key(draft: Draft) -> tuple[Key, ...]:
    if not draft.summary:
        return ()
    return (Key(SITE, KeyKind.TEXT, _hash(normalise(draft.title), *_names(draft.authors), normalise(draft.summary))),)


def _word_part(match: re.Match[str]) -> str:
    """Vowel signs belong to their word; a few symbols are words of their own; other marks part words."""
    character = match[0]
    category = unicodedata.category(character)
    if category.startswith("M"):
        return character
    return f" {character} " if category == "Sc" or character in "%#+" else " "


_ASCII_PARTS = {code: _NO_WORD.sub(_word_part, chr(code)) for code in range(128) if _NO_WORD.fullmatch(chr(code))}
"""What ``normalise`` makes of each ASCII mark: most texts need no slower way."""


def _label(label: str) -> str:
    """A label of a host in Unicode, so that both ways of writing it are the same."""
    if not label.startswith("xn--"):
        return unicodedata.normalize("NFC", label)
    try:
        return label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label


@lru_cache(4096)
def _names(authors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(normalise(name) for name in authors))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()[:40]


def _short(value: str) -> str:
    return value if len(value) <= 64 else _hash(value)
