"""The program's words in other languages: gettext catalogs, a site's own before ours.

They are read as text (.po) and compiled in memory, when a page or mail first needs their language: nothing has to be
built, and commands that show no page are not slowed down.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING

from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.language import primary_language

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message

log = logging.getLogger("feed_publisher")

ORIGINAL = "en"
"""The language the program's words are written in, and those of a catalog fall back to."""

SHIPPED = Path(__file__).parents[1] / "locale"
_PLACE = re.compile(r"%\((\w+)\)[sd]")


class Catalogs:
    """``folder`` holds the site's own, such as de.po: messages in it replace ours, and it may be of a new language."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, NullTranslations] = {}

    @cached_property
    def languages(self) -> frozenset[str]:
        """Those with words, as BCP 47 tags."""
        own = self._folder.glob("*.po") if self._folder else ()
        ours = (file.parents[1].name for file in SHIPPED.glob("*/LC_MESSAGES/messages.po"))
        return frozenset(name.replace("_", "-") for name in (ORIGINAL, *ours, *(file.stem for file in own)))

    def of(self, tag: str) -> NullTranslations:
        """From de-AT to de to English, message by message. Raises TemplateError for a file that cannot be read."""
        if tag not in self._known:
            first, *others = [self._read(file) for file in self._files(tag)] or [NullTranslations()]
            for other in others:
                first.add_fallback(other)
            self._known[tag] = first
        return self._known[tag]

    def _files(self, tag: str) -> Iterator[Path]:
        for each in dict.fromkeys((tag, primary_language(tag), ORIGINAL)):
            own = [self._folder / f"{name}.po" for name in (each, each.replace("-", "_"))] if self._folder else []
            ours = SHIPPED / each.replace("-", "_") / "LC_MESSAGES" / "messages.po"
            yield from (file for file in dict.fromkeys((*own, ours)) if file.is_file())

    def _read(self, file: Path) -> NullTranslations:
        catalog = read_catalog(file)
        for message in catalog:
            if trouble := trouble_with(message):
                # One sentence with a slip must not stop an issue: it is said in the next language instead.
                log.warning("%s:%s: %s", file, message.lineno or "", trouble)
                message.string = "" if isinstance(message.id, str) else ("",) * catalog.num_plurals
        return _compiled(catalog)


def read_catalog(file: Path) -> Catalog:
    """Raises TemplateError naming the line."""
    from babel.messages.pofile import PoFileError, read_po

    try:
        with file.open("rb") as source:
            return read_po(source, locale=(file.stem if file.stem != "messages" else None), abort_invalid=True)
    except PoFileError as error:
        raise TemplateError(f"{file}:{error.lineno + 1}: {error}") from error
    except (OSError, ValueError, LookupError) as error:
        raise TemplateError(f"{file}: {error}") from error


def _compiled(catalog: Catalog) -> GNUTranslations:
    from babel.messages.mofile import write_mo

    packed = io.BytesIO()
    write_mo(packed, catalog)
    packed.seek(0)
    return GNUTranslations(packed)


def trouble_with(message: Message) -> str:
    """Why a translated message cannot be used, or ""."""
    originals = (message.id,) if isinstance(message.id, str) else message.id
    strings = (message.string,) if isinstance(message.string, str) else message.string or ()
    known = {name for text in originals for name in _PLACE.findall(text)}
    for text in strings if message.id else ():
        if unknown := sorted(set(_PLACE.findall(text)) - known):
            return f"%({unknown[0]})s does not stand in the English message {originals[0]!r}"
        if "%" in _PLACE.sub("", text).replace("%%", ""):
            return f"a bare % in the translation of {originals[0]!r}; write %%"
    return ""
