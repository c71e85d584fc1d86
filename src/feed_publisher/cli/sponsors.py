"""sponsors list"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.model import escaped
from feed_publisher.domain.sponsor import Sponsor, SponsorBlock
from feed_publisher.services.sponsoring import Standing


@click.group()
def sponsors() -> None:
    """Who paid for a place in the mails of digests."""


@sponsors.command("list")
@with_out
@click.pass_obj
def list_sponsors(place: Place, out: Out) -> None:
    """All sponsors: where, from when to when, how many issues have carried them, and which could be the next."""
    with open_app(place) as app:
        found = app.sponsors()
        out.document({"sponsors": [_json(each) for each in found]})
        if found:
            header = ("sponsor", "place", "digests", "dates", "issues", "left", "status", "next")
            out.table(header, [_row(app, each) for each in found])
        else:
            out.say("There is no sponsor. Add one as [[sponsors]] to publisher.toml; docs/digests.md tells how.")


def _row(app: App, each: Standing) -> tuple[object, ...]:
    sponsor, left = each.sponsor, "" if each.left is None else each.left
    digests = ", ".join(sponsor.digests) or "all"
    return sponsor.slug, sponsor.block.place, digests, dates(sponsor), each.used, left, each.status, _next(app, each)


def dates(sponsor: Sponsor) -> str:
    """Its first and last date, as far as they are set."""
    first = f"from {sponsor.first}" if sponsor.first else ""
    last = f"until {sponsor.last}" if sponsor.last else ""
    return f"{first} {last}".strip()


def _next(app: App, each: Standing) -> str:
    if each.next is None:
        return ""
    zone = ZoneInfo(app.rules(each.next.digest).clock.zone)
    return f"{each.next.due.astimezone(zone):%Y-%m-%d %H:%M} {each.next.digest}"


def _json(each: Standing) -> dict[str, object]:
    sponsor, turn = each.sponsor, each.next
    return {
        "sponsor": sponsor.slug,
        "title": sponsor.block.title,
        "place": sponsor.block.place,
        "digests": list(each.digests),
        "from": sponsor.first.isoformat() if sponsor.first else None,
        "until": sponsor.last.isoformat() if sponsor.last else None,
        "issues": sponsor.issues,
        "used": each.used,
        "left": each.left,
        "status": each.status,
        "next": {"at": turn.due.isoformat(), "digest": turn.digest} if turn else None,
    }


def sponsors_text(blocks: Sequence[SponsorBlock]) -> str:
    """Who they are and where, in one line."""
    return escaped(", ".join(f"{block.title} ({block.sponsor}, {block.place})" for block in blocks))


def sponsors_json(blocks: Sequence[SponsorBlock]) -> list[dict[str, str]]:
    return [{"sponsor": block.sponsor, "title": block.title, "place": block.place} for block in blocks]
