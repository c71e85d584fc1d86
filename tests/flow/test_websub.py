"""A real `serve`, a real publisher with a WebSub hub: news is there long before the next visit is due."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flow.flow_site import MONDAY
from flow.publisher import Hub, Publisher, Story

TOML = """
[site]
base_url = "http://127.0.0.1:{port}"
[fetch]
allow = ["127.0.0.1"]
[[sources]]
slug = "magazine"
kind = "feed"
location = "{feed}"
every = "1 day"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "letter@harbour.example"
"""


def story(number: int) -> Story:
    return Story(f"token{number}", f"Story {number}", f"/{number}", f"guid-{number}", MONDAY, f"It is number {number}.")


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(now=MONDAY, hub=Hub(), feed=[story(1)]).running() as publisher:
        yield publisher


@pytest.fixture
def served(tmp_path: Path, publisher: Publisher) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (tmp_path / "publisher.toml").write_text(TOML.format(port=port, feed=publisher.url("/feed/")))
    command = [sys.executable, "-m", "feed_publisher", "--site", str(tmp_path), "serve", "--port", str(port)]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    code = process.wait(30)
    log.close()
    assert code == 0, (tmp_path / "log").read_text()


def listed(base: str, title: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/feeds/all.json", timeout=5) as answer:
            return title in answer.read().decode()
    except OSError:
        return False


def test_a_hub_is_asked_verified_and_believed_only_with_our_secret(served: str, publisher: Publisher) -> None:
    hub = publisher.hub
    assert hub is not None
    until(lambda: bool(hub.leases))
    until(lambda: listed(served, "Story 1"))
    (asked,) = hub.asked
    assert (asked["hub.mode"], asked["hub.topic"]) == ("subscribe", publisher.url("/feed/"))
    visits = len(publisher.visits)

    publisher.feed.insert(0, story(2))
    assert hub.tell(b"forged", secret="not ours") == [202]
    assert hub.tell(b"<rss/>") == [202]
    until(lambda: listed(served, "Story 2"))
    assert len(publisher.visits) == visits + 1  # neither the forgery nor what the hub sent was read
