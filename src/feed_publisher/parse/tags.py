"""Lists of ``tag=value`` in the DNS, as DKIM and DMARC have them (RFC 6376 §3.2, RFC 9989)."""

from __future__ import annotations

import re

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def parse_tags(text: str) -> dict[str, str]:
    """Tags in lower case with their values, in the order of the text. Raises InputError."""
    found: dict[str, str] = {}
    for part in text.strip().removesuffix(";").split(";"):
        name, sign, value = (each.strip() for each in part.partition("="))
        if not sign or not _NAME.fullmatch(name):
            raise InputError(f"“{escaped(part.strip()[:60])}” is no tag=value")
        if name.lower() in found:
            raise InputError(f"the tag {name} is there twice")
        found[name.lower()] = value
    return found
