"""What a request for stored bytes asks for: conditions (RFC 9110 §13) and codings (§12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_SUFFIXES = ("--gzip", "-gzip", "-gz", "-br", ";gzip", ";br")
_NAMES = {b"if-none-match", b"if-modified-since", b"accept-encoding", b"user-agent"}
_WEIGHT = re.compile(r"\s*q\s*=\s*([01](?:\.\d*)?)\s*")

Asked = dict[bytes, bytes]
"""The headers that matter here, by lower-case name."""


def asked_of(headers: Iterable[tuple[bytes, bytes]]) -> Asked:
    """A header sent on several lines is one list (RFC 9110 §5.3)."""
    asked: Asked = {}
    for name, value in headers:
        if name in _NAMES:
            asked[name] = asked[name] + b", " + value if name in asked else value
    return asked


def is_conditional(asked: Asked) -> bool:
    """Whether the asker has some version already."""
    return b"if-none-match" in asked or b"if-modified-since" in asked


def not_modified(asked: Asked, etag: str, modified: datetime) -> bool:
    """If-None-Match decides alone when it is there (RFC 9110 §13.2.2); it is compared weakly."""
    tags = asked.get(b"if-none-match")
    if tags is not None:
        return any(_same_tag(tag, etag) for tag in tags.decode("latin-1").split(","))
    since = asked.get(b"if-modified-since")
    if since is None:
        return False
    try:
        date = parsedate_to_datetime(since.decode("latin-1"))
    except (ValueError, TypeError, OverflowError):
        return False
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return modified <= date <= datetime.now(UTC)


def _same_tag(tag: str, etag: str) -> bool:
    """Proxies weaken tags and add suffixes for the coding; neither makes it another feed."""
    tag = tag.strip()
    if tag == "*":
        return True
    tag = tag.removeprefix("W/").strip('"')
    for suffix in _SUFFIXES:
        tag = tag.removesuffix(suffix)
    return tag == etag


@lru_cache(1024)
def best_coding(accepted: bytes, codings: tuple[str, ...]) -> str:
    """The first of ``codings`` with the highest weight above zero, else "identity".

    A coding's own weight beats that of ``*`` (RFC 9110 §12.5.3).
    """
    weights = _weights(accepted.decode("latin-1").lower())
    others = weights.get("*", 0.0)
    best = max(codings, key=lambda coding: weights.get(coding, others), default="identity")
    return best if weights.get(best, others) > 0 else "identity"


def _weights(accepted: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        coding, _, weight = part.partition(";")
        found = _WEIGHT.fullmatch(weight)
        weights[coding.strip().removeprefix("x-")] = min(float(found[1]), 1.0) if found else 1.0
    return weights
