import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.html import MAX_HTML, html_to_text, sanitise_html


@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("plain <b>bold</b>", "plain <b>bold</b>"),
        ("<script>alert(1)</script>ok<style>p{}</style>", "ok"),
        ("<iframe src='https://a.test'>x</iframe>ok", "ok"),
        ('<p style="x" onclick="y" class="z">ok</p>', "<p>ok</p>"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href="java&#x200b;script:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href="/relative">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href="mailto:a@b.test">x</a>', '<a href="mailto:a@b.test" rel="noopener noreferrer">x</a>'),
        ('<img src="data:x" alt="A pier">', "<span>A pier</span>"),
        ('<img src="https://a.test/p.png" alt="A pier">', '<img src="https://a.test/p.png" alt="A pier">'),
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("</main></div><p>late", "<p>late</p>"),
        ("a\x00\x01&#1;b", "ab"),
        ("", ""),
    ],
)
def test_sanitise(html, safe):
    assert sanitise_html(html) == safe


def test_text():
    assert html_to_text("<h1>One</h1><p>two<br>three &amp; <b>f</b>our</p><script>x</script>") == "One two three & four"


@pytest.mark.parametrize("html", ["<div>" * 30_000, '<div title="</div>">' * 30_000, '<div "><div>' * 9_000])
def test_deep_html_is_refused_at_once(html):
    start = time.perf_counter()
    with pytest.raises(InputError, match="nested"):
        sanitise_html(html)
    assert time.perf_counter() - start < 1


def test_unclosed_formatting_does_not_explode():
    html = "".join(f'<p><b id="{number}">x' for number in range(3_000))
    assert len(sanitise_html(html)) < len(html)


def test_long_html_is_refused():
    with pytest.raises(InputError, match="longer"):
        sanitise_html("x" * (MAX_HTML + 1))


pieces = st.sampled_from(
    ["<", ">", "</", "script", "a href=", '"', "'", "javascript:", "&#1;", "<!--", "-->", "<svg>", "x", " on=1", "<p>"]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_becomes_safe_and_stays_so(html):
    safe = sanitise_html(html)
    assert not re.search(r"<(?:script|svg|style|iframe)|<[^>]*javascript:|[\x00-\x08\x0b\x0c\x0e-\x1f]", safe)
    assert sanitise_html(safe) == safe
    html_to_text(html).encode()
