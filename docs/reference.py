"""Writes docs/settings.md and docs/commands.md from the code; a test keeps them current.

Run: .venv/bin/python docs/reference.py
"""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from feed_publisher.cli.group import cli
from feed_publisher.cli.main import COMMANDS
from feed_publisher.config import bounces, models, sponsors

HERE = Path(__file__).parent
SECTIONS = (
    ("[site]", models.Site),
    ("[database]", models.DatabaseSettings),
    ("[mail]", models.MailSettings),
    ("[smtp]", models.Smtp),
    ("[bounces]", bounces.Bounces),
    ("[[dkim]]", models.Dkim),
    ("[[sources]]", models.Source),
    ("[fetch]", models.Fetch),
    ("[websub]", models.WebSub),
    ("[[topics]]", models.Topic),
    ("[[feeds]]", models.NamedFeed),
    ("[[digests]]", models.Digest),
    ("[[sponsors]]", sponsors.Sponsor),
)


def settings() -> str:
    """Every setting with its default."""
    lines = [
        "# Settings",
        "",
        "In `publisher.toml`. A variable `FEED_PUBLISHER_SECTION__KEY` in the environment beats the file (for the",
        "sections in single brackets), `--config section.key=value` beats both. An unknown key is an error that names",
        "the nearest.",
    ]
    for heading, model in SECTIONS:
        lines += _section(heading, model)
    return "\n".join(lines) + "\n"


def _section(heading: str, model: type[BaseModel]) -> list[str]:
    """Its keys, then those of the sections inside it."""
    lines = ["", f"## {heading}", "", "| key | default | meaning |", "|---|---|---|"]
    inner: list[str] = []
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{field.alias or name}` | {_default(field.default)} | {meaning} |")
        if isinstance(field.default, BaseModel):
            inner += _section(f"[{heading.strip('[]')}.{name}]", type(field.default))
    return lines + inner


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return "–"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, timedelta):
        return f"`{_duration(value)}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value:%H:%M}`" if hasattr(value, "hour") else f"`{value}`"


def _duration(span: timedelta) -> str:
    """As it is written in publisher.toml."""
    for length, unit in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if not span % length:
            return f"{span // length} {unit}{'' if span == length else 's'}"
    return str(span)


def commands() -> str:
    """Every command with its options."""
    lines = [
        "# Commands",
        "",
        "`feed-publisher [--site FOLDER] [--config KEY=VALUE] COMMAND …`. Exit codes: 0 done, 1 failed, 2 wrong usage,",
        "75 try later (mail server or database busy). With `--json` a command prints one JSON document on stdout and",
        "words on stderr.",
    ]
    context = click.Context(cli, info_name="feed-publisher")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is not None:
            lines += _command(command, [name])
    return "\n".join(lines) + "\n"


def _command(command: click.Command, path: list[str]) -> list[str]:
    level = "#" * (len(path) + 1)
    usage = " ".join([*path, *(_parameter(p) for p in command.params)])
    lines = ["", f"{level} {' '.join(path)}", "", inspect.cleandoc(command.help or "")]
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            lines += _command(command.commands[name], [*path, name])
        return lines
    lines += ["", f"    feed-publisher {usage}"]
    described = [(p.opts[-1], p.help) for p in command.params if isinstance(p, click.Option) and p.help]
    if described:
        lines += ["", *(f"- `{name}`: {text}" for name, text in described)]
    return lines


def _parameter(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.Context(click.Command("x")))
    name = "/".join((parameter.opts[-1], *parameter.secondary_opts))
    is_flag = isinstance(parameter, click.Option) and parameter.is_flag
    text = name if is_flag else f"{name} {parameter.metavar or parameter.type.name.upper()}"
    return text if parameter.required else f"[{text}]"


if __name__ == "__main__":
    (HERE / "settings.md").write_text(settings())
    (HERE / "commands.md").write_text(commands())
