"""What the settings of a site and a digest change in the mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from compose.test_digest import DIGEST, NOW, SEA, SITE, SUN, edition, line, shipped, site, squeezed, words
from lxml import html as lxml_html

from feed_publisher.compose.digest import IssueView
from feed_publisher.compose.lint_colours import lint_colours
from feed_publisher.compose.message import marker
from feed_publisher.domain.issue import Images
from feed_publisher.domain.model import Image

__all__ = ["shipped"]

BOAT = Image(url="https://pictures.example/boat.jpg", alt='A "boat"', credit="Photo: Ann Po")
PLAIN_HTTP = Image(url="http://pictures.example/boat.jpg", alt="A boat")
LOGO = replace(SITE, logo="https://static.example/logo.png")


def pictures(html: str) -> list[dict[str, str]]:
    return [dict(image.attrib) for image in lxml_html.document_fromstring(html).iter("img")]


# --- pictures


@pytest.mark.parametrize(("images", "shown"), [(Images.NONE, 0), (Images.LEAD, 1), (Images.ALL, 2)])
def test_pictures_are_shown_as_the_digest_wants(shipped, images, shown):
    lines = [line(1, image=BOAT), line(2, SUN), line(3, image=BOAT)]
    made = edition(shipped, lines, digest=replace(DIGEST, images=images))
    found = pictures(made.html)
    assert len(found) == shown
    assert words(made.html).count("Photo: Ann Po") == shown
    for image in found:
        assert (image["src"], image["alt"], image["width"]) == (BOAT.url, 'A "boat"', "520")
        assert "height: auto" in image["style"]
    assert ("pictures.example" in words(made.html)) == ("pictures.example" in made.text) == (shown > 0)
    assert "No tracking" in words(made.html)


def test_pictures_that_are_not_https_are_left_out(shipped):
    made = edition(shipped, [line(1, image=PLAIN_HTTP)], digest=replace(DIGEST, images=Images.ALL))
    assert pictures(made.html) == []
    assert "nothing in this mail tells us" in words(made.html)


def test_the_logo_stands_for_the_site_where_pictures_are_wanted(shipped):
    without = edition(shipped, [line(1)], site=LOGO)
    assert pictures(without.html) == []
    assert "Harbour News" in words(without.html)
    made = edition(shipped, [line(1)], site=LOGO, digest=replace(DIGEST, images=Images.LEAD))
    [logo] = pictures(made.html)
    assert (logo["src"], logo["alt"], logo["height"]) == (LOGO.logo, "Harbour News", "40")
    assert "fetches them from static.example." in words(made.html)


# --- words of the site's own


def test_footer_and_imprint(shipped):
    told = replace(SITE, footer="Write to us:\nhttps://harbour.example/desk", imprint="Editor: Bo <b>\nHRB 1")
    made = edition(shipped, [line(1)], site=told)
    for part in (words(made.html), squeezed(made.text)):
        assert "Write to us:" in part
        assert "Editor: Bo <b>" in part
    assert 'href="https://harbour.example/desk"' in made.html
    assert "Write to us:<br>" in made.html
    own = edition(shipped, [line(1)], site=told, digest=replace(DIGEST, footer="Only here"))
    for part in (words(own.html), own.text):
        assert "Only here" in part
        assert "Write to us" not in part
        assert "HRB 1" in part


def test_the_web_version_is_linked_where_there_is_one(shipped):
    view = IssueView(number=7, date=NOW, web_url="https://harbour.example/issues/weekly/7")
    made = edition(shipped, [line(1)], issue=view)
    assert 'href="https://harbour.example/issues/weekly/7"' in made.html
    assert "\nhttps://harbour.example/issues/weekly/7\n" in made.text
    without = edition(shipped, [line(1)])
    assert "on the web" not in words(without.html) + without.text.lower()


def test_link_parameters_go_to_own_links_alone(shipped):
    digest = replace(DIGEST, link_parameters="utm_source=digest&utm_medium=email")
    lines = [
        line(1),
        replace(line(2), url="https://other.example/a"),
        replace(line(3), url="https://shop.example/?a#b"),
    ]
    view = IssueView(number=7, date=NOW, web_url="https://harbour.example/issues/weekly/7")
    made = edition(
        shipped, lines, digest=digest, site=replace(SITE, own_hosts=("shop.example",)), issue=view, maximum=2
    )
    made_all = edition(shipped, lines, digest=digest, site=replace(SITE, own_hosts=("shop.example",)))
    tag = "utm_source=digest&utm_medium=email"
    for part in (made.html.replace("&amp;", "&"), made.text):
        assert f"https://harbour.example/entries/key1?{tag}" in part
        assert f"https://harbour.example/issues/weekly/7?{tag}" in part
        assert f"https://harbour.example/digests/weekly?{tag}" in part
        assert "https://other.example/a" in part
        assert "other.example/a?" not in part
        assert marker("0123456789abcdef", "unsubscribe_url") + "?" not in part
    assert f"https://harbour.example/topics/sea?{tag}" in made.html.replace("&amp;", "&")
    assert f"https://shop.example/?a&{tag}#b" in made_all.text
    assert "utm" not in edition(shipped, lines).html


# --- colours and directions


@pytest.mark.parametrize("accent", ["#0b5b70", "#ffff00", "#ffffff", "#000000", "#ff0000", "#777777", "#151f25"])
def test_any_accent_can_be_read_light_and_dark(shipped, accent):
    made = edition(shipped, [line(1), line(2, SUN)], site=replace(SITE, accent=accent), maximum=1)
    assert list(lint_colours(made.html)) == []
    assert f"border-top: 3px solid {accent}" in made.html


def cells(html: str) -> list[lxml_html.HtmlElement]:
    return lxml_html.document_fromstring(html).xpath("//td[contains(@class, 'article')]")


def test_an_article_has_the_direction_of_its_words(shipped):
    made = edition(shipped, [line(1, title="2026: مرحبا", language="ar"), line(2), line(3, title="مرحبا")])
    assert [cell.get("dir") for cell in cells(made.html)] == ["rtl", None, "rtl"], "also where nobody says the language"
    assert [cell.find("h3").get("lang") for cell in cells(made.html)] == ["ar", None, None]
    assert "text-align: right" in cells(made.html)[0].get("style")
    assert "text-align: left" in cells(made.html)[1].get("style")
    inside = edition(shipped, [line(1, title="42", language="ar"), line(2)], language="ar")
    assert [cell.get("dir") for cell in cells(inside.html)] == [None, "ltr"]


# --- what fits


def test_what_does_not_fit_is_on_the_web(shipped):
    long = "High water at noon, low water in the evening, and a strong wind from the north-west. " * 12
    made = edition(shipped, [line(199 - n, SEA, summary=long) for n in range(200)], maximum=200)
    assert len(made.html.encode()) < 98_000
    assert made.shown < 200
    assert f"{200 - made.shown} more articles on the web" in words(made.html)
    assert f"{200 - made.shown} more articles on the web" in made.text
    assert f"Title {200 - made.shown} " in words(made.html)
    assert f"Title {199 - made.shown} " not in words(made.html)
    assert len(made.entries) == 200


def test_what_does_not_fit_are_the_oldest_and_not_the_last_sections(shipped):
    """Sections come as their topics are named; the lead, which the subject names, stays whatever its age."""
    long = "High water at noon, low water in the evening, and a strong wind from the north-west. " * 12
    old = [line(n, SEA, summary=long) for n in range(100, 0, -1)]
    new = [line(n, SUN, summary=long) for n in range(200, 100, -1)]
    made = edition(shipped, [*old, *new], maximum=200)
    assert made.shown < 100
    numbers = [number for number, _, _ in made.entries]
    assert numbers[: made.shown] == [100, *range(200, 201 - made.shown, -1)]
    assert sorted(numbers) == list(range(1, 201))
    assert "Title 200 " in words(made.html)
    assert "Title 99 " not in words(made.html)


def test_the_line_beside_the_subject(shipped):
    def beside(lines: Sequence[object]) -> str:
        root = lxml_html.document_fromstring(edition(shipped, lines).html)
        return root.xpath("//div[contains(@class, 'preheader')]")[0].text_content().strip("\u034f\u200c\xa0\n ")

    assert beside([line(1)]) == "Summary 1."
    assert beside([line(1, summary=""), line(2), line(3)]) == "Title 2 · Title 3"
    assert len(beside([line(1, summary="word " * 90)])) <= 150
    assert "preheader" not in re.sub("<style.*</style>", "", edition(shipped, [line(1, summary="")]).html, flags=re.S)


# --- subjects


def subjects(templates, lines, **more):
    seen: list[str] = []

    def choose(candidates):
        seen.extend(candidates)
        return candidates[-1]

    made = edition(templates, lines, choose=choose, **more)
    assert made.subject == seen[-1]
    return seen


def test_other_subjects_for_when_an_earlier_issue_had_the_wanted_one(shipped):
    view = IssueView(number=7, date=datetime(2026, 11, 22, 9, tzinfo=UTC))
    found = subjects(shipped, [line(n) for n in range(1, 9)], issue=view)
    assert found[:5] == [f"Title {n}, and 7 more" for n in (1, 2, 3, 4, 5)]
    assert found[5] == "Title 1, and 7 more · November 22, 2026"
    assert found[6:8] == ["Title 1, and 7 more (2026-11-22)", "Title 1, and 7 more (2026-11-22, 2)"]
    assert len(set(found)) == len(found)
    assert all(len(subject) <= 100 for subject in found)


def test_a_subject_names_only_what_stands_in_the_mail(shipped):
    found = subjects(shipped, [line(n) for n in range(1, 9)], maximum=2)
    assert not any("Title 3" in subject for subject in found)


def test_a_template_without_articles_gets_a_date(tmp_path):
    found = subjects(site(tmp_path, {"email/subject.txt": "The Weekly"}), [line(1), line(2)])
    assert found[:2] == ["The Weekly", "The Weekly (2026-11-22)"]
    assert subjects(site(tmp_path, {"email/subject.txt": "\n"}), [line(1)])[0] == "…"


@pytest.mark.parametrize("title", ["a\u202eb", "\u2066x", "=?utf-8?q?a?=", "x" * 500, "ü " * 300, "日本" * 100])
def test_hostile_titles_make_short_subjects(shipped, title):
    made = edition(shipped, [line(1, title=title), line(2)])
    assert 0 < len(made.subject) <= 78
    assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]", made.subject)
