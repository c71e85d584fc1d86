"""Single values as any document gives them: understood, or None."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.parse.fields import MAX_LINK, absolute, date_of, is_feed_type, language_of

BASE = "https://mag.test/news/pier.html"


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("fog", "https://mag.test/news/fog"),
        (" \n/a\r\n\tb c\u200b ", "https://mag.test/ab%20c"),
        ("/a\xa0b", "https://mag.test/a%20b"),
        ("//b.test/", "https://b.test/"),
        ("?page=2", "https://mag.test/news/pier.html?page=2"),
        *(
            (address, None)
            for address in ("", " ", None, 7, "javascript:x()", "mailto:a@b.test", "//[x/", "https://:x")
        ),
        ("x" * MAX_LINK, None),
    ],
)
def test_absolute(address, link):
    assert absolute(address, BASE) == link


def test_without_a_base_only_whole_addresses_are_usable():
    assert absolute("/fog", "") is None
    assert absolute("https://mag.test/fog", "") == "https://mag.test/fog"
    assert absolute("/fog", "https://mag.test/a b/") == "https://mag.test/fog"


@given(st.text() | st.none(), st.text() | st.just(BASE))
def test_any_address_is_usable_or_none(address, base):
    link = absolute(address, base)
    assert link is None or link.startswith(("http://", "https://"))


def test_dates_and_languages():
    assert date_of(" 2026-11-22\n") == datetime(2026, 11, 22, tzinfo=UTC)
    assert [date_of(value) for value in ("", "soon", None, 20261122)] == [None] * 4
    assert language_of(" pt_BR ") == "pt-BR"
    assert [language_of(value) for value in ("", "in English", None, 7)] == [None] * 4


def test_feed_types():
    assert is_feed_type(" Application/RSS+xml; charset=utf-8")
    assert not is_feed_type("application/json")
