"""Dates without an issue: each is kept with its reason, and the operator is told in one sentence (invariant 9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from feed_publisher.domain.cadence import Clock, Slot, due_at
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.ports.issues import IssueStore
from feed_publisher.ports.people import DeskStore
from feed_publisher.services.edition import DigestRules

MISSED = 400
"""Missed dates that are counted at most."""


class Skipping:
    """``timezone`` is the one the operator is told times in; ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(self, store: IssueStore, desk: DeskStore, owner: str, rehearsal: bool, timezone: str) -> None:
        self._store = store
        self._desk = desk
        self._owner = owner
        self._rehearsal = rehearsal
        self._timezone = timezone

    def skip(self, rules: DigestRules, slot: Slot, why: str, now: datetime, tell: bool = True) -> None:
        """Keep the reason; the operator need not be told of a date that the settings leave out."""
        claimed = self._store.claim_slot(
            rules.slug, str(slot), IssueState.SKIPPED, why, self._rehearsal, self._owner, now
        )
        if claimed is not None and tell:
            self.tell(rules, slot, why, now)

    def tell(self, rules: DigestRules, slot: Slot, why: str, now: datetime) -> None:
        """Once, with the next action."""
        due = rules.next_due(slot.cadence, now)
        sentence = (
            f"{rules.name} ({slot}) was not sent: {why}. The next is due "
            f"{due.astimezone(ZoneInfo(self._timezone)):%a %d %b %H:%M}; "
            f"`feed-publisher send {rules.public_slug}` sends by hand."
        )
        self._desk.tell(f"skipped {rules.slug} {slot}", sentence, now)

    def tell_missed(
        self, rules: DigestRules, slot: Slot, clocks: Sequence[Clock], since: datetime, now: datetime
    ) -> None:
        """Only the latest slot is made up for; that older ones passed unseen is told, once."""
        rhythm = rules.rhythm(slot.cadence)
        missed, looked, older = 0, 0, rhythm.step(slot, -1)
        while looked < MISSED and max(due_at(older, clock) for clock in clocks) > since:
            if self._store.slot_taken(rules.slug, str(older)):
                break
            missed += not rhythm.is_left_out(older)
            looked, older = looked + 1, rhythm.step(older, -1)
        if missed:
            sentence = (
                f"{rules.name} missed {missed} {slot.cadence} {'date' if missed == 1 else 'dates'} before {slot}, "
                "because the program was not running. Nothing is lost: readers get the articles in the next issue."
            )
            self._desk.tell(f"missed {rules.slug} before {slot}", sentence, now)

    # --- broken templates

    def tell_waiting(self, rules: DigestRules, issue: Issue, error: TemplateError, now: datetime) -> None:
        """An issue that cannot be rendered waits."""
        sentence = (
            f"{rules.name} ({issue.slot}) waits, because a template is broken: {error}. Mend it, and the issue "
            "leaves by itself; `check` finds such mistakes before an issue is due."
        )
        self._desk.tell(f"template {issue.id} {error}"[:200], sentence, now)

    def hold_back(self, rules: DigestRules, issue: int, error: TemplateError, now: datetime) -> None:
        """Rather no mail than one with an article that was withdrawn."""
        if self._store.get(issue).state is not IssueState.READY:
            return
        self._store.change_state(issue, (IssueState.READY,), IssueState.PAUSED)
        sentence = (
            f"{rules.name} (issue {issue}) is paused: an article of it has changed, and a template is broken: "
            f"{error}. Mend it, then `issues resume {issue}`."
        )
        self._desk.tell(f"template {issue} {error}"[:200], sentence, now)
