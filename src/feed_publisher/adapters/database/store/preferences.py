"""What readers choose for themselves: topics, cadence, hour, pauses, other digests (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    delivery,
    digest,
    issue,
    subscriber,
    subscription,
    topic_set,
)
from feed_publisher.adapters.database.store.answers import answered, answered_by_person
from feed_publisher.adapters.database.store.cursors import put_cursors_back
from feed_publisher.adapters.database.store.erasing import erase_person, personal_data
from feed_publisher.adapters.database.store.history import note, times
from feed_publisher.adapters.database.store.moving import ask_move, move_person, pending_move
from feed_publisher.adapters.database.store.people import (
    activate,
    clock_number,
    is_suppressed,
    join_one,
    topic_numbers,
    topic_set_number,
    views_of,
)
from feed_publisher.adapters.database.store.sequence import current_sequence, sequence_at
from feed_publisher.adapters.database.store.topic_history import events_of, write_down
from feed_publisher.adapters.database.store.transitions import WAITING, move
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.selection import Choice, change_choice
from feed_publisher.ports.people import Moved, NewSubscription, PersonEvent, SubscriberView, WaitingIssue, Wanted

BATCH = 1000

HISTORY = 100
"""Events of one subscription that are shown, at most."""

DATA_PAUSE = timedelta(hours=1)
"""Between two letters with the link to what is stored: the link that asks for them is in every issue."""


class SqlPreferenceStore:
    """ports.PreferenceStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def person(self, number: int) -> list[SubscriberView]:
        person = select(subscription.c.subscriber_id).where(subscription.c.id == number).scalar_subquery()
        with self._database.read() as connection:
            return views_of(connection, subscription.c.subscriber_id == person)

    def waiting(self, number: int) -> list[WaitingIssue]:
        query = (
            select(delivery.c.id, issue.c.slot)
            .join(issue, issue.c.id == delivery.c.issue_id)
            .where(delivery.c.subscription_id == number, delivery.c.state == DeliveryState.QUEUED)
        )
        with self._database.read() as connection:
            return [WaitingIssue(delivery=row.id, slot=row.slot) for row in connection.execute(query)]

    def change(self, number: int, wanted: Wanted, moves: Mapping[int, datetime], now: datetime) -> bool:
        with self._database.write() as connection:
            row = _locked(connection, number)
            if row is None:
                return False
            answered(connection, number, "the reader's choices were saved", now)
            choice = _choice(connection, row, wanted)
            values = {
                "cadence": wanted.cadence,
                "clock_id": clock_number(connection, wanted.zone, wanted.at),
                "topic_set_id": topic_set_number(connection, choice),
            }
            if all(row._mapping[name] == value for name, value in values.items()):
                return True
            if row.cadence != wanted.cadence:
                values["cadence_at"] = now
                _exclude_waiting(connection, number, "the reader chose another cadence", now)
            for waiting, due_at in moves.items():
                moved = and_(delivery.c.id == waiting, delivery.c.state == DeliveryState.QUEUED)
                times = {"not_before": due_at, "due_at": due_at, "changed_at": now}
                connection.execute(update(delivery).where(moved).values(times))
            write_down(connection, number)
            connection.execute(update(subscription).where(subscription.c.id == number).values(values))
            note(connection, number, "changed", wanted.text, now)
            return True

    def pause(self, number: int, until: datetime, fresh: bool, now: datetime) -> bool:
        with self._database.write() as connection:
            row = _locked(connection, number)
            if row is None:
                return False
            if row.paused_until is not None and row.paused_until <= now:
                _end_pause(connection, row, now)  # what was chosen for its end still counts
            answered(connection, number, "paused by the reader", now, resumes=True)
            _exclude_waiting(connection, number, "unsubscribed or paused", now)
            values = {"paused_until": until, "paused_fresh": fresh}
            connection.execute(update(subscription).where(subscription.c.id == number).values(values))
            detail = f"until {until.isoformat()}, then {'start fresh' if fresh else 'catch up'}"
            note(connection, number, "paused", detail, now)
            return True

    def resume(self, number: int, fresh: bool, now: datetime) -> bool:
        with self._database.write() as connection:
            row = _locked(connection, number)
            if row is None:
                return False
            answered(connection, number, "resumed by the reader", now, resumes=True)
            if row.paused_until is not None:
                resume(connection, row, current_sequence(connection) if fresh else None, now)
            return True

    def speak(self, number: int, language: str, now: datetime) -> bool:
        with self._database.write() as connection:
            row = _locked(connection, number)
            if row is None:
                return False
            answered_by_person(connection, row.subscriber_id, "the reader chose a language", now)
            other = and_(subscriber.c.id == row.subscriber_id, subscriber.c.language.is_distinct_from(language))
            if connection.execute(update(subscriber).where(other).values(language=language)).rowcount:
                note(connection, number, "changed", f"language {language}", now)
            return True

    def end_pauses(self, now: datetime) -> int:
        over = and_(subscription.c.paused_until <= now, subscription.c.state == SubscriptionState.ACTIVE)
        with self._database.read() as connection:
            if connection.execute(select(subscription.c.id).where(over).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            rows = connection.execute(select(subscription).where(over).limit(BATCH).with_for_update()).all()
            for row in rows:
                _end_pause(connection, row, now)
            return len(rows)

    def join(self, number: int, slug: str, cadence: str, now: datetime) -> bool:
        with self._database.write() as connection:
            mine = select(subscription.c.subscriber_id).where(subscription.c.id == number)
            person = connection.execute(select(subscriber).where(subscriber.c.id.in_(mine)).with_for_update()).first()
            if person is None or not person.address or is_suppressed(connection, person.address_key):
                return False
            query = select(subscription).join(digest, digest.c.id == subscription.c.digest_id)
            there = query.where(subscription.c.subscriber_id == person.id, digest.c.slug == slug)
            row = connection.execute(there.with_for_update(of=subscription)).first()
            source = "asked for on the page of their own preferences"
            if row is None:
                new = NewSubscription(
                    address=person.address,
                    address_key=person.address_key,
                    digest=slug,
                    active=True,
                    consent_source=source,
                )
                join_one(connection, new, cadence, now)
            elif row.state != SubscriptionState.ACTIVE:
                activate(connection, row, source, now)
            answered_by_person(connection, person.id, "the reader asked for a newsletter", now)
            return True

    def ask_data(self, number: int, now: datetime) -> None:
        with self._database.write() as connection:
            if times(connection, number, "asked data", now - DATA_PAUSE):
                return
            mine = and_(subscription.c.id == number, subscription.c.letter.is_(None))
            values = {"letter": "data", "letter_due_at": now}
            if connection.execute(update(subscription).where(mine).values(values)).rowcount:
                note(connection, number, "asked data", "", now)
                answered(connection, number, "the reader asked for what is stored", now)

    def data(self, number: int) -> dict[str, Any]:
        with self._database.read() as connection:
            return personal_data(connection, number)

    def erase(self, number: int, now: datetime) -> bool:
        with self._database.write() as connection:
            mine = select(subscription.c.subscriber_id).where(subscription.c.id == number)
            person = connection.execute(mine).scalar()
            return person is not None and erase_person(connection, int(person), now)

    def erase_address(self, address_key: str, now: datetime) -> bool:
        with self._database.write() as connection:
            query = select(subscriber.c.id).where(subscriber.c.address_key == address_key)
            person = connection.execute(query).scalar()
            return person is not None and erase_person(connection, int(person), now)

    def ask_move(self, number: int, address: str, key: str, now: datetime) -> None:
        with self._database.write() as connection:
            ask_move(connection, number, address, key, now)

    def has_moved(self, number: int, since: datetime) -> bool:
        mine = select(subscription.c.subscriber_id).where(subscription.c.id == number)
        moved = and_(subscriber.c.new_address.is_(None), subscriber.c.move_asked_at >= since)
        query = select(subscriber.c.id).where(subscriber.c.id.in_(mine), moved)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def pending_move(self, number: int, request: int, now: datetime) -> str:
        with self._database.read() as connection:
            person = pending_move(connection, number, request, now)
            return "" if person is None else str(person.new_address)

    def move(self, number: int, request: int, key: str, now: datetime) -> Moved:
        with self._database.write() as connection:
            return move_person(connection, number, request, key, now)

    def history(self, number: int) -> list[PersonEvent]:
        with self._database.read() as connection:
            return events_of(connection, number)[: -HISTORY - 1 : -1]


def _locked(connection: Connection, number: int) -> Row[Any] | None:
    """An active subscription; nothing else has preferences."""
    mine = and_(subscription.c.id == number, subscription.c.state == SubscriptionState.ACTIVE)
    return connection.execute(select(subscription).where(mine).with_for_update()).first()


def _choice(connection: Connection, row: Row[Any], wanted: Wanted) -> Choice:
    stored = select(topic_set.c.choice).where(topic_set.c.id == row.topic_set_id)
    old = Choice.parse(connection.execute(stored).scalar_one())
    topics = None if wanted.topics is None else topic_numbers(connection, wanted.topics)
    return change_choice(old, topics, current_sequence(connection))


def _exclude_waiting(connection: Connection, number: int, reason: str, now: datetime) -> None:
    """Its entries come in the next issue the reader gets."""
    mine = and_(delivery.c.subscription_id == number, delivery.c.state.in_(WAITING))
    put_cursors_back(connection, mine)
    move(connection, mine, DeliveryState.EXCLUDED, reason, now)


def _end_pause(connection: Connection, row: Row[Any], now: datetime) -> None:
    """As it was to end, and when it was to."""
    resume(connection, row, sequence_at(connection, row.paused_until) if row.paused_fresh else None, now)


def resume(connection: Connection, row: Row[Any], start: int | None, now: datetime) -> None:
    """End a pause: all that came meanwhile is sent, or (``start``) only what has a higher sequence."""
    values: dict[str, Any] = {"paused_until": None, "paused_fresh": False}
    if start is not None:
        values |= {"cursor": max(start, row.cursor), "rehearsed_cursor": max(start, row.rehearsed_cursor)}
    connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))
    note(connection, row.id, "resumed", "catch up" if start is None else f"start fresh after sequence {start}", now)
