"""What deciding about an issue before it leaves needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from feed_publisher.domain.issue import Issue, IssueEdits
from feed_publisher.domain.issue_guard import Measured
from feed_publisher.domain.sponsor import SponsorBlock


class What(StrEnum):
    """What was done about an issue."""

    APPROVED = "approved"
    HELD = "held"
    EDITED = "changed"
    SENT = "let go"  # by itself, when nobody had decided in time
    ROLLED = "ended"  # in the same case: its articles come in the next issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One line of the history of an issue."""

    at: datetime
    what: What
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An issue that can still be decided about. ``first_at``: when the first mail that waits may leave.

    ``waiting`` mails have not been tried; ``history`` is oldest first.
    """

    issue: Issue
    first_at: datetime | None
    waiting: int
    history: tuple[Decided, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosable:
    """An entry of an issue, as it can be chosen to come first or be left out."""

    key: str
    title: str
    topic: str
    left_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A sponsor that an issue was opened with."""

    block: SponsorBlock
    left_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MainEdition:
    """The edition of an issue that most of its readers get. ``html`` and ``text`` hold markers made with ``nonce``.

    ``readers`` of ``all_readers`` get it; the others one of the other ``editions``, which are counted and not read:
    there may be thousands.
    """

    language: str
    html: str
    text: str
    nonce: str
    readers: int
    all_readers: int
    editions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A mail that asks an operator to decide about an issue; its number is what the link in it names."""

    number: int
    issue: int
    address: str


class DecisionStore(Protocol):
    """Issues that wait, who decided what about them, and the mails that ask."""

    def edit(
        self,
        number: int,
        change: Callable[[IssueEdits], IssueEdits],
        who: str,
        now: datetime,
        seen: int | None = None,
        most: Mapping[str, int] | None = None,
    ) -> Issue:
        """Store other edits. ``seen`` is the revision that the operator looked at; InputError when there is another.

        ``most``: how many issues may carry a sponsor, by slug; InputError when one that was out is to be in again and
        others have taken its place.
        """
        ...

    def approve(self, number: int, who: str, now: datetime, what: What = What.APPROVED) -> Issue: ...
    def hold(self, number: int, who: str, now: datetime) -> Issue:
        """Nothing leaves until somebody approves: a draft waits whatever the settings say, what is ready is paused."""
        ...

    def roll(self, number: int, who: str, reason: str, now: datetime) -> Issue:
        """End a draft; its entries come in the next issue."""
        ...

    def waiting(self, rehearsal: bool) -> list[tuple[Issue, datetime | None]]:
        """Drafts, with when the first mail of each may leave. Asked every few seconds: it counts nothing."""
        ...

    def look(self, number: int) -> Open: ...
    def overtaken(self, since: datetime) -> list[Issue]:
        """Drafts that ended since then because the next issue came first."""
        ...

    def entries(self, number: int) -> list[Choosable]: ...
    def sponsors(self, number: int) -> list[Carried]: ...
    def main_edition(self, number: int) -> MainEdition | None:
        """None when no edition of it has readers."""
        ...

    def question(self, number: int) -> Question | None: ...
    def claim_questions(self, limit: int, now: datetime) -> list[Question]: ...
    def question_leaves(self, number: int) -> None:
        """Before its first byte: it is never mailed twice."""
        ...

    def ask_later(self, number: int, due_at: datetime) -> None: ...
    def measured(self, number: int) -> Measured: ...
    def past(self, issue: Issue, limit: int) -> list[Measured]:
        """The issues of the same cadence before this one, newest first."""
        ...
