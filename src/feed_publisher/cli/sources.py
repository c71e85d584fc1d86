"""sources list|show|test|detect|pause|resume|retire|token|import"""

from __future__ import annotations

from datetime import datetime

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, notices_json, open_app, recent_notices, show_notices, with_out
from feed_publisher.cli.detecting import detect, test
from feed_publisher.cli.group import Place
from feed_publisher.cli.importing import import_list
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceState
from feed_publisher.services.sources import KINDS, WEEKS, Health
from feed_publisher.services.words import ago

_BARS = "▁▂▃▄▅▆▇█"
_EMPTY = (
    "There is no source yet. `feed-publisher sources detect URL --add` adds a web site or feed, "
    "`feed-publisher sources import FILE.opml --write` the list of a feed reader."
)


@click.group()
def sources() -> None:
    """The places where articles come from."""


for command in (test, detect, import_list):
    sources.add_command(command)


@sources.command("list")
@with_out
@click.pass_obj
def list_sources(place: Place, out: Out) -> None:
    """All sources: how they are, and what they brought."""
    with open_app(place) as app:
        now = app.clock()
        found, notices = app.intake.health(), recent_notices(app)
    out.document({"sources": [_json(each) for each in found], "notices": notices_json(notices)})
    rows = [_row(each, now) for each in found]
    if rows:
        header = ("source", "kind", "status", "last read", "next visit", "new, 7 days", f"new, {WEEKS} weeks", "why")
        out.table(header, rows)
    else:
        out.say(_EMPTY)
    show_notices(out, notices)


@sources.command()
@click.argument("slug")
@with_out
@click.pass_obj
def show(place: Place, slug: str, out: Out) -> None:
    """Everything known of one source, and how it can tell us of news."""
    with open_app(place) as app:
        now = app.clock()
        health = app.intake.health(slug)[0]
        ways = _ways(app, health.record)
    for sentence in [*_sentences(health, now), *ways.values()]:
        out.say(escaped(sentence))
    out.document({**_json(health), **_details(health.record), "ways": ways})


def _change(name: str, doc: str, state: SourceState, said: str, fetched: str = "") -> None:
    """``fetched`` is said as well of a source that is visited."""

    @sources.command(name, help=doc)
    @click.argument("slug")
    @with_out
    @click.pass_obj
    def command(place: Place, slug: str, out: Out, reason: str = "") -> None:
        with open_app(place) as app:
            record = app.intake.record(slug)
            if record.kind in (SourceKind.HAND, SourceKind.PATH):
                raise InputError("was named or typed in by hand, and is not read by itself", slug)
            app.sources.set_state(slug, state, reason, app.clock())
        more = fetched if SourceKind(record.kind).is_fetched else ""
        out.say(f"{slug} {said}{more}" + (f": {escaped(reason)}" if reason else ""))
        out.document({"source": slug, "state": state, "reason": reason})

    if state is not SourceState.ACTIVE:
        command.params.append(click.Option(["--reason"], default="", help="Shown with the source."))


_change("pause", "Read it no more until `resume`.", SourceState.PAUSED, "is paused; `sources resume` continues")
_change("resume", "Read it again, at once.", SourceState.ACTIVE, "is active again", ", and due now")
_change("retire", "Read it never again; what it brought stays.", SourceState.RETIRED, "is retired; its articles stay")


@sources.command()
@click.argument("slug")
@with_out
@click.pass_obj
def token(place: Place, slug: str, out: Out) -> None:
    """A new token to push with; the one before it ends."""
    with open_app(place) as app:
        record = app.intake.record(slug)
        if record.kind != SourceKind.PUSH:
            raise InputError(f'has kind = "{record.kind}"; only a source with kind = "push" has a token', slug)
        made = app.intake.pushing().new_token(slug)
        line = _curl(app, made)
    out.say(f"{made}\nThis is shown once; the token before it has ended. To push:\n  {line}")
    out.document({"source": slug, "token": made, "curl": line})


def _curl(app: App, token: str) -> str:
    entry = '{"entries": [{"title": "…", "link": "https://…", "summary": "…", "topics": ["…"]}]}'
    address = f"{app.base_url}/api/v1/entries"
    return f"curl {address} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{entry}'"


def _ways(app: App, record: SourceRecord) -> dict[str, str]:
    """How a source can reach us, by name."""
    if record.kind == SourceKind.PUSH:
        words = f"To push: {_curl(app, 'TOKEN')}\nA token is made by `sources token {record.slug}`."
        return {"push": words}
    if not SourceKind(record.kind).is_fetched:
        return {}
    return {"ping": f"To have it visited at once, POST to {app.intake.hook_url('ping', record.slug)}"}


def _sentences(health: Health, now: datetime) -> list[str]:
    record = health.record
    kind = KINDS[SourceKind(record.kind)]
    said = [f"{record.slug}: {kind}, {health.shown}" + (f" ({record.reason})" if record.reason else "")]
    if record.location:
        moved = f", moved for good to {record.address}" if record.address not in ("", record.location) else ""
        said.append(f"Read from {record.location}{moved}.")
    said.append(f"Added {ago(record.added_at, now)}; last read {ago(record.read_at, now)}.")
    if record.due_at and record.state is SourceState.ACTIVE:
        said.append(f"Next visit {_due(record, now)}.")
    if record.error:
        times = f" ({record.failures} times in a row)" if record.failures > 1 else ""
        said.append(f"The last visit failed{times}: {record.error}.")
    said.append(f"{health.new} new in the last 7 days, the last one {ago(record.newest_at, now)}.")
    said.append(f"New per week, the last {WEEKS} weeks: {_bars(health)}")
    if record.hub:
        told = (
            f"tells us of news until {record.hub_until:%Y-%m-%d %H:%M} UTC" if record.hub_until else "is not asked yet"
        )
        said.append(f"Its hub {record.hub} {told}.")
    return said


def _row(health: Health, now: datetime) -> tuple[object, ...]:
    record = health.record
    read, due = ago(record.read_at, now), _due(record, now)
    why = escaped(record.error or record.reason)
    return record.slug, record.kind, health.shown, read, due, health.new, _bars(health), why


def _due(record: SourceRecord, now: datetime) -> str:
    if record.due_at is None or record.state is not SourceState.ACTIVE:
        return "–"
    return "now" if record.due_at <= now else ago(record.due_at, now)


def _bars(health: Health) -> str:
    """One bar per week, the present one last."""
    counts = [count for _, count in health.weeks]
    most = max(1, *counts)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)


def _json(health: Health) -> dict[str, object]:
    record = health.record
    return {
        "source": record.slug,
        "kind": record.kind,
        "status": health.status,
        "reason": record.error or record.reason,
        "location": record.location,
        "read_at": _text(record.read_at),
        "due_at": _text(record.due_at),
        "new_in_7_days": health.new,
        "weeks": [{"week": week.isoformat(), "new": count} for week, count in health.weeks],
    }


def _details(record: SourceRecord) -> dict[str, object]:
    return {
        "state": record.state,
        "address": record.address or record.location,
        "added_at": _text(record.added_at),
        "tried_at": _text(record.tried_at),
        "newest_at": _text(record.newest_at),
        "failures": record.failures,
        "hub": record.hub,
        "hub_until": _text(record.hub_until),
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
