"""The page of “still want this?” in a real browser: accessible in every look, and one press without scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults.relay import Relay
from looking import LIGHT_AND_DARK, check_accessible, check_fits, visitor
from playwright.sync_api import Browser, expect
from test_real_server import running
from web_site import Site, filled

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.asking import Patience
from feed_publisher.domain.token import Purpose, of_round
from feed_publisher.ports.asking import Part
from feed_publisher.ports.people import Wanted
from feed_publisher.services.asking import AskOrder

pytestmark = pytest.mark.browser

READERS = ("new", "kept", "paused", "left", "never", "deutsch", "arabic", "press")
SMTP = '[smtp]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    """``pages``: by reader. All but the paused one can still answer."""
    with Relay() as relay:
        folder, rest = tmp_path_factory.mktemp("keep") / "site", SMTP.format(port=relay.port)
        with filled(folder, sqlite_template, rest=rest, site='languages = ["de", "ar"]') as site:
            for name in READERS:
                site.join(f"{name}@example.org")
                site.app.preferences.change(reader(site, name), daily(), [], site.clock())
            ask(site)
            with ThreadPoolExecutor(1) as beside:  # the browser has this thread's event loop
                beside.submit(weeks, site, relay).result()
            with running(site) as port:
                yield SimpleNamespace(
                    base=f"http://127.0.0.1:{port}", site=site, pages={name: address(site, name) for name in READERS}
                )


def reader(site: Site, name: str) -> Any:
    return site.reader(f"{name}@example.org")


def daily() -> Wanted:
    return Wanted(cadence="daily", topics=None, zone="", at="")


def ask(site: Site) -> None:
    patience = Patience(remind_after=1, pause_after=2)
    order = AskOrder(digest="weekly", part=Part(), patience=patience, again_after=1, rehearsal=False)
    assert site.app.asking().begin(order, site.clock()).size == len(READERS)


def weeks(site: Site, relay: Relay) -> None:
    """One reader after the other does something; the mail server keeps the others' reminders from them."""
    send(site)
    site.app.keeping.keep(address(site, "kept").rpartition("/")[2], False, site.clock())
    site.app.people.leave(reader(site, "left").subscription, site.clock())
    site.app.people.suppress(site.app.subscribe.key_of(parse_address("never@example.org")), "by hand", site.clock())
    with site.app.database.write() as connection:
        for name, code in (("deutsch", "de"), ("arabic", "ar")):
            connection.exec_driver_sql(f"UPDATE subscriber SET language = '{code}' WHERE address LIKE '{name}%'")
    relay.at_rcpt = {name: "550 5.7.1 not now" for name in READERS if name != "paused"}
    for _ in range(3):
        site.clock.pass_(days=1)
        send(site)
        site.app.open_issues()


def send(site: Site) -> None:
    async def run() -> None:
        async with site.app.relay() as mailer:
            await site.app.send_letters(mailer)

    asyncio.run(run())


def address(site: Site, name: str) -> str:
    return f"/keep/{site.token(Purpose.KEEP, of_round(1, reader(site, name).subscription))}"


@pytest.mark.parametrize("look", LIGHT_AND_DARK.values(), ids=LIGHT_AND_DARK)
def test_it_is_accessible_and_fits(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    context = browser.new_context(base_url=server.base, **look)
    page = context.new_page()
    said = {
        "new": "Do you still want it?",
        "kept": "Thank you, you keep it",
        "paused": "We asked twice",
        "left": "You have unsubscribed",
        "never": "No mail goes to this address.",
        "deutsch": "Möchten Sie den Newsletter noch?",
        "arabic": "هل ما زلت تريد الاشتراك؟",
    }
    for name, words in said.items():
        page.goto(server.pages[name])
        expect(page.locator("main")).to_contain_text(words)
        check_accessible(page, name)
        for width in (320, look["viewport"]["width"]):
            page.set_viewport_size({"width": width, "height": 700})
            check_fits(page)
    context.close()


def test_one_press_without_scripts(browser: Browser, server: Any) -> None:
    with visitor(browser, server, java_script_enabled=False) as page:
        page.goto(server.pages["press"])
        button = page.get_by_role("button", name="Yes, keep it")
        assert (button.bounding_box() or {"height": 0})["height"] >= 44
        page.get_by_role("button", name="Less often").click()
        expect(page.get_by_role("status")).to_contain_text("It comes less often from now on.")
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, you keep it")
        page.goto(server.pages["press"])
        expect(page.get_by_role("button")).to_have_count(0)
    assert reader(server.site, "press").cadence == "weekly"
