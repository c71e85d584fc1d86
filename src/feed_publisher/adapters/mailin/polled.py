"""What all ways in share that fetch mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

SIZE_CAP = 2 * 1024 * 1024
"""Bytes; a mail that comes back is smaller, and so is an answer that anybody is to read."""

Receive = Callable[[bytes], bool]
"""A mail, whole; False: it must come again later."""


@dataclass(slots=True)
class Polled:
    """``large``: names of what was left unread."""

    read: int = 0
    later: int = 0
    large: list[str] = field(default_factory=list)
