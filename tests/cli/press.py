"""A website to point the command line at, and the command line itself, run in this process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from feed_publisher.cli.main import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(folder: Path, *words: object) -> Done:
    """``feed-publisher --site FOLDER WORDS``, with nobody there to answer."""
    before, stdin, code = sys.argv, sys.stdin, 0
    out, err = io.StringIO(), io.StringIO()
    sys.argv, sys.stdin = ["feed-publisher", "--site", str(folder), *map(str, words)], io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv, sys.stdin = before, stdin
    return Done(code, out.getvalue(), err.getvalue())


def error_of(done: Done, code: int = 1) -> str:
    """The one line that says why, whatever progress was told before it."""
    lines = done.err.splitlines()
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:], done
    return lines[-1]


@dataclass
class Website:
    """``pages``: path -> (content type, body); a status in place of them, or where to be sent on. ``asked``: paths."""

    pages: dict[str, tuple[str, str | bytes] | int | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def website() -> Iterator[Website]:
    site = Website()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            page = site.pages.get(self.path, 404)
            if isinstance(page, tuple):
                kind, body = page
                data = body if isinstance(body, bytes) else body.replace("{base}", site.url("")).encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.send_response(302 if isinstance(page, str) else page)
            if isinstance(page, str):
                self.send_header("Location", page)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    site.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rss(count: int = 3, title: str = "Quay &amp; Harbour", start: int = 1) -> tuple[str, str]:
    items = "".join(
        f"<item><title>Ship {number}</title><link>{{base}}/ships/{number}</link>"
        f"<description>What the pilots saw on day {number}.</description><category>Ships</category>"
        f"<pubDate>Mon, {number:02} Nov 2025 10:00:00 GMT</pubDate></item>"
        for number in range(start, start + count)
    )
    return "application/rss+xml", (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title><link>{{base}}/</link>'
        f"<description>x</description><language>en-gb</language>{items}</channel></rss>"
    )


def page(start: int = 1, count: int = 6, head: str = "", foot: str = "") -> tuple[str, str]:
    cards = "".join(
        f'<article><h2><a href="/lights/{number}">The light at cape {number}</a></h2>'
        f'<p class="byline">By Ben Lo</p><time datetime="2025-10-{number:02}">{number} October 2025</time>'
        f"<p>How the keepers of cape number {number} came through the winter storms.</p></article>"
        for number in range(start, start + count)
    )
    return "text/html; charset=utf-8", (
        f'<html lang="en"><head><title>Lights</title>{head}</head><body><main>{cards}</main>{foot}</body></html>'
    )


ADVERTISED = '<link rel="alternate" type="application/rss+xml" href="/feed.xml">'
LISTING = (
    "Fishing rights\n\nThe Last Herring\nBy Ann Po\nOn quotas, and those who live by them.\n\n"
    "Nets and Laws\nBy Ben Lo\nThe new rules, explained.\nPage 1 of 2"
)
