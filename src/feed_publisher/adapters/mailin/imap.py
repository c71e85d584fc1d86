"""A mailbox read by IMAP (RFC 9051). A mail is marked as seen only when it has been dealt with."""

from __future__ import annotations

import imaplib
import ipaddress
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from feed_publisher.adapters.mailin.polled import SIZE_CAP, Polled, Receive
from feed_publisher.domain.errors import MailError

AT_A_TIME = 100
SECONDS = 30.0
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,12})")


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


def poll_imap(box: ImapBox, receive: Receive, seconds: float = SECONDS) -> Polled:
    """Hand over what is unseen. Raises MailError, and what ``receive`` raises."""
    polled = Polled()
    with _logged_in(box, seconds) as mailbox:
        _said(mailbox.select(f'"{box.folder}"'))
        for uid in _unseen(mailbox)[:AT_A_TIME]:
            _hand_over(mailbox, uid.decode(), receive, polled)
    return polled


def probe_imap(box: ImapBox, seconds: float = SECONDS) -> int:
    """How many are unseen. Raises MailError."""
    found: list[bytes] = []
    with _logged_in(box, seconds) as mailbox:
        _said(mailbox.select(f'"{box.folder}"', readonly=True))
        found = _unseen(mailbox)
    return len(found)


@contextmanager
def _logged_in(box: ImapBox, seconds: float) -> Iterator[imaplib.IMAP4]:
    try:
        mailbox = _opened(box, seconds)
        try:
            _said(mailbox.login(box.user, box.password))
            yield mailbox
        finally:
            _leave(mailbox)
    except (imaplib.IMAP4.error, OSError, ValueError) as error:
        raise MailError(f"bounces.imap_host: {box.host}:{box.port}: {_plain(error, box)}") from error


def _opened(box: ImapBox, seconds: float) -> imaplib.IMAP4:
    if not box.tls:
        return imaplib.IMAP4(box.host, box.port, timeout=seconds)
    context = ssl.create_default_context()
    return imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=seconds)


def _leave(mailbox: imaplib.IMAP4) -> None:
    """The library itself closes nothing when the connection breaks."""
    with suppress(imaplib.IMAP4.error, OSError):
        mailbox.logout()
    with suppress(OSError):
        mailbox.shutdown()


def _unseen(mailbox: imaplib.IMAP4) -> list[bytes]:
    found = _said(mailbox.uid("SEARCH", "UNSEEN"))
    words = found[0].split() if found and isinstance(found[0], bytes) else []
    return [word for word in words if word.isdigit()]


def _hand_over(mailbox: imaplib.IMAP4, uid: str, receive: Receive, polled: Polled) -> None:
    sized = _SIZE.search(_flat(_said(mailbox.uid("FETCH", uid, "(RFC822.SIZE)"))))
    if sized is None:
        return  # somebody else has removed it
    if int(sized[1]) > SIZE_CAP:
        polled.large.append(uid)
    elif not receive(_content(mailbox, uid)):
        polled.later += 1
        return
    else:
        polled.read += 1
    _said(mailbox.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))


def _content(mailbox: imaplib.IMAP4, uid: str) -> bytes:
    parts = _said(mailbox.uid("FETCH", uid, "(BODY.PEEK[])"))
    return next((bytes(part[1]) for part in parts if isinstance(part, tuple)), b"")


def _flat(parts: list[Any]) -> bytes:
    return b" ".join(part if isinstance(part, bytes) else part[0] for part in parts if isinstance(part, bytes | tuple))


def _said(answer: tuple[str, Any]) -> list[Any]:
    kind, parts = answer[0], list(answer[1])
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
