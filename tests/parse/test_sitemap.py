"""News sitemaps, plain ones and indexes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feedentry import MAX_ENTRIES
from feed_publisher.parse.sitemap import read_sitemap

NEWS = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
 xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">%s</urlset>"""
INDEX = '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">%s</sitemapindex>'


def read(document: str | bytes) -> Reading:
    data = document.encode() if isinstance(document, str) else document
    return read_sitemap(data, "f", ParseRules(base="https://mag.test/news.xml"))


def news(title: str, loc: str = "https://mag.test/1") -> str:
    return f"<url><loc>{loc}</loc><news:news><news:title>{title}</news:title></news:news></url>"


def test_news():
    reading = read(
        NEWS
        % """<url><loc>https://mag.test/about</loc><lastmod>2020-01-01</lastmod></url>
        <url><loc> https://mag.test/fog?a=1&amp;b=2 </loc>
        <image:image><image:loc>https://mag.test/p.jpg</image:loc><image:title>Picture</image:title></image:image>
        <news:news><news:publication><news:name>The Harbour</news:name>
        <news:language>de</news:language></news:publication>
        <news:publication_date>2026-11-20T07:30:00+01:00</news:publication_date>
        <news:title>Fog &amp; <![CDATA[rain]]></news:title>
        <news:keywords>Sea, News,, Sea</news:keywords></news:news></url>"""
    )
    assert reading.problems == ()
    (draft,) = reading.drafts
    assert (draft.title, draft.link, draft.language) == ("Fog & rain", "https://mag.test/fog?a=1&b=2", "de")
    assert draft.published == datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    assert draft.topics == ("Sea", "News")
    assert (draft.place, draft.where) == (0, "f: entry 1 (Fog & rain)")
    assert reading.about.kind == "sitemap"


def test_addresses_alone_are_no_entries():
    picture = "<image:image><image:title>Picture</image:title></image:image>"
    reading = read(NEWS % f"<url><loc>https://mag.test/1</loc>{picture}</url>")
    assert reading.drafts == ()
    assert "news:title" in reading.problems[0].reason


def test_index_leads_to_the_newest():
    reading = read(
        INDEX
        % """<sitemap><loc>https://mag.test/a.xml</loc><lastmod>2026-11-01</lastmod></sitemap>
        <sitemap><loc>/b.xml</loc><lastmod>2026-11-20T07:00:00+02:00</lastmod></sitemap>
        <sitemap><loc>https://mag.test/c.xml</loc><lastmod>last week</lastmod></sitemap>"""
    )
    assert (reading.drafts, reading.problems) == ((), ())
    assert (reading.about.kind, reading.about.older) == ("sitemap index", "https://mag.test/b.xml")


def test_index_without_dates_leads_to_the_first_and_without_children_nowhere():
    children = "<sitemap><loc>/a.xml</loc></sitemap><sitemap><loc>/b.xml</loc></sitemap>"
    assert read(INDEX % children).about.older == "https://mag.test/a.xml"
    assert "without an address" in read(INDEX % "").problems[0].reason


def test_a_broken_entry_is_one_problem():
    reading = read(NEWS % (news("a", "ftp://mag.test/") + news("b")))
    assert [draft.title for draft in reading.drafts] == ["b"]
    assert reading.problems[0].where == "f: entry 1"


def test_truncated_and_too_many():
    reading = read((NEWS % (news("a") + news("b")))[:-40])
    assert reading.drafts[0].title == "a"
    assert "well-formed" in reading.problems[0].reason
    reading = read(NEWS % "".join(news(f"T{n}") for n in range(5_200)))
    assert len(reading.drafts) == MAX_ENTRIES
    assert "5,200" in reading.problems[0].reason


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("", "not XML"),
        ("<html><p>x", "<html>"),
        ("<rss version='2.0'/>", "<rss>"),
        (b"\x1f\x8b\x08\0", "gzip"),
        ('<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset>&x;</urlset>', "<!ENTITY"),
    ],
)
def test_what_is_no_sitemap(document, says):
    reading = read(document)
    assert reading.drafts == ()
    assert says in reading.problems[0].reason


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: (NEWS % news(text)).encode("utf-8", "replace")))
def test_any_bytes_are_read(data):
    assert isinstance(read(data), Reading)
