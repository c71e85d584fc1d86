"""feeds list"""

from __future__ import annotations

import click

from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.archive import FeedKind
from feed_publisher.ports.feeds import FeedState
from feed_publisher.services.words import ago


@click.group()
def feeds() -> None:
    """What readers can follow."""


@feeds.command("list")
@with_out
@click.pass_obj
def list_feeds(place: Place, out: Out) -> None:
    """All feeds: when they changed, how many follow them, and what is wrong with them.

    The readers are an estimate: what services say of how many they fetch for, and everybody else once a day. Who
    they are is not noted.
    """
    with open_app(place) as app:
        now, base_url = app.clock(), app.base_url
        states = [state for state in app.feed_states() if state.feed.kind is not FeedKind.GONE]
    out.document({"feeds": [_json(state, base_url) for state in states]})
    header = ("feed", "of", "changed", "readers", "polls a day", "problem")
    rows = [
        (
            f"/feeds/{state.feed.slug}.atom",
            state.feed.title or "everything",
            ago(state.changed_at, now) if state.changed_at else "not written yet",
            str(state.readers),
            str(state.polls),
            state.problem,
        )
        for state in states
    ]
    out.table(header, rows)


def _json(state: FeedState, base_url: str) -> dict[str, object]:
    return {
        "slug": state.feed.slug,
        "kind": state.feed.kind.value,
        "title": state.feed.title,
        "url": f"{base_url}/feeds/{state.feed.slug}.atom",
        "changed": state.changed_at.isoformat() if state.changed_at else None,
        "readers": state.readers,
        "polls": state.polls,
        "problem": state.problem,
    }
