"""WebSub from the publisher's side: hubs of others are told, our own hub serves a real subscriber over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from flow.flow_site import HOUR, Site
from starlette.testclient import TestClient

from feed_publisher.domain.websub import RETRIES
from feed_publisher.web.site import build

BASE = "http://127.0.0.1:8000"
TOPIC = f"{BASE}/feeds/ships.atom"


@dataclass(slots=True)
class Peer:
    """A subscriber and a hub of somebody else, by path; ``answers`` holds what it answers besides 200."""

    port: int = 0
    gets: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    says: str = "{challenge}"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            peer.gets.append((self.path, query))
            self.reply(peer.says.format(challenge=query.get("hub.challenge", "")).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            peer.posts.append((self.path, {n.lower(): v for n, v in self.headers.items()}, body))
            self.reply(b"")

        def reply(self, body: bytes) -> None:
            status = peer.answers.get(urlsplit(self.path).path, 200)
            self.send_response(status)
            if status // 100 == 3:
                self.send_header("Location", "/confirmed")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    peer.port = server.server_port
    yield peer
    server.shutdown()
    thread.join()
    server.server_close()


MORE = '[websub]\nhub = true\nhubs = ["{hub}"]\n[fetch]\nallow = ["127.0.0.1"]\n'


@pytest.fixture
def site(tmp_path: Path, peer: Peer) -> Site:
    site = Site(tmp_path / "site").make()
    site.configure(digest=MORE.format(hub=peer.url("/others/hub")))
    publish(site, 1)
    step(site)
    peer.posts.clear()
    return site


def publish(site: Site, number: int) -> None:
    site.now += HOUR
    site.write(f"{number}.json", json.dumps([{"id": str(number), "title": f"Story {number}", "topics": ["Ships"]}]))
    site.pickup()


def step(site: Site) -> None:
    async def tell() -> None:
        async with app.intake.fetching() as client:
            await app.tell_hubs(client)

    with site.open() as app:
        asyncio.run(tell())


@contextmanager
def browsing(site: Site) -> Iterator[TestClient]:
    with site.open() as app, TestClient(build(app), follow_redirects=False) as client:
        yield client


def ask(site: Site, callback: str, mode: str = "subscribe", topic: str = TOPIC, **more: str) -> int:
    form = {"hub.mode": mode, "hub.topic": topic, "hub.callback": callback}
    with browsing(site) as client:
        return client.post("/hub", data=form | {f"hub.{name}": value for name, value in more.items()}).status_code


def subscribed(site: Site) -> int:
    return int(site.sql("SELECT count(*) FROM hub_subscription WHERE until IS NOT NULL")[0][0])


def got(peer: Peer, path: str) -> list[tuple[dict[str, str], bytes]]:
    return [(headers, body) for asked, headers, body in peer.posts if asked == path]


# --- hubs of others


def test_a_hub_is_told_of_each_changed_feed_and_only_then(site: Site, peer: Peer) -> None:
    publish(site, 2)
    step(site)
    forms = [parse_qs(body.decode()) for _, body in got(peer, "/others/hub")]
    assert {form["hub.mode"][0] for form in forms} == {"publish"}
    told = sorted(form["hub.topic"][0] for form in forms)
    assert told == sorted(
        f"{BASE}/feeds/{slug}.{kind}" for slug in ("all", "ships") for kind in ("atom", "rss", "json")
    )
    assert told == sorted(form["hub.url"][0] for form in forms)
    step(site)
    site.now += HOUR
    site.pickup()
    step(site)
    assert len(peer.posts) == len(told), "nothing has changed"


def test_changes_in_a_row_are_told_of_once(site: Site, peer: Peer) -> None:
    publish(site, 2)
    publish(site, 3)
    step(site)
    assert len(peer.posts) == 6


def test_archive_pages_are_no_topics(site: Site, peer: Peer) -> None:
    site.now += HOUR
    many = [{"id": f"m{n}", "title": f"M{n}", "topics": ["Ships"]} for n in range(80)]
    site.pickup(site.write("many.json", json.dumps(many)))  # named by hand: no storm
    assert site.feed("ships/1.atom").exists()
    step(site)
    assert len(peer.posts) == 6
    assert ask(site, peer.url("/s"), topic=f"{BASE}/feeds/ships/1.atom") == 400


def test_a_hub_that_fails_is_tried_again_and_then_told_of_the_next_change(site: Site, peer: Peer) -> None:
    peer.answers["/others/hub"] = 503
    publish(site, 2)
    step(site)
    assert len(peer.posts) == 6
    for wait in RETRIES:
        site.now += wait - timedelta(seconds=1)
        step(site)
        before = len(peer.posts)
        site.now += timedelta(seconds=1)
        step(site)
        assert len(peer.posts) == before + 6
    site.now += timedelta(hours=20)
    step(site)
    assert len(peer.posts) == 6 * (1 + len(RETRIES)), "given up"
    (notice,) = site.notices()
    assert "could not be told of news (it answers 503)" in notice
    peer.answers.clear()
    publish(site, 3)
    step(site)
    assert len(peer.posts) == 6 * (2 + len(RETRIES))


def test_a_site_on_this_machine_tells_no_hub_elsewhere(site: Site, peer: Peer) -> None:
    site.configure(digest='[websub]\nhubs = ["https://hub.example/"]\n')
    publish(site, 2)
    step(site)
    assert site.sql("SELECT count(*) FROM hub_ping WHERE hub = 'https://hub.example/'") == [(0,)]


# --- our own hub


def test_feeds_name_the_hubs(site: Site, peer: Peer) -> None:
    with browsing(site) as client:
        for kind in ("atom", "rss", "json"):
            answer = client.get(f"/feeds/ships.{kind}")
            for hub in (f"{BASE}/hub", peer.url("/others/hub")):
                assert f'<{hub}>; rel="hub"' in answer.headers["link"]
                assert hub in answer.text


def test_subscribe_receive_renew_unsubscribe(site: Site, peer: Peer) -> None:
    callback = peer.url("/s?keep=this&x=1")
    assert ask(site, callback, secret="first", lease_seconds="864000", unknown="ignored") == 202
    assert subscribed(site) == 0, "not before it is confirmed"
    step(site)
    (path, query) = peer.gets[0]
    assert path.startswith("/s?keep=this&x=1&hub.mode=subscribe")
    assert (query["hub.topic"], query["hub.lease_seconds"]) == (TOPIC, "864000")
    assert subscribed(site) == 1
    step(site)
    assert got(peer, "/s?keep=this&x=1") == [], "what it has read already"

    publish(site, 2)
    step(site)
    step(site)
    ((headers, body),) = got(peer, "/s?keep=this&x=1")
    assert body == site.feed("ships.atom").read_bytes()
    assert headers["content-type"] == "application/atom+xml"
    assert headers["link"] == f'<{BASE}/hub>; rel="hub", <{TOPIC}>; rel="self"'
    assert headers["x-hub-signature"] == "sha256=" + hmac.new(b"first", body, "sha256").hexdigest()

    assert ask(site, callback, secret="second") == 202
    step(site)
    assert len(peer.gets) == 2
    publish(site, 3)
    step(site)
    (_, (headers, body)) = got(peer, "/s?keep=this&x=1")
    assert headers["x-hub-signature"] == "sha256=" + hmac.new(b"second", body, hashlib.sha256).hexdigest()

    assert ask(site, callback, mode="unsubscribe") == 202
    assert subscribed(site) == 1, "not before it is confirmed"
    step(site)
    assert peer.gets[-1][1]["hub.mode"] == "unsubscribe"
    assert subscribed(site) == 0
    publish(site, 4)
    step(site)
    assert len(got(peer, "/s?keep=this&x=1")) == 2


def test_without_a_secret_there_is_no_signature(site: Site, peer: Peer) -> None:
    assert ask(site, peer.url("/s")) == 202
    step(site)
    publish(site, 2)
    step(site)
    ((headers, _),) = got(peer, "/s")
    assert "x-hub-signature" not in headers


@pytest.mark.parametrize(("status", "says"), [(200, "no"), (404, "{challenge}"), (302, "{challenge}"), (500, "")])
def test_what_the_callback_does_not_confirm_does_not_happen(site: Site, peer: Peer, status: int, says: str) -> None:
    assert ask(site, peer.url("/good"), secret="old") == 202
    step(site)
    peer.answers, peer.says = {"/s": status, "/good": status}, says
    assert ask(site, peer.url("/s")) == 202
    assert ask(site, peer.url("/good"), mode="unsubscribe") == 202
    step(site)
    assert "/confirmed" not in [path for path, _ in peer.gets], "redirects are not followed"
    assert subscribed(site) == 1
    assert site.sql("SELECT secret FROM hub_subscription") == [("old",)], "what was before stays"


@pytest.mark.parametrize(
    ("topic", "more"),
    [
        ("https://other.example/feeds/ships.atom", {}),
        (f"{BASE}/feeds/none.atom", {}),
        (f"{BASE}/feeds.opml", {}),
        (f"{BASE}/feeds/../publisher.toml", {}),
        (TOPIC, {"secret": "x" * 200}),
        (TOPIC, {"secret": "a\x00b"}),
        (TOPIC, {"callback": "ftp://127.0.0.1/"}),
        (TOPIC, {"callback": "http:///"}),
        (TOPIC, {"callback": "http://x.example/\r\nX: y"}),
        (TOPIC, {"callback": "http://x.example/" + "x" * 3000}),
        (TOPIC, {"mode": "publish"}),
    ],
)
def test_what_cannot_be_asked(site: Site, peer: Peer, topic: str, more: dict[str, str]) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": peer.url("/s")}
    form |= {f"hub.{name}": value for name, value in more.items()}
    with browsing(site) as client:
        answer = client.post("/hub", data=form)
    assert answer.status_code == 400
    assert answer.text.startswith("hub.")
    assert site.sql("SELECT count(*) FROM hub_subscription") == [(0,)]


def test_callbacks_in_the_private_network_are_not_called(site: Site, peer: Peer) -> None:
    site.configure(digest=site.digest.replace('allow = ["127.0.0.1"]', "allow = []"))
    assert ask(site, peer.url("/s")) == 202
    assert ask(site, "http://169.254.169.254/latest") == 202
    step(site)
    assert peer.gets == []
    assert site.sql("SELECT count(*) FROM hub_subscription") == [(0,)]


def test_a_dead_callback_is_tried_again_and_gone_ones_are_forgotten(site: Site, peer: Peer) -> None:
    for name in ("/dead", "/gone", "/well"):
        assert ask(site, peer.url(name)) == 202
    step(site)
    peer.answers = {"/dead": 500, "/gone": 410}
    publish(site, 2)
    step(site)
    assert [len(got(peer, name)) for name in ("/dead", "/gone", "/well")] == [1, 1, 1]
    assert subscribed(site) == 2, "410: it wants no more"
    site.now += RETRIES[0]
    peer.answers.clear()
    step(site)
    assert [len(got(peer, name)) for name in ("/dead", "/gone", "/well")] == [2, 1, 1]
    for _ in range(6):  # a callback that never answers costs no more than its retries for each change
        peer.answers = {"/dead": 500}
        publish(site, 3)
        site.now += HOUR * 3
        step(site)
    assert subscribed(site) == 2, "kept until its lease ends"


def test_a_lease_ends(site: Site, peer: Peer) -> None:
    assert ask(site, peer.url("/short"), lease_seconds="1") == 202
    assert ask(site, peer.url("/long"), lease_seconds="99999999999") == 202
    step(site)
    leases = {path.partition("?")[0]: query["hub.lease_seconds"] for path, query in peer.gets}
    assert leases == {"/short": "3600", "/long": "2592000"}
    publish(site, 2)
    site.now += timedelta(seconds=1)
    step(site)
    assert subscribed(site) == 1
    assert got(peer, "/short") == []
    assert len(got(peer, "/long")) == 1


def test_subscribers_of_a_feed_that_ends_are_told(site: Site, peer: Peer) -> None:
    block = '[[feeds]]\nslug = "water"\ntitle = "Water"\ntopics = ["ships"]\n'
    more = site.digest
    site.configure(digest=f"{more}{block}")
    site.pickup()
    assert ask(site, peer.url("/s"), topic=f"{BASE}/feeds/water.rss") == 202
    step(site)
    assert subscribed(site) == 1
    site.configure(digest=more)
    site.pickup()
    step(site)
    assert (peer.gets[-1][1]["hub.mode"], peer.gets[-1][1]["hub.topic"]) == ("denied", f"{BASE}/feeds/water.rss")
    assert site.sql("SELECT count(*) FROM hub_subscription") == [(0,)]


def test_one_host_has_not_all_the_room(site: Site, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed_publisher.adapters.database.store.hubs.PER_HOST", 2)
    assert [ask(site, peer.url(f"/{n}")) for n in range(3)] == [202, 202, 400]
    assert ask(site, "http://elsewhere.example/") == 202
    assert ask(site, peer.url("/0"), secret="again") == 202, "what is there may be renewed"


def test_the_hub_is_off_until_it_is_switched_on(site: Site, peer: Peer) -> None:
    site.configure(digest="")
    assert ask(site, peer.url("/s")) == 404
    publish(site, 2)
    with browsing(site) as client:
        assert "hub" not in client.get("/feeds/ships.atom").headers["link"]
