"""A proof: an issue looked at before it is sent, as of any instant, with the reasons for all that is in or out of it.

The bytes are made by what makes those that are sent. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from feed_publisher.compose.digest import Line
from feed_publisher.compose.lint import lint
from feed_publisher.compose.message import Sender
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.domain.finding import Finding
from feed_publisher.domain.issue import Edition
from feed_publisher.domain.selection import Choice, select
from feed_publisher.domain.sponsor import SponsorBlock
from feed_publisher.domain.why import (
    EntryVerdict,
    ReaderFacts,
    ReaderVerdict,
    ReaderWhy,
    Standing,
    Viewpoint,
    judge_entry,
    judge_reader,
)
from feed_publisher.ports.issues import IssueStore
from feed_publisher.ports.preview import KnownReader, LastIssue, PreviewStore
from feed_publisher.ports.sending import Ledger
from feed_publisher.services.edition import DigestRules, Editions
from feed_publisher.services.horizon import Asked, Horizon, Horizons
from feed_publisher.services.preparing import Dues
from feed_publisher.services.send import Letterhead, addressed, skeleton
from feed_publisher.services.sponsoring import Sponsoring
from feed_publisher.services.turnout import Turnout, Turnouts

NEWEST = 50
"""Entries that are accounted for, beside those that are in."""

NOBODY = "reader@example.org"
"""Whom the proof of a version is addressed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofMail:
    """The bytes; only Message-ID and boundary are made up, and the personal links lead nowhere (of the same length)."""

    message: bytes
    edition: Edition
    sponsors: tuple[SponsorBlock, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What receivers would refuse, or readers stumble on."""
        return lint(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReader:
    """The reader that was asked for, and whether they get it."""

    known: KnownReader
    verdict: ReaderVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """To the last issue; ``again`` were in it too. ``size`` in bytes is that of the version most of its readers got."""

    last: LastIssue
    size: int
    new: int
    again: int
    gone: int
    corrected: tuple[str, ...]
    withdrawn: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """All that is known about an issue that has not been sent. Without ``mail`` nobody looked at has anything new."""

    asked: Asked
    at: datetime
    sender: Sender
    mail: ProofMail | None
    lines: tuple[Line, ...]
    turnout: Turnout
    reader: ProofReader | None
    entries: tuple[EntryVerdict, ...]
    difference: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """From where it is looked: one reader, or the readers of a version."""

    view: Viewpoint
    lines: tuple[Line, ...]
    language: str
    subscription: int | None = None
    to: str = NOBODY
    reader: ProofReader | None = None


class Proofs:
    """Proofs of one site's issues. ``rehearsal``: the built-in mailbox is the relay."""

    def __init__(
        self,
        issues: IssueStore,
        store: PreviewStore,
        ledger: Ledger,
        editions: Editions,
        horizons: Horizons,
        turnouts: Turnouts,
        sponsoring: Sponsoring,
        letterhead: Letterhead,
        next_issue: Callable[[DigestRules], tuple[int | None, str]],
        rehearsal: bool,
    ) -> None:
        self._issues = issues
        self._store = store
        self._ledger = ledger
        self._editions = editions
        self._horizons = horizons
        self._turnouts = turnouts
        self._sponsoring = sponsoring
        self._letterhead = letterhead
        self._next = next_issue
        self._rehearsal = rehearsal

    def proof(self, asked: Asked, now: datetime) -> Proof:
        """Everything. Raises NotFoundError for somebody who does not subscribe."""
        horizon = self._horizons.of(asked, now)
        turnout = self._turnouts.count(asked, horizon)
        looked = self._looked(asked, horizon, turnout)
        mail = self._mail(asked, horizon, looked)
        return Proof(
            asked=asked,
            at=horizon.at,
            sender=self._letterhead.senders[asked.rules.slug],
            mail=mail,
            lines=looked.lines,
            turnout=turnout,
            reader=looked.reader,
            entries=tuple(self._verdicts(asked, looked, None)),
            difference=self._difference(asked, looked),
        )

    def mail(self, asked: Asked, now: datetime) -> ProofMail | None:
        """Only the message, or None when there is nothing new."""
        horizon = self._horizons.of(asked, now)
        turnout = None if asked.reader or asked.newcomer else self._turnouts.count(asked, horizon)
        return self._mail(asked, horizon, self._looked(asked, horizon, turnout))

    def why_entry(self, asked: Asked, number: int, now: datetime) -> EntryVerdict:
        """Whether one entry is in it."""
        horizon = self._horizons.of(asked, now)
        turnout = None if asked.reader or asked.newcomer else self._turnouts.count(asked, horizon)
        (verdict,) = self._verdicts(asked, self._looked(asked, horizon, turnout), number)
        return verdict

    def why_reader(self, asked: Asked, now: datetime) -> tuple[ProofReader, tuple[EntryVerdict, ...]]:
        """Whether the reader gets it, and of each recent entry whether it is in."""
        looked = self._looked(asked, self._horizons.of(asked, now), None)
        assert looked.reader is not None  # noqa: S101 - a reader was asked for
        return looked.reader, tuple(self._verdicts(asked, looked, None))

    # --- from where

    def _looked(self, asked: Asked, horizon: Horizon, turnout: Turnout | None) -> _Looked:
        if asked.reader is not None:
            return self._by_reader(asked, horizon, asked.reader)
        if asked.newcomer:
            return self._newcomer(asked, horizon)
        assert turnout is not None  # noqa: S101 - without a reader it is counted first
        if turnout.versions:
            version = turnout.versions[min(asked.version, len(turnout.versions) - 1)]
            view = self._view(asked, Choice.parse(version.choice), version.cursor, horizon)
            return _Looked(view=view, lines=version.lines, language=version.language)
        if turnout.census.get(ReaderWhy.NOTHING_NEW) or turnout.census.get(ReaderWhy.ENDED):
            ahead = self._view(asked, Choice(everything=0), horizon.through, horizon)
            return _Looked(view=ahead, lines=(), language=asked.rules.language)
        return self._newcomer(asked, horizon)

    def _newcomer(self, asked: Asked, horizon: Horizon) -> _Looked:
        """Where nobody can be asked: somebody who has had nothing yet and gets everything."""
        view = self._view(asked, Choice(everything=0), self._issues.digest_start(asked.rules.slug), horizon)
        stock = self._turnouts.stock(asked.rules, view.cursor, horizon)
        chosen = select(stock.candidates, view.choice, view.cursor, stock.through)
        return _Looked(view=view, lines=self._editions.lines(asked.rules, chosen, stock), language=asked.rules.language)

    def _by_reader(self, asked: Asked, horizon: Horizon, key: str) -> _Looked:
        rules, known = asked.rules, self._store.reader(asked.rules.slug, key, self._rehearsal)
        if known is None:
            raise NotFoundError(f"nobody with this address subscribes to {rules.slug}")
        reader = replace(known.reader, cursor=self._cursor(known, horizon))
        stock = self._turnouts.stock(rules, reader.cursor, horizon)
        minimum = self._editions.minimum(rules, asked.cadence, horizon.at)
        too_few = not any(self._editions.grouped(rules, [reader], stock, self._rehearsal, minimum))
        lines, language, _ = next(iter(self._editions.grouped(rules, [reader], stock, self._rehearsal)))
        facts = ReaderFacts(
            state=known.state,
            cadence=reader.cadence,
            suppressed=reader.suppressed,
            paused_until=known.paused_until,
            left_at=known.left_at,
            waiting=known.waiting,
            ended=Choice.parse(reader.choice).is_within(self._editions.over()),
            silent=known.silent,
        )
        leaves_at, _ = Dues(rules, asked.cadence, horizon.slot, horizon.at).of(reader.zone, reader.at)
        verdict = judge_reader(facts, asked.cadence, horizon.at, leaves_at, len(lines), too_few)
        return _Looked(
            view=self._view(asked, Choice.parse(reader.choice), reader.cursor, horizon),
            lines=lines,
            language=language,
            subscription=reader.subscription,
            to=known.address or NOBODY,
            reader=ProofReader(known=known, verdict=verdict),
        )

    def _cursor(self, known: KnownReader, horizon: Horizon) -> int:
        """Before what waits, which another issue would replace; after a pause that starts fresh."""
        over = known.paused_until is not None and known.paused_until <= horizon.at
        if known.paused_until is None or not (over and known.paused_fresh):
            return known.from_sequence
        given = self._issues.sequence_at(known.paused_until)
        return max(known.from_sequence, horizon.through_at(known.paused_until, given))

    def _view(self, asked: Asked, choice: Choice, cursor: int, horizon: Horizon) -> Viewpoint:
        covered = self._editions.covered(asked.rules)
        return Viewpoint(choice=choice, cursor=cursor, through=horizon.through, covered=covered, cut=horizon.cut)

    # --- what

    def _mail(self, asked: Asked, horizon: Horizon, looked: _Looked) -> ProofMail | None:
        if not looked.lines:
            return None
        rules = asked.rules
        number, name = self._next(rules)
        sponsors = self._sponsoring.next(rules, horizon.slot, horizon.at)
        edition = self._editions.render(
            rules, looked.lines, looked.language, number, horizon.at, name=name, sponsors=sponsors
        )
        return ProofMail(message=self._bytes(rules, edition, looked, horizon.at), edition=edition, sponsors=sponsors)

    def _bytes(self, rules: DigestRules, edition: Edition, looked: _Looked, at: datetime) -> bytes:
        sender = self._letterhead.senders[rules.slug]
        nowhere = self._letterhead.links(0)  # a link that works belongs in one reader's mail only
        name = f"preview.{looked.subscription or 0}"
        return skeleton(sender, edition).message(addressed(_envelope(looked.to), name, sender, nowhere, at))

    def _verdicts(self, asked: Asked, looked: _Looked, only: int | None) -> list[EntryVerdict]:
        """Of the entries that are in, and the newest others; or ``only`` of one."""
        place = {line.entry.number: place for place, line in enumerate(looked.lines)}
        standings = self._store.standings(place if only is None else [only], NEWEST if only is None else 0)
        numbers = [standing.entry.number for standing in standings]
        mailed = self._store.mailed(asked.rules.slug, numbers, looked.subscription, self._rehearsal)

        def judged(standing: Standing) -> EntryVerdict:
            number = standing.entry.number
            return judge_entry(standing, looked.view, place.get(number), asked.rules.maximum, mailed.get(number))

        return [judged(standing) for standing in standings]

    def _difference(self, asked: Asked, looked: _Looked) -> Difference | None:
        last = self._store.last(asked.rules.slug, self._rehearsal)
        if last is None:
            return None
        sender, nowhere = self._letterhead.senders[asked.rules.slug], self._letterhead.links(0)
        personal = addressed(_envelope(looked.to), f"preview.{last.mailed.id}", sender, nowhere, last.mailed.at)
        message = skeleton(sender, self._ledger.edition(last.edition)).message(personal)
        mine, before = {line.entry.number for line in looked.lines}, {each.number for each in last.entries}
        changed = [each for each in last.entries if each.public and each.revision != each.revision_now]
        return Difference(
            last=last,
            size=len(message),
            new=len(mine - before),
            again=len(mine & before),
            gone=len(before - mine),
            corrected=tuple(each.title for each in changed),
            withdrawn=tuple(each.title for each in last.entries if not each.public),
        )


def _envelope(address: str) -> str:
    """As the send path writes it."""
    return address if address.isascii() else parse_address(address).envelope
