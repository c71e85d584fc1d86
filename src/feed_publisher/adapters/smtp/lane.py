"""One lane: message after message over one connection at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from feed_publisher.adapters.smtp.relay import Relay, connect
from feed_publisher.adapters.smtp.session import Limits, Session
from feed_publisher.domain.delivery import Result, Stage, is_relay_trouble
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import Outgoing, Settle, Take

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What the lanes of a run share."""

    relay: Relay
    limits: Limits
    take: Take
    settle: Settle
    widen: Callable[[], None]
    stop: asyncio.Event


class Lane:
    """Keeps the result of the message before until the next one needs its mark: one commit instead of two."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._session: Session | None = None
        self._held: Result | None = None
        self._taking: asyncio.Future[Outgoing | None] | None = None
        self._failures = 0
        self._connected = False

    async def work(self) -> bool:
        """Whether it ever had a connection. Raises MailError when the relay fails it; all it took is settled."""
        try:
            while (mail := await self._next()) is not None:
                await self._deliver(mail)
        except BaseException:
            self.cut("ended by an error")
            raise
        finally:
            await self._flush()
            await self._give_back()
            await self._leave()
        return self._connected

    def cut(self, reason: str) -> None:
        """End the connection at once; whoever waits on it gets a Result without a reply."""
        if self._session is not None:
            self._session.abort(reason)

    async def _next(self) -> Outgoing | None:
        """The next message. A held result is stored before a wait, and an idle connection given back."""
        if self._crew.stop.is_set():
            return None
        taking = self._take_ahead()
        await asyncio.sleep(0)
        for seconds, meanwhile in ((self._crew.limits.take, self._flush), (self._crew.limits.idle, self._leave)):
            if not taking.done() and not await self._settles(taking, seconds):
                await meanwhile()
        if not taking.done():
            await self._settles(taking, None)
        if self._crew.stop.is_set():
            return None
        self._taking = None
        return taking.result()

    def _take_ahead(self) -> asyncio.Future[Outgoing | None]:
        """The next message is asked for while the one before is under way."""
        if self._taking is None:
            self._taking = asyncio.ensure_future(self._crew.take())
        return self._taking

    async def _give_back(self) -> None:
        """At the end: what was taken and has not been begun, waits."""
        taking, self._taking = self._taking, None
        if taking is None:
            return
        taking.cancel()
        await asyncio.wait({taking})
        if not taking.cancelled() and taking.exception() is None and (mail := taking.result()) is not None:
            await self._crew.settle(_unsent(mail, Stage.CONNECT, "sending was stopped"), None)

    async def _following(self) -> Outgoing | None:
        """The message after this one, if it is there already."""
        taking = self._taking
        if taking is None:
            return None
        if not taking.done():
            await asyncio.sleep(0)
        known = taking.done() and not taking.cancelled() and taking.exception() is None
        return taking.result() if known else None

    async def _deliver(self, mail: Outgoing) -> None:
        session = await self._ready(mail)
        if session.pipelines:
            self._take_ahead()
        result = await session.envelope(mail) or await self._transmit(session, mail)
        await self._keep(result)
        if result.stage is Stage.BODY and result.reply is not None and result.reply.code < 300:
            self._failures = 0
        else:
            await self._flush()
            await self._recover(result)

    async def _transmit(self, session: Session, mail: Outgoing) -> Result:
        """The body, once it is durably marked; until then not a byte of it."""
        if session.lost:
            return _unsent(mail, Stage.DATA, session.lost)
        following = await self._following()
        held, self._held = self._held, None
        if await self._crew.settle(held, mail):
            return await session.body(mail, following)
        session.abort("the message may not be sent")  # the relay waits for a body: there is no other way out
        self._session = None
        return _unsent(mail, Stage.DATA, "not allowed to transmit")

    async def _recover(self, result: Result) -> None:
        """After anything but acceptance: go on, go on over a new connection, or give up."""
        session = self._session
        if result.reply is not None and is_relay_trouble(result.reply, result.stage):
            raise MailError(f"{self._crew.relay}: {result.reply}")
        if session is None or self._crew.stop.is_set():
            return
        if not session.lost:
            await session.reset()
            return
        self._failures += 1
        if self._failures >= self._crew.limits.failures:
            raise MailError(f"{self._crew.relay}: {session.lost} ({self._failures} times in a row)")

    async def _ready(self, mail: Outgoing) -> Session:
        """A usable connection, a fresh one where needed; or a lost one that has said something to this message."""
        if self._session is not None and (self._session.lost or self._session.worn):
            if self._session.has_answered(mail):
                return self._session
            await self._flush()
            await self._leave()
        if self._session is None:
            try:
                self._session = await self._connect()
            except MailError as error:
                await self._keep(_unsent(mail, Stage.CONNECT, str(error)))
                raise
            self._connected = True
            self._crew.widen()
        return self._session

    async def _connect(self) -> Session:
        session = await self._unless_stopped(asyncio.ensure_future(connect(self._crew.relay, self._crew.limits)))
        if session is None:
            raise MailError(f"{self._crew.relay}: sending was stopped")
        if self._crew.stop.is_set():
            session.abort("sending was stopped")
        return session

    async def _keep(self, result: Result) -> None:
        await self._flush()
        self._held = result

    async def _flush(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await self._crew.settle(held, None)

    async def _leave(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.quit()

    async def _settles(self, task: asyncio.Future[Any], seconds: float | None) -> bool:
        """Whether it is done within the seconds; a stop ends the wait."""
        stop = asyncio.ensure_future(self._crew.stop.wait())
        await asyncio.wait({task, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        return task.done()

    async def _unless_stopped(self, task: asyncio.Future[T]) -> T | None:
        """Its value; None when a stop came first and it could be cancelled."""
        if not task.done() and not await self._settles(task, None):
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() else task.result()


def _unsent(mail: Outgoing, stage: Stage, reason: str) -> Result:
    return Result(delivery=mail.delivery, attempt=mail.attempt, stage=stage, reason=reason)
