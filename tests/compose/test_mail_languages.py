"""The digest mail in the languages that are complete."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import html as lxml_html
from samples import an_entry

from feed_publisher.adapters.templates import environment
from feed_publisher.compose.digest import (
    DigestView,
    IssueView,
    Line,
    SiteView,
    TemplateSet,
    render_edition,
    template_set,
)
from feed_publisher.domain.issue import Edition
from feed_publisher.domain.model import TopicRef

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
SITE = SiteView(
    title="أخبار المرفأ",
    url="https://harbour.example",
    language="ar",
    postal_address="أخبار المرفأ\nشارع الميناء 1",
    imprint_url="https://harbour.example/imprint",
    privacy_url="https://harbour.example/privacy",
    accent="#0b5b70",
)
DIGEST = DigestView(title="نشرة الرصيف", url="https://harbour.example/digests/weekly")
TOPICS = (TopicRef(slug="sea", title="البحر"), TopicRef(slug="quay", title="Quay & Sons"))


def line(number: int, title: str, topic: int = 0, language: str | None = None, **more: object) -> Line:
    entry = an_entry(
        number,
        title=title,
        authors=("ليلى حداد", "Ann Po"),
        summary=f"{title}.",
        language=language,
        published=NOW,
        updated=NOW,
    )
    return Line(entry=entry, topic=TOPICS[topic], url=f"https://harbour.example/entries/key{number}")


LINES = [line(1, "آخر عبّارة قبل الجليد"), line(2, "The Street That Floods", 1, "en"), *(line(n, "خبر") for n in (3, 4))]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> TemplateSet:
    return template_set(environment(tmp_path_factory.mktemp("site"), "Europe/Berlin", "ar"))


def edition(templates: TemplateSet, language: str, maximum: int = 2) -> Edition:
    return render_edition(
        templates,
        SITE,
        DIGEST,
        IssueView(number=7, date=NOW),
        LINES,
        language=language,
        maximum=maximum,
        nonce="0123456789abcdef",
        topic_url="https://harbour.example/topics/",
    )


@pytest.mark.parametrize("part", ["html", "text"])
def test_the_arabic_mail_is_the_golden_one(shipped: TemplateSet, part: str) -> None:
    file = GOLDEN / f"digest.ar.{'html' if part == 'html' else 'txt'}"
    made: str = getattr(edition(shipped, "ar"), part)
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(made, encoding="utf-8")
    assert made == file.read_text(encoding="utf-8"), (
        "look at the mail; if the change is meant, renew with UPDATE_GOLDEN=1"
    )


def test_an_article_of_another_language_is_set_as_its_language_is(shipped: TemplateSet) -> None:
    root = lxml_html.document_fromstring(edition(shipped, "ar").html)
    assert (root.get("lang"), root.get("dir")) == ("ar", "rtl")
    title = next(each for each in root.iter("h3") if each.text_content() == "The Street That Floods")
    cell, byline = title.getparent(), title.getnext()
    assert title.get("lang") == "en"
    assert (cell.get("dir"), byline.get("dir")) == ("ltr", "rtl")
    assert "text-align: left" in cell.get("style")
    assert byline.text_content().startswith("بقلم")
    others = [each for each in root.iter("h3") if each.text_content() != "The Street That Floods"]
    assert others
    assert [(each.get("lang"), each.getparent().get("dir")) for each in others] == [(None, None)] * len(others)


def test_words_and_dates_are_those_of_the_language(shipped: TemplateSet) -> None:
    german, arabic = edition(shipped, "de-AT"), edition(shipped, "ar")
    assert "23. November 2026 · Ausgabe 7" in german.text
    assert "Von \u2068ليلى حداد\u2069 und Ann Po" in german.text
    assert german.subject == "آخر عبّارة قبل الجليد und 3 weitere Artikel"
    assert "23 نوفمبر 2026 · العدد 7" in arabic.text
    assert arabic.subject == "آخر عبّارة قبل الجليد و3 مقالات أخرى"
    assert "مقالان آخران على الموقع:" in arabic.text


def test_no_word_of_english_is_left(shipped: TemplateSet) -> None:
    english = edition(shipped, "en")
    for language in ("de", "ar"):
        made = edition(shipped, language)
        foreign = {*made.text.split("\n"), *spoken(made.html)}
        same = foreign & {*english.text.split("\n"), *spoken(english.html)}
        assert {
            text for text in same if any(c.isascii() and c.isalpha() for c in text) and not set(text) & {":", "_"}
        } <= {
            "The Street That Floods",
            "The Street That Floods.",
            "Quay & Sons",
        }


def spoken(html: str) -> set[str]:
    body = lxml_html.document_fromstring(html).find("body")
    assert body is not None
    return {text.strip() for text in body.itertext() if text.strip()} - {body.text or ""}
