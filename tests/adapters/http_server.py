"""A website that behaves as told. Its own log is the witness of what was really asked."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Act = Callable[[Asked, asyncio.StreamWriter], Awaitable[bool]]
"""Writes the answer; whether the connection stays open."""


@dataclass
class HttpServer:
    """``routes``: per target one act, or several, one per visit; the last stays. Anything else is 404.

    ``busiest``: the most requests at once per Host header.
    """

    routes: dict[str, Act | list[Act]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    busiest: Counter[str] = field(default_factory=Counter)
    _busy: Counter[str] = field(default_factory=Counter)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HttpServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def url(self, target: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{target}"

    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer, self.connections):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, target, headers, body, number)
        self.asked.append(asked)
        host = headers["host"]
        self._busy[host] += 1
        self.busiest[host] = max(self.busiest[host], self._busy[host])
        try:
            return await self._act(target)(asked, writer)
        finally:
            self._busy[host] -= 1

    def _act(self, target: str) -> Act:
        act = self.routes.get(target, reply(404, body=b"no such page"))
        if not isinstance(act, list):
            return act
        return act.pop(0) if len(act) > 1 else act[0]


def reply(status: int = 200, *headers: str, body: bytes = b"") -> Act:
    """A proper answer; ``headers`` are whole lines."""
    lines = [f"HTTP/1.1 {status} said", *headers]
    if status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    return raw("\r\n".join([*lines, "", ""]).encode() + body, stays=True)


def moved(status: int, location: str) -> Act:
    return reply(status, f"Location: {location}", body=b"it has moved")


def raw(data: bytes, stays: bool = False) -> Act:
    """These bytes, then the end of the connection."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        return stays

    return act


def drip(data: bytes, pause: float, repeat: bytes = b"x") -> Act:
    """The data at once, then a byte every ``pause`` seconds without end."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        while True:
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(repeat)

    return act


def endless(head: bytes, block: bytes) -> Act:
    """The block again and again, as fast as it is taken."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:
            writer.write(block)
            await writer.drain()

    return act


def hang() -> Act:
    """No answer, ever."""

    async def act(asked: Asked, writer: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return False

    return act


def after(moment: float, then: Act) -> Act:
    async def act(asked: Asked, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(moment)
        return await then(asked, writer)

    return act
