"""bounces list"""

from __future__ import annotations

from datetime import timedelta

import click

from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.bounce import BounceKind
from feed_publisher.domain.model import escaped

COUNTED = timedelta(days=30)
SAID = {
    BounceKind.HARD: "no such address",
    BounceKind.SOFT: "not now",
    BounceKind.UNCLEAR: "refused, unclear why",
    BounceKind.REFUSED: "refused",
    BounceKind.POLICY: "refused because of us",
    BounceKind.COMPLAINT: "called spam",
    BounceKind.DELAYED: "delayed",
    BounceKind.DELIVERED: "arrived",
}
"""The kinds of reports for people."""


@click.group()
def bounces() -> None:
    """What came back after the mail server had accepted it."""


@bounces.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@with_out
@click.pass_obj
def list_bounces(place: Place, limit: int, out: Out) -> None:
    """Newest first: when, whose, which newsletter, what it was and why; and what else came in these 30 days."""
    with open_app(place) as app:
        found = app.bounces.newest(limit)
        counts = app.bounces.counts((app.clock() - COUNTED).date())
    out.document(
        {
            "bounces": [
                {
                    "at": each.at.isoformat(),
                    "address": each.address,
                    "digest": each.digest,
                    "issue": each.issue,
                    "kind": each.kind,
                    "reason": each.reason,
                }
                for each in found
            ],
            "received": counts,
        }
    )
    rows = [
        (
            f"{each.at:%Y-%m-%d %H:%M}",
            each.address or "(erased)",
            each.digest,
            SAID[BounceKind(each.kind)],
            escaped(each.reason),
        )
        for each in found
    ]
    out.table(("when (UTC)", "address", "newsletter", "what", "why"), rows)
    if counts:
        out.say("in 30 days: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    elif not found:
        out.say("Nothing has come back. `check` says whether anything could.")
