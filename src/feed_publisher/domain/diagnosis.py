"""What the doctor says of one thing that mail depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address


class Health(StrEnum):
    """``WARN``: cannot be told from here, or better done; ``BAD``: receivers refuse or doubt the mail."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """``about`` is a host or part and what was looked at, such as "harbour.example SPF".

    ``record`` is a whole line for the DNS, or "". ``stops``: a red line, for which a large manual send is refused.
    """

    health: Health
    about: str
    text: str
    record: str = ""
    stops: bool = False


def well(about: str, text: str) -> Diagnosis:
    return Diagnosis(health=Health.OK, about=about, text=text)


def doubt(about: str, text: str, record: str = "") -> Diagnosis:
    return Diagnosis(health=Health.WARN, about=about, text=text, record=record)


def bad(about: str, text: str, record: str = "", stops: bool = False) -> Diagnosis:
    return Diagnosis(health=Health.BAD, about=about, text=text, record=record, stops=stops)


def red_lines(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Those that stop a large manual send."""
    return [each for each in found if each.stops]


STRING = 250
"""Characters of one string of a TXT record; it takes 255 (RFC 1035 §3.3.14)."""


def txt_line(name: str, value: str) -> str:
    """A TXT record as zone files have it, cut into strings where it is long.

    >>> txt_line("_dmarc.harbour.example", "v=DMARC1; p=none")
    '_dmarc.harbour.example.  TXT  "v=DMARC1; p=none"'
    """
    strings = (value[start : start + STRING] for start in range(0, len(value), STRING))
    return f"{name}.  TXT  " + " ".join(f'"{string}"' for string in strings)


_EXAMPLES = ("example", "test", "invalid", "localhost", "local", "example.com", "example.net", "example.org")


def is_for_examples(domain: str) -> bool:
    """Whether no real mail can have this name (RFC 2606, RFC 6761, RFC 6762), so that asking the DNS is of no use.

    >>> is_for_examples("letter.harbour.example"), is_for_examples("example.eu")
    (True, False)
    """
    domain = domain.lower().rstrip(".")
    return any(domain == name or domain.endswith(f".{name}") for name in _EXAMPLES)


def split_server(server: str) -> tuple[str, int]:
    """Address and port of a DNS server. ValueError for anything else.

    >>> split_server("[::1]:5353"), split_server("9.9.9.9")
    (('::1', 5353), ('9.9.9.9', 53))
    """
    address, port = server, "53"
    if server.startswith("["):
        address, bracket, rest = server[1:].partition("]")
        if not bracket:
            raise ValueError(server)
        port = rest.removeprefix(":") or port
    elif server.count(":") == 1:
        address, _, port = server.partition(":")
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return str(ip_address(address)), int(port)
