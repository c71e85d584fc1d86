"""Connections to addresses that were checked: a name is looked up once, and what was checked is what is called."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpcore2

from feed_publisher.adapters.http.addresses import Guard
from feed_publisher.domain.errors import FetchError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host name and a port to IP addresses, best first; raises OSError."""

_TRIED = 4
"""How many addresses of one host are called."""


class SystemResolver:
    """The machine's own resolver, in threads of its own: one that hangs must not keep the database waiting."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    return [str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _not_found(host: str, errno: int | None) -> str:
    return f"{host} cannot be looked up now" if errno == socket.EAI_AGAIN else f"there is no host named {host}"


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """The only way out of the program for HTTP: every connection passes the guard, at every redirect."""

    def __init__(self, guard: Guard, resolve: Resolve, resolve_limit: float) -> None:
        self._guard = guard
        self._resolve = resolve
        self._resolve_limit = resolve_limit
        self._plain = httpcore2.AnyIOBackend()

    async def check(self, host: str, port: int) -> None:
        """For a request that a proxy will make: a name that we cannot look up is for the proxy to judge."""
        try:
            addresses = await self._addresses(host, port)
        except FetchError:
            return
        self._guard.check(host, port, addresses)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(self._resolve_limit):
                addresses = list(await self._resolve(host, port))
        except TimeoutError as error:  # an OSError too
            raise FetchError(f"the name server did not find {host} in time") from error
        except socket.gaierror as error:
            raise FetchError(_not_found(host, error.errno)) from error
        except ValueError as error:
            raise FetchError(f"{host} is not a valid host name") from error
        if not addresses:
            raise FetchError(f"there is no host named {host}")
        return addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """To the first address that answers; they share the time."""
        addresses = await self._addresses(host, port)
        self._guard.check(host, port, addresses)
        end = None if timeout is None else time.monotonic() + timeout
        *first, last = addresses[:_TRIED]
        for left, address in zip(range(len(first) + 1, 1, -1), first, strict=True):
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                share = _share(end, left)
                return await self._plain.connect_tcp(address, port, share, local_address, socket_options)
        return await self._plain.connect_tcp(last, port, _share(end, 1), local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise FetchError("local sockets are not fetched")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


def _share(end: float | None, left: int) -> float | None:
    return None if end is None else max(0.0, end - time.monotonic()) / left
