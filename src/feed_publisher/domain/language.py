"""Languages as feeds part them."""

from __future__ import annotations


def primary_language(tag: str) -> str:
    """The primary subtag of a BCP 47 tag: readers follow German, not Austrian German.

    >>> primary_language("de-AT"), primary_language("en")
    ('de', 'en')
    """
    return tag.replace("_", "-").split("-")[0].lower()[:8]
