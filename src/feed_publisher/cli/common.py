"""What all commands share: opening the site, and saying things to people or as one JSON document."""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from feed_publisher.app import App
from feed_publisher.cli.group import Place
from feed_publisher.domain.dates import instant
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Books
from feed_publisher.domain.model import Problem, escaped
from feed_publisher.ports.people import Notice

F = TypeVar("F", bound=Callable[..., Any])
_HALVES = re.compile("[\ud800-\udfff]")
"""Bytes of a file's name that are not UTF-8; JSON can hold them, stdout cannot."""


SHOWN = 20
"""Lines of the same kind."""


@dataclass(frozen=True, slots=True)
class Out:
    """Words go to stdout, or to stderr when ``json`` asks for one document on stdout."""

    json: bool

    def say(self, text: str = "") -> None:
        click.echo(text, err=self.json)

    def problems(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            click.echo(f"skipped {problem}", err=True)

    def unpublished(self, problems: Sequence[Problem]) -> None:
        for problem in problems[:SHOWN]:
            click.echo(f"not replaced: {problem}", err=True)
        if len(problems) > SHOWN:
            click.echo(f"… and {len(problems) - SHOWN} more", err=True)

    def document(self, value: object) -> None:
        if self.json:
            text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
            click.echo(_HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as the terminal allows; plain tabs when piped."""
        if self.json:
            return
        if not sys.stdout.isatty():
            for row in rows:
                click.echo("\t".join(str(cell) for cell in row))
            return
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        Console().print(table)


def with_out(command: F) -> F:
    """Adds --json and hands the command an Out."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, words on stderr.")
    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return command(*args, out=Out(as_json), **kwargs)

    return wrapped  # type: ignore[return-value]


def open_app(place: Place) -> App:
    """The site of this command. Raises ConfigError, StorageError."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return App(place.folder, place.overrides)


def books_json(books: Books) -> dict[str, int]:
    """Every state with its count, zeros included, so a script can add up."""
    return {state.value: books.get(state, 0) for state in DeliveryState}


def recent_notices(app: App) -> list[Notice]:
    """What the operator was told in the last seven days, newest first."""
    since = app.clock() - timedelta(days=7)
    return [notice for notice in app.desk.notices(5) if notice.at >= since]


def show_notices(out: Out, notices: Sequence[Notice]) -> None:
    for notice in notices:
        out.say(escaped(f"notice of {notice.at:%Y-%m-%d %H:%M} UTC: {notice.sentence}"))


def notices_json(notices: Sequence[Notice]) -> list[dict[str, str]]:
    return [{"at": notice.at.isoformat(), "about": notice.about, "sentence": notice.sentence} for notice in notices]


def parse_instant(text: str | None, zone: str, option: str = "--as-of") -> datetime | None:
    """An ISO date or time; without an offset it is meant in the site's zone."""
    return None if text is None else instant(text, zone, option)


def read_file(path: Path) -> bytes:
    """A file named on the command line, or InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from error


def digest_named(app: App, slug: str | None) -> str:
    """The named digest; the only one when none is named."""
    if slug is not None:
        return app.settings.digest(slug).slug
    if len(app.settings.digests) != 1:
        raise InputError("there are several digests (or none): name one", "--digest")
    return app.settings.digests[0].slug


def on_terminal() -> bool:
    """Whether somebody is there to see a question and to answer it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.update(task, completed=count)
