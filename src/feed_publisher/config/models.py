"""The settings of a site, section by section; docs/settings.md is made from their docstrings."""

from __future__ import annotations

import re
from datetime import time, timedelta
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from feed_publisher.config.bounces import Bounces
from feed_publisher.config.section import Section
from feed_publisher.config.sponsors import Sponsor
from feed_publisher.config.succession import contradiction
from feed_publisher.config.values import (
    BaseUrl,
    Cron,
    Dates,
    DnsServer,
    Domain,
    Duration,
    Every,
    FirstContact,
    HttpUrl,
    Language,
    LinkParameters,
    MailAddress,
    OldPath,
    PlainText,
    Quiet,
    Slug,
    TimeOfDay,
    Title,
    Zone,
    check_http_url,
)
from feed_publisher.domain.cadence import WEEKDAYS, Cadence
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.issue import Images
from feed_publisher.domain.rhythm import QuietHours, Rhythm, dates_left_out
from feed_publisher.domain.shadow import LONGEST, shadow_of


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Site(Section):
    """[site]"""

    title: Title = "My site"
    """Shown on every page, in every feed and mail."""

    base_url: BaseUrl = "http://127.0.0.1:8000"
    """Where readers reach the site; every link starts with it. It may carry a path."""

    language: Language = "en"
    """Language of feeds, pages and mails (a BCP 47 tag). English, German and Arabic are complete; where there are no
    words of a language, it is that of the articles and dates only."""

    languages: tuple[Language, ...] = ()
    """Other languages that readers may choose for their mails and own pages, such as ["de", "ar"]."""

    timezone: Zone = "UTC"
    """IANA zone in which dates are shown and hours are meant."""

    postal_address: str = ""
    """Printed at the foot of every mail; many countries require it."""

    imprint_url: HttpUrl = ""
    """Linked in every mail and on every page."""

    privacy_url: HttpUrl = ""
    """Linked in every mail, on every page and beside the sign-up form."""

    logo: HttpUrl = ""
    """The address of a picture that stands for the site, PNG or JPEG; shown by feed readers, and in mails with
    pictures (digests.images) when it is https."""

    feeds: Literal["full", "summary"] = "full"
    """What the usual form of feeds holds: whole articles where they are known, or summaries. The other one is at
    the same address with ".summary" or ".full" before the extension."""

    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b5b70"
    """The one colour of pages and mails, as #rrggbb. Words in mails are written in a shade of it that can be read."""

    own_hosts: tuple[Domain, ...] = ()
    """Hosts that are the site's own beside that of base_url, such as "www.harbour.example", for link_parameters."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-For is believed."""

    old_feeds: tuple[OldPath, ...] = ()
    """Paths at which feeds of all articles used to be, such as "/feed/": they lead to the feed of all."""

    @property
    def is_loopback(self) -> bool:
        """Whether base_url names this machine only."""
        return _is_loopback(self.base_url)


class DatabaseSettings(Section):
    """[database]; an empty url means var/publisher.sqlite3 in the site's folder."""

    url: str = ""
    """Empty: SQLite in var/publisher.sqlite3. Else postgresql://user:password@host/name."""


class MailSettings(Section):
    """[mail]; an empty list_domain means the domain of the digest's from_address."""

    list_domain: Domain = ""
    """Domain of List-Id and Message-ID. Empty: the domain of the digest's from_address."""

    bounce_domain: Domain = ""
    """The domain that mail comes back to, such as "bounces.harbour.example": each mail of an issue has a sender of its
    own there. Empty: it comes back to from_address. See [bounces]."""

    footer: PlainText = ""
    """A few words of your own at the foot of every mail; plain text, its lines are kept."""

    imprint: PlainText = ""
    """Who is responsible, printed under the postal address of every mail; plain text, its lines are kept."""

    operators: tuple[MailAddress, ...] = ()
    """Addresses that are mailed the issues that wait for a decision, each with a link of its own to decide with."""

    dns_server: DnsServer = ""
    """The DNS server that `check` asks, an address such as "9.9.9.9" or "127.0.0.1:5353". Empty: that of this machine;
    name another one where names inside your network differ from those that mailbox providers see."""


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


class Dkim(Section):
    """[[dkim]]; a key that mails are signed with here, for a mail server that does not sign them"""

    domain: Domain
    """Mails from this domain, or one below it, are signed."""

    selector: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    """The public half of the key stands in the DNS at SELECTOR._domainkey.DOMAIN."""

    key_file: Annotated[str, Field(min_length=1)]
    """The private key, seen from publisher.toml: RSA of 2048 bits or more, or Ed25519; PEM without a password."""


class Select(Section):
    """[sources.select]; CSS selectors for a page whose articles are not found by themselves"""

    entry: str = ""
    """Finds one element per article; the others are looked for inside it."""

    title: str = ""
    """The title."""

    link: str = ""
    """The element with the address of the article."""

    summary: str = ""
    """The summary."""

    author: str = ""
    """The byline."""

    date: str = ""
    """The date."""

    topic: str = ""
    """The heading it belongs under."""

    next: str = ""
    """The link to the next page of the listing, looked for in the whole page."""


class Source(Section):
    """[[sources]]"""

    slug: Slug
    """Its lasting name: a new slug is a new source."""

    kind: Literal["folder", "feed", "page", "sitemap", "push"] = "folder"
    """A folder of files; a feed (RSS, Atom, JSON), an HTML page or a news sitemap on the web; or pushed to the API."""

    location: str = ""
    """The folder, seen from publisher.toml, or the address. Nothing for "push"."""

    every: Every | None = None
    """How often it is visited: "15 minutes", "2 hours". Default: a feed 30 minutes, a page or sitemap an hour.
    Folders are looked at every second."""

    topics: tuple[Title, ...] = ()
    """Titles of topics that replace the headings and categories it gives."""

    topic_map: dict[str, str] = Field({})
    """Headings or categories that get another topic's title: {"Ships" = "Coastal shipping"}; "" drops one."""

    language: Language | None = None
    """Language of its articles (a BCP 47 tag), where they do not say."""

    first_contact: FirstContact | None = None
    """What may be mailed of what it holds when it is first read: "none" (that only fills feeds), "all", or an age such
    as "30 days". Default: "all" of a folder and of what is pushed, else "none"."""

    headers: dict[str, str] = Field({})
    """Sent with each request; "file:NAME" takes the value from a file, such as {Authorization = "file:token.txt"}."""

    pages: Annotated[int, Field(ge=1, le=50)] = 3
    """How many pages of a listing are followed."""

    silence: Every | None = None
    """How long it may bring nothing before you are told. Default: judged by how often it used to."""

    takes_over: bool = False
    """Its ids (absolute URIs) become those of its new articles, so that readers who follow the old feed see none twice.
    Set it before the source is first read: the id of an article never changes."""

    select: Select = Select()
    """CSS selectors; see below."""

    @model_validator(mode="after")
    def _location_fits(self) -> Source:
        is_address = re.match(r"https?://", self.location) is not None
        if is_address:
            check_http_url(self.location)
            if "@" in urlsplit(self.location).netloc:
                raise ValueError("location: holds a password, which would be shown; use headers instead")
        if self.kind in ("feed", "page", "sitemap") and not is_address:
            raise ValueError(f"location: {self.kind} needs an address that starts with https:// or http://")
        if self.kind == "folder" and (is_address or not self.location):
            raise ValueError('location: name a folder; an address needs kind = "feed", "page" or "sitemap"')
        if self.kind == "push" and self.location:
            raise ValueError("location: what is pushed has none; leave it out")
        return self


class Fetch(Section):
    """[fetch]"""

    allow: tuple[str, ...] = ()
    """Private hosts, addresses or networks that sources may be on, such as "intranet.example" or "10.0.0.0/8"."""

    contact: str = ""
    """A mail address or page named in the User-Agent, for owners of sources who have a question."""

    connections: Annotated[int, Field(ge=1, le=200)] = 20
    """Connections held open at the same time."""

    per_host: Annotated[int, Field(ge=1, le=20)] = 2
    """Requests to one host at the same time."""

    proxy: str = ""
    """A proxy for all requests, http://host:port. Empty: none, whatever the environment says."""


class WebSub(Section):
    """[websub]; who tells subscribers at once that a feed has changed"""

    hubs: tuple[Annotated[HttpUrl, Field(min_length=1, max_length=500)], ...] = ()
    """WebSub hubs of others that are told of every feed that changes, such as "https://hub.example/"."""

    hub: bool = False
    """Whether the site is a hub of its own, at base_url + "/hub", for its own feeds."""


class Topic(Section):
    """[[topics]]; only for topics whose title or slug is to be fixed, the others come from headings."""

    slug: Slug
    """Its lasting name, used in addresses."""

    title: Title
    """Shown to readers; the heading that finds it."""

    was: tuple[Slug, ...] = ()
    """Slugs it had before, or of topics that go into it: their addresses lead here for ever, articles and readers come
    along. Topics that have gone into another one cannot be parted again; "check" says before what would be done."""

    split_from: Annotated[Slug, Field(min_length=1)] | None = None
    """Slug of the topic that this one was a part of: whoever follows that one follows this one, too, from now on. Done
    once; readers who do not want it leave it out on their page."""

    ended: bool = False
    """No article will follow: a last entry says so, and after 30 days its feeds are answered 410."""

    old_feeds: tuple[OldPath, ...] = ()
    """Paths at which its feed used to be, such as "/category/ships/feed/": they lead to its feed."""


class NamedFeed(Section):
    """[[feeds]]; a feed of several topics"""

    slug: Slug
    """Its address: /feeds/SLUG.atom."""

    title: Title
    """Shown to readers."""

    topics: Annotated[tuple[Slug, ...], Field(min_length=1)]
    """Slugs of the topics whose articles it has."""


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

    order: Literal["topics", "newest"] = "topics"
    """How its sections follow each other: as its topics are named here, else as [[topics]] names them, topics not named
    at the end; or the one with the newest article first. The first article of the first section is in the subject."""

    cadences: Annotated[tuple[Cadence, ...], Field(min_length=1)] = (Cadence.WEEKLY,)
    """How often readers may choose to get it: "instant" (as it happens), "daily", "weekdays", "weekly", "monthly", or
    "cron" (its own dates, see cron). The first is for those who do not choose."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """Day of the weekly issue, and of the monthly one: its first in the month."""

    hour: TimeOfDay = time(7)
    """Time of day it leaves, "7" or "07:30", for readers without an hour of their own."""

    cron: Annotated[Cron, Field(min_length=1)] | None = None
    """The digest's own dates as a cron expression in its zone, such as "30 6 * * tue,thu"; for the cadence "cron".
    It leaves at that moment for everybody, whatever hour a reader has chosen."""

    skip: tuple[Dates, ...] = ()
    """Dates without an issue: "2026-12-25", "12-25" (every year) or "2026-12-24..2027-01-01".
    The articles come with the next one."""

    backfill: Literal["none", "all"] = "none"
    """With "all", readers of a new digest also get what was picked up before the digest existed."""

    zone: Zone | None = None
    """IANA zone of that hour, when not site.timezone."""

    language: Language | None = None
    """Language of its mails and of the page to subscribe, when not site.language; readers may choose another."""

    recipients: Literal["subscribers", "operators"] = "subscribers"
    """"operators": its issues go to [mail] operators only; its readers keep their places, and get the first one that is
    due after this is "subscribers" again."""

    policy: Literal["auto", "approve"] = "auto"
    """"approve": a scheduled issue waits until somebody approves it, by the link in the mail to [mail] operators or
    with `issues approve`."""

    draft_before: Every | None = None
    """With "approve": how long before its hour an issue is made, such as "2 hours", so that there is time to look at
    it. What comes later is for the next one."""

    unapproved: Literal["wait", "send", "roll"] = "wait"
    """What becomes of an issue that nobody approves: it waits until the next one takes its articles over, it is sent
    all the same, or it ends and its articles come in the next one. One that somebody holds always waits."""

    approve_within: Every | None = None
    """How long after its hour it waits before that, such as "3 hours". Default: "send" sends at the hour, "roll" ends
    it when it is too late to leave (max_lateness)."""

    announce: Every | None = None
    """With "auto": how long before its hour an issue is made and mailed to [mail] operators, such as "30 minutes", with
    a button that stops it. Otherwise it leaves at its hour."""

    guards: bool = True
    """Whether a scheduled issue waits for a decision when it has far more articles than usual, half the readers or half
    as many more, or a mail above 100 kB."""

    minimum: Annotated[int, Field(ge=1, le=50)] = 1
    """A reader with fewer new articles than this gets them with a later issue, after four weeks at the latest.
    Not for "instant" and what is sent by hand."""

    cutoff: Every | None = None
    """How long before its hour an issue is closed, such as "2 hours"; what comes later is for the next one."""

    quiet: Quiet | None = None
    """Local hours in which readers are left alone, such as "22-7": by mail "as it happens" and by what leaves late.
    A reader who has chosen an hour gets it then."""

    maximum: Annotated[int, Field(ge=1, le=200)] = 50
    """Articles in one mail; the rest is counted as "more on the web"."""

    welcome: bool = False
    """Whether whoever has confirmed is mailed a welcome, with the link to their own page to keep."""

    footer: PlainText = ""
    """A few words of your own at the foot of its issues, instead of mail.footer."""

    images: Images = Images.NONE
    """Which articles show their picture: "none", "lead" (the first one) or "all". Pictures are fetched from where they
    are when a reader looks, so who keeps them can count that; with "none" a mail fetches nothing, no logo either."""

    link_parameters: LinkParameters = ""
    """Added to links that lead to the site (and site.own_hosts), the same for every reader, such as
    "utm_source=digest&utm_medium=email". Links of one reader alone never get any."""

    archive: bool = True
    """Whether its issues can be read on the web and have a feed; with false they are for its readers alone."""

    max_lateness: Duration | None = None
    """How late a missed issue may still leave, such as "12 hours" (the default of daily) or "3 days" (of weekly)."""

    @model_validator(mode="after")
    def _cadences_fit(self) -> Digest:
        if (Cadence.CRON in self.cadences) != (self.cron is not None):
            raise ValueError('cron: the cadence "cron" and an expression such as "30 6 * * tue,thu" need each other')
        self._check_decisions()
        if self.quiet and QuietHours.parse(self.quiet).holds(self.hour):
            raise ValueError(f"hour: {self.hour:%H:%M} lies in the quiet hours, {self.quiet}")
        return self

    @property
    def shadow(self) -> Digest:
        """What is mailed in its place while it goes to the operators only."""
        aside = {"slug": shadow_of(self.slug), "recipients": "subscribers", "archive": False, "welcome": False}
        return self.model_copy(update=aside)

    def _check_decisions(self) -> None:
        """What belongs to a policy is refused with the other, where it would do nothing."""
        mine: tuple[tuple[str, object, str], ...] = (
            ("draft_before", self.draft_before, "approve"),
            ("approve_within", self.approve_within, "approve"),
            ("unapproved", None if self.unapproved == "wait" else self.unapproved, "approve"),
            ("announce", self.announce, "auto"),
        )
        for name, value, policy in mine:
            if value is not None and self.policy != policy:
                raise ValueError(f'{name}: that needs policy = "{policy}"')
        if self.unapproved == "send" and self.draft_before is None and self.approve_within is None:
            raise ValueError('unapproved: "send" needs draft_before or approve_within, the time there is to decide')
        if self.unapproved == "wait" and self.approve_within is not None:
            raise ValueError('approve_within: that needs unapproved = "send" or "roll"')
        ahead = self.draft_before or self.announce or timedelta(0)
        for cadence in self.cadences:
            shortest = Rhythm(cadence, self.weekday, self.cron or "").shortest
            if cadence is not Cadence.INSTANT and ahead * 2 > shortest:
                name = "draft_before" if self.draft_before else "announce"
                raise ValueError(f"{name}: at most half the time between two issues, and {cadence} ones are too close")

    @property
    def left_out(self) -> frozenset[str]:
        """The dates of ``skip``, one by one."""
        return frozenset(date for text in self.skip for date in dates_left_out(text))

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
    bounces: Bounces = Bounces()
    dkim: tuple[Dkim, ...] = ()
    fetch: Fetch = Fetch()
    websub: WebSub = WebSub()
    sources: tuple[Source, ...] = ()
    topics: tuple[Topic, ...] = ()
    feeds: tuple[NamedFeed, ...] = ()
    digests: tuple[Digest, ...] = ()
    sponsors: tuple[Sponsor, ...] = ()

    @model_validator(mode="after")
    def _slugs_are_unique(self) -> Settings:
        for section in ("sources", "topics", "feeds", "digests", "sponsors"):
            slugs = [item.slug for item in getattr(self, section)]
            double = next((slug for slug in slugs if slugs.count(slug) > 1), None)
            if double:
                raise ValueError(f"two of [[{section}]] have the slug {double!r}; each needs its own")
        return self

    @model_validator(mode="after")
    def _topics_have_one_way_to_go(self) -> Settings:
        trouble = contradiction((topic.slug, topic.was, topic.split_from) for topic in self.topics)
        if trouble:
            raise ValueError(trouble)
        return self

    @model_validator(mode="after")
    def _mail_comes_back_somewhere(self) -> Settings:
        if self.bounces.takes_mail and not self.mail.bounce_domain:
            raise ValueError("bounces: mail that comes back needs a domain of its own; set bounce_domain in [mail]")
        return self

    @model_validator(mode="after")
    def _old_feeds_are_unique(self) -> Settings:
        paths = [*self.site.old_feeds, *(path for topic in self.topics for path in topic.old_feeds)]
        double = next((path for path in paths if paths.count(path) > 1), None)
        if double:
            raise ValueError(f"old_feeds: {double!r} is named twice; one address can lead to one feed only")
        return self

    @model_validator(mode="after")
    def _signatures_differ(self) -> Settings:
        names = [(key.domain, key.selector) for key in self.dkim]
        double = next((name for name in names if names.count(name) > 1), None)
        if double:
            raise ValueError(f"two of [[dkim]] have the selector {double[1]!r} at {double[0]}; each key needs its own")
        return self

    @model_validator(mode="after")
    def _sponsors_have_digests(self) -> Settings:
        known = [digest.slug for digest in self.digests]
        for sponsor in self.sponsors:
            for slug in set(sponsor.digests) - set(known):
                there = ", ".join(known) or "none"
                raise ValueError(f"sponsors: {sponsor.slug} names the digest {slug!r} in digests; there is: {there}")
        return self

    @model_validator(mode="after")
    def _operators_can_be_mailed(self) -> Settings:
        for digest in self.digests:
            if digest.recipients == "subscribers":
                continue
            if not self.mail.operators:
                raise ValueError(
                    f'digests: {digest.slug} has recipients = "operators", and [mail] operators is empty; name there '
                    "who is to get it"
                )
            if len(digest.slug) > LONGEST:
                raise ValueError(
                    f'digests: recipients = "operators" needs a slug of at most {LONGEST} characters, and '
                    f"{digest.slug!r} has {len(digest.slug)}"
                )
        return self

    @property
    def hub_url(self) -> str:
        """The address of our own WebSub hub, "" while it is off."""
        return f"{self.site.base_url}/hub" if self.websub.hub else ""

    @property
    def hub_urls(self) -> tuple[str, ...]:
        """The WebSub hubs that feeds name: our own, then those of others."""
        return tuple(dict.fromkeys(url for url in (self.hub_url, *self.websub.hubs) if url))

    @property
    def pinged_hubs(self) -> tuple[str, ...]:
        """The hubs that are told of changes. Feeds of this machine alone are no news for hubs elsewhere."""
        others = (url for url in self.hub_urls if url != self.hub_url)
        return tuple(url for url in others if _is_loopback(url) or not self.site.is_loopback)

    def section_order(self, digest: Digest) -> tuple[str, ...]:
        """Slugs of topics in the order in which a digest has its sections; the others come by their newest article."""
        if digest.order == "newest":
            return ()
        now = {old: topic.slug for topic in self.topics for old in topic.was}
        named = digest.topics or tuple(topic.slug for topic in self.topics)
        return tuple(dict.fromkeys(now.get(slug, slug) for slug in named))

    def source(self, slug: str) -> Source:
        """The source of this slug, or ConfigError naming the known ones."""
        for source in self.sources:
            if source.slug == slug:
                return source
        known = ", ".join(source.slug for source in self.sources) or "none"
        raise ConfigError(f"there is no source {slug!r}; publisher.toml has: {known}")

    @property
    def shadows(self) -> tuple[Digest, ...]:
        """Of the digests that go to the operators only."""
        return tuple(digest.shadow for digest in self.digests if digest.recipients == "operators")

    @property
    def all_digests(self) -> tuple[Digest, ...]:
        """Those that people know, and shadows."""
        return (*self.digests, *self.shadows)

    def any_digest(self, slug: str) -> Digest:
        """As ``digest``, shadows included: nobody may subscribe to those."""
        return next((shadow for shadow in self.shadows if shadow.slug == slug), None) or self.digest(slug)

    def mailed(self, slug: str) -> str:
        """What is mailed of this digest now: itself, or its shadow. Raises ConfigError."""
        digest = self.any_digest(slug)
        return digest.shadow.slug if digest.recipients == "operators" else digest.slug

    def digest(self, slug: str) -> Digest:
        """The digest of this slug, or ConfigError naming the known ones."""
        for digest in self.digests:
            if digest.slug == slug:
                return digest
        known = ", ".join(digest.slug for digest in self.digests) or "none"
        raise ConfigError(f"there is no digest {slug!r}; publisher.toml has: {known}")
