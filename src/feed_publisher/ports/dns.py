"""What asking the DNS needs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

IpAddress = IPv4Address | IPv6Address


class Resolver(Protocol):
    """Each answers () when the DNS says that there is nothing, and raises ResolveError when it does not say.

    Names are as people write them, without a dot at the end; so are those that come back.
    """

    async def txt(self, name: str) -> tuple[str, ...]:
        """The strings of a record are joined; a byte above 127 comes as the character of its number."""
        ...

    async def addresses(self, name: str) -> tuple[IpAddress, ...]: ...

    async def mx(self, name: str) -> tuple[str, ...]:
        """Hosts, the preferred one first; "" is the null MX (RFC 7505)."""
        ...

    async def names(self, address: IpAddress) -> tuple[str, ...]:
        """Of an address, by PTR."""
        ...
