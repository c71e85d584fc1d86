"""Articles odd enough to find what is wrong with a template before a real one does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from feed_publisher.compose.digest import Line
from feed_publisher.domain.model import Entry, EntryState, Image, TopicRef
from feed_publisher.domain.sponsor import Place, Sponsor, SponsorBlock

_TOPICS = (TopicRef(slug="sample", title="Sample"), TopicRef(slug="odd", title="Odd & <other>"))
_LONG = "A title that goes on and on, about high water, low water and everything that floats between them, " * 3
_PICTURE = Image(url="https://pictures.example/boat.jpg", alt='A "boat"', credit="Photo: Ann Po")


def specimen_lines(url: str, now: datetime) -> list[Line]:
    """With and without picture, link, summary and author; very long; right to left; with what looks like code."""
    articles: list[dict[str, object]] = [
        {"title": "Sample", "image": _PICTURE},
        {"title": _LONG.strip(), "summary": _LONG * 4, "authors": ("A. Po",)},
        {"title": "</td>{{ 7 * 7 }} {% if %} <script>", "summary": "a & b < c", "authors": ('"Bo"', "<C>")},
        {"title": "ميناء صغير على الساحل", "summary": "سفينة قديمة تعود إلى البيت.", "language": "ar"},
        {"title": "Bare", "summary": "", "authors": ()},
    ]
    return [_line(number, article, url, now) for number, article in enumerate(articles)]


def _line(number: int, article: dict[str, object], url: str, now: datetime) -> Line:
    values: dict[str, object] = {"summary": "A summary.", "authors": ("A", "B"), "language": None, "image": None}
    entry = Entry(
        number=number,
        revision=number,
        key=str(number),
        id=f"urn:uuid:{number}",
        content_html="",
        link=None,
        published=now,
        updated=now,
        state=EntryState.PUBLIC,
        **{**values, **article},  # type: ignore[arg-type]
    )
    linked = article["title"] != "Bare"
    return Line(entry=entry, topic=_TOPICS[number % 2], url=f"{url}/entries/{number}" if linked else "")


def specimen_sponsors(own: Sequence[Sponsor]) -> tuple[SponsorBlock, ...]:
    """One in each place where a digest has some of its ``own``, or in both; with what looks like code."""
    places = {each.block.place for each in own} or set(Place)
    return tuple(
        SponsorBlock(
            sponsor=f"sample-{place}",
            place=place,
            label=f"Sample label ({place})",
            title=f"Sample sponsor ({place})",
            text="</td>{{ 7 * 7 }} <script>\nسفينة\n\n" + _LONG.strip(),
            link=f"https://sponsor.example/{place}",
            image="https://pictures.example/sponsor.jpg",
            image_alt='A "boat"',
        )
        for place in Place
        if place in places
    )
