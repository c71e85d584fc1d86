from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.pace import LONGEST, LONGEST_RETRY_AFTER, falls_silent, next_visit

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HALF_HOUR, HOUR, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)


def pause(every: timedelta = HALF_HOUR, **how: int) -> timedelta:
    return next_visit(NOW, every, 0.0, **how) - NOW


def test_a_success_waits_for_the_schedule_or_for_what_the_server_keeps_fresh():
    assert pause() == HALF_HOUR
    assert pause(fresh_for=600) == HALF_HOUR
    assert pause(fresh_for=7200) == 2 * HOUR
    assert pause(fresh_for=10**9) == LONGEST


def test_failures_double_the_pause_up_to_a_day():
    assert [pause(failures=n) for n in (1, 2, 3)] == [HOUR, 2 * HOUR, 4 * HOUR]
    assert pause(failures=1000) == LONGEST
    assert pause(2 * DAY, failures=9) == 2 * DAY  # a failing source is visited no more often than a good one


def test_retry_after_wins_over_back_off_unless_that_is_longer():
    assert pause(failures=1, retry_after=10) == HOUR
    assert pause(failures=1, retry_after=7200) == 2 * HOUR
    assert pause(failures=8, retry_after=3600) == HOUR
    assert pause(failures=1, retry_after=10**9) == LONGEST_RETRY_AFTER
    assert pause(retry_after=7200) == 2 * HOUR


@given(
    st.timedeltas(timedelta(minutes=1), timedelta(days=30)),
    st.floats(0, 1),
    st.integers(0, 10_000),
    st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
)
def test_the_next_visit_is_never_sooner_than_asked_nor_out_of_sight(
    every: timedelta, spread: float, failures: int, fresh: int, retry: int | None
):
    due = next_visit(NOW, every, spread, failures=failures, fresh_for=fresh, retry_after=retry)
    assert NOW + every <= due <= NOW + 1.2 * max(every, LONGEST_RETRY_AFTER)


@pytest.mark.parametrize(
    ("days", "brought", "limit", "silent"),
    [
        (6, 90, None, False),
        (8, 90, None, False),
        (11, 90, None, True),
        (80, 6, None, False),
        (151, 6, None, True),
        (1000, 5, None, False),
        (4, 0, timedelta(days=3), True),
        (2, 90, timedelta(days=3), False),
    ],
)
def test_a_source_is_silent_after_ten_times_its_usual_distance(
    days: int, brought: int, limit: timedelta | None, silent: bool
):
    assert falls_silent(NOW, NOW - timedelta(days=days), brought, limit) is silent


def test_a_source_that_never_brought_anything_is_not_silent():
    assert not falls_silent(NOW, None, 100, timedelta(days=1))
