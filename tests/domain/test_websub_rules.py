"""What is a topic, what our hub takes, and what it says: rules without a database or a network."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

import pytest

from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.websub import (
    HubMode,
    HubRequest,
    denial,
    is_topic,
    pause_after,
    read_request,
    signature,
    with_query,
)

BASE = "https://mag.example/mail"
FORM = {
    "hub.mode": "subscribe",
    "hub.topic": f"{BASE}/feeds/ships.atom",
    "hub.callback": "https://reader.example/in?id=7",
}


def read(**changes: str) -> HubRequest:
    return read_request(FORM | {f"hub.{name}": value for name, value in changes.items()}, BASE, "c" * 43)


@pytest.mark.parametrize(
    ("path", "live"),
    [
        ("feeds/all.atom", True),
        ("feeds/ships.full.rss", True),
        ("feeds/a+b.json", True),
        ("feeds/authors/ann.rss", True),
        ("feeds/lang/de-at.json", True),
        ("feeds/2026.atom", True),  # a topic may be called so
        ("feeds/authors/2.rss", True),  # and an author, too
        ("feeds/ships/3.atom", False),
        ("feeds/authors/ann/2.rss", False),
        ("feeds/ships/12.full.json", False),
        ("feeds/ships/3.atom.gz", False),
        ("feeds.opml", False),
        ("feeds/all.html", False),
        ("feeds/all.atom.bak", False),
        ("other/feeds/all.atom", False),
        ("feeds/all.atom\n", False),
    ],
)
def test_live_feeds_are_topics_and_archives_are_not(path: str, live: bool) -> None:
    assert is_topic(path) is live


def test_a_request_with_all_it_says() -> None:
    request = read(lease_seconds="7200", secret="s3cret", unknown="x")
    assert (request.mode, request.path, request.host) == (HubMode.SUBSCRIBE, "feeds/ships.atom", "reader.example")
    assert (request.lease, request.secret) == (timedelta(hours=2), "s3cret")
    assert "s3cret" not in repr(request)
    assert "ccc" not in repr(request)


@pytest.mark.parametrize(
    ("asked", "lease"),
    [
        ("", timedelta(days=10)),
        ("0", timedelta(hours=1)),
        ("60", timedelta(hours=1)),
        ("86400", timedelta(days=1)),
        ("31536000", timedelta(days=30)),
        ("9" * 40, timedelta(days=30)),
    ],
)
def test_leases_are_between_an_hour_and_thirty_days(asked: str, lease: timedelta) -> None:
    assert read(lease_seconds=asked).lease == lease


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": ""},
        {"mode": "publish"},
        {"mode": "Subscribe"},
        {"lease_seconds": "-1"},
        {"lease_seconds": "ten"},
        {"secret": "s" * 200},
        {"secret": "ü" * 100},
        {"secret": "a\x00b"},
        {"callback": ""},
        {"callback": "ftp://reader.example/"},
        {"callback": "javascript:alert(1)"},
        {"callback": "//reader.example/"},
        {"callback": "https:///in"},
        {"callback": "https://me:pw@reader.example/"},
        {"callback": "https://reader.example/#top"},
        {"callback": "https://reader.example/#"},
        {"callback": "https://reader.example/a b"},
        {"callback": "https://reader.example/ü"},
        {"callback": "https://reader.example:99999/"},
        {"callback": "https://reader.example:0/"},
        {"callback": "https://[::1/"},
        {"callback": f"https://{'a' * 254}/"},
        {"callback": "https://reader.example/" + "x" * 2026},
    ],
)
def test_what_cannot_be_right_is_refused_with_a_reason(changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"^hub\.") as refused:
        read(**changes)
    assert changes.get("secret", "?") not in str(refused.value)


def test_the_longest_that_is_taken() -> None:
    callback = "https://reader.example/" + "x" * 2025
    assert read(callback=callback, secret="s" * 199).callback == callback


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "https://other.example/feeds/ships.atom",
        "https://mag.example/feeds/ships.atom",
        "http://mag.example/mail/feeds/ships.atom",
        "https://mag.example/mail.evil.example/feeds/ships.atom",
        f"{BASE}/feeds/ships/3.atom",
        f"{BASE}/feeds/ships.atom?x=1",
        f"{BASE}//feeds/ships.atom",
        "feeds/ships.atom",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(NotFoundError, match="only the feeds of"):
        read(topic=topic)


def test_a_topic_and_a_callback_make_one_subscription() -> None:
    assert read().key == read(secret="x", mode="unsubscribe", lease_seconds="9999").key
    others = [read(callback="https://reader.example/in?id=8"), read(topic=f"{BASE}/feeds/ships.rss")]
    assert len({read().key, *(other.key for other in others)}) == 3


def test_what_is_asked_is_appended_to_the_callback() -> None:
    asked = read(lease_seconds="7200").verification
    topic = "https%3A%2F%2Fmag.example%2Fmail%2Ffeeds%2Fships.atom"
    assert asked == (
        f"https://reader.example/in?id=7&hub.mode=subscribe&hub.topic={topic}"
        f"&hub.challenge={'c' * 43}&hub.lease_seconds=7200"
    )
    assert "lease" not in read(mode="unsubscribe").verification
    assert denial(FORM["hub.topic"], "https://reader.example/").startswith(
        f"https://reader.example/?hub.mode=denied&hub.topic={topic}&hub.reason="
    )
    assert [with_query(f"http://x/{end}", {"a": "b"}) for end in ("", "?", "?c", "?c&")] == [
        "http://x/?a=b",
        "http://x/?a=b",
        "http://x/?c&a=b",
        "http://x/?c&a=b",
    ]


def test_the_signature_is_what_a_subscriber_computes() -> None:
    body = "Süd".encode()
    expected = hmac.new("ß".encode(), body, hashlib.sha256).hexdigest()
    assert signature(body, "ß") == f"sha256={expected}"


def test_the_pause_grows_and_then_stays() -> None:
    assert [pause_after(failures) // timedelta(minutes=1) for failures in range(1, 7)] == [1, 5, 30, 120, 120, 120]
