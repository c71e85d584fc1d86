import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.listing import read_listing

HARBOUR = """Harbour news

The Ferry That Would Not Sail
By Odile Marchetti D’Arcy
A quarrel over a brass bell keeps the morning commuters ashore.

What the Port’s Cranes Remember
By Tove Anna Lindqvist-Rao
Four rusting giants still know every ship that ever owed them money.

Herring vs. Tourism on the North Quay
By Milo Brandt
The hotel wants quiet at five in the morning -- exactly when the auction bell rings.

A Lock Gate, Finally
By Ida Novak
After 11 postponements the gate closes, mostly, and two swans went through first.

Fog Horns Fall Silent
By Greta Paul
Without a new compressor, says the harbour master, “ghosts in the channel” will pilot themselves.

Can the Pilots Count the Seals?
By Greta Paul
A winter of counting ended with three totals and one wet notebook.

Seals, Pilots and a Question of Quorum
By Greta Paul
The harbour board sat until midnight. It wasn’t enough.

Welders Take the Stairs to Parliament
By Associated Press
Three welders carried a keel plate up the stairs to make their point.

The Lighthouse’s Second Career
By Bo Falk
First a café, then a library: why does everybody want the round rooms?

Radio Nights in the Lamp Room
By Bo Falk
Amateurs hang their antennas where the lens used to turn.

Who Asked the Eels?
By Rosa Imani
Dredging suits the river’s oldest travellers, a biologist finds.

The Pier’s Quarrel With the Tide
By Rosa Imani
Twice a day the sea takes what the carpenters put back, and that's its planks.
Page 1 of 2
"""


def read(text: str):
    return read_listing(text.encode(), "list.txt")


def one(block: str):
    reading = read(f"Heading\n\n{block}\n")
    assert not reading.problems, reading.problems
    (draft,) = reading.drafts
    return draft


def only_problem(reading):
    (problem,) = reading.problems
    return problem


def test_a_whole_listing_in_its_order():
    reading = read(HARBOUR)
    assert reading.problems == ()
    assert len(reading.drafts) == 12
    assert [draft.place for draft in reading.drafts] == list(range(12))
    assert {draft.topics for draft in reading.drafts} == {("Harbour news",)}
    assert reading.drafts[0].title == "The Ferry That Would Not Sail"
    assert reading.drafts[0].authors == ("Odile Marchetti D’Arcy",)
    assert "“ghosts in the channel”" in reading.drafts[4].summary
    assert reading.drafts[7].authors == ("Associated Press",)
    assert reading.drafts[11].title == "The Pier’s Quarrel With the Tide"
    assert reading.drafts[11].summary.endswith("its planks.")


def test_where_is_the_line_of_the_title():
    drafts = read(HARBOUR).drafts
    assert drafts[0].where == "list.txt:3"
    assert drafts[11].where == "list.txt:47"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end):
    assert read(HARBOUR.replace("\n", end)) == read(HARBOUR)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(encoding):
    assert read_listing(HARBOUR.encode(encoding), "list.txt") == read(HARBOUR)


def test_no_break_and_blank_only_lines():
    reading = read("Topic\n \t\u00a0\nFerry\u00a0News\u202f2\nBy\u00a0Ann Po\nText.\n\u00a0\u200b\nSecond")
    assert [draft.title for draft in reading.drafts] == ["Ferry News 2", "Second"]
    assert reading.drafts[0].authors == ("Ann Po",)


@pytest.mark.parametrize("page", ["Page 1 of 2", "PAGE 2 OF 10", "page 3 of 3"])
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\n\n\n"])
def test_page_line_is_dropped(page, gap):
    draft = one(f"Title\nBy Ann Po\nText.{gap}{page}")
    assert draft.summary == "Text."
    assert draft.place == 0


def test_page_line_without_last_newline():
    assert read("H\n\nT\nS\nPage 1 of 2").drafts[0].summary == "S"


def test_joined_pages_repeat_neither_heading_nor_page_line():
    reading = read("Harbour\n\nOne\nBy A\nText.\nPage 1 of 2\n\nHarbour\n\nTwo\nBy B\nText.\nPage 2 of 2\n")
    assert [draft.title for draft in reading.drafts] == ["One", "Two"]
    assert [draft.topics for draft in reading.drafts] == [("Harbour",)] * 2


@pytest.mark.parametrize("by", ["By", "by", "BY", "By:"])
def test_any_case_of_by(by):
    assert one(f"Title\n{by} Ann Po\nText.").authors == ("Ann Po",)


def test_missing_byline_and_summary():
    assert one("Title\nA plain summary.").authors == ()
    assert one("Title\nBy Ann Po").summary == ""
    draft = one("Title alone")
    assert (draft.title, draft.authors, draft.summary) == ("Title alone", (), "")


def test_summary_of_several_lines():
    assert one("Title\nBy Ann Po\nFirst line\nsecond  line.").summary == "First line second line."


def test_summary_that_begins_with_by_is_not_a_byline():
    draft = one("Title\nBy the time they left, the harbour was empty.")
    assert draft.authors == ()
    assert draft.summary == "By the time they left, the harbour was empty."
    assert one("Title\nBy Ann Po\nThey stayed.\nBy the evening it rained.").summary.endswith("it rained.")


def test_titles_that_begin_with_by():
    assert one("By the Numbers: A Year of Fog\nBy Ann Po\nText.").title == "By the Numbers: A Year of Fog"
    assert one("By the Numbers: A Year of Fog\nText.").summary == "Text."
    draft = one("By the sea\nBy Jane Doe\nText.")
    assert (draft.title, draft.authors) == ("By the sea", ("Jane Doe",))
    assert one("By Land and Sea\nBy Jane Doe").title == "By Land and Sea"
    assert one("By-election on the Quay\nText.").title == "By-election on the Quay"


def test_no_heading_when_the_first_block_is_an_entry():
    reading = read("One\nBy A\nText.\n\nTwo\nBy B\nText.\n")
    assert [draft.topics for draft in reading.drafts] == [(), ()]


def test_later_one_line_blocks_are_titles():
    reading = read("Topic\n\nOne\n\nTwo\n")
    assert [draft.title for draft in reading.drafts] == ["One", "Two"]
    assert [draft.topics for draft in reading.drafts] == [("Topic",)] * 2


def test_no_blank_lines_at_all():
    reading = read("Topic\nOne\nBy Ann Po\nText one.\nTwo\nBy Bob Ray\nThree\nBy Cy Lee\nText\nthree.\nPage 1 of 1")
    assert [(d.title, d.authors, d.summary) for d in reading.drafts] == [
        ("One", ("Ann Po",), "Text one."),
        ("Two", ("Bob Ray",), ""),
        ("Three", ("Cy Lee",), "Text three."),
    ]
    assert {draft.topics for draft in reading.drafts} == {("Topic",)}
    assert [draft.where for draft in reading.drafts] == ["list.txt:2", "list.txt:5", "list.txt:7"]


def test_one_missing_blank_line():
    reading = read("Topic\n\nOne\nBy Ann Po\nText.\nTwo\nBy Bob Ray\nText.\n\nThree\nBy Cy Lee\n")
    assert [draft.title for draft in reading.drafts] == ["One", "Two", "Three"]


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("By Ann Po\nText without a title.", "By line without a title"),
        ("T" * 501 + "\nBy Ann Po", "longer than 500"),
        ("Title\n" + "line\n" * 51, "blank line between entries"),
        ("Title\nBy Ann Po\n" + "word " * 4001, "longer than 20,000"),
        ("Title\nText.\nBy Ann Po", "not right under its title"),
    ],
)
def test_a_bad_block_is_skipped_alone(block, says):
    reading = read(f"Topic\n\nOne\nBy A\nText.\n\n{block}\n\nTwo\nBy B\nText.\n")
    assert [(draft.title, draft.place) for draft in reading.drafts] == [("One", 0), ("Two", 1)]
    problem = only_problem(reading)
    assert problem.where == "list.txt:7"
    assert says in problem.reason


def test_a_heading_too_long_is_a_problem_and_the_entries_stay():
    reading = read("H" * 501 + "\n\nOne\nBy A\nText.\n")
    assert only_problem(reading).where == "list.txt:1"
    assert reading.drafts[0].topics == ()


@pytest.mark.parametrize("text", ["", "\n \n", "Only a heading\n", "Page 1 of 2"])
def test_nothing_to_read_is_one_problem(text):
    reading = read(text)
    assert reading.drafts == ()
    assert "has no entries" in only_problem(reading).reason


def test_binary_is_refused():
    with pytest.raises(InputError, match="is not text"):
        read_listing(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "list.txt")


def test_nothing_is_read_as_html_or_template():
    draft = one("<b>Bold</b> {{ 7*7 }}\nBy <i>Ann</i>\n<script>x</script> &amp; {% y %}")
    assert draft.title == "<b>Bold</b> {{ 7*7 }}"
    assert draft.summary == "<script>x</script> &amp; {% y %}"
    assert draft.content_html == ""


word = st.text("abcdefghijklmnopqrstuvwxyzäéß’“”-", min_size=1, max_size=12).map(lambda text: "X" + text)
line = st.lists(word, min_size=1, max_size=8).map(" ".join)
author = st.lists(word, min_size=1, max_size=3).map(" ".join)
entry = st.tuples(line, st.lists(author, max_size=4, unique=True), st.lists(line, max_size=3))


def byline(authors: list[str]) -> str:
    head, last = ", ".join(authors[:-1]), authors[-1]
    return f"By {head}{',' if len(authors) > 2 else ''} and {last}" if head else f"By {last}"


@given(line, st.lists(entry, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_round_trip(topic, entries, end, pages):
    blocks = ["\n".join([title, *([byline(authors)] if authors else []), *rest]) for title, authors, rest in entries]
    text = "\n\n".join([topic, *blocks]) + ("\nPage 1 of 2\n" if pages else "")
    reading = read(text.replace("\n", end))
    assert reading.problems == ()
    found = [(draft.title, list(draft.authors), draft.summary) for draft in reading.drafts]
    assert found == [(title, authors, " ".join(rest)) for title, authors, rest in entries]
    assert {draft.topics for draft in reading.drafts} == {(topic,)}


@given(st.text(st.sampled_from("ABy \nof1Page\t.:,"), max_size=200))
def test_every_line_ends_up_somewhere_or_is_named(text):
    reading = read(text)
    assert reading.drafts or reading.problems
    assert [draft.place for draft in reading.drafts] == list(range(len(reading.drafts)))
    assert read(text.replace("\n", "\r\n")) == reading
