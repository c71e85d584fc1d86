"""Jinja environments: a site's templates/ first, then ours; entry text is data, operators' templates run sandboxed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """A folder that ships with the program: inside the wheel, or beside src/ in a checkout."""
    packaged = _PACKAGE / name
    checkout = {"templates": "templates", "example": "data"}[name]
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / checkout


def environment(folder: Path, timezone: str, language: str) -> SandboxedEnvironment:
    """``default/…`` names our own version of a template, so a site's file can extend what it replaces."""
    ours = FileSystemLoader(shipped("templates"))
    templates = SandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder), ours, PrefixLoader({"default": ours})]),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    zone = ZoneInfo(timezone)

    @pass_context
    def date(context: Context, value: datetime) -> str:
        return format_date(value.astimezone(zone), "long", locale=_locale(context, language))

    @pass_context
    def date_and_time(context: Context, value: datetime) -> str:
        local = value.astimezone(zone)
        day = format_date(local, "long", locale=_locale(context, language))
        return f"{day}, {format_datetime(local, 'HH:mm', locale=_locale(context, language))}"

    templates.filters.update({"date": date, "datetime": date_and_time})
    return templates


def _locale(context: Context, language: str) -> str:
    chosen = context.get("language")
    return (chosen if isinstance(chosen, str) and chosen else language).replace("-", "_")
