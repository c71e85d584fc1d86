"""Which addresses may be talked to: public ones on the web's ports, and what the operator has allowed by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from feed_publisher.domain.errors import ConfigError, FetchError
from feed_publisher.domain.model import escaped

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # the inside of a large cloud, at an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and other protocols that carry addresses inside addresses
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3ffe::/16",
        "3fff::/20",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether the address leads to the internet and nowhere else.

    Our own list, because what ``is_global`` says differs between Python versions and passes NAT64. An IPv4 address
    inside an IPv6 one (mapped, NAT64) is judged as what it is: machines without IPv4 reach it that way.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def is_web_port(port: int) -> bool:
    """Ports where websites live; on others a request could be taken for a command by what listens there."""
    return port in (80, 443) or 8000 <= port <= 8999


@dataclass(frozen=True, slots=True)
class _Allowed:
    """A line of the allow-list: a host name or a network; ``port`` None is any."""

    host: str
    network: Network | None
    port: int | None

    def covers(self, host: str, address: Address, port: int) -> bool:
        if self.port not in (None, port):
            return False
        return host == self.host if self.network is None else address in self.network


class Guard:
    """Decides about connections. ``allow``: host names, addresses or networks, each may end in ``:port``."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allowed = tuple(_read_allowed(text) for text in allow)

    def check(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Raises FetchError unless every one of the addresses that ``host`` resolved to may be talked to."""
        found = [_unmapped(ipaddress.ip_address(text)) for text in addresses]
        strange = [address for address in found if not self._allows(host, address, port)]
        for address in strange:
            if not is_public(address):
                raise FetchError(f"{host} is a private address ({address}); add it to [fetch] allow if it is yours")
        if strange and not is_web_port(port):
            raise FetchError(
                f"port {port} is not one where websites live (80, 443, 8000 to 8999); "
                f'add "{host}:{port}" to [fetch] allow if it is right'
            )

    def _allows(self, host: str, address: Address, port: int) -> bool:
        return any(line.covers(host, address, port) for line in self._allowed)


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _read_allowed(text: str) -> _Allowed:
    network = _network(text.strip())
    if network is not None:
        return _Allowed("", network, None)
    name, colon, digits = text.strip().rpartition(":")
    port = int(digits) if colon and digits.isascii() and digits.isdigit() else None
    if colon and (port is None or not 0 < port < 65536):
        raise ConfigError(_not_allowable(text), "[fetch] allow")
    name = name if colon else text.strip()
    network = _network(name)
    return _Allowed("" if network else _host_name(name, text), network, port)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _host_name(name: str, text: str) -> str:
    try:
        host = httpx2.URL(scheme="http", host=name).raw_host.decode("ascii").rstrip(".")
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigError(_not_allowable(text), "[fetch] allow") from error
    if not host or set(name) & set("/@?#* "):
        raise ConfigError(_not_allowable(text), "[fetch] allow")
    return host


def _not_allowable(text: str) -> str:
    return f'"{escaped(text)}" is no host name, address or network; write "cms.local", "10.0.0.5:8080" or "10.1.0.0/16"'


def read_url(text: str) -> httpx2.URL:
    """The address without its fragment and without the final dot of its host. Raises FetchError."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError("this is not a valid address") from error
    if url.scheme not in ("http", "https"):
        raise FetchError("only http and https addresses are fetched")
    if url.userinfo:
        raise FetchError("a name and password in an address are not used; send them by the source's headers instead")
    if url.port is not None and not 0 < url.port < 65536:
        raise FetchError(f"there is no port {url.port}")
    host = url.raw_host.decode("ascii")
    if not host.rstrip("."):
        raise FetchError("the address names no host")
    if host.endswith("."):
        url = url.copy_with(host=host.rstrip("."))
    return url.copy_with(fragment=None) if url.fragment else url


def port_of(url: httpx2.URL) -> int:
    """The port, that of the scheme where the address names none."""
    return url.port or (443 if url.scheme == "https" else 80)
