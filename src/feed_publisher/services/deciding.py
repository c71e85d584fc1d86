"""The operator's hand on an issue before it leaves: edits, approval, holding, and what becomes of it without them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from feed_publisher.domain.cadence import cadence_of
from feed_publisher.domain.editing import Change, edited
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.ports.deciding import DecisionStore, Open, What
from feed_publisher.ports.people import DeskStore
from feed_publisher.services.edition import DigestRules
from feed_publisher.services.issue import Issues
from feed_publisher.services.words import many

NOBODY = "nobody, in time"
"""Who let an issue go, or ended it, when its time to be decided about was over."""

TOLD_BACK = timedelta(days=2)
"""How long after its end it is told that an issue was overtaken, when the program was down at that moment."""


class Deciding:
    """``timezone`` is the one the operator is told times in; ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(
        self,
        store: DecisionStore,
        issues: Issues,
        desk: DeskStore,
        rules: Mapping[str, DigestRules],
        rehearsal: bool,
        timezone: str,
    ) -> None:
        self._store = store
        self._issues = issues
        self._desk = desk
        self._rules = rules
        self._rehearsal = rehearsal
        self._zone = ZoneInfo(timezone)

    # --- by hand

    def edit(self, number: int, change: Change, who: str, now: datetime, seen: int | None = None) -> Issue:
        """Change what has not left. Raises InputError for entries that it does not have, or when nothing would remain.

        The editions are rendered anew at once; after a crash the next look at issues does so.
        """
        known = {each.key for each in self._store.entries(number)}
        named = (*change.leave_out, *change.put_back, *([change.lead] if change.lead else []))
        for key in named:
            if key not in known:
                raise InputError(f"it has no article {key!r}; `issues show {number}` lists them", f"issue {number}")
        if known and known <= set(edited(self._store.look(number).issue.edits, change).left_out):
            raise InputError(f"nothing would be left in it; `issues cancel {number}` ends it", f"issue {number}")
        carried = {each.block.sponsor for each in self._store.sponsors(number)}
        for slug in change.sponsors_out or ():
            if slug not in carried:
                raise InputError(f"it has no sponsor {slug!r}; `issues show {number}` lists them", f"issue {number}")
        most = self._most(self._store.look(number).issue.digest)
        found = self._store.edit(number, lambda before: edited(before, change), who, now, seen, most)
        self._issues.revise(self._rules, now)
        return self._store.look(found.id).issue

    def _most(self, digest: str) -> dict[str, int]:
        """How many issues each sponsor of a digest may have, where that is limited."""
        sponsors = self._rules[digest].sponsors if digest in self._rules else ()
        return {each.slug: each.issues for each in sponsors if each.issues is not None}

    def approve(self, number: int, who: str, now: datetime) -> Issue:
        """Let a draft, or what was held, go: at its hour, or at once when that has passed."""
        self._issues.revise(self._rules, now)  # what was edited a moment ago must not leave as it was
        return self._store.approve(number, who, now)

    def hold(self, number: int, who: str, now: datetime) -> Issue:
        """Nothing leaves until somebody approves, whatever the settings say."""
        return self._store.hold(number, who, now)

    # --- by the clock

    def step(self, now: datetime) -> None:
        """Tell what waits, and do with what nobody has decided in time as the settings say."""
        for issue, first_at in self._store.waiting(self._rehearsal):
            rules = self._rules.get(issue.digest)
            if rules is None or first_at is None:
                continue
            about = f"waits {issue.id}"
            if not self._desk.has_told(about):
                self._desk.tell(about, self.sentence(self._store.look(issue.id)), now)
            until = deadline(issue, first_at, rules)
            if until is not None and now >= until:
                self._end(issue, rules, now)
        for issue in self._store.overtaken(now - TOLD_BACK):
            self._desk.tell(
                f"overtaken {issue.id}",
                f"{self._name(issue)} was not approved before the next issue came. Its readers get its articles with "
                "that one.",
                now,
            )

    def _end(self, issue: Issue, rules: DigestRules, now: datetime) -> None:
        if rules.unapproved == "send":
            self._store.approve(issue.id, NOBODY, now, What.SENT)
            said = (
                f'was sent although nobody had approved it (unapproved = "send"). `issues pause {issue.id}` stops it.'
            )
        else:
            self._store.roll(issue.id, NOBODY, "not approved in time", now)
            said = "was not approved in time. Nothing is lost: readers get its articles in the next issue."
        self._desk.tell(f"undecided {issue.id}", f"{self._name(issue)} {said}", now)

    # --- words

    def sentence(self, about: Open) -> str:
        """What an issue waits for, what becomes of it, and the next action."""
        issue = about.issue
        whom = many(about.waiting, "operator" if is_shadow(issue.digest) else "reader")
        size = f"{many(issue.entries, 'article')} for {whom}, “{issue.subject}”"
        if issue.state is IssueState.READY:
            leaves = f"leaves by itself {self._time(about.first_at)}" if about.first_at else "is leaving"
            return f"{self._name(issue)} {leaves}: {size}. `issues hold {issue.id}` stops it."
        why = f" It was stopped because {issue.reason}." if issue.reason else ""
        return (
            f"{self._name(issue)} waits for a decision: {size}.{why} `issues approve {issue.id}` lets it go; "
            f"{self.becomes(about)}."
        )

    def becomes(self, about: Open) -> str:
        """What happens to a waiting issue when nobody decides, as part of a sentence."""
        rules = self._rules.get(about.issue.digest)
        until = deadline(about.issue, about.first_at, rules) if rules else None
        if rules is None or until is None:
            return "otherwise it waits until the next issue takes its articles over"
        if rules.unapproved == "send":
            return f"otherwise it leaves by itself {self._time(until)}"
        return f"otherwise it ends {self._time(until)} and its articles come in the next issue"

    def _name(self, issue: Issue) -> str:
        name = self._rules[issue.digest].name if issue.digest in self._rules else issue.digest
        return f"{name} ({issue.slot})"

    def _time(self, moment: datetime | None) -> str:
        return f"{moment.astimezone(self._zone):%a %d %b %H:%M}" if moment else ""


def deadline(issue: Issue, first_at: datetime | None, rules: DigestRules) -> datetime | None:
    """Until when somebody may decide before the settings do; ``first_at`` is when its first mail may leave.

    None for an issue that waits however long it takes: it is held, a guard stopped it, or its digest wants it so.
    """
    cadence = cadence_of(issue.slot)
    stopped = issue.held or issue.reason or issue.state is not IssueState.DRAFT
    if stopped or not rules.needs_approval or rules.unapproved == "wait" or first_at is None or cadence is None:
        return None
    usual = timedelta(0) if rules.unapproved == "send" else rules.lateness(cadence)
    return first_at + (usual if rules.approve_within is None else rules.approve_within)
