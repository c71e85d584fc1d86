"""What happened and what is due next, in sentences for the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Books, Issue, IssueState
from feed_publisher.ports.issues import IssueStore
from feed_publisher.ports.people import DeskStore
from feed_publisher.ports.sending import Ledger
from feed_publisher.services.edition import DigestRules
from feed_publisher.services.words import many

SHOWN = {
    DeliveryState.SENT: "accepted by the mail server",
    DeliveryState.QUEUED: "waiting",
    DeliveryState.CLAIMED: "being handed over",
    DeliveryState.TRANSMITTING: "being handed over",
    DeliveryState.DEFERRED: "trying again later",
    DeliveryState.BOUNCED: "refused, or came back",
    DeliveryState.UNKNOWN: "in doubt",
    DeliveryState.SUPPRESSED: "never mailed",
    DeliveryState.EXCLUDED: "left out",
    DeliveryState.EXPIRED: "too late",
}
"""What people read for each state (glossary)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Sentences for the operator."""

    happened: Sequence[str]
    due: Sequence[str]


def overview(
    desk: DeskStore,
    store: IssueStore,
    ledger: Ledger,
    rules: Mapping[str, DigestRules],
    zone: str,
    rehearsal: bool,
    now: datetime,
) -> Overview:
    """The whole site at a glance."""
    local = ZoneInfo(zone)
    happened = desk.happened()
    said = []
    if happened.last_pickup:
        held = f", {happened.held} of them held" if happened.held else ""
        articles = many(happened.entries, "article")
        said.append(f"{articles}{held}; last picked up something {_time(happened.last_pickup, local)}.")
    if happened.feeds_out:
        said.append(f"Feeds last changed {_time(happened.feeds_out, local)}.")
    for issue in store.newest(3):
        if issue.state is not IssueState.SKIPPED:
            said.append(issue_sentence(issue, store.books(issue.id), rules, local))
    said += [f"{_time(notice.at, local)}: {notice.sentence}" for notice in desk.notices(3)]
    due = [
        f"{each.name}, {cadence}: {_time(each.next_due(cadence, now), local)}."
        for each in rules.values()
        if not each.rests
        for cadence in each.cadences
        if cadence is not Cadence.INSTANT
    ]
    waiting = ledger.next_due(rehearsal)
    if waiting is not None and waiting > now:
        due.insert(0, f"Mails that wait are tried again {_time(waiting, local)}.")
    return Overview(happened=said, due=due)


def issue_sentence(issue: Issue, books: Books, rules: Mapping[str, DigestRules], zone: ZoneInfo) -> str:
    """An issue with its subject and its books."""
    title = rules[issue.digest].name if issue.digest in rules else issue.digest
    kind = "rehearsal" if issue.rehearsal else f"issue {issue.issue_number}" if issue.issue_number else "issue"
    return f"{title}, {kind}, {_time(issue.opened_at, zone)}: “{issue.subject}”; {books_text(books)}."


def books_text(books: Books) -> str:
    """The states that occur, in the words people read."""
    counts: dict[str, int] = {}
    for state, count in books.items():
        counts[SHOWN[state]] = counts.get(SHOWN[state], 0) + count
    return ", ".join(f"{count} {words}" for words, count in counts.items()) or "nobody"


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M}"
