"""Foreign text made safe: no character comes in from outside but through here."""

from __future__ import annotations

import re

# Controls (not tab and line ends), soft hyphen, zero-width space and marks, direction overrides and isolates,
# lone surrogates, and the two code points no XML document may hold.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff]"
)
_OLD_BREAKS = re.compile("[\x0b\x0c\x85]")  # white space, but not in XML
# Joiners spell words in Persian and Indic scripts and build emoji; next to ASCII they are only invisible dirt.
_STRAY_JOINER = re.compile("(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]++|[\u200c\u200d]++(?![^\x00-\x7f\u200c\u200d])")


def visible(text: str) -> str:
    """``text`` without characters that are invisible, forge direction, or may not stand in XML; line ends stay."""
    return _INVISIBLE.sub("", _OLD_BREAKS.sub(" ", text))


def clean(text: str) -> str:
    """One line of visible text: every run of white space, no-break spaces included, is one space."""
    text = " ".join(visible(text).split())
    if "\u200c" in text or "\u200d" in text:
        text = " ".join(_STRAY_JOINER.sub("", text).split())
    return text


def cut(text: str, limit: int = 300) -> str:
    """At most ``limit`` characters, cut after a word and marked with an ellipsis."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if not text[limit - 1].isspace() and " " in head:
        head = head.rsplit(" ", 1)[0]
    return head.rstrip(" ,;:–—-") + "…"


def lines_of(text: str) -> list[str]:
    """Lines as editors count them: LF, CRLF or CR, nothing else."""
    return re.split(r"\r\n|\r|\n", text)
