"""Asking the DNS: with a limit for each question and for all of them, and no question twice."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from feed_publisher.domain.diagnosis import split_server
from feed_publisher.domain.errors import ResolveError
from feed_publisher.ports.dns import IpAddress

EACH = 5.0
"""Seconds for one question."""

ALL = 20.0
"""Seconds for all questions of one resolver, counted from the first."""

AT_ONCE = 20
"""Questions on their way at the same time."""

T = TypeVar("T")
R = TypeVar("R")


class DnsResolver:
    """ports.Resolver. Lives in one event loop; made anew for each examination, so nothing in it gets old."""

    def __init__(self, server: str = "", each: float = EACH, in_all: float = ALL) -> None:
        """``server``: an address, with ":port" or "[…]:port"; "" means those of this machine."""
        self._server = server
        self._each = each
        self._in_all = in_all
        self._deadline: float | None = None
        self._asked: dict[tuple[dns.name.Name, str], asyncio.Task[dns.resolver.Answer | None]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._asking: dns.asyncresolver.Resolver | None = None

    async def txt(self, name: str) -> tuple[str, ...]:
        # A name server gives them in any order; what is advised should be the same each time.
        return tuple(
            sorted(await self._look_up(name, "TXT", TXT, lambda each: b"".join(each.strings).decode("latin-1")))
        )

    async def addresses(self, name: str) -> tuple[IpAddress, ...]:
        four, six = await asyncio.gather(
            self._look_up(name, "A", A, _address), self._look_up(name, "AAAA", AAAA, _address)
        )
        return four + six

    async def mx(self, name: str) -> tuple[str, ...]:
        found = await self._look_up(name, "MX", MX, lambda each: (each.preference, _text(each.exchange)))
        return tuple(host for _, host in sorted(found))

    async def names(self, address: IpAddress) -> tuple[str, ...]:
        name = str(dns.reversename.from_address(str(address)))
        return await self._look_up(name, "PTR", PTR, lambda each: _text(each.target))

    async def _look_up(self, name: str, kind: str, record: type[T], read: Callable[[T], R]) -> tuple[R, ...]:
        answer = await self._once(_name(name), kind)
        return tuple(read(each) for each in answer or () if isinstance(each, record))

    def _once(self, name: dns.name.Name, kind: str) -> Awaitable[dns.resolver.Answer | None]:
        asked = self._asked.get((name, kind))
        if asked is None:
            asked = self._asked[name, kind] = asyncio.ensure_future(self._ask(name, kind))
        return asyncio.shield(asked)

    async def _ask(self, name: dns.name.Name, kind: str) -> dns.resolver.Answer | None:
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._in_all
        async with self._turn:
            left = min(self._each, self._deadline - loop.time())
            if left <= 0:
                raise ResolveError(f"{_text(name)}: not asked; the DNS has taken {self._in_all:.0f} seconds already")
            try:
                return await self._resolver().resolve(name, kind, lifetime=left, search=False)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                return None
            except (dns.exception.DNSException, OSError) as error:
                raise ResolveError(f"{_text(name)}: {_explain(error)}") from error

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._asking is None:
            made = dns.asyncresolver.Resolver(configure=not self._server)
            if self._server:
                address, port = split_server(self._server)
                made.nameservers, made.port = [address], port
            self._asking = made
        return self._asking


def _name(text: str) -> dns.name.Name:
    try:
        return dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_UTS_46)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise ResolveError(f"“{text[:100]}” is no name that the DNS can hold") from error


def _address(record: A | AAAA) -> IpAddress:
    return ipaddress.ip_address(record.address)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True) if name != dns.name.root else ""


def _explain(error: Exception) -> str:
    if isinstance(error, dns.resolver.NoNameservers):
        codes = sorted({str(each[3]) for each in error.kwargs.get("errors", ()) if len(each) > 3 and each[3]})
        return f"the name servers cannot tell ({', '.join(codes) or 'no usable answer'})"
    if isinstance(error, dns.exception.Timeout):
        return "no answer in time"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "this machine has no name server configured"
    return " ".join(str(error).split())[:200] or type(error).__name__
