"""Following in a real browser: every page is accessible, the copy button copies, and nothing needs the script."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from looking import LIGHT_AND_DARK, NARROW, check_all_accessible, check_all_fit, visitor
from playwright.sync_api import Browser, Page, expect
from sources_demo import SETTINGS, fill
from test_real_server import running
from web_site import Site, filled

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.model import EntryState
from feed_publisher.domain.token import Purpose, dated
from feed_publisher.ports.people import SubscriberView
from feed_publisher.ports.pickup import Page as Entries
from feed_publisher.services.subscribe import REQUEST_BITS

pytestmark = pytest.mark.browser

BODY = "<h2>The sentence</h2><p>It is <a href='https://x.example/'>short</a>.</p><blockquote><p>So.</p></blockquote>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    """What ``visitor`` needs to know of it, and an address of every page."""
    folder = tmp_path_factory.mktemp("follow") / "site"
    with filled(folder, sqlite_template, rest=SETTINGS) as site:
        fill(site)
        site.add("The Keeper’s Log", "Coastal shipping", authors=("Ann", "Bo"), content_html=BODY)
        site.add("סיפור", authors=("נועה לוי",), language="he", summary="הרוח באה מהים.", content_html="<p>הרוח</p>")
        with running(site) as port:
            yield SimpleNamespace(base=f"http://127.0.0.1:{port}", pages=pages(site))


def pages(site: Site) -> list[str]:
    keys = {entry.title: entry.key for entry in site.app.entries.page(Entries(limit=100))}
    leave = site.join("reader@example.org")
    preferences = f"/preferences/{site.token(Purpose.PREFERENCES, site.reader('reader@example.org').subscription)}"
    site.join("away@example.org")
    away = site.reader("away@example.org")
    site.app.preferences.pause(away, 14, False, site.clock())
    paused = f"/preferences/{site.token(Purpose.PREFERENCES, away.subscription)}"
    site.ask("new@example.org")
    with ThreadPoolExecutor(1) as pool:  # the browser's event loop runs in this thread
        mail = pool.submit(site.letters).result()[0].id
        issues = pool.submit(issue_pages, site).result()
    return [
        "/",
        "/topics/harbour-towns",
        "/authors/ann",
        "/follow",
        "/follow?topic=coastal-shipping&topic=harbour-towns",
        "/follow?topic=nowhere",
        f"/entries/{keys['The Keeper’s Log']}",
        f"/entries/{keys['סיפור']}",
        "/digests/weekly",
        site.confirm_url("new@example.org", 1),
        leave,
        preferences,
        f"{preferences}?digest=weekly&done=saved",
        paused,
        f"/data/{site.token(Purpose.DATA, dated(away.subscription, int(site.clock.now.timestamp())))}",
        moving(site, away),
        "/nothing",
        "/mailbox",
        f"/mailbox/{mail}",
        "/admin/sources",
        "/admin/sources/desk",
        *issues,
    ]


def moving(site: Site, reader: SubscriberView) -> str:
    """The page that asks the new address of a reader."""
    data = site.token(Purpose.DATA, dated(reader.subscription, int(site.clock.now.timestamp())))
    assert site.app.preferences.ask_move(data, parse_address("moved@example.org"), site.clock())
    return f"/move/{site.token(Purpose.MOVE, (reader.subscription << REQUEST_BITS) + 1)}"


def issue_pages(site: Site) -> list[str]:
    """The archive with an issue of which one article was corrected and another withdrawn."""
    log = {"explicit_id": "log", "summary": "What the keeper wrote down.", "authors": ("Ann", "Bo")}
    site.add("A Log of the Keeper", "Coastal shipping", **log)
    site.add("Never Written", "Coastal shipping")
    site.mail()
    site.clock.pass_(days=1)
    site.add("The Log of the Keeper’s Wife", "Coastal shipping", **{**log, "authors": ("Ann",)})
    gone = next(entry for entry in site.app.entries.page(Entries(limit=100)) if entry.title == "Never Written")
    site.app.change_entry(gone.key, (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    site.app.publish()
    return ["/issues/weekly", "/issues/towns", "/issues/weekly/rehearsal-1"]


@pytest.mark.parametrize("look", LIGHT_AND_DARK.values(), ids=LIGHT_AND_DARK)
def test_every_page_is_accessible(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    check_all_accessible(browser, server, server.pages, look)


@pytest.mark.parametrize("width", NARROW.values(), ids=NARROW)
def test_every_page_fits(browser: Browser, server: Any, width: int) -> None:
    check_all_fit(browser, server, server.pages, width)


def test_the_button_copies_the_address(browser: Browser, server: Any) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with visitor(browser, server, permissions=allowed) as page:
        page.goto("/topics/harbour-towns")
        page.get_by_role("button", name="Copy the address").click()
        expect(page.get_by_role("button", name="Copied the address")).to_be_visible()
        expect(page.get_by_role("status").first).to_have_text("Copied")
        assert clipboard(page) == "http://127.0.0.1:8000/feeds/harbour-towns.atom"

        page.get_by_text("For your own site").click()
        page.get_by_role("button", name="Copy the lines").click()
        expect(page.get_by_role("button", name="Copied the lines")).to_be_visible()
        assert clipboard(page) == page.get_by_label("Lines to copy").input_value()
        assert clipboard(page).count('<link rel="alternate"') == 3


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_the_button_copies_where_the_clipboard_is_withheld(browser: Browser, server: Any) -> None:
    """As in every page without https; what was copied is pasted elsewhere."""
    with visitor(browser, server) as page:
        page.add_init_script("delete Navigator.prototype.clipboard")
        page.goto("/authors/ann")
        page.get_by_role("button", name="Copy the address").click()
        expect(page.get_by_role("button", name="Copied the address")).to_be_visible()
        page.goto("/digests/weekly")
        page.get_by_label("Your mail address").focus()
        page.keyboard.press("Control+V")
        expect(page.get_by_label("Your mail address")).to_have_value("http://127.0.0.1:8000/feeds/authors/ann.atom")


@pytest.mark.parametrize("way", ["focus", "click"])
def test_the_address_is_selected_when_it_is_reached(browser: Browser, server: Any, way: str) -> None:
    with visitor(browser, server) as page:
        page.goto("/authors/ann")
        field = page.get_by_label("Address of this author’s feed")
        expect(page.get_by_role("button", name="Copy the address")).to_be_visible()
        getattr(field, way)()
        expect(field).to_be_focused()
        assert field.evaluate("f => f.value.slice(f.selectionStart, f.selectionEnd)") == field.input_value()


def test_without_the_script_there_is_no_button_and_nothing_stands_elsewhere(browser: Browser, server: Any) -> None:
    places = []
    for script in (True, False):
        with visitor(browser, server, java_script_enabled=script) as page:
            page.goto("/topics/harbour-towns")
            expect(page.get_by_role("button", name="Copy the address")).to_be_visible(visible=script)
            field = page.get_by_label("Address of this topic’s feed")
            expect(field).to_have_value("http://127.0.0.1:8000/feeds/harbour-towns.atom")
            places.append(field.bounding_box())
    assert places[0] == places[1]


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_form_leads_to_the_address(browser: Browser, server: Any, script: bool) -> None:
    with visitor(browser, server, java_script_enabled=script) as page:
        page.goto("/")
        page.get_by_role("link", name="Choose topics").click()
        page.get_by_label("Harbour towns").check()
        page.get_by_label("Coastal shipping").check()
        page.get_by_role("button", name="Show the address").click()
        address = page.get_by_label("Address of your feed")
        expect(address).to_have_value("http://127.0.0.1:8000/feeds/coastal-shipping+harbour-towns.atom")
        expect(page.get_by_label("Harbour towns")).to_be_checked()


def test_from_an_article_to_the_feed_of_its_author(browser: Browser, server: Any) -> None:
    with visitor(browser, server, java_script_enabled=False) as page:
        page.goto("/topics/coastal-shipping")
        page.get_by_role("link", name="Bo", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Bo")
        panel = page.get_by_role("region", name="Follow this author")
        expect(panel.get_by_label("Address of this author’s feed")).to_have_value(
            "http://127.0.0.1:8000/feeds/authors/bo.atom"
        )
