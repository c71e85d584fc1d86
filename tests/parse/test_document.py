import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Reading
from feed_publisher.parse.document import KNOWN_SUFFIXES, MAX_BYTES, read_document

LISTING = b"Topic\n\nTitle\nBy Ann Po\nText.\n"
NAMES = ["x", "x.md", "x.json", "x.txt", "x.JSON", "http://[/x.md?y", "x.html"]


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


@pytest.mark.parametrize("data", [b"<!DOCTYPE html><p>", b'\xef\xbb\xbf<?xml version="1.0"?><rss/>', b"\n <html>"])
@pytest.mark.parametrize("name", ["a", "a.html", "a.txt", "a.json"])
def test_pages_and_feeds_say_what_to_do(data, name):
    reading = read_document(data, name)
    assert reading.drafts == ()
    (problem,) = reading.problems
    assert problem.where == name
    assert "looks like HTML or XML" in problem.reason
    assert "Save it as" in problem.reason


def test_a_title_may_begin_with_a_heart():
    assert read_document(b"Topic\n\n<3 the pier\nBy Ann Po", "a.txt").drafts[0].title == "<3 the pier"


def test_binary_and_large_files():
    assert "is not text" in read_document(b"PK\x03\x04\0\0", "a.txt").problems[0].reason
    assert "larger than 20 MB" in read_document(b"a" * (MAX_BYTES + 1), "a.txt").problems[0].reason


def test_known_suffixes():
    assert {".md", ".markdown", ".json", ".txt", ".text", ".listing"} == KNOWN_SUFFIXES


@given(st.binary(max_size=300), st.sampled_from(NAMES))
def test_any_bytes_never_raise(data, name):
    reading = read_document(data, name)
    assert isinstance(reading, Reading)
    assert reading.drafts or reading.problems


@given(st.sampled_from(["", "---\n", "{", '[{"title":', "Topic\n\n"]), st.text(max_size=300), st.sampled_from(NAMES))
def test_any_text_never_raises(start, text, name):
    reading = read_document((start + text).encode("utf-8", "surrogatepass"), name)
    assert reading.drafts or reading.problems
    for draft in reading.drafts:
        assert draft.title
        repr(draft).encode()
