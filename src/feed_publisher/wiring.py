"""What the settings mean to the services: rules, senders, sources, the relay. Plain functions of the settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feed_publisher.config.models import Digest, Settings
from feed_publisher.domain.cadence import Clock
from feed_publisher.domain.errors import ConfigError, InputError

# The services below are imported when they are needed, so that a command that needs none of them starts quickly.
if TYPE_CHECKING:
    from feed_publisher.adapters.smtp.relay import Relay
    from feed_publisher.compose.digest import SiteView
    from feed_publisher.compose.message import Sender
    from feed_publisher.services.edition import DigestRules
    from feed_publisher.services.pickup import Wanted
    from feed_publisher.services.publish import FeedSite


def feed_site(settings: Settings) -> FeedSite:
    """What feeds say about the site."""
    from feed_publisher.services.publish import FeedSite

    site = settings.site
    return FeedSite(title=site.title, base_url=site.base_url, language=site.language)


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
    )


def digest_rules(settings: Settings, digest: Digest) -> DigestRules:
    """What issues take from one digest."""
    from feed_publisher.services.edition import DigestRules

    return DigestRules(
        slug=digest.slug,
        title=digest.title,
        topics=digest.topics,
        cadences=digest.cadences,
        weekday=digest.weekday,
        clock=Clock(digest.zone or settings.site.timezone, digest.hour),
        language=settings.site.language,
        maximum=digest.maximum,
        max_lateness=digest.max_lateness,
        needs_approval=digest.policy == "approve",
    )


def sender(settings: Settings, digest: Digest) -> Sender:
    """Who the mails of a digest are from."""
    from feed_publisher.compose.message import Sender

    list_domain = settings.mail.list_domain or digest.from_address.rpartition("@")[2]
    return Sender(
        name=digest.from_name or digest.title,
        address=digest.from_address,
        reply_to=digest.reply_to or "",
        list_id=f"{digest.slug}.{list_domain}",
        message_id_domain=list_domain,
    )


def configured_sources(settings: Settings, topics: tuple[str, ...]) -> list[Wanted]:
    """All sources of the settings; ``topics``, when given, replace headings and the sources' own."""
    from feed_publisher.services.pickup import Wanted

    return [
        Wanted(
            slug=source.slug,
            location=source.location,
            topics=topics or source.topics,
            skips_first=source.first_contact == "none",
        )
        for source in settings.sources
    ]


def named_source(settings: Settings, folder: Path, path: str, topics: tuple[str, ...]) -> Wanted:
    """A file or folder named by hand: a source of its own, taken as wanted.

    One that lies within a configured folder belongs to that source, so that both ways of reading it agree.
    """
    from feed_publisher.services.pickup import Wanted

    if urlsplit(path).scheme in ("http", "https"):
        raise InputError("addresses are not read yet; save the page as text, Markdown or JSON", path)
    named = Path(path).resolve()
    for source in settings.sources:
        root = (folder / source.location).resolve()
        if named.is_relative_to(root):
            inside = named.relative_to(root)
            parent = inside if named.is_dir() else inside.parent
            prefix = "" if parent == Path() else f"{parent.as_posix()}/"
            return Wanted(slug=source.slug, location=str(named), topics=topics or source.topics, prefix=prefix)
    location = str(named)
    slug = f"path:{location}" if len(location) < 200 else f"path:{hashlib.sha256(location.encode()).hexdigest()}"
    return Wanted(slug=slug, location=location, kind="path", topics=topics)


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


def _password(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the mail server's password cannot be read: {error}", str(file)) from error
