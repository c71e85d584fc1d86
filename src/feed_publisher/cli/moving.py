"""subscribers import|imports|undo-import|export: whole lists of readers"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feed_publisher.app import App
from feed_publisher.cli.common import SHOWN, Out, digest_named, on_terminal, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.progress import progress_bar
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.parse.columns import COLUMNS, System
from feed_publisher.ports.moving import ImportRecord, Listed, Undoing
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.parse.columns import Plan
    from feed_publisher.parse.subscribers import Sheet
    from feed_publisher.services.moving_in import Ended, Order, Tally

Plans = list[tuple["Sheet", "Plan"]]


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--digest", "slug", metavar="SLUG")
@click.option(
    "--confirmed",
    is_flag=True,
    help="All of them agreed to get it; without this, only rows that say when their reader agreed are active.",
)
@click.option("--from", "system", type=click.Choice(["auto", *System]), default="auto", show_default=True)
@click.option("--map", "maps", multiple=True, metavar="COLUMN=FIELD", help="What a column is; “COLUMN=”: not used.")
@click.option("--topic", "groups", multiple=True, metavar="GROUP=SLUG", help="Which topic a group of the list is.")
@click.option("--dry-run", is_flag=True, help="Only show what would become of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.csv", help="What became of each row.")
@with_out
@click.pass_obj
def import_file(
    place: Place,
    file: Path,
    slug: str | None,
    confirmed: bool,
    system: str,
    maps: tuple[str, ...],
    groups: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    report: Path | None,
    out: Out,
) -> None:
    """Read a list of readers: CSV with a header, or what listmonk, Ghost and Mailchimp hand out, zip files too.

    Only a column with addresses is required. Whoever has unsubscribed, bounced or complained there is never mailed
    here. On a terminal all is shown first and asked for. docs/moving-in.md has examples.
    """
    with open_app(place) as app:
        order = _order(app, file, slug, confirmed, system, maps, groups)
        service = app.moving_in()
        plans = service.plans(order)
        forecast = service.foresee(order, app.clock()) if dry_run or _is_seen(out) else None
        if forecast is not None:
            _show(order, plans, forecast, out)
        if dry_run or (forecast is not None and not yes and not click.confirm("Store this?")):
            out.say("nothing was stored")
            if forecast is not None:
                out.document(_tally_json(forecast) | {"dry_run": True})
            sys.exit(0 if dry_run else 1)
        tally = _bring(app, order, report, forecast.rows if forecast else None)
    _tell(tally, out)
    sys.exit(1 if tally.rejected else 0)


def _is_seen(out: Out) -> bool:
    return not out.json and on_terminal()


def _order(
    app: App,
    file: Path,
    slug: str | None,
    confirmed: bool,
    system: str,
    maps: tuple[str, ...],
    groups: tuple[str, ...],
) -> Order:
    from feed_publisher.adapters.lists import read_lists
    from feed_publisher.parse.columns import read_maps
    from feed_publisher.parse.subscribers import Reading
    from feed_publisher.services.moving_in import Order, read_groups

    digest, lists = digest_named(app, slug), read_lists(file)
    # The same list taken in another way is another import.
    way = json.dumps([lists.fingerprint, digest, confirmed, system, sorted(maps), sorted(groups)])
    return Order(
        digest=digest,
        name=lists.name,
        fingerprint=hashlib.sha256(way.encode()).hexdigest(),
        sheets=lists.sheets,
        reading=Reading(system=None if system == "auto" else System(system), maps=read_maps(maps)),
        confirmed=confirmed,
        groups=read_groups(groups),
    )


def _bring(app: App, order: Order, report: Path | None, total: int | None) -> Tally:
    from feed_publisher.adapters.lists import written_list

    header = ("line", "email", "what", "reason", "where")
    with written_list(report, header) if report else nullcontext() as writer, progress_bar(total) as progress:

        def tell(ended: Ended) -> None:
            if writer is not None:
                writer.writerow((ended.line or "", ended.address, ended.fate, ended.reason, ended.where))

        return app.moving_in().bring(order, app.clock(), tell, progress)


def _show(order: Order, plans: Plans, forecast: Tally, out: Out) -> None:
    for sheet, plan in plans:
        standing = f", all of them {sheet.standing}" if sheet.standing else ""
        out.say(f"{sheet.name}: {plan.system.shown}{standing}")
        columns = [(name, field or "not used") for name, field in zip(plan.header, plan.fields, strict=True)]
        out.table(("column", "becomes"), columns)
    if forecast.examples:
        out.say("The first of them, as they would be stored:")
        out.table(("address", "name", "topics", "how often", "hour", "state", "consent"), _examples(forecast))
    out.say(f"Of {many(forecast.rows, 'row')}, for {order.digest}:")
    counts = [(count, str(fate)) for fate, count in forecast.counts.items() if count]
    out.table(("rows", "what"), counts)
    if forecast.pending:
        out.say(f"{forecast.pending} of them would be pending and get no mail (--confirmed: all of them agreed)")
    if forecast.reasons:
        out.say("Refused, and why:")
        out.table(("rows", "reason"), [(count, reason) for reason, count in forecast.reasons.most_common(SHOWN)])
    if forecast.unknown:
        out.say('Groups that are no topics here; --topic "GROUP=SLUG" says which one is meant, --topic "GROUP=" none:')
        out.table(("rows", "group"), [(count, name) for name, count in forecast.unknown.most_common(SHOWN)])


def _examples(forecast: Tally) -> list[tuple[str, ...]]:
    return [
        (
            new.address,
            new.name,
            "; ".join(new.topics or ("everything",)),
            new.cadence or "as usual",
            " ".join(filter(None, (new.at, new.zone))) or "as usual",
            "active" if new.active else "pending",
            new.consent_source or new.evidence or "not said",
        )
        for _, new in forecast.examples
    ]


def _tell(tally: Tally, out: Out) -> None:
    out.problems(tally.problems[: 5 * SHOWN])
    if tally.rejected > 5 * SHOWN:
        click.echo(f"… and {tally.rejected - 5 * SHOWN} more; --report FILE.csv has them all", err=True)
    out.say(f"{tally.added} added, {tally.updated} updated, {tally.rejected} skipped")
    if tally.suppressed:
        out.say(f"{tally.suppressed} on the never-mail list, because the list says so")
    if tally.pending:
        out.say("rows without consented_at are pending and get no mail; --confirmed says that all of them agreed")
    out.say(f"this is import {tally.number}; `subscribers undo-import {tally.number}` takes it back")
    out.document(_tally_json(tally) | {"import": tally.number})


def _tally_json(tally: Tally) -> dict[str, Any]:
    return {
        "added": tally.added,
        "updated": tally.updated,
        "unchanged": tally.unchanged,
        "suppressed": tally.suppressed,
        "skipped": tally.rejected,
        "rejected": [{"where": problem.where, "reason": problem.reason} for problem in tally.problems],
        "unknown_groups": dict(tally.unknown),
    }


@click.command("imports")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@with_out
@click.pass_obj
def list_imports(place: Place, limit: int, out: Out) -> None:
    """Which lists came in, newest first."""
    with open_app(place) as app:
        found = app.moving.imports(limit)
    out.document({"imports": [_record_json(record) for record in found]})
    rows = [(r.number, f"{r.started_at:%Y-%m-%d %H:%M}", r.digest, r.file, _ended(r)) for r in found]
    out.table(("import", "when (UTC)", "newsletter", "file", "rows"), rows)


def _ended(record: ImportRecord) -> str:
    counts = ", ".join(f"{count} {fate}" for fate, count in record.counts.items())
    if record.undone_at is not None:
        return f"undone; was {counts or 'not finished'}"
    return counts or "nothing" if record.finished_at else "not finished; import the same file again to go on"


def _record_json(record: ImportRecord) -> dict[str, Any]:
    return {
        "import": record.number,
        "digest": record.digest,
        "file": record.file,
        "started_at": record.started_at.isoformat(),
        "finished_at": record.finished_at.isoformat() if record.finished_at else None,
        "undone_at": record.undone_at.isoformat() if record.undone_at else None,
        "counts": dict(record.counts),
    }


@click.command("undo-import")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_out
@click.pass_obj
def undo_import(place: Place, number: int, yes: bool, out: Out) -> None:
    """Take back what an import did, but for readers who were mailed since, or whose choices have changed since."""
    with open_app(place) as app:
        out.say(f"import {number} of {app.moving.get(number).file}:")
        _say_undoing(app.moving.foresee_undo(number), out, is_done=False)
        if not yes:
            if not _is_seen(out):
                raise click.UsageError("nothing was taken back; --yes does it")
            if not click.confirm("Take it back?"):
                out.say("nothing was taken back")
                sys.exit(1)
        done = app.moving.undo(number, app.clock())
    _say_undoing(done, out, is_done=True)
    out.document({"import": number, **_undoing_json(done)})


def _say_undoing(undoing: Undoing, out: Out, is_done: bool) -> None:
    will, stay = ("", "stayed") if is_done else ("to be ", "stay")
    out.say(f"  {many(undoing.removed, 'subscription')} {will}removed")
    out.say(f"  {many(undoing.given_back, 'reader')} {will}given back what was changed")
    out.say(f"  {many(undoing.unsuppressed, 'entry')} {will}taken off the never-mail list".replace("entrys", "entries"))
    out.say(f"  {undoing.mailed} {stay} because they were mailed since, {undoing.changed} because they have changed")


def _undoing_json(undoing: Undoing) -> dict[str, int]:
    return {
        "removed": undoing.removed,
        "given_back": undoing.given_back,
        "unsuppressed": undoing.unsuppressed,
        "kept_mailed": undoing.mailed,
        "kept_changed": undoing.changed,
    }


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--digest", "slug", metavar="SLUG")
@click.option("--state", "states", multiple=True, type=click.Choice(list(SubscriptionState)), help="Only these.")
@with_out
@click.pass_obj
def export(place: Place, file: Path, slug: str | None, states: tuple[str, ...], out: Out) -> None:
    """Write a list that `subscribers import` takes as it is: choices, state, and where the consent comes from."""
    from feed_publisher.adapters.lists import written_list

    count = 0
    with open_app(place) as app:
        digest = digest_named(app, slug)
        with written_list(file, COLUMNS) as writer:
            for reader in app.moving.listed(digest, states):
                writer.writerow(_cells(reader))
                count += 1
    out.say(f"wrote {many(count, 'reader')} to {file}")
    out.document({"file": str(file), "digest": digest, "rows": count})


def _cells(reader: Listed) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    return (
        reader.address,
        reader.name,
        ";".join(reader.topics or ()),
        reader.cadence,
        reader.at,
        reader.zone,
        reader.language,
        reader.consented_at.isoformat() if reader.consented_at else "",
        reader.consent_source,
        "blocked" if reader.suppressed else reader.state,
    )
