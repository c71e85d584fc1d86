"""The command group: sub-commands are imported when they are called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

import click

from feed_publisher.cli.main import COMMANDS, help_text
from feed_publisher.domain.errors import FeedPublisherError
from feed_publisher.domain.model import escaped

_FUNCTIONS = {"try": "tryout"}
"""Commands whose names are keywords of Python."""

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE)
"""What writing to stdout ends with; errors of files bring a name, and are translated where they happen."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which site a command is about."""

    folder: Path
    overrides: tuple[str, ...]


class LazyGroup(click.Group):
    """Knows names and one-line helps without importing the commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"feed_publisher.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, _FUNCTIONS.get(cmd_name, cmd_name))
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(help_text() + "\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    envvar="FEED_PUBLISHER_SITE",
    default=Path(),
)
@click.option("--config", "overrides", multiple=True, metavar="KEY=VALUE")
@click.pass_context
def cli(ctx: click.Context, site: Path, overrides: tuple[str, ...]) -> None:
    """Pick up new articles, publish feeds, mail digests."""
    ctx.obj = Place(site, overrides)


def run() -> None:
    """Run the command that the arguments name."""
    if sys.stdout is None:  # so Python starts when the shell has closed it
        _fail("stdout is closed; send it to a file, or to /dev/null", 1)
    try:
        cli(prog_name="feed-publisher", standalone_mode=True)
    except FeedPublisherError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _silence(sys.stdout)
        _fail(f"the output cannot be written: {error.strerror}", 1)


def _fail(words: str, code: int) -> NoReturn:
    try:
        click.echo(f"error: {escaped(words)}", err=True)
    except OSError:
        _silence(sys.stderr)
    sys.exit(code)


def _silence(stream: TextIO) -> None:
    """Let the rest go nowhere, else Python complains about it when it ends."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
