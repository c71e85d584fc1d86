"""One reader's whole life with a digest, in a real browser without JavaScript, on a desktop and on a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from test_real_server import running
from web_site import Site, filled

pytestmark = pytest.mark.browser

OLD, NEW = "ann@example.org", "ann.po@example.net"
SCREENS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 375, "height": 740}}


class Walk:
    """The browser, and the site behind it, whose mail leaves when the test says so."""

    def __init__(self, site: Site, page: Page, behind: Callable[..., Any]) -> None:
        self.site, self.page, self.behind = site, page, behind

    def go(self, address: str) -> None:
        """Open a page; axe needs scripts, so test_follow_pages.py runs it."""
        self.page.goto(urlsplit(address)._replace(scheme="", netloc="").geturl())

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()

    def says(self, words: str) -> None:
        expect(self.page.locator("main")).to_contain_text(words)

    def open_mail(self, to: str, subject: str) -> None:
        """From the built-in mailbox, where it is the newest."""
        newest = self.behind(self.site.letters)[0]
        assert (newest.to, subject in newest.subject) == (to, True), (newest.to, newest.subject)
        self.page.goto("/mailbox")
        self.page.get_by_role("link", name=newest.subject).first.click()
        self.go(f"/mailbox/{newest.id}/html")

    def follow(self, link: str) -> None:
        """A link of the mail, as a mail program opens it."""
        self.go(str(self.page.get_by_role("link", name=link).first.get_attribute("href")))

    def later(self, **time: float) -> None:
        self.site.clock.pass_(**time)


@pytest.fixture(params=SCREENS)
def walk(request: Any, browser: Browser, tmp_path: Path, sqlite_template: Path) -> Iterator[Walk]:
    with filled(tmp_path / "site", sqlite_template, site='languages = ["de"]') as site:
        site.add("The Lamp at Marrow Point", "Coastal shipping", summary="It has run itself for thirty years.")
        with ThreadPoolExecutor(1) as pool, running(site) as port:  # the browser's event loop runs in this thread
            context = browser.new_context(
                base_url=f"http://127.0.0.1:{port}", viewport=SCREENS[request.param], java_script_enabled=False
            )
            yield Walk(site, context.new_page(), lambda *call: pool.submit(*call).result())
            context.close()


def test_a_life_with_a_digest(walk: Walk) -> None:
    page, site = walk.page, walk.site
    subscribe(walk, OLD)
    walk.follow("Choose topics, day and hour")
    preferences = page.url
    change_everything(walk)

    walk.behind(site.mail)
    walk.open_mail(OLD, "The Lamp at Marrow Point")
    expect(page.locator("body")).not_to_contain_text("The Street That Floods")

    walk.later(days=2)
    walk.go(preferences)
    walk.press("Mail me the link")
    move(walk)

    less_often(walk)
    leave_with_one_click(walk)

    walk.later(days=31)
    subscribe(walk, NEW)
    walk.follow("Choose topics, day and hour")
    walk.later(days=2)
    walk.press("Mail me the link")
    walk.open_mail(NEW, "stored about you")
    walk.follow("Show what is stored")
    stored = page.request.get(f"{urlsplit(page.url).path}/export.json")
    assert json.loads(stored.body())["address"] == NEW
    walk.press("Erase everything about me")
    walk.says("It is erased")
    assert site.state(NEW) == "nobody"


def subscribe(walk: Walk, address: str) -> None:
    walk.go("/digests/weekly")
    walk.page.get_by_label("Your mail address").fill(address)
    walk.press("Subscribe")
    walk.open_mail(address, "confirm")
    walk.follow("Confirm")
    assert walk.site.state(address) != "active", "opening the link changes nothing"
    walk.press("Yes, subscribe me")
    walk.says("You are subscribed")


def change_everything(walk: Walk) -> None:
    page = walk.page
    page.get_by_label("Every day").check()
    page.get_by_label("Only these:").check()
    page.get_by_label("Coastal shipping").check()
    page.get_by_label("At what hour?").select_option("21:00")
    page.get_by_label("In which time zone?").fill("America/Lima")
    walk.press("Save")
    walk.says("(America/Lima)")
    view = walk.site.reader(OLD)
    assert (view.cadence, view.at, view.zone, view.topics) == ("daily", "21:00", "America/Lima", ("coastal-shipping",))
    page.get_by_text("Pause it for a while").click()
    walk.press("Pause")
    walk.says("Paused until")
    walk.press("End the pause now")
    page.get_by_label("Language of your mails").select_option("de")
    walk.press("Change the language")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("combobox", name="Sprache").select_option("en")
    page.get_by_role("button", name="Sprache").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def move(walk: Walk) -> None:
    walk.open_mail(OLD, "stored about you")
    walk.follow("Show what is stored")
    walk.page.get_by_label("Your new mail address").fill(NEW)
    walk.press("Change the address")
    walk.open_mail(NEW, "address")
    walk.follow("Confirm the new address")
    walk.press("Yes, send it here")
    walk.says("It comes here from now on")
    assert (walk.site.state(OLD), walk.site.reader(NEW).cadence) == ("nobody", "daily")


def less_often(walk: Walk) -> None:
    walk.go(walk.site.unsubscribe_url(NEW))
    walk.press("Less often")
    walk.says("Done.")
    assert walk.site.reader(NEW).cadence == "weekly"


def leave_with_one_click(walk: Walk) -> None:
    """As a mail program does: a POST of its own, without cookies, and no redirect (RFC 8058)."""
    address = walk.site.unsubscribe_url(NEW)
    answer = walk.page.request.post(address, form={"List-Unsubscribe": "One-Click"}, max_redirects=0)
    assert answer.status == 200
    walk.go(address)
    walk.says("You are unsubscribed")
