"""Bring the catalogs up to what templates and code say now: `make words`. Tells what is still to be translated.

A language is added by its code: `.venv/bin/python docs/words.py fr`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "src" / "feed_publisher" / "locale"
KEYWORDS = {**DEFAULT_KEYWORDS, "Say": None}
JINJA = {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}

HEAD = """\
# The words of feed-publisher. `make words` brings this file up to date.
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural};\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def template() -> Catalog:
    """All messages of templates/ and src/, without translations."""
    made = Catalog()
    for place, message, notes, context in _messages():
        made.add(message, locations=[(place, 0)], auto_comments=notes, context=context)
    return made


def _messages() -> Iterator[tuple[str, str | tuple[str, ...], list[str], str | None]]:
    for folder, method, options in (("templates", babel_extract, JINJA), ("src/feed_publisher", "python", {})):
        kinds = "**.py" if method == "python" else "**.*"
        found = extract_from_dir(ROOT / folder, [(kinds, method)], {kinds: options}, KEYWORDS, ["Translators:"])
        for file, _, message, notes, context in sorted(found, key=lambda each: (each[0], each[1])):
            yield f"{folder}/{file}", message, notes, context


def files() -> dict[str, Path]:
    """The catalogs there are, by language."""
    return {file.parents[1].name: file for file in sorted(LOCALE.glob("*/LC_MESSAGES/messages.po"))}


def updated(language: str, messages: Catalog) -> Catalog:
    """The catalog with these messages. Nothing is guessed: a changed sentence is a new one."""
    file, catalog = _file(language), Catalog(locale=language)
    if file.exists():
        with file.open("rb") as source:
            catalog = read_po(source, locale=language)
    catalog.update(messages, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def write(language: str, catalog: Catalog) -> list[str]:
    """What it does not translate yet. The file has no dates and line numbers, so it changes only with its words."""
    body = io.BytesIO()
    write_po(body, catalog, width=110, include_lineno=False, omit_header=True)
    _file(language).parent.mkdir(parents=True, exist_ok=True)
    _file(language).write_bytes(
        HEAD.format(language=language, plural=catalog.plural_forms.rstrip(";")).encode() + body.getvalue()
    )
    return [str(message.id) for message in catalog if message.id and not _is_done(message.string)]


def _file(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "messages.po"


def _is_done(string: str | tuple[str, ...] | None) -> bool:
    return bool(string) and all(string if isinstance(string, tuple) else (string,))


if __name__ == "__main__":
    messages = template()
    for language in (*files(), *sys.argv[1:]):
        missing = write(language, updated(language, messages))
        told = [f"{language}: {len(messages)} messages, {len(missing)} to translate", *missing]
        sys.stdout.write("\n  ".join(told) + "\n")
