"""Rows of a list become subscriptions, some thousands in a transaction; or only what would become of them is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from feed_publisher.adapters.database.schema import (
    clock,
    digest,
    subscriber,
    subscription,
    subscription_event,
    suppression,
    topic_set,
)
from feed_publisher.adapters.database.store.common import insert_missing, inserted
from feed_publisher.adapters.database.store.fingerprints import CHANGEABLE, fingerprint_of, fingerprints_of, plain
from feed_publisher.adapters.database.store.people import clock_number, fresh_start, start_of, topic_set_number
from feed_publisher.adapters.database.store.sequence import current_sequence
from feed_publisher.adapters.database.store.topic_names import reach
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.selection import Choice, change_choice
from feed_publisher.ports.moving import Barred, Fate, Newcomer

OVER = (Fate.SUPPRESSED, Fate.STAYS_SUPPRESSED)
Transaction = Callable[[], AbstractContextManager[Connection]]


class SqlTaking:
    """ports.Taking on SQL. ``marks`` remembers what became of each address; ``writes``: it is meant."""

    def __init__(self, transaction: Transaction, marks: Table, number: int, slug: str, writes: bool) -> None:
        self._transaction = transaction
        self._marks = marks
        self._number = number
        self._slug = slug
        self._writes = writes

    def bar(self, people: Sequence[Barred], now: datetime) -> list[Fate]:
        """Put addresses on the never-mail list; not that of a reader who has left this digest here, too."""
        with self._transaction() as connection:
            new, earlier = self._unmarked(connection, people)
            known = _left(connection, self._slug, new.keys() - {each.address_key for each in people if not each.left})
            new = {key: each for key, each in new.items() if key not in known}
            listed = _suppressed(connection, new)
            rows = [
                {"address_key": key, "reason": new[key].reason, "created_at": now} for key in new if key not in listed
            ]
            if self._writes:
                insert_missing(connection, suppression, rows)
            fates = {key: Fate.STAYS_SUPPRESSED if key in listed else Fate.SUPPRESSED for key in new}
            after = {row["address_key"]: fingerprint_of(row["reason"]) for row in rows}
            self._mark(connection, [self._row(new[key], fate, after=after.get(key, "")) for key, fate in fates.items()])
        fates |= dict.fromkeys(known, Fate.SAME)
        return [earlier.get(each.place) or fates[each.address_key] for each in people]

    def take(self, people: Sequence[Newcomer], cadence: str, now: datetime) -> list[Fate]:
        """Add subscriptions, or bring them up to date."""
        with self._transaction() as connection:
            new, earlier = self._unmarked(connection, people)
            never = _suppressed(connection, new)
            fates = dict.fromkeys(never, Fate.NEVER)
            batch = _Batch(connection, self._slug, cadence, self._number, now, self._writes)
            fates |= batch.take([person for key, person in new.items() if key not in never])
            marked = [key for key, fate in fates.items() if fate in (Fate.ADDED, Fate.UPDATED, Fate.SAME)]
            rows = [self._row(new[key], fates[key], **batch.traces.get(key, {})) for key in marked]
            self._mark(connection, rows)
        return [earlier.get(each.place) or fates[each.address_key] for each in people]

    def _unmarked(self, connection: Connection, people: Sequence[Any]) -> tuple[dict[str, Any], dict[int, Fate]]:
        """The first row of each address that is new to this import, and the fates of the other rows by place."""
        first: dict[str, Any] = {}
        for each in people:
            first.setdefault(each.address_key, each)
        marks = self._marks
        mine = select(marks).where(marks.c.import_id == self._number, marks.c.address_key.in_(sorted(first)))
        known = {row.address_key: row for row in connection.execute(mine)}
        earlier: dict[int, Fate] = {}
        for each in people:
            mark = known.get(each.address_key)
            if mark is not None and mark.place == each.place:
                earlier[each.place] = Fate(mark.fate)
            elif mark is not None and Fate(mark.fate) in OVER and isinstance(each, Newcomer):
                earlier[each.place] = Fate.NEVER
            elif mark is not None or first[each.address_key] is not each:
                earlier[each.place] = Fate.AGAIN
        return {key: each for key, each in first.items() if key not in known}, earlier

    def _row(
        self,
        each: Barred | Newcomer,
        fate: Fate,
        subscription_id: int | None = None,
        before: dict[str, Any] | None = None,
        after: str = "",
    ) -> dict[str, Any]:
        return {
            "import_id": self._number,
            "address_key": each.address_key,
            "place": each.place,
            "fate": fate,
            "subscription_id": subscription_id,
            "before": before,
            "after": after,
        }

    def _mark(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        if rows:
            connection.execute(self._marks.insert(), rows)


@dataclass(slots=True)
class _Batch:
    """One transaction's worth of newcomers. ``traces``: by address, what undoing must know."""

    connection: Connection
    slug: str
    cadence: str
    number: int
    now: datetime
    writes: bool
    traces: dict[str, dict[str, Any]] = field(default_factory=dict)
    _sets: dict[str, int] = field(default_factory=dict)
    _clocks: dict[tuple[str, str], int] = field(default_factory=dict)
    _starts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, people: Sequence[Newcomer]) -> dict[str, Fate]:
        by_key = {person.address_key: person for person in people}
        new_readers = self._add_readers(by_key) if self.writes else set()
        readers = _readers(self.connection, by_key, self.writes)
        digest_id = self.connection.execute(select(digest.c.id).where(digest.c.slug == self.slug)).scalar_one()
        theirs = _subscriptions(self.connection, digest_id, [row.id for row in readers.values()])
        fates: dict[str, Fate] = {}
        changes: dict[str, tuple[Row[Any], Row[Any], dict[str, Any], dict[str, Any]]] = {}
        for key, person in by_key.items():
            row = theirs.get(readers[key].id) if key in readers else None
            if row is None:
                fates[key] = Fate.ADDED
            elif row.state == SubscriptionState.UNSUBSCRIBED:
                fates[key] = Fate.LEFT
            else:
                of_reader, of_row = _reader_changes(readers[key], person), self._changes(row, person)
                fates[key] = Fate.UPDATED if of_reader or of_row else Fate.SAME
                changes[key] = (readers[key], row, of_reader, of_row)
        if self.writes:
            self._write(by_key, readers, digest_id, fates, changes, new_readers)
        return fates

    def _add_readers(self, by_key: dict[str, Newcomer]) -> set[str]:
        # In the order of their keys, so that two imports at once do not wait for each other.
        rows = [
            {
                "address": by_key[key].address,
                "address_key": key,
                "name": by_key[key].name,
                "language": by_key[key].language,
                "added_at": self.now,
            }
            for key in sorted(by_key)
        ]
        return {row.address_key for row in inserted(self.connection, subscriber, rows, subscriber.c.address_key)}

    def _write(
        self,
        by_key: dict[str, Newcomer],
        readers: dict[str, Row[Any]],
        digest_id: int,
        fates: dict[str, Fate],
        changes: dict[str, tuple[Row[Any], Row[Any], dict[str, Any], dict[str, Any]]],
        new_readers: set[str],
    ) -> None:
        added = [key for key, fate in fates.items() if fate is Fate.ADDED]
        rows = [self._new(by_key[key], readers[key].id, digest_id) for key in added]
        columns = subscription.c.id, subscription.c.subscriber_id
        numbers = {row.subscriber_id: row.id for row in inserted(self.connection, subscription, rows, *columns)}
        for key in added:
            self.traces[key] = {"subscription_id": numbers[readers[key].id]}
            if key in new_readers:
                self.traces[key]["before"] = {"new": True}
        updated = [key for key, fate in fates.items() if fate is Fate.UPDATED]
        for key in updated:
            reader, row, of_reader, of_row = changes[key]
            before = {"reader": _old(reader, of_reader), "subscription": _old(row, of_row)}
            self.traces[key] = {"subscription_id": row.id, "before": before}
        self._update(subscriber, [(changes[key][0], changes[key][2]) for key in updated], ("name", "language"))
        self._update(subscription, [(changes[key][1], changes[key][3]) for key in updated], CHANGEABLE)
        self._note([(self.traces[key]["subscription_id"], self._event(by_key[key], fates[key])) for key in added])
        joined = [(changes[key][1].id, "joined" if "state" in changes[key][3] else "changed", key) for key in updated]
        self._note([(number, (what, self._detail(by_key[key]))) for number, what, key in joined])
        prints = fingerprints_of(self.connection, [self.traces[key]["subscription_id"] for key in (*added, *updated)])
        for trace in self.traces.values():
            trace["after"] = prints[trace["subscription_id"]]

    def _update(self, table: Table, changed: Iterable[tuple[Row[Any], dict[str, Any]]], columns: Sequence[str]) -> None:
        rows = [
            {"its_id": row.id, **{f"new_{name}": values.get(name, getattr(row, name)) for name in columns}}
            for row, values in changed
            if values
        ]
        if rows:
            new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
            self.connection.execute(update(table).where(table.c.id == bindparam("its_id")).values(new), rows)

    def _note(self, events: Sequence[tuple[int, tuple[str, str]]]) -> None:
        rows = [
            {"subscription_id": number, "at": self.now, "what": what, "detail": detail}
            for number, (what, detail) in events
        ]
        if rows:
            self.connection.execute(subscription_event.insert(), rows)

    def _event(self, person: Newcomer, fate: Fate) -> tuple[str, str]:
        return "joined" if person.active else "imported", self._detail(person)

    def _detail(self, person: Newcomer) -> str:
        return f"{_source(person)} (import {self.number})"

    def _new(self, person: Newcomer, reader: int, digest_id: int) -> dict[str, Any]:
        cadence = person.cadence or self.cadence
        if cadence not in self._starts:
            self._starts[cadence] = start_of(self.connection, digest_id, cadence)
        cursor, rehearsed = self._starts[cadence]
        choice = Choice(everything=0) if person.topics is None else Choice(starts=self._topics(person.topics))
        return {
            "subscriber_id": reader,
            "digest_id": digest_id,
            "state": SubscriptionState.ACTIVE if person.active else SubscriptionState.PENDING,
            "cadence": cadence,
            "clock_id": self._clock(person.zone or "", person.at or ""),
            "topic_set_id": self._set(choice),
            "cursor": cursor,
            "rehearsed_cursor": rehearsed,
            "joined_at": self.now,
            "consented_at": person.consented_at or (self.now if person.active else None),
            "consent_source": _source(person),
            "request": 0,
        }

    def _changes(self, row: Row[Any], person: Newcomer) -> dict[str, Any]:
        """Only what the list says, and says otherwise."""
        values: dict[str, Any] = {}
        if person.cadence and person.cadence != row.cadence:
            values |= {"cadence": person.cadence, "cadence_at": self.now}
        if person.zone or person.at:
            zone, at = person.zone or row.zone, person.at or row.at
            if (zone, at) != (row.zone, row.at):
                values["clock_id"] = self._clock(zone, at)
        if person.topics is not None:
            old = Choice.parse(row.choice)
            new = change_choice(old, self._topics(person.topics), current_sequence(self.connection))
            if new.text != old.text:
                values["topic_set_id"] = self._set(new)
        if person.active and row.state == SubscriptionState.PENDING:
            values |= {"state": SubscriptionState.ACTIVE, "joined_at": self.now}
            values |= {"consented_at": person.consented_at or self.now, "consent_source": _source(person)}
            values |= {"letter": None, "letter_due_at": None} | fresh_start(self.connection, row)
        return values

    def _topics(self, slugs: Sequence[str]) -> dict[int, int]:
        return dict.fromkeys(sorted(reach(self.connection, slugs, kept=self.writes)), 0)

    def _set(self, choice: Choice) -> int:
        if not self.writes:
            return 0
        if choice.text not in self._sets:
            self._sets[choice.text] = topic_set_number(self.connection, choice)
        return self._sets[choice.text]

    def _clock(self, zone: str, at: str) -> int:
        if not self.writes:
            return 0
        if (zone, at) not in self._clocks:
            self._clocks[zone, at] = clock_number(self.connection, zone, at)
        return self._clocks[zone, at]


def _source(person: Newcomer) -> str:
    """Where the consent comes from, for the history; and for the next list that is taken away."""
    return person.consent_source or f"imported{': ' if person.evidence else ''}{person.evidence}"


def _reader_changes(row: Row[Any], person: Newcomer) -> dict[str, Any]:
    wanted = {"name": person.name, "language": person.language}
    return {name: value for name, value in wanted.items() if value and value != getattr(row, name)}


def _old(row: Row[Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(getattr(row, name)) for name in changed}


def _suppressed(connection: Connection, keys: Iterable[str]) -> set[str]:
    query = select(suppression.c.address_key).where(suppression.c.address_key.in_(sorted(keys)))
    return set(connection.execute(query).scalars())


def _left(connection: Connection, slug: str, keys: Iterable[str]) -> set[str]:
    query = (
        select(subscriber.c.address_key)
        .join(subscription, subscription.c.subscriber_id == subscriber.c.id)
        .join(digest, digest.c.id == subscription.c.digest_id)
        .where(digest.c.slug == slug, subscription.c.state == SubscriptionState.UNSUBSCRIBED)
        .where(subscriber.c.address_key.in_(sorted(keys)))
    )
    return set(connection.execute(query).scalars())


def _readers(connection: Connection, keys: Iterable[str], lock: bool) -> dict[str, Row[Any]]:
    """Locked, so that the same address coming twice at once meets its subscription."""
    query = select(subscriber).where(subscriber.c.address_key.in_(sorted(keys))).order_by(subscriber.c.address_key)
    return {row.address_key: row for row in connection.execute(query.with_for_update() if lock else query)}


def _subscriptions(connection: Connection, digest_id: int, readers: Sequence[int]) -> dict[int, Row[Any]]:
    query = (
        select(subscription, topic_set.c.choice, clock.c.zone, clock.c.at)
        .join(topic_set, topic_set.c.id == subscription.c.topic_set_id)
        .join(clock, clock.c.id == subscription.c.clock_id)
        .where(subscription.c.digest_id == digest_id, subscription.c.subscriber_id.in_(readers))
    )
    return {row.subscriber_id: row for row in connection.execute(query)}
