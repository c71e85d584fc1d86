"""A site that is a WebSub hub behind a real web server, a subscriber that is one too, and a hub elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

import uvicorn
from flow.flow_site import Site, listing

from feed_publisher.app import App
from feed_publisher.web.site import build

TOML = """
archive = false
[fetch]
allow = ["127.0.0.1"]
[websub]
{websub}
"""
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Got:
    """A POST as it arrived; header names are lower case."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass(slots=True)
class Listener:
    """A web server of somebody else. ``asked`` are the queries of its GETs, ``got`` its POSTs.

    ``answer`` says what a GET of a path and a query is answered, ``statuses`` what POSTs to a path are: one each, the
    last stays; others are 202. ``held``: POSTs wait for it.
    """

    answer: Callable[[str, dict[str, str]], Answer]
    statuses: dict[str, list[int]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    port: int = 0

    def url(self, target: str = "/in") -> str:
        return f"http://127.0.0.1:{self.port}{target}"

    def take(self) -> list[Got]:
        """What was posted since the last call."""
        got, self.got = self.got, []
        return got

    def modes(self) -> list[str]:
        """Of what was asked since the last call."""
        asked, self.asked = self.asked, []
        return [query["hub.mode"] for _, query in asked]

    def status(self, path: str) -> int:
        left = self.statuses.get(path, [202])
        return left.pop(0) if len(left) > 1 else left[0]

    @contextmanager
    def running(self) -> Iterator[Listener]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                listener.asked.append((self.path, query))
                self._say(*listener.answer(parts.path, query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.got.append(Got(self.path, headers, body))
                status = listener.status(urlsplit(self.path).path)
                self._say(status, {"Location": "/elsewhere"} if 300 <= status < 400 else {}, b"")

            def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def confirms(path: str, query: dict[str, str]) -> Answer:
    """As a subscriber does; some paths have bad habits."""
    challenge = query.get("hub.challenge", "").encode()
    if path == "/wrong":
        return 200, {}, b"another " + challenge
    if path == "/longer":
        return 200, {}, challenge + b"\n"
    if path == "/refuses":
        return 404, {}, challenge
    if path == "/broken":
        return 500, {}, challenge
    if path == "/redirects":
        return 302, {"Location": f"/in?{urlencode(query)}"}, challenge
    return 200, {}, challenge


def is_signed(got: Got, secret: str) -> bool:
    expected = hmac.new(secret.encode(), got.body, hashlib.sha256).hexdigest()
    return got.headers.get("x-hub-signature") == f"sha256={expected}"


@dataclass(slots=True)
class Press:
    """The site, opened and served below the path /quay; ``site.now`` is its clock."""

    site: Site
    app: App
    base: str
    _articles: int = 0

    def publish(self, topic: str = "Ships") -> list[str]:
        """One more article; the feed files written."""
        self._articles += 1
        self.site.write(f"{self._articles}.txt", listing(topic, [self._articles]))
        asyncio.run(self.app.intake.pickup())
        report = self.app.publish()
        assert report.problems == []
        return report.written

    def tell(self) -> None:
        """All that hubs and subscribers are to be told now."""
        asyncio.run(self.app.tell_hubs())

    def topic(self, name: str = "all.atom") -> str:
        return f"{self.base}/feeds/{name}"

    def ask(self, callback: str, topic: str | None = None, **form: str) -> tuple[int, str]:
        """Subscribe, unless ``mode`` says otherwise; status and words of the answer."""
        fields = {"mode": "subscribe", "topic": topic or self.topic(), "callback": callback} | form
        body = urlencode({f"hub.{name}": value for name, value in fields.items()}).encode()
        try:
            with urlopen(Request(f"{self.base}/hub", body), timeout=20) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def subscribe(self, callback: str, topic: str | None = None, **form: str) -> None:
        """Ask, and be asked."""
        assert self.ask(callback, topic, **form)[0] == 202
        self.tell()

    def subscriptions(self) -> list[str]:
        return [row[0] for row in self.site.sql("SELECT callback FROM hub_subscription ORDER BY callback")]

    def feed(self, name: str = "all.atom") -> tuple[str, bytes]:
        """Content-Type and body, as readers get it."""
        with urlopen(self.topic(name), timeout=20) as answer:
            return answer.headers["Content-Type"], answer.read()

    @contextmanager
    def again(self, **changes: str) -> Iterator[Press]:
        """The same site opened by another process, with other settings perhaps."""
        overrides = tuple(f"{name.replace('__', '.')}={value}" for name, value in changes.items())
        with App(self.site.folder, overrides, clock=lambda: self.site.now) as app:
            yield Press(self.site, app, self.base, self._articles)


@contextmanager
def press(folder: Path, template: Path, websub: str) -> Iterator[Press]:
    """A site with one article, published."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/quay"
        site = Site(folder, site=f'base_url = "{base}"', digest=TOML.format(websub=websub)).make()
        (folder / "var").mkdir()
        shutil.copyfile(template, folder / "var" / "publisher.sqlite3")
        with site.open() as app, _served(app, listener):
            made = Press(site, app, base)
            made.publish()
            yield made


@contextmanager
def _served(app: App, listener: socket.socket) -> Iterator[None]:
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    config = uvicorn.Config(build(app), log_level="critical", access_log=False, lifespan="off")
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
