from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.compose.links import host_of, with_parameters

UTM = "utm_source=digest&utm_medium=email"
OURS = {"harbour.example", "shop.example"}

CASES = [
    ("https://harbour.example/a", f"https://harbour.example/a?{UTM}"),
    ("https://harbour.example", f"https://harbour.example?{UTM}"),
    ("https://harbour.example/a?x=1#top", f"https://harbour.example/a?x=1&{UTM}#top"),
    ("https://harbour.example/a?#top", f"https://harbour.example/a?{UTM}#top"),
    ("https://harbour.example/a?x=1&", f"https://harbour.example/a?x=1&{UTM}"),
    ("https://harbour.example/?a=%20+b&a=c", f"https://harbour.example/?a=%20+b&a=c&{UTM}"),
    (
        "https://harbour.example/?utm_source=own&x",
        "https://harbour.example/?utm_source=own&x&utm_medium=email",
    ),
    ("https://harbour.example/?utm%5Fsource=own&utm_medium=", "https://harbour.example/?utm%5Fsource=own&utm_medium="),
    ("HTTPS://Harbour.Example:444/a", f"HTTPS://Harbour.Example:444/a?{UTM}"),
    ("http://shop.example/a#/b?c", f"http://shop.example/a?{UTM}#/b?c"),
    ("https://other.example/a", "https://other.example/a"),
    ("https://harbour.example.evil.example/", "https://harbour.example.evil.example/"),
    ("https://harbour.example@evil.example/", "https://harbour.example@evil.example/"),
    ("mailto:desk@harbour.example", "mailto:desk@harbour.example"),
    ("https://[broken", "https://[broken"),
    ("", ""),
]


@pytest.mark.parametrize(("url", "expected"), CASES)
def test_parameters_are_added_to_own_links_only(url: str, expected: str) -> None:
    assert with_parameters(url, UTM, OURS) == expected
    assert with_parameters(expected, UTM, OURS) == expected, "never twice"
    assert with_parameters(url, "", OURS) == url


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z_%0-9]{1,8}", fullmatch=True), st.from_regex(r"[a-z0-9+]{0,5}", fullmatch=True))
    ),
    st.from_regex(r"[a-z/?]{0,9}", fullmatch=True),
)
def test_what_an_address_has_stays(pairs: list[tuple[str, str]], fragment: str) -> None:
    query = "&".join("=".join(pair) for pair in pairs)
    made = urlsplit(with_parameters(f"https://harbour.example/a?{query}#{fragment}", UTM, OURS))
    assert made.query.startswith(query)
    assert made.fragment == fragment
    names = [name for name, _ in parse_qsl(made.query, keep_blank_values=True)]
    assert names.count("utm_source") == names.count("utm_medium") == 1


def test_hosts() -> None:
    assert host_of("http://[::1]:8000/") == "::1"
    assert host_of("https://[broken") == ""
