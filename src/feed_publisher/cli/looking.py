"""What lies at an address or in a file, and the settings that would make it a source."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.config.models import Settings
from feed_publisher.config.writing import NewSource
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Reading, escaped
from feed_publisher.domain.slug import check_slug, free_slug
from feed_publisher.domain.source import Selectors, SourceKind

if TYPE_CHECKING:
    from feed_publisher.adapters.http.client import HttpFetcher
    from feed_publisher.services.detect import Finding

SHOWN = 10


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def fetcher_for(settings: Settings, address: str) -> HttpFetcher:
    """The HTTP client, which may also talk to the host of an address that the operator has typed; to no other."""
    from feed_publisher.adapters.http.addresses import port_of, read_url

    url = read_url(address)
    host = url.raw_host.decode("ascii")
    typed = f"[{host}]:{port_of(url)}" if ":" in host else f"{host}:{port_of(url)}"
    fetch = settings.fetch.model_copy(update={"allow": (*settings.fetch.allow, typed)})
    return wiring.fetcher(settings.model_copy(update={"fetch": fetch}))


def private_host(address: str) -> str:
    """The host of an address when it is plainly private, so that visits need [fetch] allow; else ""."""
    from feed_publisher.adapters.http.addresses import is_public

    host = urlsplit(address).hostname or ""
    try:
        return "" if is_public(ip_address(host)) else host
    except ValueError:
        return host if host == "localhost" else ""


def existing_path(text: str) -> Path:
    """What lies there, or InputError with what was probably meant."""
    path = Path(text)
    if path.exists():
        return path
    looks_like_host = "." in text.partition("/")[0].strip(".") and not text.startswith((".", "/"))
    advice = f"; did you mean https://{text} ?" if looks_like_host else ""
    raise InputError(f"there is no such file or folder{advice}", text)


async def look_at(app: App, target: str) -> Finding:
    """A file, a folder or an address; nothing is stored."""
    from feed_publisher.services.detect import Detector

    if not is_address(target):
        return look_into(app, target)
    async with fetcher_for(app.settings, target) as fetcher:
        return await Detector(fetcher, app.intake.parser).look(target)


def look_into(app: App, target: str) -> Finding:
    """A file or folder of this computer."""
    from feed_publisher.services.detect import Finding

    path = existing_path(target).resolve()
    reading = read_local(app, str(path), Selectors())
    if not reading.drafts:
        reason = reading.problems[0].reason if reading.problems else "holds no articles"
        raise InputError(reason, reading.problems[0].where if reading.problems else target)
    site = app.folder.resolve()
    location = os.path.relpath(path, site) if path.is_relative_to(site) else str(path)
    return Finding(location=location, kind=SourceKind.FOLDER, reading=reading)


def read_local(app: App, location: str, select: Selectors) -> Reading:
    from feed_publisher.adapters.files import DiskSources
    from feed_publisher.parse.document import KNOWN_SUFFIXES
    from feed_publisher.services.detect import read_path

    files = DiskSources(app.folder, KNOWN_SUFFIXES)
    return read_path(files, app.intake.parser, location, select, app.clock())


def proposal(finding: Finding, taken: Container[str], slug: str | None = None) -> NewSource:
    """The settings that make a finding a source. InputError when it can be none."""
    if finding.kind is SourceKind.PATH:
        reason = f"is {finding.words}, which is not visited again and again; save it in a folder that is a source"
        raise InputError(reason, finding.location)
    title = finding.reading.about.title
    name = title or name_of(finding.location)
    chosen = check_slug(slug, "--slug") if slug else free_slug(name, taken)
    if slug and slug in taken:
        raise InputError(f"{slug!r} is a source already; choose another slug", "--slug")
    return NewSource(
        slug=chosen,
        kind=finding.kind.value,
        location=finding.location,
        title=title[:100],
        select=asdict(finding.shapes[0].select) if finding.shapes else {},
    )


def name_of(location: str) -> str:
    if not is_address(location):
        return Path(location).stem
    return location.split("/")[2].rpartition("@")[2].partition(":")[0].removeprefix("www.")


def taken_slugs(app: App) -> set[str]:
    """Those of all sources there have ever been: a slug that comes again would go on where the other has ended."""
    return {source.slug for source in app.settings.sources} | {record.slug for record in app.sources.all()}


def draft_json(draft: Draft) -> dict[str, object]:
    return {
        "title": draft.title,
        "authors": list(draft.authors),
        "topics": list(draft.topics),
        "published": draft.published.isoformat() if draft.published else None,
        "link": draft.link,
        "summary": draft.summary,
    }


def draft_line(entry: dict[str, object]) -> str:
    """One article as a line: date, title, authors, topics."""
    authors, topics = entry["authors"], entry["topics"]
    assert isinstance(authors, list) and isinstance(topics, list)  # noqa: S101, PT018 - narrows types
    by = f", by {', '.join(authors)}" if authors else ""
    under = f" [{', '.join(topics)}]" if topics else ""
    return escaped(f"{str(entry['published'] or 'no date')[:10]:<10}  {entry['title']}{by}{under}")
