"""digest start: where a digest starts, for readers who have had no issue yet, and which number its next issue has."""

from __future__ import annotations

import re
import sys

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, on_terminal, open_app, parse_instant, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.progress import progress_bar
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.services.starting import Meaning
from feed_publisher.services.words import many

_TIME = re.compile(r"\d{4}-\d")
"""What begins a date; no key has a hyphen there."""

HIGHEST = 1_000_000
"""The highest number an issue may be given by hand."""


@click.command()
@click.argument("slug")
@click.option(
    "--from", "where", metavar="all|now|TIME|KEY", help="The first articles: all, those from now or a time on, or one."
)
@click.option("--number", type=click.IntRange(1, HIGHEST), metavar="N", help="The number of the next issue.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_out
@click.pass_obj
def start(place: Place, slug: str, where: str | None, number: int | None, yes: bool, out: Out) -> None:
    """Show where a digest starts, or let it start elsewhere, for readers who have had no issue yet.

    TIME is a date or time in the digest's zone, as of when articles came here; KEY is an article's, or its first 6
    characters or more. A digest that goes to the operators only starts there for them, too.
    """
    with open_app(place) as app:
        app.settings.digest(slug)
        starting, through = app.starting(slug), app.issues.current_sequence()
        after = None if where is None else _after(app, slug, where)
        meaning = starting.look(through, after)
        moved = meaning.readers
        if after is not None or number is not None:
            if _matters(meaning) and not yes and on_terminal() and not _agreed(slug, meaning, out):
                out.say("Nothing was changed.")
                sys.exit(1)
            with progress_bar(meaning.readers, "readers") as progress:
                moved = starting.begin(after, number, progress)
            meaning = starting.look(through)
        said = app.recipients.sentence(app.settings.digest(slug))
    out.say(f"{slug} starts after sequence {meaning.start.after}: {_articles(meaning)}")
    out.say(f"its next issue is number {meaning.start.next_number}")
    did = "moved" if after is not None else "that is for"
    out.say(f"{did} {many(moved, 'reader')} who had no issue yet; others go on where they are")
    if said:
        out.say(f"{slug} {said}")
    out.document(
        {
            "digest": slug,
            "start": meaning.start.after,
            "number": meaning.start.next_number,
            "articles": meaning.articles,
            "first": {"key": meaning.first.key, "title": meaning.first.title} if meaning.first else None,
            "readers": moved,
        }
    )


def _after(app: App, slug: str, where: str) -> int:
    """The sequence it is to start after. Raises InputError, NotFoundError."""
    if where == "all":
        return 0
    if where == "now":
        return app.issues.current_sequence()
    if _TIME.match(where):
        zone = app.rules(slug).clock.zone
        return app.issues.sequence_at(parse_instant(where, zone, "--from") or app.clock())
    try:
        entry = app.entries.get(where)
    except InputError as error:
        raise InputError(f"{error}; or write a date such as 2026-11-01, `all` or `now`", "--from") from error
    return app.starting(slug).before(entry)


def _matters(meaning: Meaning) -> bool:
    return bool(meaning.readers and (meaning.left_out or meaning.more))


def _agreed(slug: str, meaning: Meaning, out: Out) -> bool:
    readers = many(meaning.readers, "reader")
    if meaning.left_out:
        out.say(f"{many(meaning.left_out, 'article')} would not come to the {readers} of {slug} who had no issue yet.")
    else:
        out.say(f"{many(meaning.more, 'older article')} would come to the {readers} of {slug} who had no issue yet.")
    return click.confirm("Start there?", default=False, err=out.json)


def _articles(meaning: Meaning) -> str:
    if meaning.first is None:
        return "no article has come since"
    return escaped(f"{many(meaning.articles, 'article')} since, the first is “{meaning.first.title}”")
