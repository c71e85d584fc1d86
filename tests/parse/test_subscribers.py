from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.model import Problem
from feed_publisher.parse.subscribers import SubscriberRow, read_subscribers


def read(text: str | bytes) -> list[SubscriberRow | Problem]:
    return list(read_subscribers(text.encode() if isinstance(text, str) else text, "s.csv"))


def mails(found) -> list[str]:
    return [row.address.typed for row in found if isinstance(row, SubscriberRow)]


def test_only_email_is_needed():
    (row,) = read("email\nann@example.org\n")
    assert row.line == 2
    assert row.address.typed == "ann@example.org"
    assert (row.name, row.topics, row.cadence, row.at, row.zone, row.language) == ("", None, None, None, None, None)
    assert (row.consented_at, row.consent_source) == (None, "")


def test_every_column():
    (row,) = read(
        "email,name,topics,cadence,hour,zone,language,consented_at,consent_source\n"
        'ann@example.org,"Po, Ann",Fog; Rain|Harbour,Weekly,07:30,Europe/Berlin,pt_BR,2026-01-02T10:00+01:00,fair\n'
    )
    assert row.name == "Po, Ann"
    assert row.topics == ("Fog", "Rain", "Harbour")
    assert row.cadence == "weekly"
    assert row.at == time(7, 30)
    assert row.zone == "Europe/Berlin"
    assert row.language == "pt-BR"
    assert row.consented_at == datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert row.consent_source == "fair"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_dialects(delimiter, end, encoding):
    lines = [["Name ", " EMAIL"], ["Zoë", "zoe@example.org"], ["", ""], ["Bo", "bo@example.org"]]
    text = end.join(delimiter.join(cells) for cells in lines)
    rows = read(text.encode(encoding))
    assert [(row.line, row.name, row.address.typed) for row in rows] == [
        (2, "Zoë", "zoe@example.org"),
        (4, "Bo", "bo@example.org"),
    ]


@pytest.mark.parametrize(
    ("hour", "at"), [("7", time(7)), ("07", time(7)), ("7:05", time(7, 5)), ("23:59:00", time(23, 59))]
)
def test_hours(hour, at):
    (row,) = read(f"email,hour\na@example.org,{hour}\n")
    assert row.at == at


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("hour", "24", "is not an hour"),
        ("hour", "7 pm", "is not an hour"),
        ("zone", "Europe/Berln", "did you mean Europe/Berlin?"),
        ("zone", "../etc/passwd", "is not a time zone"),
        ("language", "in English", "is not a language"),
        ("consented_at", "last year", "consented_at: “last year” is not a date"),
        ("name", "x" * 501, "name: the cell is too long"),
        ("name", "x" * 140_000, "name: the cell is too long"),
        ("name", "x" * 2_000_001, "field larger than field limit"),
        ("name", "x,y", "has 3 cells, the header 2"),
        ("name", '"x', "check its quotes"),
    ],
)
def test_a_bad_row_is_skipped_alone(column, value, says):
    found = read(f"email,{column}\na@example.org,\nb@example.org,{value}\nc@example.org,\n")
    assert mails(found) == ["a@example.org", "c@example.org"]
    problem = found[1]
    assert problem.where == "s.csv:3"
    assert says in problem.reason


@pytest.mark.parametrize("mail", ["", "nobody", "a@b@example.org", "x@nodots"])
def test_bad_addresses(mail):
    found = read(f"email,name\n{mail},A\nb@example.org,B\n")
    assert found[0].where == "s.csv:2"
    assert mails(found) == ["b@example.org"]


def test_lines_are_those_of_the_file():
    found = read('email,name\na@example.org,"two\nlines"\n\nbad,x\nb@example.org,\n')
    assert found[0].name == "two lines"
    assert found[1].where == "s.csv:5"
    assert found[2].line == 6


def test_empty_cells_beyond_the_header_are_fine():
    assert mails(read("email\na@example.org,,\n")) == ["a@example.org"]


def test_unknown_column_names_the_nearest_and_the_rows_go_through():
    found = read("email,langauge,shoe size\na@example.org,en,42\n")
    assert "did you mean language?" in found[0].reason
    assert "known are email" in found[1].reason
    assert found[0].where == "s.csv:1"
    assert mails(found) == ["a@example.org"]


def test_two_columns_with_one_name():
    found = read("email,email\na@example.org,b@example.org\n")
    assert "two columns named email" in found[0].reason
    assert mails(found) == ["a@example.org"]


def test_missing_email_column_names_what_was_found():
    (problem,) = read("Address,Name\na@example.org,A\n")
    assert "no column named email; the first line has: address, name" in problem.reason
    (problem,) = read("")
    assert problem.where == "s.csv:1"


def test_a_null_spoils_its_own_row():
    found = read(b"email,name\na\0@example.org,A\nb@example.org,B\n" + b"c@example.org,C\n" * 2)
    assert found[0].where == "s.csv:2"
    assert len(mails(found)) == 3
    (problem,) = read(b"PK\x03\x04" + b"\0" * 50)
    assert "is not text" in problem.reason


def test_rows_are_made_one_at_a_time():
    rows = read_subscribers(b"email\n" + b"a@example.org\n" * 200_000, "s.csv")
    assert next(rows).line == 2
    rows.close()


@given(st.binary(max_size=200))
def test_any_bytes_never_raise(data):
    read(data)
    read(b"email,name,hour\n" + data)


cell = st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=20)


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,10}[0-9]{1,3}", fullmatch=True), cell), max_size=8))
def test_round_trip(rows):
    text = "email;name\r\n" + "".join(f'{local}@example.org;"{name}"\r\n' for local, name in rows)
    found = read(text)
    assert [(row.address.local, row.name) for row in found] == rows
