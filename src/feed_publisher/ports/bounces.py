"""What mail that comes back needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from feed_publisher.domain.bounce import BounceKind, Patience, Report
from feed_publisher.domain.verp import Returning


class Fate(StrEnum):
    """What became of a report."""

    DONE = "done"
    KNOWN = "known"  # it has been acted on before
    OTHER = "other"  # of no mail that is there, or of an attempt before the one that counts
    EARLY = "early"  # the mail is just being handed over: what comes of it must be stored first


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """``digest``: of the mail; ``suppressed``: its address is never mailed again since now."""

    fate: Fate
    digest: str = ""
    suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """A report as the operator sees it. ``address`` is "" for a reader who was erased."""

    at: datetime
    address: str
    digest: str
    issue: int | None
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reader wrote to the address that bounces come back to."""

    number: int
    fingerprint: str
    digest: str
    at: datetime
    mail: bytes


class BounceStore(Protocol):
    """Reports, what follows from them, and answers of readers."""

    def act(self, named: Returning, report: Report, patience: Patience, now: datetime) -> Acted:
        """Store a report about a delivery, or about a subscription, and all that follows from it."""
        ...

    def latest(self, address_key: str, since: datetime) -> Returning | None:
        """The last mail that went to an address, for reports that name no mail."""
        ...

    def named(self, issue: int, delivery: int) -> Returning | None:
        """A delivery of an issue, for reports that hold a Message-ID of ours."""
        ...

    def digest_of(self, delivery: int) -> str | None: ...
    def count(self, what: str, day: date) -> None: ...
    def counts(self, since: date) -> dict[str, int]: ...
    def of_issue(self, issue: int) -> Mapping[BounceKind, int]: ...
    def newest(self, limit: int) -> Sequence[Bounced]: ...
    def keep_answer(self, fingerprint: str, digest: str, mail: bytes, most: int, now: datetime) -> bool | None:
        """Whether it is new; None when so many wait already that it must come again later."""
        ...

    def claim_answers(self, digests: Sequence[str], an_hour: int, now: datetime) -> list[Answer]:
        """Those that may leave now: at most so many an hour."""
        ...

    def answer_later(self, number: int, due_at: datetime) -> None: ...
    def answer_left(self, number: int, now: datetime) -> None: ...
    def forget_answers(self, before: datetime) -> None: ...
