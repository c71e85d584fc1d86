"""SPF records and lists of tags, word by word (RFC 7208 §4.6, §5, §7.4)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.spf import expand, is_spf, parse_spf
from feed_publisher.parse.tags import parse_tags


def test_every_kind_of_word() -> None:
    record = parse_spf(
        "v=spf1 a mx/24 A:mail.x.example//64 ~ip4:192.0.2.0/24 ip6:2001:db8::/32 include:_spf.x.example "
        "exists:%{ir}.x.example -ptr exp=why.x.example some=thing ?all"
    )
    names = ["a", "mx", "a", "ip4", "ip6", "include", "exists", "ptr", "all"]
    assert [term.name for term in record.terms] == names
    assert [term.qualifier for term in record.terms] == list("+++~+++-?")
    assert (record.terms[1].length4, record.terms[2].length6) == (24, 64)
    assert record.terms[4].network == ip_network("2001:db8::/32")
    assert (record.terms[5].target, record.all, record.redirect) == ("_spf.x.example", "?", "")


def test_what_follows_all_is_void() -> None:
    record = parse_spf("v=spf1 -ALL ip4:192.0.2.1 redirect=x.example")
    assert [term.name for term in record.terms] == ["all"]
    assert (record.all, record.redirect) == ("-", "")
    assert parse_spf("v=spf1 redirect=x.example").redirect == "x.example"


@pytest.mark.parametrize(
    "word",
    [
        *(
            "ip4:192.0.2.256",
            "ip4:2001:db8::1",
            "ip6:192.0.2.1",
            "ip4:",
            "ip4",
            "ipv4:192.0.2.1",
            "include",
            "include:",
        ),
        *("a:", "a/33", "mx//129", "all:x.example", "all/24", "include:x.example/24", "+", "--all", "-all;", "exists"),
        *("redirect=", "redirect=a.example redirect=b.example", "include:x y", "a:%{q}.example", "a:bü.example"),
    ],
)
def test_what_makes_receivers_ignore_it(word: str) -> None:
    with pytest.raises(InputError):
        parse_spf(f"v=spf1 {word} -all")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v=spf1", True), ("V=SPF1 a", True), ("v=spf10 a", False), ("v=spf1a", False), (" v=spf1", False)],
)
def test_which_texts_are_records(text: str, expected: bool) -> None:
    assert is_spf(text) is expected


def test_macros_as_in_the_standard() -> None:
    """RFC 7208 §7.4."""
    values = {"s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com"}
    values |= {"d": "email.example.com", "i": "192.0.2.3", "v": "in-addr"}
    expected = {
        "%{d4}": "email.example.com",
        "%{d2}": "example.com",
        "%{dr}": "com.example.email",
        "%{d2r}": "example.email",
        "%{l-}": "strong.bad",
        "%{lr-}": "bad.strong",
        "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
        "%{l1r-}.%%%-": "strong.%%20",
    }
    assert {text: expand(text, values) for text in expected} == expected
    with pytest.raises(KeyError):
        expand("%{h}", values)


def test_tags() -> None:
    assert parse_tags("v=DMARC1; p=none;") == {"v": "DMARC1", "p": "none"}
    assert parse_tags(" K = rsa ;p=") == {"k": "rsa", "p": ""}
    for wrong in ("", "p", "v=1;;p=2", "p=a;p=b", "1=2"):
        with pytest.raises(InputError):
            parse_tags(wrong)


WORDS = st.text(alphabet="aAmxptripv46:/=%{}.+-~? 0129é\x00incluedsth", max_size=60)


@given(WORDS)
def test_any_text_is_read_or_refused(text: str) -> None:
    for refused in (_refused(lambda: parse_spf(f"v=spf1 {text}")), _refused(lambda: parse_tags(text))):
        assert refused.isprintable(), "nothing in it steers a terminal"


def _refused(read: Callable[[], object]) -> str:
    try:
        read()
    except InputError as error:
        return error.reason
    return ""
