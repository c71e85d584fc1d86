"""digest list|start|preview"""

from __future__ import annotations

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.preview import preview
from feed_publisher.cli.starting import start
from feed_publisher.domain.cadence import Cadence


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
                "recipients": each.recipients,
                "note": app.recipients.sentence(each),
                "due": {cadence.value: _due(app, app.settings.mailed(each.slug), cadence) for cadence in each.cadences},
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
    for each in found:
        if each["note"]:
            out.say(f"{each['digest']} {each['note']}")


digest.add_command(preview)
digest.add_command(start)
