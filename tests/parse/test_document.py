import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.document import KNOWN_SUFFIXES, MAX_BYTES, _reader, read_document

LISTING = b"Topic\n\nTitle\nBy Ann Po\nText.\n"
NAMES = ["x", "x.md", "x.json", "x.txt", "x.JSON", "http://[/x.md?y", "x.html", "x.xml", "x.csv", "x.jsonl"]


@pytest.mark.parametrize(
    ("data", "name", "title"),
    [
        (LISTING, "a.txt", "Title"),
        (LISTING, "a.LISTING", "Title"),
        (LISTING, "a", "Title"),
        (LISTING, "a.docx", "Title"),
        (b"# Fog\n", "a.markdown", "Fog"),
        (b"<p>x</p>\n\n# Fog\n", "a.md", "Fog"),
        (b"---\r\ntitle: Fog\r\n---\r\n", "a", "Fog"),
        (b'\xef\xbb\xbf {"title": "Fog"}', "a", "Fog"),
        (b'[{"title": "Fog"}]', "https://a.test/feed?x=.md", "Fog"),
        (b'{"title": "Fog"}', "https://a.test/feed.json?x=.md", "Fog"),
    ],
)
def test_kind_by_name_then_by_content(data, name, title):
    reading = read_document(data, name)
    assert reading.problems == ()
    assert reading.drafts[0].title == title


ITEM = "<item><title>Fog</title><link>https://a.test/1</link></item>"
RSS = f'<rss version="2.0"><channel><title>Mag</title>{ITEM}</channel></rss>'
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>Mag</title>'
    '<entry><id>urn:x</id><title>Fog</title><link href="https://a.test/1"/></entry></feed>'
)
SITEMAP = (
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">'
    "<url><loc>https://a.test/1</loc><news:news><news:title>Fog</news:title></news:news></url></urlset>"
)
JSON_FEED = '{"version": "https://jsonfeed.org/version/1.1", "title": "Mag", "items": [{"id": "1", "title": "Fog"}]}'
TEASER = '<article><h2><a href="https://a.test/{0}">{0} on the pier</a></h2><p>A bell rang for {0} all night.</article>'
PAGE = f"<html><title>Mag</title><h1>Mag</h1>{''.join(map(TEASER.format, ['Fog', 'Rain', 'Wind']))}"
NAMES_OF_ALL_KINDS = ["a", "a.txt", "a.xml", "a.html", "a.json", "a.csv", "https://a.test/feed/?format=x"]


@pytest.mark.parametrize("name", NAMES_OF_ALL_KINDS)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (RSS, "rss"),
        ('<?xml version="1.0"?>\n<!-- <html> --><?x y?>' + RSS, "rss"),
        ('<!DOCTYPE rss SYSTEM "a>b">' + RSS, "rss"),
        (ATOM, "atom"),
        (SITEMAP, "sitemap"),
        (PAGE, "page"),
        ("\n<!DOCTYPE html>" + PAGE, "page"),
    ],
)
def test_markup_is_read_as_what_it_is(text, kind, name):
    for data in (text.encode(), text.encode("utf-8-sig")):
        reading = read_document(data, name)
        assert reading.about.kind == kind
        assert reading.drafts[0].title.split()[0] == "Fog"


def test_json_feeds_are_told_by_their_version():
    for name in ("a.json", "a", "https://a.test/feed"):
        reading = read_document(JSON_FEED.encode(), name)
        assert (reading.about.kind, reading.drafts[0].title) == ("json feed", "Fog")
    quoted = rb'{"title": "Fog", "summary": "\"version\": \"https://jsonfeed.org/version/1.1\""}'
    assert read_document(quoted, "a.json").about.kind == "json"


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("Topic\n\nFog\nBy Ann Po\n", "a.txt", "listing"),
        ("# Fog", "a.md", "markdown"),
        ('{"title": "Fog"}', "a.json", "json"),
        ("title\nFog", "a.csv", "csv"),
        ("title\tlink\nFog\t", "a.TSV", "csv"),
        ("title;link\nFog;", "a", "csv"),
        ('{"title": "Fog"}\n{"title": "Bell"}', "a", "json"),
        ('{"title": "Fog"}', "a.ndjson", "json"),
    ],
)
def test_local_formats_name_themselves(text, name, kind):
    reading = read_document(text.encode(), name)
    assert (reading.about.kind, reading.problems) == (kind, ())
    assert reading.drafts[0].title == "Fog"


def test_a_heading_is_no_header():
    assert read_document(b"Title, link and more\n\nFog\nBy Ann Po\n", "a").about.kind == "listing"


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("feed", RSS, "rss"),
        ("feed", "\ufeff " + JSON_FEED, "json feed"),
        ("sitemap", SITEMAP, "sitemap"),
        ("page", PAGE, "page"),
    ],
)
def test_the_rules_choose_the_reader(kind, text, found):
    rules = ParseRules(kind=kind, base="https://a.test/")
    reading = read_document(text.encode(), "https://a.test/x.md", rules)
    assert (reading.about.kind, reading.drafts[0].title.split()[0]) == (found, "Fog")


@pytest.mark.parametrize("kind", ["feed", "sitemap"])
def test_a_wanted_feed_that_is_a_page_is_a_problem(kind):
    reading = read_document(PAGE.encode(), "https://a.test/", ParseRules(kind=kind, base="https://a.test/"))
    assert reading.drafts == ()
    assert reading.problems


@pytest.mark.parametrize("text", ['<?xml version="1.0"?><math/>', "<svg>x", "<!DOCTYPE book><book/>"])
def test_other_markup_says_what_to_do(text):
    (problem,) = read_document(text.encode(), "a.txt").problems
    assert problem.where == "a.txt"
    assert "neither a page nor a feed" in problem.reason
    assert "Save it as" in problem.reason


def test_problems_are_counted_not_listed_without_end():
    reading = read_document(b"title,link\n" + b"x,y\n" * 1_500, "a.csv")
    assert len(reading.problems) == 1_001
    assert reading.problems[-1].reason.startswith("has 500 problems more")


def test_a_long_prolog_takes_no_time():
    for piece in (b"<!---->", b"<?x?>", b"<!--", b"<?", b" <!", b"<!-- --", b"\n"):
        start = time.process_time()
        _reader(piece * (1_000_000 // len(piece)) + b"<", "a.txt", ParseRules())
        assert time.process_time() - start < 1


def test_a_title_may_begin_with_a_heart():
    assert read_document(b"Topic\n\n<3 the pier\nBy Ann Po", "a.txt").drafts[0].title == "<3 the pier"


def test_binary_and_large_files():
    assert "is not text" in read_document(b"PK\x03\x04\0\0", "a.txt").problems[0].reason
    assert "larger than 20 MB" in read_document(b"a" * (MAX_BYTES + 1), "a.txt").problems[0].reason


def test_known_suffixes():
    names = ".md .markdown .json .jsonl .ndjson .csv .tsv .txt .text .listing .html .htm .xhtml .xml .rss .atom .rdf"
    assert set(names.split()) == KNOWN_SUFFIXES


@given(st.binary(max_size=300), st.sampled_from(NAMES))
def test_any_bytes_never_raise(data, name):
    reading = read_document(data, name)
    assert isinstance(reading, Reading)
    assert reading.drafts or reading.problems


@given(
    st.sampled_from(["", "---\n", "{", '[{"title":', "Topic\n\n", "<rss><", "<html><", "<urlset><", "title,link\n"]),
    st.text(max_size=300),
    st.sampled_from(NAMES),
)
def test_any_text_never_raises(start, text, name):
    reading = read_document((start + text).encode("utf-8", "surrogatepass"), name)
    assert reading.drafts or reading.problems
    for draft in reading.drafts:
        assert draft.title
        repr(draft).encode()
