"""A real SMTP server in a thread of its own, which refuses whom it is told to; what it accepted is the witness."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from aiosmtpd.smtp import SMTP, Envelope, Session

CUT = "cut"
"""Instead of a reply: take the whole message, then hang up without an answer."""


@dataclass
class Relay:
    """``at_mail`` refuses everybody; ``at_rcpt`` and ``at_end`` hold replies by local part.

    ``on_end`` is called before a message is answered. With ``tls`` it offers STARTTLS.
    """

    at_mail: str = ""
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_end: dict[str, str] = field(default_factory=dict)
    on_end: Callable[[str], None] | None = None
    delay: float = 0.0
    tls: ssl.SSLContext | None = None
    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _connections: list[SMTP] = field(default_factory=list)

    def __enter__(self) -> Relay:
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def overrides(self) -> tuple[str, ...]:
        """--config for a site that mails through here, one connection at a time."""
        return ("smtp.host=127.0.0.1", f"smtp.port={self.port}", "smtp.tls=none", "smtp.connections=1")

    @property
    def got(self) -> Counter[str]:
        """Accepted messages by local part."""
        return Counter(to.partition("@")[0] for to, _ in self.accepted)

    def message_ids(self) -> list[str]:
        found = [re.search(rb"^Message-ID: (\S+)", raw, re.MULTILINE) for _, raw in self.accepted]
        return [match.group(1).decode() for match in found if match]

    def _serve(self, started: threading.Event) -> None:
        asyncio.run(self._main(started))

    async def _main(self, started: threading.Event) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await loop.create_server(self._protocol, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.close()
        for connection in self._connections:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)

    def _protocol(self) -> SMTP:
        connection = SMTP(self, hostname="relay", ident="relay", loop=asyncio.get_running_loop(), tls_context=self.tls)
        self._connections.append(connection)
        return connection

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_mail:
            return self.at_mail
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]) -> str:
        refusal = self.at_rcpt.get(to.partition("@")[0])
        if refusal:
            return refusal
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        name = envelope.rcpt_tos[0].partition("@")[0]
        if self.on_end:
            await asyncio.to_thread(self.on_end, name)
        await asyncio.sleep(self.delay)
        answer = self.at_end.get(name, "250 2.0.0 taken")
        if answer == CUT:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        elif answer.startswith("2"):
            self.accepted += [(to, bytes(envelope.original_content or b"")) for to in envelope.rcpt_tos]
        return answer if answer != CUT else "421 gone"
