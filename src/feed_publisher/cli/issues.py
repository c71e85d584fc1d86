"""issues list|show|edit|approve|hold|pause|resume|cancel|export|resend"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from feed_publisher.app import App
from feed_publisher.cli.bounces import SAID
from feed_publisher.cli.common import Out, books_json, open_app, read_file, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.send import issue_json
from feed_publisher.cli.sponsors import sponsors_json, sponsors_text
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.editing import Change
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.model import escaped
from feed_publisher.domain.shadow import is_shadow, real_slug
from feed_publisher.ports.deciding import Carried, Choosable, Decided
from feed_publisher.services.overview import books_text

WHO = "the command line"
"""Who decided, in the history of an issue."""


@click.group()
def issues() -> None:
    """Mailings of digests."""


@issues.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@with_out
@click.pass_obj
def list_issues(place: Place, limit: int, out: Out) -> None:
    """Newest first."""
    with open_app(place) as app:
        found = [(issue, app.issues.books(issue.id)) for issue in app.issues.newest(limit)]
    out.document(
        {
            "issues": [
                {
                    "issue": i.id,
                    "digest": i.digest,
                    "desk": is_shadow(i.digest),
                    "slot": i.slot,
                    "state": i.state,
                    "books": books_json(books),
                }
                for i, books in found
            ]
        }
    )
    rows = [(i.id, i.digest, i.slot, _state(i), i.subject or i.reason, books_text(books)) for i, books in found]
    out.table(("issue", "digest", "date", "state", "subject", "readers"), rows)


@issues.command()
@click.argument("number", type=int)
@with_out
@click.pass_obj
def show(place: Place, number: int, out: Out) -> None:
    """One issue with its books."""
    with open_app(place) as app:
        issue = app.issues.get(number)
        books = app.issues.books(number)
        web = app.issue_url(issue)
        history, entries = app.decisions.look(number).history, app.decisions.entries(number)
        carried, back = app.decisions.sponsors(number), app.bounces.of_issue(number)
        more = _carried_json(carried) | {"came_back": {kind.value: count for kind, count in back.items()}}
        out.document({**issue_json(app, issue), **_decided_json(history, entries), **more})
    whom = ", for the operators only" if is_shadow(issue.digest) else ""
    out.say(f"issue {issue.id} of {real_slug(issue.digest)}{whom}, {issue.slot}: {_state(issue)}")
    out.say(f"subject: {issue.subject}\narticles: {issue.entries}\nreaders: {issue.audience} = {books_text(books)}")
    if back:
        out.say(f"came back: {', '.join(f'{count} {SAID[kind]}' for kind, count in back.items())}")
    if web:
        out.say(f"on the web: {web}")
    if issue.reason:
        out.say(f"why: {issue.reason}")
    for each in carried:
        out.say(f"{'sponsor left out' if each.left_out else 'sponsor'}: {sponsors_text([each.block])}")
    for entry in entries[:50]:
        out.say(escaped(f"{'left out' if entry.left_out else 'article '} {entry.key[:8]} {entry.title}"))
    for line in history:
        out.say(f"{line.at:%Y-%m-%d %H:%M} UTC: {line.what} by {line.who}")


def _decided_json(history: Sequence[Decided], entries: Sequence[Choosable]) -> dict[str, object]:
    return {
        "articles": [{"key": each.key, "title": each.title, "left_out": each.left_out} for each in entries],
        "history": [{"at": each.at.isoformat(), "what": each.what, "who": each.who} for each in history],
    }


def _carried_json(carried: Sequence[Carried]) -> dict[str, object]:
    shown = [sponsors_json([each.block])[0] | {"left_out": each.left_out} for each in carried]
    return {"sponsors": shown}


def _state(issue: Issue) -> str:
    return f"{issue.state} (rehearsal)" if issue.rehearsal and issue.state is not IssueState.SKIPPED else issue.state


def _step(name: str, doc: str, step: Callable[[App, int], Issue], said: str) -> None:
    """A command that moves one issue on."""

    @issues.command(name, help=doc)
    @click.argument("number", type=int)
    @with_out
    @click.pass_obj
    def command(place: Place, number: int, out: Out) -> None:
        with open_app(place) as app:
            out.document(issue_json(app, step(app, number)))
        out.say(f"issue {number} is {said}")


def _pause(app: App, number: int) -> Issue:
    return app.issues.change_state(number, (IssueState.READY,), IssueState.PAUSED)


def _approve(app: App, number: int) -> Issue:
    return app.deciding().approve(number, WHO, app.clock())


def _hold(app: App, number: int) -> Issue:
    return app.deciding().hold(number, WHO, app.clock())


_step(
    "approve",
    "Let a draft, or what is held or paused, go.",
    _approve,
    "approved; `tick` or `serve` mails it when it is due",
)
_step("hold", "Keep an issue from leaving by itself.", _hold, "held; `issues approve` lets it go")
_step("pause", "Stop handing over; what waits stays waiting.", _pause, "paused")
_step("resume", "Go on where it was paused.", _approve, "going on")


@issues.command()
@click.argument("number", type=int)
@click.option("--lead", metavar="KEY", help='The article that comes first and names the subject; "" for the newest.')
@click.option("--leave-out", multiple=True, metavar="KEY", help="Not in this issue, nor later ones of these readers.")
@click.option("--put-back", multiple=True, metavar="KEY", help="In it again.")
@click.option("--note", help='Plain text above the articles, blank lines part paragraphs; "" for none.')
@click.option("--note-file", type=click.Path(path_type=Path), help="The same from a file in UTF-8.")
@click.option("--subject", metavar="TEXT", help='The subject for all its readers; "" for the usual one.')
@click.option("--no-sponsor/--sponsor", default=None, help="Without its sponsors, or with them again.")
@with_out
@click.pass_obj
def edit(
    place: Place,
    number: int,
    lead: str | None,
    leave_out: tuple[str, ...],
    put_back: tuple[str, ...],
    note: str | None,
    note_file: Path | None,
    subject: str | None,
    no_sponsor: bool | None,
    out: Out,
) -> None:
    """Change an issue as far as it has not left. KEY is an article's, or its first 6 characters or more."""
    if note is not None and note_file is not None:
        raise click.UsageError("give --note or --note-file")
    if note_file is not None:
        note = _text(note_file)
    if (lead, note, subject, no_sponsor) == (None, None, None, None) and not leave_out and not put_back:
        raise click.UsageError("say what to change: --lead, --leave-out, --put-back, --note, --subject or --no-sponsor")
    with open_app(place) as app:
        keys = [each.key for each in app.decisions.entries(app.issues.get(number).id)]
        change = Change(
            lead=_key(keys, lead, number) if lead else lead,
            note=note,
            subject=subject,
            leave_out=tuple(_key(keys, each, number) for each in leave_out),
            put_back=tuple(_key(keys, each, number) for each in put_back),
            sponsors_out=_sponsors_out(app, number, no_sponsor),
        )
        issue = app.deciding().edit(number, change, WHO, app.clock())
        out.document(issue_json(app, issue))
        if leave_out:
            out.say("what is left out does not come in later issues to these readers either")
        if no_sponsor:
            out.say("its sponsors have one more issue to come, unless somebody has got this one with them")
        out.say(f"issue {number} is changed, as far as it has not left; its subject is “{issue.subject}”")


def _sponsors_out(app: App, number: int, wanted: bool | None) -> tuple[str, ...] | None:
    if wanted is None:
        return None
    carried = app.decisions.sponsors(number)
    if not carried:
        raise InputError("it was opened without a sponsor", f"issue {number}")
    return tuple(each.block.sponsor for each in carried) if wanted else ()


def _text(file: Path) -> str:
    try:
        return read_file(file).decode()
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8; save it as UTF-8", str(file)) from error


def _key(keys: Sequence[str], text: str, number: int) -> str:
    found = [key for key in keys if key == text or (len(text) >= 6 and key.startswith(text.lower()))]
    if len(found) != 1:
        what = "several articles" if found else "no article"
        raise InputError(f"{what} of it begin with {text!r}; `issues show {number}` lists them", f"issue {number}")
    return found[0]


@issues.command()
@click.argument("number", type=int)
@with_out
@click.pass_obj
def cancel(place: Place, number: int, out: Out) -> None:
    """Mail nobody else; readers who were waiting get these articles in the next issue."""
    with open_app(place) as app:
        issue = app.issues.cancel(number, app.clock())
        out.document(issue_json(app, issue))
        out.say(f"issue {number} is cancelled: {books_text(app.issues.books(number))}")


@issues.command()
@click.argument("number", type=int)
@click.argument("file", type=click.Path(path_type=Path))
@with_out
@click.pass_obj
def export(place: Place, number: int, file: Path, out: Out) -> None:
    """Write who, state, reason and time as CSV."""
    with open_app(place) as app:
        app.issues.get(number)
        count = _export(app, number, file)
    out.say(f"wrote {count} rows to {file}")
    out.document({"issue": number, "rows": count})


def _export(app: App, number: int, file: Path) -> int:
    count, after = 0, 0
    try:
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(("address", "state", "reason", "changed_at"))
            while rows := app.ledger.rows(number, after, 5000):
                writer.writerows(
                    [_safe(row[name]) for name in ("address", "state", "reason", "changed_at")] for row in rows
                )
                count, after = count + len(rows), int(str(rows[-1]["id"]))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(file)) from error
    return count


def _safe(cell: object) -> str:
    """Spreadsheets run cells that begin like a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


RESENDABLE = {state.value: state for state in (DeliveryState.UNKNOWN, DeliveryState.BOUNCED)}


@issues.command()
@click.argument("number", type=int)
@click.option("--state", type=click.Choice(list(RESENDABLE)), help="All deliveries in this state.")
@click.option("--subscriber", metavar="ADDR", help="Just this reader, when the mail was not accepted before.")
@with_out
@click.pass_obj
def resend(place: Place, number: int, state: str | None, subscriber: str | None, out: Out) -> None:
    """Queue the same mail once more for those who are in doubt or were refused; never for those who got it."""
    if (state is None) == (subscriber is None):
        raise click.UsageError("give --state or --subscriber")
    with open_app(place) as app:
        _refuse_resting(app, app.issues.get(number))
        states = [RESENDABLE[state]] if state else list(RESENDABLE.values())
        subscription = _subscription(app, number, subscriber) if subscriber else None
        count = app.ledger.resend(number, states, subscription, app.clock())
    out.say(
        f"{count} queued again; `tick` or `serve` sends them"
        if count
        else "nobody is in that state; nothing was queued"
    )
    out.document({"issue": number, "queued": count})


def _refuse_resting(app: App, issue: Issue) -> None:
    """What is queued again would be ended at once: the digest goes to others now."""
    slug = real_slug(issue.digest)
    if slug in app.all_rules() and app.settings.mailed(slug) != issue.digest:
        whom = "its readers" if is_shadow(issue.digest) else "the operators only"
        raise InputError(f"its newsletter goes to {whom} now (recipients in [[digests]])", f"issue {issue.id}")


def _subscription(app: App, number: int, text: str) -> int:
    digest = app.issues.get(number).digest
    found = app.people.find(app.subscribe.key_of(parse_address(text)))
    mine = [view.subscription for view in found if view.digest == digest]
    if not mine:
        raise NotFoundError(f"{text} does not subscribe to {digest}")
    return mine[0]
