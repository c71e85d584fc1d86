"""Any document that pickup is handed: the kind is told by its name, else by its first characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Problem, Reading
from feed_publisher.parse.jsonfile import read_json
from feed_publisher.parse.listing import read_listing
from feed_publisher.parse.markdown import read_markdown
from feed_publisher.parse.text import decode

Reader = Callable[[bytes, str], Reading]

MAX_BYTES = 20_000_000
_READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".json": read_json,
    ".txt": read_listing,
    ".text": read_listing,
    ".listing": read_listing,
}
KNOWN_SUFFIXES = frozenset(_READERS)

_MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)


def read_document(data: bytes, name: str) -> Reading:
    """Drafts and problems; never raises, whatever the bytes."""
    try:
        return _read(data, name)
    except InputError as error:
        return Reading(problems=(Problem(where=error.where or name, reason=error.reason),))


def _read(data: bytes, name: str) -> Reading:
    if len(data) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES // 1_000_000} MB; split it into several files")
    reader = _READERS.get(_suffix(name))
    if reader is read_markdown:
        return read_markdown(data, name)  # may begin with HTML
    text = decode(data)
    if _MARKUP.match(text):
        raise InputError(
            "looks like HTML or XML; saved pages and feeds are not read yet."
            " Save it as a text listing (.txt), Markdown (.md) or JSON (.json)"
        )
    return (reader or _sniff(text))(data, name)


def _suffix(name: str) -> str:
    path = re.split(r"[?#]", name)[0] if name.startswith(("http://", "https://")) else name
    return PurePosixPath(path).suffix.lower()


def _sniff(text: str) -> Reader:
    if text.lstrip().startswith(("{", "[")):
        return read_json
    return read_markdown if re.match(r"---[ \t]*[\r\n]", text) else read_listing
