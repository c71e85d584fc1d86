"""A publisher with a real web server and bad habits: feeds, a paged listing, an archive, and changes of mind."""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import feedparser
from flow.flow_site import DAY, HOUR, Site


@dataclass(slots=True)
class Story:
    """``token`` is a word that no other story has; it stays whatever else changes."""

    token: str
    title: str
    path: str
    guid: str
    date: datetime
    summary: str
    byline: str = "Ann Lee"
    category: str = "Ships"


@dataclass(slots=True)
class Hub:
    """A WebSub hub for the feed: verifies, then tells. ``leases``: callback -> (topic, secret)."""

    asked: list[dict[str, str]] = field(default_factory=list)
    leases: dict[str, tuple[str, str]] = field(default_factory=dict)

    def subscribe(self, form: dict[str, str]) -> None:
        self.asked.append(form)
        callback, topic = form["hub.callback"], form["hub.topic"]
        challenge = uuid4().hex
        query = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": challenge, "hub.lease_seconds": "864000"}
        with urlopen(f"{callback}?{urlencode(query)}", timeout=10) as answer:
            if answer.status == 200 and answer.read().decode() == challenge:
                self.leases[callback] = (topic, form["hub.secret"])

    def tell(self, body: bytes, secret: str | None = None) -> list[int]:
        """Distribute content; another secret makes a forgery."""
        statuses = []
        for callback, (topic, known) in self.leases.items():
            signature = hmac.new((secret or known).encode(), body, "sha256").hexdigest()
            headers = {"X-Hub-Signature": f"sha256={signature}", "Link": f'<{topic}>; rel="self"'}
            with urlopen(Request(callback, body, headers), timeout=10) as answer:
                statuses.append(answer.status)
        return statuses


@dataclass(slots=True)
class Publisher:
    """``feed`` and ``wire`` are two feeds, ``listing`` a page without dates or ids; newest first.

    ``answers`` may hold a status for a path, with headers, ``bodies`` a feed; ``password`` is the Authorization that
    is wanted; ``told`` are the Authorizations it got, ``visits`` counts the answers by path and status.
    """

    now: datetime
    feed: list[Story] = field(default_factory=list)
    wire: list[Story] = field(default_factory=list)
    listing: list[Story] = field(default_factory=list)
    feed_size: int = 10
    page_size: int = 4
    scheme: str = "https"
    tracking: str = ""
    paged: bool = True
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    visits: list[tuple[str, int]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    password: str = ""
    lies: bool = False
    hub: Hub | None = None
    port: int = 0

    def link(self, story: Story) -> str:
        return f"{self.scheme}://magazine.example{story.path}{self.tracking}"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def body(self, target: str) -> tuple[str, bytes] | None:
        parts = urlsplit(target)
        if target in self.bodies:
            return "application/atom+xml", self.bodies[target]
        number = int((parse_qs(parts.query).get("paged") or parse_qs(parts.query).get("page") or ["1"])[0])
        if number > 1 and parts.path == "/feed/" and not self.paged:
            number = 1  # as servers do that know no such parameter
        if parts.path in ("/feed/", "/wire/"):
            stories = self.feed if parts.path == "/feed/" else self.wire
            page = stories[(number - 1) * self.feed_size : number * self.feed_size]
            return ("application/rss+xml", self.rss(page).encode()) if page or number == 1 else None
        if parts.path == "/ships":
            return "text/html; charset=utf-8", self.page(number).encode()
        return None

    def rss(self, stories: list[Story]) -> str:
        items = "".join(
            f"<item><title>{escape(s.title)}</title><link>{escape(self.link(s))}</link>"
            f'<guid isPermaLink="false">{escape(s.guid)}</guid><pubDate>{format_datetime(s.date)}</pubDate>'
            f"<dc:creator>{s.byline}</dc:creator><category>{s.category}</category>"
            f"<description>{escape(s.summary)} {s.token}</description></item>"
            for s in stories
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<channel><title>The Quay</title><link>https://magazine.example/</link><description>News</description>"
            f"<generator>https://wordpress.org/?v=6.9</generator>{items}</channel></rss>"
        )

    def page(self, number: int) -> str:
        last = max(1, -(-len(self.listing) // self.page_size))
        stories = self.listing[(number - 1) * self.page_size : number * self.page_size]
        blocks = "".join(
            f"<h2>{escape(s.title)}</h2><p>By {s.byline}</p><p>{escape(s.summary)} {s.token}</p>" for s in stories
        )
        further = f'<a rel="next" href="/ships?page={number + 1}">Next</a>' if number < last else ""
        return (
            "<!doctype html><html lang=en><title>Harbour life</title><main><h1>Harbour life</h1>"
            f"{blocks}<p>Page {number} of {last}</p>{further}</main></html>"
        )

    @contextmanager
    def running(self) -> Iterator[Publisher]:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                publisher.told.append(self.headers.get("Authorization", ""))
                if publisher.password and self.headers.get("Authorization") != publisher.password:
                    status, headers, body = 401, {}, b"who are you?"
                else:
                    status, headers, body = publisher.answer(self.path, self.headers.get("If-None-Match", ""))
                publisher.visits.append((self.path, status))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 304:
                    self.wfile.write(body)

            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                hub = publisher.hub
                self.send_response(404 if hub is None else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if hub is not None:
                    threading.Thread(target=hub.subscribe, args=(form,), daemon=True).start()

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

    def answer(self, target: str, known: str) -> tuple[int, dict[str, str], bytes]:
        if target in self.answers:
            status, headers = self.answers[target]
            return status, headers, b"as told"
        found = self.body(target)
        if found is None:
            return 404, {}, b"nothing here"
        kind, body = found
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if known == etag or (known and self.lies):
            return 304, {"ETag": etag}, b""
        headers = {"Content-Type": kind, "ETag": etag}
        if self.hub is not None:
            headers["Link"] = f'<{self.url("/hub")}>; rel="hub", <{self.url(target)}>; rel="self"'
        return 200, headers, body


READERS = "email\nann@example.org\nben@example.org\n"
DIGEST = """
cadences = ["daily"]
hour = "07:00"
maximum = 200
[fetch]
allow = ["127.0.0.1"]
[[sources]]
slug = "magazine"
kind = "feed"
location = "{feed}"
first_contact = "{first}"
[[sources]]
slug = "wire"
kind = "feed"
location = "{wire}"
topics = ["From the wire"]
first_contact = "{first}"
[[sources]]
slug = "listing"
kind = "page"
location = "{listing}"
first_contact = "{first}"
"""
_WORDS = (
    "heron ferry crane buoy sail rope tide quay mast hull deck wharf gull lamp anchor cable harbour pilot cargo stern"
    " barge canal lock bridge marsh reed salt wind storm fog bell watch chart compass knot fathom league reef shoal"
)


class Newsroom:
    """Writes stories nobody could mix up."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.written: list[Story] = []
        self.dice = random.Random(7)

    def write(self, title: str = "", *, listed: bool = False, date: datetime | None = None) -> Story:
        number = len(self.written)
        words = self.dice.sample(_WORDS.split(), 12)
        story = Story(
            token=f"token{number:03}x",
            title=title or f"{words[0].capitalize()} and {words[1]} number {number}",
            path=f"/2026/{'-'.join(words[:2])}-{number}/",
            guid=f"https://magazine.example/?p={number}",
            date=date or self.publisher.now,
            summary=f"The {' '.join(words[2:])}.",
        )
        self.written.append(story)
        (self.publisher.listing if listed else self.publisher.feed).insert(0, story)
        return story


def follow(site: Site, publisher: Publisher, first: str = "all") -> None:
    urls = {name: publisher.url(path) for name, path in (("feed", "/feed/"), ("wire", "/wire/"), ("listing", "/ships"))}
    site.configure(digest=DIGEST.format(first=first, **urls))


def day(site: Site, publisher: Publisher) -> None:
    """A day passes: everything is visited, published and mailed."""
    site.now = publisher.now = site.now + DAY
    site.tick()
    site.now += 3 * HOUR  # past the hour of the digest
    site.tick()
    site.now -= 3 * HOUR


def mailed(site: Site) -> dict[str, Counter[str]]:
    """How often each reader got each story."""
    counts: dict[str, Counter[str]] = {}
    for mail in site.mails():
        found = Counter(word.strip(".,") for word in mail.text.split() if word.startswith("token"))
        counts.setdefault(mail.to, Counter()).update(found)
    return counts


def in_feed(site: Site) -> Counter[str]:
    document = feedparser.parse(site.feed("all.atom").read_bytes())
    assert not document.bozo
    assert len({entry.id for entry in document.entries}) == len(document.entries)
    return Counter(word for entry in document.entries for word in entry.summary.split() if word.startswith("token"))


def once(stories: list[Story]) -> Counter[str]:
    return Counter(story.token for story in stories)
