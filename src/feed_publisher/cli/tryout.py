"""try: read an address or a file without a site, and show the feed and the digest that it would make."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.looking import (
    SHOWN,
    draft_json,
    draft_line,
    existing_path,
    fetcher_for,
    is_address,
    look_into,
    name_of,
    proposal,
)
from feed_publisher.compose.message import Links
from feed_publisher.config.loading import FILE, load
from feed_publisher.config.writing import NewSource, quoted
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import EntryState, Problem, escaped
from feed_publisher.domain.source import SourceKind
from feed_publisher.ports.pickup import Fetcher, Page
from feed_publisher.services.absorbing import PickupReport
from feed_publisher.services.tryout import Mail, items_of, mail_of, topic_counts
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.services.detect import Finding

MOST = 30
"""Articles in the digest that is shown."""

SEPARATE = ("database.url=", "smtp.host=", "site.base_url=http://127.0.0.1:8000")
"""Whatever the environment says: a database of its own, and no mail server."""

_MARK = "# Proposed by `feed-publisher try`."
_TOML = """\
{mark} Put it into a folder of its own; `feed-publisher --site FOLDER serve` runs it.

[site]
title = {title}
base_url = "http://127.0.0.1:8000"   # where readers reach it
language = {language}

{source}
[[digests]]
slug = "weekly"
title = {title}
from_address = "digest@example.org"  # an address of your own domain
cadences = ["weekly", "daily"]
"""
_FEEDS = {"feed.atom": "all.atom", "feed.rss": "all.rss", "feed.json": "all.json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of a trial. ``files`` are written by name; ``toml`` is "" where there is no way to go on."""

    finding: Finding
    report: PickupReport
    topics: list[tuple[str, int]]
    mail: Mail | None
    toml: str
    files: dict[str, bytes]
    problems: list[Problem]


@click.command("try")
@click.argument("target", metavar="URL_OR_PATH")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Put what was made there.",
)
@click.option("--no-open", is_flag=True, help="Do not show the page in the browser.")
@with_out
@click.pass_obj
def tryout(place: Place, target: str, folder: Path | None, no_open: bool, out: Out) -> None:
    """Read an address, file or folder and show the feed and the digest made from it.

    Needs no site and mails nothing. Besides the address, only a feed that its page advertises and the next pages of
    its listing are fetched. Without --out, what was made lies in a temporary folder, which is named.
    """
    if folder is not None:
        _refuse_foreign(folder)
    with tempfile.TemporaryDirectory(prefix="feed-publisher-") as scratch, _own_settings():
        tried = asyncio.run(_try(Path(scratch), target, place.overrides))
    written = _write(tried, folder)
    _show(tried, written, folder is None, out)
    if not (no_open or out.json) and sys.stdout.isatty():
        webbrowser.open((written / "index.html").resolve().as_uri())


def _refuse_foreign(folder: Path) -> None:
    """Never write over the settings of a site."""
    file = folder / FILE
    if file.exists() and not file.read_text(errors="replace").startswith(_MARK):
        raise InputError(f"has a {FILE} of its own, which would be overwritten; name another folder", str(folder))


@contextmanager
def _own_settings() -> Iterator[None]:
    """Without what the environment sets for a site, but for how to reach the web."""
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith("FEED_PUBLISHER_") and not name.upper().startswith("FEED_PUBLISHER_FETCH")
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


async def _try(scratch: Path, target: str, overrides: tuple[str, ...]) -> Tried:
    from feed_publisher.services.detect import Detector, Remembering

    place = Place(scratch, (*overrides, *SEPARATE))
    (scratch / FILE).write_text('[site]\ntitle = "Trial"\n')
    if not is_address(target):
        existing_path(target)
        click.echo(f"reading {escaped(target)}", err=True)
        with open_app(place) as app:
            finding = look_into(app, target)
        return await _made(place, finding, None, target)
    async with fetcher_for(load(scratch, place.overrides), target) as fetcher:
        remembering = Remembering(fetcher)
        click.echo(f"reading {escaped(target)}", err=True)
        with open_app(place) as app:
            finding = await Detector(remembering, app.intake.parser).look(target)
        if finding.page:
            click.echo(f"the page advertises {escaped(finding.location)}", err=True)
        return await _made(place, finding, remembering, target)


async def _made(place: Place, finding: Finding, fetcher: Fetcher | None, target: str) -> Tried:
    """The way of all articles, on a site that is thrown away: pickup, publish, preview."""
    source = None if finding.kind is SourceKind.PATH else proposal(finding, ())
    (place.folder / FILE).write_text(_site_toml(finding, target, source, trial=True))
    click.echo("making the feed and the digest", err=True)
    with open_app(place) as app:
        report = await _picked(app, finding, fetcher, target)
        app.publish()
        made = app.proofs().mail(app.asked("weekly", newcomer=True), app.clock())
        mail = None
        if made is not None:
            sender = wiring.sender(app.settings, app.settings.digests[0])
            mail = mail_of(made.edition, sender, _example_links(app), app.clock())
        topics = topic_counts(app.entries.page(Page(limit=10_000, state=EntryState.PUBLIC)))
        files = {name: (place.folder / "public" / "feeds" / file).read_bytes() for name, file in _FEEDS.items()}
        problems = [*finding.notes, *report.rejected]
        toml = _site_toml(finding, target, source, trial=False) if source else ""
        tried = Tried(
            finding=finding, report=report, topics=topics, mail=mail, toml=toml, files=files, problems=problems
        )
        return replace(tried, files=files | _made_of_mail(mail) | _made_for_people(app, tried, target))


async def _picked(app: App, finding: Finding, fetcher: Fetcher | None, target: str) -> PickupReport:
    if finding.kind is SourceKind.FOLDER:
        return await app.intake.pickup([finding.location])
    if finding.answer is None or fetcher is None:
        raise AssertionError("an address was fetched")
    if finding.kind is SourceKind.PATH:
        return await _picked_document(app, finding.answer.body, target)
    report = PickupReport()
    await app.intake.visit(app.intake.claim(), fetcher, report)
    return report


async def _picked_document(app: App, body: bytes, target: str) -> PickupReport:
    """What is no feed or page is read as the file that it would be on disk."""
    suffix = PurePosixPath(urlsplit(target).path).suffix
    file = app.folder / f"document{suffix if suffix.isascii() and len(suffix) < 10 else ''}"
    file.write_bytes(body)
    report = await app.intake.pickup([str(file)])
    report.rejected = [replace(each, where=each.where.replace(str(file), target)) for each in report.rejected]
    return report


def _site_toml(finding: Finding, target: str, source: NewSource | None, trial: bool) -> str:
    about = finding.reading.about
    title = about.title[:200] or name_of(target)
    if source and trial:
        source = replace(source, more={"first_contact": "all"})
    settings = _TOML.format(
        mark=_MARK,
        title=quoted(title),
        language=quoted(_language(about.language)),
        source=source.toml if source else "",
    )
    return settings + (f'backfill = "all"\nmaximum = {MOST}\n' if trial else "")


def _language(code: str | None) -> str:
    """One that dates can be written in, else English."""
    from babel.core import Locale, UnknownLocaleError

    try:
        Locale.parse(code or "en", sep="-")
    except (UnknownLocaleError, ValueError):
        return "en"
    return code or "en"


def _made_of_mail(mail: Mail | None) -> dict[str, bytes]:
    if mail is None:
        return {}
    return {"digest.html": mail.html.encode(), "digest.txt": mail.text.encode(), "digest.eml": mail.message}


def _made_for_people(app: App, tried: Tried, target: str) -> dict[str, bytes]:
    from feed_publisher.compose.html import render

    page = render(
        app.templates,
        "web/try.html",
        target=target,
        finding=tried.finding,
        title=app.settings.site.title,
        site=app.settings.site,
        language=app.settings.site.language,
        found=len(tried.report.new),
        held=tried.report.held,
        topics=tried.topics,
        items=items_of(tried.files["feed.json"], f"{app.base_url}/"),
        mail=tried.mail,
        # Its links open outside the frame, which may show nothing else.
        framed=tried.mail.html.replace("<head>", '<head><base target="_blank">', 1) if tried.mail else "",
        most=MOST,
        problems=tried.problems,
        toml=tried.toml,
        date_now=app.clock(),
    )
    made = {"index.html": page.encode("utf-8", "replace")}
    return made | ({FILE: tried.toml.encode()} if tried.toml else {})


def _write(tried: Tried, folder: Path | None) -> Path:
    target = folder or Path(tempfile.mkdtemp(prefix="feed-publisher-try-"))
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in tried.files.items():
            (target / name).write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(target)) from error
    return target


def _show(tried: Tried, folder: Path, is_temporary: bool, out: Out) -> None:
    finding, about, new = tried.finding, tried.finding.reading.about, tried.report.new
    title = f" “{about.title}”" if about.title else ""
    out.say(escaped(f"{finding.location} is {finding.words}{title}, recognised {finding.how}"))
    for draft in new[:SHOWN]:
        out.say(f"  {draft_line(draft_json(draft))}")
    if len(new) > SHOWN:
        out.say(f"  … and {len(new) - SHOWN} more")
    out.problems(tried.problems)
    counted = ", ".join(f"{name} {count}" for name, count in tried.topics[:SHOWN])
    out.say(escaped(f"{many(len(new), 'article')}; topics: {counted or 'none'}"))
    if tried.mail:
        out.say(escaped(f"digest: “{tried.mail.subject}”"))
    where = ", in a temporary folder; --out DIR chooses another" if is_temporary else ""
    out.say(f"look at {folder / 'index.html'}{where}")
    out.say(f"beside it: {', '.join(sorted(tried.files.keys() - {'index.html'}))}")
    out.document(_json(tried, folder))


def _json(tried: Tried, folder: Path) -> dict[str, object]:
    finding = tried.finding
    return {
        "out": str(folder),
        "files": sorted(tried.files),
        "location": finding.location,
        "kind": finding.kind,
        "what": finding.words,
        "how": finding.how,
        "title": finding.reading.about.title,
        "language": finding.reading.about.language,
        "found": len(tried.report.new),
        "held": len(tried.report.held),
        "topics": [{"title": name, "entries": count} for name, count in tried.topics],
        "subject": tried.mail.subject if tried.mail else None,
        "problems": [{"where": problem.where, "reason": problem.reason} for problem in tried.problems],
        "toml": tried.toml,
    }


def _example_links(app: App) -> Links:
    return Links(unsubscribe=f"{app.base_url}/unsubscribe/example", preferences=f"{app.base_url}/preferences/example")
