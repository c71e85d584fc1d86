import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from samples import an_entry

from feed_publisher.adapters.templates import environment
from feed_publisher.compose.digest import (
    DigestView,
    IssueView,
    Line,
    SiteView,
    TemplateSet,
    arranged,
    authors_text,
    fingerprint,
    first_choice,
    render_edition,
    template_set,
)
from feed_publisher.compose.html import check_template, render
from feed_publisher.compose.message import Links, Personal, Sender, Skeleton, marker
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Edition, Images
from feed_publisher.domain.model import TopicRef

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
NONCE = "0123456789abcdef"
SEA, SUN = TopicRef(slug="sea", title="Sea"), TopicRef(slug="sun", title="Sun & Sky")
SITE = SiteView(
    title="Harbour News",
    url="https://harbour.example",
    language="en",
    postal_address="Harbour News\n1 Quay Street\nPort Town",
    imprint_url="https://harbour.example/imprint",
    privacy_url="https://harbour.example/privacy",
    accent="#0b5b70",
)
DIGEST = DigestView(title="The Weekly", url="https://harbour.example/digests/weekly")


def line(number: int, topic: TopicRef = SEA, **more: object) -> Line:
    entry = an_entry(
        number,
        revision=number + 100,
        authors=("Ann Po", "Bo"),
        summary=f"Summary {number}.",
        published=NOW,
        updated=NOW,
    )
    return Line(entry=replace(entry, **more), topic=topic, url=f"https://harbour.example/entries/key{number}")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> TemplateSet:
    return template_set(environment(tmp_path_factory.mktemp("site"), "Europe/Berlin", "en"))


def edition(
    templates: TemplateSet, lines: list[Line], *, language: str = "en", maximum: int = 50, **more: object
) -> Edition:
    views = {"site": SITE, "digest": DIGEST, "issue": IssueView(number=7, date=NOW)} | more
    return render_edition(
        templates,
        views["site"],
        views["digest"],
        views["issue"],
        lines,  # type: ignore[arg-type]
        language=language,
        maximum=maximum,
        nonce=NONCE,
        topic_url="https://harbour.example/topics/",
        choose=views.get("choose", first_choice),
    )


def words(html: str) -> str:
    """The text a reader of the HTML part sees."""
    return " ".join(lxml_html.document_fromstring(html).find("body").text_content().split())


def squeezed(text: str) -> str:
    return " ".join(text.split())


def site(folder: Path, files: dict[str, str]) -> TemplateSet:
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return template_set(environment(folder, "Europe/Berlin", "en"))


def test_both_parts_hold_each_article(shipped):
    lines = [line(1), line(2, SUN), line(3)]
    made = edition(shipped, lines)
    for part in (words(made.html), squeezed(made.text)):
        for n in (1, 2, 3):
            assert part.count(f"Title {n}") == 1
            assert f"Summary {n}." in part
        assert "By Ann Po and Bo" in part
        assert "23 November 2026" in part or "November 23, 2026" in part, "the date of the zone"
        assert "Issue 7" in part
        assert "1 Quay Street" in part
    for n in (1, 2, 3):
        assert f'href="https://harbour.example/entries/key{n}"' in made.html
        assert f"\nhttps://harbour.example/entries/key{n}\n" in made.text
    assert made.entries == ((1, 101, "sea"), (2, 102, "sun"), (3, 103, "sea"))
    assert (made.language, made.nonce, made.template) == ("en", NONCE, shipped.hash)


def test_the_unsubscribe_link_is_near_the_top_and_at_the_end_of_both(shipped):
    slot = marker(NONCE, "unsubscribe_url")
    made = edition(shipped, [line(1)])
    assert made.html.count(f'href="{slot}"') == 2
    assert made.text.count(slot) == 2
    for part in (made.html, made.text):
        assert part.index(slot) < part.index("Summary 1." if part is made.text else "Title 1</a>") < part.rindex(slot)


def test_the_subject_comes_from_the_lead(shipped):
    assert edition(shipped, [line(1)]).subject == "Title 1"
    assert edition(shipped, [line(1), line(2), line(3)]).subject == "Title 1, and 2 more"
    assert edition(shipped, [line(1, title="a\r\nBcc: x\u2028y\0z")]).subject == "a Bcc: x y z"
    long = edition(shipped, [line(1, title="x" * 5000), line(2)]).subject
    assert long.endswith("x…, and 1 more")
    assert len(long) <= 78
    assert edition(shipped, [line(1, title="word " * 50)]).subject == "word " * 12 + "word…"


def test_entries_past_the_maximum_are_on_the_web_and_received(shipped):
    made = edition(shipped, [line(n) for n in range(5)], maximum=3)
    for part in (words(made.html), squeezed(made.text)):
        assert "2 more articles on the web" in part
        assert "Title 2" in part
        assert "Title 3" not in part
    assert "1 more article on the web" in words(edition(shipped, [line(1), line(2)], maximum=1).html)
    assert "more article" not in words(edition(shipped, [line(1), line(2)], maximum=2).html)
    assert len(made.entries) == 5
    assert made.subject == "Title 0, and 4 more"


def test_sections_by_topic_in_the_order_of_their_first_article(shipped):
    made = edition(shipped, [line(1, SUN), line(2, SEA), line(3, SUN)])
    tree = lxml_html.document_fromstring(made.html)
    assert [h.text_content() for h in tree.iter("h2", "h3")] == ["Sun & Sky", "Title 1", "Title 3", "Sea", "Title 2"]
    assert [a.get("href") for a in tree.xpath("//h2//a")] == [
        f"https://harbour.example/topics/{s}" for s in ("sun", "sea")
    ]
    places = [made.text.index(word) for word in ("Sun & Sky", "Title 1", "Title 3", "\nSea\n", "Title 2")]
    assert places == sorted(places)


def test_one_section_named_like_the_digest_has_no_heading(shipped):
    made = edition(shipped, [line(1, TopicRef(slug="weekly", title="The Weekly"))])
    assert [h.text_content() for h in lxml_html.document_fromstring(made.html).iter("h1", "h2", "h3")] == [
        "The Weekly",
        "Title 1",
    ]


HOSTILE = [
    "{{7*7}}",
    "{% for x in y %}",
    "{# gone #}",
    "<script>alert(1)</script>",
    "{{''.__class__}}",
    "a & b < c",
    '"><img src=x>',
    "&lt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_entry_text_is_data(shipped, text):
    topic = TopicRef(slug="sea", title=text)
    made = edition(
        shipped,
        [line(1, topic, title=text, summary=f"S {text}", authors=(f"A {text}",)), line(2)],
        digest=DigestView(title=f"D {text}", url="https://x.example/"),
        site=replace(SITE, title=f"N {text}", postal_address=f"P {text}"),
    )
    assert made.subject == f"{text}, and 1 more"
    for part in (words(made.html), squeezed(made.text)):
        for shown in (text, f"S {text}", f"By A {text}", f"D {text}", f"N {text}", f"P {text}"):
            assert shown in part
    tree = lxml_html.document_fromstring(made.html)
    assert not list(tree.iter("script", "img"))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40).filter(str.strip))
@settings(max_examples=40, deadline=None)
def test_any_title_is_shown_in_both_parts(shipped, title):
    made = edition(shipped, [line(1, title=title)])
    assert squeezed(title) in words(made.html)
    assert re.sub(r"\s", "", title) in re.sub(r"\s", "", made.text)


def test_a_link_cannot_leave_its_attribute(shipped):
    made = edition(shipped, [replace(line(1), url='https://x.example/"onclick="alert(1)')])
    assert not lxml_html.document_fromstring(made.html).xpath("//*[@onclick]")


def test_fifty_articles_are_less_than_100_kb(shipped):
    long = "High water at noon, low water in the evening, and a strong wind from the north-west. " * 4
    made = edition(
        shipped, [line(n, (SEA, SUN)[n % 2], summary=long, title=f"Title {n} " + "word " * 14) for n in range(50)]
    )
    assert len(made.html.encode()) < 100_000


def test_a_mail_made_of_an_edition(shipped):
    made = edition(shipped, [line(1, title="Zoë’s tide")])
    url = "https://harbour.example/unsubscribe/" + "A" * 56
    links = Links(unsubscribe=url, preferences="https://harbour.example/preferences/" + "B" * 56)
    raw = Skeleton(Sender(name="N", address="n@x.example"), made.subject, made.html, made.text, "en", NONCE).message(
        Personal(to="a@x.example", message_id="1@x.example", date=NOW, values=links.values, unsubscribe_url=url)
    )
    message = message_from_bytes(raw, policy=default)
    text, html = (part.get_payload(decode=True).decode() for part in message.iter_parts())
    assert message["Subject"] == "Zoë’s tide"
    assert text.count(url) == html.count(f'href="{url}"') == 2
    assert text.count(links.preferences) == html.count(f'href="{links.preferences}"') == 1
    assert NONCE not in text + html
    assert "Zoë’s tide" in text
    assert "Zoë’s tide" in words(html)


def test_styles_are_inlined_and_media_rules_stay(shipped):
    html = edition(shipped, [line(1)]).html
    assert "@media (prefers-color-scheme: dark)" in html
    assert re.search(r'<h1 style="[^"]*font-size: ?34px', html)


@pytest.mark.parametrize(
    ("language", "direction"), [("ar", "rtl"), ("he-IL", "rtl"), ("fa", "rtl"), ("en", "ltr"), ("de-AT", "ltr")]
)
def test_the_language_sets_the_direction(shipped, language, direction):
    root = lxml_html.document_fromstring(edition(shipped, [line(1)], language=language).html)
    assert (root.get("lang"), root.get("dir")) == (language, direction)


def test_dates_and_bylines_follow_the_language(shipped):
    assert "23. November 2026" in edition(shipped, [line(1)], language="de").text
    assert authors_text(("A", "B", "C"), "de") == "A, B und C"
    assert authors_text(("A", "B"), "pt-BR") == "A e B"
    assert authors_text(("A",), "en") == "A"
    assert authors_text((), "en") == ""


@pytest.mark.parametrize("language", ["tlh", "xx", "de-1996", "en-x-pirate", "ar-XX"])
def test_an_unknown_language_stops_no_issue(shipped, language):
    made = edition(shipped, [line(1)], language=language)
    assert "Title 1" in made.text
    assert made.language == language
    assert made.fingerprint == fingerprint([line(1)], 0, shipped, language, SITE, DIGEST)
    assert (lxml_html.document_fromstring(made.html).get("dir") == "rtl") == language.startswith("ar")


@pytest.mark.parametrize("language", ["tlh", "xx", "de-1996", "en-x-pirate", "", "zh-Hant-TW"])
def test_bylines_in_an_unknown_language(language):
    assert re.fullmatch("Ann.{1,5}Bo", authors_text(("Ann", "Bo"), language))


def test_a_rehearsal_has_no_number(shipped):
    assert "Issue" not in words(edition(shipped, [line(1)], issue=IssueView(number=None, date=NOW)).html)


def test_same_arguments_same_edition(shipped):
    assert edition(shipped, [line(1), line(2, SUN)]) == edition(shipped, [line(1), line(2, SUN)])


def test_fingerprint(shipped, tmp_path):
    lines = [line(1), line(2, SUN)]

    def of(lines=lines, more=0, templates=shipped, language="en", site=SITE, digest=DIGEST):
        return fingerprint(lines, more, templates, language, site, digest)

    assert edition(shipped, lines).fingerprint == of()
    others = [
        of([replace(lines[0], entry=replace(lines[0].entry, revision=999)), lines[1]]),
        of([line(1, SUN), line(2, SUN)]),
        of(lines[::-1]),
        of(lines[:1]),
        of(more=1),
        of(language="de"),
        of(templates=site(tmp_path, {"email/subject.txt": "x"})),
        of(site=replace(SITE, logo="https://harbour.example/logo.png")),
        of(site=replace(SITE, accent="#000000")),
        of(site=replace(SITE, footer="x")),
        of(site=replace(SITE, imprint="x")),
        of(site=replace(SITE, own_hosts=("www.harbour.example",))),
        of(digest=replace(DIGEST, footer="x")),
        of(digest=replace(DIGEST, images=Images.LEAD)),
        of(digest=replace(DIGEST, images=Images.ALL)),
        of(digest=replace(DIGEST, link_parameters="a=b")),
    ]
    assert len({of(), *others}) == len(others) + 1


# --- a site's own templates


def test_a_site_replaces_one_block(tmp_path):
    own = (
        '{% extends "default/email/digest.html" %}{% block footer %}<p>Fish &amp; {{ digest.title }}</p>{% endblock %}'
    )
    made = edition(site(tmp_path, {"email/digest.html": own}), [line(1)])
    assert "Fish & The Weekly" in words(made.html)
    assert "No tracking" not in words(made.html)
    assert "Title 1" in words(made.html)


def test_a_site_replaces_a_file(tmp_path):
    made = edition(site(tmp_path, {"email/subject.txt": "{{ digest.title }} {{ issue.number }}"}), [line(1)])
    assert made.subject == "The Weekly 7"


def test_the_hash_follows_every_file_an_edition_is_made_of(tmp_path):
    files = {
        "email/digest.html": '{% extends "default/email/digest.html" %}{% block footer %}'
        '{% include "email/foot.html" %}{% endblock %}',
        "email/foot.html": "one",
    }
    first = site(tmp_path, files)
    assert site(tmp_path, files).hash == first.hash
    assert "--- default/email/digest.html\n" in first.source
    assert site(tmp_path, {"email/foot.html": "two"}).hash != first.hash


BROKEN = [
    ("Hi\n{% if %}", 2, ""),
    ("Hi\n\n{{ nobody }}", 3, "nobody"),
    ("{{ lead.nothing }}", 1, "nothing"),
    ("\n{{ ''.__class__.__mro__ }}", 2, "unsafe"),
    ("\n\n{{ lead.__init__.__globals__ }}", 3, "unsafe"),
    ("{{ ''.format.__func__ }}", 1, ""),
    ("{{ '{0.__class__}'.format(lead) }}", 1, ""),
    ("\n{{ 1 / 0 }}", 2, "zero"),
    ("{{ lead | nofilter }}", 1, "nofilter"),
    ("{% for x in range(10000000) %}{% endfor %}", 1, "Range"),
    ("{{ 1 + 'a' }}", 1, ""),
    ("{{ site.title() }}", 1, "callable"),
    ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", 1, "recursion"),
    ("{{ issue.date | date(1, 2, 3) }}", 1, ""),
]


@pytest.mark.parametrize(("source", "number", "says"), BROKEN)
@pytest.mark.parametrize("name", ["email/digest.html", "email/digest.txt", "email/subject.txt"])
def test_a_broken_template_says_where(tmp_path, name, source, number, says):
    with pytest.raises(TemplateError) as error:
        edition(site(tmp_path, {name: source}), [line(1)])
    assert f"{name}:{number}: " in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(TemplateError, match=r"email/gone\.html"):
        edition(site(tmp_path, {"email/digest.html": '{% extends "email/gone.html" %}'}), [line(1)])


def test_a_template_may_do_without_another(tmp_path):
    own = '{{ lead.title }}{% include ["email/a.txt", "email/b.txt"] ignore missing %}'
    assert edition(site(tmp_path, {"email/subject.txt": own}), [line(1)]).subject == "Title 1"
    assert edition(site(tmp_path, {"email/b.txt": "!"}), [line(1)]).subject == "Title 1!"


def test_entry_values_cannot_be_changed_by_a_template(tmp_path):
    with pytest.raises(TemplateError):
        edition(site(tmp_path, {"email/subject.txt": "{{ sections.append(1) }}"}), [line(1)])


def test_check_template(tmp_path):
    (tmp_path / "bad.html").write_text("\n{% endif %}")
    (tmp_path / "good.html").write_text("{{ nobody }}")
    templates = environment(tmp_path, "UTC", "en")
    check_template(templates, "good.html")
    with pytest.raises(TemplateError, match=r"bad\.html:2: "):
        check_template(templates, "bad.html")
    with pytest.raises(TemplateError, match=r"no template none\.html"):
        check_template(templates, "none.html")
    with pytest.raises(TemplateError, match=r"no template none\.html"):
        render(templates, "none.html")


# --- the order of sections

SKY = TopicRef(slug="sky", title="Sky")


def order_of(lines: Sequence[Line]) -> list[int]:
    return [each.entry.number for each in lines]


def test_sections_come_as_topics_are_named_then_by_their_newest_article():
    newest_first = [line(5, SKY), line(4, SEA), line(3, SUN), line(2, SKY), line(1, SEA)]
    assert order_of(arranged(newest_first, ("sun",), 50)) == [3, 5, 2, 4, 1]
    assert order_of(arranged(newest_first, ("sun", "sea", "gone"), 50)) == [3, 4, 1, 5, 2]
    assert order_of(arranged(newest_first, (), 50)) == [5, 2, 4, 1, 3]


def test_the_newest_stay_whatever_the_order():
    newest_first = [line(3, SEA), line(2, SEA), line(1, SUN)]
    assert order_of(arranged(newest_first, ("sun",), 2)) == [3, 2, 1], "the last one is only counted"


@given(
    topics=st.lists(st.sampled_from([SEA, SUN, SKY]), min_size=1, max_size=12),
    order=st.permutations(["sea", "sun", "sky"]).flatmap(lambda all: st.sampled_from([(), tuple(all[:1]), tuple(all)])),
    maximum=st.integers(1, 12),
)
def test_arranging_loses_nothing_and_is_settled_at_once(topics, order, maximum):
    newest_first = [line(len(topics) - place, topic) for place, topic in enumerate(topics)]
    made = arranged(newest_first, order, maximum)
    assert set(order_of(made[:maximum])) == set(order_of(newest_first[:maximum]))
    assert made[maximum:] == tuple(newest_first[maximum:])
    assert arranged(made, order, maximum) == made
    for topic in (SEA, SUN, SKY):
        mine = [each.entry.number for each in made[:maximum] if each.topic == topic]
        assert mine == sorted(mine, reverse=True)
