from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.verp import Returning, Way, is_attempt, local_part, read_address, read_local_part

KEYS = {1: b"old" * 11, 2: b"new" * 11}
NUMBERS = st.integers(0, (1 << 48) - 1)


@given(way=st.sampled_from(Way), number=NUMBERS, attempt=st.integers(0, 10**6), key=st.sampled_from((1, 2)))
def test_what_was_made_is_read_in_whatever_case_it_comes(way: Way, number: int, attempt: int, key: int) -> None:
    made = local_part(way, number, key, KEYS[key], attempt)
    assert len(made) <= 64
    assert made.replace("-", "").isalnum()
    for text in (made, made.upper(), made.title()):
        found = read_local_part(text, KEYS)
        assert found is not None
        assert (found.way, found.number) == (way, number)
        assert is_attempt(found.attempt, attempt)


@given(number=NUMBERS, place=st.integers(0, 33), sign=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567-=1890 "))
def test_one_other_character_and_it_is_nothing(number: int, place: int, sign: str) -> None:
    made = local_part(Way.BOUNCE, number, 2, KEYS[2], 1)
    changed = made[:place] + sign + made[place + 1 :]
    if changed != made:
        assert read_local_part(changed, KEYS) is None


@given(st.text(max_size=80))
def test_anything_else_is_nothing(text: str) -> None:
    assert read_local_part(text, KEYS) is None
    assert read_local_part(f"b-{text}", KEYS) is None
    assert read_address(text, "back.example", KEYS) is None


def test_a_key_that_is_gone_makes_nothing_genuine() -> None:
    made = local_part(Way.BOUNCE, 7, 3, b"\0" * 32)
    assert read_local_part(made, KEYS) is None


@pytest.mark.parametrize("address", ["{}@back.example", "<{}@BACK.example>", " {}@back.example."])
def test_only_the_own_domain(address: str) -> None:
    made = address.format(local_part(Way.LEAVE, 7, 1, KEYS[1]))
    assert read_address(made, "back.example", KEYS) == Returning(way=Way.LEAVE, number=7)
    assert read_address(made, "other.example", KEYS) is None
    assert read_address(made, "", KEYS) is None
