from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.parse.text import clean, cut, lines_of


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


@given(st.text(max_size=400).map(clean), st.integers(2, 300))
def test_cut_is_never_longer(text, limit):
    assert len(cut(text, limit)) <= limit


def test_cut_at_a_word():
    assert cut("one two three", 9) == "one two…"
    assert cut("one two three", 8) == "one two…"
    assert cut("short", 9) == "short"
