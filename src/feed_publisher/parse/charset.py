"""Bytes to text: what they are beats what they are said to be."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

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
# How XML, HTML and JSON begin where the mark was forgotten; the groups are named as the codecs are.
_UNMARKED = re.compile(
    rb"(?P<utf_32_le>(?:[\t\n\r ]\0\0\0)*+[<{\[]\0\0\0)|(?P<utf_32_be>(?:\0\0\0[\t\n\r ])*+\0\0\0[<{\[])"
    rb"|(?P<utf_16_le>(?:[\t\n\r ]\0)*+[<{\[]\0[^\0]\0)|(?P<utf_16_be>(?:\0[\t\n\r ])*+\0[<{\[]\0[^\0])"
)
# Labels of the WHATWG encoding standard, or Python's names of them, that browsers read as something wider.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "windows-31j": "cp932",
    "euc_kr": "cp949",
    "windows-949": "cp949",
    "big5": "big5hkscs",
}
# Nothing else is published in; Python's others (UTF-7, escapes, compression) would be a way to smuggle. UTF-16 and
# UTF-32 are told by their first bytes alone.
_WEB = re.compile(
    r"utf-8|cp(?:125\d|866|874|932|949)|iso8859-\d+|koi8-[ru]|mac-(?:roman|cyrillic)|euc_jp|gb18030|big5hkscs"
    r"|iso2022_(?:jp|kr)(?:_\w+)?|hz"
)
_SHIFTING = ("iso2022", "hz")  # made of ASCII bytes: always valid UTF-8, and wrong as such
_BAD = 50  # one undecodable character in so many is damage, more a wrong label

# What Western text in cp1252 really uses above ASCII; other code pages quickly fall outside it.
_WESTERN = frozenset("€‚„…‘’“”•–—™œŒŠšŽžŸ\xa0¡£§©ª«®°·º»¿") | {chr(n) for n in range(0xC0, 0x100)} - set("×÷")
_RUN_OF_LETTERS = re.compile(rb"[\xc0-\xff]{3}")


def decode(data: bytes) -> str:
    """Text of a file that nobody labels: byte order mark, UTF-8, the likeliest. InputError for binary."""
    marked = mark_of(data)
    if marked:
        return _decode_marked(data, marked)
    if b"\0" in data:
        raise InputError("is not text (it holds NUL bytes); save it as plain text in UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_legacy(data, error.start)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What ``open`` takes. ``replaces``: bytes that stand for nothing become U+FFFD."""

    codec: str
    replaces: bool = False


def encoding_of(pieces: Iterable[bytes]) -> Encoding:
    """What ``decode`` would do with a file that is too large to be held; read once, some memory whatever its size.

    A few NULs are let through, for whoever reads the cells to refuse. InputError for binary.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    size = nulls = foreign = bad = 0
    head, sample = b"", b""
    for piece in pieces:
        head = head or piece[:4]
        size, nulls = size + len(piece), nulls + piece.count(0)
        text = decoder.decode(piece)
        if not text.isascii():
            foreign += sum(character > "\x7f" for character in text)
            bad += text.count("\ufffd")
            sample = sample or (_around(piece) if "\ufffd" in text else b"")
    if marked := mark_of(head):
        return Encoding(marked, replaces=True)
    if nulls * 10 > size:
        raise InputError("is not text (it holds NUL bytes); save it as plain text in UTF-8")
    if decoder.decode(b"", final=True):
        foreign, bad = foreign + 1, bad + 1
    if not bad or foreign > 2 * bad:
        return Encoding("utf-8-sig", replaces=bool(bad))
    guess = None if _looks_western(sample) else from_bytes(sample).best()
    return Encoding(guess.encoding if guess else "cp1252", replaces=True)


def _around(piece: bytes) -> bytes:
    """The bytes from the start of the line with the first one that is no UTF-8."""
    try:
        piece.decode("utf-8")
        first = 0
    except UnicodeDecodeError as error:
        first = error.start
    start = max(piece.rfind(b"\n", 0, first) + 1, first - SAMPLE // 2)
    return piece[start : start + SAMPLE]


def to_text(data: bytes, labels: Iterable[str] = ()) -> str:
    """Text of a document from the network. ``labels`` are what its header and itself say, the most trusted first.

    Byte order mark, UTF-8, the labels, the likeliest: servers and declarations are wrong far more often than bytes
    that happen to be valid UTF-8. Damage becomes U+FFFD; InputError for binary.
    """
    certain = _certain(data)
    if certain:
        return data.decode(certain, "replace").removeprefix("\ufeff")
    claims = [codec for codec in map(codec_of, labels) if codec]
    shifting = [codec for codec in claims if codec.startswith(_SHIFTING) and data.isascii()]
    for codec in (*shifting, "utf-8", *claims):
        try:
            return data.decode(codec)
        except UnicodeError:
            continue
    for codec in claims:
        text = data.decode(codec, "replace")
        if codec != "utf-8" and text.count("\ufffd") * _BAD <= len(text):
            return text
    stray = data.count(0)
    return decode(data.replace(b"\0", b"") if stray * 100 < len(data) else data)


def mark_of(data: bytes) -> str:
    """The codec, one with NUL bytes, that a byte order mark tells; "" for none."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), "")


def codec_of(label: str) -> str:
    """Python's codec for a label, as wide as browsers read it; "" when nothing on the web is written in it."""
    label = label.strip().strip("\"'").lower().removeprefix("x-")
    try:
        known = codecs.lookup(_WIDER.get(label, label)).name
    except (LookupError, ValueError):
        return ""
    name = _WIDER.get(known, known)
    return name if _WEB.fullmatch(name) else ""


def _certain(data: bytes) -> str:
    """The codec that the first bytes prove, or ""."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    unmarked = _UNMARKED.match(data)
    return mark_of(data) or (unmarked.lastgroup or "" if unmarked else "")


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
