"""Bytes to text, and foreign text made safe: the only door by which outside characters come in."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from feed_publisher.domain.errors import InputError

SAMPLE = 65_536  # bytes shown to the guesser; it is too slow for whole files

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Western text in cp1252 really uses above ASCII; other code pages quickly fall outside it.
_WESTERN = frozenset("€‚„…‘’“”•–—™œŒŠšŽžŸ\xa0¡£§©ª«®°·º»¿") | {chr(n) for n in range(0xC0, 0x100)} - set("×÷")
_RUN_OF_LETTERS = re.compile(rb"[\xc0-\xff]{3}")

# Controls (not tab and line ends), soft hyphen, zero-width space and marks, direction overrides and isolates,
# lone surrogates, and the two code points no XML document may hold.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff]"
)
_OLD_BREAKS = re.compile("[\x0b\x0c\x85]")  # white space, but not in XML
# Joiners spell words in Persian and Indic scripts and build emoji; next to ASCII they are only invisible dirt.
_STRAY_JOINER = re.compile("(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]++|[\u200c\u200d]++(?![^\x00-\x7f\u200c\u200d])")


def decode(data: bytes) -> str:
    """Text of ``data``: byte order mark, then UTF-8, then the likeliest legacy encoding. InputError for binary."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, codec)
    if b"\0" in data:
        raise InputError("is not text (it holds NUL bytes); save it as plain text in UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_legacy(data, error.start)


def _decode_marked(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise InputError(f"is not text: it begins as {codec.upper()} and breaks off; save it again as UTF-8") from error


def _decode_legacy(data: bytes, first_bad: int) -> str:
    """Damaged UTF-8 stays UTF-8; sparse accents are Western; the rest is guessed from a sample."""
    patched = data.decode("utf-8", "replace")
    bad = patched.count("\ufffd")
    if sum(character > "\x7f" for character in patched) > 2 * bad:
        return patched
    start = max(data.rfind(b"\n", 0, first_bad) + 1, first_bad - SAMPLE // 2)
    sample = data[start : start + SAMPLE]
    if not _looks_western(sample):
        guess = from_bytes(sample).best()
        if guess is not None:
            return data.decode(guess.encoding, "replace").removeprefix("\ufeff")
    return data.decode("cp1252", "replace")


def _looks_western(sample: bytes) -> bool:
    if _RUN_OF_LETTERS.search(sample):
        return False
    return all(character in _WESTERN for character in sample.decode("cp1252", "replace") if character > "\x7f")


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
