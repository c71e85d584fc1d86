"""Feed bytes in the codings that readers take, made once for all of them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property

import brotli

GZIP_LEVEL = 6
BROTLI_QUALITY = 5
"""Higher ones save little and cost a hundred times as much."""


@dataclass(frozen=True)
class Packed:
    """The same document as it is, and compressed; made when it is first asked for."""

    plain: bytes

    @cached_property
    def etag(self) -> str:
        """What tells these bytes from others: 32 characters of their SHA-256."""
        return hashlib.sha256(self.plain).hexdigest()[:32]

    @cached_property
    def codings(self) -> dict[str, bytes]:
        """By the suffix that web servers look for. The bytes depend on the document alone."""
        return {
            ".gz": gzip.compress(self.plain, GZIP_LEVEL, mtime=0),
            ".br": brotli.compress(self.plain, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY),
        }
