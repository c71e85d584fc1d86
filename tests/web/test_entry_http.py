"""The page of an article: what it tells programs about it, in which language, and that no title can break out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from json import loads
from pathlib import Path

import pytest
from lxml import html
from starlette.requests import Request
from test_pages_http import HOSTILE, check_markup
from web_site import BASE, ELSEWHERE, Site, filled

from feed_publisher.domain.model import Entry, Image
from feed_publisher.web.pages import Pages
from feed_publisher.web.public import Public


def read(site: Site, entry: Entry) -> html.HtmlElement:
    text = site.client(ELSEWHERE).get(f"/entries/{entry.key}").text
    check_markup(text)
    return html.fromstring(text)


def said(page: html.HtmlElement) -> dict[str, str]:
    """The last of those that there are several of."""
    return {meta.get("property"): meta.get("content") for meta in page.xpath("//meta[@property]")}


def linked_data(page: html.HtmlElement) -> dict[str, object]:
    (script,) = page.xpath("//script[@type='application/ld+json']")
    found: dict[str, object] = loads(script.text)
    return found


def test_an_article_tells_programs_about_itself(site: Site) -> None:
    date = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    entry = site.add("The Lamp", summary="The keeper left.", authors=("L. Varga", "Ann"), published=date)
    page, ours = read(site, entry), f"{BASE}/entries/{entry.key}"

    assert page.xpath("//link[@rel='canonical']/@href") == [ours]
    assert page.xpath("//meta[@name='author']/@content") == ["L. Varga and Ann"]
    assert said(page) == {
        "og:type": "article",
        "og:site_name": "Harbour & Sons",
        "og:title": "The Lamp",
        "og:url": ours,
        "og:description": "The keeper left.",
        "article:published_time": "2026-11-20T08:00:00+00:00",
        "article:modified_time": "2026-11-20T08:00:00+00:00",
        "article:author": f"{BASE}/authors/ann",
        "article:section": "Harbour towns",
    }
    assert page.xpath("//meta[@property='article:author']/@content") == [
        f"{BASE}/authors/l-varga",
        f"{BASE}/authors/ann",
    ]
    data = linked_data(page)
    assert (data["headline"], data["mainEntityOfPage"], data["inLanguage"]) == ("The Lamp", ours, "en")
    assert data["author"] == [
        {"@type": "Person", "name": "L. Varga", "url": f"{BASE}/authors/l-varga"},
        {"@type": "Person", "name": "Ann", "url": f"{BASE}/authors/ann"},
    ]


def test_an_author_who_is_written_in_two_ways_is_one(site: Site) -> None:
    page = read(site, site.add("The Lamp", authors=("L. Varga", "L. VARGA")))

    assert page.xpath("//meta[@property='article:author']/@content") == [f"{BASE}/authors/l-varga"]


def test_an_article_that_lives_elsewhere_is_said_to_live_there(site: Site) -> None:
    entry = site.add("Elsewhere", link="https://harbour.example/lamp?a=1&b=2")
    page = read(site, entry)

    assert page.xpath("//link[@rel='canonical']/@href") == ["https://harbour.example/lamp?a=1&b=2"]
    assert said(page)["og:url"] == "https://harbour.example/lamp?a=1&b=2"
    assert linked_data(page)["mainEntityOfPage"] == "https://harbour.example/lamp?a=1&b=2"


def test_programs_find_the_feeds_of_its_topics(site: Site) -> None:
    page = read(site, site.add("The Lamp"))

    (link,) = page.xpath("//link[@rel='alternate']")
    assert link.attrib == {
        "rel": "alternate",
        "type": "application/atom+xml",
        "title": "Harbour towns – Harbour & Sons",
        "href": f"{BASE}/feeds/harbour-towns.atom",
    }
    assert site.client(ELSEWHERE).get(link.get("href")).status_code == 200


def test_a_picture_is_said_where_there_is_one(site: Site) -> None:
    entry = replace(
        site.add("The Lamp"), image=Image(url="https://harbour.example/lamp.jpg", alt='The "lamp" & its keeper')
    )
    page = html.fromstring(rendered(site, entry))

    assert said(page)["og:image"] == "https://harbour.example/lamp.jpg"
    assert said(page)["og:image:alt"] == 'The "lamp" & its keeper'
    assert linked_data(page)["image"] == ["https://harbour.example/lamp.jpg"]


def rendered(site: Site, entry: Entry) -> str:
    """The page of an entry as it is in memory."""
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    return bytes(Public(Pages(site.app)).entry_page(request, entry).body).decode()


@pytest.mark.parametrize(
    "title",
    [
        HOSTILE,
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]> </SCRIPT > \u2028 \\ \"quoted\" 'single' &amp; &lt;",
        "{{ 7*7 }} {% raw %}",
    ],
)
def test_no_title_breaks_out(site: Site, title: str) -> None:
    entry = site.add("Trap", authors=(title,), summary=title)
    page = html.fromstring(rendered(site, replace(entry, title=title)))

    check_markup(rendered(site, replace(entry, title=title)))
    assert linked_data(page)["headline"] == title
    assert len(page.xpath("//script")) == 1
    assert page.xpath("string(//h1)") == title
    assert said(page)["og:title"] == title


@pytest.mark.parametrize(
    ("language", "lang", "direction"),
    [("he", "he", "rtl"), ("ar-EG", "ar-EG", "rtl"), ("de", "de", "ltr"), ("en", None, None), (None, None, "rtl")],
)
def test_the_words_of_an_article_say_their_language(
    site: Site, language: str | None, lang: str | None, direction: str | None
) -> None:
    page = read(site, site.add("סיפור", summary="x", content_html="<p>y</p>", language=language))

    for place in ("//h1", "//p[@class='standfirst']", "//div[@class='prose']"):
        (found,) = page.xpath(place)
        assert (found.get("lang"), found.get("dir")) == (lang, direction)
    assert (page.get("lang"), page.get("dir")) == ("en", "ltr")
    assert linked_data(page)["inLanguage"] == (language or "en")


def test_a_site_in_hebrew_runs_from_right_to_left(tmp_path: Path, sqlite_template: Path) -> None:
    with filled(tmp_path / "site", sqlite_template, site='language = "he"') as site:
        entry = site.add("The Lamp", language="en")
        page = html.fromstring(site.client().get(f"/entries/{entry.key}").text)

    assert (page.get("lang"), page.get("dir")) == ("he", "rtl")
    assert page.xpath("//h1[@lang='en'][@dir='ltr']/text()") == ["The Lamp"]
