"""Takes mail that comes back from the mail server, by LMTP or SMTP. It passes nothing on to anywhere.

Whatever is connected: so many connections, so many seconds, so many bytes, one recipient at a time; and only
recipients whose addresses we have made.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from feed_publisher.adapters.mailin.polled import SIZE_CAP
from feed_publisher.domain.errors import FeedPublisherError, MailError

log = logging.getLogger("feed_publisher")

CONNECTIONS = 50
SECONDS = 120.0
"""A connection's whole life: a byte now and then does not extend it."""

IDLE = 30.0
Deliver = Callable[[bytes, str, str], bool]
"""A mail, its recipient and envelope sender; False: it must come again later."""


class Listener:
    """Runs in the current event loop."""

    def __init__(
        self,
        host: str,
        port: int,
        protocol: str,
        accepts: Callable[[str], bool],
        receive: Deliver,
        seconds: float = SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        self._host = host
        self._port = port
        self._kind = _Lmtp if protocol == "lmtp" else _Smtp
        self._handler = _Handler(accepts, receive)
        self._seconds = seconds
        self._most = connections
        self._server: asyncio.Server | None = None
        self._connections: WeakSet[SMTP] = WeakSet()

    async def start(self) -> int:
        """The port. Raises MailError when it is taken."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._protocol, self._host, self._port)
        except OSError as error:
            reason = error.strerror or error
            raise MailError(f"bounces.listen: cannot listen on {self._host}:{self._port} ({reason})") from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close the port and what is connected; what was answered with 250 is dealt with."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            _cut(connection)
        await self._server.wait_closed()
        self._server = None

    def _protocol(self) -> asyncio.Protocol:
        alive = [each for each in self._connections if each.transport and not each.transport.is_closing()]
        if len(alive) >= self._most:
            return _Busy()
        connection = self._kind(
            self._handler,
            data_size_limit=SIZE_CAP,
            enable_SMTPUTF8=True,
            decode_data=False,
            hostname=socket.gethostname(),  # the default asks the DNS for our name, and blocks
            ident="feed-publisher",
            timeout=IDLE,
            command_call_limit=200,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        asyncio.get_running_loop().call_later(self._seconds, _cut, connection)
        return connection


class _Busy(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 too many connections, try again later\r\n")
            transport.close()


class _Smtp(SMTP):
    line_length_limit = 65536  # other people's mail servers quote lines of any length


class _Lmtp(LMTP):
    line_length_limit = 65536


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, accepts: Callable[[str], bool], receive: Deliver) -> None:
        self._accepts = accepts
        self._receive = receive

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._accepts(address):
            return "550 5.1.1 there is no such address here"
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"  # LMTP answers each after the body, aiosmtpd only once
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw, to = envelope.original_content or b"", envelope.rcpt_tos[0]
        sender = (envelope.mail_from or "").strip("<>")  # aiosmtpd says "<>" for none
        try:
            taken = await asyncio.to_thread(self._receive, raw, to, sender)
        except FeedPublisherError as error:
            log.error("mail that came back could not be dealt with: %s", error)
            return "451 4.3.0 cannot be dealt with now, try again later"
        return "250 2.0.0 OK" if taken else "451 4.3.0 too early, try again later"

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail that came back could not be dealt with", exc_info=error)
        return "451 4.3.0 cannot be dealt with now, try again later"


def _cut(connection: SMTP) -> None:
    transport: Any = connection.transport
    if isinstance(transport, asyncio.Transport):
        transport.abort()
