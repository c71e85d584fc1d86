"""[[sponsors]]: who paid for a place in the mails of digests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from feed_publisher.config.section import Section
from feed_publisher.config.values import Day, HttpUrl, Language, Line, PlainText, Slug, Title
from feed_publisher.domain.sponsor import IMAGE_MOST, Place


class Sponsor(Section):
    """[[sponsors]]; a place in the mails of digests that somebody paid for, never in feeds"""

    slug: Slug
    """Its lasting name: the issues that carry it are counted under it."""

    digests: tuple[Slug, ...] = ()
    """Slugs of the digests it is in. Empty: all, later ones included."""

    title: Title
    """Its heading; the link, where there is one."""

    text: Annotated[PlainText, Field(min_length=1)]
    """What it says, in plain text; blank lines part paragraphs. Addresses in it do not become links."""

    link: HttpUrl = ""
    """Where it leads. Nothing is added to it: no link_parameters, nothing that counts."""

    label: Annotated[Line, Field(max_length=60)] = ""
    """What stands above it, such as "Sponsored by Kesby Boats". Empty: "Advertisement" in the language of the mail."""

    image: HttpUrl = ""
    """The address of a picture (https), for digests whose images are not "none"."""

    image_alt: Annotated[Line, Field(max_length=300)] = ""
    """What the picture shows or says, for those who do not see it; needed with image."""

    image_width: Annotated[int, Field(ge=16, le=IMAGE_MOST)] = IMAGE_MOST
    """How wide the picture is shown, in pixels; narrower on small screens."""

    language: Language | None = None
    """Language of its words (a BCP 47 tag), when not site.language."""

    first: Annotated[Day | None, Field(alias="from")] = None
    """The date of the first issue that may carry it, such as 2026-11-02, where the digest is. Empty: at once."""

    last: Annotated[Day | None, Field(alias="until")] = None
    """The date of the last issue that may carry it."""

    issues: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many issues carry it at most, those of all its digests together. Needed where there is no until."""

    place: Place = Place.TOP
    """"top" (before the articles) or "bottom" (after them). An issue has one sponsor in each."""

    @model_validator(mode="after")
    def _ends(self) -> Sponsor:
        if self.last is None and self.issues is None:
            raise ValueError("until: say the last date, or with issues = 10 how many issues carry it; or both")
        if self.first and self.last and self.last < self.first:
            raise ValueError(f"until: {self.last} is before from, {self.first}")
        return self

    @model_validator(mode="after")
    def _image_is_shown(self) -> Sponsor:
        if self.image and not self.image.startswith("https://"):
            raise ValueError("image: must start with https://, mail programs show no other pictures")
        if self.image and not self.image_alt:
            raise ValueError("image_alt: say what the picture shows, for those who do not see it")
        if self.image_alt and not self.image:
            raise ValueError("image: is missing; image_alt says what it shows")
        return self
