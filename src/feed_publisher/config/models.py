"""The settings of a site, section by section; docs/settings.md is made from their docstrings."""

from __future__ import annotations

from datetime import time
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from feed_publisher.config.values import BaseUrl, Domain, Duration, HttpUrl, MailAddress, Slug, TimeOfDay, Title, Zone
from feed_publisher.domain.cadence import WEEKDAYS, Cadence
from feed_publisher.domain.errors import ConfigError


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Site(Section):
    """[site]"""

    title: Title = "My site"
    """Shown on every page, in every feed and mail."""

    base_url: BaseUrl = "http://127.0.0.1:8000"
    """Where readers reach the site; every link starts with it. It may carry a path."""

    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")] = "en"
    """Language of feeds and dates (a BCP 47 tag); the program's own words are English so far."""

    timezone: Zone = "UTC"
    """IANA zone in which dates are shown and hours are meant."""

    postal_address: str = ""
    """Printed at the foot of every mail; many countries require it."""

    imprint_url: HttpUrl = ""
    """Linked in every mail and on every page."""

    privacy_url: HttpUrl = ""
    """Linked in every mail, on every page and beside the sign-up form."""

    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b5b70"
    """The one colour of pages and mails, as #rrggbb."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-For is believed."""

    @property
    def is_loopback(self) -> bool:
        """Whether base_url names this machine only."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False


class DatabaseSettings(Section):
    """[database]; an empty url means var/publisher.sqlite3 in the site's folder."""

    url: str = ""
    """Empty: SQLite in var/publisher.sqlite3. Else postgresql://user:password@host/name."""


class MailSettings(Section):
    """[mail]; an empty list_domain means the domain of the digest's from_address."""

    list_domain: Domain = ""
    """Domain of List-Id and Message-ID. Empty: the domain of the digest's from_address."""


class Smtp(Section):
    """[smtp]; no host means the built-in mailbox."""

    host: str = ""
    """The mail server. Empty: the built-in mailbox, and every send is a rehearsal."""

    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """587 with tls = "required", 465 with "implicit"."""

    tls: Literal["required", "implicit", "none"] = "required"
    """"required" is STARTTLS; "none" is allowed for a mail server on this machine only."""

    username: str = ""
    """Empty: no login."""

    password_file: str = ""
    """A file that holds just the password, seen from publisher.toml."""

    connections: Annotated[int, Field(ge=1, le=100)] = 4
    """Connections held open at the same time."""


class Source(Section):
    """[[sources]]"""

    slug: Slug
    """Its lasting name: a new slug is a new source."""

    kind: Literal["folder"] = "folder"
    """What it is."""

    location: str
    """The folder, seen from publisher.toml."""

    topics: tuple[Title, ...] = ()
    """Titles of topics that replace the headings in the files."""

    first_contact: Literal["all", "none"] = "all"
    """"none": what it holds when it is first read fills feeds but is never mailed."""


class Topic(Section):
    """[[topics]]; only for topics whose title or slug is to be fixed, the others come from headings."""

    slug: Slug
    """Its lasting name, used in addresses."""

    title: Title
    """Shown to readers; the heading that finds it."""


class Digest(Section):
    """[[digests]]"""

    slug: Slug
    """Its lasting name, used in addresses and commands."""

    title: Title
    """The name readers know it by."""

    from_name: Title = ""
    """The sender people see. Empty: the title."""

    from_address: MailAddress
    """The address the mail comes from."""

    reply_to: MailAddress | None = None
    """Where answers go, when not to from_address."""

    topics: tuple[Slug, ...] = ()
    """Slugs of the topics it covers. Empty: all, later ones included."""

    cadences: Annotated[tuple[Cadence, ...], Field(min_length=1)] = (Cadence.WEEKLY,)
    """How often readers may choose to get it; the first is for those who do not choose."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """Day of the weekly issue."""

    hour: TimeOfDay = time(7)
    """Time of day it leaves, "7" or "07:30", for readers without an hour of their own."""

    backfill: Literal["none", "all"] = "none"
    """With "all", readers of a new digest also get what was picked up before the digest existed."""

    zone: Zone | None = None
    """IANA zone of that hour, when not site.timezone."""

    policy: Literal["auto", "approve"] = "auto"
    """"approve": a scheduled issue waits until `issues approve`."""

    maximum: Annotated[int, Field(ge=1, le=200)] = 50
    """Articles in one mail; the rest is counted as "more on the web"."""

    max_lateness: Duration | None = None
    """How late a missed issue may still leave, such as "12 hours" (the default of daily) or "3 days" (of weekly)."""

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return WEEKDAYS.index(self.day)


class Settings(BaseSettings):
    """All settings of one site."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    site: Site = Site()
    database: DatabaseSettings = DatabaseSettings()
    mail: MailSettings = MailSettings()
    smtp: Smtp = Smtp()
    sources: tuple[Source, ...] = ()
    topics: tuple[Topic, ...] = ()
    digests: tuple[Digest, ...] = ()

    @model_validator(mode="after")
    def _slugs_are_unique(self) -> Settings:
        for section in ("sources", "topics", "digests"):
            slugs = [item.slug for item in getattr(self, section)]
            double = next((slug for slug in slugs if slugs.count(slug) > 1), None)
            if double:
                raise ValueError(f"two of [[{section}]] have the slug {double!r}; each needs its own")
        return self

    def digest(self, slug: str) -> Digest:
        """The digest of this slug, or ConfigError naming the known ones."""
        for digest in self.digests:
            if digest.slug == slug:
                return digest
        known = ", ".join(digest.slug for digest in self.digests) or "none"
        raise ConfigError(f"there is no digest {slug!r}; publisher.toml has: {known}")
