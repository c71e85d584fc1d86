"""One request and its answer: bounded in time and size, and leaving the connection usable or closed."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from contextlib import aclosing, suppress
from dataclasses import dataclass

import httpcore2
import httpx2

from feed_publisher.adapters.http.addresses import port_of
from feed_publisher.adapters.http.decoding import Body, too_large
from feed_publisher.adapters.http.failures import FOREIGN, is_hang_up
from feed_publisher.adapters.http.headers import Headers

RawHeaders = list[tuple[bytes, bytes]]

_SHORT = 16 * 1024
"""Bytes of an unwanted body that are read so that its connection can be used again; a longer one ends it."""
_BRIEF = 0.3
"""Seconds spent on that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes. ``read`` is a silence, ``total`` the whole of one ``get`` without the wait for its turn.

    ``packed`` and ``unpacked``: a body before and after decompression. ``redirects``: how many are followed.
    """

    resolve: float = 5.0
    connect: float = 10.0
    read: float = 10.0
    total: float = 30.0
    packed: int = 5_000_000
    unpacked: int = 5_000_000
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is unpacked, and b"" unless its status is one whose body was wanted."""

    status: int
    headers: Headers
    body: bytes


class Exchange:
    """Asks over a pool of connections."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._extensions = {"timeout": {"connect": limits.connect, "read": limits.read, "write": limits.read}}

    async def ask(
        self,
        method: str,
        url: httpx2.URL,
        headers: RawHeaders,
        content: bytes = b"",
        wanted: Container[int] = (200,),
    ) -> Answer:
        """``wanted``: statuses whose body is read. Raises FetchError, or an error of ``FOREIGN``."""
        response = await self._respond(self._request(method, url, headers, content))
        try:
            head = Headers(response.headers)
            if response.status in wanted:
                return Answer(response.status, head, await self._body(response, head))
            await self._let_go(response, head)
            return Answer(response.status, head, b"")
        finally:
            await response.aclose()

    def _request(self, method: str, url: httpx2.URL, headers: RawHeaders, content: bytes) -> httpcore2.Request:
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=port_of(url), target=url.raw_path)
        all_headers = [(b"Host", url.netloc), *headers]
        if content:
            all_headers.append((b"Content-Length", b"%d" % len(content)))
        return httpcore2.Request(
            method, target, headers=all_headers, content=content or None, extensions=self._extensions
        )

    async def _respond(self, request: httpcore2.Request) -> httpcore2.Response:
        try:
            return await self._pool.handle_async_request(request)
        except FOREIGN as error:
            if request.method != b"GET" or not is_hang_up(error):
                raise
        return await self._pool.handle_async_request(request)  # the server gave up a kept connection just then

    async def _body(self, response: httpcore2.Response, head: Headers) -> bytes:
        body = Body(head.coding(), self._limits.packed, self._limits.unpacked)
        if (head.length() or 0) > self._limits.packed:
            raise too_large(self._limits.packed)
        async with aclosing(response.aiter_stream()) as pieces:
            async for piece in pieces:
                body.add(piece)
        return body.whole()

    async def _let_go(self, response: httpcore2.Response, head: Headers) -> None:
        """Read a short rest; the answer stands whatever becomes of it."""
        if response.status != 304 and (head.length() or 0) > _SHORT:
            return
        with suppress(*FOREIGN):
            async with asyncio.timeout(_BRIEF), aclosing(response.aiter_stream()) as pieces:
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > _SHORT:
                        return
