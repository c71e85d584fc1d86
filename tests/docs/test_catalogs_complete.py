"""German and Arabic say all that English says."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from functools import cache
from gettext import c2py
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog, Message

from feed_publisher.adapters.catalogs import SHIPPED, Catalogs, read_catalog, trouble_with

ROOT = Path(__file__).parents[2]
COMPLETE = ("ar", "de")
AGAIN = "run `make words`, and translate what it names"


@cache
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_words", ROOT / "docs" / "words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def catalog(language: str) -> Catalog:
    return read_catalog(SHIPPED / language / "LC_MESSAGES" / "messages.po")


def messages(language: str) -> list[Message]:
    return [message for message in catalog(language) if message.id]


def texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())  # type: ignore[arg-type]


def names(text: str) -> Counter[str]:
    return Counter(re.findall(r"%\((\w+)\)[sd]", text))


def test_what_is_complete() -> None:
    assert Catalogs().languages >= {"en", *COMPLETE}


@pytest.mark.parametrize("language", COMPLETE)
def test_every_message_is_translated(language: str) -> None:
    wanted = {(message.context, message.id) for message in tool().template() if message.id}
    found = {(message.context, message.id) for message in messages(language)}
    assert found == wanted, AGAIN
    assert len(wanted) > 50
    missing = [message.id for message in messages(language) if not all(texts(message.string) or ("",))]
    assert missing == [], AGAIN
    assert [message.id for message in messages(language) if message.fuzzy] == []


@pytest.mark.parametrize("language", COMPLETE)
def test_values_and_markup_are_those_of_english(language: str) -> None:
    for message in messages(language):
        assert trouble_with(message) == ""
        *_, original = texts(message.id)
        tags = Counter(re.findall(r"<[^>]*>", original))
        for form, text in enumerate(texts(message.string)):
            assert Counter(re.findall(r"<[^>]*>", text)) == tags, text
            if isinstance(message.id, str) or applies_to_many(language, form):
                assert set(names(text)) == set(names(original)), text


def applies_to_many(language: str, form: int) -> bool:
    """A form for one number alone, such as the Arabic dual, needs not say it."""
    number = c2py(catalog(language).plural_expr)
    return sum(number(count) == form for count in range(200)) > 1


def test_all_six_arabic_plurals_are_there() -> None:
    number = c2py(catalog("ar").plural_expr)
    assert [number(count) for count in (0, 1, 2, 3, 10, 11, 99, 100, 103)] == [0, 1, 2, 3, 3, 4, 4, 5, 3]
    plural = [message for message in messages("ar") if not isinstance(message.id, str)]
    assert plural
    assert all(len(message.string) == 6 for message in plural)


def test_messages_hold_no_markup_but_links_and_emphasis() -> None:
    """What a translator can write into a page stays small."""
    allowed = r"</?(a|strong|em|bdi|span|br|time)\b[^>]*>"
    for message in tool().template():
        for text in texts(message.id):
            assert re.sub(allowed, "", text).count("<") == 0, text
