"""The built-in mailbox: a mail server on loopback that keeps everything in a Maildir, and a reader for it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from feed_publisher.adapters.files import private_folder
from feed_publisher.domain.errors import NotFoundError

SIZE_CAP = 25 * 1024 * 1024
_HEAD = 64 * 1024
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._,=-]{0,199}")
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSummary:
    """A line of the listing. ``to`` is the envelope's recipient, not the header's."""

    id: str
    to: str
    subject: str
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMail:
    """One message, with the headers decoded for people and the bytes as they came (after the two added lines)."""

    id: str
    to: str
    from_: str
    subject: str
    date: datetime
    headers: Headers
    html: str
    text: str
    raw: bytes


Summaries = list[MailSummary]


class BuiltinMailbox:
    """Runs in the current event loop; the reading half works without it, in any process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: asyncio.Server | None = None
        self._connections: WeakSet[SMTP] = WeakSet()

    async def start(self) -> int:
        """Listen on 127.0.0.1; the port. Start it once."""
        for name in ("tmp", "new", "cur"):
            private_folder(self._folder / name)
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the port and what is still connected. Messages answered with 250 are kept."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def _protocol(self) -> SMTP:
        connection = SMTP(
            _Keeper(self._folder),
            data_size_limit=SIZE_CAP,
            enable_SMTPUTF8=True,
            decode_data=False,
            hostname="localhost",  # the default asks the DNS for our name, and blocks
            ident="built-in mailbox",
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection

    def count(self) -> int:
        """How many messages there are."""
        return len(self._names())

    def list(self, limit: int = 50, offset: int = 0) -> Summaries:
        """Newest first. Only the files of the page are opened."""
        names = sorted(self._names().items(), reverse=True)[offset : offset + limit]
        return [_summary(id, path) for id, path in names if path.exists()]

    def read(self, id: str) -> StoredMail:
        """The whole message. Raises NotFoundError, also for an id that could not be a file of ours."""
        path = self._names().get(id) if _ID.fullmatch(id) else None
        try:
            raw = path.read_bytes() if path else b""
        except FileNotFoundError:
            raw = b""
        if path is None or not raw:
            raise NotFoundError(f"no message {id[:200]!r} in the mailbox")
        return _stored(id, path, raw)

    def _names(self) -> dict[str, Path]:
        """Ids and their files. A mail program may have moved them to cur/ and added ":2,S"."""
        names: dict[str, Path] = {}
        for folder in (self._folder / "new", self._folder / "cur"):
            if folder.is_dir():
                names |= {id: folder / name for name in os.listdir(folder) if _ID.fullmatch(id := name.split(":")[0])}
        return names


class _Keeper:
    """aiosmtpd's handler; one file per recipient, complete before the 250."""

    _numbers = itertools.count()

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        try:
            names = [self._store(envelope.mail_from or "", to, content) for to in envelope.rcpt_tos]
        except OSError as error:
            return f"452 4.3.1 cannot store the message: {error.strerror}"
        return f"250 2.0.0 kept as {', '.join(names)}"[:500]

    def _store(self, mail_from: str, to: str, content: bytes) -> str:
        name = f"{time.time_ns():020d}.{os.getpid()}.{next(self._numbers):06d}"
        trace = f"Return-Path: <{mail_from}>\r\nDelivered-To: {to}\r\n".encode("utf-8", "surrogateescape")
        draft = self._folder / "tmp" / name
        with open(draft, "wb", opener=_private) as file:
            file.write(trace + content)
        draft.rename(self._folder / "new" / name)
        return name


def _private(path: str, flags: int) -> int:
    """Mails hold addresses and links that need no password."""
    return os.open(path, flags, 0o600)


def _summary(id: str, path: Path) -> MailSummary:
    with path.open("rb") as file:
        headers = _headers(BytesHeaderParser().parsebytes(file.read(_HEAD)))
    return MailSummary(
        id=id, to=_first(headers, "delivered-to"), subject=_first(headers, "subject"), date=_date(headers, path)
    )


def _stored(id: str, path: Path, raw: bytes) -> StoredMail:
    message = BytesParser().parsebytes(raw)
    headers = _headers(message)
    return StoredMail(
        id=id,
        to=_first(headers, "delivered-to"),
        from_=_first(headers, "from"),
        subject=_first(headers, "subject"),
        date=_date(headers, path),
        headers=headers,
        html=_part(message, "text/html"),
        text=_part(message, "text/plain"),
        raw=raw,
    )


def _headers(message: Message) -> Headers:
    return [(name, _decoded(str(value))) for name, value in message.raw_items()]


def _decoded(value: str) -> str:
    """Unfolded, raw UTF-8 read as such, RFC 2047 words decoded; what cannot be decoded stays as it is."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = re.sub(r"\r?\n(?=[ \t])", "", text)
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def _first(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _date(headers: Headers, path: Path) -> datetime:
    """From the Date header, else when the file was written; aware, UTC."""
    try:
        date = parsedate_to_datetime(_first(headers, "date"))
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)  # "-0000" comes without a zone
    except (ValueError, TypeError, OverflowError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _part(message: Message, kind: str) -> str:
    """The first part of this kind that is not an attachment."""
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            data = payload if isinstance(payload, bytes) else b""
            try:
                return data.decode(part.get_content_charset("utf-8"), "replace")
            except LookupError:
                return data.decode("utf-8", "replace")
    return ""
