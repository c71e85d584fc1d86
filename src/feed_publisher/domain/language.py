"""Languages: how feeds part them, how they are written, who gets which; sentences that can be said in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "ckb", "dv", "sd", "ug"})
_STRONG = {"L": "ltr", "R": "rtl", "AL": "rtl"}


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


def first_direction(text: str) -> str:
    """The direction of the first letter that has one, as ``dir="auto"`` finds it; "" for numbers and signs.

    >>> first_direction("24 Häfen"), first_direction("…")
    ('ltr', '')
    """
    return next((_STRONG[kind] for kind in map(unicodedata.bidirectional, text) if kind in _STRONG), "")


def direction_of(text: str, language: str | None, usual: str) -> str:
    """Of words whose language may not be known: then that of the ``usual`` one, unless no letter of them runs so.

    >>> direction_of("NASA تعلن", None, "ar"), direction_of("NASA", None, "ar"), direction_of("NASA", "he", "en")
    ('rtl', 'ltr', 'rtl')
    """
    if language:
        return direction(language)
    found = {_STRONG[kind] for kind in map(unicodedata.bidirectional, text) if kind in _STRONG}
    return found.pop() if len(found) == 1 else direction(usual)


def runs_against(text: str, around: str) -> bool:
    """Whether something in it is written in the other direction than the words ``around`` it."""
    return any(_STRONG.get(kind, around) != around for kind in map(unicodedata.bidirectional, text))


def isolated(text: str, around: str) -> str:
    """Kept from mixing with the words around it, where no markup may be (Unicode's FIRST STRONG ISOLATE)."""
    return f"\u2068{text}\u2069" if runs_against(text, around) else text


def spoken(wanted: str | None, offered: Collection[str], instead: str) -> str:
    """The wanted language when there are words of it, or of what it is a variety of, else another.

    >>> spoken("de-AT", {"de", "en"}, "en"), spoken("fi", {"de", "en"}, "de"), spoken(None, {"en"}, "de")
    ('de-AT', 'de', 'de')
    """
    return wanted if wanted and (wanted in offered or primary_language(wanted) in offered) else instead


class Say(str):
    """A sentence that a page can say in its reader's language; everywhere else it is the English one.

    ``%(name)s`` in it stands for a value. Values may be such sentences themselves.

    >>> Say("the %(thing)s is empty", thing="box").said({"the %(thing)s is empty": "%(thing)s: leer"}.__getitem__)
    'box: leer'
    """

    __slots__ = ("message", "values")

    message: str
    values: dict[str, object]

    def __new__(cls, message: str, **values: object) -> Say:
        said = super().__new__(cls, message % values if values else message)
        said.message, said.values = message, values
        return said

    def filled(self, **values: object) -> Say:
        """The same sentence with its values."""
        return Say(self.message, **values)

    def said(self, gettext: Callable[[str], str], apart: Callable[[str], str] = str) -> str:
        """In the language of a catalog; ``apart`` keeps values from mixing with words of the other direction."""
        if not self.values:
            return gettext(self.message)
        return gettext(self.message) % {name: _value(each, gettext, apart) for name, each in self.values.items()}


def _value(value: object, gettext: Callable[[str], str], apart: Callable[[str], str]) -> object:
    if isinstance(value, Say):
        return value.said(gettext, apart)
    return apart(value) if isinstance(value, str) else value
