"""What strangers may send us, from a real server to feeds, pages and mail: refused, capped or shown as it is."""

from __future__ import annotations

import asyncio
import resource
import time
import zlib
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from xml.etree import ElementTree

import feedparser
import pytest
from flow.flow_site import DAY, HOUR, MONDAY, Site

from feed_publisher.services.absorbing import PickupReport

MEGABYTE = 1_000_000
READERS = "email\nann@example.org\n"
HOSTILE_TEXTS = [
    "{{7*7}}",
    "{% for x in range(9) %}x{% endfor %}",
    "{{''.__class__.__mro__}}",
    "<script>alert(1)</script>",
    "'; DROP TABLE entry; --",
    '" onmouseover="alert(1)',
    "Robert'); DELETE FROM subscription WHERE ('1'='1",
    "a\r\nBcc: x@example.org",
    "=?utf-8?q?a=0D=0ABcc:_x@example.org?=",
    "one\u2028two\u202ethree",
    "\x00\x1b[31mred",
    "$(touch /tmp/owned) `id` %s %n {0}",
    "x" * 5000,
]
HOSTILE_HTML = [
    "<script>alert(1)</script><p>after</p>",
    '<img src=x onerror=alert(1)><a href="javascript:alert(1)">click</a>',
    '<svg/onload=alert(1)><math><mi xlink:href="data:text/html,x">',
    '<iframe src="https://evil.example/"></iframe><form action="https://evil.example/"><input></form>',
    '<style>body{display:none}</style><p style="position:fixed">styled</p>',
    '<img src="https://stats.evil.example/pixel.gif" width="1" height="1"><p>tracked</p>',
    '<a href="https://evil.example/\r\nX: y">split</a><a href="//evil.example/x">relative</a>',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "{{7*7}}{% raw %}",
]
HOSTILE_TOPICS = [
    "../../etc/passwd",
    "/etc/x",
    "%2e%2e%2f",
    "CON",
    "t" * 300,
    "\u202egnp.exe",
    "a\x00b",
    "..",
    "<b>Ships</b>",
]


def rss(items: str, more: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{more}<rss version="2.0" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>T</title>'
        f"<link>https://mag.example/</link><description>D</description>{items}</channel></rss>"
    ).encode()


def item(number: int, title: str, html: str = "", topic: str = "Ships") -> str:
    def cdata(text: str) -> str:
        return escape("".join(c for c in text if c >= " " or c in "\r\n\t"))

    return (
        f"<item><title>{cdata(title)}</title><guid>g-{number}</guid><link>https://mag.example/{number}</link>"
        f"<category>{cdata(topic)}</category><description>Summary {number}. {cdata(title)}</description>"
        f"<content:encoded>{cdata(html)}</content:encoded></item>"
    )


def declared(doctype: str, reference: str) -> bytes:
    return rss(item(2, "Title"), f"<!DOCTYPE rss [{doctype}]>").replace(b">Title<", f">{reference}<".encode())


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * MEGABYTE
    return b"".join(packer.compress(block) for _ in range(size // MEGABYTE)) + packer.flush()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENTS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "good": (200, {}, rss(item(1, "The good one"))),
    "laughs": (200, {}, declared(f'<!ENTITY l0 "lol">{LAUGHS}', "&l9;")),
    "quadratic": (200, {}, declared(f'<!ENTITY a "{"a" * 60_000}">', "&a;" * 1000)),
    "file": (200, {}, declared('<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;")),
    "gzip-bomb": (200, {"Content-Encoding": "gzip"}, bomb(300 * MEGABYTE)),
    "large-entry": (200, {}, rss(item(5, "Large", "<p>word</p>" * 150_000))),
    "nested": (200, {}, rss(item(6, "Nested", "<div>" * 30_000))),
    "many": (200, {}, rss("".join(f"<item><title>M{n}</title><guid>m{n}</guid></item>" for n in range(50_000)))),
    "page": (200, {"Content-Type": "text/html"}, b"<!doctype html><html><body><p>We moved.</p></body></html>"),
    "garbage": (200, {}, bytes(range(256)) * 4000),
    "empty": (200, {}, b""),
    "loop": (301, {"Location": "/loop"}, b""),
    "private": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
    "local": (302, {"Location": "file:///etc/passwd"}, b""),
    "other-port": (302, {"Location": "http://localhost:1/"}, b""),
}
REFUSED = set(DOCUMENTS) - {"good", "large-entry", "nested", "many"}


@pytest.fixture
def server() -> Iterator[str]:
    ended = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/")
            if name == "drip":  # a byte now and then, for ever
                self.send_response(200)
                self.end_headers()
                while not ended.wait(0.2):
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        return
                return
            status, headers, body = DOCUMENTS.get(name, (404, {}, b""))
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{http.server_port}"
    ended.set()
    http.shutdown()
    thread.join()
    http.server_close()


def site_with(tmp_path: Path, host: str, names: list[str], more: str = "") -> Site:
    blocks = [
        f'[[sources]]\nslug = "{name}"\nkind = "feed"\nlocation = "http://{host}/{name}"\nfirst_contact = "all"\n'
        for name in names
    ]
    site = Site(tmp_path / "site").make()
    site.configure(digest=f'{more}\n[fetch]\nallow = ["{host}"]\nper_host = 20\n' + "".join(blocks))
    return site


def peak() -> int:
    """Bytes this process has had at most; the children that parse are limited by themselves."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_no_monstrous_source_delays_or_harms_a_good_one(tmp_path: Path, server: str) -> None:
    site = site_with(tmp_path, server, [*DOCUMENTS, "drip"])
    before, arrived = peak(), 0.0
    began = time.monotonic()

    async def watched() -> PickupReport:
        nonlocal arrived
        with site.open() as app:
            pickup = asyncio.create_task(app.intake.pickup())
            while not arrived and not pickup.done():
                await asyncio.sleep(0.1)
                if any(entry.title == "The good one" for entry in await asyncio.to_thread(site.entries)):
                    arrived = time.monotonic() - began
            return await pickup

    report = asyncio.run(watched())
    took = time.monotonic() - began
    assert 0 < arrived < took / 2, "the good one waits for nobody"
    assert peak() - before < 300 * MEGABYTE
    problems = {problem.where.rpartition("/")[2]: problem.reason for problem in report.rejected}
    assert REFUSED | {"drip"} <= problems.keys()
    titles = {entry.title for entry in site.entries()}
    assert {"The good one", "Large", "Nested"} <= titles
    assert not any("root:" in entry.title + entry.summary for entry in site.entries())
    assert "private address" in problems["private"]
    assert "allow" in problems["private"]
    with site.open() as app:
        failing = {each.record.slug for each in app.intake.health() if each.status == "failing"}
    assert failing == REFUSED | {"drip"}


def test_hostile_text_is_only_text(tmp_path: Path, server: str) -> None:
    items = [item(n, f"T{n} {text}", HOSTILE_HTML[n % len(HOSTILE_HTML)]) for n, text in enumerate(HOSTILE_TEXTS)]
    items += [item(100 + n, f"Topic {n}", html="<p>x</p>", topic=topic) for n, topic in enumerate(HOSTILE_TOPICS)]
    DOCUMENTS["hostile"] = (200, {}, rss("".join(items)))
    site = site_with(tmp_path, server, ["hostile"], 'cadences = ["daily"]\nhour = "07:00"')
    site.join(READERS)
    before = site.sql("SELECT count(*) FROM subscription")
    outside = {path for path in tmp_path.rglob("*") if site.folder not in path.parents}
    site.now = MONDAY
    site.tick()
    site.now += DAY + 3 * HOUR
    site.tick()

    assert len(site.entries()) == len(items)
    assert site.sql("SELECT count(*) FROM subscription") == before
    assert {path for path in tmp_path.rglob("*") if site.folder not in path.parents} == outside
    slugs = [path.name for path in (site.folder / "public" / "feeds").iterdir()]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") and len(name) < 90 for name in slugs)

    feed = site.feed("all.atom").read_bytes()
    ElementTree.fromstring(feed)
    parsed = feedparser.parse(feed)
    assert not parsed.bozo
    titles = " ".join(entry.title for entry in parsed.entries)
    assert "{{7*7}}" in titles
    for raw in (feed.decode(), *(mail.html for mail in site.mails())):
        lowered = raw.lower()
        for poison in ("<script", "onerror=", "onload=", "javascript:alert", "<iframe", "<form action", "pixel.gif"):
            assert poison not in lowered, poison
    (mail,) = site.mails()
    assert "{{7*7}}" in mail.text
    assert "49" not in mail.subject
    assert b"\nBcc:" not in mail.raw.partition(b"\n\n")[0]
    assert "\x1b" not in mail.text


@pytest.mark.parametrize(
    "path", ["/?u=//evil.example", "/?next=https:evil.example", "/topics/..%2f..%2fetc", "/feeds/%00"]
)
def test_nothing_redirects_to_where_a_stranger_says(tmp_path: Path, path: str) -> None:
    from starlette.testclient import TestClient

    from feed_publisher.web.site import build

    site = Site(tmp_path / "site").make()
    with site.open() as app, TestClient(build(app), follow_redirects=False) as client:
        answer = client.get(path)
        assert answer.status_code in (200, 400, 404)
        assert "location" not in answer.headers
