import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.html import MAX_DEPTH, MAX_HTML, clean_article, html_to_text, sanitise_html


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


def cpu_seconds(html: str) -> float:
    start = time.process_time()
    with contextlib.suppress(InputError):
        clean_article(html, BASE)
    return time.process_time() - start


BASE = "https://mag.test/news/pier.html"
ADDRESSES = [
    (
        '<a href="../x?utm_source=feed">x</a>',
        '<a href="https://mag.test/x?utm_source=feed" rel="noopener noreferrer">x</a>',
    ),
    ('<a href="#note">x</a>', '<a href="https://mag.test/news/pier.html#note" rel="noopener noreferrer">x</a>'),
    ('<a href="//b.test/">x</a>', '<a href="https://b.test/" rel="noopener noreferrer">x</a>'),
    ('<a href="mailto:a@b.test">x</a>', '<a href="mailto:a@b.test" rel="noopener noreferrer">x</a>'),
    ('<a href="http://[::1/">x</a>', '<a rel="noopener noreferrer">x</a>'),
    ('<a href="java\tscript:x">x</a>', '<a rel="noopener noreferrer">x</a>'),
    ('<a href=" javascript:x">x</a>', '<a rel="noopener noreferrer">x</a>'),
    ('<a href="data:text/html,x">x</a>', '<a rel="noopener noreferrer">x</a>'),
    ('<img src="p.png">', '<img src="https://mag.test/news/p.png">'),
    ('<img src="//[bad" alt="A pier">', "<span>A pier</span>"),
    ('<img data-src="p.png">', '<img src="https://mag.test/news/p.png">'),
    ('<img src="data:image/gif;base64,x" data-lazy-src="/p.png">', '<img src="https://mag.test/p.png">'),
    ('<img src="/img/blank.gif?2" data-original="/p.png">', '<img src="https://mag.test/p.png">'),
    ('<img srcset=", /a,b.png 1x, /c.png 2x">', '<img src="https://mag.test/a,b.png">'),
    ('<img srcset="/a.png, /c.png 2x" src="/s.png">', '<img src="https://mag.test/s.png">'),
    ('<img srcset="," alt="A pier">', "<span>A pier</span>"),
]


@pytest.mark.parametrize(("html", "safe"), ADDRESSES)
def test_addresses_become_absolute(html, safe):
    assert sanitise_html(html, BASE) == safe


def test_without_a_base_late_images_with_whole_addresses_are_found():
    assert sanitise_html('<img data-src="https://a.test/p.png">') == '<img src="https://a.test/p.png">'


@pytest.mark.parametrize(
    "pixel",
    [
        '<img src="https://a.test/x.png" width="1" height="1">',
        '<img src="https://a.test/x.png" height="0px">',
        '<img src="https://a.test/x.png" style="border:0; DISPLAY : none">',
        '<img src="https://a.test/x.png" style="visibility:hidden">',
        '<img src="https://a.test/x.png" style="height:1px !important;width:1px">',
        '<img src="https://a.test/x.png" hidden>',
        '<img src="x.png" width=1>',
        '<img src="http://feeds.feedburner.com/~r/Mag/~4/abc">',
        '<a href="http://feeds.feedburner.com/~ff/Mag?a=x"> <img src="http://feeds.feedburner.com/~ff/Mag?d=y"> </a>',
        '<img src="http://rss.feedsportal.com/c/1/f/2/mf.gif">',
        '<img src="https://ad.doubleclick.net/ddm/trackimp/N1;sz=1x1">',
        '<img src="//pixel.wp.com/g.gif?v=ext">',
        '<img src="https://stats.wordpress.com/b.gif?host=x">',
        '<img src="https://www.google-analytics.com/collect?v=1">',
        '<img src="https://counter.theconversation.com/content/1/count.gif">',
        '<img src="https://www.facebook.com/tr?id=1&amp;ev=PageView">',
        '<img src="https://a.test/t/pixel.gif?id=1">',
        '<img src="/beacon?id=1">',
        '<img src="https://a.test/matomo.php?idsite=1">',
        '<img data-src="https://pixel.wp.com/g.gif">',
    ],
)
def test_pixels_are_dropped(pixel):
    assert re.sub(r"\s+", " ", sanitise_html(f"<p>One {pixel}two</p>", BASE)) == "<p>One two</p>"


@pytest.mark.parametrize(
    "image",
    [
        '<img src="https://beacon.test/beacon-hill.jpg" width="10" height="100">',
        '<img src="https://a.test/the-beacon/pier.jpg" height="1000">',
        '<img src="https://a.test/pixel-phone.png" width="100%">',
        '<img src="https://notdoubleclick.net/a.png">',
        '<img src="https://a.test/?u=https://pixel.wp.com/">',
    ],
)
def test_pictures_stay(image):
    assert sanitise_html(image) == image
    assert sanitise_html(image.replace(">", ' style="width:1px0;max-width:100%;min-height:1px">')) == image


def test_languages_and_directions():
    html = '<p xml:lang="ar" dir="rtl">a</p><p lang="he" xml:lang="x">b</p><p dir="up">c</p><bdo dir="ltr">d</bdo>'
    assert sanitise_html(html) == '<p dir="rtl" lang="ar">a</p><p lang="he">b</p><p>c</p>d'


def test_text():
    assert html_to_text("<h1>One</h1><p>two<br>three &amp; <b>f</b>our</p><script>x</script>") == "One two three & four"


@pytest.mark.parametrize("html", ["<div>" * 30_000, '<div title="</div>">' * 30_000, '<div "><div>' * 9_000])
def test_deep_html_is_refused_at_once(html):
    with pytest.raises(InputError, match="nested"):
        sanitise_html(html)
    assert cpu_seconds(html) < 20 * cpu_seconds("<div>x</div>" * 30_000)


def test_depth_is_counted_from_the_text():
    assert sanitise_html("<div>" * MAX_DEPTH + "x").startswith("<div><div>")
    for extra in ("<div>", "<br>"):
        with pytest.raises(InputError, match="nested"):
            sanitise_html("<div>" * MAX_DEPTH + extra + "x")


@pytest.mark.parametrize("html", ["<b>" * 99_000 + "</i>" * 99_000, "<p></div>" * 99_000, "<a href=x" * 99_000])
def test_mismatched_tags_take_no_time(html):
    assert cpu_seconds(html) < 20 * cpu_seconds("<b>x</b>" * 99_000)


def test_article_is_both_in_one():
    html = '<p>One<p>two <img src="p.png" alt="A pier"><img alt="gone"><script>x</script>'
    assert clean_article(html, BASE) == (sanitise_html(html, BASE), html_to_text(html))
    assert clean_article(html)[1] == "One two"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\n\t\x0b\x0c\x00\xa0 &>"), max_size=20))
def test_plain_text_needs_no_parsing(text):
    """An empty comment forces the long way."""
    assert clean_article(text) == clean_article(text + "<!---->")
    assert (sanitise_html(text), html_to_text(text)) == clean_article(text)


def test_unclosed_formatting_does_not_explode():
    html = "".join(f'<p><b id="{number}">x' for number in range(3_000))
    assert len(sanitise_html(html)) < len(html)


def test_long_html_is_refused():
    with pytest.raises(InputError, match="longer"):
        sanitise_html("x" * (MAX_HTML + 1))


PIECES = ["<", ">", "</", "script", "a href=", '"', "'", "javascript:", "&#1;", "<!--", "-->", "<svg>", "x", " on=1"]
PIECES += ["<p>", "<img srcset=", "//[", "data-src=", "xml:lang=x", " dir=rtl"]
pieces = st.sampled_from(PIECES)
UNSAFE = re.compile(
    r'<(?:script|svg|style|iframe)|<[^>]*(?:href|src)="\s*javascript:|[\x00-\x08\x0b\x0c\x0e-\x1f]', re.IGNORECASE
)


@given(st.lists(pieces | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_becomes_safe_and_stays_so(html):
    safe = sanitise_html(html)
    assert not UNSAFE.search(safe)
    assert sanitise_html(safe) == safe
    for base in ("", BASE):
        article, words = clean_article(html, base)
        assert not UNSAFE.search(article)
        assert sanitise_html(article, base) == article
        words.encode()
