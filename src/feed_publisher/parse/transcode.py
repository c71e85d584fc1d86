"""Bytes from the network to text: what they are beats what they are said to be."""

from __future__ import annotations

import codecs
import re

from feed_publisher.parse.text import decode

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_SHIFTING = ("iso2022", "iso-2022", "hz")  # legacy text made of ASCII bytes: always valid UTF-8, and wrong as such
# Python's names for what no feed is written in, or what text can be smuggled in with.
_NOT_CHARSETS = frozenset({"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs"})
_WIDER = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}


def to_text(data: bytes, charset: str = "") -> str:
    """Byte order mark, UTF-8, ``charset`` of the header, the XML declaration, the likeliest. InputError for binary.

    Anything but ASCII that is valid UTF-8 is UTF-8: servers and declarations are wrong far more often.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data.decode(codec, "replace").removeprefix("\ufeff")
    declared = _DECLARED.match(data)
    claims = [_codec(charset), _codec(declared[1].decode("ascii") if declared else "")]
    if not any(claim.startswith(_SHIFTING) for claim in claims):
        claims.insert(0, "utf-8")
    for claim in filter(None, claims):
        try:
            return data.decode(claim)
        except UnicodeError:
            continue
    stray = data.count(0)
    return decode(data.replace(b"\0", b"") if stray * 100 < len(data) else data)


def _codec(charset: str) -> str:
    """Python's codec, as wide as browsers read it; "" when it is none that can be trusted."""
    try:
        name = codecs.lookup(charset.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return ""
    if name in _NOT_CHARSETS or name.startswith(("utf-16", "utf-32")):
        return ""  # without NUL bytes at its start the document is neither of the latter two
    try:
        b"".decode(name)
    except LookupError:  # a transformation such as zip
        return ""
    return _WIDER.get(name, name)
