"""The exact bytes of a mail: headers, quoted-printable parts, personal links spliced in (RFC 5322, 2045, 8058).

An edition is encoded once into a Skeleton; a reader's message is a join of its pieces. A marker in html or text
stands for a personal value; it holds a nonce, so no article can forge one.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache

MAX_SUBJECT = 200
_MARKER = "fpm{nonce}{name}mpf"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TURNS = re.compile("[\\u202a-\\u202e\\u2066-\\u2069]")
"""Turns of the writing direction: they would reach beyond the text they stand in."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$%&'*+/?^_`{|}~-]+")


def marker(nonce: str, name: str) -> str:
    """What a template prints for a personal value: letters and digits only, so no encoder touches it."""
    return _MARKER.format(nonce=nonce, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The addresses in a mail that are one reader's own."""

    unsubscribe: str
    preferences: str
    unsubscribe_mail: str = ""

    @property
    def values(self) -> dict[str, str]:
        """By the names that templates print."""
        return {"unsubscribe_url": self.unsubscribe, "preferences_url": self.preferences}


LINKS = ("unsubscribe_url", "preferences_url")


def readable(text: str, nonce: str, links: Links) -> str:
    """The HTML or text of an edition as one reader would see it."""
    for name, url in links.values.items():
        text = text.replace(marker(nonce, name), url)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who a mail is from. ``list_id`` such as weekly.harbour.example, or "" for letters to one person.

    ``list_help`` and ``list_archive`` are pages (RFC 2369), "" where there is none. ``mark`` stands before each
    subject.
    """

    name: str
    address: str
    reply_to: str = ""
    list_id: str = ""
    list_help: str = ""
    list_archive: str = ""
    message_id_domain: str = "localhost"
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """What differs from reader to reader.

    ``unsubscribe_url`` goes into the headers when it is given, and ``unsubscribe_mail``, an address, beside it.
    """

    to: str
    message_id: str
    date: datetime
    values: Mapping[str, str]
    unsubscribe_url: str = ""
    unsubscribe_mail: str = ""


class Skeleton:
    """The part of a message that all readers of an edition share, encoded once."""

    def __init__(self, sender: Sender, subject: str, html: str, text: str, language: str, nonce: str) -> None:
        pieces: list[bytes | str] = ["head", _fixed_headers(sender, subject, language)]
        pieces += [b'Content-Type: multipart/alternative;\r\n boundary="', "boundary", b'"\r\n\r\n']
        for kind, content in ((b"text/plain", text), (b"text/html", html)):
            pieces += [b"--", "boundary", b"\r\nContent-Type: " + kind + _PART_HEAD, *_pieces(content, nonce), b"\r\n"]
        pieces += [b"--", "boundary", b"--\r\n"]
        self._pieces = [piece if isinstance(piece, bytes) else b"" for piece in pieces]
        self._slots = [(place, piece) for place, piece in enumerate(pieces) if isinstance(piece, str)]

    def message(self, personal: Personal) -> bytes:
        """CRLF line ends, 7-bit, lines of at most 998 bytes; the same bytes for the same arguments."""
        values = {name: encode_body(value) for name, value in personal.values.items()}
        values["head"] = _personal_headers(personal)
        values["boundary"] = b"=_" + hashlib.sha256(personal.message_id.encode()).hexdigest()[:32].encode()
        pieces = self._pieces.copy()
        for place, name in self._slots:
            pieces[place] = values[name]
        return b"".join(pieces)


_PART_HEAD = b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def clean_header(text: str, limit: int = MAX_SUBJECT) -> str:
    """One line without control characters, spaces collapsed, cut at ``limit`` characters."""
    line = " ".join(_CONTROLS.sub(" ", _TURNS.sub("", text)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def encode_header(name: str, text: str) -> bytes:
    """A header line; anything but short plain ASCII becomes encoded-words of our own (RFC 2047).

    So a "=?utf-8?…?=" in the text is shown as it is and never decoded into something else.
    """
    clean = clean_header(text)
    if clean.isascii() and len(name) + len(clean) < 76 and "=?" not in clean:
        return f"{name}: {clean}\r\n".encode()
    encoded = Header(clean, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")
    return f"{name}: {encoded}\r\n".encode()


def encode_address(name: str, display: str, address: str) -> bytes:
    """A header with one address and its display name."""
    _checked(address)
    clean = clean_header(display, 100)
    if not clean:
        return f"{name}: {address}\r\n".encode()
    if _PLAIN_NAME.fullmatch(clean) and "=?" not in clean:
        return f'{name}: "{clean}" <{address}>\r\n'.encode()
    encoded = Header(clean, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")
    return f"{name}: {encoded}\r\n <{address}>\r\n".encode()


def encode_body(text: str) -> bytes:
    """Quoted-printable (RFC 2045 §6.7) with CRLF line ends."""
    if "\n" not in text and "\r" not in text:
        return _encode_line(text.encode("utf-8", "replace"))
    lines = re.sub(r"\r\n|\r", "\n", text).encode("utf-8", "replace").split(b"\n")
    return b"\r\n".join(_encode_line(line) for line in lines)


def _encode_line(line: bytes) -> bytes:
    # b2a_qp folds with a bare LF where it has seen no CRLF; a line by itself holds no other LF.
    return binascii.b2a_qp(line, quotetabs=False, istext=True, header=False).replace(b"\n", b"\r\n")


def _pieces(text: str, nonce: str) -> tuple[bytes | str, ...]:
    """Encoded text (bytes) and slot names (str) in turn.

    Each slot stands alone between soft line breaks, so a value of any length never re-wraps its neighbours.
    """
    found = re.split(re.escape(f"fpm{nonce}") + r"([a-z_]+?)mpf", text)
    pieces: list[bytes | str] = []
    for index, part in enumerate(found):
        if index % 2:
            pieces += [b"=\r\n", part, b"=\r\n"]
        else:
            pieces.append(encode_body(part))
    return tuple(pieces)


def _personal_headers(personal: Personal) -> bytes:
    lines = [
        f"To: {personal.to}",
        f"Date: {_date(personal.date)}",
        f"Message-ID: <{personal.message_id}>",
    ]
    if personal.unsubscribe_url:
        by_mail = f", <mailto:{personal.unsubscribe_mail}?subject=unsubscribe>" if personal.unsubscribe_mail else ""
        lines += [
            f"List-Unsubscribe: <{personal.unsubscribe_url}>{by_mail}",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ]
    _checked("".join(lines))
    return "\r\n".join((*lines, "")).encode()


@lru_cache(maxsize=8)
def _date(date: datetime) -> str:
    """All messages of an issue have the same."""
    return format_datetime(date)


def _checked(line: str) -> str:
    """Addresses and links are checked at the door; here is the last one."""
    if _CONTROLS.search(line):
        raise ValueError("a control character reached a mail header")
    return line


def _fixed_headers(sender: Sender, subject: str, language: str) -> bytes:
    parts = [
        encode_address("From", sender.name, sender.address),
        encode_header("Subject", subject),
        b"MIME-Version: 1.0\r\n",
        encode_header("Content-Language", language),
        b"Auto-Submitted: auto-generated\r\n",
    ]
    if sender.reply_to:
        parts.insert(1, encode_address("Reply-To", "", sender.reply_to))
    if sender.list_id:
        # List-* lines are never encoded-words: some receivers ignore them then.
        pages = (("Id", sender.list_id), ("Help", sender.list_help), ("Archive", sender.list_archive))
        parts += [_checked(f"List-{name}: <{value}>").encode() + b"\r\n" for name, value in pages if value]
        parts.append(b"Precedence: bulk\r\n")
    return b"".join(parts)
