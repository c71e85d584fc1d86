"""The pages about sources in a real browser: they fit, can be read, and need no script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from looking import SCREENS, check_fits, check_readable, unfold, visitor
from playwright.sync_api import Browser, expect
from sources_demo import ADDRESSES, PER_WEEK, SETTINGS, fill
from test_real_server import running
from web_site import opened

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    """What ``visitor`` needs to know of it."""
    with opened(tmp_path_factory.mktemp("sources") / "site", sqlite_template, rest=SETTINGS) as site:
        fill(site)
        with running(site) as port:
            yield SimpleNamespace(base=f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("look", SCREENS.values(), ids=SCREENS)
def test_they_fit_and_can_be_read(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    with visitor(browser, server, **look) as page:
        for address in ADDRESSES:
            answer = page.goto(address)
            assert answer is not None
            assert answer.ok, address
            unfold(page)
            check_fits(page)
            check_readable(page)


def test_the_bars_can_be_told_from_the_paper(browser: Browser, server: Any) -> None:
    """WCAG 1.4.11: three to one; and each is as high as its number."""
    for scheme in ("light", "dark"):
        with visitor(browser, server, color_scheme=scheme) as page:
            page.goto("/admin/sources/desk")
            bars = page.locator(".chart .bar")
            heights = [bar.bounding_box() for bar in bars.all()]
            counts = [count for count in PER_WEEK if count]
            tallest = max(box["height"] for box in heights if box)
            assert len(heights) == len(counts)
            for box, count in zip(heights, counts, strict=True):
                assert box
                assert abs(box["height"] / tallest - count / max(counts)) < 0.03
            bar = bars.first.evaluate("bar => getComputedStyle(bar).fill")
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert contrast(bar, paper) >= 3


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Of "rgb(1, 2, 3)" or "color(srgb 0.1 0.2 0.3)"."""
    scale = 1.0 if colour.startswith("color") else 255.0
    numbers = colour.removeprefix("color(srgb").removeprefix("rgb(").rstrip(")").replace(",", " ").split()
    red, green, blue = (linear(float(number) / scale) for number in numbers[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def test_from_the_front_page_to_why_a_source_fails(browser: Browser, server: Any) -> None:
    with visitor(browser, server, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_role("contentinfo").get_by_role("link", name="Sources").click()
        first = page.get_by_role("main").get_by_role("listitem").first
        expect(first).to_contain_text("Failing")
        expect(first).to_contain_text("feed-publisher sources test town-hall")
        first.get_by_role("link", name="town-hall").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("town-hall")
        expect(page.get_by_text("It failed 3 times in a row:")).to_be_visible()


def test_a_chart_is_named_for_those_who_hear_it(browser: Browser, server: Any) -> None:
    with visitor(browser, server) as page:
        page.goto("/admin/sources/desk")
        expect(page.get_by_role("img", name="New articles per week")).to_have_count(1)
        expect(page.get_by_role("table")).to_be_hidden()
        page.get_by_text("The same numbers as a table").click()
        expect(page.get_by_role("row")).to_have_count(13)
