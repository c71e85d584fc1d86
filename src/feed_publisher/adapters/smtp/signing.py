"""A mailer that signs what it is given, on its way to the relay."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from feed_publisher.compose.dkim import Signer, signed
from feed_publisher.ports.sending import Mailer, Outgoing, RelayLook, Settle, Take


class SigningMailer:
    """ports.Mailer around another one."""

    def __init__(self, mailer: Mailer, signers: Sequence[Signer]) -> None:
        self._mailer = mailer
        self._signers = signers

    async def run(self, take: Take, settle: Settle) -> None:
        """See ports.Mailer.

        An RSA signature costs as much as all the rest of a message and does not hold the interpreter, so each
        processor makes its own; an Ed25519 one is made sooner than a thread has begun.
        """
        if not any(signer.is_rsa for signer in self._signers):
            await self._mailer.run(partial(self._sign, take), settle)
            return
        with ThreadPoolExecutor(os.cpu_count() or 1, "dkim") as threads:
            await self._mailer.run(partial(self._sign_in, threads, take), settle)

    async def probe(self) -> str:
        return await self._mailer.probe()

    async def look(self, seconds: float) -> RelayLook:
        return await self._mailer.look(seconds)

    async def _sign(self, take: Take) -> Outgoing | None:
        mail = await take()
        return mail and replace(mail, message=signed(mail.message, self._signers))

    async def _sign_in(self, threads: ThreadPoolExecutor, take: Take) -> Outgoing | None:
        mail = await take()
        if mail is None:
            return None
        work = asyncio.get_running_loop().run_in_executor(threads, signed, mail.message, self._signers)
        return replace(mail, message=await work)
