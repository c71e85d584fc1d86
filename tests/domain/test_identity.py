import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.identity import (
    SITE,
    Key,
    KeyKind,
    Likeness,
    adopted,
    adopted_key,
    canonical_link,
    identifying_link,
    is_permanent_id,
    is_textual,
    keys_of,
    moved_host,
    normalise,
    plain,
    retitled,
    same_authors,
    same_title,
    same_titled,
    summary_likeness,
)
from feed_publisher.domain.model import Draft

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def draft(title: str = "Tide tables", **more: object) -> Draft:
    return Draft(title=title, where="list.md:1", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "same",
    [
        "https://mag.example/a/b",
        "http://mag.example/a/b",
        "//mag.example/a/b",
        "  https://mag.example/a/b\n",
        "https://www.mag.example/a/b",
        "https://WWW.Mag.Example/a/b",
        "https://mag.example./a/b",
        "https://mag.example/a/b/",
        "https://mag.example/a/b#top",
        "https://mag.example:443/a/b",
        "http://mag.example:80/a/b",
        "https://user:secret@mag.example/a/b",
        "https://mag.example/a/b?utm_source=x&utm_medium=y&fbclid=1&gclid=2&mc_cid=3",
        "https://mag.example/a/b?UTM_Source=x",
        "https://mag.example/a/b/?",
    ],
)
def test_one_article_written_in_many_ways(same):
    assert canonical_link(same) == canonical_link("https://mag.example/a/b")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://mag.example/a", "https://mag.example/A"),
        ("https://mag.example/a", "https://mag.example/b"),
        ("https://mag.example/a", "https://mag.example/a/b"),
        ("https://mag.example/?p=1", "https://mag.example/?p=2"),
        ("https://mag.example/a?page=", "https://mag.example/a"),
        ("https://mag.example:8080/a", "https://mag.example/a"),
        ("https://de.mag.example/a", "https://mag.example/a"),
        ("https://straße.example/a", "https://strasse.example/a"),
        ("https://mag.example/a%2Fb", "https://mag.example/a/b"),
    ],
)
def test_other_articles_stay_apart(one, other):
    assert canonical_link(one) != canonical_link(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://mag.example/käse", "https://mag.example/k%c3%a4se"),
        ("https://mag.example/?b=2&a=1", "https://mag.example/?a=1&b=2"),
    ],
)
def test_equal_forms_of_a_link(one, other):
    assert canonical_link(one) == canonical_link(other)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        "http://[::1",
        "http://a:99999/x",
        "http://a:b/",
        "http://\u2100.example",
        "http://x/\ud800?\ud800=1",
        "https://xn--\u00e9/",
        "https://xn--99999999999/",
        "%",
        "\0",
        "javascript:alert(1)",
        "http://" + "a" * 5000,
    ],
)
def test_garbage_is_compared_as_it_is(garbage):
    assert isinstance(canonical_link(garbage), str)
    keys_of(draft(link=garbage), "s")


@given(any_text, st.sampled_from(["", "http://", "https://mag.example/", "http://[", "//", "https://xn--"]))
def test_no_link_raises_and_canonical_links_have_no_scheme(rest, start):
    canonical = canonical_link(start + rest)
    assert not canonical.startswith("https://mag.example")
    assert all(len(key.value) <= 64 for key in keys_of(draft(link=start + rest), "s"))


@given(st.text("abc/?=&%é1", max_size=20), st.sampled_from(["utm_source=1", "fbclid=x", "utm_a=", "gclid=é"]))
def test_tracking_never_matters(path, tracking):
    link = f"https://mag.example/{path.replace('?', '/')}?k=1"
    assert canonical_link(link) == canonical_link(f"{link}&{tracking}#frag")
    again = "https:" + canonical_link(link)
    assert canonical_link(again) == canonical_link(link)


@pytest.mark.parametrize(
    "front", [None, "", "#top", "/", "https://mag.example", "http://www.mag.example/?utm_source=a"]
)
def test_a_front_page_identifies_nothing(front):
    assert identifying_link(front) is None
    assert is_textual(draft(link=front))
    assert [key.kind for key in keys_of(draft(link=front), "s")] == [KeyKind.TITLE]


@pytest.mark.parametrize("link", ["https://mag.example/?p=1", "https://mag.example/a", "http://localhost:8000/a"])
def test_an_article_link_identifies(link):
    assert identifying_link(link)
    assert keys_of(draft(link=link), "s") == (Key(SITE, KeyKind.LINK, canonical_link(link)),)


# --- words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The  Tide\n Tables ", "the tide tables"),
        ("Don’t “panic” – now", 'don\'t "panic" - now'),
        ("ﬁrst ｗｉｄｅ", "first wide"),
        ("STRASSE", "straße"),
        ("Donau\u00addampf\u200b", "Donaudampf"),
        ("I ❤\ufe0f it", "I ❤ it"),
        ("Cafe\u0301", "Café"),
        ("\u00a0Tide\u2009tables", "Tide tables"),
    ],
)
def test_style_is_not_words(one, other):
    assert plain(one) == plain(other)
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"),
        ("C", "C#"),
        ("$5", "€5"),
        ("50", "50 %"),
        ("की", "का"),
        ("tide", "tides"),
        ("กา", "กี"),
        ("1.5", "15"),
    ],
)
def test_other_words(one, other):
    assert normalise(one) != normalise(other)


def test_punctuation_is_no_word_but_no_mere_style_either():
    assert normalise("Ready? Set, go!") == normalise("ready set go")
    assert plain("Ready?") != plain("Ready!")


@given(any_text)
def test_reducing_twice_changes_nothing(text):
    assert plain(plain(text)) == plain(text)
    assert normalise(normalise(text)) == normalise(text)
    assert normalise(plain(text)) == normalise(text)


# --- keys


@pytest.mark.parametrize(
    "everywhere",
    ["https://mag.example/?p=7", "HTTP://mag.example/7", "urn:uuid:1-2", "tag:mag.example,2026:7", "doi:10.1/x"],
)
def test_global_ids_mean_the_same_everywhere(everywhere):
    assert keys_of(draft(explicit_id=everywhere), "a") == keys_of(draft(explicit_id=everywhere), "b")
    assert keys_of(draft(explicit_id=everywhere), "a")[0].scope == SITE


@pytest.mark.parametrize("own", ["7", "post 7", "article:12", "a/b", "http: //x", "urn", "Über:7", ":7"])
def test_other_ids_belong_to_their_source(own):
    assert keys_of(draft(explicit_id=own), "a") == (Key("a", KeyKind.ID, own),)
    assert keys_of(draft(explicit_id=own), "a") != keys_of(draft(explicit_id=own), "b")


def test_ids_come_before_links_and_hide_the_text():
    keys = keys_of(draft(explicit_id="7", link="https://mag.example/a", summary="x"), "a")
    assert [key.kind for key in keys] == [KeyKind.ID, KeyKind.LINK]


def test_ids_are_compared_exactly_and_long_ones_hashed():
    assert keys_of(draft(explicit_id="A1"), "a") != keys_of(draft(explicit_id="a1"), "a")
    long, longer = (keys_of(draft(explicit_id="x" * n), "a")[0] for n in (65, 66))
    assert len(long.value) <= 64
    assert long != longer


def test_a_bare_text_is_known_by_title_and_authors_in_its_source_and_by_everything_anywhere():
    one = keys_of(draft("Tide", authors=("Ann Po", "Bo"), summary="High water."), "a")
    other = keys_of(draft("TIDE", authors=("bo", "ann  po"), summary="high  WATER"), "b")
    assert [(key.scope, key.kind) for key in one] == [(SITE, KeyKind.TEXT), ("a", KeyKind.TITLE)]
    assert one[0] == other[0]
    assert one[1].value == other[1].value
    assert one[1] != other[1]


@pytest.mark.parametrize(
    "changed", [{"title": "Ebb"}, {"authors": ("Bo",)}, {"authors": ()}, {"authors": ("Ann Po", "Bo")}]
)
def test_title_and_each_author_count(changed):
    given_ = {"title": "Tide", "authors": ("Ann Po",)}
    assert keys_of(draft(**given_), "a") != keys_of(draft(**(given_ | changed)), "a")


def test_titles_of_marks_only_stay_apart():
    assert keys_of(draft("!!!"), "a") != keys_of(draft("???"), "a")


@given(
    any_text, st.lists(any_text, max_size=3), any_text, st.one_of(st.none(), any_text), st.one_of(st.none(), any_text)
)
def test_every_draft_has_keys(title, authors, summary, link, explicit_id):
    made = draft(title, authors=tuple(authors), summary=summary, link=link, explicit_id=explicit_id)
    keys = keys_of(made, "s")
    assert keys
    assert keys == keys_of(made, "s")
    assert all(key.value and len(key.value) <= 64 for key in keys)


# --- likeness


def test_summary_likeness():
    words = "high water at noon and low water in the evening"
    assert summary_likeness(words, words.upper()) == 1.0
    assert summary_likeness("", "") == 0.0
    assert summary_likeness(words, "") == 0.0
    assert summary_likeness("?!", "?!") == 0.0
    assert summary_likeness(words, "a cat sat on one mat") == 0.0
    assert 0.85 < summary_likeness(words, words + " again") < 1.0


def test_same_authors():
    assert same_authors(("Ann Po", "Bo"), ("bo", "ANN PO"))
    assert same_authors((), ())
    assert not same_authors(("Ann",), ())
    assert not same_authors(("Ann", "Ann"), ("Ann",))


TEN = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("summary", "apart", "authors", "is_"),
    [
        (TEN, 0, ("Ann",), Likeness.SAME),
        (TEN, 2, ("ann",), Likeness.SAME),
        (TEN, -2, ("Ann",), Likeness.SAME),
        (TEN, 3, ("Ann",), Likeness.OTHER),
        (TEN, -3, ("Ann",), Likeness.OTHER),
        (TEN, 0, ("Bo",), Likeness.OTHER),
        (TEN.replace("ten", "eleven"), 0, ("Ann",), Likeness.SAME),
        (TEN.replace("eight nine ten", "a b c"), 0, ("Ann",), Likeness.DOUBT),
        (TEN.replace("six seven eight nine ten", "a b c d e"), 0, ("Ann",), Likeness.OTHER),
        ("", 0, ("Ann",), Likeness.OTHER),
    ],
)
def test_retitled(summary, apart, authors, is_):
    assert retitled(draft("New", authors=("Ann",), summary=TEN), "Old", authors, summary, apart) is is_


def test_two_empty_summaries_tell_nothing():
    assert retitled(draft("New"), "Old", (), "", 0) is Likeness.OTHER


@pytest.mark.parametrize(
    ("summary", "apart", "is_"),
    [
        (TEN, 0, Likeness.SAME),
        (TEN.replace("ten", "eleven"), -2, Likeness.SAME),
        (TEN, 3, Likeness.DOUBT),
        (TEN.replace("eight nine ten", "a b c"), 0, Likeness.DOUBT),
        (TEN.replace("eight nine ten", "a b c"), 3, Likeness.OTHER),
        (TEN.replace("six seven eight nine ten", "a b c d e"), 0, Likeness.OTHER),
        ("", 1, Likeness.DOUBT),
        ("?!", 1, Likeness.DOUBT),
        ("", 3, Likeness.OTHER),
    ],
)
def test_same_titled(summary, apart, is_):
    assert same_titled(draft("New", authors=("Ann",), summary=TEN), summary, apart) is is_


@pytest.mark.parametrize(
    ("summary", "in_its_place", "is_"),
    [
        (TEN, False, Likeness.SAME),
        (TEN.replace("eight nine ten", "a b c"), True, Likeness.DOUBT),
        (TEN.replace("six seven eight nine ten", "a b c d e"), True, Likeness.OTHER),
        ("", True, Likeness.SAME),
        ("", False, Likeness.DOUBT),
    ],
)
def test_adopted(summary, in_its_place, is_):
    assert adopted(draft("New", summary=TEN), summary, in_its_place) is is_


def test_adoption_belongs_to_a_title_and_byline_of_a_source():
    one = adopted_key(draft("Tide", authors=("Ann",), summary="x"), "a")
    assert one == adopted_key(draft("TIDE", authors=("ann",), link="https://mag.example/1"), "a")
    assert one != adopted_key(draft("Tide", authors=("Ann",)), "b")
    assert one != adopted_key(draft("Tide", authors=("Bo",)), "a")
    assert one not in keys_of(draft("Tide", authors=("Ann",), summary="x"), "a")


def test_same_title():
    assert same_title(draft("The Tide!"), "the  tide")
    assert not same_title(draft("!"), "?")
    assert not same_title(draft("!"), "Tide")


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("http://www.new.example/a/1/", True),
        ("https://mag.example/a/1", False),
        ("https://new.example/a/2", False),
        ("https://new.example/a/1?p=2", False),
        ("https://new.example/", False),
        (None, False),
        ("a/1", False),
    ],
)
def test_moved_host(link, moved):
    assert moved_host(link, "https://mag.example/a/1") is moved
    assert moved_host("https://mag.example/a/1", link) is moved
    assert not moved_host(link, "https://mag.example/")


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_ascii_is_reduced_as_any_other_text(text):
    """Beside a letter that is not ASCII, the same marks take the slower way."""
    assert plain(text + " é") == f"{plain(text)} é".strip()
    assert normalise(text + " é") == f"{normalise(text)} é".strip()


@pytest.mark.parametrize(
    "text",
    [
        "https://mag.example/?p=7",
        "http://mag.example",
        "HTTPS://mag.example/Städte",
        "urn:uuid:5b0c7a52-0f43-4b42-9a55-0d1c8d0f7c10",
        "tag:mag.example,2026-11-22:7",
        "tag:mag.example,2026:",
        "https://mag.example/" + "x" * 980,
    ],
)
def test_ids_that_may_become_ours(text):
    assert is_permanent_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "7 at https://mag.example/",
        "mag.example/7",
        "//mag.example/7",
        "https://",
        "https:///7",
        "https://mag.example/a b",
        "https://mag.example/<7>",
        "https://mag.example/7\n",
        "urn:7",
        "urn:isbn:",
        "tag:mag.example:7",
        "article:7",
        "javascript:alert(1)",
        "https://mag.example/" + "x" * 981,
    ],
)
def test_ids_that_do_not_become_ours(text):
    assert not is_permanent_id(text)
