"""Sends what it is given over a few connections, and stores every result with the mark of the next message."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from feed_publisher.adapters.smtp.lane import Crew, Lane
from feed_publisher.adapters.smtp.relay import Relay, connect
from feed_publisher.adapters.smtp.session import Limits
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import RelayLook, Settle, Take


class SmtpMailer:
    """A Mailer for one relay. Holds nothing between runs."""

    def __init__(self, relay: Relay, limits: Limits | None = None) -> None:
        self._relay = relay
        self._limits = limits or Limits()

    async def run(self, take: Take, settle: Settle) -> None:
        """See ports.Mailer. An exception of ``take`` or ``settle`` ends the run and comes out of it.

        Cancelling cuts the connections at once (a message in its body is then in doubt) and still settles;
        to stop without doubt let ``take`` give None.
        """
        await _Run(self._relay, self._limits, take, settle).work()

    async def probe(self) -> str:
        """One line about the relay, after a greeting and QUIT. Raises MailError."""
        session = await connect(self._relay, self._limits)
        line = f"{self._relay} answers, TLS {session.tls}, {' '.join(session.extensions).upper()}"
        await session.quit()
        return line.rstrip(", ")

    async def look(self, seconds: float) -> RelayLook:
        """See ports.Mailer."""
        session = await connect(self._relay, replace(self._limits, connect=min(seconds, self._limits.connect)))
        ends, greeting = session.certificate_ends, session.greeting
        found = RelayLook(host=self._relay.host, greeting=greeting, tls=session.tls, certificate_ends=ends)
        await session.quit()
        return found


class _Run:
    """The lanes of one run, opened one after the other as long as there are messages for them."""

    def __init__(self, relay: Relay, limits: Limits, take: Take, settle: Settle) -> None:
        self._crew = Crew(relay=relay, limits=limits, take=take, settle=settle, widen=self._widen, stop=asyncio.Event())
        self._lanes: list[Lane] = []
        self._tasks: set[asyncio.Task[bool]] = set()
        self._errors: list[MailError] = []
        self._fatal: BaseException | None = None
        self._done_well = False

    def _widen(self) -> None:
        """Called by a lane whenever it has a fresh connection."""
        if len(self._lanes) < self._crew.relay.connections and not self._crew.stop.is_set():
            self._lanes.append(Lane(self._crew))
            self._tasks.add(asyncio.create_task(self._lanes[-1].work()))

    async def work(self) -> None:
        self._widen()
        try:
            await self._all_done()
        except asyncio.CancelledError:
            self._stop()
            await self._all_done()
            raise
        if self._fatal is not None:
            raise self._fatal
        if self._errors and not self._done_well:
            raise self._errors[0]

    async def _all_done(self) -> None:
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks.copy(), return_when=asyncio.FIRST_COMPLETED)
            self._tasks -= done
            for task in done:
                self._note(task)

    def _note(self, task: asyncio.Task[bool]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._done_well = self._done_well or task.result()
        elif isinstance(error, MailError):
            self._errors.append(error)
        else:
            self._fatal = self._fatal or error
            self._stop()

    def _stop(self) -> None:
        self._crew.stop.set()
        for lane in self._lanes:
            lane.cut("sending was stopped")
