"""The doctor of one site: when it is called, and what it is told. Part of the composition root, as intake.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from feed_publisher import wiring
from feed_publisher.adapters.dns import DnsResolver
from feed_publisher.config.models import Settings
from feed_publisher.domain.diagnosis import Diagnosis, red_lines
from feed_publisher.domain.issue import Issue
from feed_publisher.ports.people import DeskStore
from feed_publisher.ports.sending import Mailer
from feed_publisher.services.doctor import MANY, examine


class Checkup:
    """Looks at the site's mail as its receivers do."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        desk: DeskStore,
        relay: Callable[[], AbstractAsyncContextManager[Mailer]],
        samples: Callable[[], dict[str, bytes]],
        clock: Callable[[], datetime],
    ) -> None:
        """``samples`` makes a mail of each digest."""
        self._folder = folder
        self._settings = settings
        self._desk = desk
        self._relay = relay
        self._samples = samples
        self._clock = clock
        self._last_day = ""

    @property
    def is_worth_it(self) -> bool:
        """Whether mail may reach strangers: not in a rehearsal, nor in a trial on this machine alone."""
        here = wiring.is_relay_here(self._settings)
        return bool(self._settings.smtp.host) and not (here and self._settings.site.is_loopback)

    async def examine(self) -> list[Diagnosis]:
        """Asks the DNS and the mail server, for half a minute at most. Raises ConfigError."""
        return await self._examine(await asyncio.to_thread(self._samples))

    async def red_lines(self, readers: int) -> list[Diagnosis]:
        """What stands against mail to so many; nothing for a few, or a mail server on this machine."""
        if readers <= MANY or wiring.is_relay_here(self._settings):
            return []
        return red_lines(await self._examine({}))

    async def _examine(self, samples: Mapping[str, bytes]) -> list[Diagnosis]:
        patient = wiring.patient(self._settings, self._folder)
        resolver = DnsResolver(self._settings.mail.dns_server)
        async with self._relay() as mailer:
            return await examine(patient, resolver, mailer.look, samples, self._clock())

    async def tell(self, opened: Sequence[Issue]) -> None:
        """Scheduled issues leave whatever the doctor finds; the operator is told, once a day."""
        now = self._clock()
        about, readers = f"doctor {now:%Y-%m-%d}", max((issue.audience or 0 for issue in opened), default=0)
        if readers <= MANY or about == self._last_day or await asyncio.to_thread(self._desk.has_told, about):
            return
        found, self._last_day = await self.red_lines(readers), about
        if found:
            what = " ".join(f"{each.about}: {each.text.rstrip('.')}." for each in found)
            sentence = f"An issue for {readers} readers leaves, but receivers may refuse it. {what}"
            await asyncio.to_thread(self._desk.tell, about, f"{sentence} `check` tells what to do.", now)
