"""Addresses that make us look at a source: what they do, and that they do nothing for anybody else."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from web_site import ELSEWHERE, Site, opened

from feed_publisher.domain.source import Outcome, SourceRecord, SourceState

SOURCES = """
[[sources]]
slug = "blog"
kind = "feed"
location = "https://blog.example/feed"

[[sources]]
slug = "files"
location = "entries"
"""
HUB, TOPIC = "https://hub.example/", "https://blog.example/feed"


@pytest.fixture
def read(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """A source that was read an hour ago, names a hub, and is due tomorrow."""
    with opened(tmp_path / "site", sqlite_template, rest=SOURCES) as site:
        site.app.intake.configured()
        now = site.clock()
        outcome = Outcome(slug="blog", at=now, due_at=now + timedelta(days=1), hub=(HUB, TOPIC))
        site.app.sources.record([outcome])
        site.clock.pass_(hours=1)
        yield site


def record(site: Site, slug: str = "blog") -> SourceRecord:
    found = site.app.sources.get(slug)
    assert found
    return found


def ping(site: Site, slug: str = "blog") -> str:
    return urlsplit(site.app.intake.hook_url("ping", slug)).path


def websub(site: Site) -> str:
    return urlsplit(site.app.intake.hook_url("websub", "blog")).path


def asked(site: Site) -> None:
    """We have asked the hub, and gave it a secret."""
    until = site.clock() + timedelta(days=1)
    assert site.app.sources.claim_hub("blog", "s3cret", until, until)


def question(**changes: str) -> dict[str, str]:
    said = {"mode": "subscribe", "topic": TOPIC, "challenge": "c-1", "lease_seconds": "86400", **changes}
    return {f"hub.{name}": value for name, value in said.items()}


def test_a_ping_has_the_source_visited_at_once(read: Site) -> None:
    answer = read.client(ELSEWHERE).post(ping(read), content=b"x" * 200_000)
    assert (answer.status_code, answer.text) == (202, "blog will be read at once.\n")
    assert record(read).due_at == read.clock()


def test_a_ping_says_when_nothing_comes_of_it(read: Site) -> None:
    read.app.sources.set_state("blog", SourceState.PAUSED, "", read.clock())
    assert read.client().post(ping(read)).text == "blog is paused and is not read.\n"
    assert read.client().post(ping(read, "files")).text == "files needs no visit.\n"
    assert record(read).due_at is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_a_post_is_a_ping(read: Site, method: str) -> None:
    before = read.dump()
    assert read.client().request(method, ping(read)).status_code == 405
    assert read.dump() == before


def test_nobody_guesses_an_address(read: Site) -> None:
    token = ping(read).rpartition("/")[2]
    wrong = [
        f"/hooks/ping/blog/{token[:-1]}",
        f"/hooks/ping/blog/{token}x",
        f"/hooks/ping/files/{token}",
        f"/hooks/websub/blog/{token}",
        f"/hooks/ping/nobody/{token}",
        f"/hooks/ping/{token}",
        f"/hooks/ping/..%2fblog/{token}",
        f"/hooks/ping/%2e%2e/blog/{token}",
        f"/hooks/ping/blog%00/{token}",
        f"/hooks/ping/%ff/{token}",
        "/hooks/ping/blog/%ff%00",
        "/hooks/ping/blog/" + "x" * 50_000,
        "/hooks/ping//",
    ]
    before = read.dump()
    for address in wrong:
        assert read.client().post(address).status_code == 404, address[:80]
    assert read.dump() == before


def test_the_address_of_a_source_that_is_configured_no_more_is_dead(read: Site) -> None:
    address = ping(read)
    read.app.settings = read.app.settings.model_copy(update={"sources": ()})
    assert read.client().post(address).status_code == 404


# --- WebSub


def test_a_hub_is_told_that_we_asked(read: Site) -> None:
    asked(read)
    answer = read.client(ELSEWHERE).get(websub(read), params=question(challenge="<b>ü</b>"))
    assert (answer.status_code, answer.text) == (200, "<b>ü</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert record(read).hub_until == read.clock() + timedelta(days=1)


@pytest.mark.parametrize("seconds", ["", "-5", "²", "1e3", "9" * 5000, "x"])
def test_a_strange_lease_is_a_usual_one(read: Site, seconds: str) -> None:
    asked(read)
    assert read.client().get(websub(read), params=question(lease_seconds=seconds)).status_code == 200
    assert record(read).hub_until == read.clock() + timedelta(days=10)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "unsubscribe"},
        {"mode": ""},
        {"topic": "https://blog.example/other"},
        {"topic": ""},
        {"challenge": ""},
        {"challenge": "x" * 513},
    ],
    ids=str,
)
def test_what_we_did_not_ask_for_is_not_confirmed(read: Site, changes: dict[str, str]) -> None:
    asked(read)
    before = read.dump()
    assert read.client().get(websub(read), params=question(**changes)).status_code == 404
    assert read.dump() == before


def test_a_hub_that_we_never_asked_is_not_confirmed(read: Site) -> None:
    before = read.dump()
    assert read.client().get(websub(read), params=question()).status_code == 404
    assert read.dump() == before


def test_a_denial_is_noted(read: Site, caplog: pytest.LogCaptureFixture) -> None:
    before = read.dump()
    answer = read.client().get(websub(read), params={"hub.mode": "denied", "hub.reason": "no\nway" + "x" * 999})
    assert answer.status_code == 200
    assert "'no\\nway" in caplog.text
    assert "x" * 300 not in caplog.text
    assert read.dump() == before


def test_a_head_asks_nothing(read: Site) -> None:
    before = read.dump()
    assert read.client().head(websub(read), params=question()).status_code == 405
    assert read.dump() == before


def signed(body: bytes, secret: str, method: str = "sha256") -> dict[str, str]:
    return {"x-hub-signature": f"{method}={hmac.new(secret.encode(), body, method).hexdigest()}"}


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_news_of_a_hub_that_knows_our_secret(read: Site, method: str) -> None:
    asked(read)
    answer = read.client(ELSEWHERE).post(websub(read), content=b"<feed/>", headers=signed(b"<feed/>", "s3cret", method))
    assert answer.status_code == 202
    assert record(read).due_at == read.clock()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature": ""},
        {"x-hub-signature": "sha256"},
        {"x-hub-signature": "sha256=\xe9"},
        {"x-hub-signature": "md5=x"},
        {"x-hub-signature": "sha256=" + "0" * 64},
        signed(b"<feed/>", ""),
        signed(b"<feed>", "s3cret"),
    ],
    ids=str,
)
def test_a_false_signature_is_answered_alike_and_ignored(read: Site, headers: dict[str, str]) -> None:
    asked(read)
    before = read.dump()
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    assert read.client().post(websub(read), content=b"<feed/>", headers=sent).status_code == 202
    assert read.dump() == before


def test_a_hub_that_was_not_asked_is_ignored(read: Site) -> None:
    before = read.dump()
    assert read.client().post(websub(read), content=b"x", headers=signed(b"x", "")).status_code == 202
    assert read.dump() == before


def test_too_much_news_is_not_read(read: Site, caplog: pytest.LogCaptureFixture) -> None:
    asked(read)
    body = b"x" * 5_000_001
    assert read.client().post(websub(read), content=body, headers=signed(body, "s3cret")).status_code == 202
    assert "more than 5 MB" in caplog.text
    assert record(read).due_at != read.clock()


def test_pings_by_the_dozen_make_no_dozen_visits(read: Site) -> None:
    for _ in range(12):
        read.client().post(ping(read))
    read.app.sources.record([Outcome(slug="blog", at=read.clock(), due_at=read.clock() + timedelta(days=1))])
    assert read.client().post(ping(read)).status_code == 202
    due = record(read).due_at
    assert due is not None
    assert due <= read.clock() + timedelta(seconds=10)
