"""What the browser tests look with: screens, the rules of accessibility, contrast, whether a page fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LIGHT_AND_DARK: dict[str, dict[str, Any]] = {
    "desktop": {**DESKTOP, "color_scheme": "light"},
    "desktop, dark": {**DESKTOP, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "phone, dark": {**PHONE, "color_scheme": "dark"},
}
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": DESKTOP,
    "phone": PHONE,
    "small phone": {"viewport": {"width": 320, "height": 640}},
    "dark": {**DESKTOP, "color_scheme": "dark"},
}
NARROW = {"a small phone": 320, "a desktop at 200 %": 640}
"""Widths in pixels."""

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}}

CONTRAST = """() => {
  const channel = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 };
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = text => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = text; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data] };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = node => { for (; node; node = node.parentElement) {
    const found = rgba(getComputedStyle(node).backgroundColor); if (found[3] > 250) return found }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255] };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, box = node.getBoundingClientRect();
    if (!walk.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (box.width < 2 || node.closest('.skip')) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(walk.currentNode.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return poor;
}"""


@contextmanager
def visitor(browser: Browser, site: Any, **options: Any) -> Iterator[Page]:
    """A page of a fresh visitor; at the end nothing was complained of and nobody else was asked for anything."""
    context = browser.new_context(base_url=site.base, **options)
    said: list[str] = []
    asked: set[str] = set()
    context.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("request", lambda request: asked.add(request.url))
    context.set_default_timeout(15_000)
    yield context.new_page()
    assert said == []
    assert [url for url in asked if not url.startswith((site.base + "/", "data:"))] == []
    context.close()


def unfold(page: Page) -> None:
    """Open everything that can be opened."""
    for summary in page.locator("summary").all():
        summary.click()


def check_accessible(page: Page, name: str = "") -> None:
    """By axe, which needs scripts; ``name`` is told instead of the address."""
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, f"{name or page.url}\n{found.generate_report()}"


def check_fits(page: Page) -> None:
    """Nothing is wider than the window."""
    size = page.viewport_size
    assert size is not None
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size["width"], f"{page.url} is {wide} wide"


def check_readable(page: Page) -> None:
    """Every word stands out from what is behind it, and the parts of the page are named as they should be."""
    assert page.evaluate(CONTRAST) == [], page.url
    check_structure(page)


def check_structure(page: Page) -> None:
    """One heading of the first level, each landmark once, no level left out, every picture and field with words."""
    assert page.get_by_role("heading", level=1).count() == 1
    for landmark in ("main", "banner", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1, landmark  # type: ignore[arg-type]
    assert page.locator("img:not([alt])").count() == 0
    for field in page.locator("input:not([type=hidden]), textarea").all():
        assert field.evaluate("field => field.labels.length") >= 1
    levels = [int(tag[1]) for tag in page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => h.tagName)")]
    inside = [b - a for a, b in pairwise(levels)]
    assert all(step <= 1 for step in inside), levels


def check_all_accessible(browser: Browser, site: Any, addresses: Iterable[str], look: dict[str, Any]) -> None:
    """With everything open that can be opened."""
    context = browser.new_context(base_url=site.base, **look)
    page = context.new_page()
    for address in addresses:
        page.goto(address)
        unfold(page)
        check_accessible(page)
    context.close()


def check_all_fit(browser: Browser, site: Any, addresses: Iterable[str], width: int) -> None:
    """With everything open that can be opened."""
    context = browser.new_context(base_url=site.base, viewport={"width": width, "height": 640})
    page = context.new_page()
    for address in addresses:
        page.goto(address)
        unfold(page)
        check_fits(page)
    context.close()
