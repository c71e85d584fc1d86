"""What the settings mean to the services: rules, senders, sources, the relay. Plain functions of the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feed_publisher.config.models import Digest, Settings, Source
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import Clock
from feed_publisher.domain.errors import ConfigError, InputError
from feed_publisher.domain.rhythm import QuietHours
from feed_publisher.domain.shadow import is_shadow, real_slug
from feed_publisher.domain.source import Selectors, SourceKind, SourceRules
from feed_publisher.domain.sponsor import Sponsor, SponsorBlock
from feed_publisher.services.shadowing import Desk
from feed_publisher.services.topic_changes import DeclaredTopic

# The services below are imported when they are needed, so that a command that needs none of them starts quickly.
if TYPE_CHECKING:
    from feed_publisher.adapters.http.client import HttpFetcher
    from feed_publisher.adapters.http.exchange import Limits
    from feed_publisher.adapters.smtp.relay import Relay
    from feed_publisher.compose.digest import SiteView
    from feed_publisher.compose.dkim import Signer
    from feed_publisher.compose.message import Sender
    from feed_publisher.services.doctor import Patient
    from feed_publisher.services.edition import DigestRules
    from feed_publisher.services.feeddocument import FeedSite
    from feed_publisher.services.letters import LetterRules


def feed_site(settings: Settings) -> FeedSite:
    """What feeds say about the site."""
    from feed_publisher.services.feeddocument import FeedSite

    site = settings.site
    return FeedSite(
        title=site.title,
        base_url=site.base_url,
        language=site.language,
        full=site.feeds == "full",
        logo=site.logo,
        hubs=settings.hub_urls,
    )


def declared_topics(settings: Settings) -> list[DeclaredTopic]:
    """Where the topics of the settings come from."""
    return [
        DeclaredTopic(slug=topic.slug, was=topic.was, split_from=topic.split_from or "") for topic in settings.topics
    ]


def site_view(settings: Settings) -> SiteView:
    """What templates may say about the site."""
    from feed_publisher.compose.digest import SiteView

    site = settings.site
    return SiteView(
        title=site.title,
        url=site.base_url,
        language=site.language,
        postal_address=site.postal_address,
        imprint_url=site.imprint_url,
        privacy_url=site.privacy_url,
        accent=site.accent,
        logo=site.logo if site.logo.startswith("https://") else "",
        footer=settings.mail.footer,
        imprint=settings.mail.imprint,
        own_hosts=site.own_hosts,
    )


def digest_rules(settings: Settings, digest: Digest) -> DigestRules:
    """What issues take from one digest."""
    from feed_publisher.services.edition import DigestRules

    return DigestRules(
        slug=digest.slug,
        title=digest.title,
        topics=digest.topics,
        order=settings.section_order(digest),
        cadences=digest.cadences,
        weekday=digest.weekday,
        cron=digest.cron or "",
        left_out=digest.left_out,
        clock=Clock(digest.zone or settings.site.timezone, digest.hour),
        minimum=digest.minimum,
        language=digest.language or settings.site.language,
        maximum=digest.maximum,
        cutoff=digest.cutoff,
        quiet=QuietHours.parse(digest.quiet) if digest.quiet else None,
        max_lateness=digest.max_lateness,
        needs_approval=digest.policy == "approve",
        archive=digest.archive,
        footer=digest.footer,
        images=digest.images,
        link_parameters=digest.link_parameters,
        unapproved=digest.unapproved,
        approve_within=digest.approve_within,
        draft_before=digest.draft_before or timedelta(0),
        announce=digest.announce or timedelta(0),
        guards=digest.guards,
        rests=digest.recipients == "operators",
        # What goes to the operators only must not use up what a sponsor has paid for.
        sponsors=()
        if is_shadow(digest.slug)
        else tuple(each for each in sponsors(settings) if each.is_in(digest.slug)),
    )


def sponsors(settings: Settings) -> tuple[Sponsor, ...]:
    """All sponsors, in their order."""
    return tuple(
        Sponsor(
            block=SponsorBlock(
                sponsor=each.slug,
                place=each.place,
                label=each.label,
                title=each.title,
                text=each.text,
                link=each.link,
                image=each.image,
                image_alt=each.image_alt,
                image_width=each.image_width,
                language=each.language or "",
            ),
            digests=each.digests,
            first=each.first,
            last=each.last,
            issues=each.issues,
        )
        for each in settings.sponsors
    )


def desk(settings: Settings, digest: Digest) -> Desk | None:
    """Who gets it while it goes to the operators only; None for one that goes to its readers."""
    if digest.recipients == "subscribers":
        return None
    operators = [parse_address(address) for address in settings.mail.operators]
    return Desk(operators=operators, cadences=[cadence.value for cadence in digest.cadences])


def sender(settings: Settings, digest: Digest) -> Sender:
    """Who the mails of a digest are from."""
    from feed_publisher.compose.message import Sender

    list_domain = settings.mail.list_domain or digest.from_address.rpartition("@")[2]
    slug = real_slug(digest.slug)
    return Sender(
        name=digest.from_name or digest.title,
        address=digest.from_address,
        reply_to=digest.reply_to or "",
        list_id=f"{slug}.{list_domain}",
        list_help=f"{settings.site.base_url}/digests/{slug}",
        list_archive=f"{settings.site.base_url}/issues/{slug}" if digest.archive else "",
        message_id_domain=list_domain,
        mark=DESK_MARK if is_shadow(digest.slug) else "",
    )


def letter_rules(settings: Settings, digest: Digest) -> LetterRules:
    """What letters take from one digest."""
    from feed_publisher.services.letters import LetterRules

    return LetterRules(
        title=digest.title, language=digest.language or settings.site.language, sender=sender(settings, digest)
    )


DESK_MARK = "[Desk] "
"""Before the subjects of issues that go to the operators only, so that nobody passes one on as the real one."""

_EVERY = {"feed": timedelta(minutes=30)}
_MAILED_BACK: dict[object, timedelta | None] = {"all": None, "none": timedelta(0)}


def source_rules(source: Source, site_topics: tuple[str, ...] = ()) -> SourceRules:
    """One source of the settings; ``site_topics``, when given, replace headings and the source's own topics."""
    kind = SourceKind(source.kind)
    contact = source.first_contact or ("none" if kind.is_fetched else "all")
    return SourceRules(
        slug=source.slug,
        location=source.location,
        kind=kind,
        every=source.every or _EVERY.get(source.kind, timedelta(hours=1)),
        topics=site_topics or source.topics,
        topic_map=source.topic_map,
        language=source.language,
        first_contact=contact if isinstance(contact, timedelta) else _MAILED_BACK[contact],
        headers=tuple(source.headers.items()),
        select=Selectors(**source.select.model_dump()),
        pages=source.pages,
        silence=source.silence,
        takes_over=source.takes_over,
    )


def configured_sources(settings: Settings, topics: tuple[str, ...] = ()) -> list[SourceRules]:
    """All sources of the settings."""
    return [source_rules(source, topics) for source in settings.sources]


def named_source(settings: Settings, folder: Path, path: str, topics: tuple[str, ...]) -> SourceRules:
    """A file, folder or address named by hand: a source of its own, taken as wanted.

    One that is a configured source, or lies within one, belongs to that source, so that both ways of reading agree.
    """
    if urlsplit(path).scheme in ("http", "https"):
        same = next((source for source in settings.sources if source.location == path), None)
        if same is not None:
            return replace(source_rules(same, topics), wanted=True)
        return SourceRules(slug=_slug_of(path), location=path, kind=SourceKind.PATH, topics=topics, wanted=True)
    named = Path(path).resolve()
    for source in settings.sources:
        root = (folder / source.location).resolve()
        if source.kind == "folder" and named.is_relative_to(root):
            inside = named.relative_to(root)
            parent = inside if named.is_dir() else inside.parent
            prefix = "" if parent == Path() else f"{parent.as_posix()}/"
            rules = source_rules(source, topics)
            return replace(rules, location=str(named), prefix=prefix, wanted=True)
    return SourceRules(slug=_slug_of(str(named)), location=str(named), kind=SourceKind.PATH, topics=topics, wanted=True)


def _slug_of(location: str) -> str:
    """A lasting name for a source that has none: column ``slug`` holds 255 characters."""
    return f"path:{location}" if len(location) < 200 else f"path:{hashlib.sha256(location.encode()).hexdigest()}"


def header_value(value: str, folder: Path) -> str:
    """The value, or with "file:NAME" what stands in that file, seen from the site."""
    if not value.startswith("file:"):
        return value
    file = folder / value.removeprefix("file:")
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the value of a header cannot be read: {error}", str(file)) from error


CALL_SECONDS = 10.0
"""Hubs and their subscribers have only this long to answer: others wait behind them."""


def caller(settings: Settings, strangers: bool = False) -> HttpFetcher:
    """The one HTTP client, with less patience.

    ``strangers``: it calls whoever asks for it, so that the private hosts that the operator's own sources may be on
    are out of its reach, unless the whole site is a trial on this machine.
    """
    from feed_publisher.adapters.http.exchange import Limits

    limits = Limits(connect=CALL_SECONDS / 2, total=CALL_SECONDS, packed=_ANSWER, unpacked=_ANSWER)
    return fetcher(settings, limits, () if strangers and not settings.site.is_loopback else None)


_ANSWER = 100_000
"""Bytes; what comes back is a challenge."""


def fetcher(settings: Settings, limits: Limits | None = None, allow: Sequence[str] | None = None) -> HttpFetcher:
    """The one HTTP client; ``allow`` replaces the private hosts of the settings."""
    from feed_publisher.adapters.http.client import USUAL, HttpFetcher

    fetch, site = settings.fetch, settings.site
    about = fetch.contact or ("" if site.is_loopback else site.base_url)
    return HttpFetcher(
        allow=fetch.allow if allow is None else allow,
        user_agent=f"feed-publisher/{version('feed-publisher')}" + (f" (+{about})" if about else ""),
        connections=fetch.connections,
        per_host=fetch.per_host,
        proxy=fetch.proxy or None,
        limits=limits or USUAL,
    )


def relay(settings: Settings, folder: Path) -> Relay:
    """The configured mail server, with its password read from its file."""
    from feed_publisher.adapters.smtp.relay import Relay

    smtp = settings.smtp
    return Relay(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls,
        username=smtp.username or None,
        password=_password(folder / smtp.password_file) if smtp.password_file else None,
        connections=smtp.connections,
    )


def signers(settings: Settings, folder: Path) -> tuple[Signer, ...]:
    """The keys that mails are signed with."""
    from feed_publisher.compose.dkim import Signer

    found = []
    for key in settings.dkim:
        file = folder / key.key_file
        try:
            found.append(Signer.of(key.domain, key.selector, file.read_bytes()))
        except OSError as error:
            raise ConfigError(f"the DKIM key cannot be read: {error.strerror}", str(file)) from error
        except InputError as error:
            raise ConfigError(error.reason, str(file)) from error
    return tuple(found)


def is_relay_here(settings: Settings) -> bool:
    """Whether mail is handed to this machine: to the built-in mailbox, or to a mail server on it."""
    from feed_publisher.adapters.smtp.relay import is_loopback

    return not settings.smtp.host or is_loopback(settings.smtp.host)


def patient(settings: Settings, folder: Path) -> Patient:
    """What the doctor looks at."""
    from feed_publisher.services.doctor import Patient

    bounces: str = getattr(settings.mail, "bounce_domain", "")
    return Patient(
        senders=tuple(dict.fromkeys(digest.from_address for digest in settings.digests)),
        arriving=_arriving(settings, bounces),
        list_domain=settings.mail.list_domain,
        bounce_domain=bounces,
        relay="" if is_relay_here(settings) else settings.smtp.host.strip("[]"),
        signers=signers(settings, folder),
        base_url=settings.site.base_url,
        postal_address=settings.site.postal_address,
        asks_all=bool(settings.mail.dns_server),
    )


def _arriving(settings: Settings, bounces: str) -> dict[str, str]:
    """What must arrive at which domain. Mail of letters comes back to the sender, whatever issues do."""
    wanted: dict[str, set[str]] = {}
    for digest in settings.digests:
        wanted.setdefault(digest.from_address.rpartition("@")[2], set()).add("bounces")
        wanted.setdefault((digest.reply_to or digest.from_address).rpartition("@")[2], set()).add("answers")
    if bounces:
        wanted.setdefault(bounces, set()).add("bounces")
    return {domain: " and ".join(sorted(what)) for domain, what in wanted.items()}


def _password(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the mail server's password cannot be read: {error}", str(file)) from error
