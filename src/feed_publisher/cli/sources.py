"""sources list|show|test|detect|pause|resume|retire|token|import"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.importing import import_list
from feed_publisher.cli.looking import detect, test
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceState
from feed_publisher.services.sources import WEEKS, Health

_BARS = "▁▂▃▄▅▆▇█"
_KINDS = {"feed": "a feed", "page": "a web page", "sitemap": "a news sitemap", "folder": "a folder of files"}
_KINDS |= {"push": "pushed to the API", "hand": "typed in by hand", "path": "named on a command line"}
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
        found = [(each, _new(app, each, now)) for each in app.intake.health()]
    out.document({"sources": [_json(each, new) for each, new in found]})
    rows = [_row(each, new, now) for each, new in found]
    if rows:
        header = ("source", "kind", "status", "last read", "next visit", "7 days", f"{WEEKS} weeks", "why")
        out.table(header, rows)
    else:
        out.say(_EMPTY)


@sources.command()
@click.argument("slug")
@with_out
@click.pass_obj
def show(place: Place, slug: str, out: Out) -> None:
    """Everything known of one source, and how it can tell us of news."""
    with open_app(place) as app:
        now = app.clock()
        health = app.intake.health(slug)[0]
        new = _new(app, health, now)
        ways = _ways(app, health.record)
    for sentence in [*_sentences(health, new, now), *ways.values()]:
        out.say(escaped(sentence))
    out.document({**_json(health, new), **_details(health.record), "ways": ways})


def _change(name: str, doc: str, state: SourceState, said: str) -> None:
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
        out.say(f"{slug} {said}" + (f": {escaped(reason)}" if reason else ""))
        out.document({"source": slug, "state": state, "reason": reason})

    if state is not SourceState.ACTIVE:
        command.params.append(click.Option(["--reason"], default="", help="Shown with the source."))


_change("pause", "Read it no more until `resume`.", SourceState.PAUSED, "is paused; `sources resume` continues")
_change("resume", "Read it again, at once.", SourceState.ACTIVE, "is active again, and due now")
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
            raise InputError(f'is {_KINDS[record.kind]}; only a source with kind = "push" has a token', slug)
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


def _sentences(health: Health, new: int, now: datetime) -> list[str]:
    record = health.record
    kind = _KINDS.get(record.kind, record.kind)
    said = [f"{record.slug}: {kind}, {health.status}" + (f" ({record.reason})" if record.reason else "")]
    if record.location:
        moved = f", moved for good to {record.address}" if record.address not in ("", record.location) else ""
        said.append(f"Read from {record.location}{moved}.")
    said.append(f"Added {ago(record.added_at, now)}; last read {ago(record.read_at, now)}.")
    if record.due_at and record.state is SourceState.ACTIVE:
        said.append(f"Next visit {_due(record, now)}.")
    if record.error:
        times = f" ({record.failures} times in a row)" if record.failures > 1 else ""
        said.append(f"The last visit failed{times}: {record.error}.")
    said.append(
        f"{new} new in the last 7 days, newest {ago(record.newest_at, now)}; {WEEKS} weeks: {_bars(health, now)}"
    )
    if record.hub:
        told = (
            f"tells us of news until {record.hub_until:%Y-%m-%d %H:%M} UTC" if record.hub_until else "is not asked yet"
        )
        said.append(f"Its hub {record.hub} {told}.")
    return said


def _new(app: App, health: Health, now: datetime) -> int:
    record = health.record
    return app.sources.brought(record.slug, now - timedelta(days=7)) if record.first_read_at else 0


def _row(health: Health, new: int, now: datetime) -> tuple[object, ...]:
    record = health.record
    due = _due(record, now)
    why = escaped(record.error or record.reason)
    return record.slug, record.kind, health.status, ago(record.read_at, now), due, new, _bars(health, now), why


def _due(record: SourceRecord, now: datetime) -> str:
    if record.due_at is None or record.state is not SourceState.ACTIVE:
        return "–"
    return "now" if record.due_at <= now else ago(record.due_at, now)


def _bars(health: Health, now: datetime) -> str:
    """One bar per week, the present one last."""
    counts = dict(health.weeks)
    monday = now.date() - timedelta(days=now.weekday())
    weeks: list[date] = [monday - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    most = max(counts.values(), default=0)
    scaled = (-(-counts.get(week, 0) * (len(_BARS) - 1) // most) if most else 0 for week in weeks)
    return "".join(_BARS[height] for height in scaled)


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, in the largest unit that fits."""
    if moment is None:
        return "never"
    seconds = (moment - now).total_seconds()
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = round(abs(seconds) // length)
        if count:
            many = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {many}" if seconds > 0 else f"{many} ago"
    return "in a moment" if seconds > 0 else "just now"


def _json(health: Health, new: int) -> dict[str, object]:
    record = health.record
    return {
        "source": record.slug,
        "kind": record.kind,
        "status": health.status,
        "reason": record.error or record.reason,
        "location": record.location,
        "read_at": _text(record.read_at),
        "due_at": _text(record.due_at),
        "new_in_7_days": new,
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
