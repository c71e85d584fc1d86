"""The bytes, headers and parts of a mail (RFC 5322, 2045, 2047, 2369, 8058)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from feed_publisher.domain.finding import Finding, advice, error

LONGEST_LINE = 998
"""Bytes before CRLF (RFC 5322 §2.1.1)."""

LONGEST_SUBJECT = 78
"""Characters; lists of mails seldom show more."""

_ONCE = ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type")
_AT_MOST_ONCE = ("Sender", "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted")
_PARTS = ["text/plain", "text/html"]


def lint_wire(raw: bytes) -> Iterator[Finding]:
    """What any mail server may refuse or change on the way."""
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        yield error("line ends", "A line ends in something other than CRLF; mail servers may refuse the mail.")
    if max(raw, default=0) > 127:
        yield error("8-bit", "The mail holds bytes above 127; not every mail server passes them on unchanged.")
    longest = max(map(len, raw.split(b"\r\n")))
    if longest > LONGEST_LINE:
        yield error("line length", f"A line has {longest} bytes; {LONGEST_LINE} are allowed.")


def lint_headers(raw: bytes, message: EmailMessage) -> Iterator[Finding]:
    """Each header once, its value in the form that receivers read."""
    names = [name.lower() for name in message.keys()]  # noqa: SIM118 - a message iterates in no promised way
    for name in (*_ONCE, *_AT_MOST_ONCE):
        count = names.count(name.lower())
        if count > 1 or (not count and name in _ONCE):
            yield error("headers", f"The header {name} is there {count} times; it must be there once.")
    for name in ("From", "Sender", "Reply-To", "To"):
        if message[name] is not None and not _is_one_address(message, name):
            yield error("address", f"The header {name} does not hold exactly one mail address.")
    if message["Date"] is not None and not _is_date(str(message["Date"])):
        yield error("date", "The Date is not a date.")
    if not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", str(message["Message-ID"] or "<a@b>").strip()):
        yield error("message id", "The Message-ID has not the form <name@host>.")
    yield from _lint_list_headers(raw, message)
    yield from _lint_subject(str(message["Subject"] or ""))


def lint_parts(message: EmailMessage) -> Iterator[Finding]:
    """A text and an HTML part that say the same, the better one last (RFC 2046 §5.1.4)."""
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    if message.get_content_type() != "multipart/alternative" or kinds != _PARTS:
        yield error("parts", "The mail must be multipart/alternative, its text before its HTML.")
    for part in message.walk():
        for defect in part.defects:
            yield error("mime", f"The mail's structure is broken: {type(defect).__name__}.")
        content = part.get_payload(decode=True)
        if not part.is_multipart() and not (isinstance(content, bytes) and content.strip()):
            yield error("parts", f"The {part.get_content_type()} part is empty.")


def _is_one_address(message: EmailMessage, name: str) -> bool:
    addresses: list[Address] = list(getattr(message[name], "addresses", ()))
    return len(addresses) == 1 and bool(addresses[0].username) and bool(addresses[0].domain)


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True


def _lint_list_headers(raw: bytes, message: EmailMessage) -> Iterator[Finding]:
    head = raw.partition(b"\r\n\r\n")[0]
    for line in re.split(rb"\r\n(?![ \t])", head):
        if line.lower().startswith(b"list-") and (b"=?" in line or b"\r\n" in line):
            name = line.partition(b":")[0].decode("ascii", "replace")
            yield error("list headers", f"{name} is folded or an encoded word; receivers ignore it then.")
    if message["List-Id"] is None:
        return  # a letter to one person
    link = str(message["List-Unsubscribe"] or "")
    if not re.search(r"<https?://[^<>\s]+>", link) or link.count("<http") != 1:
        yield error("one click", "List-Unsubscribe must hold exactly one web address (RFC 8058).")
    elif not link.startswith("<https:"):
        yield advice("one click", "List-Unsubscribe is not https; receivers want it for one-click unsubscribing.")
    if message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield error("one click", "List-Unsubscribe-Post must be List-Unsubscribe=One-Click (RFC 8058).")


def _lint_subject(subject: str) -> Iterator[Finding]:
    if not subject.strip():
        yield error("subject", "The subject is empty.")
    elif len(subject) > LONGEST_SUBJECT:
        yield advice("subject", f"The subject has {len(subject)} characters; most programs cut it after about 70.")
