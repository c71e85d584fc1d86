from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.text import clean, cut, decode, lines_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_decode(encoding):
    text = "“Fähre” – naïve café’s"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_decode_by_mark(encoding):
    assert decode("\ufeffFähre".encode(encoding)) == "Fähre"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Новости порта: паром не вышел в море", "cp1251"),
        ("港のニュース。連絡船は出港しませんでした。", "shift_jis"),
        ("Zażółć gęślą jaźń i źdźbło trawy na łące", "cp1250"),
    ],
)
def test_decode_guesses_other_code_pages(text, encoding):
    assert decode(text.encode(encoding)) == text


def test_damaged_utf8_stays_utf8():
    assert decode("äöü äöü ".encode() + b"\xff!") == "äöü äöü \ufffd!"


@pytest.mark.parametrize("data", [b"a\0b", b"\xff\xfea", b"\xff\xfe\0\0abc"])
def test_binary_is_refused(data):
    with pytest.raises(InputError, match="is not text"):
        decode(data)


def test_clean():
    assert clean(" a\u00a0b\u202fc\u2007d\t\ne ") == "a b c d e"
    assert clean("\ufeffa\u200bb\x00\x07\x1b[1m\x9f\u2060") == "ab[1m"
    assert clean("x\ud800y") == "xy"
    assert clean("“it’s” -- a ‘quote’") == "“it’s” -- a ‘quote’"
    assert clean("safe\u202egnp.exe") == "safegnp.exe"


def test_joiners_stay_where_scripts_need_them():
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("👩\u200d🚒") == "👩\u200d🚒"
    assert clean("a\u200db\u200c") == "ab"


@given(st.text())
def test_clean_is_stable_and_one_line(text):
    once = clean(text)
    assert clean(once) == once
    assert len(lines_of(once)) == 1
    once.encode()


@given(st.binary())
def test_decode_gives_text_or_input_error(data):
    with suppress(InputError):
        clean(decode(data)).encode()


@given(st.text(max_size=400).map(clean), st.integers(2, 300))
def test_cut_is_never_longer(text, limit):
    assert len(cut(text, limit)) <= limit


def test_cut_at_a_word():
    assert cut("one two three", 9) == "one two…"
    assert cut("one two three", 8) == "one two…"
    assert cut("short", 9) == "short"
