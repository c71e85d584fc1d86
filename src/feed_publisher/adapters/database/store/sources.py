"""Sources: which are due, what became of reading them, and what they have brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, func, literal, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import Utc, entry, source
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.domain.source import Outcome, SourceKind, SourceRecord, SourceRules, SourceState, Validators

_FETCHED = [kind for kind in SourceKind if kind.is_fetched]
_MAY_BE_DUE = and_(source.c.state == SourceState.ACTIVE, source.c.kind.in_(_FETCHED))

_LOCATED = (source.c.id, source.c.slug, source.c.kind, source.c.location, source.c.state, source.c.gone)
"""What ``sync`` compares with the configuration, every second."""

_ELSEWHERE = {
    "address": "",
    "etag": "",
    "last_modified": "",
    "fingerprint": "",
    "read_at": None,
    "hub": "",
    "hub_topic": "",
    "hub_until": None,
    "hub_secret": "",
    "failures": 0,
    "error": "",
}
"""What was known of the place a source is no longer read from."""

_HEALTH = (
    *("state", "reason", "gone", "due_at", "tried_at", "read_at", "newest_at", "failures", "error"),
    *("address", "etag", "last_modified", "fingerprint", "hub", "hub_topic", "hub_until", "hub_secret"),
)
"""The columns that ``record`` writes."""


class SqlSourceStore:
    """ports.SourceStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- reading in turn

    def sync(self, configured: Sequence[SourceRules], now: datetime) -> None:
        with self._database.read() as connection:
            new, changed = _differences(connection, configured, now)
        if not new and not changed:
            return
        with self._database.write() as connection:
            new, changed = _differences(connection, configured, now)  # another process may have been faster
            insert_missing(connection, source, new)
            for number, values in changed:
                connection.execute(update(source).where(source.c.id == number).values(values))

    def claim(
        self, slugs: Sequence[str], until: datetime, now: datetime, limit: int | None = None
    ) -> list[SourceRecord]:
        """``due_at`` of the records is since when they were due."""
        due = select(source.c.id, source.c.slug).where(source.c.due_at <= now).order_by(source.c.due_at, source.c.id)
        wanted = set(slugs)
        with self._database.read() as connection:
            mine = (number for number, slug in connection.execute(due) if slug in wanted)
            numbers = list(islice(mine, limit))
        if not numbers:
            return []
        claimed: list[SourceRecord] = []
        with self._database.write() as connection:
            for chunk in chunks(numbers, 500):
                claimed += _claim(connection, chunk, until, now)
        return claimed

    def record(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        with self._database.write() as connection:
            known = _locked(connection, {outcome.slug for outcome in outcomes})
            for outcome in outcomes:
                if outcome.slug in known:
                    known[outcome.slug] |= _after(known[outcome.slug], outcome)
            if known:
                mine = update(source).where(source.c.id == bindparam("number"))
                values = mine.values({name: bindparam(f"new_{name}") for name in _HEALTH})
                connection.execute(values, [_renamed(row) for row in known.values()])

    def hasten(self, slugs: Sequence[str], when: datetime) -> None:
        """Nothing happens to those that are paused, retired, or not fetched."""
        with self._database.write() as connection:
            mine = and_(source.c.slug.in_(slugs), _MAY_BE_DUE)
            sooner = case((source.c.due_at < when, source.c.due_at), else_=literal(when, Utc()))
            connection.execute(update(source).where(mine).values(due_at=sooner, hastened=True))

    # --- looking

    def get(self, slug: str) -> SourceRecord | None:
        with self._database.read() as connection:
            row = connection.execute(select(source).where(source.c.slug == slug)).first()
            return _record(row) if row else None

    def all(self) -> list[SourceRecord]:
        """In the order they were added."""
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(select(source).order_by(source.c.id))]

    def brought(self, slug: str, since: datetime) -> int:
        query = (
            select(func.count())
            .select_from(entry)
            .join(source, source.c.id == entry.c.source_id)
            .where(source.c.slug == slug, entry.c.first_seen >= since, entry.c.first_seen > source.c.first_read_at)
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def per_week(self, since: datetime, slug: str | None = None) -> dict[str, Counter[date]]:
        # All new entries of one reading share their first_seen, so few rows come back.
        query = (
            select(source.c.slug, entry.c.first_seen, func.count().label("entries"))
            .join(entry, entry.c.source_id == source.c.id)
            .where(entry.c.first_seen >= since, entry.c.first_seen > source.c.first_read_at)
            .group_by(source.c.slug, entry.c.first_seen)
        )
        if slug is not None:
            query = query.where(source.c.slug == slug)
        weeks: dict[str, Counter[date]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                weeks.setdefault(row.slug, Counter())[_monday(row.first_seen)] += row.entries
        return weeks

    # --- what the operator and other servers set

    def set_state(self, slug: str, state: SourceState, reason: str, now: datetime) -> None:
        """One that becomes active is due at once, as if it had never failed. Raises NotFoundError."""
        values: dict[str, Any] = {"state": state, "reason": _storable(reason), "gone": False, "due_at": None}
        if state is SourceState.ACTIVE:
            due = case((source.c.kind.in_(_FETCHED), literal(now, Utc())), else_=None)
            values |= {"due_at": due, "hastened": False, "failures": 0, "error": ""}
        self._set(slug, values)

    def claim_hub(self, slug: str, secret: str, until: datetime, before: datetime) -> bool:
        free = or_(source.c.hub_until.is_(None), source.c.hub_until < before)
        with self._database.write() as connection:
            mine = update(source).where(source.c.slug == slug, free)
            return connection.execute(mine.values(hub_secret=secret, hub_until=until)).rowcount == 1

    def lease_hub(self, slug: str, until: datetime) -> None:
        self._set(slug, {"hub_until": until})

    def hub_secret(self, slug: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(select(source.c.hub_secret).where(source.c.slug == slug)).scalar() or None

    def _set(self, slug: str, values: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            if connection.execute(update(source).where(source.c.slug == slug).values(values)).rowcount == 0:
                raise NotFoundError(f"no source has the slug {slug}; `sources list` shows all")


Values = dict[str, Any]
"""Columns of one source by name."""


def _differences(
    connection: Connection, configured: Sequence[SourceRules], now: datetime
) -> tuple[list[Values], list[tuple[int, Values]]]:
    """Rows to insert, and values to set by source id, in the order of ids."""
    rows = connection.execute(select(*_LOCATED, source.c.due_at.is_(None).label("idle")))
    known = {row.slug: row for row in rows}
    new = [_new(rules, now) for rules in configured if rules.slug not in known]
    compared = [(known[rules.slug], rules) for rules in configured if rules.slug in known]
    changed = [(int(row.id), values) for row, rules in compared if (values := _change(row, rules, now))]
    return new, sorted(changed, key=lambda pair: pair[0])


def _new(rules: SourceRules, now: datetime) -> Values:
    return {
        "slug": rules.slug,
        "kind": rules.kind,
        "location": rules.location,
        "added_at": now,
        "due_at": now if rules.kind.is_fetched else None,
    }


def _change(row: Row[Any], rules: SourceRules, now: datetime) -> Values:
    """The values to set where a source is not as it is configured; mostly none."""
    same = row.kind == rules.kind and row.location == rules.location
    fetched = rules.kind.is_fetched
    if same and (not row.idle or not fetched or row.state != SourceState.ACTIVE):
        return {}
    values: Values = {"kind": rules.kind, "location": rules.location}
    values |= {} if same else _ELSEWHERE
    if row.gone:  # a new location is a new chance
        values |= {"state": SourceState.ACTIVE, "reason": "", "gone": False}
    due = fetched and (row.gone or row.state == SourceState.ACTIVE)
    # What a reading of the old location still brings must not count as one of the new.
    return values | {"due_at": now if due else None, "hastened": due}


def _claim(connection: Connection, numbers: Sequence[int], until: datetime, now: datetime) -> list[SourceRecord]:
    """Those that are still due; a row that another process is just claiming is passed over."""
    still_due = and_(source.c.id.in_(numbers), source.c.due_at <= now, _MAY_BE_DUE)
    query = select(source).where(still_due).order_by(source.c.due_at, source.c.id)
    rows = connection.execute(query.with_for_update(skip_locked=True, key_share=True)).all()
    mine = source.c.id.in_([row.id for row in rows])
    connection.execute(update(source).where(mine).values(due_at=until, hastened=False))
    return [_record(row) for row in rows]


def _locked(connection: Connection, slugs: set[str]) -> dict[str, Values]:
    """The rows of these sources by slug, locked in the order of ids, as by ``sync``: so nobody waits in a circle."""
    numbers: list[int] = []
    for chunk in chunks(sorted(slugs), 500):
        numbers += connection.execute(select(source.c.id).where(source.c.slug.in_(chunk))).scalars()
    columns = [source.c.id, source.c.slug, source.c.hastened, *(source.c[name] for name in _HEALTH)]
    rows: dict[str, Values] = {}
    for ids in chunks(sorted(numbers), 500):
        query = select(*columns).where(source.c.id.in_(ids)).order_by(source.c.id)
        rows |= {row.slug: dict(row._mapping) for row in connection.execute(query.with_for_update(key_share=True))}
    return rows


def _after(row: Values, outcome: Outcome) -> Values:
    """The values that an outcome changes."""
    failed = outcome.error or outcome.retired
    values: Values = {"tried_at": outcome.at, "error": _storable(failed)}
    values |= {"failures": row["failures"] + 1} if failed else {"failures": 0, "read_at": outcome.at}
    if outcome.new:
        values["newest_at"] = outcome.at
    if row["hastened"] or row["state"] != SourceState.ACTIVE:
        return values  # it stays due, or is not to be read: what is left to tell, the next reading tells
    values |= {"due_at": outcome.due_at} | _found_out(row, outcome)
    if outcome.retired:
        reason = _storable(outcome.retired)
        values |= {"state": SourceState.RETIRED, "reason": reason, "gone": True, "due_at": None}
    return values


def _found_out(row: Values, outcome: Outcome) -> Values:
    """What the server said of itself. A lease of another hub than the document names ends."""
    values: Values = {}
    if outcome.address is not None:
        values["address"] = _storable(outcome.address)
    if outcome.validators is not None:
        values["etag"] = _storable(outcome.validators.etag)
        values["last_modified"] = _storable(outcome.validators.last_modified)
    if outcome.fingerprint is not None:
        values["fingerprint"] = _storable(outcome.fingerprint)
    if outcome.hub is not None:
        hub, topic = map(_storable, outcome.hub)
        if (hub, topic) != (row["hub"], row["hub_topic"]):
            values |= {"hub": hub, "hub_topic": topic, "hub_until": None, "hub_secret": ""}
    return values


def _renamed(row: Values) -> Values:
    """The bound values of ``record``'s statement."""
    return {"number": row["id"], **{f"new_{name}": row[name] for name in _HEALTH}}


def _storable(text: str) -> str:
    """Without what no database takes: one server's strange header must not keep others from being recorded."""
    return text.replace("\x00", "").encode(errors="ignore").decode()


def _monday(moment: datetime) -> date:
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def _record(row: Row[Any]) -> SourceRecord:
    return SourceRecord(
        slug=row.slug,
        kind=row.kind,
        state=SourceState(row.state),
        reason=row.reason,
        location=row.location,
        address=row.address,
        added_at=row.added_at,
        first_read_at=row.first_read_at,
        due_at=row.due_at,
        tried_at=row.tried_at,
        read_at=row.read_at,
        newest_at=row.newest_at,
        failures=row.failures,
        error=row.error,
        validators=Validators(etag=row.etag, last_modified=row.last_modified),
        fingerprint=row.fingerprint,
        hub=row.hub,
        hub_topic=row.hub_topic,
        hub_until=row.hub_until,
    )
