"""Calls to many servers: each in turn, ten at a time; one that is dead or slow is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from feed_publisher.domain.errors import FetchError, StorageError
from feed_publisher.services.calling import Round

pytestmark = pytest.mark.anyio


@dataclass
class Servers:
    """Items are "server/number". ``busiest``: the most calls at once, of each server and in all."""

    dead: tuple[str, ...] = ()
    called: list[str] = field(default_factory=list)
    settled: dict[str, str] = field(default_factory=dict)
    busiest: Counter[str] = field(default_factory=Counter)
    _busy: Counter[str] = field(default_factory=Counter)

    async def call(self, item: str) -> str:
        server = server_of(item)
        self.called.append(item)
        for name in (server, "all"):
            self._busy[name] += 1
            self.busiest[name] = max(self.busiest[name], self._busy[name])
        for _ in range(5):
            await asyncio.sleep(0)
        for name in (server, "all"):
            self._busy[name] -= 1
        if server in self.dead:
            raise FetchError("no connection")
        return "it answers 500" if item.endswith("/7") else ""

    def settle(self, item: str, error: str) -> None:
        self.settled[item] = error


def server_of(item: str) -> str:
    return item.partition("/")[0]


async def test_servers_at_once_and_each_in_turn() -> None:
    servers, items = Servers(), [f"{name}/{number}" for number in range(3) for name in "abcdefghijklmno"]
    await Round().call(items, server_of, servers.call, servers.settle)
    assert servers.settled == dict.fromkeys(items, "")
    assert (servers.busiest["a"], servers.busiest["all"]) == (1, 10)
    assert [item for item in servers.called if item.startswith("a")] == ["a/0", "a/1", "a/2"]


async def test_a_dead_server_is_called_once_in_a_round() -> None:
    servers, calls = Servers(dead=("a",)), Round()
    await calls.call(["a/1", "a/2", "b/7", "b/8"], server_of, servers.call, servers.settle)
    await calls.call(["a/3", "b/9"], server_of, servers.call, servers.settle)
    assert servers.called == ["a/1", "b/7", "b/8", "b/9"]
    down = "no connection"
    assert servers.settled == {"a/1": down, "a/2": down, "a/3": down, "b/7": "it answers 500", "b/8": "", "b/9": ""}
    assert calls.down == {"a": down}


async def test_a_slow_server_is_left_alone_too() -> None:
    clock = iter(range(0, 1000, 3))  # each call takes three seconds
    servers, calls = Servers(), Round(seconds=lambda: next(clock))
    await calls.call([f"a/{number}" for number in range(5)], server_of, servers.call, servers.settle)
    assert servers.called == ["a/0", "a/1", "a/2"]
    assert list(servers.settled.values()) == ["", "", "", "it is too slow", "it is too slow"]


async def test_an_error_of_ours_is_raised_when_the_others_are_done() -> None:
    servers = Servers()

    def settle(item: str, error: str) -> None:
        if item == "a/1":
            raise StorageError("the disk is full")
        servers.settle(item, error)

    with pytest.raises(StorageError, match="disk is full"):
        await Round().call(["a/1", "b/1", "b/2", "b/3"], server_of, servers.call, settle)
    assert list(servers.settled) == ["b/1", "b/2", "b/3"]
