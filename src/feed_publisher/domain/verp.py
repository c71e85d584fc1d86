"""Addresses that mail comes back to, one for each delivery and one for each subscription (VERP).

Mail servers may change the case of what stands before the @, so it is base32: key id, number, attempt and the first
88 bits of an HMAC-SHA256. That is 34 characters of the 64 that RFC 5321 §4.5.3.1.1 allows.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_MAC_BYTES = 11
_NUMBER = (1 << 48) - 1
_ATTEMPT = (1 << 16) - 1
_HEAD = struct.Struct(">BHIH")
_LENGTH = (_HEAD.size + _MAC_BYTES) * 8 // 5


class Way(StrEnum):
    """What an address is for; the first character of it."""

    BOUNCE = "b"  # the envelope sender of a delivery
    LEAVE = "u"  # a mail to it unsubscribes


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """What a genuine address names: a delivery and its attempt, or with LEAVE a subscription (attempt 0)."""

    way: Way
    number: int
    attempt: int = 0


def local_part(way: Way, number: int, key_id: int, key: bytes, attempt: int = 0) -> str:
    """What stands before the @. The attempt tells a bounce of a mail that was sent again from one of the first."""
    if not 0 <= number <= _NUMBER:
        raise ValueError(f"{number} is no number of a delivery or subscription")
    head = _HEAD.pack(key_id, number >> 32, number & 0xFFFFFFFF, attempt & _ATTEMPT)
    token = base64.b32encode(head + _mac(way, head, key)).decode().lower()
    return f"{way}-{token}"


def read_local_part(text: str, keys: Mapping[int, bytes]) -> Returning | None:
    """What a genuine local part names, in whatever case it came; old keys verify for ever."""
    way, _, token = text.lower().partition("-")
    if way not in Way.__members__.values() or len(token) != _LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b32decode(token.upper())
    except binascii.Error:
        return None
    head, mac = raw[: _HEAD.size], raw[_HEAD.size :]
    key_id, high, low, attempt = _HEAD.unpack(head)
    genuine = hmac.compare_digest(mac, _mac(Way(way), head, keys.get(key_id, b"\0" * 32)))
    if not genuine or key_id not in keys:
        return None
    return Returning(way=Way(way), number=high << 32 | low, attempt=attempt)


def read_address(address: str, domain: str, keys: Mapping[int, bytes]) -> Returning | None:
    """The same for a whole address; None for another domain."""
    local, _, host = address.strip().strip("<>").rpartition("@")
    if not domain or host.lower().rstrip(".") != domain:
        return None
    return read_local_part(local, keys)


def is_attempt(named: int, attempt: int) -> bool:
    """Whether an address names this attempt at its delivery."""
    return named == attempt & _ATTEMPT


def _mac(way: Way, head: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"mail back\0" + way.encode() + head, "sha256")[:_MAC_BYTES]
