"""The picture of an article on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from feed_publisher.domain.identity import canonical_link
from feed_publisher.domain.model import Image
from feed_publisher.parse.html import is_unseen, source_of
from feed_publisher.parse.media import picture
from feed_publisher.parse.pages.tree import HEADINGS, Element, Page, found_at, names_in

SMALL = 64
"""Pixels. What is said to be no wider or higher is an icon or a portrait."""

_ORNAMENT = re.compile(
    r"(?<![a-z])(?:avatars?|authors?|byline|profile|portrait|gravatar|icons?|logos?|emoji|badges?|flag|share|sharing|social"
    r"|advert|adverts|advertisement|ads?|sponsor|sponsored|spinner|placeholder)(?![a-z])"
)
_ADDRESSES = ".//*[@itemprop='url' or @itemprop='contentUrl']"
_NUMBER = re.compile(r"\s*(\d{1,5})(?:\.\d*)?\s*(?:px)?\s*", re.ASCII)


def marked_picture(page: Page, marked: Iterable[Element]) -> Image | None:
    """What elements that are said to be the picture show or lead to."""
    return next(filter(None, (_shown(page, element) for element in marked)), None)


def card_picture(page: Page, tops: Sequence[Element], inside: Sequence[Element], link: str | None) -> Image | None:
    """The first that leads to the article, else the first in it.

    After a heading that leads an entry, what stands without a link may belong to the next one.
    """
    images = [element for element in inside if element.tag == "img" and not _is_ornament(element, tops)]
    linked = [element for element in images if link and _leads_to(page, element) == link]
    loose = [] if tops[0].tag in HEADINGS else [element for element in images if _leads_to(page, element) is None]
    return marked_picture(page, [*linked, *loose])


def page_picture(page: Page, link: str | None) -> Image | None:
    """What the page shows of itself elsewhere, when it is the page of this one article."""
    types = found_at(page.root, "//meta[@property='og:type']/@content")
    is_its_page = types == ["article"] if link is None else canonical_link(link) == canonical_link(page.address)
    if not is_its_page:
        return None
    addresses = found_at(page.root, "//meta[@property='og:image' or @property='og:image:url']/@content")
    alts = found_at(page.root, "//meta[@property='og:image:alt']/@content")
    return picture(str(addresses[0]), page.base, str(alts[0]) if alts else "") if addresses else None


def _shown(page: Page, element: Element) -> Image | None:
    image = element if element.tag == "img" else next(element.iter("img"), None)
    if image is not None:
        return None if is_unseen(image) else picture(source_of(image), page.base, image.get("alt") or "")
    stated = [element, *found_at(element, _ADDRESSES)]
    addresses = (each.get(name) for each in stated for name in ("content", "href", "src", "data"))
    return next(filter(None, (picture(address, page.base) for address in addresses)), None)


def _leads_to(page: Page, image: Element) -> str | None:
    around = next(image.iterancestors("a"), None)
    return None if around is None else page.link(around.get("href"))


def _is_ornament(image: Element, tops: Sequence[Element]) -> bool:
    """By its own names and those of the boxes around it, or by its size."""
    around = islice(takewhile(lambda box: box not in tops, image.iterancestors()), 2)
    if is_unseen(image) or any(_ORNAMENT.search(names_in(box)) for box in (image, *around)):
        return True
    sizes = (_NUMBER.fullmatch(image.get(name) or "") for name in ("width", "height"))
    return any(size and int(size[1]) <= SMALL for size in sizes)
