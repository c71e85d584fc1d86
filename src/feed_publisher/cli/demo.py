"""demo: the example site, from its first article to the first digest in the built-in mailbox."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import FeedFormat
from feed_publisher.services.overview import books_text
from feed_publisher.services.words import many

MARKER = ".example"
"""A file that says: this folder is a copy of the example and may be thrown away."""


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--once", is_flag=True, help="One turn, without serving, then exit.")
@click.option("--fresh", is_flag=True, help="Throw the example site's state away first.")
@with_out
@click.pass_obj
def demo(place: Place, port: int, once: bool, fresh: bool, out: Out) -> None:
    """Run the example site in the folder given by --site (made from the shipped example when it is empty)."""
    from feed_publisher.cli.serve import bind, run, set_up_logging

    if not once:
        bind("127.0.0.1", port).close()  # before anything is changed
    folder = place.folder
    new = _copy(folder, fresh)
    set_up_logging()
    base_url = f"site.base_url=http://127.0.0.1:{port}"
    with App(folder, (*place.overrides, base_url)) as app:
        if not app.rehearsal:
            raise InputError("has a mail server; the example is for rehearsals only: use `serve`", str(folder))
        before = app.desk.happened().entries
        if before == 0:
            _subscribe(app, folder)
        mail = _first_turn(app, out, new)
        if once:
            _show_files(app, out, mail)
        else:
            run(app, "127.0.0.1", port, lambda: _show_pages(app, out, port, mail))


def _copy(folder: Path, fresh: bool) -> bool:
    """Whether the site was made now."""
    from feed_publisher.adapters.templates import shipped
    from feed_publisher.config.loading import FILE

    if (folder / FILE).exists() and not (folder / MARKER).exists():
        reason = (
            "is a site of its own, not the example; nothing was sent or deleted: use `serve`, or name another folder"
        )
        raise InputError(reason, str(folder))
    if fresh and (folder / FILE).exists():
        shutil.rmtree(folder)
    if (folder / FILE).exists():
        return False
    try:
        shutil.copytree(shipped("example"), folder, dirs_exist_ok=True)
        (folder / MARKER).touch()
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", str(folder)) from error
    return True


def _subscribe(app: App, folder: Path) -> None:
    from feed_publisher.parse.subscribers import read_subscribers

    # The file names topics, and the first pickup makes them.
    asyncio.run(app.intake.pickup())
    file = folder / "subscribers.csv"
    if file.exists():
        rows = read_subscribers(file.read_bytes(), str(file))
        app.add_subscribers(app.settings.digests[0].slug, rows, True, str(file))


def _first_turn(app: App, out: Out, new: bool) -> str | None:
    """Pick up, publish, mail what is new; the id of the newest mail."""
    picked = asyncio.run(app.intake.pickup())
    for problem in picked.rejected:
        click.echo(f"skipped {problem}", err=True)
    out.unpublished(app.publish().problems)
    with app.owning():
        app.resume(app.recover())
        for digest in app.settings.digests:
            issue = app.open_manual(digest.slug)
            if issue is not None:
                asyncio.run(_deliver(app))
                books = app.issues.books(issue.id)
                out.say(
                    f"mailed “{issue.subject}” to {many(issue.audience or 0, 'example reader')}: {books_text(books)}"
                )
            elif not new:
                last = next(iter(app.issues.newest(1, digest.slug)), None)
                since = f"{last.opened_at:%Y-%m-%d %H:%M} UTC" if last else "the start"
                out.say(f"nothing new since {since}; `make again` starts afresh")
    out.unpublished(app.publish().problems)  # what was mailed stands in the archive now
    mails = app.mailbox.list(limit=1)
    return mails[0].id if mails else None


async def _deliver(app: App) -> None:
    async with app.relay() as mailer:
        await app.send_run(mailer).run()


def _show_pages(app: App, out: Out, port: int, mail: str | None) -> None:
    base = app.base_url
    topics = app.topics.all()
    topic = topics[0].slug if topics else "all"
    digest = app.settings.digests[0]
    seen = app.overview()
    entries = app.folder / app.settings.sources[0].location
    lines = [
        "",
        f"  the mail as a reader sees it   {base}/mailbox/{mail}" if mail else f"  the mailbox   {base}/mailbox",
        f"  a topic page, with Follow      {base}/topics/{topic}",
        f"  its feed                       {base}/feeds/{topic}.atom",
        f"  the page to subscribe          {base}/digests/{digest.slug}",
        f"  what was mailed, on the web    {base}/issues/{digest.slug}",
        "",
        "  what happened",
        *(f"    {sentence}" for sentence in seen.happened),
        "  what is due next",
        *(f"    {sentence}" for sentence in seen.due),
        "",
        "  mail goes to the built-in mailbox: a rehearsal, nothing leaves this computer",
        f"  put a text file into {entries} and watch it appear",
        f"    for example: cp {app.folder / 'later'}/*.txt {entries}/",
        "  Ctrl-C stops",
        "",
    ]
    for line in lines:
        out.say(line)


def _show_files(app: App, out: Out, mail: str | None) -> None:
    kinds = {f".{format}" for format in FeedFormat}
    feeds = sorted(file for file in (app.folder / "public" / "feeds").rglob("*") if file.suffix in kinds)
    counted = (many(app.desk.happened().entries, "article"), many(len(app.topics.all()), "topic"))
    out.say(f"{', '.join(counted)}, {many(len(feeds), 'feed file')}:")
    for file in feeds:
        out.say(f"  {file} ({file.stat().st_size} bytes)")
    mails = app.mailbox.list(limit=10)
    out.say(f"{many(app.mailbox.count(), 'mail')} in {app.folder / 'var' / 'mailbox'}:")
    for each in mails:
        out.say(f"  to {each.to}: {each.subject}")
    if mail:
        out.say("\nthe newest, as plain text:\n")
        out.say(app.mailbox.read(mail).text)
    out.document(
        {"feeds": [str(file) for file in feeds], "mails": [{"to": each.to, "subject": each.subject} for each in mails]}
    )
