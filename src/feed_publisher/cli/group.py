"""The command group: sub-commands are imported when they are called."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from feed_publisher.cli.main import COMMANDS, help_text
from feed_publisher.domain.errors import FeedPublisherError


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
        command: click.Command = getattr(module, cmd_name)
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
    try:
        cli(prog_name="feed-publisher", standalone_mode=True)
    except FeedPublisherError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
