"""Pictures and files of a feed's entry: enclosures, Media RSS, the picture of an episode.

Read from the XML itself: feedparser forgets which picture a caption or credit belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from urllib.parse import urljoin

from lxml import etree

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Enclosure, Image
from feed_publisher.parse.feedentry import plain
from feed_publisher.parse.html import is_pixel
from feed_publisher.parse.media import Media, file, guessed_type, media_type, picture, settled
from feed_publisher.parse.xmltree import local

Element = etree._Element

MAX_PARTS = 200  # of one entry that are looked at
MAX_OBJECTS = 500
MAX_CAPTION = 20_000

_MEDIA = "search.yahoo.com/mrss"
_TEXTS = ("description", "summary", "encoded", "content", "body")
_CAPTIONED = ("group", "content", "description", "title")
# WordPress.com gives the portrait of the author as the first picture of every article.
_PORTRAIT = re.compile(r"https?://(?:[\w-]+\.)*gravatar\.com/avatar/", re.IGNORECASE)


def parts_of(entry: Element) -> list[Element]:
    """The children of an entry that tell of its pictures and files."""
    return [child for child in entry if _is_media(child) or _is_file(child) or _is_episode_picture(child)][:MAX_PARTS]


def captions_of(entry: Element) -> list[Element]:
    """What feedparser would take for the text of an article that has one: the captions of its pictures."""
    if not any(local(child) in _TEXTS and not _is_media(child) for child in entry):
        return []
    return [child for child in entry if _is_media(child) and local(child) in _CAPTIONED]


def media_of(parts: Sequence[Element], base: str) -> Media:
    """``parts`` as ``parts_of`` gave them; ``base``: relative addresses relate to it where no xml:base is given."""
    objects = [each for part in parts for each in part.iter(etree.Element) if _is_media(each)][:MAX_OBJECTS]
    contents = [each for each in objects if local(each) == "content"]
    files = [_file(each, base) for each in parts if _is_file(each)]
    if not any(files):
        # A group is one file in several qualities.
        files = [_file(each, base) for each in _best_first(filter(_is_played, contents))][:1]
    previews = [each for each in objects if local(each) == "thumbnail"]
    episode = [each for each in parts if _is_episode_picture(each)]
    shown = [*_best_first(filter(_is_picture, contents)), *_best_first(previews), *episode]
    return settled(_image(shown, parts, base), files)


def _best_first(elements: Iterable[Element]) -> list[Element]:
    """What is said to be the default, then the widest; the same picture is often there in several sizes."""
    return sorted(elements, key=lambda each: (each.get("isDefault") != "true", -_width(each)))


def _image(shown: Sequence[Element], parts: Sequence[Element], base: str) -> Image | None:
    for element in shown:
        address = _address(element) or (element.text or "").strip()
        found = picture(address, _base(element, base))
        if found and not is_pixel(element.get("width"), element.get("height")) and not _PORTRAIT.match(found.url):
            alt = _said("description", element, parts) or _said("title", element, parts)
            return picture(found.url, "", alt, _said("credit", element, parts))
    return None


def _said(name: str, element: Element, parts: Sequence[Element]) -> str:
    """By the object itself, else by what it stands in, else by the entry."""
    holder = element.getparent()
    around = () if holder is None or not _is_media(holder) else holder
    told = (each for each in chain(element, around, parts) if _is_media(each) and local(each) == name)
    return next(filter(None, map(_text, told)), "")


def _text(element: Element) -> str:
    text = "".join(map(str, element.itertext()))[:MAX_CAPTION]
    try:
        return plain({"value": text, "type": "text/html"})
    except InputError:
        return ""


def _file(element: Element, base: str) -> Enclosure | None:
    length = element.get("length") or element.get("fileSize")
    return file(_address(element), _base(element, base), element.get("type"), length, element.get("title") or "")


def _base(element: Element, base: str) -> str:
    try:
        return urljoin(base, element.base or "")
    except ValueError:
        return base


def _width(element: Element) -> int:
    text = element.get("width") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _is_picture(content: Element) -> bool:
    return _sort(content) == "image"


def _is_played(content: Element) -> bool:
    return _sort(content) in ("audio", "video")


def _sort(content: Element) -> str:
    """What a media:content is: "image", "audio", "video"…"""
    stated = (content.get("medium") or "").lower()
    return stated or (media_type(content.get("type")) or guessed_type(_address(content))).partition("/")[0]


def _is_media(element: Element) -> bool:
    return isinstance(element.tag, str) and _MEDIA in (etree.QName(element).namespace or "")


def _is_file(element: Element) -> bool:
    name = local(element)
    return name == "enclosure" or (name == "link" and (element.get("rel") or "").lower() == "enclosure")


def _is_episode_picture(element: Element) -> bool:
    return local(element) == "image" and "podcast-1.0.dtd" in (etree.QName(element).namespace or "").lower()


def _address(element: Element) -> str:
    return element.get("url") or element.get("href") or ""
