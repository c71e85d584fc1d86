"""Languages as feeds part them, and the direction they are written in."""

from __future__ import annotations

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "ckb", "dv", "sd", "ug"})


def primary_language(tag: str) -> str:
    """The primary subtag of a BCP 47 tag: readers follow German, not Austrian German.

    >>> primary_language("de-AT"), primary_language("en")
    ('de', 'en')
    """
    return tag.replace("_", "-").split("-")[0].lower()[:8]


def direction(tag: str) -> str:
    """The ``dir`` attribute of text in a language.

    >>> direction("he-IL"), direction("en")
    ('rtl', 'ltr')
    """
    return "rtl" if primary_language(tag) in RIGHT_TO_LEFT else "ltr"
