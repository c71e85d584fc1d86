"""The listener, spoken to by well-behaved mail servers and by everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from feed_publisher.adapters.mailin.listener import Listener
from feed_publisher.adapters.mailin.polled import SIZE_CAP
from feed_publisher.domain.errors import MailError, StorageError

pytestmark = pytest.mark.anyio
OURS = "b-ours@back.example"
Taken = list[tuple[bytes, str, str]]


@asynccontextmanager
async def listening(
    answer: Callable[[], bool] = lambda: True, protocol: str = "lmtp", seconds: float = 60.0, connections: int = 50
) -> AsyncIterator[tuple[int, Taken]]:
    taken: Taken = []

    def receive(raw: bytes, to: str, mail_from: str) -> bool:
        taken.append((raw, to, mail_from))
        return answer()

    listener = Listener("127.0.0.1", 0, protocol, lambda to: to.lower() == OURS, receive, seconds, connections)
    port = await listener.start()
    try:
        yield port, taken
    finally:
        await listener.stop()
        for writer in Talk.writers:
            writer.close()
        Talk.writers.clear()
        await asyncio.sleep(0)  # for the closed sockets to be let go


class Talk:
    """A client that says what it likes."""

    writers: ClassVar[list[asyncio.StreamWriter]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.writers.append(writer)

    @classmethod
    async def with_(cls, port: int, hello: str = "LHLO x") -> Talk:
        talk = cls(*await asyncio.open_connection("127.0.0.1", port))
        await talk.answer()
        if hello:
            await talk.say(hello)
        return talk

    async def say(self, line: str) -> str:
        self.writer.write(line.encode() + b"\r\n")
        return await self.answer()

    async def answer(self) -> str:
        """The code of the whole reply, "" at the end of the connection."""
        while True:
            try:
                line = await asyncio.wait_for(self._reader.readline(), 20)
            except ConnectionError:
                return ""
            if line[3:4] != b"-":
                return line[:3].decode()

    async def mail(self, body: bytes, to: str = OURS) -> list[str]:
        codes = [await self.say("MAIL FROM:<>"), await self.say(f"RCPT TO:<{to}>")]
        if codes[-1] == "250":
            codes.append(await self.say("DATA"))
            self.writer.write(body + b"\r\n.\r\n")
            codes.append(await self.answer())
        return codes


@pytest.mark.parametrize(("protocol", "hello"), [("lmtp", "LHLO x"), ("smtp", "EHLO x"), ("smtp", "HELO x")])
async def test_a_report_is_handed_over_as_it_is(protocol: str, hello: str) -> None:
    async with listening(protocol=protocol) as (port, taken):
        talk = await Talk.with_(port, hello)
        assert await talk.mail(b"Subject: x\r\n\r\n..dot\r\n" + b"y" * 5000) == ["250", "250", "354", "250"]
        assert await talk.mail(b"z", OURS.upper()) == ["250", "250", "354", "250"]
    assert taken == [
        (b"Subject: x\r\n\r\n.dot\r\n" + b"y" * 5000 + b"\r\n", OURS, ""),
        (b"z\r\n", OURS.upper(), ""),
    ]


async def test_nothing_is_relayed() -> None:
    async with listening() as (port, taken):
        talk = await Talk.with_(port)
        for to in ("ann@example.org", "b-ours@elsewhere.example", "b-ours"):
            assert (await talk.mail(b"x", to))[-1].startswith("5")
        assert await talk.say("DATA") == "503"
    assert taken == []


async def test_one_recipient_at_a_time() -> None:
    async with listening() as (port, taken):
        talk = await Talk.with_(port)
        assert await talk.say("MAIL FROM:<ann@example.org>") == "250"
        assert await talk.say(f"RCPT TO:<{OURS}>") == "250"
        assert await talk.say(f"RCPT TO:<{OURS}>") == "452"
        assert await talk.say("DATA") == "354"
        assert await talk.say("x\r\n.") == "250"
    assert taken == [(b"x\r\n", OURS, "ann@example.org")]


def _no_room() -> bool:
    raise StorageError("database is locked")


def _bug() -> bool:
    raise RuntimeError("a bug of ours")


@pytest.mark.parametrize("answer", [lambda: False, _no_room, _bug], ids=["early", "storage", "bug"])
async def test_what_cannot_be_dealt_with_now_comes_again(answer: Callable[[], bool]) -> None:
    async with listening(answer) as (port, _):
        talk = await Talk.with_(port)
        assert (await talk.mail(b"x"))[-1] == "451"
        assert await talk.say("NOOP") == "250"


async def test_too_large_is_refused_and_not_kept() -> None:
    async with listening() as (port, taken):
        talk = await Talk.with_(port)
        assert await talk.say(f"MAIL FROM:<> SIZE={SIZE_CAP + 1}") == "552"
        assert (await talk.mail((b"x" * 900 + b"\r\n") * (SIZE_CAP // 900 + 10)))[-1] == "552"
    assert taken == []


async def test_garbage_harms_nobody() -> None:
    async with listening() as (port, taken):
        for junk in (b"\0\xff\xfe\r\n" * 50, b"x" * 200_000, b"GET / HTTP/1.1\r\n\r\n" * 20, b"\r\n" * 500, b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(junk)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 20)
            writer.close()
        talk = await Talk.with_(port)
        assert (await talk.mail(b"x"))[-1] == "250"
    assert len(taken) == 1


async def test_a_byte_now_and_then_does_not_hold_the_door() -> None:
    async with listening(seconds=0.3) as (port, _):
        talk = await Talk.with_(port)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 15:
            talk.writer.write(b"N")
            if talk.writer.transport.is_closing() or talk._reader.at_eof():
                break
            await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - began < 10


async def test_so_many_connections_and_no_more() -> None:
    async with listening(connections=3) as (port, _):
        talks = [await Talk.with_(port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"421 ")
        writer.close()
        assert await talks[0].say("QUIT") == "221"
        assert await talks[0].answer() == ""
        again = await Talk.with_(port)
        assert (await again.mail(b"x"))[-1] == "250"


async def test_a_port_that_is_taken_is_named() -> None:
    async with listening() as (port, _):
        other = Listener("127.0.0.1", port, "lmtp", lambda to: True, lambda raw, to, mail_from: True)
        with pytest.raises(MailError, match=rf"bounces\.listen: cannot listen on 127\.0\.0\.1:{port}"):
            await other.start()
