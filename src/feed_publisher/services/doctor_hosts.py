"""Hosts as the doctor sees them: where answers arrive, where readers come to, and the relay."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from feed_publisher.domain.diagnosis import Diagnosis, bad, doubt, well
from feed_publisher.domain.model import escaped
from feed_publisher.ports.dns import IpAddress, Resolver
from feed_publisher.ports.sending import RelayLook
from feed_publisher.services.spf import confirmed_names
from feed_publisher.services.words import many

SOON = timedelta(days=14)
"""A certificate that ends within this time should have been renewed by now."""


async def look_at_mx(resolver: Resolver, domain: str, what: str) -> list[Diagnosis]:
    """Whether mail to a domain can arrive; ``what`` would be sent there, such as "answers"."""
    about = f"{domain} MX"
    hosts = await resolver.mx(domain)
    if "" in hosts:
        return [bad(about, f"says that it takes no mail (null MX), so {what} come back; name your mail server there")]
    if hosts:
        lost = [host for host in hosts if not await resolver.addresses(host)]
        if len(lost) == len(hosts):
            return [bad(about, f"{escaped(lost[0])} has no address, so {what} do not arrive; mend that name")]
        also = f"; {', '.join(map(escaped, lost))} has no address" if lost else ""
        return [(doubt if lost else well)(about, f"{what} go to {escaped(hosts[0])}{also}")]
    if await resolver.addresses(domain):
        return [doubt(about, f"there is none, so {what} go to the address of {domain} itself; is mail taken there?")]
    said = f"there is none and {domain} has no address: {what} do not arrive, and receivers refuse such senders"
    return [bad(about, said, f"{domain}.  MX  10 YOUR.MAIL.SERVER.")]


async def look_at_list_domain(resolver: Resolver, domain: str) -> list[Diagnosis]:
    """The name in List-Id and Message-ID; it need not do anything."""
    about = f"{domain} list domain"
    there = await resolver.addresses(domain) or await resolver.mx(domain) or await resolver.txt(domain)
    if there:
        return [well(about, "is a name of the DNS")]
    return [doubt(about, "the DNS knows no such name; spam filters look at Message-ID. Use a domain of yours")]


async def look_at_site(resolver: Resolver, base_url: str, is_asked: Callable[[str], bool]) -> list[Diagnosis]:
    """Whether readers can reach the page to unsubscribe, by its name at least."""
    about, host = "base_url", urlsplit(base_url).hostname or ""
    if not base_url.startswith("https://"):
        said = f"{base_url} is not https; receivers do not offer unsubscribing with one click then"
        return [bad(about, f"{said}. Put a web server with a certificate in front of it", stops=True)]
    if not literal(host) and not is_asked(host):
        return [doubt(about, f"{host} is a name for examples; nobody reaches it")]
    found = literal(host) or await resolver.addresses(host)
    if not found:
        said = f"{host} has no address, so nobody reaches the page to unsubscribe"
        return [bad(about, said, f"{host}.  A  ADDRESS.OF.YOUR.WEB.SERVER", stops=True)]
    if all(address.is_loopback for address in found):
        return [bad(about, f"{host} is this machine only; nobody else can unsubscribe", stops=True)]
    if not any(address.is_global for address in found):
        shown = ", ".join(map(str, found))
        return [doubt(about, f"{host} has only addresses of a private network here ({shown}); readers may see others")]
    return [well(about, f"https, {host} is at {found[0]}")]


def look_at_postal_address(address: str) -> Diagnosis:
    """Laws ask for one in each mailing."""
    about = "postal address"
    if not address.strip():
        said = "many countries want one in every newsletter; set postal_address in [site]"
        return bad(about, said, stops=True)
    return well(about, "stands at the foot of every mail")


async def look_at_names(
    resolver: Resolver, addresses: Collection[IpAddress], host: str, greeting: str
) -> list[Diagnosis]:
    """PTR and HELO name of a relay, which count when it delivers by itself. Only public addresses are given."""
    found = [await _ptr(resolver, address, host) for address in addresses]
    if greeting:
        found.append(await _helo(resolver, addresses, greeting))
    return found


def look_at_tls(look: RelayLook, now: datetime) -> Diagnosis:
    about = f"{look.host} TLS"
    if look.certificate_ends is None:
        return doubt(about, f"{look.tls}, and nothing is said of the certificate")
    left = look.certificate_ends - now
    until = f"{look.tls}, its certificate is good until {look.certificate_ends.astimezone(UTC):%Y-%m-%d}"
    said = f"{until}, {many(max(left.days, 0), 'day')} left"
    return doubt(about, f"{said}; is it renewed by itself?") if left < SOON else well(about, said)


def literal(host: str) -> tuple[IpAddress, ...]:
    """The address that a host is written as; () for a name."""
    try:
        return (ip_address(host.strip("[]")),)
    except ValueError:
        return ()


async def _ptr(resolver: Resolver, address: IpAddress, host: str) -> Diagnosis:
    about = f"{host} PTR"
    names = await resolver.names(address)
    confirmed = await confirmed_names(resolver, address)
    if confirmed:
        return well(about, f"{address} is {escaped(confirmed[0])}, and that is {address}")
    trouble = f"is {escaped(names[0])}, but that is not {address}" if names else "has no name"
    said = f"{address} {trouble}; if it delivers by itself, ask who gave you the address to name it {host}"
    return doubt(about, f"{said} (in the DNS it is a PTR record)")


async def _helo(resolver: Resolver, addresses: Collection[IpAddress], greeting: str) -> Diagnosis:
    about, name = f"{escaped(greeting)} HELO", greeting.strip("[]")
    if literal(name) or "." not in name:
        return doubt(about, "the mail server does not give a full name; if it delivers by itself, set its host name")
    if set(await resolver.addresses(name)) & set(addresses):
        return well(about, "the name that the mail server gives leads to it")
    return doubt(about, "the name that the mail server gives does not lead to it; mend its host name or the DNS")
