"""Tokens in links (SEMANTICS §2): base64url(key id, purpose, subscription, HMAC-SHA256), fixed length."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

_HEAD = struct.Struct(">BBQ")
_SIZE = _HEAD.size + 32
TOKEN_LENGTH = (_SIZE * 4 + 2) // 3


class Purpose(IntEnum):
    """What a token may do; a token of one purpose opens nothing else."""

    CONFIRM = 1
    UNSUBSCRIBE = 2
    PREFERENCES = 3
    MOVE = 5  # another address takes the place of a person's
    DECIDE = 6  # about an issue that waits; the subject is the mail that asked
    KEEP = 8  # still wanted, says the reader of one subscription who was asked in one round
    DATA = 4  # all that is stored about a person: to see it and to have it erased, for an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a genuine token says. ``subject``: for CONFIRM it names one request, so a used link is spent."""

    purpose: Purpose
    subject: int


def make_token(purpose: Purpose, subject: int, key_id: int, key: bytes) -> str:
    """A token of ``TOKEN_LENGTH`` URL-safe characters."""
    head = _HEAD.pack(key_id, purpose, subject)
    return base64.urlsafe_b64encode(head + _sign(head, key)).decode().rstrip("=")


def read_token(token: str, keys: Mapping[int, bytes]) -> Claim | None:
    """The claim of a genuine token, else None. Old keys verify for ever; comparison takes constant time."""
    raw = _decode(token)
    if raw is None:
        return None
    head, signature = raw[: _HEAD.size], raw[_HEAD.size :]
    key_id, purpose, subject = _HEAD.unpack(head)
    genuine = hmac.compare_digest(signature, _sign(head, keys.get(key_id, b"\0" * 32)))
    if not genuine or key_id not in keys or purpose not in Purpose.__members__.values():
        return None
    return Claim(purpose=Purpose(purpose), subject=subject)


_STEP = 600
_STEPS = 6
_STEP_BITS = 24


def dated(subscription: int, seconds: int) -> int:
    """A subject that ``is_fresh`` for an hour; ``seconds`` since 1970."""
    return (subscription << _STEP_BITS) | (seconds // _STEP % (1 << _STEP_BITS))


def of_dated(subject: int) -> int:
    """The subscription of a dated subject."""
    return subject >> _STEP_BITS


def time_of_dated(subject: int, seconds: int) -> int:
    """When it was made, in seconds since 1970, rounded down to ten minutes; ``seconds`` is now."""
    age = (seconds // _STEP - subject) % (1 << _STEP_BITS)
    return (seconds // _STEP - age) * _STEP


_READER_BITS = 40


def of_round(round_number: int, subscription: int) -> int:
    """The subject of a token for one subscription in one round of asking."""
    return (round_number << _READER_BITS) | subscription


def split_round(subject: int) -> tuple[int, int]:
    """Round and subscription."""
    return subject >> _READER_BITS, subject % (1 << _READER_BITS)


def is_fresh(subject: int, seconds: int) -> bool:
    """Made in the last hour, to ten minutes; not in the future."""
    age = (seconds // _STEP - subject) % (1 << _STEP_BITS)
    return age <= _STEPS


def hook_token(purpose: str, slug: str, key: bytes) -> str:
    """What the address of a source's hook ends with; 32 URL-safe characters that only the site can make."""
    mac = hmac.digest(key, f"hook\0{purpose}\0{slug}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:24]).decode()


def is_hook_token(token: str, purpose: str, slug: str, keys: Mapping[int, bytes]) -> bool:
    """Whether any of the site's keys, old ones included, made it."""
    given = token.encode(errors="replace")
    genuine = False
    for key in keys.values():
        genuine |= hmac.compare_digest(given, hook_token(purpose, slug, key).encode())
    return genuine


def _decode(token: str) -> bytes | None:
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    # The last character has spare bits: only the form we write is genuine.
    return raw if base64.urlsafe_b64encode(raw).decode().rstrip("=") == token else None


def _sign(head: bytes, key: bytes) -> bytes:
    mac = _keyed(key).copy()
    mac.update(head)
    return mac.digest()


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> hmac.HMAC:
    """Two tokens stand in each mail, and taking the key in costs more than the rest of one."""
    return hmac.new(key, digestmod="sha256")
