"""Following: what reader programs find by themselves, what people are offered, and several topics as one feed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import html
from sqlalchemy import Engine, event
from test_pages_http import HOSTILE, check_markup
from web_site import BASE, ELSEWHERE, HERE, Site, filled, opened

from feed_publisher.domain.archive import TOPICS_MOST
from feed_publisher.domain.model import EntryState
from feed_publisher.ports.pickup import Page
from feed_publisher.web.follow import READERS
from feed_publisher.web.pages import Pages

PUBLIC = "https://mag.example/mail"
QUOTED = """Dara "the Lamp" O'Quill & Co."""
TYPES = {"application/atom+xml": "atom", "application/rss+xml": "rss", "application/feed+json": "json"}


def alternates(page: html.HtmlElement) -> list[tuple[str, str, str]]:
    """(type, title, address) of what programs find."""
    return [(e.get("type"), e.get("title"), e.get("href")) for e in page.xpath("/html/head/link[@rel='alternate']")]


def get(site: Site, address: str, at: tuple[str, int] = ELSEWHERE, status: int = 200) -> html.HtmlElement:
    answer = site.client(at).get(address)
    assert answer.status_code == status, address
    check_markup(answer.text)
    return html.fromstring(answer.text)


@pytest.fixture(scope="module")
def coast(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    """Ten topics, authors of several kinds; for tests that change nothing."""
    with filled(tmp_path_factory.mktemp("coast") / "site", sqlite_template) as site:
        for number in range(1, 10):
            site.add(f"Piece {number}", f"Topic {number}", authors=("Ann", "Bo", QUOTED)[: number % 4])
        site.add("Hidden piece", authors=("Nobody Knows",), state=EntryState.HIDDEN)
        site.add("סיפור", authors=("נועה לוי",), language="he", summary="הרוח באה מהים.")
        site.app.publish()
        yield site


# --- what programs find


@pytest.mark.parametrize(
    ("address", "feed", "title"),
    [
        ("/", "all", "Harbour & Sons"),
        ("/topics/harbour-towns", "harbour-towns", "Harbour towns – Harbour & Sons"),
        ("/authors/l-varga", "authors/l-varga", "L. Varga – Harbour & Sons"),
        ("/authors/dara-the-lamp-oquill-co", "authors/dara-the-lamp-oquill-co", f"{QUOTED} – Harbour & Sons"),
        ("/follow?topic=topic-2&topic=topic-1", "topic-1+topic-2", "Topic 1 + Topic 2 – Harbour & Sons"),
        ("/follow?topic=topic-2", "topic-2", "Topic 2 – Harbour & Sons"),
    ],
)
def test_programs_find_the_feed_of_a_page_in_every_format_and_no_other(
    coast: Site, address: str, feed: str, title: str
) -> None:
    found = alternates(get(coast, address))
    names = {"atom": "Atom", "rss": "RSS", "json": "JSON Feed"}
    wanted = [(type, f"{title} ({names[end]})", f"{BASE}/feeds/{feed}.{end}") for type, end in TYPES.items()]
    assert found == wanted


def test_pages_without_a_feed_of_their_own_name_none(coast: Site) -> None:
    for address, status in (("/follow", 200), ("/digests/weekly", 200), ("/nothing", 404), ("/authors/nobody", 404)):
        assert alternates(get(coast, address, status=status)) == []


@pytest.mark.parametrize("slug", ["harbour-towns", "authors/l-varga", "topic-1+topic-2"])
def test_the_feed_that_is_offered_is_the_one_that_is_made(site: Site, slug: str) -> None:
    site.add("One", "Topic 1")
    site.add("Two", "Topic 2")
    where = {"harbour-towns": "/topics/harbour-towns", "authors/l-varga": "/authors/l-varga"}
    page = get(site, where.get(slug, "/follow?topic=topic-2&topic=topic-1"))

    assert site.app.make_feed(slug, both_forms=True)
    site.app.publish()

    other = page.xpath("string(//a[text()='summaries only']/@href)")
    for address in [*(href for _, _, href in alternates(page)), other]:
        made = site.folder / "public" / address.removeprefix(f"{BASE}/")
        assert address in made.read_text(), address


def test_pages_of_topics_and_authors_say_what_they_are(coast: Site) -> None:
    for address, title in (("/topics/harbour-towns", "Harbour towns"), ("/authors/l-varga", "L. Varga"), ("/", "")):
        page = get(coast, address)
        assert page.xpath("string(//link[@rel='canonical']/@href)") == BASE + address
        assert title in page.xpath("string(//meta[@name='description']/@content)")
        said = {meta.get("property"): meta.get("content") for meta in page.xpath("//meta[@property]")}
        assert said["og:type"] == "website"
        assert said["og:url"] == BASE + address
        assert said["og:site_name"] == "Harbour & Sons"
        assert title in said["og:title"]


# --- what people are offered


def test_readers_on_the_web_are_handed_the_address(coast: Site) -> None:
    page = get(coast, "/follow?topic=topic-1&topic=topic-2")
    address = f"{BASE}/feeds/topic-1+topic-2.atom"

    assert page.xpath("string(//textarea)") == address
    for name, start in READERS.items():
        link = page.xpath("string(//a[text()=$name]/@href)", name=name)
        rest = link.removeprefix(start)
        assert link.startswith(start)
        assert unquote(rest) == address
        assert not set(rest) & set("/:+&?=#")
    assert page.xpath("string(//a[starts-with(@href, 'feed:')]/@href)") == f"feed:{address}"
    assert "These links leave this site" in page.text_content()


def test_the_other_form_is_offered(tmp_path: Path, sqlite_template: Path, coast: Site) -> None:
    page = get(coast, "/authors/l-varga")
    assert f"{BASE}/feeds/authors/l-varga.summary.atom" in page.xpath("//a[text()='summaries only']/@href")

    with filled(tmp_path / "site", sqlite_template, site='feeds = "summary"') as short:
        page = get(short, "/topics/harbour-towns")
        assert f"{BASE}/feeds/harbour-towns.full.atom" in page.xpath("//a[text()='whole articles']/@href")


def test_only_newsletters_of_the_topic_are_offered(coast: Site) -> None:
    towns = get(coast, "/topics/harbour-towns").xpath("//ul[@class='newsletters']//a[not(@class)]/bdi/text()")
    other = get(coast, "/topics/topic-1").xpath("//ul[@class='newsletters']//a[not(@class)]/bdi/text()")

    assert (towns, other) == (["The Quay Letter", "Towns & Tides"], ["The Quay Letter"])


def test_lines_for_the_head_are_for_the_operator_and_are_those_of_the_page(coast: Site) -> None:
    for address in ("/", "/topics/harbour-towns", "/authors/dara-the-lamp-oquill-co", "/follow?topic=topic-1"):
        page = get(coast, address, at=HERE)
        lines = html.fromstring(f"<html><head>{page.xpath('string(//details//textarea)')}</head></html>")
        assert alternates(lines) == alternates(page)
        assert len(alternates(lines)) == 3
        assert get(coast, address).xpath("//details") == []


def test_a_public_site_does_not_say_that_readers_cannot_reach_it(tmp_path: Path, sqlite_template: Path) -> None:
    with filled(tmp_path / "site", sqlite_template, base_url=PUBLIC) as site:
        page = get(site, "/mail/topics/harbour-towns", at=HERE)

    text = page.text_content()
    assert "These links leave this site." in text
    assert "only on this computer" not in text
    assert {href for _, _, href in alternates(page)} == {
        f"{PUBLIC}/feeds/harbour-towns.{end}" for end in TYPES.values()
    }
    assert page.xpath("string(//link[@rel='canonical']/@href)") == f"{PUBLIC}/topics/harbour-towns"
    assert page.xpath("//article//a[text()='L. Varga' or bdi='L. Varga']/@href") == ["/mail/authors/l-varga"]


def test_home_leads_to_the_list_of_all_feeds_and_to_the_choice_of_topics(coast: Site, site: Site) -> None:
    page = get(coast, "/")
    assert coast.client().get(page.xpath("string(//a[contains(text(), 'OPML')]/@href)")).status_code == 200
    assert page.xpath("//a[text()='Choose topics']/@href") == ["/follow"]
    assert get(site, "/").xpath("//a[text()='Choose topics']") == []  # there is but one


# --- authors


def test_the_page_of_an_author_lists_what_is_public_of_theirs(coast: Site) -> None:
    page = get(coast, "/authors/ann")

    assert page.xpath("string(//h1)") == "Ann"
    titles = page.xpath("//article/h3/a/text()")
    assert sorted(titles) == [f"Piece {number}" for number in range(1, 10) if number % 4]
    assert titles == [entry.title for entry in coast.app.authors.newest("ann", 30)]


def test_an_author_without_public_articles_has_no_page(coast: Site) -> None:
    assert coast.app.authors.find(["Nobody Knows"])
    get(coast, "/authors/nobody-knows", status=404)


def test_bylines_lead_to_authors_wherever_articles_are(coast: Site) -> None:
    (entry,) = (each for each in coast.app.entries.page(Page(limit=100)) if each.title == "Piece 3")
    for address in ("/", "/topics/topic-3", "/authors/bo", f"/entries/{entry.key}"):
        page = get(coast, address)
        links = page.xpath("//li[starts-with(., 'By ')][contains(., 'Lamp')]//a")
        assert [link.get("href") for link in links][:3] == [
            "/authors/ann",
            "/authors/bo",
            "/authors/dara-the-lamp-oquill-co",
        ]
        assert [link.text_content() for link in links][:3] == ["Ann", "Bo", QUOTED]
        assert links[0].getparent().text_content() == f"By Ann, Bo, and {QUOTED}"


@contextmanager
def queries() -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_authors_of_a_page_are_looked_up_at_once(coast: Site) -> None:
    for address in ("/", "/authors/ann", "/topics/topic-3"):
        with queries() as asked:
            get(coast, address)
        looked_up = [statement for statement in asked if "author.heading IN" in statement]
        assert len(looked_up) == 1, address


def test_hostile_names_of_authors_and_topics_are_words(empty: Site) -> None:
    empty.add("Trap", topic=HOSTILE, authors=(HOSTILE, QUOTED))
    (topic,), author = empty.app.topics.all(), empty.app.authors.find([HOSTILE])[HOSTILE]

    for address in ("/", f"/topics/{topic.slug}", f"/authors/{author.slug}", f"/follow?topic={topic.slug}", "/follow"):
        for at in (HERE, ELSEWHERE):
            page = get(empty, address, at=at)
            assert page.xpath("//img") == []
            for _, title, _ in alternates(page):
                assert title.startswith(("Harbour & Sons", HOSTILE.strip()[:20]))


def test_a_name_without_a_page_is_words_too(shared: Site) -> None:
    (entry,) = shared.app.entries.page(Page(limit=1, state=EntryState.PUBLIC))
    line = Pages(shared.app).entry_line(replace(entry, authors=(HOSTILE, QUOTED)), {})

    byline = html.fragment_fromstring(str(line["byline"]), create_parent="p")
    assert byline.text_content() == f"{HOSTILE} and {QUOTED}"
    assert [each.tag for each in byline.iter()] == ["p", "bdi", "bdi"]


# --- several topics as one feed


def test_the_address_has_the_topics_in_order_and_each_once(coast: Site) -> None:
    page = get(coast, "/follow?topic=topic-3&topic=topic-1&topic=topic-3&topic=harbour-towns")

    assert page.xpath("string(//textarea)") == f"{BASE}/feeds/harbour-towns+topic-1+topic-3.atom"
    assert page.xpath("//input[@checked]/@value") == ["harbour-towns", "topic-1", "topic-3"]


def test_the_form_has_every_topic_and_asks_with_get(coast: Site) -> None:
    page = get(coast, "/follow")
    (form,) = page.xpath("//form")

    assert (form.get("method"), form.get("action")) == ("get", "/follow")
    assert set(form.xpath(".//input/@value")) == {topic.slug for topic in coast.app.topics.all()}
    assert page.xpath("//textarea | //*[@role='alert']") == []


def test_more_topics_than_one_feed_can_have_are_refused_in_a_sentence(coast: Site) -> None:
    slugs = [f"topic-{number}" for number in range(1, 10)]
    most = "&".join(f"topic={slug}" for slug in slugs[:TOPICS_MOST])
    assert get(coast, f"/follow?{most}").xpath("string(//textarea)").count("+") == TOPICS_MOST - 1

    page = get(coast, f"/follow?{most}&topic={slugs[8]}", status=422)

    assert "at most 8 topics, and you chose 9" in page.xpath("string(//*[@role='alert'])")
    assert page.xpath("//input[@checked]/@value") == slugs
    assert page.xpath("//textarea") == []
    assert alternates(page) == []


@pytest.mark.parametrize("slug", ["nowhere", "topic-1%2Btopic-2", "%22%3E%3Cscript%3E", "..%2F..", "%00", "all", ""])
def test_unknown_topics_are_refused_in_a_sentence(coast: Site, slug: str) -> None:
    page = get(coast, f"/follow?topic=topic-1&topic={slug}", status=404)

    assert "does not exist" in page.xpath("string(//*[@role='alert'])")
    assert page.xpath("//textarea") == []


def test_combinations_of_the_settings_are_offered(tmp_path: Path, sqlite_template: Path) -> None:
    named = '[[feeds]]\nslug = "coast"\ntitle = "Coast & <Quay>"\ntopics = ["harbour-towns"]'
    with filled(tmp_path / "site", sqlite_template, rest=named) as site:
        page = get(site, "/follow")
        assert page.xpath("//section[@class='named']//strong/bdi/text()") == ["Coast & <Quay>"]
        for address in page.xpath("//section[@class='named']//a/@href"):
            assert site.client().get(address).status_code == 200


def test_a_site_without_topics_says_so(tmp_path: Path, sqlite_template: Path) -> None:
    with opened(tmp_path / "site", sqlite_template) as site:
        page = get(site, "/follow")

    assert "No topics yet" in page.text_content()
    assert page.xpath("//form") == []


def test_asking_for_an_address_makes_nothing(site: Site) -> None:
    site.add("One", "Topic 1")
    before = site.dump()

    for address in ("/follow", "/follow?topic=topic-1&topic=harbour-towns", "/authors/l-varga", "/topics/topic-1"):
        get(site, address)

    assert site.dump() == before


# --- the script


def test_the_script_is_ours_and_its_address_follows_its_content(coast: Site, site: Site) -> None:
    address = get(coast, "/topics/harbour-towns").xpath("string(//script/@src)")
    answer = coast.client(ELSEWHERE).get(address)

    assert address.startswith("/static/site.js?v=")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "//" not in answer.text
    assert get(coast, "/digests/weekly").xpath("//script") == []


def test_other_languages_and_directions_are_said_in_lists(coast: Site) -> None:
    page = get(coast, "/authors/" + coast.app.authors.find(["נועה לוי"])["נועה לוי"].slug)

    assert page.xpath("//article/h3[@lang='he'][@dir='rtl']/a/text()") == ["סיפור"]
    assert page.xpath("//article/p[@lang='he'][@dir='rtl']/text()") == ["הרוח באה מהים."]
    assert page.xpath("//h1/bdi/text()") == ["נועה לוי"]
    assert (page.get("lang"), page.get("dir")) == ("en", "ltr")
