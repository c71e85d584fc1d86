"""Previews in a real browser: each view can be read, fits, works by keyboard and without scripts, and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from looking import LIGHT_AND_DARK, NARROW, check_all_accessible, check_all_fit
from playwright.sync_api import Browser, FrameLocator, Page, expect
from test_preview_http import PAGE, subscribe
from test_real_server import running
from web_site import Site, opened

from feed_publisher.domain.model import EntryState
from feed_publisher.web.preview import VIEWS

pytestmark = pytest.mark.browser

ELSEWHERE = "http://pictures.invalid/"
PICTURE = f"<p style='background: url({ELSEWHERE}x)'><img src='{ELSEWHERE}y' alt='' width='9'></p>"
ADDRESSES = [
    "/admin/digests",
    *(f"{PAGE}?view={view}" for view in VIEWS),
    f"{PAGE}?subscriber=cleo%40example.org",
    f"{PAGE}?subscriber=nobody%40example.org",
    f"{PAGE}?as-of=2020-01-01T00:00",
    f"{PAGE}?newcomer=1",
    "/admin/digests/towns/preview",
]


def fill(site: Site) -> None:
    """An issue has been sent, and another is about to be, in two versions."""
    templates = site.folder / "templates" / "email"
    templates.mkdir(parents=True)
    mine = '{% extends "default/email/digest.html" %}{% block more %}<tr><td>' + PICTURE + "</td></tr>{% endblock %}"
    (templates / "digest.html").write_text(mine)
    for name in ("ann", "ben", "with-a-very-long-name-that-has-no-place-to-break-it-anywhere"):
        subscribe(site, f"{name}@example.org")
    site.add("The Street That Floods")
    subscribe(site, "cleo@example.org", topics=("harbour-towns",))
    site.add("Never Written", state=EntryState.WITHDRAWN)
    site.mail()
    site.clock.pass_(days=1)
    site.add("A Log of the Keeper", "Coastal shipping", summary="What the keeper wrote down.", authors=("Ann", "Bo"))
    site.add("The Bakers", summary="They set their ovens by the boat.")
    site.add("Held Back", state=EntryState.HELD)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    """What ``visitor`` needs to know of it."""
    with opened(tmp_path_factory.mktemp("preview") / "site", sqlite_template) as site:
        with ThreadPoolExecutor(1) as pool:  # the browser's event loop runs in this thread
            pool.submit(fill, site).result()
        with running(site) as port:
            yield SimpleNamespace(base=f"http://127.0.0.1:{port}")


def framed(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.mail-frame")


@pytest.mark.parametrize("look", LIGHT_AND_DARK.values(), ids=LIGHT_AND_DARK)
def test_every_view_is_accessible(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    check_all_accessible(browser, server, ADDRESSES, look)


@pytest.mark.parametrize("width", NARROW.values(), ids=NARROW)
def test_every_view_fits(browser: Browser, server: Any, width: int) -> None:
    check_all_fit(browser, server, ADDRESSES, width)


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_from_the_front_page_to_every_view(browser: Browser, server: Any, script: bool) -> None:
    context = browser.new_context(
        base_url=server.base, java_script_enabled=script, viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Newsletters", exact=True).click()
    page.get_by_role("link", name="The Quay Letter").click()
    for name in VIEWS.values():
        page.get_by_role("navigation", name="Views").get_by_role("link", name=name, exact=True).click()
        current = page.get_by_role("navigation", name="Views").locator("[aria-current=page]")
        expect(current).to_have_text(name)
    expect(page.get_by_text("Content-Transfer-Encoding: quoted-printable").first).to_be_visible()
    page.get_by_label("As this reader gets it").fill("cleo@example.org")
    page.get_by_label("Issue", exact=True).select_option("weekly")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Gets it, with 1 article.")).to_be_visible()
    expect(page.get_by_label("As this reader gets it")).to_have_value("cleo@example.org")
    expect(page.get_by_label("Issue", exact=True)).to_have_value("weekly")
    expect(page.get_by_role("navigation", name="Views").locator("[aria-current=page]")).to_have_text("Source")
    context.close()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_each_frame_is_as_wide_and_as_dark_as_it_says(browser: Browser, server: Any, system: Any) -> None:
    """Whatever the operator's own screen is set to."""
    context = browser.new_context(base_url=server.base, color_scheme=system, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    seen = {}
    for view in ("desktop", "phone", "dark"):
        page.goto(f"{PAGE}?view={view}")
        sheet = framed(page).locator(".sheet")
        expect(framed(page).get_by_role("link", name="The Bakers")).to_be_visible()
        colour = sheet.evaluate("sheet => getComputedStyle(sheet).backgroundColor")
        seen[view] = (colour, sheet.evaluate("() => innerWidth"))
    assert seen["desktop"][0] == seen["phone"][0] == "rgb(255, 255, 255)"
    assert seen["dark"][0] == "rgb(21, 31, 37)"
    assert seen["phone"][1] == 375
    assert seen["desktop"][1] == seen["dark"][1] > 600
    context.close()


def test_nothing_is_loaded_from_elsewhere_until_it_is_asked_for(browser: Browser, server: Any) -> None:
    context = browser.new_context(base_url=server.base)
    page = context.new_page()
    asked: list[str] = []
    # What really leaves: the browser also tells of requests that the policy has stopped.
    context.route(f"{ELSEWHERE}**", lambda route: (asked.append(route.request.url), route.abort()))
    for view in ("desktop", "phone", "dark"):
        page.goto(f"{PAGE}?view={view}", wait_until="networkidle")
        expect(framed(page).get_by_role("link", name="The Bakers")).to_be_visible()
    assert asked == []
    page.get_by_role("link", name="Show pictures").click()
    page.wait_for_load_state("networkidle")
    assert set(asked) == {f"{ELSEWHERE}x", f"{ELSEWHERE}y"}
    context.close()


def test_the_mail_runs_no_script_and_its_links_open_elsewhere(browser: Browser, server: Any) -> None:
    context = browser.new_context(base_url=server.base)
    page = context.new_page()
    page.goto("/admin/digests/towns/preview")
    assert "allow-scripts" not in (page.locator("iframe.mail-frame").get_attribute("sandbox") or "")
    with context.expect_page() as opened_page:
        framed(page).get_by_role("link", name="Unsubscribe", exact=True).click()
    assert "/unsubscribe/" in opened_page.value.url or opened_page.value.url.startswith("chrome-error:")
    assert page.url.endswith("/towns/preview")
    context.close()


def test_it_is_all_reached_by_keyboard(browser: Browser, server: Any) -> None:
    context = browser.new_context(base_url=server.base)
    page = context.new_page()
    page.goto(f"{PAGE}?view=source")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.innerText || ''").strip())
    for name in ("Skip to the content", "Newsletters", *VIEWS.values(), "cadence", "as-of", "subscriber", "Show"):
        assert name in reached, (name, reached)
    assert any("Message-ID" in text for text in reached), "the source can be scrolled"
    context.close()
