"""A sponsor in the mail: labelled in both parts, nothing added to its link, whatever it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compose.test_digest import DIGEST, NOW, SITE, SUN, line, site, squeezed, words
from compose.test_digest_look import BOAT, LOGO
from compose.test_mail_clients import sheets
from compose.test_mail_lint import errors, message
from lxml import html as lxml_html

from feed_publisher.adapters.catalogs import Catalogs
from feed_publisher.adapters.templates import environment
from feed_publisher.compose.digest import IssueView, TemplateSet, fingerprint, render_edition, template_set
from feed_publisher.compose.mailcss import ELEMENTS, foreign_properties, foreign_rules
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Edition, Images
from feed_publisher.domain.sponsor import Place, SponsorBlock

BOATS = SponsorBlock(
    sponsor="boats",
    place=Place.TOP,
    title="Kesby Boats",
    text="Boats for every tide.\nTry one.\n\nOpen on Sundays.",
    link="https://boats.example/spring?a=1&b=2",
    image="https://pictures.boats.example/boat.png",
    image_alt='A "blue" boat',
    image_width=300,
)
NETS = SponsorBlock(
    sponsor="nets", place=Place.BOTTOM, title="Nets & more", text="Strong nets.", label="Sponsored by us"
)
PICTURES = replace(DIGEST, images=Images.LEAD)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> TemplateSet:
    folder = tmp_path_factory.mktemp("site")
    return template_set(environment(folder, "Europe/Berlin", "en", Catalogs(folder / "locale")))


def mail(templates: TemplateSet, *sponsors: SponsorBlock, language: str = "en", **more: Any) -> Edition:
    values: dict[str, Any] = {"site": SITE, "digest": PICTURES, "lines": [line(1), line(2, SUN)], "maximum": 50} | more
    return render_edition(
        templates,
        values["site"],
        values["digest"],
        IssueView(number=7, date=NOW),
        values["lines"],
        language=language,
        maximum=values["maximum"],
        nonce="0123456789abcdef",
        topic_url="https://harbour.example/topics/",
        sponsors=sponsors,
    )


def cells(made: Edition) -> list[Any]:
    return lxml_html.document_fromstring(made.html).xpath("//div[@role='group']")


def test_both_parts_say_what_it_is_and_where(spoken: TemplateSet) -> None:
    made = mail(spoken, BOATS, NETS)
    for part in (words(made.html), squeezed(made.text)):
        order = [
            "Advertisement",
            "Kesby Boats",
            "Boats for every tide.",
            "Try one.",
            "Open on Sundays.",
            "Title 1",
            "Title 2",
            "Sponsored by us",
            "Nets & more",
            "Strong nets.",
        ]
        places = [part.index(text, part.index("Advertisement")) for text in order]
        assert places == sorted(places)
        assert part.count("Advertisement") == 1
    assert (
        "\nBoats for every tide.\nTry one.\n\nOpen on Sundays.\n\nhttps://boats.example/spring?a=1&b=2\n---"
        in made.text
    )
    upper, lower = cells(made)
    assert [each.get("aria-label") for each in (upper, lower)] == ["Advertisement", "Sponsored by us"]
    assert {a.get("href") for a in upper.iter("a")} == {BOATS.link}
    assert list(lower.iter("a")) == []
    (picture,) = upper.iter("img")
    assert (picture.get("alt"), picture.get("width")) == ('A "blue" boat', "300")
    assert "max-width: 300px" in picture.get("style")
    assert "pictures.boats.example" in words(made.html), "the foot names who sees that the picture is fetched"


def test_without_sponsors_nothing_of_them_is_there(spoken: TemplateSet) -> None:
    made = mail(spoken)
    assert cells(made) == []
    assert "Advertisement" not in made.html + made.text


def test_the_word_for_it_is_in_the_language_of_the_mail(spoken: TemplateSet) -> None:
    assert "-- Anzeige -----" in mail(spoken, BOATS, language="de").text
    made = mail(spoken, replace(BOATS, language="en"), NETS, language="ar")
    assert "-- إعلان -----" in made.text
    upper, lower = cells(made)
    cell = upper.getparent()
    assert (cell.get("dir"), upper.find("p").get("dir")) == ("ltr", "rtl"), "the label is Arabic"
    assert "text-align: left" in cell.get("style")
    assert upper.xpath(".//p[@lang='en']")
    assert lower.getparent().get("dir") == "ltr", "by its letters"
    arabic = replace(NETS, title="شباك قوية", text="شباك.", language="ar")
    (only,) = cells(mail(spoken, arabic))
    assert only.getparent().get("dir") == "rtl"
    assert cells(mail(spoken, arabic, language="ar"))[0].getparent().get("dir") is None


def test_a_mail_without_pictures_has_none_of_a_sponsor_either(spoken: TemplateSet) -> None:
    made = mail(spoken, BOATS, digest=replace(DIGEST, images=Images.NONE))
    assert "<img" not in made.html
    assert "boats.example/boat" not in made.html
    assert "Kesby Boats" in words(made.html)


def test_nothing_is_added_to_its_link_even_when_it_leads_to_the_site_itself(spoken: TemplateSet) -> None:
    own = replace(BOATS, link="https://harbour.example/fair")
    made = mail(spoken, own, digest=replace(PICTURES, link_parameters="utm_source=digest"))
    assert "https://harbour.example/entries/key1?utm_source=digest" in made.html
    assert 'href="https://harbour.example/fair"' in made.html
    assert "fair?" not in made.html + made.text


def test_hostile_words_stay_words(spoken: TemplateSet) -> None:
    nasty = replace(
        BOATS,
        title='</td></tr></table><script>alert(1)</script>{{ 7 * 7 }}" onload="x',
        text="<img src=x onerror=alert(1)>\n{% include 'email/base.html' %}",
        label='"><b>',
        image_alt='" onerror="x',
        link="https://a.example/?q=%22%3E&c='x'",
    )
    made = mail(spoken, nasty)
    root = lxml_html.document_fromstring(made.html)
    assert root.xpath("//script | //@onload | //@onerror") == []
    assert len(list(root.iter("img"))) == 1
    assert "49" not in words(made.html)
    assert "{% include 'email/base.html' %}" in words(made.html)
    (block,) = cells(made)
    assert block.get("aria-label") == '"><b>'
    assert block.xpath(".//a/@href") == ["https://a.example/?q=%22%3E&c='x'"] * 2


def test_it_counts_for_the_size_of_the_mail(spoken: TemplateSet) -> None:
    lines = [line(number, summary="x" * 900) for number in range(1, 101)]
    bare, heavy = (
        mail(spoken, *blocks, lines=lines, maximum=200) for blocks in ((), (replace(BOATS, text="y " * 9000),))
    )
    assert bare.shown > heavy.shown > 1
    assert len(heavy.html.encode()) < 98_000
    assert "y y y" in heavy.html


def test_it_is_part_of_what_makes_an_edition(spoken: TemplateSet) -> None:
    kinds = ((), (BOATS,), (replace(BOATS, text="Other."),), (BOATS, NETS))
    made = {mail(spoken, *blocks).fingerprint for blocks in kinds}
    assert len(made) == len(kinds)
    asked = [fingerprint([line(1), line(2, SUN)], 0, spoken, "en", SITE, PICTURES, sponsors=blocks) for blocks in kinds]
    assert set(asked) == made


@pytest.mark.parametrize("language", ["en", "ar"])
def test_receivers_and_mail_programs_take_it(spoken: TemplateSet, language: str) -> None:
    full = replace(LOGO, footer="x", imprint="y")
    made = mail(spoken, BOATS, NETS, site=full, lines=[line(1, image=BOAT), line(2, SUN)], language=language)
    root = lxml_html.document_fromstring(made.html)
    assert {element.tag for element in root.iter() if isinstance(element.tag, str)} <= set(ELEMENTS)
    assert {name for element in root.iter() for name in foreign_properties(element.get("style") or "")} == set()
    assert foreign_rules(sheets(made.html)) == set()
    assert all(len(row.findall("td")) == 1 for row in root.iter("tr"))
    assert all(table.get("role") == "presentation" for table in root.iter("table"))
    assert ".advert { background: #1d2930 !important; }" in sheets(made.html), "dark"
    assert errors(message(made)) == []


def test_a_site_may_show_it_its_own_way(tmp_path: Path) -> None:
    own = {
        "email/sponsor.html": '<tr><td class="cell">PAID {{ sponsor.title }} {{ sponsor.link }}</td></tr>',
        "email/digest.html": '{% extends "default/email/digest.html" %}{% block sponsor_bottom %}{% endblock %}',
    }
    made = mail(site(tmp_path, own), BOATS, NETS)
    assert "PAID Kesby Boats https://boats.example/spring?a=1&b=2" in words(made.html)
    assert "Nets" not in words(made.html)
    (tmp_path / "email/sponsor.html").write_text("{{ sponsor.titel.x }}")
    with pytest.raises(TemplateError, match=r"email/sponsor.html:1"):
        mail(template_set(environment(tmp_path, "Europe/Berlin", "en")), BOATS)
