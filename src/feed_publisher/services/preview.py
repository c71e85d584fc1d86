"""What would be sent: plans and the mails of a dry run; ``proof.py`` tells the rest. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.compose.digest import Line
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.issue import Edition, Reader, archive_name
from feed_publisher.domain.selection import Choice, rolls_over, select
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.ports.issues import Audience, IssueStore
from feed_publisher.services.edition import DigestRules, Editions
from feed_publisher.services.sponsoring import Sponsoring

PAGE = 20_000
"""Readers looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a send would do now. ``sample`` is what most readers get; ``waiting`` have less than the minimum."""

    recipients: int
    entries: int
    through: int
    sample: tuple[Line, ...]
    language: str
    waiting: int


class Preview:
    """Answers for one site. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(self, store: IssueStore, editions: Editions, sponsoring: Sponsoring, rehearsal: bool) -> None:
        self._store = store
        self._sponsoring = sponsoring
        self._editions = editions
        self._rehearsal = rehearsal

    def plan(
        self, rules: DigestRules, now: datetime, cadence: Cadence | None = None, as_of: datetime | None = None
    ) -> Plan:
        """Recipients and entries of an issue opened now, without changing anything."""
        groups = self._store.groups(Audience(digest=rules.slug, cadence=cadence, rehearsal=self._rehearsal), now)
        stock = self._editions.stock(rules, min((group.cursor for group in groups), default=0), self.through(as_of))
        minimum = self._editions.minimum(rules, cadence, now)
        readers, waiting, entries, most, uncertain = 0, 0, set[int](), 0, False
        sample: tuple[Line, ...] = ()
        language = rules.language
        for group in groups:
            chosen = select(stock.candidates, Choice.parse(group.choice), group.cursor, stock.through)
            uncertain = uncertain or any(selected.may_have_had for selected in chosen)
            if minimum is not None and rolls_over(chosen, minimum):
                waiting += group.count
                continue
            if chosen:
                readers += group.count
                entries |= {selected.entry for selected in chosen}
            if chosen and group.count > most:
                most, language = group.count, self._editions.language(rules, group.language)
                sample = self._editions.lines(rules, chosen, stock)
        if uncertain:
            readers, entries = self._counted(rules, now, cadence, stock.through)
        return Plan(
            recipients=readers,
            entries=len(entries),
            through=stock.through,
            sample=sample,
            language=language,
            waiting=waiting,
        )

    def _counted(
        self, rules: DigestRules, now: datetime, cadence: Cadence | None, through: int
    ) -> tuple[int, set[int]]:
        """Readers and entries, asking the ledger reader by reader what they already had."""
        count, entries = 0, set[int]()
        for lines, _, group in self._readers(rules, now, cadence, through):
            if lines:
                count += len(group)
                entries |= {line.entry.number for line in lines}
        return count, entries

    def _readers(
        self, rules: DigestRules, now: datetime, cadence: Cadence | None, through: int
    ) -> Iterator[tuple[tuple[Line, ...], str, list[Reader]]]:
        """Readers who may be mailed, in groups with the same entries and language."""
        audience, after = Audience(digest=rules.slug, cadence=cadence, rehearsal=self._rehearsal), 0
        minimum = self._editions.minimum(rules, cadence, now)
        while readers := self._store.readers(audience, after, PAGE, now):
            stock = self._editions.stock(rules, min(reader.cursor for reader in readers), through)
            wanted = [reader for reader in readers if not reader.suppressed]
            yield from self._editions.grouped(rules, wanted, stock, self._rehearsal, minimum)
            after = readers[-1].subscription

    def subject(self, rules: DigestRules, plan: Plan, now: datetime) -> str:
        """The subject that most readers of a plan would see."""
        if not plan.sample:
            return ""
        return self._editions.render(rules, plan.sample, plan.language, self.next_issue(rules)[0], now).subject

    def next_issue(self, rules: DigestRules) -> tuple[int | None, str]:
        """The number of the next issue (rehearsals and shadows have none), and its name in the archive."""
        id, number = self._store.next_issue(rules.slug)
        shown = None if self._rehearsal or is_shadow(rules.slug) else number
        return shown, archive_name(id, shown)

    def mailing(self, rules: DigestRules, now: datetime, as_of: datetime | None) -> Iterator[tuple[Reader, Edition]]:
        """Every reader a manual send would mail now, with their edition."""
        number, name = self.next_issue(rules)
        sponsors = self._sponsoring.next(rules, None, now)
        for lines, language, group in self._readers(rules, now, None, self.through(as_of)):
            if lines:
                edition = self._editions.render(rules, lines, language, number, now, name=name, sponsors=sponsors)
                yield from ((reader, edition) for reader in group)

    def through(self, as_of: datetime | None) -> int:
        """The last sequence given, now or at an instant of the past."""
        return self._store.current_sequence() if as_of is None else self._store.sequence_at(as_of)
