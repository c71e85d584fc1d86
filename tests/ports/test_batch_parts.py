"""A page of readers is stored in short transactions: nobody is left out, and nobody comes twice."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.ports.issues import Batch, NewDelivery

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=40), st.integers(1, 7), st.integers(0, 3))
def test_each_reader_is_in_the_one_part_whose_range_has_them(
    readers: list[tuple[int, bool]], size: int, tail: int
) -> None:
    """``readers``: the distance of each number to the one before, and whether there is something new for them."""
    numbers = [10 + sum(step for step, _ in readers[: place + 1]) for place in range(len(readers))]
    gets = [number for number, (_, new) in zip(numbers, readers, strict=True) if new]
    rests = [number for number, (_, new) in zip(numbers, readers, strict=True) if not new]
    page = batch(gets, rests, to=10 + sum(step for step, _ in readers) + tail)

    parts = list(page.parts(size))

    assert [new.subscription for part in parts for new in part.deliveries] == gets
    assert [number for part in parts for number, _ in part.had_nothing] == rests
    assert (parts[0].after, parts[-1].to) == (page.after, page.to)
    assert all(before.to == after.after for before, after in pairwise(parts))
    for part in parts:
        assert len(part.deliveries) <= size
        mine = [new.subscription for new in part.deliveries] + [number for number, _ in part.had_nothing]
        assert all(part.after < number <= part.to for number in mine)


def batch(gets: list[int], rests: list[int], to: int) -> Batch:
    deliveries = [
        NewDelivery(
            subscription=number,
            subscriber=number,
            cursor=0,
            edition="e",
            state=DeliveryState.QUEUED,
            reason="",
            not_before=NOON,
        )
        for number in gets
    ]
    had_nothing = tuple((number, 0) for number in reversed(rests))
    return Batch(after=10, to=to, editions=(), templates={}, deliveries=tuple(deliveries), had_nothing=had_nothing)
