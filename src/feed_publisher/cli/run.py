"""pickup, publish and tick."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, books_json, notices_json, open_app, recent_notices, show_notices, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.errors import FeedPublisherError, FileError, MailError, TemplateError
from feed_publisher.services.absorbing import PickupReport
from feed_publisher.services.overview import books_text
from feed_publisher.services.publish import PublishReport
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.ports.sending import Mailer


LETTER_ROUNDS = 100
"""In a tick; each asks at most a hundred readers of a round whether they still want a digest."""


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH_OR_URL]...")
@click.option("--topic", metavar="SLUG", help="Put everything under this topic instead of its headings.")
@with_out
@click.pass_obj
def pickup(place: Place, paths: tuple[str, ...], topic: str | None, out: Out) -> None:
    """Read the sources that are due, or just these files, folders and addresses."""
    with open_app(place) as app:
        report = asyncio.run(app.intake.pickup(paths, topic))
    show_pickup(out, report)
    out.document(pickup_json(report))
    sys.exit(1 if report.rejected else 0)


@click.command()
@click.option("--all", "every", is_flag=True, help="Look at every feed, not only at those that changed.")
@with_out
@click.pass_obj
def publish(place: Place, every: bool, out: Out) -> None:
    """Write the feed files that changed."""
    with open_app(place) as app:
        report = app.publish(every)
    show_publish(out, report)
    out.document(publish_json(report))
    sys.exit(1 if report.problems else 0)


@click.command()
@with_out
@click.pass_obj
def tick(place: Place, out: Out) -> None:
    """Do everything that is due now, once, and exit: pickup, publish, issues, sending. For cron."""
    with open_app(place) as app, app.owning():
        document, failed, trouble = asyncio.run(_tick(app, out))
    out.document(document)
    if trouble is not None:
        raise trouble
    sys.exit(1 if failed else 0)


async def _tick(app: App, out: Out) -> tuple[dict[str, object], bool, FeedPublisherError | None]:
    picked = await app.intake.pickup()
    app.intake.watch()
    show_pickup(out, picked)
    published = app.publish()
    show_publish(out, published)
    opened = app.open_issues()
    for issue in opened:
        out.say(f"issue {issue.id}, {issue.digest} {issue.slot}: {issue.state}, {many(issue.audience or 0, 'reader')}")
    await app.checkup.tell(opened)
    trouble = await _returns(app)
    async with AsyncExitStack() as stack:
        try:
            mailer = await stack.enter_async_context(app.relay())
            try:
                await _send_letters(app, mailer)
            except TemplateError as error:
                trouble = error  # of a letter: issues leave all the same
            await app.send_due(mailer)
        except MailError as error:
            trouble = error
    app.ledger.finish(app.clock())
    archived = app.publish()
    out.unpublished(archived.problems)
    published.written += archived.written
    published.problems += archived.problems
    await app.tell_hubs()
    books = {issue.id: app.issues.books(issue.id) for issue in opened}
    for number, each in books.items():
        out.say(f"issue {number}: {books_text(each)}")
    notices = recent_notices(app)
    show_notices(out, notices)
    document: dict[str, object] = {
        "pickup": pickup_json(picked),
        "publish": publish_json(published),
        "issues": [{"issue": number, "books": books_json(each)} for number, each in books.items()],
        "notices": notices_json(notices),
    }
    return document, bool(picked.rejected or published.problems), trouble


async def _send_letters(app: App, mailer: Mailer) -> None:
    """All that wait, but for those who are asked whether they still want a digest: issues are not to wait for them."""
    for _ in range(LETTER_ROUNDS):
        if not await app.send_letters(mailer):
            return


async def _returns(app: App) -> FeedPublisherError | None:
    """What came back is no reason to send nothing."""
    try:
        await app.returns.poll()
    except (MailError, FileError) as error:
        return error
    return None


def show_pickup(out: Out, report: PickupReport) -> None:
    """What was picked up, in a few lines."""
    out.problems(report.rejected)
    for draft in report.new[:20]:
        out.say(f"new      {draft.title}")
    if len(report.new) > 20:
        out.say(f"         … and {len(report.new) - 20} more")
    for draft in report.changed:
        out.say(f"changed  {draft.title}")
    for draft, reason in report.held:
        out.say(f"held     {draft.title}: it {reason}")
    for path in report.waiting:
        out.say(f"waiting  {path} is still being written; the next pickup reads it")
    out.say(
        f"{len(report.new)} new, {len(report.changed)} changed, {report.unchanged} unchanged, "
        f"{len(report.held)} held, {len(report.rejected)} skipped"
    )


def show_publish(out: Out, report: PublishReport) -> None:
    """Which files were written."""
    for path in report.written[:30]:
        out.say(f"wrote    public/{path}")
    if len(report.written) > 30:
        out.say(f"         … and {len(report.written) - 30} more")
    out.unpublished(report.problems)
    out.say(f"{many(len(report.written), 'feed file')} written, {report.unchanged} unchanged")


def pickup_json(report: PickupReport) -> dict[str, object]:
    return {
        "new": len(report.new),
        "changed": len(report.changed),
        "unchanged": report.unchanged,
        "held": len(report.held),
        "rejected": [{"where": problem.where, "reason": problem.reason} for problem in report.rejected],
    }


def publish_json(report: PublishReport) -> dict[str, object]:
    problems = [{"where": problem.where, "reason": problem.reason} for problem in report.problems]
    return {"written": report.written, "unchanged": report.unchanged, "problems": problems}
