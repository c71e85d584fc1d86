from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.archive import LIVE_LARGE, LIVE_LEAST, LIVE_MOST, PAGE, PAGE_MOST, page_sizes, part_sizes


@given(st.integers(0, 5000), st.sampled_from([LIVE_MOST, LIVE_LARGE - 1]))
def test_pages_leave_a_live_document_of_the_right_size(count: int, most: int) -> None:
    sizes = page_sizes(count, most)
    left = count - sum(sizes)
    assert left <= most
    assert left >= LIVE_LEAST or not sizes
    assert all(size <= PAGE for size in sizes)
    assert all(size == PAGE for size in sizes[:-1])
    assert not sizes or sizes[-1] >= min(PAGE, most + 1 - LIVE_LEAST), "no page for each new entry"


@given(st.integers(PAGE_MOST + 1, 5000))
def test_parts_of_an_overgrown_page_are_pages(count: int) -> None:
    sizes = part_sizes(count)
    assert sum(sizes) == count
    assert len(sizes) > 1
    assert all(PAGE / 2 < size <= PAGE_MOST for size in sizes)
