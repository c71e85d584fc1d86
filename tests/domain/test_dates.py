from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.dates import believed, distinct_update, publication_dates
from feed_publisher.domain.model import Draft

SEEN = datetime(2026, 11, 22, 9, 30, 15, 654_321, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WHOLE = SEEN.replace(microsecond=0)


def draft(place: int, published: datetime | None = None) -> Draft:
    return Draft(title="Tide", where="x:1", place=place, published=published)


def test_first_seen_minus_the_place():
    assert publication_dates([draft(0), draft(1), draft(5)], SEEN, set()) == [WHOLE, WHOLE - SECOND, WHOLE - 5 * SECOND]


def test_dates_of_the_source_stand_in_whole_seconds():
    given_ = datetime(2027, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    assert publication_dates([draft(0, given_)], SEEN, {given_}) == [datetime(2027, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("year", [1, 1900, 1970, 2028, 2099, 9999])
def test_a_date_that_cannot_be_meant_is_not_believed(year: int):
    assert believed(datetime(year, 1, 1, tzinfo=UTC), SEEN) is None


def test_a_taken_date_is_passed_by_and_the_order_kept():
    dates = publication_dates([draft(0), draft(1)], SEEN, {WHOLE, WHOLE - SECOND})
    assert dates == [WHOLE - 2 * SECOND, WHOLE - 3 * SECOND]


def test_a_date_given_in_the_same_document_is_passed_by():
    dates = publication_dates([draft(0), draft(1), draft(2, WHOLE - SECOND)], SEEN, set())
    assert dates == [WHOLE, WHOLE - 2 * SECOND, WHOLE - SECOND]


near = st.integers(-20, 20).map(lambda n: WHOLE + n * SECOND)


@given(
    st.lists(st.one_of(st.none(), near), max_size=12),
    st.sets(near),
    st.lists(st.integers(0, 4), min_size=12, max_size=12),
)
def test_undated_dates_are_unique_falling_and_never_in_the_future(published, taken, gaps):
    places = [sum(gaps[: n + 1]) for n in range(len(published))]
    drafts = [draft(place, date) for place, date in zip(places, published, strict=True)]
    dates = publication_dates(drafts, SEEN, taken)
    undated = [date for date, one in zip(dates, drafts, strict=True) if one.published is None]
    assert undated == sorted(set(undated), reverse=True)
    assert not set(undated) & (taken | {date for date in published if date})
    assert all(date <= SEEN - one.place * SECOND for date, one in zip(dates, drafts, strict=True) if not one.published)
    assert all(date.microsecond == 0 for date in dates)


@given(st.integers(1, 999_999), st.integers(1, 999_999))
def test_distinct_update(one, other):
    assert (distinct_update(WHOLE, one) == distinct_update(WHOLE, other)) == (one == other)
    assert WHOLE <= distinct_update(WHOLE, one) < WHOLE + SECOND
