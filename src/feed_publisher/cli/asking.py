"""subscribers ask|asked: who of an old list still wants a digest"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from feed_publisher.app import App
from feed_publisher.cli.common import SHOWN, Out, on_terminal, open_app, parse_instant, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.progress import progress_bar
from feed_publisher.domain.asking import OPEN, AskState, Patience
from feed_publisher.domain.errors import InputError
from feed_publisher.ports.asking import Fit, Part, Round
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.services.asking import AskOrder, Forecast

WORDS = {
    AskState.WAITING: "wait for the first mail",
    AskState.ASKED: "asked, no answer yet",
    AskState.REMINDED: "asked twice, no answer yet",
    AskState.KEPT: "keep it",
    AskState.PAUSED: "silent, paused",
    AskState.LEFT: "left, or never mailed any more",
    AskState.UNREACHED: "not reached: the mail was refused or is in doubt; they go on getting it",
}
REHEARSAL = "This is a rehearsal, because no mail server is configured: the mails go into the built-in mailbox, and"
CALM = f"{REHEARSAL} nobody is paused or changed."


@click.command("ask")
@click.argument("slug")
@click.option("--joined-before", metavar="DATE", help="Only who joined before it.")
@click.option("--unconfirmed", is_flag=True, help="Only who never agreed themselves, as far as we know.")
@click.option("--import", "import_number", type=int, metavar="N", help="Only who came with this import.")
@click.option("--cadence", help="Only who gets it so often.")
@click.option("--file", type=click.Path(path_type=Path), metavar="FILE.csv", help="Only the addresses in this list.")
@click.option("--everybody", is_flag=True, help="All active readers.")
@click.option("--remind-after", type=int, default=7, show_default=True, metavar="DAYS", help="Ask once more then.")
@click.option("--pause-after", type=int, default=14, show_default=True, metavar="DAYS", help="Pause who is silent.")
@click.option("--per-day", type=int, metavar="N", help="Ask only so many in a day; else all at once.")
@click.option(
    "--again-after",
    type=click.IntRange(0),
    default=180,
    show_default=True,
    metavar="DAYS",
    help="Leave out who was asked in the last so many days.",
)
@click.option("--dry-run", is_flag=True, help="Only show who would be asked, and the mail.")
@click.option("--yes", is_flag=True, help="Do not ask me.")
@click.option("--stop", is_flag=True, help="Ask nobody any more; who has not answered is left alone.")
@with_out
@click.pass_obj
def ask(
    place: Place,
    slug: str,
    joined_before: str | None,
    unconfirmed: bool,
    import_number: int | None,
    cadence: str | None,
    file: Path | None,
    everybody: bool,
    remind_after: int,
    pause_after: int,
    per_day: int | None,
    again_after: int,
    dry_run: bool,
    yes: bool,
    stop: bool,
    out: Out,
) -> None:
    """Ask a part of the readers by mail whether they still want a digest.

    A yes keeps it. Who is silent is asked once more, and then paused; nothing is erased. All ways of choosing that you
    name must be true. docs/moving-in.md tells the whole of it.
    """
    with open_app(place) as app:
        digest = app.settings.digest(slug).slug
        if stop:
            _stop(app, digest, out)
            return
        part = Part(
            joined_before=parse_instant(joined_before, app.settings.site.timezone, "--joined-before"),
            unconfirmed=unconfirmed,
            import_number=import_number,
            cadence=cadence,
            file=file.name if file else "",
        )
        patience = Patience(remind_after=remind_after, pause_after=pause_after, per_day=per_day)
        order = _order(app, digest, part, patience, everybody, again_after, file)
        now = app.clock()
        forecast = app.asking().foresee(order, now)
        written = _show(app, order, forecast, now, out)
        document = _forecast_json(order, forecast) | written
        if dry_run or not forecast.size:
            out.say("nobody was asked")
            out.document({**document, "round": None})
            return
        _confirm(yes, out)
        with progress_bar(forecast.size, "readers") as progress:
            round_ = app.asking().begin(order, now, progress)
    out.say(f"round {round_.number}: {many(round_.size, 'reader')}; `subscribers asked {slug}` tells how it goes")
    out.document({**document, "round": round_.number, "readers": round_.size})


def _order(
    app: App, digest: str, part: Part, patience: Patience, everybody: bool, again_after: int, file: Path | None
) -> AskOrder:
    from feed_publisher.adapters.lists import read_lists
    from feed_publisher.services.asking import AskOrder, chosen_part

    offered = [cadence.value for cadence in app.settings.digest(digest).cadences]
    if part.import_number is not None and app.moving.get(part.import_number).digest != digest:
        raise InputError(
            f"import {part.import_number} was not for {digest}; `subscribers imports` lists them", "--import"
        )
    lists = read_lists(file) if file else None
    return AskOrder(
        digest=digest,
        part=chosen_part(part, offered, everybody),
        patience=patience,
        again_after=again_after,
        rehearsal=app.rehearsal,
        sheets=lists.sheets if lists else None,
        fingerprint=lists.fingerprint if lists else "",
    )


def _show(app: App, order: AskOrder, forecast: Forecast, now: datetime, out: Out) -> dict[str, Any]:
    """What would be done; the mail, for the document."""
    from feed_publisher.services.ask_mails import specimen

    out.problems(forecast.problems[:SHOWN])
    out.say(f"{many(forecast.size, 'reader')} of {order.digest} to be asked")
    left_out = [(forecast.counts[fit], str(fit)) for fit in Fit if fit is not Fit.FITS and forecast.counts[fit]]
    left_out += [(forecast.unknown, "in the file, but no readers of it")] if forecast.unknown else []
    if left_out:
        out.say("Left out:")
        out.table(("readers", "why"), left_out)
    subject, _, text, _ = app.ask_mails().written(specimen(order.digest, order.patience, now), now)
    out.say("The mail, as somebody who came a year ago with an old list gets it:")
    out.say(f"\n  {subject}\n")
    out.say("".join(f"  {line}".rstrip() + "\n" for line in text.strip().splitlines()))
    out.say(_plan(order.patience, forecast.size, now))
    if order.rehearsal:
        out.say(CALM)
    return {"subject": subject, "text": text}


def _plan(patience: Patience, size: int, now: datetime) -> str:
    """When it goes on."""
    pace = ""
    if patience.per_day is not None and size > patience.per_day:
        pace = f"{patience.per_day} are asked in a day, the last ones on {now + patience.delay(size - 1):%Y-%m-%d}. "
    return (
        f"{pace}Who has not answered after {many(patience.remind_after, 'day')} is asked once more, and paused after "
        f"{many(patience.pause_after, 'day')}. Days count from when the mail server has taken the mail."
    )


def _confirm(yes: bool, out: Out) -> None:
    if yes:
        return
    if out.json or not on_terminal():
        raise click.UsageError("nobody was asked; --yes does it, --dry-run only shows this")
    if not click.confirm("Ask them?"):
        out.say("nobody was asked")
        sys.exit(1)


def _stop(app: App, digest: str, out: Out) -> None:
    stopped = app.asking().stop(digest, app.clock())
    out.say(f"{many(stopped, 'round')} stopped; whoever has not answered is left alone" if stopped else "none goes on")
    out.document({"digest": digest, "stopped": stopped})


def _forecast_json(order: AskOrder, forecast: Forecast) -> dict[str, Any]:
    left_out = {str(fit): forecast.counts[fit] for fit in Fit if fit is not Fit.FITS}
    return {
        "digest": order.digest,
        "readers": forecast.size,
        "left_out": left_out | {"no readers": forecast.unknown},
        "rejected": [{"where": problem.where, "reason": problem.reason} for problem in forecast.problems],
        "remind_after": order.patience.remind_after,
        "pause_after": order.patience.pause_after,
        "per_day": order.patience.per_day,
        "rehearsal": order.rehearsal,
    }


@click.command("asked")
@click.argument("slug")
@with_out
@click.pass_obj
def list_asked(place: Place, slug: str, out: Out) -> None:
    """How many of those who were asked keep a digest, are silent or have left; newest round first."""
    with open_app(place) as app:
        found, now = app.asking().rounds(app.settings.digest(slug).slug), app.clock()
    for round_, tally in found:
        out.say(
            f"round {round_.number} of {round_.started_at:%Y-%m-%d}: {many(round_.size, 'reader')}, {_part(round_)}"
        )
        out.say(f"  {_status(round_, now)}")
        out.table(("readers", "how"), [(tally[state], _words(round_, state)) for state in AskState if tally[state]])
    if not found:
        out.say(f"nobody of {slug} was asked; `subscribers ask {slug}` does it")
    out.document({"rounds": [_round_json(round_, tally) for round_, tally in found]})


def _part(round_: Round) -> str:
    said = [
        name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {value}"
        for name, value in round_.part.items()
    ]
    return ", ".join(said) or "everybody"


def _status(round_: Round, now: datetime) -> str:
    if round_.stopped_at is not None:
        return f"stopped on {round_.stopped_at:%Y-%m-%d}; whoever had not answered is left alone"
    if round_.ready_at is None:
        return "interrupted before all were in it: give the same command again to go on, or --stop"
    if round_.ended_at is not None:
        return f"over since {round_.ended_at:%Y-%m-%d}"
    if round_.rehearsal:
        return "a rehearsal: nobody is paused or changed"
    if round_.hold_until is not None and round_.hold_until > now:
        return f"goes on; nobody is paused before {round_.hold_until:%Y-%m-%d}, because the program had stood still"
    return "goes on"


def _words(round_: Round, state: AskState) -> str:
    if round_.stopped_at is not None and state in OPEN:
        return f"{WORDS[state]}; left alone"
    return "silent; would be paused" if round_.rehearsal and state is AskState.PAUSED else WORDS[state]


def _round_json(round_: Round, tally: dict[AskState, int]) -> dict[str, Any]:
    times = {name: getattr(round_, name) for name in ("started_at", "ready_at", "hold_until", "stopped_at", "ended_at")}
    return {
        "round": round_.number,
        "digest": round_.digest,
        "part": dict(round_.part),
        "remind_after": round_.patience.remind_after,
        "pause_after": round_.patience.pause_after,
        "per_day": round_.patience.per_day,
        "rehearsal": round_.rehearsal,
        "readers": round_.size,
        **{name: at.isoformat() if at else None for name, at in times.items()},
        "states": {str(state): count for state, count in tally.items()},
    }
