"""What becomes of one delivery: its states, and the rule from a relay's reply to the next state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class DeliveryState(StrEnum):
    """The states of SEMANTICS: from ``ready`` on, the audience of an issue is the sum over them."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    TRANSMITTING = "transmitting"
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    EXCLUDED = "excluded"
    EXPIRED = "expired"


UNFINISHED = (DeliveryState.QUEUED, DeliveryState.CLAIMED, DeliveryState.TRANSMITTING, DeliveryState.DEFERRED)
NOT_RECEIVED = (DeliveryState.BOUNCED, DeliveryState.SUPPRESSED, DeliveryState.EXCLUDED, DeliveryState.EXPIRED)
"""Ended without possible acceptance. ``unknown`` counts as received until it is resent."""


class Stage(StrEnum):
    """How far a mail transaction got (RFC 5321 §3.3). Up to DATA the relay certainly has no message."""

    CONNECT = "connect"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A relay's reply; ``text`` without the code, lines joined by " ", at most 500 characters."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one attempt ended in.

    ``reply`` is the first refusal, or the acceptance; None when the connection ended without one.
    At stage BODY without a reply the message is in doubt: it may have arrived (RFC 1047).
    """

    delivery: int
    attempt: int
    stage: Stage
    reply: Reply | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to store after an attempt. ``suppress``: never mail this address again."""

    state: DeliveryState
    reason: str = ""
    due_at: datetime | None = None
    suppress: bool = False


BACKOFF = tuple(timedelta(minutes=m) for m in (5, 15, 60, 180, 360))
CUT_PAUSE = timedelta(seconds=5)
CLOSED_PAUSE = timedelta(minutes=1)
_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")
_BAD_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}


def enhanced_code(reply: Reply) -> str | None:
    """The enhanced status code at the start of the text, e.g. "5.1.1" (RFC 3463)."""
    match = _ENHANCED.match(reply.text)
    return match.group(1) if match else None


def is_relay_trouble(reply: Reply, stage: Stage) -> bool:
    """Whether the reply is about the relay or our login, not about this message: 421, 454, 530-538.

    At RCPT the same codes may be about one recipient, and must not stop the others.
    """
    return stage is not Stage.RCPT and (reply.code in (421, 454) or 530 <= reply.code <= 538)


def verdict(result: Result, tries: int, now: datetime) -> Verdict:
    """Decide from one attempt; ``tries`` is how often it was deferred before.

    Trouble with the relay spends no attempt and leaves the row queued. Only codes that speak of the address
    suppress it; 5.7.x and the like are about us (the delivery is refused, the reader is not).
    """
    reply = result.reply
    if reply is not None and result.stage is Stage.BODY and 200 <= reply.code < 300:
        return Verdict(state=DeliveryState.SENT)
    if reply is None or reply.code < 400:  # no answer, or one that has no meaning here
        said = result.reason or (str(reply) if reply else "")
        if result.stage is Stage.BODY:
            return Verdict(state=DeliveryState.UNKNOWN, reason=said or "the connection ended before the answer")
        # One that makes the relay hang up goes behind the others, so it cannot stop them.
        behind = None if result.stage is Stage.CONNECT else now + CUT_PAUSE
        return Verdict(state=DeliveryState.QUEUED, reason=said, due_at=behind)
    if result.stage is Stage.CONNECT or reply.code == 421 or is_relay_trouble(reply, result.stage):
        # Beyond MAIL it may be this message after all that the relay cannot bear: others go first.
        behind = None if result.stage in (Stage.CONNECT, Stage.MAIL) else now + CLOSED_PAUSE
        return Verdict(state=DeliveryState.QUEUED, reason=str(reply), due_at=behind)
    if 400 <= reply.code < 500 or 530 <= reply.code <= 538:
        wait = BACKOFF[min(tries, len(BACKOFF) - 1)]
        return Verdict(state=DeliveryState.DEFERRED, reason=str(reply), due_at=now + wait)
    suppress = result.stage is Stage.RCPT and enhanced_code(reply) in _BAD_ADDRESS
    return Verdict(state=DeliveryState.BOUNCED, reason=str(reply), suppress=suppress)
