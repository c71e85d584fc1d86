"""Sponsors as the templates of a mail, and the page of an issue, are shown them."""

from __future__ import annotations

from collections.abc import Sequence

from feed_publisher.domain.editing import paragraphs
from feed_publisher.domain.language import direction, direction_of, primary_language
from feed_publisher.domain.model import Image
from feed_publisher.domain.sponsor import SponsorBlock


def sponsor_views(
    blocks: Sequence[SponsorBlock], language: str, usual: str, with_images: bool
) -> list[dict[str, object]]:
    """``lang`` and ``dir`` are "" where they are those of the mail; ``paragraphs`` holds the lines of each.

    ``label`` "" stands for the usual word. Addresses are as they are in the settings: nothing is added to them.
    """
    return [_view(block, language, usual, with_images) for block in blocks]


def _view(block: SponsorBlock, language: str, usual: str, with_images: bool) -> dict[str, object]:
    own = block.language or usual
    written = direction_of(f"{block.title} {block.text}", block.language or None, usual)
    return {
        "place": block.place.value,
        "label": block.label,
        "title": block.title,
        "paragraphs": paragraphs(block.text),
        "link": block.link,
        "image": Image(url=block.image, alt=block.image_alt, credit="") if with_images and block.image else None,
        "image_width": block.image_width,
        "lang": own if primary_language(own) != primary_language(language) else "",
        "dir": written if written != direction(language) else "",
    }
