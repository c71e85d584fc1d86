"""A mail server that misbehaves on request. Its own log is the witness of what was really sent."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Act = Callable[["Connection"], Awaitable[bool | None]]
"""What to do instead of the usual reply: True goes on, None goes on after a refusal, False ends the connection."""

USUAL = {
    "connect": b"220 sink\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go on\r\n",
    "dot": b"250 2.0.0 taken\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
    "AUTH": b"235 2.7.0 ok\r\n",
    "NOOP": b"250 ok\r\n",
}

OFFERED = ["PIPELINING", "SIZE 100000000", "8BITMIME"]
"""What a sink says to EHLO when a test has not said anything else."""


@dataclass
class Connection:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    unread: bytes = b""

    async def line(self) -> bytes:
        """A command; it may have come with the message before it (PIPELINING)."""
        while b"\n" not in self.unread:
            kept, self.unread = self.unread, b""
            self.unread = kept + await self.some()
        line, _, self.unread = self.unread.partition(b"\n")
        return line + b"\n"

    async def some(self) -> bytes:
        """What is there, or comes next. Raises IncompleteReadError at the end."""
        if self.unread:
            piece, self.unread = self.unread, b""
        elif not (piece := await self.reader.read(2**16)):
            raise asyncio.IncompleteReadError(b"", None)
        return piece


@dataclass
class FaultSink:
    """``script``: per stage (connect, EHLO, MAIL, RCPT, DATA, body, dot, idle, RSET, QUIT) one act per visit.

    None in a script is the usual reply, as is what comes after its end. ``body`` is visited at the first byte
    of a message, ``idle`` after the reply to its dot.
    """

    script: dict[str, list[Act | None]] = field(default_factory=dict)
    extensions: tuple[str, ...] = field(default_factory=lambda: tuple(OFFERED))
    tls: ssl.SSLContext | None = None
    log: list[tuple[object, ...]] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    body_bytes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    port: int = 0
    connections: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FaultSink]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def seen(self, verb: str) -> list[tuple[object, ...]]:
        """The log lines of one event, e.g. ``(2, "MAIL", "FROM:<a@x>")``."""
        return [line for line in self.log if line[1] == verb]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        connection = Connection(self.connections, reader, writer)
        try:
            await self._talk(connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.log.append((connection.number, "closed"))
            writer.transport.abort()
            self._open.discard(task)

    async def _talk(self, connection: Connection) -> None:
        self.log.append((connection.number, "connect"))
        going = await self._visit(connection, "connect")
        while going is not False:
            line = await connection.line()
            verb, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            self.log.append((connection.number, verb.upper(), rest))
            going = await self._visit(connection, verb.upper())
            if verb.upper() == "DATA" and going is True:
                going = await self._body(connection)
            if verb.upper() == "QUIT":
                return

    async def _visit(self, connection: Connection, stage: str) -> bool | None:
        act = self.script[stage].pop(0) if self.script.get(stage) else None
        if act is not None:
            return await act(connection)
        if stage == "EHLO":
            lines = ("sink", *self.extensions)
            usual = b"".join(
                b"250%s%s\r\n" % (b" " if n == len(lines) - 1 else b"-", x.encode()) for n, x in enumerate(lines)
            )
        else:
            usual = USUAL.get(stage, b"502 5.5.1 what?\r\n")
        connection.writer.write(usual)
        await connection.writer.drain()
        return True

    async def _body(self, connection: Connection) -> bool | None:
        data = b""
        while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
            piece = await connection.some()
            first = not data
            data, connection.unread = to_the_dot(data + piece)
            self.body_bytes[connection.number] += len(piece) - len(connection.unread)
            if first:
                self.log.append((connection.number, "body"))
                if self.script.get("body") and (act := self.script["body"].pop(0)) and await act(connection) is False:
                    return False
        self.log.append((connection.number, "dot"))
        going = await self._visit(connection, "dot")
        if going:
            self.accepted.append(data[:-3])
        if going is not False and self.script.get("idle") and (act := self.script["idle"].pop(0)):
            return await act(connection)
        return going


def to_the_dot(data: bytes) -> tuple[bytes, bytes]:
    """A message, and what came after it: the next commands."""
    if data.startswith(b".\r\n"):
        return data[:3], data[3:]
    body, dot, rest = data.partition(b"\r\n.\r\n")
    return body + dot, rest


def say(reply: bytes) -> Act:
    async def act(connection: Connection) -> bool | None:
        connection.writer.write(reply)
        await connection.writer.drain()
        return None if reply[:1] in b"45" else True

    return act


async def cut(connection: Connection) -> bool:
    connection.writer.transport.abort()
    return False


async def hang(connection: Connection) -> bool:
    await asyncio.Event().wait()
    return False


def say_then(reply: bytes, then: Act) -> Act:
    async def act(connection: Connection) -> bool | None:
        await say(reply)(connection)
        return await then(connection)

    return act


async def hang_up(connection: Connection) -> bool:
    """A polite end: what was written still arrives."""
    connection.writer.close()
    return False


def drip(reply: bytes) -> Act:
    """Byte by byte, each its own packet."""

    async def act(connection: Connection) -> bool | None:
        for index in range(len(reply)):
            connection.writer.write(reply[index : index + 1])
            await connection.writer.drain()
            await asyncio.sleep(0.001)
        return None if reply[:1] in b"45" else True

    return act


def endless(line: bytes) -> Act:
    async def act(connection: Connection) -> bool | None:
        while True:
            connection.writer.write(line)
            await connection.writer.drain()
            await asyncio.sleep(0)

    return act
