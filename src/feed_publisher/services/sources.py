"""How the sources are: what they brought, what fails, which have fallen silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from feed_publisher.domain.pace import RHYTHM, falls_silent
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceRules, SourceState
from feed_publisher.ports.pickup import SourceStore

WEEKS = 12
RECENT = timedelta(days=7)
"""What is told as new of a source was brought within this time."""

KINDS = {
    SourceKind.FOLDER: "folder of files",
    SourceKind.FEED: "feed",
    SourceKind.PAGE: "web page",
    SourceKind.SITEMAP: "news sitemap",
    SourceKind.PUSH: "pushed to us",
    SourceKind.HAND: "typed in by hand",
    SourceKind.PATH: "named by hand",
}
"""What people read for each kind."""


class SourceStatus(StrEnum):
    """How a source is, seen from outside: its state, its last visit, and whether publisher.toml still has it."""

    OK = "ok"
    FAILING = "failing"
    UNREAD = "not read yet"
    PAUSED = "paused"
    RETIRED = "retired"
    REMOVED = "removed"


SHOWN = {
    SourceStatus.OK: "works",
    SourceStatus.FAILING: "failing",
    SourceStatus.UNREAD: "not read yet",
    SourceStatus.PAUSED: "paused",
    SourceStatus.RETIRED: "ended",
    SourceStatus.REMOVED: "no longer configured",
}
"""What people read for each status (glossary)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A source for people to look at.

    ``new``: entries of the last seven days. ``weeks``: Monday of each of the last ``WEEKS`` weeks, this one included,
    with the entries first seen in it, oldest first. What it held at first contact is in neither.
    """

    record: SourceRecord
    status: SourceStatus
    new: int
    weeks: tuple[tuple[date, int], ...]

    @property
    def waits_for_push(self) -> bool:
        """Whether nothing has ever been pushed to it: there is nothing for us to read."""
        return self.record.kind == SourceKind.PUSH and self.status is SourceStatus.UNREAD

    @property
    def shown(self) -> str:
        """Its status in the words people read."""
        return "nothing pushed yet" if self.waits_for_push else SHOWN[self.status]


def health(
    store: SourceStore, records: Sequence[SourceRecord], configured: Container[str], now: datetime
) -> list[Health]:
    """Of these sources; ``configured``: the slugs that publisher.toml has."""
    this_week = now.date() - timedelta(days=now.weekday())
    mondays = [this_week - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    since = datetime.combine(mondays[0], time(), UTC)
    brought = store.per_week(since, records[0].slug if len(records) == 1 else None)
    nothing: Counter[date] = Counter()
    return [
        Health(
            record=record,
            status=status(record, record.slug in configured),
            new=store.brought(record.slug, now - RECENT),
            weeks=tuple((monday, brought.get(record.slug, nothing)[monday]) for monday in mondays),
        )
        for record in records
    ]


def status(record: SourceRecord, configured: bool) -> SourceStatus:
    """How it is; ``configured``: whether publisher.toml has it."""
    if not configured and record.kind not in (SourceKind.HAND, SourceKind.PATH):
        return SourceStatus.REMOVED
    if record.state is not SourceState.ACTIVE:
        return SourceStatus(record.state.value)
    if record.error:
        return SourceStatus.FAILING
    return SourceStatus.UNREAD if record.first_read_at is None else SourceStatus.OK


def watch(
    store: SourceStore, rules: Sequence[SourceRules], tell: Callable[[str, str], None], now: datetime
) -> list[str]:
    """Tell the operator of sources that used to publish and have fallen silent; their slugs."""
    silent: list[str] = []
    for each in rules:
        record = store.get(each.slug)
        if record is None or record.state is not SourceState.ACTIVE or record.error or record.newest_at is None:
            continue
        if falls_silent(now, record.newest_at, store.brought(each.slug, now - RHYTHM), each.silence):
            days = (now - record.newest_at).days
            words = f"The source {each.slug} has brought nothing new for {days} days, though it can be read."
            advice = f"`sources test {each.slug}` shows what it says now."
            tell(f"silent {each.slug} {record.newest_at.isoformat()}", f"{words} {advice}")
            silent.append(each.slug)
    return silent
