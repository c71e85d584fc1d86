"""Bodies: taken in small pieces, unpacked in small pieces, and never more than allowed."""

from __future__ import annotations

import zlib

from feed_publisher.domain.errors import FetchError
from feed_publisher.domain.model import escaped

_PIECE = 64 * 1024
_MEMBERS = 1000
"""gzip files behind each other in one body; a body of empty ones would only keep us busy."""


class Body:
    """Collects one body of the given Content-Encoding; ``packed`` and ``unpacked`` are the most bytes it may have."""

    def __init__(self, coding: str, packed: int, unpacked: int) -> None:
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise FetchError(f'the body is encoded as "{escaped(coding[:40])}", which was not asked for')
        self._coding = coding
        self._left = packed
        self._most = unpacked
        self._data = bytearray()
        self._start = b""
        self._stream: zlib._Decompress | None = None
        self._members = 0
        self._ended = False

    def add(self, piece: bytes) -> None:
        """Raises FetchError when it gets too large, or is not what its coding says."""
        self._left -= len(piece)
        if self._left < 0:
            raise too_large(self._most)
        if self._coding in ("", "identity"):
            self._take(piece)
            return
        try:
            self._inflate(piece)
        except zlib.error as error:
            raise FetchError("the compressed body is damaged") from error

    def whole(self) -> bytes:
        """The body. Raises FetchError when its compressed form was cut short."""
        if self._stream is not None or (self._start and not self._members):
            raise FetchError("the compressed body is cut short")
        return bytes(self._data)

    def _take(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._most:
            raise too_large(self._most)

    def _inflate(self, data: bytes) -> None:
        """What follows the last stream is ignored, as browsers do."""
        while data and not self._ended:
            if self._stream is None:
                self._start += data
                if len(self._start) < 2:
                    return
                data, self._start = self._start, b""
                self._stream = self._open(data)
            if self._stream is not None:
                data = self._unpack(self._stream, data)

    def _open(self, data: bytes) -> zlib._Decompress | None:
        if self._coding != "deflate":
            self._ended = self._members > 0 and data[:2] != b"\x1f\x8b"
            return None if self._ended else zlib.decompressobj(16 + zlib.MAX_WBITS)
        wrapped = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)  # both are sent under this name

    def _unpack(self, stream: zlib._Decompress, data: bytes) -> bytes:
        """Unpack all of it; what is behind the end of the stream."""
        while not stream.eof:
            room = min(_PIECE, self._most - len(self._data) + 1)  # the one byte more shows that it is too large
            unpacked = stream.decompress(data, room)
            self._take(unpacked)
            data = stream.unconsumed_tail
            if not data and len(unpacked) < room and not stream.eof:
                return b""
        self._stream = None
        self._members += 1
        self._ended = self._coding == "deflate"
        if self._members > _MEMBERS:
            raise FetchError("the compressed body is made of too many parts")
        return stream.unused_data


def too_large(most: int) -> FetchError:
    return FetchError(f"the answer is larger than {most / 1_000_000:g} MB")
