"""send: a digest, now, by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, books_json, open_app, parse_instant, with_out
from feed_publisher.cli.doctor import show_diagnosis
from feed_publisher.cli.group import Place
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState, Stage
from feed_publisher.domain.errors import InputError, MailError, StorageError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.services.overview import books_text
from feed_publisher.services.preview import Plan
from feed_publisher.services.send import SendReport
from feed_publisher.services.words import many

NOTHING: dict[str, object] = {"issue": None, "subject": None, "entries": 0, "audience": 0, "state": None, "books": {}}


@click.command()
@click.argument("slug")
@click.option(
    "--test", "test", multiple=True, metavar="ADDR", help="Mail one copy marked [Test] there; changes nothing."
)
@click.option(
    "--dry-run",
    "dry_run",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write every mail to DIR; changes nothing.",
)
@click.option("--as-of", "as_of", metavar="TIME", help="Leave out what became public later.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Send although the doctor of `check` found a red line.")
@with_out
@click.pass_obj
def send(
    place: Place,
    slug: str,
    test: tuple[str, ...],
    dry_run: Path | None,
    as_of: str | None,
    yes: bool,
    force: bool,
    out: Out,
) -> None:
    """Mail what is new of digest SLUG to all its active readers, at once.

    Shows the subject and the exact numbers first. Nothing new for anybody: says so and mails nothing.
    """
    with open_app(place) as app:
        mailed = app.settings.mailed(slug)
        moment = parse_instant(as_of, app.settings.site.timezone)
        if said := app.recipients.sentence(app.settings.any_digest(slug)):
            out.say(f"{slug} {said}")
        if test:
            _send_test(app, mailed, test, moment, out)
        elif dry_run is not None:
            _dry_run(app, mailed, dry_run, moment, out)
        else:
            _send(app, mailed, moment, yes, force, out)


def _send(app: App, slug: str, as_of: datetime | None, yes: bool, force: bool, out: Out) -> None:
    with app.owning():
        alive = app.recover()
        app.resume(alive)
        unfinished = [issue for issue in app.issues.newest(20, slug) if _is_waiting(app, issue)]
        plan, subject = app.plan(slug, as_of)
        if plan.recipients == 0 and not unfinished:
            out.say(f"Nothing new for anybody: no mail is sent. ({_readers(app, slug)})")
            out.document(NOTHING)
            return
        if plan.recipients:
            _show_plan(app, plan, subject, out)
        else:
            out.say("Nothing new for anybody.")
        for issue in unfinished:
            out.say(f"Issue {issue.id} of this digest is not finished: what is due of it goes on.")
        _ask_doctor(app, plan, force, out)
        if not yes and not click.confirm("Send now?", default=False, err=out.json):
            out.say("Nothing was sent.")
            sys.exit(1)
        asyncio.run(_deliver(app, slug, as_of, plan, unfinished, out))


def _ask_doctor(app: App, plan: Plan, force: bool, out: Out) -> None:
    """Refuse a large send that receivers would refuse, too (SEMANTICS §2)."""
    found = asyncio.run(app.checkup.red_lines(plan.recipients))
    for each in found:
        show_diagnosis(out, each)
    if found and not force:
        raise InputError(
            f"nothing was sent: {many(len(found), 'red line')} above; mend that (`check` tells whether it is), "
            "or send with --force"
        )


async def _deliver(app: App, slug: str, as_of: datetime | None, plan: Plan, unfinished: list[Issue], out: Out) -> None:
    issue = app.open_manual(slug, as_of) if plan.recipients else None
    wanted = [each.id for each in [*unfinished, issue] if each and each.state is not IssueState.SKIPPED]
    trouble: MailError | None = None
    try:
        async with app.relay() as mailer:
            for number in wanted:
                with _progress(app, number, out) as progress:
                    await app.send_run(mailer, number, progress).run()
    except MailError as error:
        trouble = error
    if not wanted:
        out.say("Nothing new for anybody any more: another process was faster.")
        out.document(NOTHING)
        return
    shown = app.issues.get(wanted[-1])
    if shown.state is IssueState.PREPARING:
        raise StorageError(
            f"issue {shown.id} waits for a reader who is being mailed another issue at this moment; "
            "`tick` or `serve` goes on, or send again"
        )
    books = app.issues.books(shown.id)
    balanced = "balanced" if shown.audience == sum(books.values()) else "NOT BALANCED: please report this"
    out.say(f"issue {shown.id}: {many(shown.audience or 0, 'reader')} = {books_text(books)} ({balanced})")
    if books.get(DeliveryState.UNKNOWN):
        out.say(f"in doubt: may or may not have arrived; `issues resend {shown.id} --state unknown` mails those again")
    out.unpublished(app.publish(pages=0).problems)  # the issue is in the archive now
    if web := app.issue_url(shown):
        out.say(f"on the web: {web}")
    out.document(issue_json(app, shown))
    if trouble is not None:
        raise MailError(f"{trouble}; the rest waits: `tick` or `serve` goes on, or send again") from trouble


def _is_waiting(app: App, issue: Issue) -> bool:
    books = app.issues.books(issue.id) if issue.state is IssueState.READY else {}
    return issue.rehearsal == app.rehearsal and any(
        books.get(state) for state in (DeliveryState.QUEUED, DeliveryState.DEFERRED)
    )


def _show_plan(app: App, plan: Plan, subject: str, out: Out) -> None:
    out.say(f"Subject     {subject}")
    out.say(f"Articles    {plan.entries}")
    out.say(f"Readers     {plan.recipients}")
    out.say(f"Mail server {app.relay_text()}")


def _readers(app: App, slug: str) -> str:
    count = app.people.count_active(slug)
    return "nobody subscribes to it yet" if count == 0 else f"{count} readers have had everything"


@contextmanager
def _progress(app: App, number: int, out: Out) -> Iterator[Callable[[SendReport], None] | None]:
    """A bar on a terminal, nothing when piped."""
    if out.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    total = sum(app.issues.books(number).get(state, 0) for state in (DeliveryState.QUEUED, DeliveryState.DEFERRED))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"issue {number}", total=total)

        def show(report: SendReport) -> None:
            bar.update(task, completed=report.total)

        yield show


def _dry_run(app: App, slug: str, folder: Path, as_of: datetime | None, out: Out) -> None:
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, mail in enumerate(app.dry_run(slug, as_of), 1):
            name = f"{number:06}.eml"
            (folder / name).write_bytes(mail.message)
            written.append({"file": name, "to": mail.to, "bytes": len(mail.message)})
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(folder)) from error
    plan, subject = app.plan(slug, as_of)
    _show_plan(app, plan, subject, out)
    out.say(f"wrote {many(len(written), 'mail')} to {folder}; nothing was sent or changed")
    out.document({"subject": subject, "entries": plan.entries, "audience": plan.recipients, "files": written})


def _send_test(app: App, slug: str, test: tuple[str, ...], as_of: datetime | None, out: Out) -> None:
    addresses = [parse_address(text) for text in test]
    subject, results = asyncio.run(app.send_test(slug, addresses, as_of))
    refused = False
    for address, result in results.items():
        accepted = result.stage is Stage.BODY and result.reply is not None and result.reply.code < 300
        refused = refused or not accepted
        out.say(
            f"{address}: accepted by the mail server"
            if accepted
            else f"{address}: not accepted: {result.reply or result.reason}"
        )
    out.say(f"[Test] {subject}: nothing else was changed")
    out.document({"subject": f"[Test] {subject}", "sent": [] if refused else list(results)})
    sys.exit(1 if refused else 0)


def issue_json(app: App, issue: Issue) -> dict[str, object]:
    """The shape of `send` and `issues show`."""
    return {
        "issue": issue.id,
        "digest": issue.digest,
        "desk": is_shadow(issue.digest),
        "slot": issue.slot,
        "number": issue.issue_number,
        "rehearsal": issue.rehearsal,
        "subject": issue.subject,
        "entries": issue.entries,
        "audience": issue.audience,
        "state": issue.state,
        "reason": issue.reason,
        "opened_at": issue.opened_at.isoformat(),
        "books": books_json(app.issues.books(issue.id)),
        "web": app.issue_url(issue) or None,
    }
