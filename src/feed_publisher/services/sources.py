"""How the sources are: what they brought, what fails, which have fallen silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from feed_publisher.domain.pace import HISTORY, falls_silent
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceRules, SourceState
from feed_publisher.ports.pickup import SourceStore

WEEKS = 12
_FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A source for people to look at. ``status``: "ok", "failing", "not read yet", "paused", "retired", "removed".

    ``weeks``: Monday of each of the last weeks with the new entries first seen in it, oldest first.
    """

    record: SourceRecord
    status: str
    weeks: tuple[tuple[date, int], ...]


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
            weeks=tuple((monday, brought.get(record.slug, nothing)[monday]) for monday in mondays),
        )
        for record in records
    ]


def status(record: SourceRecord, configured: bool) -> str:
    """In one or two words."""
    if not configured and record.kind not in (SourceKind.HAND, SourceKind.PATH):
        return "removed"
    if record.state is not SourceState.ACTIVE:
        return record.state.value
    if record.error:
        return _FAILING
    if record.first_read_at is None:
        return "not read yet"
    return "ok"


def watch(
    store: SourceStore, rules: Sequence[SourceRules], tell: Callable[[str, str], None], now: datetime
) -> list[str]:
    """Tell the operator of sources that used to publish and have fallen silent; their slugs."""
    silent: list[str] = []
    for each in rules:
        record = store.get(each.slug)
        if record is None or record.state is not SourceState.ACTIVE or record.error or record.newest_at is None:
            continue
        if falls_silent(now, record.newest_at, store.brought(each.slug, now - HISTORY), each.silence):
            days = (now - record.newest_at).days
            words = f"The source {each.slug} has brought nothing new for {days} days, though it can be read."
            advice = f"`sources test {each.slug}` shows what it says now."
            tell(f"silent {each.slug} {record.newest_at.isoformat()}", f"{words} {advice}")
            silent.append(each.slug)
    return silent
