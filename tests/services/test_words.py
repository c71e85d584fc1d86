"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from feed_publisher.services.words import ago, many, span

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(("count", "words"), [(0, "0 feeds"), (1, "1 feed"), (2, "2 feeds")])
def test_many(count: int, words: str) -> None:
    assert many(count, "feed") == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(86400, "1 day"), (90000, "25 hours"), (5400, "90 minutes"), (60, "1 minute"), (61, "61 seconds")],
)
def test_span_is_exact(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "just now"),
        (3, "in a moment"),
        (-60, "1 minute ago"),
        (5400, "in 2 hours"),
        (-86400 * 9, "9 days ago"),
    ],
)
def test_ago_is_rough(seconds: int, words: str) -> None:
    assert ago(NOW + timedelta(seconds=seconds), NOW) == words
    assert ago(None, NOW) == "never"
