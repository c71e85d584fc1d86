"""A reader's mail, wrapped into one of our own, so that it can be passed on without pretending to be the reader."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.utils import format_datetime

from feed_publisher.compose.message import Sender, encode_address, encode_body, encode_header
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.bounce import FORWARDED
from feed_publisher.domain.errors import InputError

SHOWN = 20_000
"""Characters of the reader's text that stand in the mail itself; the whole of it is attached."""

_LONGEST_LINE = 998


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """``fingerprint``: of the mail, in hexadecimal; ``title``: of the newsletter, for people."""

    sender: Sender
    to: str
    title: str
    fingerprint: str
    date: datetime


def wrapped(raw: bytes, who: str, subject: str, wrapping: Wrapping) -> bytes:
    """From the digest to its operator; an answer to it goes to the reader, ``who``."""
    sender, fingerprint = wrapping.sender, wrapping.fingerprint
    boundary = f"=_{fingerprint[:32]}".encode()
    text = f"{who} answered to a mail of {wrapping.title}. The mail as it came is attached.\n\n{_text(raw)}"
    return b"".join(
        (
            encode_address("From", sender.name, sender.address),
            encode_address("To", "", wrapping.to),
            _reply_to(who),
            encode_header("Subject", subject or f"An answer to {wrapping.title}"),
            f"Date: {format_datetime(wrapping.date)}\r\nMessage-ID: <answer.{fingerprint[:32]}@".encode(),
            f"{sender.message_id_domain}>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n".encode(),
            f"{FORWARDED}: yes\r\n".encode(),
            b'Content-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n\r\n--' + boundary,
            b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            encode_body(text),
            b"\r\n--" + boundary + b"\r\n" + _attached(raw) + b"\r\n--" + boundary + b"--\r\n",
        )
    )


def _reply_to(address: str) -> bytes:
    """Foreign, so only one that is an address."""
    try:
        return encode_address("Reply-To", "", parse_address(address).envelope) if address.isascii() else b""
    except InputError:
        return b""


def _attached(raw: bytes) -> bytes:
    """A mail within a mail must not be encoded (RFC 2046 §5.2.1); one that would have to be is a file."""
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if raw.isascii() and b"\0" not in raw and all(len(line) <= _LONGEST_LINE for line in lines):
        return b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + b"\r\n".join(lines)
    head = b'Content-Type: application/octet-stream; name="answer.eml"\r\nContent-Transfer-Encoding: base64\r\n'
    return head + b"Content-Disposition: attachment\r\n\r\n" + base64.encodebytes(raw).replace(b"\n", b"\r\n")


def _text(raw: bytes) -> str:
    try:
        part = _first_text(message_from_bytes(raw[: 10 * SHOWN]))
    except (MessageError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return ""
    payload = part.get_payload(decode=True) if part is not None else None
    if part is None or not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")[:SHOWN]
    except LookupError:
        return payload.decode("utf-8", "replace")[:SHOWN]


def _first_text(message: Message) -> Message | None:
    return next((part for part in message.walk() if part.get_content_type() == "text/plain"), None)
