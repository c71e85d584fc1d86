"""Sponsors: what stands in a mail for whoever paid for the place, and which of them a new issue carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

IMAGE_MOST = 480
"""Pixels: as wide as the block is inside."""


class Place(StrEnum):
    """Where in the mail: before the articles, or after them. An issue has one sponsor in each."""

    TOP = "top"
    BOTTOM = "bottom"


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorBlock:
    """What an issue shows of a sponsor; stored with the issue, so that later settings change nothing in it.

    ``label`` "" stands for the usual word in the language of the mail, ``language`` "" for that of the site. ``text``
    is plain; ``image_width`` is in pixels.
    """

    sponsor: str
    place: Place
    title: str
    text: str
    label: str = ""
    link: str = ""
    image: str = ""
    image_alt: str = ""
    image_width: int = IMAGE_MOST
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsor:
    """Who paid for a place. ``digests`` () are all; ``first`` and ``last`` are dates of issues, both inclusive.

    ``issues``: how many carry it at most, those of all its digests together.
    """

    block: SponsorBlock
    digests: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    issues: int | None = None

    @property
    def slug(self) -> str:
        return self.block.sponsor

    def is_in(self, digest: str) -> bool:
        return not self.digests or digest in self.digests

    def runs_on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def has_left(self, used: int) -> bool:
        """Whether another issue may carry it after ``used`` have."""
        return self.issues is None or used < self.issues


def chosen(candidates: Iterable[Sponsor], used: Mapping[str, int]) -> tuple[SponsorBlock, ...]:
    """Those that one issue carries: in each place the one that the fewest issues have carried, else the first named.

    ``candidates`` are due, in the order of the settings; ``used`` counts issues by slug.
    """
    free = [each for each in candidates if each.has_left(used.get(each.slug, 0))]
    found = []
    for place in Place:
        wanting = [each for each in free if each.block.place is place]
        if wanting:
            found.append(min(wanting, key=lambda each: used.get(each.slug, 0)).block)
    return tuple(found)


def without(blocks: Sequence[SponsorBlock], left_out: Sequence[str]) -> tuple[SponsorBlock, ...]:
    """The blocks that remain when some sponsors are left out by hand."""
    return tuple(block for block in blocks if block.sponsor not in left_out)
