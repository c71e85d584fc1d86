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
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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


_TRACKING = re.compile(r"^(utm_\w+|fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|yclid|_hsenc|_hsmi|vero_id|wt_mc)$")
_URI = re.compile(r"^[a-z][a-z0-9+.-]*:\S+$", re.IGNORECASE)
NEAR_SAME = 0.85
DOUBTFUL = 0.6
NEIGHBOURHOOD = 2


def normalise(text: str) -> str:
    """Text reduced to what a reader would call the same: no case, punctuation marks unified, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = folded.translate(str.maketrans("’‘“”–—‐‑", "''\"\"----"))
    return " ".join(re.sub(r"[^\w\s]", " ", folded).split())


def canonical_link(link: str) -> str:
    """The form in which links are compared: no scheme, www., fragment, tracking parameters or last slash."""
    parts = urlsplit(link.strip())
    host = (parts.hostname or "").removeprefix("www.")
    if parts.port and parts.port not in (80, 443):
        host += f":{parts.port}"
    kept = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(name)
    ]
    return urlunsplit(("", host, parts.path.rstrip("/"), urlencode(sorted(kept)), ""))


def keys_of(draft: Draft, source: str) -> tuple[Key, ...]:
    """The keys a draft is recognised by, strongest first. ``source`` is the source's slug.

    Only drafts with neither id nor link are recognised by their text: within the source by title and authors,
    anywhere by title, authors and summary together.
    """
    keys: list[Key] = []
    if draft.explicit_id:
        scope = SITE if _URI.match(draft.explicit_id) else source
        keys.append(Key(scope, KeyKind.ID, _short(draft.explicit_id)))
    if draft.link:
        keys.append(Key(SITE, KeyKind.LINK, _short(canonical_link(draft.link))))
    return tuple(keys) or (*_text_key(draft), title_key(draft, source))


def title_key(draft: Draft, source: str) -> Key:
    """The key of a draft with neither id nor link: (source, normalised title, authors)."""
    return Key(source, KeyKind.TITLE, _hash(normalise(draft.title) or draft.title, *_names(draft.authors)))


def is_textual(draft: Draft) -> bool:
    """Whether the draft has neither id nor link, so only its text can tell which entry it is."""
    return not draft.explicit_id and not draft.link


def summary_likeness(one: str, other: str) -> float:
    """0.0 (nothing in common) to 1.0 (the same words); two empty summaries tell nothing: 0.0."""
    first, second = normalise(one).split()[:200], normalise(other).split()[:200]
    if not first or not second:
        return 0.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


class Likeness(StrEnum):
    """Whether a draft with a new title is an entry known under another title."""

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


def _text_key(draft: Draft) -> tuple[Key, ...]:
    if not draft.summary:
        return ()
    return (Key(SITE, KeyKind.TEXT, _hash(normalise(draft.title), *_names(draft.authors), normalise(draft.summary))),)


def _names(authors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(normalise(name) for name in authors))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def _short(value: str) -> str:
    return value if len(value) <= 64 else _hash(value)
