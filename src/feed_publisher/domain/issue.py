"""The states of an issue, and the values an issue is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from feed_publisher.domain.delivery import DeliveryState


class IssueState(StrEnum):
    """``preparing`` until its audience is frozen; ``draft`` waits for approval; ``skipped`` had nothing to say."""

    PREPARING = "preparing"
    DRAFT = "draft"
    READY = "ready"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class SubscriptionState(StrEnum):
    """``pending`` has not confirmed; only ``active`` ones are mailed."""

    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One mailing of a digest for one slot. ``audience`` is None until it is frozen (``ready_at``)."""

    id: int
    digest: str
    slot: str
    state: IssueState
    reason: str
    rehearsal: bool
    issue_number: int | None
    subject: str
    through: int
    opened_at: datetime
    audience: int | None
    entries: int
    prepared_to: int
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The content shared by all readers of an issue with the same entries and language.

    ``html`` and ``text`` hold markers made with ``nonce`` where personal links go; ``entries`` are (entry number,
    revision number, slug of the topic that made it due).
    """

    fingerprint: str
    subject: str
    html: str
    text: str
    template: str
    language: str
    nonce: str
    entries: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A subscription as an issue sees it. ``cursor`` is the one that counts; "" in zone and at: the digest's own."""

    subscription: int
    subscriber: int
    choice: str
    cursor: int
    language: str | None
    cadence: str
    zone: str
    at: str
    suppressed: bool


Books = dict[DeliveryState, int]
