"""The picture and the files of an entry, whoever names them: foreign documents are believed as far as possible,
our own formats are told what is wrong.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Enclosure, Image
from feed_publisher.parse.fields import MAX_LINE, Fields, absolute
from feed_publisher.parse.html import is_beacon
from feed_publisher.parse.text import clean, cut

MAX_FILES = 20  # of one entry; more are left out
UNKNOWN_TYPE = "application/octet-stream"

_TYPE = re.compile(r"[a-z0-9][\w!#$&^.+-]{0,60}/[a-z0-9][\w!#$&^.+-]{0,60}", re.ASCII)
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
# Python's own list, not that of the machine: the same document gives the same entry everywhere.
_TYPES = mimetypes.MimeTypes()
_MORE_TYPES = {
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".m4v": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".webp": "image/webp",
}
for _extension, _media_type in _MORE_TYPES.items():
    _TYPES.add_type(_media_type, _extension)

Media = tuple[Image | None, tuple[Enclosure, ...]]
"""The picture of an entry and its files."""


def picture(address: object, base: str, alt: str = "", credit: str = "") -> Image | None:
    """None for what is no web address, and for what only counts readers."""
    url = absolute(address, base)
    if url is None or is_beacon(url):
        return None
    return Image(url=url, alt=cut(clean(alt), MAX_LINE), credit=cut(clean(credit), MAX_LINE))


def file(address: object, base: str, said_type: object, length: object, title: str = "") -> Enclosure | None:
    """None for what is no web address; a wrong type or length is one that is not known."""
    url = absolute(address, base)
    if url is None:
        return None
    return Enclosure(
        url=url,
        type=media_type(said_type) or guessed_type(url),
        length=_length(length) or 0,
        title=cut(clean(title), MAX_LINE),
    )


def media_type(text: object) -> str:
    """In lower case and without parameters; "" for what is none."""
    name = text.partition(";")[0].strip().lower() if isinstance(text, str) else ""
    return name if _TYPE.fullmatch(name) else ""


def guessed_type(url: str) -> str:
    """By the extension of its path."""
    return _TYPES.guess_type(urlsplit(url).path.rpartition("/")[2])[0] or UNKNOWN_TYPE


def settled(image: Image | None, files: Iterable[Enclosure | None]) -> Media:
    """Each file once. A picture among them is that of the entry, where it has no other, and is no file then."""
    once: dict[str, Enclosure] = {}
    for each in files:
        if each is not None:
            once.setdefault(each.url, each)
    if image is None:
        pictures = (picture(each.url, "", each.title) for each in once.values() if each.type.startswith("image/"))
        image = next(filter(None, pictures), None)
    if image is not None:
        once.pop(image.url, None)
    return image, tuple(once.values())[:MAX_FILES]


def media_of(fields: Fields) -> Media:
    """Of an entry in our own formats; ``where`` of an InputError is image.url, enclosures[0].length…"""
    return settled(_image(fields), _files(fields))


def _image(fields: Fields) -> Image | None:
    key, value = fields.first("image", "banner_image")
    if value is None:
        return None
    said = _object(value, key)
    with _within(key, value):
        return Image(url=_address(said), alt=said.line("alt"), credit=said.line("credit"))


def _files(fields: Fields) -> list[Enclosure]:
    """JSON Feed calls them attachments, their type mime_type and their length size_in_bytes."""
    key, value = fields.first("enclosures", "attachments")
    items = value if isinstance(value, list) else [] if value is None else [value]
    if len(items) > MAX_FILES:
        raise InputError(f"has {len(items)} values; {MAX_FILES} are allowed", key)
    return [_file(item, f"{key}[{place}]" if isinstance(value, list) else key) for place, item in enumerate(items)]


def _file(item: object, path: str) -> Enclosure:
    said = _object(item, path)
    with _within(path, item):
        url = _address(said)
        return Enclosure(url=url, type=_stated_type(said, url), length=_stated_length(said), title=said.line("title"))


def _object(value: object, path: str) -> Fields:
    """An address alone is enough."""
    if isinstance(value, str):
        return Fields(values={"url": value})
    if not isinstance(value, Mapping):
        raise InputError('is neither an address nor an object; write {"url": …}', path)
    return Fields(values=value)


@contextmanager
def _within(path: str, value: object) -> Iterator[None]:
    """Errors name the field inside of the object."""
    try:
        yield
    except InputError as error:
        raise InputError(error.reason, f"{path}.{error.where}" if isinstance(value, Mapping) else path) from error


def _address(said: Fields) -> str:
    address = said.link("url")
    if address is None:
        raise InputError("is missing; write an address with https://", "url")
    return address


def _stated_type(said: Fields, url: str) -> str:
    key, value = said.first("type", "mime_type")
    if value is None:
        return guessed_type(url)
    found = media_type(value)
    if not found:
        raise InputError(f"“{str(value)[:60]}” is not a media type; write one such as audio/mpeg", key)
    return found


def _stated_length(said: Fields) -> int:
    key, value = said.first("length", "size_in_bytes")
    found = 0 if value is None else _length(value)
    if found is None:
        raise InputError(f"“{str(value)[:60]}” is not a number of bytes; leave it out where it is not known", key)
    return found


def _length(value: object) -> int | None:
    """Front matter and XML have only texts."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if _LENGTH.fullmatch(text) else None
