"""Pictures and files in our own formats: taken as they are meant, refused by the name of the field."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Enclosure, Image, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.document import read_document
from feed_publisher.parse.jsonfile import read_json
from feed_publisher.parse.media import MAX_FILES, file, guessed_type, picture, settled

WHALE = Image(url="https://a.test/w.jpg", alt="A whale", credit="Ida Holm")
TALK = Enclosure(url="https://a.test/t.mp3", type="audio/mpeg", length=4200000, title="Listen")
SAID = {"url": WHALE.url, "alt": " A  whale ", "credit": WHALE.credit}
FILE = {"url": TALK.url, "type": "Audio/MPEG; x=1", "length": TALK.length, "title": TALK.title}
FRONT = f"""---
title: T
image: {{url: {WHALE.url}, alt: A whale, credit: Ida Holm}}
enclosures:
  - url: {TALK.url}
    type: audio/mpeg
    length: {TALK.length}
    title: Listen
---
"""


def read(**entry: object) -> Reading:
    return read_json(json.dumps({"title": "T", **entry}).encode(), "f.json")


def one(**entry: object):
    reading = read(**entry)
    assert reading.problems == ()
    return reading.drafts[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps({"title": "T", "image": SAID, "enclosures": [FILE]})),
        ("a.jsonl", json.dumps({"title": "T", "image": SAID, "enclosures": [FILE]}) + "\n"),
        ("a.md", FRONT),
    ],
)
def test_every_format_of_ours_has_them(name: str, text: str):
    reading = read_document(text.encode(), name, ParseRules())
    assert reading.problems == ()
    assert (reading.drafts[0].image, reading.drafts[0].enclosures) == (WHALE, (TALK,))


def test_an_address_is_enough():
    draft = one(image=WHALE.url, enclosures=[TALK.url, {"url": "https://a.test/x?f=y.mp3"}])
    assert draft.image == Image(url=WHALE.url)
    assert draft.enclosures == (
        Enclosure(url=TALK.url, type="audio/mpeg"),
        Enclosure(url="https://a.test/x?f=y.mp3", type="application/octet-stream"),
    )
    assert one(enclosures=TALK.url).enclosures == draft.enclosures[:1]


def test_a_table_has_a_column_for_the_picture():
    reading = read_document(f"title,image\nT,{WHALE.url}\nU,\n".encode(), "a.csv", ParseRules())
    assert [draft.image for draft in reading.drafts] == [Image(url=WHALE.url), None]
    wrong = read_document(b"title,image\nT,w.jpg\n", "a.csv", ParseRules())
    assert [(problem.where, problem.reason[:6]) for problem in wrong.problems] == [("a.csv:2", "image:")]


def test_the_names_of_json_feed_are_taken():
    attached = {"url": TALK.url, "mime_type": "audio/mpeg", "size_in_bytes": TALK.length, "title": TALK.title}
    draft = one(banner_image=WHALE.url, attachments=[{**attached, "duration_in_seconds": 7}])
    assert (draft.image, draft.enclosures) == (Image(url=WHALE.url), (TALK,))


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"image": "w.jpg"}, "image"),
        ({"image": "data:image/png;base64,x"}, "image"),
        ({"image": "https://a.test/" + "x" * 2048}, "image"),
        ({"image": 7}, "image"),
        ({"image": [WHALE.url]}, "image"),
        ({"image": {"alt": "A whale"}}, "image.url"),
        ({"image": {"url": "ftp://a.test/w.jpg"}}, "image.url"),
        ({"image": {**SAID, "alt": 7}}, "image.alt"),
        ({"image": {**SAID, "credit": "x" * 501}}, "image.credit"),
        ({"enclosures": 7}, "enclosures"),
        ({"enclosures": [TALK.url] * (MAX_FILES + 1)}, "enclosures"),
        ({"enclosures": [TALK.url, "t.mp3"]}, "enclosures[1]"),
        ({"enclosures": [None]}, "enclosures[0]"),
        ({"enclosures": [{"type": "audio/mpeg"}]}, "enclosures[0].url"),
        ({"enclosures": [{**FILE, "type": "mp3"}]}, "enclosures[0].type"),
        ({"enclosures": [{**FILE, "length": "4 MB"}]}, "enclosures[0].length"),
        ({"enclosures": [{**FILE, "length": -1}]}, "enclosures[0].length"),
        ({"enclosures": [{**FILE, "length": True}]}, "enclosures[0].length"),
        ({"attachments": [{"url": TALK.url, "size_in_bytes": 1.5}]}, "attachments[0].size_in_bytes"),
    ],
)
def test_what_is_wrong_is_named(entry: dict[str, object], field: str):
    reading = read(**entry)
    assert reading.drafts == ()
    assert [problem.where for problem in reading.problems] == [f"f.json: {field}"]


def test_in_front_matter_the_line_is_named():
    reading = read_document(FRONT.replace(TALK.url, "t.mp3").encode(), "a.md", ParseRules())
    assert [(problem.where, problem.reason[:18]) for problem in reading.problems] == [("a.md:4", "enclosures[0].url:")]


def test_a_picture_among_the_files_is_the_entrys_where_it_has_no_other():
    shown, other = (
        Enclosure(url=WHALE.url, type="image/jpeg", title="A whale"),
        Enclosure(url="https://a.test/b.png", type="image/png"),
    )
    assert settled(None, [TALK, shown, other]) == (Image(url=WHALE.url, alt="A whale"), (TALK, other))
    assert settled(WHALE, [shown, other, TALK, TALK]) == (WHALE, (other, TALK))
    assert settled(None, [None, TALK]) == (None, (TALK,))


def test_there_is_an_end_to_files():
    many = [Enclosure(url=f"https://a.test/{number}.mp3", type="audio/mpeg") for number in range(99)]
    assert settled(None, many)[1] == tuple(many[:MAX_FILES])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.MP3", "audio/mpeg"),
        ("a.mp3?x=b.pdf#c.txt", "audio/mpeg"),
        ("a.m4a", "audio/mp4"),
        ("a.webp", "image/webp"),
        ("a.pdf", "application/pdf"),
        ("a", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_type_of_an_address(path: str, found: str):
    assert guessed_type(f"https://a.test/{path}") == found


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "https://pixel.wp.com/g.gif?v=1",
        "https://a.test/pixel.gif",
        "https://a.test/" + "x" * 3000,
        7,
        None,
    ],
)
def test_what_is_no_picture(address: object):
    assert picture(address, "https://a.test/") is None


_ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["12", "audio/mpeg", "/t"])


@given(_ANY, _ANY, _ANY, st.text())
def test_whatever_a_foreign_file_says_it_is_usable_or_none(address: object, kind: object, length: object, title: str):
    found = file(address, "https://a.test/", kind, length, title)
    if found is not None:
        assert found.url.startswith(("https://", "http://"))
        assert len(found.url) <= 2048
        assert len(found.title) <= 500
        assert found.length >= 0
        assert found.type.count("/") == 1


_OBJECT = st.dictionaries(st.sampled_from(["url", "alt", "credit", "type", "length", "title", "mime_type"]), _ANY)


@given(_ANY | _OBJECT, st.lists(_ANY | _OBJECT, max_size=3) | _ANY)
def test_whatever_is_written_is_a_draft_or_one_problem(image: object, files: object):
    reading = read(image=image, enclosures=files)
    assert len(reading.drafts) + len(reading.problems) == 1
