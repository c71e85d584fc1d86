"""Editions: which entries could be due, who shares which of them, and the mail they make (SEMANTICS §2, Editions)."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from feed_publisher.compose.digest import (
    UNEDITED,
    DigestView,
    IssueView,
    Line,
    SiteView,
    TemplateSet,
    arranged,
    fingerprint,
    render_edition,
)
from feed_publisher.domain.cadence import Cadence, Clock, Slot, cadence_of, due_at, parse_time
from feed_publisher.domain.issue import Edition, Images, IssueEdits, Reader, archive_name
from feed_publisher.domain.language import spoken
from feed_publisher.domain.model import Entry, TopicRef
from feed_publisher.domain.rhythm import QuietHours, Rhythm
from feed_publisher.domain.selection import Candidate, Choice, Minimum, Selected, rolls_over, select
from feed_publisher.domain.shadow import is_shadow, real_slug
from feed_publisher.domain.sponsor import Sponsor, SponsorBlock, without
from feed_publisher.ports.issues import IssueStore, StaleEdition
from feed_publisher.ports.topics import TopicStore

LONGEST_WAIT = timedelta(days=28)
"""How long an article waits for others to make a minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRules:
    """What issues take from the settings of one digest."""

    slug: str
    title: str
    topics: tuple[str, ...]
    order: tuple[str, ...]
    cadences: tuple[Cadence, ...]
    weekday: int
    cron: str
    left_out: frozenset[str]
    clock: Clock
    language: str
    minimum: int
    maximum: int
    cutoff: timedelta | None
    quiet: QuietHours | None
    max_lateness: timedelta | None
    needs_approval: bool
    archive: bool = False
    footer: str = ""
    images: Images = Images.NONE
    link_parameters: str = ""
    unapproved: str = "wait"
    """What becomes of an issue that nobody approves: "wait", "send" or "roll"."""
    approve_within: timedelta | None = None
    draft_before: timedelta = timedelta(0)
    announce: timedelta = timedelta(0)
    guards: bool = True
    sponsors: tuple[Sponsor, ...] = ()
    """Those that may be in its issues, in the order of the settings."""
    rests: bool = False
    """Nothing is mailed of it: it goes to the operators only, by its shadow."""

    @property
    def public_slug(self) -> str:
        """What addresses and commands have; a shadow has that of its digest."""
        return real_slug(self.slug)

    @property
    def name(self) -> str:
        """The title, as operators are told it."""
        return f"{self.title} (for the operators only)" if is_shadow(self.slug) else self.title

    def rhythm(self, cadence: Cadence) -> Rhythm:
        """The dates of one of its cadences."""
        return Rhythm(cadence, self.weekday, self.cron, self.left_out)

    def slot(self, text: str) -> Slot | None:
        """The date that an issue is named after; None for one sent by hand, or as it happens."""
        cadence = cadence_of(text)
        return None if cadence is None else self.rhythm(cadence).parse(text)

    def clock_of(self, zone: str, at: str, cadence: Cadence) -> Clock:
        """A reader's clock; "" stands for the digest's own, which its own dates are always meant by."""
        if cadence is Cadence.CRON:
            return self.clock
        return Clock(zone or self.clock.zone, parse_time(at) if at else self.clock.at)

    def hour_of(self, slot: Slot, zone: str, at: str, now: datetime) -> datetime:
        """When the slot is due for this clock, or its hour on an earlier day that is still to come.

        Tokyo's 07:00 and Lima's 20:00 are more than a day apart: waiting for the date of the slot, readers in Lima
        would see every daily mail replaced by the next one before its hour.
        """
        clock, rhythm = self.clock_of(zone, at, slot.cadence), self.rhythm(slot.cadence)
        due = due_at(slot, clock)
        while slot.cadence in (Cadence.DAILY, Cadence.WEEKDAYS) and due > now + timedelta(days=1):
            slot = rhythm.step(slot, -1)
            earlier = due_at(slot, clock)
            if earlier <= now:
                break  # over a weekend
            due = earlier
        return due

    def next_due(self, cadence: Cadence, now: datetime) -> datetime:
        """When the next issue of a cadence with dates is due for the digest's own clock."""
        return due_at(self.rhythm(cadence).next(self.clock, now), self.clock)

    def day_of(self, slot: Slot | None, at: datetime) -> date:
        """The date of an issue: that of its slot, else the day on which it is opened where the digest is."""
        return slot.day if slot else at.astimezone(ZoneInfo(self.clock.zone)).date()

    def sponsors_due(self, slot: Slot | None, at: datetime) -> tuple[Sponsor, ...]:
        """Those whose time it is on the date of an issue."""
        day = self.day_of(slot, at)
        return tuple(each for each in self.sponsors if each.runs_on(day))

    @property
    def ahead(self) -> timedelta:
        """How long before its hour an issue is made, so that somebody can look at it."""
        return self.draft_before if self.needs_approval else self.announce

    def lateness(self, cadence: Cadence) -> timedelta:
        return self.max_lateness or self.rhythm(cadence).lateness


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What rendering needs: the site's words and links, and the templates as they are now.

    ``rehearsal``: the built-in mailbox is the relay.
    """

    site: SiteView
    templates: TemplateSet
    languages: Collection[str]
    """Those with words."""
    rehearsal: bool = False

    def entry_url(self, entry: Entry) -> str:
        return entry.link or f"{self.site.url}/entries/{entry.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The entries that could be due, newest first, with what is needed to choose among them."""

    entries: Mapping[int, Entry]
    candidates: Sequence[Candidate]
    topics: Mapping[int, TopicRef]
    through: int


Maturing = Sequence[tuple[Entry, Candidate]]
"""Post-dated entries, with the sequences they will have."""


class Editions:
    """The same rules for sending, previewing and planning."""

    def __init__(self, store: IssueStore, topics: TopicStore, press: Press) -> None:
        self._store = store
        self._topics = topics
        self._press = press

    @property
    def templates(self) -> dict[str, str]:
        """The sources of the templates in use, by hash."""
        return {self._press.templates.hash: self._press.templates.source}

    def covered(self, rules: DigestRules) -> set[int] | None:
        """The topics of a digest by number, with those that have gone into them; None for all."""
        return self._topics.reach(rules.topics) if rules.topics else None

    def over(self) -> set[int]:
        """The topics that have ended, by number."""
        return self._topics.over()

    def stock(self, rules: DigestRules, after: int, through: int, maturing: Maturing = ()) -> Stock:
        """What became mailable in (after, through] and is still public, and what will have matured by then."""
        covered = self.covered(rules)
        found = self._store.candidates(after, through)
        if maturing:
            found = sorted([*found, *maturing], key=lambda each: (each[0].published, each[0].number), reverse=True)
        candidates = [_covered(candidate, covered) for _, candidate in found]
        return Stock(
            entries={entry.number: entry for entry, _ in found},
            candidates=candidates,
            topics=self._topics.refs(),
            through=through,
        )

    def lines(self, rules: DigestRules, chosen: Sequence[Selected], stock: Stock) -> tuple[Line, ...]:
        """Selected entries with the topic and the address they appear with, in the order of the mail."""
        newest_first = tuple(
            Line(
                entry=stock.entries[selected.entry],
                topic=stock.topics[selected.topic],
                url=self._press.entry_url(stock.entries[selected.entry]),
            )
            for selected in chosen
        )
        return arranged(newest_first, rules.order, rules.maximum)

    def minimum(self, rules: DigestRules, cadence: Cadence | None, now: datetime) -> Minimum | None:
        """What an issue of this cadence asks of the entries; None where any number will do."""
        if rules.minimum <= 1 or cadence in (None, Cadence.INSTANT):
            return None
        return Minimum(entries=rules.minimum, overdue=self._store.sequence_at(now - LONGEST_WAIT))

    def language(self, rules: DigestRules, wanted: str | None) -> str:
        """What a mail is written in: the reader's language when there are words of it, else that of the digest."""
        return spoken(wanted, self._press.languages, rules.language)

    def grouped(
        self,
        rules: DigestRules,
        readers: Sequence[Reader],
        stock: Stock,
        rehearsal: bool,
        minimum: Minimum | None = None,
    ) -> Iterator[tuple[tuple[Line, ...], str, list[Reader]]]:
        """Readers with the same entries and language together; the ledger is asked only where it can matter.

        Readers whose entries wait for more are in no group.
        """
        alike: dict[tuple[str, int, str], list[Reader]] = defaultdict(list)
        for reader in readers:
            alike[reader.choice, reader.cursor, self.language(rules, reader.language)].append(reader)
        for (choice, cursor, language), group in alike.items():
            chosen = select(stock.candidates, Choice.parse(choice), cursor, stock.through)
            for kept, part in self._without_repeats(chosen, group, rehearsal):
                if minimum is None or not rolls_over(kept, minimum):
                    yield self.lines(rules, kept, stock), language, part

    def _without_repeats(
        self, chosen: list[Selected], group: list[Reader], rehearsal: bool
    ) -> Iterator[tuple[list[Selected], list[Reader]]]:
        doubtful = [selected.entry for selected in chosen if selected.may_have_had]
        if not doubtful:
            yield chosen, group
            return
        had = self._store.already_had([reader.subscription for reader in group], doubtful, rehearsal)
        parts: dict[frozenset[int], list[Reader]] = defaultdict(list)
        for reader in group:
            parts[frozenset(entry for entry in doubtful if (reader.subscription, entry) in had)].append(reader)
        for repeats, part in parts.items():
            yield [selected for selected in chosen if selected.entry not in repeats], part

    def fingerprint(
        self, rules: DigestRules, lines: Sequence[Line], language: str, sponsors: Sequence[SponsorBlock] = ()
    ) -> str:
        """What makes editions of one issue the same."""
        more, press = max(0, len(lines) - rules.maximum), self._press
        digest = self._digest_view(rules)
        return fingerprint(lines, more, press.templates, language, press.site, digest, sponsors=sponsors)

    def renewed(self, rules: DigestRules, stale: StaleEdition) -> Edition | None:
        """An edition with its entries as they are now and the issue's edits; None when nothing is left in it.

        One that had only been counted may move up.
        """
        lines = [Line(entry=entry, topic=topic, url=self._press.entry_url(entry)) for entry, topic in stale.entries]
        remaining = [line for line in lines if line.entry.key not in stale.edits.left_out]
        if not remaining:
            return None
        in_order = arranged(remaining, rules.order, rules.maximum)
        kept = sorted(in_order, key=lambda line: line.entry.key != stale.edits.lead)
        left_out = [line for line in lines if line.entry.key in stale.edits.left_out]
        return self._render(
            rules,
            kept,
            stale.language,
            stale.issue_number,
            stale.opened_at,
            stale.issue,
            archive_name(stale.issue, stale.issue_number),
            stale.edits,
            left_out,
            stale.revision,
            without(stale.sponsors, stale.edits.sponsors_out),
        )

    def render(
        self,
        rules: DigestRules,
        lines: Sequence[Line],
        language: str,
        number: int | None,
        now: datetime,
        issue: int | None = None,
        name: str = "",
        sponsors: Sequence[SponsorBlock] = (),
    ) -> Edition:
        """The mail, with markers where a reader's own links go.

        ``number`` is that of the issue, for people; ``issue`` is its id, None for a mail that belongs to none. An issue
        keeps its subject from then on: no other one of the digest gets it. ``name`` is the one it will have in the
        archive, where there is no issue yet.
        """
        if issue is not None:
            name = archive_name(issue, number)
        return self._render(rules, lines, language, number, now, issue, name, sponsors=sponsors)

    def _render(
        self,
        rules: DigestRules,
        lines: Sequence[Line],
        language: str,
        number: int | None,
        now: datetime,
        issue: int | None,
        name: str,
        edits: IssueEdits = UNEDITED,
        left_out: Sequence[Line] = (),
        revision: int = 0,
        sponsors: Sequence[SponsorBlock] = (),
    ) -> Edition:
        press, web_url = self._press, ""
        if rules.archive and name:
            web_url = f"{press.site.url}/issues/{rules.slug}/{name}"
        return render_edition(
            press.templates,
            press.site,
            self._digest_view(rules),
            IssueView(number=number, date=now, web_url=web_url),
            lines,
            language=language,
            maximum=rules.maximum,
            nonce=secrets.token_hex(16),
            topic_url=f"{press.site.url}/topics/",
            choose=partial(self._subject, rules.slug, issue),
            edits=edits,
            left_out=left_out,
            revision=revision,
            sponsors=sponsors,
        )

    def _subject(self, slug: str, issue: int | None, candidates: Sequence[str]) -> str:
        if issue is None:
            return self._store.free_subject(slug, self._press.rehearsal, candidates)
        return self._store.claim_subject(issue, candidates)

    def _digest_view(self, rules: DigestRules) -> DigestView:
        return DigestView(
            title=rules.title,
            url=f"{self._press.site.url}/digests/{rules.public_slug}",
            footer=rules.footer,
            images=rules.images,
            link_parameters=rules.link_parameters,
        )


def _covered(candidate: Candidate, topics: set[int] | None) -> Candidate:
    if topics is None:
        return candidate
    kept = {topic: sequence for topic, sequence in candidate.sequences.items() if topic in topics}
    others = [sequence for topic, sequence in candidate.sequences.items() if topic not in topics]
    return Candidate(entry=candidate.entry, sequences=kept, elsewhere=min(others, default=None))
