from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.parse.markdown import read_markdown

FULL = """---
title: "Fog: a year"
authors: [Ann Po, "Lee, Sam"]
topics:
  - Harbour
  - Weather
date: 2026-11-20
summary: What the horns said.
link: https://paper.test/fog
id: fog-1
language: pt_BR
version: 1.10
draft: no
---

# A *different* heading

First paragraph.
"""


def read(text: str):
    return read_markdown(text.encode(), "fog.md")


def one(text: str):
    reading = read(text)
    assert not reading.problems, reading.problems
    (draft,) = reading.drafts
    return draft


def test_everything():
    draft = one(FULL)
    assert draft.title == "Fog: a year"
    assert draft.authors == ("Ann Po", "Lee, Sam")
    assert draft.topics == ("Harbour", "Weather")
    assert draft.published == datetime(2026, 11, 20, tzinfo=UTC)
    assert draft.summary == "What the horns said."
    assert draft.link == "https://paper.test/fog"
    assert draft.explicit_id == "fog-1"
    assert draft.language == "pt-BR"
    assert draft.where == "fog.md:1"
    assert draft.content_html == "<h1>A <em>different</em> heading</h1>\n<p>First paragraph.</p>"


def test_no_front_matter():
    draft = one("# Fog & *horns*\n\nFirst **paragraph**\nhere.\n\nSecond.\n")
    assert draft.title == "Fog & horns"
    assert draft.summary == "First paragraph here."
    assert draft.content_html.startswith("<p>First <strong>")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_mark(end):
    assert read_markdown(b"\xef\xbb\xbf" + FULL.replace("\n", end).encode(), "fog.md") == read(FULL)


def test_the_title_is_not_said_twice():
    assert one("---\ntitle: Fog\n---\n# Fog\n\nText.").content_html == "<p>Text.</p>"


def test_author_line_is_split_and_aliases():
    draft = one("---\nTitle: T\nauthor: Ann Po and Bob Ray\ncategory: Fog\nurl: http://a.test/\ndescription: D\n---\n")
    assert draft.authors == ("Ann Po", "Bob Ray")
    assert draft.topics == ("Fog",)
    assert draft.link == "http://a.test/"
    assert draft.summary == "D"


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-20T07:30", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
        ("2026-11-20 07:30:00+02:00", datetime(2026, 11, 20, 5, 30, tzinfo=UTC)),
        ("2026-11-20T07:30:00Z", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
    ],
)
def test_dates(date, expected):
    assert one(f"---\ntitle: T\npublished: {date}\n---\n").published == expected


def test_long_first_paragraph_is_cut_at_a_word():
    summary = one("# T\n\n" + "harbour " * 100).summary
    assert summary.endswith("harbour…")
    assert len(summary) <= 300


def test_html_is_text():
    draft = one("# T <script>\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))")
    assert "<script" not in draft.content_html
    assert "href" not in draft.content_html
    assert draft.title == "T <script>"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("---\ntitle: T\n", 1, "never closed"),
        ("---\ntitle: Fog: a year\n---\n", 2, "not YAML"),
        ("---\na: 1\ntitle: [x\n---\n", 3, "not YAML"),
        ("---\n- x\n---\n", 2, "has no keys"),
        ("---\ntitle: T\n\ndate: tomorrow\n---\n", 4, "date: “tomorrow” is not a date"),
        ("---\ntitle: T\ndate: 0001-01-01T00:00+05:00\n---\n", 3, "is not a date"),
        ("---\ntitle: T\nlink: javascript:alert(1)\n---\n", 3, "link: “javascript:alert(1)” is not a web address"),
        ("---\ntitle: T\nurl: /fog\n---\n", 3, "https://"),
        ("---\ntitle: T\nlink: http://[\n---\n", 3, "web address"),
        ("---\ntitle: T\nlanguage: in English\n---\n", 3, "language"),
        ("---\ntitle: [a, b]\n---\n", 2, "title: is a list; write a text"),
        ("---\ntitle: T\ntopics: {a: b}\n---\n", 3, "topics: is an object"),
        ("---\na: &a [x]\nb: *a\n---\n", 3, "alias"),
        ("---\na: " + "[" * 60_000 + "\n---\n", 2, "nested"),
        ("---\n" + "- " * 20_000 + "x\n---\n", 2, "nested"),
        ("---\na: \x01\n---\n", 1, "does not allow"),
        ("---\nauthor: A\n---\nNo title.", 1, "has no title"),
        ("", 1, "has no title"),
        ("# T\n\n" + "x" * 50_001, 1, "paragraph"),
    ],
)
def test_problems_name_line_and_key(text, line, says):
    reading = read(text)
    assert reading.drafts == ()
    (problem,) = reading.problems
    assert problem.where == f"fog.md:{line}"
    assert says in problem.reason


@given(st.text(st.sampled_from("ab:-#[]{}&*!?|>\"'% \n\t<"), max_size=80))
def test_any_front_matter_gives_one_draft_or_one_problem(text):
    reading = read(f"---\n{text}\n---\n# T\n")
    assert len(reading.drafts) + len(reading.problems) == 1
