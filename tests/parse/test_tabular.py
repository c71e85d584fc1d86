import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Reading
from feed_publisher.parse import tabular
from feed_publisher.parse.tabular import MAX_ENTRIES, read_csv, read_jsonl


def csv_of(text: str | bytes) -> Reading:
    return read_csv(text.encode() if isinstance(text, str) else text, "a.csv")


def jsonl_of(text: str) -> Reading:
    return read_jsonl(text.encode(), "a.jsonl")


def test_all_columns():
    header = "Title,URL,Description,Author,Tags,Date published,GUID,Lang,content_html,Views"
    row = 'Fog,https://a.test/1,A bell.,"Ann Po, Sam Lee",Sea; Fog|Sea,2026-11-22,7,en,<p>x<script>y</script>,12'
    assert csv_of(f"{header}\n{row}\n").drafts == (
        Draft(
            title="Fog",
            where="a.csv:2",
            link="https://a.test/1",
            summary="A bell.",
            authors=("Ann Po", "Sam Lee"),
            topics=("Sea", "Fog"),
            published=datetime(2026, 11, 22, tzinfo=UTC),
            explicit_id="7",
            language="en",
            content_html="<p>x</p>",
        ),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"title,summary\nFog,A bell\n",
        b"\xef\xbb\xbftitle;summary\r\nFog;A bell\r\n",
        b"TITLE\tSummary\rFog\tA bell\r",
        "title,summary\nFog,A bell".encode("utf-16"),
        b'\n\n"title", summary\n"Fog","A\nbell"\n\n , \n',
        b"summary,title,title\nA bell,Fog,Mist\n",
    ],
)
def test_dialects(data):
    reading = csv_of(data)
    assert reading.problems == ()
    ((title, summary),) = [(draft.title, draft.summary) for draft in reading.drafts]
    assert (title, summary) == ("Fog", "A bell")


def test_a_broken_row_costs_itself():
    reading = csv_of(
        'title,link,date\n"One\ntwo",https://a.test/1,\nBad,nowhere,\n'
        'Bad,,22/11/26\n"Bad "x",,\na,b,c,d\n,,2026\nLast,,\n'
    )
    assert [(draft.title, draft.where, draft.place) for draft in reading.drafts] == [
        ("One two", "a.csv:2", 0),
        ("Last", "a.csv:9", 1),
    ]
    problems = {problem.where: problem.reason for problem in reading.problems}
    assert list(problems) == [f"a.csv:{line}" for line in (4, 5, 6, 7, 8)]
    assert problems["a.csv:4"].startswith("link: “nowhere” is not a web address")
    assert problems["a.csv:5"].startswith("date: “22/11/26” is not a date")
    assert "check its quotes" in problems["a.csv:6"]
    assert problems["a.csv:7"].startswith("has 4 cells, the header 3")
    assert problems["a.csv:8"].startswith("title: is missing")


def test_a_quote_that_is_never_closed_costs_its_line():
    reading = csv_of('title\nOne\n"Two\nThree\n')
    assert [draft.title for draft in reading.drafts] == ["One", "Three"]
    assert [problem.where for problem in reading.problems] == ["a.csv:3"]


@pytest.mark.parametrize("text", ["", "\n \n", "headline,link\nFog,x\n", "Fog\n", "a" * 9_000])
def test_a_header_without_title_is_refused(text):
    with pytest.raises(InputError, match="Name the columns there: title, link, summary") as caught:
        csv_of(text)
    assert caught.value.where.startswith("a.csv:")
    assert len(caught.value.reason) < 500


def test_nulls_and_long_cells():
    with pytest.raises(InputError, match="NUL"):
        csv_of(b"title\nFog\0\n")
    reading = csv_of("title,content_html\nFog," + "x" * 500_000 + "\nBell," + "x" * 3_000_000 + "\nLast,\n")
    assert [draft.title for draft in reading.drafts] == ["Fog", "Last"]
    assert "field larger than field limit" in reading.problems[0].reason


def test_only_a_header():
    assert "has no entries" in csv_of("title,link\n").problems[0].reason


def test_too_many_entries(monkeypatch):
    monkeypatch.setattr(tabular, "MAX_ENTRIES", 2)
    reading = csv_of("title\n1\n2\n3\n4\n")
    assert [draft.title for draft in reading.drafts] == ["1", "2"]
    (problem,) = reading.problems
    assert (problem.where, "more than 2 entries" in problem.reason) == ("a.csv:4", True)
    assert MAX_ENTRIES == 50_000


def test_json_lines():
    reading = jsonl_of('{"title": "Fog", "tags": ["Sea"]}\r\n\n{"title": 3}\n[1]\n{bad}\n{"title": "Bell", "id": 7}')
    assert [(draft.title, draft.where, draft.place, draft.topics) for draft in reading.drafts] == [
        ("Fog", "a.jsonl:1", 0, ("Sea",)),
        ("Bell", "a.jsonl:6", 1, ()),
    ]
    problems = {problem.where: problem.reason for problem in reading.problems}
    assert list(problems) == ["a.jsonl:3", "a.jsonl:4", "a.jsonl:5"]
    assert problems["a.jsonl:3"] == "title: is a number; write a text"
    assert problems["a.jsonl:4"].startswith("is not an object")
    assert problems["a.jsonl:5"].startswith("is not JSON")


def test_nested_json_lines():
    reading = jsonl_of('{"title": "Fog"}\n' + "[" * 100_000)
    assert "nested too deep" in reading.problems[0].reason
    assert jsonl_of(" \n").problems[0].reason.startswith("has no entries")


def test_broken_quotes_take_no_time():
    start = time.process_time()
    csv_of("title,link\n" + 'x,"a\n' * 50_000)
    csv_of("title\n" + '"a\n,' * 50_000)
    csv_of('title\n"' + "a\n" * 50_000)
    assert time.process_time() - start < 5


@given(st.text(st.sampled_from("\"',;\t\n\r ax{}:[]\u2028"), max_size=60))
def test_any_rows_never_raise(text):
    assert all(draft.title for draft in csv_of("title,link\n" + text).drafts)
    jsonl_of(text)
