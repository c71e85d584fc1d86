"""Our own WebSub hub, asked over HTTP by a subscriber with a web server of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from flow.flow_site import DAY, HOUR
from flow.websub_world import Answer, Listener, Press, confirms, is_signed, press

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Press]:
    with press(tmp_path / "site", sqlite_template, "hub = true") as made:
        yield made


@pytest.fixture
def reader() -> Iterator[Listener]:
    with Listener(confirms).running() as listener:
        yield listener


def test_the_life_of_a_subscription(site: Press, reader: Listener) -> None:
    callback = reader.url("/in?id=7&x=%2F")
    assert site.ask(callback, secret="s3cret", unknown="ignored") == (
        202,
        "Noted; your callback is asked in a moment.\n",
    )
    assert site.subscriptions() == []
    site.tell()
    (target, query) = reader.asked.pop()
    assert target.startswith("/in?id=7&x=%2F&hub.mode=subscribe&")
    assert query.pop("hub.challenge")
    assert query == {
        "id": "7",
        "x": "/",
        "hub.mode": "subscribe",
        "hub.topic": site.topic(),
        "hub.lease_seconds": "864000",
    }
    assert site.subscriptions() == [callback]
    assert reader.got == [], "nothing has changed"

    site.publish()
    site.tell()
    site.tell()
    (got,) = reader.take()
    assert (got.headers["content-type"], got.body) == site.feed()
    assert got.target == "/in?id=7&x=%2F"
    assert got.headers["link"] == f'<{site.base}/hub>; rel="hub", <{site.topic()}>; rel="self"'
    assert is_signed(got, "s3cret")

    site.subscribe(callback, secret="another")
    site.publish()
    site.tell()
    (renewed,) = reader.take()
    assert is_signed(renewed, "another")

    site.subscribe(callback, mode="unsubscribe")
    assert reader.modes() == ["subscribe", "unsubscribe"]
    assert site.subscriptions() == []
    site.publish()
    site.tell()
    assert reader.got == []


def test_every_challenge_is_another(site: Press, reader: Listener) -> None:
    for _ in range(3):
        site.subscribe(reader.url())
    assert len({query["hub.challenge"] for _, query in reader.asked}) == 3


@pytest.mark.parametrize("format", ["atom", "rss", "json"])
def test_a_delivery_is_what_the_feed_is(site: Press, reader: Listener, format: str) -> None:
    site.subscribe(reader.url(), site.topic(f"all.{format}"))
    site.publish()
    site.tell()
    (got,) = reader.take()
    assert (got.headers["content-type"], got.body) == site.feed(f"all.{format}")
    assert "x-hub-signature" not in got.headers, "no secret was given"


def test_only_the_feed_that_changed_is_delivered(site: Press, reader: Listener) -> None:
    site.publish("Towns")
    site.subscribe(reader.url("/ships"), site.topic("ships.atom"))
    site.subscribe(reader.url("/towns"), site.topic("towns.atom"))
    site.publish("Towns")
    site.tell()
    assert [got.target for got in reader.take()] == ["/towns"]


@pytest.mark.parametrize("path", ["/wrong", "/longer", "/refuses", "/broken", "/redirects"])
def test_without_the_challenge_nothing_changes(site: Press, reader: Listener, path: str) -> None:
    site.subscribe(reader.url(path))
    assert [target.partition("?")[0] for target, _ in reader.asked] == [path], "asked once, and not elsewhere"
    assert site.subscriptions() == []
    site.publish()
    site.tell()
    assert reader.got == []


def test_a_subscription_stays_when_its_change_is_not_confirmed(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url(), secret="s3cret")
    reader.answer = lambda path, query: (404, {}, query["hub.challenge"].encode())
    site.subscribe(reader.url(), mode="unsubscribe")
    site.subscribe(reader.url(), secret="forged")
    site.publish()
    site.tell()
    (got,) = reader.take()
    assert is_signed(got, "s3cret")


@pytest.mark.parametrize("status", [201, 202])
def test_any_success_with_the_challenge_confirms(site: Press, reader: Listener, status: int) -> None:
    reader.answer = lambda path, query: (status, {}, query["hub.challenge"].encode())
    site.subscribe(reader.url("/in?"))
    assert site.subscriptions() == [reader.url("/in?")]
    assert reader.asked[0][0].startswith("/in?hub.mode=")


def test_a_stranger_who_asks_for_others_delays_no_delivery(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url())
    reader.answer = lambda path, query: (404, {}, b"it was not me")
    site.subscribe(reader.url(), mode="unsubscribe")
    site.publish()
    assert site.ask(reader.url(), secret="forged")[0] == 202
    asyncio.run(_distributed(site))
    assert len(reader.take()) == 1


async def _distributed(site: Press) -> None:
    async with site.app.calling() as caller:
        await site.app.own_hub().distribute(caller)


def test_what_changes_before_the_confirmation_is_delivered(site: Press, reader: Listener) -> None:
    assert site.ask(reader.url())[0] == 202
    site.publish()
    site.tell()
    assert [got.body for got in reader.take()] == [site.feed()[1]]


def test_who_renews_gets_what_has_not_arrived(site: Press, reader: Listener) -> None:
    reader.statuses["/in"] = [500, 202]
    site.subscribe(reader.url())
    site.publish()
    site.tell()
    site.subscribe(reader.url(), secret="new")
    failed, arrived = reader.take()
    assert failed.body == arrived.body
    assert is_signed(arrived, "new")


def test_the_later_of_two_requests_counts(site: Press, reader: Listener) -> None:
    def while_it_is_asked(path: str, query: dict[str, str]) -> Answer:
        reader.answer = confirms
        assert site.ask(reader.url(), secret="new")[0] == 202
        return confirms(path, query)

    reader.answer = while_it_is_asked
    site.subscribe(reader.url(), secret="old")
    assert len(reader.asked) == 2
    site.publish()
    site.tell()
    (got,) = reader.take()
    assert is_signed(got, "new")


def test_nobody_there_to_ask(site: Press, reader: Listener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert site.ask(f"http://127.0.0.1:{port}/in")[0] == 202
    assert site.ask(reader.url())[0] == 202
    site.tell()
    assert site.subscriptions() == [reader.url()]
    assert site.site.sql("SELECT count(*) FROM hub_request") == [(0,)]


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"topic": "https://other.example/feeds/all.atom"}, 404, "this hub has only the feeds of"),
        ({"topic": "{base}/feeds/none.atom"}, 404, "there is no feed"),
        ({"topic": "{base}/feeds/all/1.atom"}, 404, "this hub has only the feeds of"),
        ({"topic": "{base}/feeds.opml"}, 404, "this hub has only the feeds of"),
        ({"mode": "publish"}, 400, "hub.mode must be"),
        ({"mode": ""}, 400, "hub.mode must be"),
        ({"callback": "ftp://reader.example/"}, 400, "hub.callback must be"),
        ({"callback": "http://reader.example/" + "x" * 2048}, 400, "hub.callback must be"),
        ({"secret": "s" * 200}, 400, "hub.secret must be"),
        ({"lease_seconds": "soon"}, 400, "hub.lease_seconds must be"),
        ({"more": "x" * 30_000}, 413, "too large"),
    ],
)
def test_what_cannot_be_is_refused_at_once(site: Press, form: dict[str, str], status: int, words: str) -> None:
    form = {"callback": "http://reader.example/in"} | form
    form = {name: value.replace("{base}", site.base) for name, value in form.items()}
    site.site.sql(
        "INSERT INTO feed_file SELECT 'feeds/all/1.atom', feed_id, version, etag, last_modified FROM feed_file LIMIT 1"
    )
    answered, said = site.ask(**form)
    assert (answered, words in said) == (status, True), said
    assert site.site.sql("SELECT count(*) FROM hub_request") == [(0,)]


def test_only_a_post_asks_for_something(site: Press, reader: Listener) -> None:
    with pytest.raises(HTTPError, match="405"):
        urlopen(f"{site.base}/hub?hub.mode=subscribe&hub.topic={site.topic()}&hub.callback={reader.url()}", timeout=20)
    site.tell()
    assert reader.asked == []


def test_a_hub_that_is_full_says_so(site: Press) -> None:
    answers = [site.ask(f"http://reader.example/{number}")[0] for number in range(101)]
    assert answers == [202] * 100 + [429]
    assert site.ask("http://reader.example/1")[0] == 202, "asking again takes no room"
    assert site.ask("http://other.example/1")[0] == 202


def test_there_is_no_hub_unless_it_is_switched_on(tmp_path: Path, sqlite_template: Path) -> None:
    with press(tmp_path / "site", sqlite_template, "") as site:
        assert site.ask("http://reader.example/in")[0] == 404
        assert site.app.settings.hub_urls == ()


def test_a_private_callback_is_never_called(site: Press, reader: Listener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.subscribe(reader.url("/before"))
    reader.asked.clear()
    with site.again(fetch__allow="[]") as strict:
        for callback in (reader.url(), reader.url().replace("127.0.0.1", "localhost"), "http://169.254.169.254/"):
            assert site.ask(callback)[0] == 202
        strict.tell()
        assert site.subscriptions() == [reader.url("/before")]
        strict.publish()
        strict.tell()
    assert (reader.asked, reader.got) == ([], []), "looked at anew for every delivery"
    assert "is a private address" in caplog.text
    site.site.now += MINUTE
    site.tell()
    assert len(reader.take()) == 1


def test_a_lease_ends(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url(), lease_seconds="60")
    assert reader.asked[0][1]["hub.lease_seconds"] == "3600"
    site.site.now += HOUR - SECOND
    site.publish()
    site.tell()
    assert len(reader.take()) == 1
    site.site.now += SECOND
    site.publish()
    site.tell()
    assert reader.got == []
    assert site.subscriptions() == []


@pytest.mark.parametrize("status", [500, 404, 307, 302])
def test_what_has_not_arrived_is_sent_again_and_then_once(site: Press, reader: Listener, status: int) -> None:
    reader.statuses["/in"] = [status, status, 204]
    site.subscribe(reader.url(), secret="s3cret")
    site.publish()
    site.tell()
    site.site.now += MINUTE - SECOND
    site.tell()
    assert [got.target for got in reader.take()] == ["/in"]
    site.site.now += SECOND
    site.publish()
    site.tell()
    site.tell()
    assert [got.target for got in reader.take()] == ["/in"]
    site.site.now += 5 * MINUTE
    site.tell()
    site.site.now += DAY
    site.tell()
    (got,) = reader.take()
    assert got.body == site.feed()[1], "the newest bytes"
    assert is_signed(got, "s3cret")


def test_a_dead_subscriber_is_kept_until_its_lease_ends(site: Press, reader: Listener) -> None:
    reader.statuses["/in"] = [503]
    site.subscribe(reader.url())
    site.publish()
    tries = 0
    for _ in range(4 * 10):
        site.tell()
        tries += len(reader.take())
        assert site.subscriptions() == [reader.url()]
        site.site.now += 6 * HOUR
    site.tell()
    assert (tries, reader.got, site.subscriptions()) == (40, [], [])


def test_one_who_is_dead_holds_up_no_other(site: Press, reader: Listener) -> None:
    with Listener(confirms).running() as dying:
        for number in range(30):
            site.subscribe(dying.url(f"/{number}"))
    site.subscribe(reader.url())
    site.publish()
    site.tell()
    assert len(reader.take()) == 1
    assert site.site.sql("SELECT count(*), min(failures), max(failures) FROM hub_subscription WHERE error <> ''") == [
        (30, 1, 1)
    ]


def test_410_ends_a_subscription(site: Press, reader: Listener) -> None:
    reader.statuses["/in"] = [410]
    site.subscribe(reader.url())
    site.subscribe(reader.url("/other"))
    site.publish()
    site.tell()
    assert site.subscriptions() == [reader.url("/other")]
    assert len(reader.take()) == 2


def test_who_follows_a_feed_that_is_gone_is_told(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url("/in?id=7"), site.topic("ships.atom"))
    site.subscribe(reader.url("/all"))
    assert site.ask(reader.url("/late"), site.topic("ships.atom"))[0] == 202
    reader.asked.clear()
    site.site.sql("DELETE FROM feed_file WHERE path = 'feeds/ships.atom'")
    site.tell()
    site.tell()
    assert sorted(target.partition("&")[0] for target, _ in reader.asked) == ["/in?id=7", "/late?hub.mode=denied"]
    told = {query["hub.topic"]: query["hub.mode"] for _, query in reader.asked}
    assert told == {site.topic("ships.atom"): "denied"}
    assert site.subscriptions() == [reader.url("/all")]


def test_a_site_that_moves_tells_its_subscribers(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url())
    assert site.ask(reader.url("/late"))[0] == 202
    reader.asked.clear()
    with site.again(site__base_url="http://127.0.0.2:8000") as moved:
        moved.tell()
    assert reader.modes() == ["denied", "denied"]
    assert site.subscriptions() == []


def test_another_process_goes_on(site: Press, reader: Listener) -> None:
    assert site.ask(reader.url(), secret="s3cret")[0] == 202
    with site.again() as another:
        another.tell()
    assert site.subscriptions() == [reader.url()]
    site.publish()
    with site.again() as another:
        another.tell()
    (got,) = reader.take()
    assert is_signed(got, "s3cret")


def test_two_processes_deliver_once(site: Press, reader: Listener) -> None:
    for number in range(25):
        assert site.ask(reader.url(f"/{number}"))[0] == 202
    with site.again() as another:

        async def both() -> None:
            await asyncio.gather(site.app.tell_hubs(), another.app.tell_hubs())

        asyncio.run(both())
        assert (len(reader.asked), len(site.subscriptions())) == (25, 25)
        site.publish()
        asyncio.run(both())
    assert sorted(int(got.target[1:]) for got in reader.take()) == list(range(25))


def test_a_feed_file_that_is_lost_comes_later(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url())
    site.publish()
    site.site.feed("all.atom").unlink()
    site.tell()
    assert reader.got == []
    site.app.publish(every=True)
    site.site.now += MINUTE
    site.tell()
    assert [got.body for got in reader.take()] == [site.feed()[1]]


def test_secrets_and_the_rest_of_a_callback_are_told_to_nobody(
    site: Press, reader: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reader.statuses["/in"] = [500]
    for form in ({}, {"mode": "unsubscribe"}, {"secret": "s3cret" * 40}, {}):
        site.ask(reader.url("/in?token=t0ken"), **({"secret": "s3cret"} | form))
        site.tell()
    site.ask(reader.url("/wrong?token=t0ken"), secret="s3cret")
    site.publish()
    site.tell()
    site.site.sql("DELETE FROM feed_file WHERE path = 'feeds/all.atom'")
    site.tell()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("feed_publisher")]
    assert len(ours) >= 6
    assert not [line for line in ours if "s3cret" in line or "t0ken" in line or "challenge=" in line]


def test_json_feeds_are_topics_with_their_own_type(site: Press, reader: Listener) -> None:
    site.subscribe(reader.url(), site.topic("ships.json"))
    site.publish()
    site.tell()
    (got,) = reader.take()
    assert got.headers["content-type"] == "application/feed+json"
    assert len(json.loads(got.body)["items"]) == 2
