"""Slugs of topics: stored once, never recomputed (SEMANTICS §1)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from feed_publisher.domain.errors import InputError

RESERVED = frozenset({"all", "authors", "sources", "digests", "lang"})
STEM = 70
"""Characters at the start of a slug that no number replaces: those taken with the same start are looked at."""

_SLUG = re.compile(r"[a-z0-9-]{1,80}")
_TRANSLITERATED = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "ae", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d"})


def slugify(heading: str) -> str:
    """ASCII slug of a heading; one without ASCII letters or digits gets ``t-`` and 8 characters of its hash."""
    ascii_text = unicodedata.normalize("NFKD", heading.translate(_TRANSLITERATED)).encode("ascii", "ignore").decode()
    ascii_text = re.sub(r"['’`]", "", ascii_text)
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:80].strip("-")
    return slug or "t-" + hashlib.sha256(heading_key(heading).encode(errors="replace")).hexdigest()[:8]


def free_slug(heading: str, taken: Container[str]) -> str:
    """The slug of a new topic: the first of ``x``, ``x-2``, ``x-3`` … that is neither taken nor reserved."""
    base = slugify(heading)
    candidate, number = base, 1
    while candidate in taken or candidate in RESERVED:
        number += 1
        suffix = f"-{number}"
        candidate = base[: 80 - len(suffix)] + suffix
    return candidate


def check_slug(slug: str, where: str = "") -> str:
    """The slug itself, or InputError. Nothing else may become part of a path or URL (invariant 8)."""
    if not _SLUG.fullmatch(slug):
        raise InputError(f"{slug!r} is not a slug: use 1 to 80 of a-z, 0-9 and -", where)
    if slug in RESERVED:
        raise InputError(f"{slug!r} is reserved; choose another slug", where)
    return slug


def heading_key(heading: str) -> str:
    """What makes two headings the same topic: case, width and spacing do not matter."""
    return " ".join(unicodedata.normalize("NFKC", heading).casefold().split())
