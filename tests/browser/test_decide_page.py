"""The page to decide about an issue, on a phone and elsewhere: it fits, can be read, and works without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from looking import SCREENS, check_fits, check_readable, visitor
from playwright.sync_api import Browser, expect
from test_real_server import running
from web_site import opened

from feed_publisher.domain.issue import IssueState
from feed_publisher.parse.subscribers import read_subscribers

pytestmark = pytest.mark.browser

SETTINGS = """
[mail]
operators = ["desk@harbour.example"]

[[digests]]
slug = "harbour"
title = "The Harbour Letter"
from_address = "letter@harbour.example"
policy = "approve"
day = "sunday"
hour = "8"
"""
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen and other words that do not part, at length"


@pytest.fixture
def server(tmp_path: Path, sqlite_template: Path) -> Iterator[Any]:
    """One issue waits; ``address`` is the page of an operator."""
    with opened(tmp_path / "site", sqlite_template, rest=SETTINGS) as site:
        for address in ("ann@example.org", "ben@example.org"):
            site.app.add_subscribers(
                "harbour", read_subscribers(f"email\n{address}\n".encode(), "x.csv"), True, "x.csv"
            )
        for number, title in enumerate((LONG, "The Street That Floods", "مدينة الميناء")):
            site.add(title, topic=f"Topic {number}", summary="Four days’ notice, and a loan of trestles.")
        site.clock.pass_(days=7)
        with site.app.owning():
            site.app.open_issues()
        with ThreadPoolExecutor() as beside:  # the browser has this thread's event loop
            letters = beside.submit(site.letters).result()
        found = re.search(r"/decide/\S+", letters[0].text)
        assert found is not None
        with running(site) as port:
            yield SimpleNamespace(base=f"http://127.0.0.1:{port}", address=found[0], site=site)


@pytest.mark.parametrize("look", SCREENS.values(), ids=SCREENS)
def test_it_fits_and_can_be_read(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    with visitor(browser, server, **look) as page:
        page.goto(server.address)
        expect(page.get_by_role("button", name="Approve")).to_be_visible()
        check_fits(page)
        check_readable(page)


def test_without_scripts_an_issue_is_changed_and_approved(browser: Browser, server: Any) -> None:
    with visitor(browser, server, java_script_enabled=False, viewport={"width": 390, "height": 844}) as page:
        page.goto(server.address)
        expect(page.get_by_role("status")).to_contain_text("Waits for a decision.")
        page.get_by_label("Subject").fill("Our week at the harbour")
        page.get_by_label("Note above the articles").fill("Dear readers,\n\ngood morning.")
        page.get_by_role("group", name="Comes first").get_by_text("The Street That Floods").click()
        page.get_by_role("group", name="Leave out").get_by_text("مدينة الميناء").click()
        page.get_by_role("button", name="Save, decide later").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Our week at the harbour")
        mail = page.frame_locator("iframe")
        expect(mail.get_by_text("good morning.")).to_be_visible()
        expect(mail.get_by_text("مدينة الميناء")).to_have_count(0)
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("status")).to_contain_text("Approved by link to desk@harbour.example")
    (issue,) = [each for each in server.site.app.issues.newest(9) if each.digest == "harbour"]
    assert issue.state is IssueState.READY
