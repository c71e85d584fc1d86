"""Makes docs/pictures/: mails as chromium shows them, light, dark, on a phone, in Arabic, with pictures.

Run: make pictures (needs chromium; nothing leaves this computer).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Route, sync_playwright

from feed_publisher.adapters.templates import shipped
from feed_publisher.app import App
from feed_publisher.compose.digest import DigestView, IssueView, Line, render_edition, template_set
from feed_publisher.compose.message import Links, readable
from feed_publisher.domain.issue import Edition, Images
from feed_publisher.domain.model import Image, TopicRef
from feed_publisher.domain.selection import Choice, select
from feed_publisher.ports.people import Letter
from feed_publisher.wiring import site_view

TARGET = Path(__file__).with_name("pictures")
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
LINKS = Links(unsubscribe="https://harbour.example/unsubscribe/x", preferences="https://harbour.example/preferences/x")
LETTER = DigestView(title="The Quay Letter", url="https://harbour.example/digests/weekly")
LAMP = Image(
    url="https://pictures.harbour.example/lamp.svg", alt="The lighthouse at dusk", credit="Picture: Leonie Varga"
)
SEA = """<svg xmlns="http://www.w3.org/2000/svg" width="1040" height="520">
<path d="M0 0h1040v520H0z" fill="#c9d8dc"/><circle cx="760" cy="180" r="44" fill="#f4e3b5"/>
<path d="M0 330h1040v190H0z" fill="#3d6673"/><path d="M0 360q130-30 260 0t260 0 260 0 260 0v160H0z" fill="#2b4e5a"/>
<path d="M236 350l22-210h44l22 210z" fill="#f7f4ee"/><path d="M251 216h58l5 44h-68z" fill="#b4573f"/>
<path d="M252 116h56v24h-56zM244 140h72v10h-72z" fill="#31424a"/><path d="M250 116l30-26 30 26z" fill="#b4573f"/>
</svg>"""
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="200" height="80">
<circle cx="40" cy="40" r="36" fill="#0b5b70"/><path d="M34 62l4-36h6l4 36z" fill="#fff"/>
<text x="90" y="52" font-family="Georgia" font-size="34" fill="#17242b">Quay</text></svg>"""
ARABIC = (
    ("الميناء", "العبّارة الأخيرة قبل الجليد", "كل شتاء يقرر قبطان واحد متى تفقد الجزر طريقها إلى البر."),
    ("الميناء", "لماذا تحتفظ الموانئ الصغيرة بالخرائط الورقية", "الشاشات أسرع، لكن القلم لا يطلب تحديثا في الضباب."),
    ("المدن", "منارة رأس الريح", "تعمل المنارة وحدها منذ ثلاثين عاما، وما زال أحدهم يصعد كل مساء لينظر إليها."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    name: str
    html: str
    width: int = 680
    height: int = 900
    scheme: Literal["light", "dark"] = "light"


@contextmanager
def example() -> Iterator[App]:
    """The example site with its articles, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        shutil.copytree(shipped("example"), site)
        overrides = ("site.base_url=https://harbour.example", "site.logo=https://pictures.harbour.example/logo.svg")
        with App(site, overrides, clock=lambda: NOW) as app:
            asyncio.run(app.intake.pickup([str(site / "entries")]))
            yield app


def lines(app: App, count: int) -> list[Line]:
    """What a new reader would get, shorter."""
    editions = app.editions()
    stock = editions.stock(app.rules("weekly"), 0, app.issues.current_sequence())
    chosen = select(stock.candidates, Choice(everything=0), 0, stock.through)
    found = editions.lines(chosen, stock)
    lamp = [line for line in found if "Lamp" in line.entry.title]
    return [*lamp, *(line for line in found if line not in lamp)][:count]


def mail(app: App, digest: DigestView, shown: list[Line], language: str = "en") -> Edition:
    return render_edition(
        template_set(app.templates),
        site_view(app.settings),
        digest,
        IssueView(number=12, date=NOW, web_url="https://harbour.example/issues/weekly/12"),
        shown,
        language=language,
        maximum=50,
        nonce="0" * 32,
        topic_url="https://harbour.example/topics/",
    )


def seen(edition: Edition) -> str:
    return readable(edition.html, edition.nonce, LINKS)


def html_of(message: bytes) -> str:
    parts = [part for part in message_from_bytes(message).walk() if part.get_content_type() == "text/html"]
    return bytes(parts[0].get_payload(decode=True)).decode()


def arabic(shown: list[Line]) -> list[Line]:
    made = []
    for line, (topic, title, summary) in zip(shown, ARABIC, strict=False):
        entry = replace(line.entry, title=title, summary=summary, authors=("ليلى حداد",), language="ar")
        made.append(replace(line, entry=entry, topic=TopicRef(slug=line.topic.slug, title=topic)))
    return made


def shots(app: App) -> Iterator[Shot]:
    plain = seen(mail(app, LETTER, lines(app, 6)))
    yield Shot(name="light", html=plain)
    yield Shot(name="dark", html=plain, scheme="dark")
    yield Shot(name="phone", html=plain, width=390, height=780)
    yield Shot(name="arabic", html=seen(mail(app, replace(LETTER, title="رسالة الرصيف"), arabic(lines(app, 3)), "ar")))
    letter = Letter(subscription=1, request=1, kind="confirm", address="reader@harbour.example", digest="weekly")
    yield Shot(name="letter", html=html_of(app.letters().compose(letter, NOW).message), height=620)
    first, *others = lines(app, 3)
    pictured = [replace(first, entry=replace(first.entry, image=LAMP)), *others]
    told = replace(LETTER, images=Images.LEAD, footer="Write to us: we read every letter.")
    yield Shot(name="pictures", html=seen(mail(app, told, pictured)), height=1300)


def take(browser: Browser, shot: Shot) -> None:
    page = browser.new_page(viewport={"width": shot.width, "height": shot.height}, color_scheme=shot.scheme)
    page.route("**/*", answer)
    page.set_content(shot.html, wait_until="load")
    page.screenshot(path=str(TARGET / f"mail-{shot.name}.png"))
    page.close()


def answer(route: Route) -> None:
    """Pictures come from here, nothing else is fetched."""
    drawn = {"lamp.svg": SEA, "logo.svg": LOGO}.get(route.request.url.rpartition("/")[2])
    if drawn is None:
        route.abort()
    else:
        route.fulfill(body=drawn, content_type="image/svg+xml")


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    with example() as app, sync_playwright() as playwright:
        if "--text" in sys.argv:
            print(mail(app, LETTER, lines(app, 6)).text)  # noqa: T201
            return
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        for shot in shots(app):
            take(browser, shot)
        browser.close()


if __name__ == "__main__":
    main()
