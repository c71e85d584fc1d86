"""sources test|detect: what a source says now; what lies at an address, and how it becomes a source."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.looking import (
    SHOWN,
    draft_json,
    draft_line,
    fetcher_for,
    is_address,
    look_at,
    private_host,
    proposal,
    read_local,
    taken_slugs,
)
from feed_publisher.config.models import Settings
from feed_publisher.config.writing import append_sources
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.identity import canonical_link, keys_of
from feed_publisher.domain.model import Draft, Reading, escaped
from feed_publisher.domain.source import SourceKind, SourceRules
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.services.detect import Finding
    from feed_publisher.services.remote import Visit


@click.command()
@click.argument("target", metavar="SLUG|URL|PATH")
@with_out
@click.pass_obj
def test(place: Place, target: str, out: Out) -> None:
    """Fetch and read it now, and show what is found; no article is stored, and its next visit stays when it was."""
    with open_app(place) as app:
        rules = next((each for each in app.intake.configured() if each.slug == target), None)
        if rules is not None and rules.kind is SourceKind.PUSH:
            raise InputError("is pushed to us, so there is nothing to fetch; `sources show` tells how to push", target)
        document = _tested(app, rules or _unknown(target), rules is not None)
    _show_test(document, out)
    out.document(document)
    sys.exit(1 if document["error"] else 0)


def _unknown(target: str) -> SourceRules:
    if not is_address(target) and not Path(target).exists():
        raise NotFoundError(f"{target}: there is no such source, file or folder; `sources list` shows all sources")
    location = target if is_address(target) else str(Path(target).resolve())
    return SourceRules(slug=f"path:{location}", location=location, kind=SourceKind.PATH)


def _tested(app: App, rules: SourceRules, configured: bool) -> dict[str, object]:
    began = time.monotonic()
    if rules.is_remote:
        visit = asyncio.run(_visited(app, rules, configured))
        reading, error, answer = visit.reading or Reading(), visit.error, visit.answer
    else:
        reading, error, answer = read_local(app, rules.location, rules.select), "", None
    if not reading.drafts and not error:
        error = reading.problems[0].reason if reading.problems else "holds no articles"
    about = reading.about
    known = sum(app.entries.knows(keys_of(draft, rules.slug)) for draft in reading.drafts) if configured else None
    return {
        "source": rules.slug if configured else None,
        "location": rules.location,
        "status": answer.status if answer else None,
        "bytes": len(answer.body) if answer else None,
        "kind": about.kind,
        "title": about.title,
        "language": about.language,
        "hub": (answer.hub if answer else None) or about.hub,
        "milliseconds": round((time.monotonic() - began) * 1000),
        "found": len(reading.drafts),
        "known": known,
        "entries": [draft_json(draft) for draft in reading.drafts[:SHOWN]],
        "problems": [{"where": problem.where, "reason": problem.reason} for problem in reading.problems],
        "error": error,
    }


async def _visited(app: App, rules: SourceRules, configured: bool) -> Visit:
    client = wiring.fetcher(app.settings) if configured else fetcher_for(app.settings, rules.location)
    async with client as fetcher:
        return await app.intake.look(rules, fetcher)


def _show_test(found: dict[str, object], out: Out) -> None:
    facts = [
        f"HTTP {found['status']}" if found["status"] else "",
        f"{found['bytes']} bytes" if found["bytes"] else "",
        found["kind"],
        f"“{found['title']}”" if found["title"] else "",
        f"language {found['language']}" if found["language"] else "",
        f"hub {found['hub']}" if found["hub"] else "",
        f"{found['milliseconds']} ms",
    ]
    out.say(f"{found['location']}: " + escaped(", ".join(str(fact) for fact in facts if fact)))
    entries, problems, count = found["entries"], found["problems"], found["found"]
    assert isinstance(entries, list) and isinstance(problems, list) and isinstance(count, int)  # noqa: S101, PT018
    for entry in entries:
        out.say(f"  {draft_line(entry)}")
    if not found["error"]:
        more = f", {found['known']} of them known" if found["known"] is not None else ""
        out.say(f"{many(count, 'article')} found{more}")
    for problem in problems:
        click.echo(escaped(f"skipped {problem['where']}: {problem['reason']}"), err=True)
    if found["error"]:
        click.echo(escaped(f"error: {found['location']}: {found['error']}"), err=True)


@click.command()
@click.argument("target", metavar="URL_OR_PATH")
@click.option("--add", is_flag=True, help="Append it to publisher.toml.")
@click.option("--slug", metavar="SLUG", help="Its name; otherwise made from its title.")
@with_out
@click.pass_obj
def detect(place: Place, target: str, add: bool, slug: str | None, out: Out) -> None:
    """Find out what lies there, and how it would be set up as a source."""
    with open_app(place) as app:
        finding = asyncio.run(look_at(app, target))
        _refuse_configured(app.settings, finding)
        source = proposal(finding, taken_slugs(app), slug)
    _show_finding(finding, out)
    out.say(f"\n{source.toml}")
    if add:
        append_sources(place.folder, [source], place.overrides)
        out.say(f"added to {place.folder / 'publisher.toml'}; the next pickup reads it")
        host = private_host(finding.location)
        if host and not any(host in allowed for allowed in app.settings.fetch.allow):
            out.say(f'its host is private, and visited only when [fetch] allow names it: allow = ["{host}"]')
    out.document({**_finding_json(finding), "slug": source.slug, "toml": source.toml, "added": add})


def _refuse_configured(settings: Settings, finding: Finding) -> None:
    for source in settings.sources:
        if source.location and canonical_link(source.location) == canonical_link(finding.location):
            raise InputError(
                f"is the source {source.slug!r} already; `sources test {source.slug}` reads it", source.location
            )


def _show_finding(finding: Finding, out: Out) -> None:
    drafts, about = finding.reading.drafts, finding.reading.about
    for note in finding.notes:
        out.say(escaped(f"not used: the page advertises {note.where}, but it {note.reason}"))
    title, found = f" “{about.title}”" if about.title else "", many(len(drafts), "article")
    out.say(escaped(f"{finding.location} is {finding.words}{title}: {found}, recognised {finding.how}"))
    if not finding.shapes:
        for draft in drafts[:3]:
            out.say(f"  {draft_line(draft_json(draft))}")
    for shape in finding.shapes:
        chosen = f"; select.entry = {shape.select.entry}" if shape.select.entry else ""
        out.say(
            escaped(f"by {shape.method}: {many(len(shape.drafts), 'article')}, {_completeness(shape.drafts)}{chosen}")
        )
        for draft in shape.drafts[:3]:
            out.say(f"  {draft_line(draft_json(draft))}")
    out.problems(finding.reading.problems[:SHOWN])


def _completeness(drafts: Sequence[Draft]) -> str:
    from feed_publisher.services.detect import completeness

    some = [(part, count) for part, count in completeness(drafts).items() if count < len(drafts)]
    words = [f"{count or 'none'} of them with {part}" for part, count in some]
    return ", ".join(words) or "complete"


def _finding_json(finding: Finding) -> dict[str, object]:
    from feed_publisher.services.detect import completeness

    return {
        "location": finding.location,
        "kind": finding.kind,
        "what": finding.words,
        "how": finding.how,
        "page": finding.page or None,
        "title": finding.reading.about.title,
        "language": finding.reading.about.language,
        "found": len(finding.reading.drafts),
        "entries": [draft_json(draft) for draft in finding.reading.drafts[:SHOWN]],
        "shapes": [
            {
                "method": shape.method,
                "found": len(shape.drafts),
                "with": completeness(shape.drafts),
                "select": {"entry": shape.select.entry} if shape.select.entry else {},
            }
            for shape in finding.shapes
        ],
        "notes": [{"where": note.where, "reason": note.reason} for note in finding.notes],
    }
