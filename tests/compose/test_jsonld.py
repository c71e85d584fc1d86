"""An article as data for programs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from feed_publisher.compose.jsonld import Publication, article
from feed_publisher.domain.model import Entry, EntryState, Image, TopicRef

SITE = Publication(name="Harbour & Sons", url="https://mag.example/", logo="", language="en")
ENTRY = Entry(
    number=1,
    revision=1,
    key="00000000-0000-4000-8000-000000000000",
    id="urn:uuid:00000000-0000-4000-8000-000000000000",
    title="The Lamp",
    authors=("L. Varga", "נועה לוי"),
    summary="The keeper left.",
    content_html="<p>x</p>",
    link=None,
    language=None,
    published=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    updated=datetime(2026, 11, 22, 9, 0, 0, 17, tzinfo=UTC),
    state=EntryState.PUBLIC,
    topics=(TopicRef(slug="sea", title="Sea"), TopicRef(slug="sun", title="Sun")),
)


def test_an_article_says_what_it_is() -> None:
    known = {"L. Varga": "https://mag.example/authors/l-varga"}
    assert article(ENTRY, "https://mag.example/entries/x", known, SITE) == {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": "The Lamp",
        "description": "The keeper left.",
        "datePublished": "2026-11-22T09:00:00+00:00",
        "dateModified": "2026-11-22T09:00:00+00:00",
        "author": [
            {"@type": "Person", "name": "L. Varga", "url": "https://mag.example/authors/l-varga"},
            {"@type": "Person", "name": "נועה לוי"},
        ],
        "publisher": {"@type": "Organization", "name": "Harbour & Sons", "url": "https://mag.example/"},
        "articleSection": ["Sea", "Sun"],
        "inLanguage": "en",
        "mainEntityOfPage": "https://mag.example/entries/x",
    }


def test_picture_logo_and_language_are_said_where_there_are_any() -> None:
    entry = replace(ENTRY, image=Image(url="https://mag.example/lamp.jpg"), language="he")
    site = replace(SITE, logo="https://mag.example/logo.png")

    said = article(entry, "https://mag.example/lamp", {}, site)

    assert said["image"] == ["https://mag.example/lamp.jpg"]
    assert said["inLanguage"] == "he"
    assert said["publisher"] == {
        "@type": "Organization",
        "name": "Harbour & Sons",
        "url": "https://mag.example/",
        "logo": {"@type": "ImageObject", "url": "https://mag.example/logo.png"},
    }


def test_what_is_not_known_is_left_out() -> None:
    said = article(replace(ENTRY, authors=(), summary="", topics=()), "https://mag.example/lamp", {}, SITE)

    assert not {"author", "description", "image", "articleSection"} & said.keys()
