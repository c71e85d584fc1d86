"""Passes on what readers wrote to the address of bounces: from the digest to whoever reads its answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from feed_publisher.compose.answer import Wrapping, wrapped
from feed_publisher.compose.message import Sender
from feed_publisher.domain.delivery import DeliveryState, Result, Verdict, verdict
from feed_publisher.parse.bounce import read_returned
from feed_publisher.ports.bounces import Answer, BounceStore
from feed_publisher.ports.sending import Mailer, Outgoing

AN_HOUR = 30
"""Answers passed on in an hour; the others wait. So a loop that nothing else has stopped stays small."""

RETRY = timedelta(minutes=5)
REFUSED = timedelta(days=1)
REMEMBERED = timedelta(days=30)


class Answering:
    """``senders`` are those of the digests."""

    def __init__(self, store: BounceStore, senders: Mapping[str, Sender], tell: Callable[[str, str], object]) -> None:
        self._store = store
        self._senders = senders
        self._tell = tell

    async def send(self, mailer: Mailer, now: datetime) -> int:
        """How many the relay accepted. Raises MailError when it cannot be used."""
        await asyncio.to_thread(self._store.forget_answers, now - REMEMBERED)
        answers = await asyncio.to_thread(self._store.claim_answers, tuple(self._senders), AN_HOUR, now)
        numbered = {answer.number: answer for answer in answers}
        waiting = deque(self._wrapped(answer) for answer in answers)
        accepted = 0

        async def take() -> Outgoing | None:
            return waiting.popleft() if waiting else None

        async def settle(result: Result | None, _mark: Outgoing | None) -> bool:
            nonlocal accepted
            if result is not None:
                judged = verdict(result, 0, now)
                accepted += judged.state is DeliveryState.SENT
                await asyncio.to_thread(self._judge, numbered[result.delivery], judged, now)
            return True

        if waiting:
            await mailer.run(take, settle)
        return accepted

    def _judge(self, answer: Answer, judged: Verdict, now: datetime) -> None:
        if judged.state is DeliveryState.SENT:
            self._store.answer_left(answer.number, now)
            return
        if judged.state is DeliveryState.BOUNCED:
            judged = replace(judged, due_at=now + REFUSED)
            sentence = (
                f"A reader's answer to {answer.digest} cannot be passed on: “{judged.reason}”. It is tried again."
            )
            self._tell(f"answer refused {answer.digest} {now:%Y-%m-%d}", sentence)
        self._store.answer_later(answer.number, judged.due_at or now + RETRY)

    def _wrapped(self, answer: Answer) -> Outgoing:
        sender, mail = self._senders[answer.digest], read_returned(answer.mail)
        to = sender.reply_to or sender.address
        wrapping = Wrapping(sender=sender, to=to, title=sender.name, fingerprint=answer.fingerprint, date=answer.at)
        message = wrapped(answer.mail, mail.sender, mail.subject, wrapping)
        return Outgoing(delivery=answer.number, attempt=0, mail_from=sender.address, rcpt_to=to, message=message)
