"""Jinja environments: a site's templates/ first, then ours; entry text is data, operators' templates run sandboxed.

What a page or mail says is in the language that it is rendered with (``language`` in its context).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from markupsafe import Markup

from feed_publisher.adapters.catalogs import Catalogs
from feed_publisher.compose.sandbox import Sandbox
from feed_publisher.domain.language import Say, direction, first_direction, isolated, primary_language, runs_against

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """A folder that ships with the program: inside the wheel, or beside src/ in a checkout."""
    packaged = _PACKAGE / name
    checkout = {"templates": "templates", "example": "data"}[name]
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / checkout


def environment(folder: Path, timezone: str, language: str, catalogs: Catalogs | None = None) -> Sandbox:
    """``default/…`` names our own version of a template, so a site's file can extend what it replaces."""
    ours = FileSystemLoader(shipped("templates"))
    words = Words(catalogs or Catalogs(), ZoneInfo(timezone), language)
    templates = Sandbox(
        loader=ChoiceLoader([FileSystemLoader(folder), ours, PrefixLoader({"default": ours})]),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=words.printed,
    )
    templates.policies["ext.i18n.trimmed"] = True
    templates.install_gettext_callables(  # type: ignore[attr-defined]
        words.gettext, words.ngettext, newstyle=True, pgettext=words.pgettext
    )
    for name in ("apart", "date", "day_and_time", "number", "said", "sentence"):
        templates.filters[name] = getattr(words, name)
    templates.filters["datetime"] = words.date_and_time
    return templates


class Words:
    """What templates call. Each method is handed the context of the page or mail that is rendered."""

    def __init__(self, catalogs: Catalogs, zone: ZoneInfo, language: str) -> None:
        self._catalogs = catalogs
        self._zone = zone
        self._usual = language

    def _language(self, context: Context) -> str:
        chosen = context.get("language")
        return chosen if isinstance(chosen, str) and chosen else self._usual

    def _catalog(self, context: Context) -> NullTranslations:
        return self._catalogs.of(self._language(context))

    # --- called by {% trans %}

    @pass_context
    def gettext(self, context: Context, message: str) -> str:
        return self._catalog(context).gettext(message)

    @pass_context
    def ngettext(self, context: Context, one: str, many: str, count: int) -> str:
        return self._catalog(context).ngettext(one, many, count)

    @pass_context
    def pgettext(self, context: Context, about: str, message: str) -> str:
        return self._catalog(context).pgettext(about, message)

    # --- values

    @pass_context
    def printed(self, context: Context, value: object) -> object:
        """Every value that a template prints: a sentence is said in the language of the page."""
        return self.said(context, value) if isinstance(value, Say) else value

    @pass_context
    def said(self, context: Context, value: object) -> object:
        """The same for a value that is not printed by itself."""
        if not isinstance(value, Say):
            return value
        around = direction(self._language(context))
        return value.said(self._catalog(context).gettext, lambda text: isolated(text, around))

    @pass_context
    def sentence(self, context: Context, reason: str) -> str:
        """The reason of an error, as a sentence of its own."""
        text = str(self.said(context, reason))
        return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "؟")) else ".")

    @pass_context
    def apart(self, context: Context, value: object) -> object:
        """A name within a sentence, kept from mixing with words that run in the other direction."""
        text, around = self.said(context, value), direction(self._language(context))
        if not isinstance(text, str) or not runs_against(text, around):
            return text
        if context.eval_ctx.autoescape:
            return Markup('<span dir="{}">{}</span>').format(first_direction(text), text)
        return isolated(text, around)

    @pass_context
    def number(self, context: Context, value: int) -> str:
        return format_decimal(value, locale=_locale(self._language(context)))

    @pass_context
    def date(self, context: Context, value: datetime) -> str:
        return format_date(value.astimezone(self._zone), "long", locale=_locale(self._language(context)))

    @pass_context
    def date_and_time(self, context: Context, value: datetime) -> str:
        local, locale = value.astimezone(self._zone), _locale(self._language(context))
        return f"{format_date(local, 'long', locale=locale)}, {format_datetime(local, 'HH:mm', locale=locale)}"

    @pass_context
    def day_and_time(self, context: Context, value: datetime | Say) -> str:
        """With the day of the week, in the zone of the value itself; or what is said instead of it."""
        if isinstance(value, Say):
            return str(self.said(context, value))
        day = format_date(value, "full", locale=_locale(self._language(context)))
        return str(self.said(context, Say("%(day)s at %(time)s", day=day, time=value.strftime("%H:%M"))))


@lru_cache(maxsize=200)
def _locale(tag: str) -> Locale:
    """How dates and numbers are written in a language, or in what it is a variety of; in English for unknown ones."""
    for candidate in (tag, primary_language(tag)):
        try:
            return Locale.parse(candidate, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")
