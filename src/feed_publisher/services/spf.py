"""What an SPF record says, with all that it includes, and whether it names an address (RFC 7208).

The whole tree is read first: how many look-ups it takes at worst does not depend on who is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.spf import ASKS, SpfRecord, Term, expand, is_spf, parse_spf
from feed_publisher.ports.dns import IpAddress, Resolver

MOST_LOOKUPS = 10
"""More of them, and receivers ignore the record (RFC 7208 §4.6.4)."""

COUNTED = 40
"""Counting ends there: somebody's name server may make up new names for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfTree:
    """``parts``: what it includes or redirects to, by the words of the record. One that needs a macro is missing."""

    domain: str
    record: SpfRecord
    parts: dict[str, SpfTree]
    lookups: int


async def spf_records(resolver: Resolver, domain: str) -> list[str]:
    """The SPF records among the TXT records; there should be one."""
    return [text for text in await resolver.txt(domain) if is_spf(text)]


async def read_spf(resolver: Resolver, domain: str) -> SpfTree:
    """The record with what it includes. Raises InputError for what makes receivers ignore it, ResolveError."""
    return await _Reading(resolver).read(domain, ())


class _Reading:
    """One record being read, with all that it includes; ``lookups`` counts over all of them."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._lookups = 0

    async def read(self, domain: str, within: tuple[str, ...]) -> SpfTree:
        name = domain.lower().rstrip(".")
        if name in within:
            raise InputError(f"it includes itself: {' → '.join((*within, name))}")
        record = await self._record(name, within)
        before = self._lookups
        self._lookups += sum(term.name in ASKS for term in record.terms) + bool(record.redirect)
        parts: dict[str, SpfTree] = {}
        for target in dict.fromkeys(_followed(record)):
            if self._lookups > COUNTED:
                break
            parts[target] = await self.read(target, (*within, name))
        return SpfTree(domain=name, record=record, parts=parts, lookups=self._lookups - before)

    async def _record(self, name: str, within: tuple[str, ...]) -> SpfRecord:
        records = await spf_records(self._resolver, name)
        if len(records) != 1:
            count = "no SPF record" if not records else f"{len(records)} SPF records"
            raise InputError(f"{within[-1] if within else 'it'} includes {name}, which has {count}")
        try:
            return parse_spf(records[0])
        except InputError as error:
            raise InputError(f"{error.reason} (in the record of {name})") from error


async def verdict(resolver: Resolver, tree: SpfTree, address: IpAddress, sender: str) -> str:
    """The qualifier for mail that comes from this address: "+" authorised, "-" "~" not, "?" it is not said."""
    for term in tree.record.terms:
        if await _matches(resolver, term, tree, address, sender):
            return term.qualifier
    part = tree.parts.get(tree.record.redirect)
    return await verdict(resolver, part, address, sender) if part else "?"


def _followed(record: SpfRecord) -> list[str]:
    included = [term.target for term in record.terms if term.name == "include"]
    return [target for target in (*included, record.redirect) if target and "%" not in target]


async def _matches(resolver: Resolver, term: Term, tree: SpfTree, address: IpAddress, sender: str) -> bool:
    if term.name == "all":
        return True
    if term.network is not None:
        return address in term.network
    if term.name == "include":
        part = tree.parts.get(term.target)
        return part is not None and await verdict(resolver, part, address, sender) == "+"
    target = _target(term, tree.domain, address, sender)
    if target is None:
        return False
    if term.name == "exists":
        return any(each.version == 4 for each in await resolver.addresses(target))
    if term.name == "ptr":
        names = [name.lower() for name in await confirmed_names(resolver, address)]
        return any(name == target or name.endswith(f".{target}") for name in names)
    hosts = (await resolver.mx(target))[:MOST_LOOKUPS] if term.name == "mx" else (target,)
    found = [each for host in hosts if host for each in await resolver.addresses(host)]
    length = term.length4 if address.version == 4 else term.length6
    return any(address in ip_network((each, length), strict=False) for each in found if each.version == address.version)


async def confirmed_names(resolver: Resolver, address: IpAddress) -> list[str]:
    """The names of an address that lead back to it."""
    names = (await resolver.names(address))[:MOST_LOOKUPS]
    return [name for name in names if address in await resolver.addresses(name)]


def _target(term: Term, domain: str, address: IpAddress, sender: str) -> str | None:
    """The domain that a term names; None when that depends on what cannot be known here."""
    if not term.target:
        return domain
    dotted = str(address) if address.version == 4 else ".".join(address.exploded.replace(":", ""))
    local, _, of_sender = sender.rpartition("@")
    values = {"s": sender, "l": local, "o": of_sender, "d": domain, "i": dotted}
    values["v"] = "in-addr" if address.version == 4 else "ip6"
    try:
        return expand(term.target, values).lower()
    except KeyError:
        return None
