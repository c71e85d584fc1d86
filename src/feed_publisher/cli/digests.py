"""digest list|start|preview"""

from __future__ import annotations

from pathlib import Path

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, parse_instant, with_out
from feed_publisher.cli.group import Place
from feed_publisher.compose.message import readable
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.errors import InputError, NotFoundError


@click.group()
def digest() -> None:
    """Recurring mails."""


def _due(app: App, slug: str, cadence: Cadence) -> str:
    if cadence is Cadence.INSTANT:
        return "as soon as there is a new article"
    due = app.next_issue(slug, cadence)
    return f"{due:%A, %d %B %Y at %H:%M}" if due else ""


@digest.command("list")
@with_out
@click.pass_obj
def list_digests(place: Place, out: Out) -> None:
    """All digests, with their readers and when the next issues are due."""
    with open_app(place) as app:
        found = [
            {
                "digest": each.slug,
                "title": each.title,
                "readers": app.people.count_active(each.slug),
                "due": {cadence.value: _due(app, each.slug, cadence) for cadence in each.cadences},
            }
            for each in app.settings.digests
        ]
    out.document({"digests": found})
    rows = []
    for each in found:
        due = each["due"]
        assert isinstance(due, dict)  # noqa: S101 - narrows a type
        rows += [(each["digest"], each["title"], each["readers"], cadence, when) for cadence, when in due.items()]
    out.table(("digest", "title", "readers", "how often", "next"), rows)


@digest.command()
@click.argument("slug")
@click.option("--from", "start", required=True, metavar="all|now|TIME", help="The first entries new readers get.")
@with_out
@click.pass_obj
def start(place: Place, slug: str, start: str, out: Out) -> None:
    """Let a digest start elsewhere, for readers who have had no issue yet."""
    with open_app(place) as app:
        app.settings.digest(slug)
        if start == "all":
            sequence = 0
        elif start == "now":
            sequence = app.issues.current_sequence()
        else:
            moment = parse_instant(start, app.settings.site.timezone, "--from")
            sequence = app.issues.sequence_at(moment or app.clock())
        readers = app.issues.restart_digest(slug, sequence)
    out.say(f"{slug} starts after sequence {sequence}; that moves {readers} readers who have had no issue yet")
    out.document({"digest": slug, "start": sequence, "readers": readers})


@digest.command()
@click.argument("slug")
@click.option("--as-of", "as_of", metavar="TIME", help="Leave out what became public later.")
@click.option("--subscriber", metavar="ADDR", help="As this reader would get it.")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write mail.html and mail.txt there."
)
@with_out
@click.pass_obj
def preview(place: Place, slug: str, as_of: str | None, subscriber: str | None, folder: Path | None, out: Out) -> None:
    """Show the mail that would leave now; changes nothing."""
    with open_app(place) as app:
        app.settings.digest(slug)
        address = parse_address(subscriber) if subscriber else None
        edition = app.preview(slug, address, parse_instant(as_of, app.settings.site.timezone))
        nowhere = app.letterhead.links(0)  # a link that works belongs in one reader's mail only
    if edition is None:
        raise NotFoundError("there is nothing new, so there would be no mail")
    html, text = (readable(each, edition.nonce, nowhere) for each in (edition.html, edition.text))
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "mail.html").write_text(html)
            (folder / "mail.txt").write_text(text)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", str(folder)) from error
        out.say(f"wrote {folder / 'mail.html'} and {folder / 'mail.txt'}")
    else:
        out.say(f"Subject: {edition.subject}\n\n{text}")
    out.document({"subject": edition.subject, "entries": len(edition.entries), "html": html, "text": text})
