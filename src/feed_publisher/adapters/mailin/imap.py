"""A mailbox read by IMAP (RFC 9051). A mail is marked as seen only when it has been dealt with."""

from __future__ import annotations

import imaplib
import ipaddress
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from feed_publisher.domain.errors import MailError

SIZE_CAP = 2 * 1024 * 1024
AT_A_TIME = 100
SECONDS = 30.0
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,12})")
Receive = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapBox:
    """Whose mail is read where. TLS always on port 993, and anywhere but on this machine."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 993
    folder: str = "INBOX"

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken from the first byte."""
        return self.port == 993 or not _is_loopback(self.host)


def poll_imap(box: ImapBox, receive: Receive, seconds: float = SECONDS) -> int:
    """Hand over what is unseen; how many were dealt with. Raises MailError, and what ``receive`` raises."""
    try:
        with _opened(box, seconds) as mailbox:
            _said(mailbox.login(box.user, box.password))
            _said(mailbox.select(f'"{box.folder}"'))
            return sum(_hand_over(mailbox, uid, receive) for uid in _unseen(mailbox)[:AT_A_TIME])
    except (imaplib.IMAP4.error, OSError, ValueError) as error:
        raise MailError(f"bounces.imap_host: {box.host}:{box.port}: {_plain(error, box)}") from error


def probe_imap(box: ImapBox, seconds: float = SECONDS) -> int:
    """How many are unseen. Raises MailError."""
    counted: list[bytes] = []
    try:
        with _opened(box, seconds) as mailbox:
            _said(mailbox.login(box.user, box.password))
            _said(mailbox.select(f'"{box.folder}"', readonly=True))
            counted = _unseen(mailbox)
    except (imaplib.IMAP4.error, OSError, ValueError) as error:
        raise MailError(f"bounces.imap_host: {box.host}:{box.port}: {_plain(error, box)}") from error
    return len(counted)


def _opened(box: ImapBox, seconds: float) -> imaplib.IMAP4:
    if not box.tls:
        return imaplib.IMAP4(box.host, box.port, timeout=seconds)
    context = ssl.create_default_context()
    return imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=seconds)


def _unseen(mailbox: imaplib.IMAP4) -> list[bytes]:
    found = _said(mailbox.uid("SEARCH", "UNSEEN"))
    words = found[0].split() if found and isinstance(found[0], bytes) else []
    return [word for word in words if word.isdigit()]


def _hand_over(mailbox: imaplib.IMAP4, uid: bytes, receive: Receive) -> bool:
    """Whether it was dealt with; one that is too large is left as it is, seen."""
    number = uid.decode()
    sized = _SIZE.search(_flat(_said(mailbox.uid("FETCH", number, "(RFC822.SIZE)"))))
    raw = b""
    if sized and int(sized[1]) <= SIZE_CAP:
        parts = _said(mailbox.uid("FETCH", number, "(BODY.PEEK[])"))
        raw = next((part[1] for part in parts if isinstance(part, tuple)), b"")
    if raw and not receive(raw):
        return False
    _said(mailbox.uid("STORE", number, "+FLAGS.SILENT", r"(\Seen)"))
    return bool(raw)


def _flat(parts: list[object]) -> bytes:
    return b" ".join(part if isinstance(part, bytes) else part[0] for part in parts if isinstance(part, bytes | tuple))


def _said(answer: tuple[str, list[object]]) -> list[object]:
    kind, parts = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(_flat(parts).decode("utf-8", "replace") or kind)
    return parts


def _plain(error: Exception, box: ImapBox) -> str:
    words = " ".join(str(error).removeprefix("b'").rstrip("'").split())[:300]
    return words.replace(box.password, "***") if box.password else words


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host.lower() == "localhost"
