import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.source import ParseRules, Selectors
from feed_publisher.parse.listing import read_listing
from feed_publisher.parse.page import find_shapes, read_page

PAGES = Path(__file__).parent / "pages"
HERE = "https://quay.test/harbour"
FIXTURES = sorted(path.name for path in PAGES.glob("*.html"))


def read(html: str | bytes, base: str = HERE, charset: str = "", **select: str):
    data = html.encode() if isinstance(html, str) else html
    return read_page(data, "page.html", ParseRules(base=base, charset=charset, select=Selectors(**select)))


def fixture(name: str, **select: str):
    return read((PAGES / name).read_bytes(), **select)


def titles(reading) -> list[str]:
    return [draft.title for draft in reading.drafts]


def best(name: str):
    return find_shapes((PAGES / name).read_bytes(), name, ParseRules(base=HERE))[0]


def day(number: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 11, number, hour, minute, tzinfo=UTC)


def cards(count: int, extra: str = "") -> str:
    items = (
        f"<li><h3><a href='/a/{n}'>Article number {n} of many</a></h3><p>What happened on the quay, part {n}.</p></li>"
        for n in range(count)
    )
    return f"<html lang=en><body><h1>Harbour news</h1><ul>{''.join(items)}</ul>{extra}</body></html>"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("jsonld.html", "json-ld"),
        ("hentry.html", "microformats"),
        ("hatom.html", "microformats"),
        ("microdata.html", "microformats"),
        ("articles.html", "article elements"),
        ("repeated.html", "repeated structure"),
        ("table.html", "repeated structure"),
        ("dl.html", "repeated structure"),
        ("rtl.html", "repeated structure"),
    ],
)
def test_each_shape_is_told(name, method):
    shape = best(name)
    assert shape.method == method
    assert shape.drafts == read_page((PAGES / name).read_bytes(), name, ParseRules(base=HERE)).drafts
    assert [draft.place for draft in shape.drafts] == list(range(len(shape.drafts)))
    assert all(draft.topics for draft in shape.drafts)
    assert all(draft.where.split(":")[0] == name and int(draft.where.split(":")[1]) for draft in shape.drafts)


def test_json_ld():
    reading = fixture("jsonld.html")
    ferry, cranes, fog = reading.drafts
    assert (ferry.title, ferry.link) == ("Ferry & Bell at Odds", "https://quay.test/a/ferry")
    assert ferry.summary == "A bell keeps commuters ashore."
    assert ferry.authors == ("Ann Po", "Quay Staff")
    assert ferry.published == day(20, 7, 30)
    assert ferry.explicit_id == "https://quay.test/id/1"
    assert (cranes.authors, cranes.language) == (("Tove Lind", "Bo Falk"), "es")
    assert (fog.title, fog.link, fog.language) == ("Fog Horns Fall Silent", "https://quay.test/a/fog", None)
    assert ferry.topics == ("Harbour news",)


def test_about():
    about = fixture("jsonld.html").about
    assert (about.kind, about.title, about.language) == ("page", "Harbour news | The Quay", "en")
    assert about.feeds == ("https://quay.test/harbour.atom", "https://quay.test/comments.rss")
    assert (about.hub, about.itself) == ("https://hub.quay.test/", HERE)
    assert about.older is None


def test_microformats():
    radio, eels = fixture("hentry.html").drafts
    assert (radio.title, radio.authors, radio.published) == ("Lamp Room Radio Nights", ("Bo Falk",), day(21, 20))
    assert radio.summary == "Amateurs hang antennas where the lens turned."
    assert (eels.explicit_id, eels.link, eels.authors) == (eels.link, "https://quay.test/n/2", ("Rosa Imani",))
    assert eels.topics == ("Harbour notes",)
    planks, lock = fixture("hatom.html").drafts
    assert (planks.title, planks.link) == ("Planks Put Back Again", "https://quay.test/p/1")
    assert (planks.authors, planks.published) == (("Ida Novak",), day(18, 10))
    assert lock.summary == "Two swans went through first."


def test_microdata():
    ferry, gulls = fixture("microdata.html").drafts
    assert (ferry.title, ferry.link, ferry.authors) == ("Ferry Rings Once More", "https://quay.test/m/1", ("Ann Po",))
    assert (ferry.published, ferry.summary) == (day(22, 6), "The bell was in the galley.")
    assert (gulls.authors, gulls.published) == (("Bo Falk",), None)


def test_article_elements():
    ferry, seals, phare, unlinked = fixture("articles.html").drafts
    assert ferry.title == "The Ferry That Would Not Sail"
    assert ferry.authors == ("Ann Po", "Sam Lee Jr.")
    assert (ferry.published, ferry.topics) == (day(22, 7, 30), ("Harbour news",))
    assert ferry.summary == "A bell keeps forty thousand ashore."
    assert (seals.published, seals.topics, seals.authors) == (day(21), ("Opinion",), ("Greta Paul",))
    assert seals.summary == "A winter of counting ended with a wet notebook."
    assert (phare.language, phare.published) == ("fr", None)
    assert unlinked.link is None


def test_repeated_structure_among_all_that_surrounds_it():
    reading = fixture("repeated.html")
    assert [draft.link for draft in reading.drafts] == [f"https://quay.test/s/{n}" for n in (1, 2, 3, 4)]
    assert [draft.published for draft in reading.drafts] == [day(22), day(21), day(20), None]
    assert [draft.authors for draft in reading.drafts][3] == ("Associated Press",)
    assert reading.drafts[0].summary == "The hotel wants quiet at five in the morning."
    assert reading.about.language == "en-GB"


@pytest.mark.parametrize("name", ["table.html", "dl.html"])
def test_old_pages(name):
    reading = fixture(name)
    assert titles(reading) == ["Ferry stays in port again", "Cranes to be painted red", "Seals counted three times"]
    assert reading.drafts[1].summary == "The paint is older than they are."
    assert reading.drafts[1].link == "https://quay.test/old2.htm"


def test_right_to_left():
    reading = fixture("rtl.html")
    assert [draft.authors for draft in reading.drafts] == [("רות כהן",), ("דן לוי",), ("רות כהן",)]
    assert reading.drafts[0].title == "המעבורת שלא הפליגה הבוקר"
    assert reading.drafts[0].topics == ("חדשות הנמל",)


LISTING = [
    ("Ferry or Bell", "By Ann Po and Sam Lee Jr.", "A strike over a bell -- and what it’s worth."),
    ("Cranes", "By Tove Lind", "By the old dock, four giants still know every ship."),
    ("Can the Pilots Count the Seals?", "By Greta Paul", "Three totals. It wasn’t enough."),
    ("Welders Take the Stairs", "By Associated Press", "Three welders carried a keel plate: why?"),
]
HEADING = "Harbour-River relations"


def html_of(block: str) -> str:
    body = "".join(block.format(*entry) for entry in LISTING)
    return f"<html lang=en><body><h1>{HEADING}</h1>{body}<p>Page 1 of 2</p></body></html>"


def as_text() -> str:
    return "\n\n".join([HEADING, *("\n".join(entry) for entry in LISTING)]) + "\nPage 1 of 2\n"


@pytest.mark.parametrize(
    "html",
    [
        html_of("<h3>{}</h3>\n<p>{}</p>\n<p>{}</p>\n"),
        html_of("<div><h2>{}</h2><div><span>{}</span></div><p>{}</p></div>"),
        html_of("<p>{}</p><p>{}</p><p>{}</p>"),
        html_of("<p><b>{}</b></p><p><i>{}</i></p><p>{}</p>"),
        html_of("<p>{}<br>{}<br>{}</p>"),
        html_of("<ul><li><div>{}</div><div>{}</div><div>{}</div></li></ul>"),
        "<body>" + as_text().replace("\n", "<br>\n"),
        f"<body><pre>{as_text()}</pre>",
        f"<body><nav><a href=/>Home</a></nav><pre>{as_text()}</pre><footer>All rights drowned.</footer>",
    ],
)
def test_a_saved_listing_reads_as_its_text_does(html):
    def told(reading):
        return [(draft.title, draft.authors, draft.summary, draft.topics) for draft in reading.drafts]

    reading = read(html, base="")
    assert told(reading) == told(read_listing(as_text().encode(), "list.txt"))
    assert reading.problems == ()
    assert reading.about.older is None
    assert {draft.link for draft in reading.drafts} == {None}
    assert read(html).about.older == f"{HERE}?page=2"


def test_complete_entries_win_over_poor_descriptions():
    script = '{"@type":"ItemList","itemListElement":[{"@type":"ListItem","name":"Only a name here"}]}'
    page = cards(5).replace("<body>", f'<body><script type="application/ld+json">{script}</script>')
    assert len(read(page).drafts) == 5
    web_page = script.replace("ItemList", "WebPage")
    assert len(read(page.replace(script, web_page)).drafts) == 5


@pytest.mark.parametrize(
    ("address", "extra", "older"),
    [
        (HERE, "<a rel=next href='?page=2'>x</a>", f"{HERE}?page=2"),
        (HERE, "<a rel=next href='https://elsewhere.test/2'>x</a>", None),
        (HERE, "<div class=pagination><span>1</span> <a href='/h/2'>2</a> <a href='/h/3'>3</a></div>", "/h/2"),
        (
            f"{HERE}?page=2",
            "<ul><li><a href='?page=1'>1</a></li><li class=active><a href='?page=2'>2</a></li>"
            "<li><a href='?page=3'>3</a></li></ul>",
            f"{HERE}?page=3",
        ),
        (HERE, "<p>Page 1 of 2</p><a href='/h/2'>2</a>", "/h/2"),
        (HERE, "<p>Page 1 of 3</p><a href='/h/2'>Next »</a>", "/h/2"),
        (HERE, "<p>Page 2 of 2</p><a href='/h/1'>1</a>", None),
        (HERE, "<p>Page 1 of 2</p>", f"{HERE}?page=2"),
        (f"{HERE}?q=a&page=1", "<p>Page 1 of 2</p>", f"{HERE}?q=a&page=2"),
        (f"{HERE}/page/2/", "<p>Page 2 of 9</p>", f"{HERE}/page/3/"),
        ("", "<p>Page 1 of 2</p>", None),
        (HERE, "<a href='/h?before=9'>Older posts</a>", "/h?before=9"),
        (HERE, "", None),
    ],
)
def test_the_next_page(address, extra, older):
    expected = f"https://quay.test{older}" if older and older.startswith("/") else older
    assert read(cards(4, extra), base=address).about.older == expected


def test_a_saved_page_tells_its_address():
    page = cards(3).replace("<body>", "<link rel=canonical href='https://quay.test/harbour'><body>")
    assert read(page, base="").drafts[0].link == "https://quay.test/a/0"
    assert read(cards(3), base="").drafts[0].link is None
    based = cards(3).replace("<body>", "<base href='https://quay.test/deep/'><body>").replace("'/a/", "'a/")
    assert read(based, base="").drafts[0].link == "https://quay.test/deep/a/0"


def test_selectors_for_everything():
    page = """<body><h1>H</h1><i class=e><u>One</u><s><a href=/1>more</a></s><q>Sum one</q>
    <b>Ann Po</b><code>1 May 2026</code><kbd>Sea</kbd></i>
    <i class=e><u>Two</u></i><em><a href='/h/2'>on</a></em></body>"""
    fields = {"title": "u", "link": "s", "summary": "q", "author": "b", "date": "code", "topic": "kbd", "next": "em"}
    reading = read(page, entry="i.e", **fields)
    one, two = reading.drafts
    assert (one.title, one.link, one.summary) == ("One", "https://quay.test/1", "Sum one")
    assert (one.authors, one.published, one.topics) == (("Ann Po",), datetime(2026, 5, 1, tzinfo=UTC), ("Sea",))
    assert (two.title, two.link, two.authors, two.topics) == ("Two", None, (), ())
    assert reading.about.older == "https://quay.test/h/2"


@pytest.mark.parametrize(
    ("field", "selector", "attribute", "value"),
    [
        ("title", "p", "title", "A winter of counting ended with a wet notebook. Continue reading »"),
        ("summary", ".byline", "summary", "By Greta Paul | 21 November 2026"),
        ("author", "h3", "authors", ("Can the Pilots Count Seals?",)),
        ("date", "h3", "published", None),
        ("topic", "h3", "topics", ("Can the Pilots Count Seals?",)),
        ("link", ".none", "link", None),
    ],
)
def test_one_selector_with_entries_found_by_themselves(field, selector, attribute, value):
    reading = fixture("articles.html", **{field: selector})
    assert value in [getattr(draft, attribute) for draft in reading.drafts]


@pytest.mark.parametrize("selector", ["h2[", "a::attr(href)", ":nonsense(", "x" * 600, ":not(" * 400])
def test_a_wrong_selector_is_named(selector):
    (problem,) = read(cards(3), title=selector).problems
    assert problem.where == "select.title"
    with pytest.raises(InputError):
        find_shapes(b"", "x", ParseRules(select=Selectors(title=selector)))


def test_a_selector_that_finds_nothing():
    (problem,) = read(cards(3), entry=".gone").problems
    assert "select.entry finds nothing" in problem.reason


def test_found_selectors_find_the_same():
    for name in ("articles.html", "repeated.html", "rtl.html", "dl.html", "hentry.html", "microdata.html"):
        shape = best(name)
        assert shape.select.entry, name
        data = (PAGES / name).read_bytes()
        assert read_page(data, name, ParseRules(base=HERE, select=shape.select)).drafts == shape.drafts


@pytest.mark.parametrize(
    "html",
    [
        "",
        "\0\0\0",
        "<html><body><div id=app></div><script>render()</script><noscript>Enable scripts.</noscript></body></html>",
        "<div>" * 30_000,
        "<article><h2>" * 10_000,
        "<p>Some prose that is no listing at all, by nobody, for nobody.</p>" * 20,
        "<script type='application/ld+json'>{broken</script>",
        "<script type='application/ld+json'>" + "[" * 100_000 + "</script>",
        "<script type='application/ld+json'>" + '{"a":' * 100_000 + "</script>",
        '<script type=\'application/ld+json\'>[null, 1, "x", {"@type": 5, "headline": {}}]</script>',
        "<ul>" + "<li><a href='/same'>The same link every time</a></li>" * 3_000,
    ],
)
def test_pages_without_articles(html):
    started = time.process_time()
    reading = read(html)
    (problem,) = reading.problems
    assert problem.reason.startswith("no articles were found on this page; set select.entry")
    assert reading.drafts == ()
    assert time.process_time() - started < 5


def test_limits():
    (problem,) = read(b"x" * 5_000_001).problems
    assert "larger than 5 MB" in problem.reason
    (problem,) = read(b"<br>" * 400_000).problems
    assert "300,000 HTML elements" in problem.reason
    reading = read(cards(600))
    assert len(reading.drafts) == 500
    assert "only the first 500 are read" in reading.problems[0].reason
    long = cards(4).replace("Article number 2", "x " * 300)
    assert len(read(long).drafts) == 3
    assert "longer than 500 characters" in read(long).problems[0].reason


def test_a_hundred_thousand_links():
    started = time.process_time()
    page = "<p>" + "".join(f"<a href='/l/{n}'>one two three {n}</a> " for n in range(100_000))
    read(page[:4_900_000])
    assert time.process_time() - started < 15


@pytest.mark.parametrize(
    "href", ["javascript:x()", "data:text/html,x", "mailto:a@b.test", "#x", "https://", "//[x/", ""]
)
def test_links_that_lead_nowhere(href):
    page = cards(3).replace("/a/1", href)
    assert [draft.link for draft in read(page).drafts if "number 1" in draft.title] in ([None], [])


@pytest.mark.parametrize(
    ("charset", "encoding", "meta"),
    [
        ("", "utf-8", ""),
        ("", "cp1252", "<meta charset=iso-8859-1>"),
        ("windows-1252", "cp1252", ""),
        ("iso-8859-1", "utf-8", ""),
        ("utf-8", "cp1252", ""),
        ("zip", "utf-8", ""),
        ("utf-7", "utf-8", ""),
        ("", "utf-16", ""),
    ],
)
def test_charsets(charset, encoding, meta):
    page = cards(3).replace("<body>", f"{meta}<body>").replace("Article", "Café")
    assert titles(read(page.encode(encoding), charset=charset))[0] == "Café number 0 of many"


def test_nul_bytes_are_passed_over():
    assert len(read(cards(3).replace("<li>", "<li>\0")).drafts) == 3


BYLINES = [
    ("de", "Von Anna Groß, Jörg Maß", ("Anna Groß", "Jörg Maß"), "Der Nebel blieb über dem Hafen", "Weiterlesen"),
    ("fa", "نوشته: سارا احمدی", ("سارا احمدی",), "مه بر فراز بندر ماند و کشتی‌ها ماندند", "ادامه مطلب"),
    ("ar", "بقلم ليلى حداد", ("ليلى حداد",), "بقي الضباب فوق الميناء طوال اليوم", "اقرأ المزيد"),
]


@pytest.mark.parametrize(("language", "byline", "authors", "title", "more"), BYLINES)
def test_other_languages(language, byline, authors, title, more):
    card = "<li><h3><a href='/{0}'>{1} {0}</a></h3><p class=byline>{2}</p><p>{1}.</p><a href='/{0}'>{3}</a></li>"
    items = "".join(card.format(number, title, byline, more) for number in range(3))
    reading = read(f"<html lang={language}><body><h1>{title}</h1><ul>{items}</ul></body></html>")
    assert reading.about.language == language
    assert titles(reading) == [f"{title} {number}" for number in range(3)]
    assert {draft.authors for draft in reading.drafts} == {authors}
    assert {draft.summary for draft in reading.drafts} == {f"{title}."}


@pytest.mark.parametrize(
    "tag", ["x:y", ":", 'li"', "li'", "b!", "é", "a[b]", "a}b", "a{x}y", "li<", "x:y:z", "a\0b", "a\\"]
)
def test_garbled_names_of_elements(tag):
    """They are no CSS, so no selector may be made of them."""
    garbled = f"{tag} class='card 1st e[x] {tag}'"
    page = cards(4).replace("<li>", f"<{garbled}>").replace("</li>", f"</{tag}>").encode()
    for data in (page, page.replace(b"<ul>", f"<{garbled}>".encode()), page.replace(b"h3", tag.encode())):
        check_shapes(data)


def check_shapes(data: bytes) -> None:
    """A selector, if there is one, finds the same again."""
    for shape in find_shapes(data, "x", ParseRules(base=HERE)):
        assert shape.drafts
        if shape.select.entry:
            again = read_page(data, "x", ParseRules(base=HERE, select=shape.select))
            assert again.drafts == shape.drafts


@st.composite
def damaged_pages(draw) -> bytes:
    page = bytearray((PAGES / draw(st.sampled_from(FIXTURES))).read_bytes())
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, len(page)))
        end = start + draw(st.integers(0, 60))
        page[start:end] = draw(st.one_of(st.binary(max_size=20), st.sampled_from([b"<", b">", b'"', b"</div>"])))
    return bytes(page)


@settings(deadline=None, max_examples=150)
@given(damaged_pages(), st.sampled_from(["", HERE]))
def test_never_raises(page, base):
    reading = read_page(page, "x", ParseRules(base=base))
    assert reading.drafts or reading.problems
    assert all(draft.title and len(draft.title) <= 500 for draft in reading.drafts)
    assert all(draft.link is None or draft.link.startswith("http") for draft in reading.drafts)


@settings(deadline=None, max_examples=80)
@given(damaged_pages())
def test_shapes_of_damaged_pages(page):
    check_shapes(page)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300), st.text(max_size=60), st.text(max_size=20))
def test_never_raises_for_any_bytes(data, selector, charset):
    read_page(data, "x", ParseRules(charset=charset, base=HERE, select=Selectors(entry=selector, title=selector)))
