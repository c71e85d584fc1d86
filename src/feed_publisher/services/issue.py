"""Issues: opening the slot that is due, and correcting what has not left (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from feed_publisher.domain.cadence import Cadence, Clock, Slot, due_at
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.ports.issues import IssueStore
from feed_publisher.services.edition import DigestRules, Editions
from feed_publisher.services.preparing import Preparing
from feed_publisher.services.preview import Plan, Preview
from feed_publisher.services.skipping import Skipping

SETTLED = timedelta(minutes=2)
"""Articles that come together are mailed together: so long nothing must have come for an issue "as it happens"."""

PATIENCE = timedelta(minutes=10)
"""How long an article waits for others that keep coming."""


class Issues:
    """Opens issues; ``preparing`` gives them their deliveries. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(
        self,
        store: IssueStore,
        editions: Editions,
        preview: Preview,
        preparing: Preparing,
        skipping: Skipping,
        owner: str,
        rehearsal: bool,
    ) -> None:
        self._store = store
        self._editions = editions
        self._preview = preview
        self._preparing = preparing
        self._skipping = skipping
        self._owner = owner
        self._rehearsal = rehearsal

    def open_due(self, rules: DigestRules, now: datetime) -> list[Issue]:
        """Open the latest due slot of each cadence; missed older ones are not made up for."""
        opened = []
        for cadence in rules.cadences:
            if cadence is Cadence.INSTANT:
                issue = self._open_instant(rules, now)
            else:
                issue = self._open_slot(rules, cadence, now)
            if issue is not None:
                opened.append(issue)
        return opened

    def open_manual(
        self, rules: DigestRules, operation: str, now: datetime, as_of: datetime | None = None
    ) -> Issue | None:
        """The manual send: every active reader, at once. None when there is nothing new for anybody.

        It is its own approval. The same operation key again opens no second issue.
        """
        if self._preview.plan(rules, now, as_of=as_of).recipients == 0:
            return None
        through = None if as_of is None else self._preview.through(as_of)
        return self._open(rules, f"manual:{operation}", now, through, manual=True)

    def resume_preparing(self, rules: Mapping[str, DigestRules], alive: set[str], now: datetime) -> list[Issue]:
        """Continue what this process, or one that is no longer alive, left unfinished."""
        resumed = []
        for found in self._store.preparing():
            issue = found
            if found.owner != self._owner:
                if found.owner in alive or not self._store.adopt(found.id, found.owner, self._owner):
                    continue
                issue = self._store.get(found.id)
            if issue.digest in rules and issue.rehearsal == self._rehearsal:
                prepared = self._prepare_or_tell(rules[issue.digest], issue, now)
                resumed += [prepared] if prepared else []
        return resumed

    def revise(self, rules: Mapping[str, DigestRules], now: datetime) -> int:
        """Bring mail that has not left up to date with corrections, withdrawals and edits; how many editions changed.

        Deliveries that were ever attempted keep their bytes. An edition left empty excludes its readers.
        """
        stale = self._store.stale_editions()
        for edition in stale:
            if edition.digest not in rules:
                continue
            try:
                renewed = self._editions.renewed(rules[edition.digest], edition)
            except TemplateError as error:
                self._skipping.hold_back(rules[edition.digest], edition.issue, error, now)
                continue
            self._store.replace_edition(edition, renewed, self._editions.templates, now)
        return len(stale)

    # --- dates

    def _open_slot(self, rules: DigestRules, cadence: Cadence, now: datetime) -> Issue | None:
        rhythm, clocks = rules.rhythm(cadence), self._clocks(rules, cadence)
        slot = max(rhythm.latest(clock, now + rules.ahead) for clock in clocks)
        dues = [due_at(slot, clock) for clock in clocks]
        added = self._store.digest_added(rules.slug)
        if max(dues) <= added or self._store.slot_taken(rules.slug, str(slot)):
            return None
        joined = self._store.first_joined(rules.slug, cadence)
        if joined is None:
            return None  # nobody wants it
        self._skipping.tell_missed(rules, slot, clocks, max(added, joined), now)
        if not self._store.wanted_at(rules.slug, cadence, max(dues)):
            return None  # its readers chose this cadence later
        if now > max(dues) + rules.lateness(cadence) and max(dues) <= joined:
            return None  # nobody wanted it yet
        cut = None if rules.cutoff is None else min(dues) - rules.cutoff
        why = self._why_not(rules, slot, max(dues), cut, now)
        if why:
            self._skipping.skip(rules, slot, why, now, tell=not rhythm.is_left_out(slot))
            return None
        return self._open(rules, str(slot), now, None if cut is None else self._preview.through(cut))

    def _why_not(self, rules: DigestRules, slot: Slot, due: datetime, cut: datetime | None, now: datetime) -> str:
        """Why a slot that is due has no issue; "" when it has one."""
        if rules.rhythm(slot.cadence).is_left_out(slot):
            return f"the settings leave out {slot.day.isoformat()}"
        if now > due + rules.lateness(slot.cadence):
            return f"the program was not running until {_ago(now - due)} after it was due"
        plan = self._preview.plan(rules, now, slot.cadence, cut)
        return "" if plan.recipients else _nothing(rules, plan)

    def _clocks(self, rules: DigestRules, cadence: Cadence) -> list[Clock]:
        if cadence is Cadence.CRON:
            return [rules.clock]
        used = self._store.clocks(rules.slug, cadence)
        return [rules.clock_of(zone, at, cadence) for zone, at in used] or [rules.clock]

    # --- as it happens

    def _open_instant(self, rules: DigestRules, now: datetime) -> Issue | None:
        """An issue as soon as what comes together has come; not while the one before is still leaving."""
        through, done = self._store.current_sequence(), self._store.instant_through(rules.slug)
        if through <= done:
            return None
        if self._store.first_joined(rules.slug, Cadence.INSTANT) is not None:
            still_coming = self._preview.through(now - SETTLED) < through
            if still_coming and self._preview.through(now - PATIENCE) <= done:
                return None
            if self._store.is_leaving(rules.slug, Cadence.INSTANT, now):
                return None
            if self._preview.plan(rules, now, Cadence.INSTANT).recipients:
                return self._open(rules, f"{Cadence.INSTANT}:{through}", now, through)
        self._store.instant_done(rules.slug, through)
        return None

    def _open(
        self, rules: DigestRules, slot: str, now: datetime, through: int | None, manual: bool = False
    ) -> Issue | None:
        """Who sends by hand is there to be told of a broken template at once."""
        sponsors = rules.sponsors_due(rules.slot(slot), now)
        issue = self._store.claim_slot(
            rules.slug, slot, IssueState.PREPARING, "", self._rehearsal, self._owner, now, through, sponsors
        )
        if issue is None:
            return None
        return self._preparing.prepare(rules, issue, now) if manual else self._prepare_or_tell(rules, issue, now)

    def _prepare_or_tell(self, rules: DigestRules, issue: Issue, now: datetime) -> Issue | None:
        """A broken template stops this issue alone, and it is tried again at every step until it is mended."""
        try:
            return self._preparing.prepare(rules, issue, now)
        except TemplateError as error:
            self._skipping.tell_waiting(rules, issue, error, now)
            return None


def _nothing(rules: DigestRules, plan: Plan) -> str:
    if plan.waiting:
        return f"nobody had {rules.minimum} new articles yet; they come with the next ones"
    return "there was nothing new for anybody"


def _ago(delay: timedelta) -> str:
    hours = round(delay.total_seconds() / 3600)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
