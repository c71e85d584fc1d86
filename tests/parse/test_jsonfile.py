import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.parse.jsonfile import read_json


def read(document: object):
    return read_json(json.dumps(document).encode(), "f.json")


def test_list_object_and_single_entry_are_the_same():
    entry = {"title": "Fog"}
    for document in ([entry], {"entries": [entry]}, {"items": [entry]}, entry):
        reading = read(document)
        assert reading.problems == ()
        assert [draft.title for draft in reading.drafts] == ["Fog"]


def test_json_feed():
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Harbour",
        "language": "en",
        "authors": [{"name": "The Desk", "url": "https://a.test"}],
        "items": [
            {
                "id": 7,
                "url": "https://a.test/7",
                "title": "Fog",
                "content_html": "<p onclick=x>Thick &amp; grey</p><script>x</script>",
                "authors": [{"name": "Ann Po"}, "Lee and Sons", {"url": "https://b.test"}],
                "date_published": "2026-11-20T07:30:00+01:00",
                "tags": ["Weather"],
                "image": None,
            },
            {"id": "8", "title": "Rain", "content_text": "One <b>\nline.\n\nTwo.", "summary": None},
        ],
    }
    first, second = read(feed).drafts
    assert first.explicit_id == "7"
    assert first.link == "https://a.test/7"
    assert first.content_html == "<p>Thick &amp; grey</p>"
    assert first.summary == "Thick & grey"
    assert first.authors == ("Ann Po", "Lee and Sons")
    assert first.published == datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    assert first.topics == ("Weather",)
    assert first.where == "f.json: items[0]"
    assert second.authors == ("The Desk",)
    assert second.language == "en"
    assert second.topics == ()
    assert second.content_html == "<p>One &lt;b&gt; line.</p>\n<p>Two.</p>"
    assert second.place == 1


def test_document_topics_are_the_default():
    first, second = read(
        {"topic": "Fog", "entries": [{"title": "A"}, {"title": "B", "topics": ["Rain", "Fog"]}]}
    ).drafts
    assert first.topics == ("Fog",)
    assert second.topics == ("Rain", "Fog")


def test_author_as_text_or_object():
    assert read({"title": "T", "author": "Ann Po and Bob"}).drafts[0].authors == ("Ann Po", "Bob")
    assert read({"title": "T", "author": {"name": "Ann"}}).drafts[0].authors == ("Ann",)


@pytest.mark.parametrize(
    ("item", "where", "says"),
    [
        ({"title": 7}, "title", "is a number"),
        ({"title": ["x"]}, "title", "is a list"),
        ({}, "title", "is missing"),
        ({"title": " "}, "title", "is missing"),
        ({"title": "T", "date": "yesterday"}, "date", "is not a date"),
        ({"title": "T", "date": 1700000000}, "date", "is a number"),
        ({"title": "T", "url": "ftp://x"}, "url", "web address"),
        ({"title": "T", "authors": [{"name": 3}]}, "authors", "is a number"),
        ({"title": "T", "id": True}, "id", "true or false"),
        ({"title": "T", "content_html": "<div>" * 300}, "content_html", "nested"),
        ({"title": "T", "content_html": 3}, "content_html", "is a number"),
        ("text", "", "is not an object"),
    ],
)
def test_a_bad_item_is_skipped_alone(item, where, says):
    reading = read({"entries": [{"title": "A"}, item, {"title": "B"}]})
    assert [(draft.title, draft.place) for draft in reading.drafts] == [("A", 0), ("B", 1)]
    (problem,) = reading.problems
    assert problem.where == "f.json: entries[1]" + ("." + where if where else "")
    assert says in problem.reason


@pytest.mark.parametrize(
    ("data", "where", "says"),
    [
        (b'{"title":\r\n"a",\r\n}', "f.json:3", "is not JSON"),
        (b"", "f.json:1", "is empty"),
        (b"[" * 100_000, "f.json", "nested"),
        (b"[" + b"9" * 5_000 + b"]", "f.json", "digits"),
        (b"7", "f.json", "neither"),
        (b"[]", "f.json", "no entries"),
        (b'{"entries": 3}', "f.json: entries", "not a list"),
        (b'{"topic": 3, "entries": []}', "f.json: topic", "is a number"),
        (b'{"x": 1}', "f.json: title", "is missing"),
    ],
)
def test_broken_documents(data, where, says):
    (problem,) = read_json(data, "f.json").problems
    assert problem.where == where
    assert says in problem.reason


def test_lone_surrogates_go():
    assert read_json(b'{"title": "a\\ud800b\\u0000"}', "f.json").drafts[0].title == "ab"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "authors", "name", "date", "url", "content_html", "items", "id"]), inner
        )
    ),
    max_leaves=12,
)


@given(values)
def test_any_json_is_read_or_named(document):
    reading = read(document)
    assert reading.drafts or reading.problems
