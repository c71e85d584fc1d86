"""Arabic and German pages and mails in a real browser: accessible, inside the window, set from the right side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from looking import LIGHT_AND_DARK, check_accessible, check_fits, visitor
from playwright.sync_api import Browser, expect
from spoken_site import reader_pages, spoken
from test_real_server import running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["ar", "de"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Any]:
    language = request.param
    folder = tmp_path_factory.mktemp(language) / "site"
    with spoken(folder, sqlite_template, language) as site:
        with ThreadPoolExecutor(1) as pool:  # the browser's event loop runs in this thread
            pages = pool.submit(reader_pages, site, language).result()
            mails = pool.submit(site.letters).result()
        with running(site) as port:
            yield SimpleNamespace(
                base=f"http://127.0.0.1:{port}",
                language=language,
                pages=list(dict.fromkeys(pages)),
                mails=[f"/mailbox/{mail.id}/html" for mail in mails],
            )


@pytest.mark.parametrize("look", LIGHT_AND_DARK.values(), ids=LIGHT_AND_DARK)
def test_pages_are_accessible_and_fit(browser: Browser, server: Any, look: dict[str, Any]) -> None:
    context = browser.new_context(base_url=server.base, **look)
    page = context.new_page()
    for address in (*server.pages, *server.mails):
        page.goto(address)
        if address in server.pages:  # a mail is shown in a sandbox, where axe cannot run
            check_accessible(page)
        check_fits(page)
    context.close()


def test_words_begin_at_their_side(browser: Browser, server: Any) -> None:
    right = server.language == "ar"
    with visitor(browser, server, viewport={"width": 1280, "height": 800}) as page:
        page.goto("/")
        columns = [page.locator(each).bounding_box() for each in (".latest", ".side")]
        assert (columns[0]["x"] > columns[1]["x"]) == right  # type: ignore[index]
        foreign = page.get_by_role("article").filter(has_text="The Street They Rebuilt")
        expect(foreign).to_have_css("direction", "ltr")
        page.goto(next(each for each in server.pages if each.startswith("/digests/")))
        assert page.locator("input[type=email]").evaluate("field => getComputedStyle(field).direction") == "ltr"
        heading = page.locator("h1")
        expect(heading).to_have_css("direction", "rtl" if right else "ltr")
