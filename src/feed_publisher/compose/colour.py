"""Colours as CSS writes them, and how well one can be read on another (WCAG 2.2, §1.4.3)."""

from __future__ import annotations

import re

Colour = tuple[int, int, int]

READABLE = 4.5
"""The least contrast of text (WCAG AA)."""

READABLE_LARGE = 3.0
"""The least contrast of text from 24 px on, or bold from 18.66 px on, and of lines that mean something."""

_NAMES = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0), "gray": (128, 128, 128)}
_STEPS = 50


def parse_colour(text: str) -> Colour | None:
    """#rgb, #rrggbb, rgb(r, g, b) or one of few names; None for anything else, such as "transparent"."""
    text = text.strip().lower()
    if found := re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", text):
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := re.fullmatch(r"rgb\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*\)", text):
        return int(found[1]), int(found[2]), int(found[3])
    return _NAMES.get(text)


def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same) to 21 (black on white)."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def readable_on(colour: str, background: str, least: float = READABLE) -> str:
    """The colour, made darker or lighter in small steps until it can be read on the background; #rrggbb."""
    wanted, behind = parse_colour(colour), parse_colour(background)
    if wanted is None or behind is None:
        raise ValueError(f"{colour!r} on {background!r}: colours are written #rrggbb")
    end = max(((0, 0, 0), (255, 255, 255)), key=lambda extreme: contrast(extreme, behind))
    steps = (_between(wanted, end, step / _STEPS) for step in range(_STEPS + 1))
    return "#" + bytes(next((c for c in steps if contrast(c, behind) >= least), end)).hex()


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


def _between(start: Colour, end: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue
