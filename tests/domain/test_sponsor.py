"""Who gets the place in an issue: never more than was paid for, in turn, one in each place."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.sponsor import Place, Sponsor, SponsorBlock, chosen, without


def sponsor(slug: str, place: Place = Place.TOP, issues: int | None = None) -> Sponsor:
    block = SponsorBlock(sponsor=slug, place=place, title=slug.title(), text="Good.")
    return Sponsor(block=block, issues=issues)


def slugs(sponsors: list[Sponsor], used: dict[str, int]) -> list[str]:
    return [block.sponsor for block in chosen(sponsors, used)]


def test_the_one_with_the_fewest_issues_comes_first_then_the_first_named() -> None:
    both = [sponsor("boats"), sponsor("nets")]
    assert slugs(both, {}) == ["boats"]
    assert slugs(both, {"boats": 1}) == ["nets"]
    assert slugs(both, {"boats": 1, "nets": 1}) == ["boats"]


def test_an_issue_has_one_in_each_place() -> None:
    found = [sponsor("below", Place.BOTTOM), sponsor("boats"), sponsor("nets"), sponsor("lower", Place.BOTTOM)]
    assert slugs(found, {}) == ["boats", "below"]
    assert slugs([], {}) == []


def test_what_is_left_out_by_hand_is_gone() -> None:
    blocks = chosen([sponsor("boats"), sponsor("below", Place.BOTTOM)], {})
    assert [block.sponsor for block in without(blocks, ["boats", "others"])] == ["below"]


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Place)), st.none() | st.integers(1, 6)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
)
def test_a_row_of_issues(kinds: list[tuple[Place, int | None]], count: int) -> None:
    """Nobody gets more than was paid for; no place stays empty while somebody wants it; turns are even."""
    sponsors = [sponsor(f"s{number}", place, issues) for number, (place, issues) in enumerate(kinds)]
    used: Counter[str] = Counter()
    for _ in range(count):
        before = dict(used)
        blocks = chosen(sponsors, used)
        used.update(block.sponsor for block in blocks)
        for place in Place:
            wanting = [
                each for each in sponsors if each.block.place is place and each.has_left(before.get(each.slug, 0))
            ]
            taken = [block.sponsor for block in blocks if block.place is place]
            assert len(taken) == bool(wanting)
            if taken:
                assert before.get(taken[0], 0) == min(before.get(each.slug, 0) for each in wanting)
    assert all(each.issues is None or used[each.slug] <= each.issues for each in sponsors)
