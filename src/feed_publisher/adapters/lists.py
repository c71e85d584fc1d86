"""Lists of readers on disk: a CSV file, or a zip of them as newsletter systems hand them out; written, too."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from feed_publisher.domain.errors import FileError, InputError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.spreadsheet import guarded
from feed_publisher.parse.subscribers import PIECE, Sheet, Standing

MAX_SHEETS = 100
MAX_UNPACKED = 4 << 30
MAX_RATIO = 250
"""Lists are packed to a tenth, at most to a hundredth; what is denser was made to fill a disk."""
FREE_RATIO = 64 << 20
"""Bytes that may be packed as densely as they like."""

_SUFFIXES = (".csv", ".txt", ".tsv")
# How Mailchimp calls the files of its zip; the longer words first.
_STANDINGS = (
    ("nonsubscribed", Standing.PENDING),
    ("unsubscribed", Standing.UNSUBSCRIBED),
    ("cleaned", Standing.BOUNCED),
)
_EXPORT = "_members_export", "_email_audience_export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What is to be imported. ``fingerprint``: of its bytes, so that the same file is known again."""

    name: str
    fingerprint: str
    sheets: tuple[Sheet, ...]


def read_lists(path: Path) -> Lists:
    """InputError when it cannot be read, or is a zip that holds no list or too much."""
    try:
        with path.open("rb") as opened:
            packed = opened.read(4) == b"PK\x03\x04"
        sheets = _unpacked(path) if packed else [_sheet(path)]
        digest = hashlib.sha256()
        for sheet in sheets:
            with sheet.open() as opened:
                while piece := opened.read(PIECE):
                    digest.update(piece)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError("is a damaged zip file; download it again", str(path)) from error
    except (RuntimeError, NotImplementedError) as error:
        raise InputError("is locked or packed in an unusual way; unpack it and name a file in it", str(path)) from error
    return Lists(name=str(path), fingerprint=digest.hexdigest(), sheets=tuple(sheets))


def _sheet(path: Path) -> Sheet:
    return Sheet(name=str(path), open=lambda: path.open("rb"), standing=_standing_of(path.name))


def _unpacked(path: Path) -> list[Sheet]:
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if _is_list(each.filename)]
    if not members:
        raise InputError(f"holds no list; one ends in {', '.join(_SUFFIXES)}", str(path))
    if len(members) > MAX_SHEETS:
        raise InputError(f"holds more than {MAX_SHEETS} lists; unpack it, and import them one by one", str(path))
    size, packed = sum(each.file_size for each in members), sum(each.compress_size for each in members)
    if size > MAX_UNPACKED or (size > FREE_RATIO and size > MAX_RATIO * packed):
        raise InputError(f"would be {size:,} bytes when unpacked, which no list is", str(path))
    # Whoever is never mailed comes first in the table; the order of the rest is that of the file.
    members.sort(key=lambda each: _standing_of(each.filename) is None)
    return [_member(path, each) for each in members]


def _is_list(name: str) -> bool:
    parts = name.split("/")
    return name.lower().endswith(_SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _member(path: Path, member: zipfile.ZipInfo) -> Sheet:
    def opened() -> BinaryIO:
        with zipfile.ZipFile(path) as archive:
            # The member keeps the file until it is closed itself. It gives no more bytes than the archive declares.
            return cast("BinaryIO", archive.open(member))

    return Sheet(name=f"{path}:{escaped(member.filename)}", open=opened, standing=_standing_of(member.filename))


def _standing_of(name: str) -> Standing | None:
    """What Mailchimp says with the name of a file."""
    last = name.rsplit("/", 1)[-1].lower()
    if not any(part in last for part in _EXPORT):
        return None
    return next((standing for word, standing in _STANDINGS if last.startswith(word)), None)


@contextmanager
def written_list(path: Path, header: Sequence[str]) -> Iterator[Any]:
    """A CSV writer whose file is there, whole and for this user only, when the block ends; else nothing has changed.

    Cells that spreadsheets would run are guarded. Raises FileError.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".feed-publisher-", suffix=".tmp")  # mode 0600
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            writer = _Guarding(csv.writer(file))
            writer.writerow(header)
            yield writer
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


class _Guarding:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def writerow(self, cells: Sequence[object]) -> None:
        self._writer.writerow([guarded("" if cell is None else str(cell)) for cell in cells])
