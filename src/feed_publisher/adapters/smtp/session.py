"""One connection past its greeting. It knows at every moment how far the message got.

aiosmtplib raises the same SMTPServerDisconnected for a cut at MAIL and after the final dot, and these two
must not be confused: the first message waits, the second is in doubt.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

from feed_publisher.adapters.smtp.replies import ReplyParser
from feed_publisher.adapters.smtp.wire import dot_stuffed, envelope_lines, unfit
from feed_publisher.domain.delivery import Reply, Result, Stage
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import Outgoing

CHUNK = 64 * 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, except ``messages`` (per connection) and ``failures`` (cut connections in a row)."""

    connect: float = 60.0
    reply: float = 60.0
    dot: float = 600.0  # RFC 5321 §4.5.3.2.6; a shorter one makes duplicates
    reset: float = 20.0
    quit: float = 2.0
    idle: float = 15.0  # then QUIT, and a new connection for the next message
    take: float = 0.05  # longest wait for the next message with a result still unstored
    lifetime: float = 300.0
    messages: int = 100
    failures: int = 3


class ConnectionEnded(MailError):
    """The connection is gone; the text says how."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An envelope on the wire, and the answers to its commands; they come in this order."""

    mail: Outgoing
    answers: tuple[tuple[Stage, str, asyncio.Future[Reply]], ...]


class Session(asyncio.Protocol):
    """Where the relay offers PIPELINING (RFC 2920), an envelope is one write, and rides on the message before it."""

    def __init__(
        self, transport: asyncio.Transport, extensions: dict[str, str], limits: Limits, greeting: str = ""
    ) -> None:
        """``extensions``: EHLO keywords in lower case with their parameters; ``greeting``: the relay's first word."""
        self.extensions = extensions
        self.greeting = greeting
        self.lost = ""
        """Why the connection cannot be used any more; empty while it can."""
        self._transport = transport
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._sent = 0
        self._parser = ReplyParser()
        self._waiters: deque[asyncio.Future[Reply]] = deque()
        self._ahead: _Asked | None = None
        self._flow = asyncio.Event()
        self._flow.set()

    @property
    def worn(self) -> bool:
        """Whether it has carried enough and should be replaced."""
        return self._sent >= self._limits.messages or self._loop.time() - self._since >= self._limits.lifetime

    @property
    def tls(self) -> str:
        """The TLS version, or "none"."""
        encrypted = self._transport.get_extra_info("ssl_object")
        return str(encrypted.version()) if encrypted else "none"

    @property
    def certificate_ends(self) -> datetime | None:
        """When the relay's certificate ends; None without TLS."""
        certificate = self._transport.get_extra_info("peercert") or {}
        ends = certificate.get("notAfter")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None

    async def envelope(self, mail: Outgoing) -> Result | None:
        """MAIL, RCPT, DATA; None when the relay waits for the body. Never raises for what the relay does."""
        self._sent += 1
        if refusal := unfit(mail, self.extensions):
            return _result(mail, Stage.MAIL, refusal)
        asked, self._ahead = self._ahead, None
        if asked is not None and asked.mail is not mail:
            self.abort("another message was announced")
        if asked is not None:
            return await self._answers(asked)  # its answers may be here although the connection is lost
        if self.lost:
            return _result(mail, Stage.MAIL, reason=self.lost)
        if not self.pipelines:
            return await self._lockstep(mail)
        commands, asked = self._ask(mail)
        self._transport.write(commands)
        return await self._answers(asked)

    def has_answered(self, mail: Outgoing) -> bool:
        """Whether the relay has said something to this message, which was announced with the one before."""
        if self._ahead is None or self._ahead.mail is not mail:
            return False
        return any(answer.done() and answer.exception() is None for _, _, answer in self._ahead.answers)

    @property
    def pipelines(self) -> bool:
        """Whether commands may be sent before the answers to those before them."""
        return "pipelining" in self.extensions

    async def _lockstep(self, mail: Outgoing) -> Result | None:
        for stage, line, wanted in envelope_lines(mail, self.extensions):
            try:
                reply = await self._command(line, self._limits.reply)
            except ConnectionEnded as error:
                return _result(mail, stage, reason=str(error))
            if (ended := self._judged(mail, stage, wanted, reply)) is not None:
                return ended
            if self.lost:
                return _result(mail, stage, reason=self.lost)
        return None

    def _ask(self, mail: Outgoing) -> tuple[bytes, _Asked]:
        """The commands of an envelope, their answers expected from now on."""
        lines = envelope_lines(mail, self.extensions)
        asked = _Asked(mail, tuple((stage, wanted, self._expect()) for stage, _, wanted in lines))
        return b"".join(line for _, line, _ in lines), asked

    async def _answers(self, asked: _Asked) -> Result | None:
        """All of them are waited for; the first that is no leave to go on is the result."""
        ended: Result | None = None
        open_for_body = False
        for stage, wanted, answer in asked.answers:
            try:
                reply = await self._within(answer, self._limits.reply)
            except ConnectionEnded as error:
                return ended or _result(asked.mail, stage, reason=str(error))
            if ended is None:
                ended = self._judged(asked.mail, stage, wanted, reply)
            open_for_body = reply.code == 354
        if ended is None and self.lost:
            return _result(asked.mail, Stage.DATA, reason=self.lost)
        if ended is not None and open_for_body and not self.lost:
            await self._end_empty()
        return ended

    def _judged(self, mail: Outgoing, stage: Stage, wanted: str, reply: Reply) -> Result | None:
        """The result of a message that ends with this reply; None: go on."""
        if reply.code >= 400:
            return _result(mail, stage, reply)
        if not str(reply.code).startswith(wanted):
            self.abort(f"out of step: {reply} to {stage}")
            return _result(mail, stage, reason=self.lost)
        return None

    async def _end_empty(self) -> None:
        """A relay that wants a body without a recipient gets none (RFC 2920 §3.1); it has nobody to send it to."""
        with suppress(ConnectionEnded):
            await self._command(b".\r\n", self._limits.reply)

    async def body(self, mail: Outgoing, following: Outgoing | None = None) -> Result:
        """The message and the relay's word on it. Once a byte has left us, no answer means in doubt.

        The envelope of ``following`` goes in the same write, if it may: ``envelope`` must be asked for it next.
        """
        if self.lost:
            return _result(mail, Stage.DATA, reason=self.lost)
        answer, data = self._expect(), dot_stuffed(mail.message)
        rider = self._rider(following)
        try:
            complete = await self._send(data + rider, len(data), answer)
            reply = await self._within(answer, self._limits.dot)
        except ConnectionEnded as error:
            return _result(mail, Stage.BODY, reason=str(error))
        complete = complete and self._transport.get_write_buffer_size() <= len(rider)
        if not complete:
            self.abort(f"answered before the end of the message: {reply}")
        if reply.code >= 400 or (complete and reply.code < 300):
            return _result(mail, Stage.BODY, reply)
        self.abort(f"out of step: {reply} to the message")
        return _result(mail, Stage.BODY, reason=self.lost)

    def _rider(self, mail: Outgoing | None) -> bytes:
        """The commands of an envelope that goes with the message before it, its answers already expected."""
        if mail is None or self.worn or not self.pipelines or unfit(mail, self.extensions):
            return b""
        commands, self._ahead = self._ask(mail)
        return commands

    async def reset(self) -> None:
        """RSET after a refusal; a relay that does not manage it is dropped, and the refusal stands.

        Not when the next envelope is on the wire: the relay may be waiting for its body by now.
        """
        if self._ahead is not None:
            return
        try:
            reply = await self._command(b"RSET\r\n", self._limits.reset)
        except ConnectionEnded:
            return
        if reply.code // 100 != 2:
            self.abort(f"{reply} to RSET")

    async def quit(self) -> None:
        """Leave politely, but without waiting for a slow relay."""
        if not self.lost:
            with suppress(ConnectionEnded):
                await self._command(b"QUIT\r\n", self._limits.quit)
        self.abort("ended by us")

    def abort(self, reason: str) -> None:
        """Cut the connection now. The first reason is kept."""
        if self.lost:
            return
        self.lost = reason
        self._transport.abort()
        self._flow.set()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionEnded(reason))
                waiter.exception()  # perhaps nobody asks: then no "never retrieved" in the log

    def _expect(self) -> asyncio.Future[Reply]:
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self._waiters.append(waiter)
        return waiter

    async def _command(self, line: bytes, seconds: float) -> Reply:
        if self.lost:
            raise ConnectionEnded(self.lost)
        answer = self._expect()
        self._transport.write(line)
        return await self._within(answer, seconds)

    async def _send(self, data: bytes, end: int, answer: asyncio.Future[Reply]) -> bool:
        """Whether all up to ``end`` was handed to the kernel or its queue before the relay answered."""
        view = memoryview(data)
        for start in range(0, len(data), CHUNK):
            if answer.done() and start < end:
                return False
            self._transport.write(view[start : start + CHUNK])
            if not self._flow.is_set():
                await self._within(self._flow.wait(), self._limits.reply)
        return True

    async def _within(self, event: Awaitable[T], seconds: float) -> T:
        """One deadline for the whole reply: a byte now and then does not extend it."""
        if isinstance(event, asyncio.Future) and event.done():  # one of a group of replies; no timer for it
            return cast(T, event.result())
        timer = self._loop.call_later(seconds, self.abort, f"no answer within {seconds:g} s")
        try:
            return await event
        finally:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Replies go to their waiters; anything else ends the connection: we can no longer tell what answers what."""
        try:
            for reply in () if self.lost else self._parser.feed(data):
                self._answered(reply)
        except ValueError as error:
            self.abort(str(error))
            return
        if self._parser.partial and not self._waiters:
            self.abort("unasked data between replies")

    def _answered(self, reply: Reply) -> None:
        if self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(reply)
        elif reply.code != 421:
            self.abort(f"unasked reply: {reply}")
        if reply.code == 421:  # the one reply that may come unasked: the relay is closing
            self.abort(str(reply))

    def eof_received(self) -> None:
        """The relay has hung up; there is nothing half open in SMTP."""
        self.abort("the relay closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Both ways of losing it end here; a reset names its cause."""
        self.abort(f"the connection broke: {exc}" if exc else "the relay closed the connection")

    def pause_writing(self) -> None:
        """The relay reads slower than we write."""
        self._flow.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._flow.set()


def _result(mail: Outgoing, stage: Stage, reply: Reply | None = None, reason: str = "") -> Result:
    return Result(delivery=mail.delivery, attempt=mail.attempt, stage=stage, reply=reply, reason=reason)
