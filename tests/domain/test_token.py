import base64
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.token import TOKEN_LENGTH, Claim, Purpose, make_token, read_token

KEYS = {1: b"a" * 32, 2: b"b" * 32}
TOKEN = make_token(Purpose.UNSUBSCRIBE, 7, 1, KEYS[1])
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
purposes = st.sampled_from(Purpose)
subjects = st.integers(0, 2**64 - 1)


@given(purposes, subjects, st.sampled_from([1, 2]))
def test_round_trip(purpose, subject, key_id):
    token = make_token(purpose, subject, key_id, KEYS[key_id])
    assert len(token) == TOKEN_LENGTH == 56
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert token == make_token(purpose, subject, key_id, KEYS[key_id])
    assert read_token(token, KEYS) == Claim(purpose=purpose, subject=subject)


def test_the_format_never_changes():
    assert make_token(Purpose.CONFIRM, 1, 1, b"k" * 32) == CONSTANT
    assert read_token(CONSTANT, {1: b"k" * 32}) == Claim(purpose=Purpose.CONFIRM, subject=1)
    assert [(p.name, p.value) for p in Purpose][:2] == [("CONFIRM", 1), ("UNSUBSCRIBE", 2)]


CONSTANT = "AQEAAAAAAAAAAa0LB9nYtWJiYmZmrFTiWa-v6np6zMlAopBZrA8df4hw"


def test_no_character_may_change():
    for place in range(TOKEN_LENGTH):
        for other in ALPHABET:
            changed = TOKEN[:place] + other + TOKEN[place + 1 :]
            assert changed == TOKEN or read_token(changed, KEYS) is None


def test_another_purpose_opens_nothing():
    raw = bytearray(base64.urlsafe_b64decode(TOKEN))
    raw[1] = Purpose.CONFIRM
    assert read_token(base64.urlsafe_b64encode(raw).decode(), KEYS) is None
    assert read_token(TOKEN, KEYS) == Claim(purpose=Purpose.UNSUBSCRIBE, subject=7)


def test_an_unknown_purpose_is_none_even_when_signed():
    assert read_token(make_token(99, 7, 1, KEYS[1]), KEYS) is None  # type: ignore[arg-type]


def test_old_keys_verify_and_foreign_ones_do_not():
    assert read_token(TOKEN, KEYS | {3: b"c" * 32}) is not None
    assert read_token(TOKEN, {2: KEYS[2]}) is None
    assert read_token(TOKEN, {1: KEYS[2]}) is None
    assert read_token(TOKEN, {}) is None


def test_a_missing_key_is_not_a_known_one():
    forged = make_token(Purpose.UNSUBSCRIBE, 7, 9, b"\0" * 32)
    assert read_token(forged, KEYS) is None


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        TOKEN[:-2] + "==",
        TOKEN[:-1] + "é",
        TOKEN[:-1] + "\u0661",
        TOKEN[:-1] + " ",
        TOKEN[:-1] + "\n",
        " " * 56,
        "=" * 56,
        "/" * 56,
        "+" * 56,
        "\ud800" * 56,
        TOKEN[:-1] + "\0",
        TOKEN.replace("A", "+", 1),
    ],
)
def test_no_token(bad):
    assert read_token(bad, KEYS) is None


@given(st.one_of(st.text(), st.text(ALPHABET, min_size=56, max_size=56)))
def test_guesses(text):
    assert read_token(text, KEYS) is None


def test_subjects_beyond_the_format_are_refused():
    with pytest.raises(struct.error):
        make_token(Purpose.CONFIRM, 2**64, 1, KEYS[1])
