"""Makes docs/picture.png: the example's digest mail beside its topic page, as chromium shows them.

Run: make picture (needs chromium; nothing leaves this computer).
"""

from __future__ import annotations

import base64
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

TARGET = Path(__file__).with_name("picture.png")
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]

FRAME = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; width: 1600px; height: 900px; background: #dfe7e9; overflow: hidden; }
figure { position: absolute; margin: 0; overflow: hidden; background: #fff; border-radius: 10px;
  box-shadow: 0 1px 2px #17242b26, 0 18px 44px -12px #17242b40; }
figure::before { content: "● ● ●"; display: block; height: 34px; padding-left: 16px; background: #f4f6f6;
  border-bottom: 1px solid #d8dfe2; color: #c3cdd1; font: 11px/34px sans-serif; letter-spacing: 2px; }
img { display: block; width: 100%%; }
.mail { left: 64px; top: 56px; width: 480px; height: 1000px; }
.page { left: 600px; top: 56px; width: 936px; height: 1000px; }
</style>
<figure class="mail"><img alt="" src="data:image/png;base64,%s"></figure>
<figure class="page"><img alt="" src="data:image/png;base64,%s"></figure>
"""


def free_port() -> int:
    """8000, as in the README, unless it is taken."""
    for wanted in (8000, 0):
        try:
            with socket.create_server(("127.0.0.1", wanted)) as free:
                return int(free.getsockname()[1])
        except OSError:
            continue
    raise SystemExit("no port is free")


@contextmanager
def example() -> Iterator[tuple[str, str]]:
    """The example site, running in a temporary folder: addresses of a mail and of a topic page."""
    port = str(free_port())
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "feed_publisher", "--site", folder, "demo", "--port", port]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = running.stdout.readline() if running.stdout else ""
                if not line:
                    raise SystemExit("the example did not start; `make run` says why")
                said += line
            mail, topic = (re.findall(rf"http\S+/{kind}/\S+", said)[0] for kind in ("mailbox", "topics"))
            yield f"{mail}/html", topic
        finally:
            running.send_signal(signal.SIGINT)
            running.wait()


def shot(browser: Browser, address: str, width: int, height: int, sharpness: float) -> str:
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=sharpness)
    page.goto(address)
    return base64.b64encode(page.screenshot()).decode()


def main() -> None:
    with sync_playwright() as playwright, example() as (mail, topic):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        mail_shot = shot(browser, mail, 480, 900, 1)
        topic_shot = shot(browser, topic, 1080, 960, 936 / 1080)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_content(FRAME % (mail_shot, topic_shot))
        page.screenshot(path=str(TARGET))
        browser.close()


if __name__ == "__main__":
    main()
