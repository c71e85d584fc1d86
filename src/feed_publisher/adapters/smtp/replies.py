"""From bytes to replies (RFC 5321 §4.2), bounded in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from feed_publisher.domain.delivery import Reply

REPLY_BYTES = 32 * 1024
"""Longest reply taken, over all its lines."""

_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class ReplyParser:
    """Feed it what arrives, in any pieces."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[bytes] = []
        self._code = b""
        self._size = 0

    @property
    def partial(self) -> bool:
        """Whether a reply has begun but not ended."""
        return bool(self._buffer or self._code)

    def feed(self, data: bytes) -> Iterator[Reply]:
        """The replies completed by these bytes. Raises ValueError when what follows is not SMTP or has no end."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if (reply := self._line(line)) is not None:
                yield reply
        if self._size + len(self._buffer) > REPLY_BYTES:
            raise ValueError(f"a reply longer than {REPLY_BYTES} bytes")

    def _line(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        if match is None or self._code not in (b"", match[1]):
            raise ValueError(f"not an SMTP reply: {line[:80]!r}")
        self._size += len(line) + 1
        self._lines.append(match[3] or b"")
        if match[2] != b"-":
            return self._finish(int(match[1]))
        self._code = match[1]
        if self._size > REPLY_BYTES:
            raise ValueError(f"a reply longer than {REPLY_BYTES} bytes")
        return None

    def _finish(self, code: int) -> Reply:
        text = b" ".join(self._lines).decode("utf-8", "replace")
        self._lines, self._code, self._size = [], b"", 0
        return Reply(code=code, text=_CONTROLS.sub(" ", text)[:500].strip())
