"""A reader's whole way through the example site in a real browser, and the example's own promises."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from looking import SCREENS, check_fits, check_readable, visitor
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


class Demo:
    """`feed-publisher demo` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.folder = folder
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = start(folder, self.port)
        self.said = ""
        while "Ctrl-C stops" not in self.said:
            line = self.process.stdout.readline() if self.process.stdout else ""
            assert line, self.process.communicate()[1]
            self.said += line

    def interrupt(self) -> tuple[int, str, float]:
        """Ctrl-C: exit code, what it still said, and seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=30)
        return self.process.returncode, out + errors, time.monotonic() - began


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "feed_publisher", "--site", str(folder), "demo", "--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(folder: Path) -> Iterator[Demo]:
    demo = Demo(folder)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.communicate()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_from_the_front_page_to_leaving_again(browser: Browser, demo: Demo, script: bool) -> None:
    address = f"visitor-{script}@example.org".lower()
    with visitor(browser, demo, java_script_enabled=script) as page:
        page.goto("/")
        page.get_by_role("navigation", name="Topics").get_by_role("link", name="Coastal shipping").click()
        follow = page.get_by_role("region", name="Follow this topic")
        expect(follow.get_by_label("Address of this topic’s feed")).to_have_value(
            f"{demo.base}/feeds/coastal-shipping.atom"
        )
        assert page.request.get(follow.get_by_role("link", name="Atom").get_attribute("href") or "").ok

        follow.get_by_role("link", name="The Quay Letter", exact=True).click()
        page.get_by_label("Your mail address").fill(address)
        page.get_by_label("Every day").check()
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
        expect(page.get_by_text(address)).to_be_visible()

        open_letter(page, address)
        link = page.locator("pre a[href*='/confirm/']").get_attribute("href")
        inside = page.frame_locator("iframe.mail-frame")
        assert link
        expect(inside.get_by_role("link", name="Confirm the subscription")).to_have_attribute("href", link)
        with page.context.expect_page() as opened:
            inside.get_by_role("link", name="Confirm the subscription").click()
        confirm = opened.value
        confirm.get_by_role("button", name="Yes, subscribe me").click()
        expect(confirm.get_by_role("heading", level=1)).to_have_text("You are subscribed")

        confirm.goto("/mailbox")
        confirm.get_by_role("link", name="and 17 more").nth(int(script)).click()  # each run another reader
        issue = confirm.frame_locator("iframe.mail-frame")
        expect(issue.get_by_role("heading", name="The Last Ferry Before the Ice")).to_be_visible()
        with confirm.context.expect_page() as opened:
            issue.get_by_role("link", name="Unsubscribe", exact=True).click()
        leave = opened.value
        leave.get_by_role("button", name="Unsubscribe").click()
        expect(leave.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")


def open_letter(page: Page, address: str) -> None:
    """Go to the mailbox until the letter is there: the sender looks every second."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        page.goto("/mailbox")
        line = page.get_by_role("listitem").filter(has_text=address)
        if line.count():
            line.get_by_role("link").first.click()
            return
    raise AssertionError("no letter came")


def all_pages(page: Page, demo: Demo) -> list[str]:
    """An address of each kind."""
    page.goto("/")
    article = page.locator("a[href*='/entries/']").first.get_attribute("href") or ""
    page.goto("/mailbox")
    mail = page.locator("a[href*='/mailbox/']").last.get_attribute("href") or ""
    page.goto(mail)
    leave = page.locator("pre a[href*='/unsubscribe/']").first.get_attribute("href") or ""
    return ["/", "/topics/coastal-shipping", article, "/digests/weekly", "/mailbox", mail, f"{mail}/html", leave]


@pytest.mark.parametrize("look", SCREENS.values(), ids=SCREENS)
def test_every_page_fits_and_can_be_read(browser: Browser, demo: Demo, look: dict[str, Any]) -> None:
    with visitor(browser, demo, **look) as page:
        for address in all_pages(page, demo):
            answer = page.goto(address)
            assert answer is not None
            assert answer.ok, address
            check_fits(page)
            if not address.endswith("/html"):
                check_readable(page)


def test_the_keyboard_is_enough_to_subscribe(browser: Browser, demo: Demo) -> None:
    with visitor(browser, demo) as page:
        page.goto("/digests/weekly")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("keyboard@example.org")
        page.keyboard.press("Enter")
        page.wait_for_url("**/digests/weekly")
        page.get_by_role("heading", name="Look into your mailbox").wait_for()


def test_a_text_file_put_into_the_folder_appears_within_three_seconds(demo: Demo) -> None:
    file = demo.folder / "entries" / "new.txt"
    file.write_text("Coastal shipping\n\nA Whale in the Fairway\nBy Ingrid Solvane\nShe left with the tide.\n")
    deadline = time.monotonic() + 3

    for address in ("/topics/coastal-shipping", "/feeds/coastal-shipping.atom", "/feeds/all.json"):
        while "A Whale in the Fairway" not in read(demo.base + address):
            assert time.monotonic() < deadline, f"not on {address} after three seconds"


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_ctrl_c_ends_it_at_once_and_it_starts_again_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path / "site") as demo:
        newest = re.findall(r"/mailbox/(\S+)", demo.said)[0]
        taken = start(tmp_path / "other", demo.port)
        out, errors = taken.communicate(timeout=30)
        assert (taken.returncode, out) == (1, "")
        assert errors.count("\n") == 1
        assert errors.startswith(f"error: cannot listen on 127.0.0.1:{demo.port}")
        assert not (tmp_path / "other").exists()

        code, said, seconds = demo.interrupt()
        assert (code, "Traceback" in said) == (0, False)
        assert seconds < 5

    with running(tmp_path / "site") as again:
        assert newest in again.said
        assert "nothing new since" in again.said
        assert again.interrupt()[0] == 0
