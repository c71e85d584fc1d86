import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.slug import RESERVED, check_slug, free_slug, heading_key, slugify

ANY = st.text(st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("Sport", "sport"),
        ("  Arts & Culture!  ", "arts-culture"),
        ("Café Zoë", "cafe-zoe"),
        ("Straße, Ærø, Łódź", "strasse-aero-lodz"),
        ("Don’t panic", "dont-panic"),
        ("Top 10", "top-10"),
        ("ＷＩＤＥ", "wide"),
        ("../../etc/passwd", "etc-passwd"),
        ("..%2f..%2fetc", "2f-2fetc"),
        ("/absolute", "absolute"),
        ("a\0b", "a-b"),
        ("CON", "con"),
        ("\u202eevil\u200f", "evil"),
        ("a" * 300, "a" * 80),
        ("a" * 79 + " b", "a" * 79),
        ("' OR 1=1 --", "or-1-1"),
    ],
)
def test_slugify(heading, slug):
    assert slugify(heading) == slug


@pytest.mark.parametrize("heading", ["政治", "Новости", "خبر", "!!!", "", "🌊", "\u202e\u200f", "\ud800", "..", "---"])
def test_no_latin_letters(heading):
    assert re.fullmatch(r"t-[0-9a-f]{8}", slugify(heading))
    assert slugify(heading) == slugify(f"  {heading} ")


def test_other_headings_have_other_hashes_and_the_hash_stays():
    assert slugify("政治") != slugify("经济")
    assert slugify("НОВОСТИ") == slugify("новости")
    assert slugify("政治") == "t-50eccbd0"


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_no_slugs(word):
    assert free_slug(word.title(), set()) == f"{word}-2"
    with pytest.raises(InputError, match="reserved"):
        check_slug(word, "publisher.toml:3")


def test_reserved_words_are_those_of_the_feed_addresses():
    assert {"all", "authors", "sources", "digests", "lang"} == RESERVED


def test_collisions():
    assert free_slug("Sport", set()) == "sport"
    assert free_slug("Sport", {"sport"}) == "sport-2"
    assert free_slug("Sport", {"sport", "sport-2", "sport-3"}) == "sport-4"
    assert free_slug("All", {"all-2"}) == "all-3"


def test_a_long_collision_stays_within_80():
    long = "a" * 80
    taken = {long, *("a" * 78 + f"-{n}" for n in range(2, 10))}
    assert free_slug(long, taken) == "a" * 77 + "-10"


@given(ANY, st.integers(0, 12))
def test_every_heading_makes_a_safe_free_slug(heading, others):
    taken: set[str] = set()
    for _ in range(others):
        taken.add(free_slug(heading, taken))
    slug = free_slug(heading, taken)
    assert len(taken) == others
    assert slug not in taken | RESERVED
    assert check_slug(slug) == slug


@pytest.mark.parametrize(
    "bad", ["", "A", "a b", "../x", "a/b", "a.b", "é", "a\n", "a\0", "a_b", "a" * 81, "%2e", "\u202ea", "٣"]
)
def test_check_slug_refuses(bad):
    with pytest.raises(InputError) as error:
        check_slug(bad, "publisher.toml:3")
    assert error.value.where == "publisher.toml:3"


@pytest.mark.parametrize("good", ["a", "0", "a-b", "a" * 80, "t-0a1b2c3d"])
def test_check_slug(good):
    assert check_slug(good) == good


def test_headings_are_the_same_whatever_their_case_width_and_spacing():
    assert heading_key("  Arts &\tCULTURE ") == heading_key("ａrts & culture")
    assert heading_key("Arts") != heading_key("Art")
