"""Bytes of a page to text."""

from __future__ import annotations

import re

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.charset import to_text
from feed_publisher.parse.text import visible

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_HEAD = 4_096  # where a charset may be declared; the HTML standard looks at 1,024


def text_of_page(data: bytes, charset: str) -> str:
    """Never raises: what cannot be decoded becomes U+FFFD. ``charset`` is that of the Content-Type header."""
    declared = _META.search(data[:_HEAD])
    labels = (charset, declared[1].decode("ascii") if declared else "")
    try:
        return visible(to_text(data, labels))
    except InputError:
        return visible(data.decode("utf-8", "replace"))
