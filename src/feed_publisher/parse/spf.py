"""SPF records, which say from which addresses the mail of a domain comes (RFC 7208)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped

Network = IPv4Network | IPv6Network

_TERM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^/]*))?((?:/.*)?)", re.I)
_IP = re.compile(r"([+?~-]?)(ip[46]):(\S+)", re.I)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.I)
_LENGTHS = re.compile(r"(?:/(\d{1,3}))?(?://(\d{1,3}))?")
_DOMAIN = re.compile(r"(?:%\{[slodiphcrtv]\d{0,3}r?[.+,/_=-]*\}|%%|%_|%-|[!-$&-~])+", re.I)
_MACRO = re.compile(r"%(?:\{([slodiphcrtv])(\d{0,3})(r?)([.+,/_=-]*)\}|([%_-]))", re.I)

ASKS = ("include", "a", "mx", "ptr", "exists")
"""Mechanisms for which the receiver has to ask the DNS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One mechanism. ``target`` is the domain it names, "" for that of the record; ``network`` is of ip4 and ip6."""

    qualifier: str
    name: str
    target: str = ""
    network: Network | None = None
    length4: int = 32
    length6: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """``redirect`` is "" where there is none, or where "all" makes it void."""

    text: str
    terms: tuple[Term, ...]
    redirect: str = ""

    @property
    def all(self) -> str:
        """What becomes of addresses that nothing names: "-", "~", "?", "+", or "" when it is not said."""
        return next((term.qualifier for term in self.terms if term.name == "all"), "")


def is_spf(text: str) -> bool:
    """Whether a TXT record is one (RFC 7208 §4.5)."""
    return text[:6].lower() == "v=spf1" and text[6:7] in ("", " ")


def parse_spf(text: str) -> SpfRecord:
    """Raises InputError for what makes receivers ignore the whole record (permerror)."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text[6:].split(" "):
        modifier = _MODIFIER.fullmatch(word)
        if modifier:
            _note(modifiers, modifier[1].lower(), modifier[2])
        elif word:
            terms.append(_term(word))
    end = next((number for number, term in enumerate(terms, 1) if term.name == "all"), len(terms))
    has_all = any(term.name == "all" for term in terms)
    redirect = "" if has_all else modifiers.get("redirect", "")
    return SpfRecord(text=text, terms=tuple(terms[:end]), redirect=redirect)


def expand(target: str, values: Mapping[str, str]) -> str:
    """The domain with its macros replaced (RFC 7208 §7). KeyError for one that cannot be known here."""

    def replaced(match: re.Match[str]) -> str:
        if match[5]:
            return {"%": "%", "_": " ", "-": "%20"}[match[5]]
        parts = re.split("[" + re.escape(match[4] or ".") + "]", values[match[1].lower()])
        parts = parts[::-1] if match[3] else parts
        return ".".join(parts[-int(match[2]) :] if int(match[2] or 0) else parts)

    return _MACRO.sub(replaced, target)


def _note(modifiers: dict[str, str], name: str, value: str) -> None:
    if name in ("redirect", "exp"):
        if name in modifiers:
            raise InputError(f"{name}= is there twice")
        _check_domain(value, f"{name}=")
    modifiers[name] = value


def _term(word: str) -> Term:
    ip = _IP.fullmatch(word)
    if ip:
        return Term(qualifier=ip[1] or "+", name=ip[2].lower(), network=_network(ip[2].lower(), ip[3], word))
    match = _TERM.fullmatch(word)
    if not match or match[2].lower() in ("ip4", "ip6"):
        raise InputError(f"“{escaped(word[:60])}” is no part of SPF")
    name, target, rest = match[2].lower(), match[3], match[4]
    lengths = _LENGTHS.fullmatch(rest)
    takes_target, needs_target = name != "all", name in ("include", "exists")
    if target is not None and takes_target:
        _check_domain(target, word)
    if lengths is None or (rest and name not in ("a", "mx")) or (target is not None and not takes_target):
        raise InputError(f"“{escaped(word[:60])}” is written wrongly")
    if needs_target and not target:
        raise InputError(f"“{escaped(word[:60])}” names no domain")
    four, six = int(lengths[1] or 32), int(lengths[2] or 128)
    if four > 32 or six > 128:
        raise InputError(f"“{escaped(word[:60])}” has no such network")
    return Term(qualifier=match[1] or "+", name=name, target=target or "", length4=four, length6=six)


def _network(name: str, text: str, word: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise InputError(f"“{escaped(word[:60])}” is no address or network") from error
    if network.version != int(name[2]):
        raise InputError(f"“{escaped(word[:60])}” is one of IPv{network.version}; write ip{network.version}:")
    return network


def _check_domain(text: str, word: str) -> None:
    if not _DOMAIN.fullmatch(text):
        raise InputError(f"“{escaped(word[:60])}” names no domain that can be used")
