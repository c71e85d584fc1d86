"""The browser of these tests. Their sites and servers are those of the tests of the web side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from programs import needed

sys.path.append(str(Path(__file__).parents[1] / "web"))

CHROMIUM = "/usr/bin/chromium"
# Playwright's assertions wait for what a page is about to show; a bare `is_visible()` does not.
expect.set_options(timeout=15_000)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needed(CHROMIUM, "pages are not tried in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()
