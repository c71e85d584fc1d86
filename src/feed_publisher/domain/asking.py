"""“Still want this?”: what becomes of a reader who is asked whether a digest is still wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from feed_publisher.domain.delivery import DeliveryState, Verdict
from feed_publisher.domain.errors import InputError

RETRY = timedelta(minutes=1)
MOST_TRIES = 12
"""Deferrals of one mail: about two and a half days."""

LONGEST = 365


class AskState(StrEnum):
    """Of one reader in one round. ``unreached``: a mail was refused for good, or is in doubt: silence says nothing."""

    WAITING = "waiting"
    ASKED = "asked"
    REMINDED = "reminded"
    KEPT = "kept"
    PAUSED = "paused"
    LEFT = "left"
    UNREACHED = "unreached"


OPEN = (AskState.WAITING, AskState.ASKED, AskState.REMINDED)
"""Something is still to come: a mail, an answer, or silence."""

BY_OPERATOR = ("imported", "added by hand")
"""How a consent begins that is the operator's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Days from the first mail to the reminder, and to the pause. ``per_day``: how many are asked, None for all."""

    remind_after: int
    pause_after: int
    per_day: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.remind_after <= LONGEST:
            raise InputError(f"must be from 1 to {LONGEST} days", "--remind-after")
        if not self.remind_after < self.pause_after <= LONGEST:
            reason = f"must be from {self.remind_after + 1} to {LONGEST} days: the reminder comes before"
            raise InputError(reason, "--pause-after")
        if self.per_day is not None and self.per_day < 1:
            raise InputError("must be at least 1", "--per-day")

    @property
    def until_reminder(self) -> timedelta:
        return timedelta(days=self.remind_after)

    @property
    def grace(self) -> timedelta:
        """From the hand-over of the reminder to the pause."""
        return timedelta(days=self.pause_after - self.remind_after)

    def delay(self, place: int) -> timedelta:
        """When the reader at this place of the round is asked, from its beginning."""
        return timedelta(0) if self.per_day is None else timedelta(days=1) * place / self.per_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is stored after an attempt to mail a reader. ``due_at`` None: nothing more is to be done."""

    state: AskState
    due_at: datetime | None = None
    tries: int = 0


def after_mail(state: AskState, verdict: Verdict, tries: int, patience: Patience, now: datetime) -> Next:
    """The first mail of a reader who waits, or the reminder of one who was asked, ended in this verdict.

    Silence counts from now, the hand-over. A first mail in doubt is not repeated: the reminder says the same. After a
    reminder in doubt nobody knows whether the reader was asked twice.
    """
    handed_over = verdict.state is DeliveryState.SENT
    if verdict.state in (DeliveryState.QUEUED, DeliveryState.DEFERRED):
        tries += verdict.state is DeliveryState.DEFERRED
        if tries > MOST_TRIES:
            return Next(state=AskState.UNREACHED)
        return Next(state=state, due_at=verdict.due_at or now + RETRY, tries=tries)
    if state is AskState.WAITING and (handed_over or verdict.state is DeliveryState.UNKNOWN):
        return Next(state=AskState.ASKED, due_at=now + patience.until_reminder)
    if state is AskState.ASKED and handed_over:
        return Next(state=AskState.REMINDED, due_at=now + patience.grace)
    return Next(state=AskState.UNREACHED)


def is_own_word(consented_at: datetime | None, joined_at: datetime, source: str) -> bool:
    """Whether the reader's own consent is on record, and not only that the operator put the address in."""
    if consented_at is None:
        return False
    return consented_at != joined_at or not (source == "" or source.startswith(BY_OPERATOR))
