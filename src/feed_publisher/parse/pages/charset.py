"""Bytes of a page to text. What the bytes themselves prove beats what header and page say of them."""

from __future__ import annotations

import codecs
import re

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.text import decode, visible

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_HEAD = 4_096  # where a charset may be declared; the HTML standard looks at 1,024
# Labels of the WHATWG encoding standard that Python knows by another name, or reads more narrowly than browsers do.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "macintosh": "mac-roman",
}
_PAGES = re.compile(
    r"utf-8|utf-16(?:-[lb]e)?|cp(?:125\d|874|932|949|866)|iso8859-\d+|koi8-[ru]|euc_jp|iso2022_jp|gb18030|big5hkscs|mac-roman"
)


def text_of_page(data: bytes, charset: str) -> str:
    """Never raises: what cannot be decoded becomes U+FFFD. ``charset`` is that of the Content-Type header."""
    if not data.startswith(_BOMS):
        declared = _META.search(data[:_HEAD])
        labels = [charset, declared[1].decode("ascii", "replace") if declared else ""]
        for codec in filter(None, map(_codec, labels)):
            text = _try(data, codec)
            if text is not None:
                return visible(text)
        data = data.replace(b"\0", b"")
    try:
        return visible(decode(data))
    except InputError:
        return visible(data.decode("utf-8", "replace"))


def _codec(label: str) -> str | None:
    """Only encodings that pages come in: Python's others (UTF-7, escapes, compression) would be a way to smuggle."""
    label = label.strip().strip("\"'").lower()
    try:
        known = codecs.lookup(_WIDER.get(label, label)).name if label else ""
    except (LookupError, ValueError):
        return None
    name = _WIDER.get(known, known)
    return name if _PAGES.fullmatch(name) else None


def _try(data: bytes, codec: str) -> str | None:
    """None when the label is plainly wrong. Valid UTF-8 is hardly ever anything else."""
    if not codec.startswith("utf-16"):
        data = data.replace(b"\0", b"")
        if not data.isascii() and _is_utf8(data):
            return data.decode("utf-8")
        if codec == "utf-8" and not data.isascii():
            return None
    text = data.decode(codec, "replace")
    return text if text.count("\ufffd") * 50 <= len(text) else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
