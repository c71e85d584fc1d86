from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.compose.colour import contrast, parse_colour, readable_on

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#0b5b70", (11, 91, 112)),
        ("#FFF", (255, 255, 255)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        (" black ", (0, 0, 0)),
        ("transparent", None),
        ("#12345", None),
        ("", None),
    ],
)
def test_colours_as_css_writes_them(text: str, colour: tuple[int, int, int] | None) -> None:
    assert parse_colour(text) == colour


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert contrast((255, 255, 255), (118, 118, 118)) == pytest.approx(4.54, abs=0.01)


@given(COLOURS, st.sampled_from(["#ffffff", "#151f25", "#0c1317", "#eef1f2"]))
def test_any_accent_can_be_read(accent: str, background: str) -> None:
    made = readable_on(accent, background)
    ours, behind = parse_colour(made), parse_colour(background)
    assert ours is not None
    assert behind is not None
    assert contrast(ours, behind) >= 4.5


def test_a_colour_that_can_be_read_stays() -> None:
    assert readable_on("#0b5b70", "#ffffff") == "#0b5b70"
    assert readable_on("#0B5B70", "#ffffff") == "#0b5b70"


def test_only_colours_are_taken() -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        readable_on("blue sky", "#ffffff")
