"""Subscribers, their subscriptions, and the addresses never to be mailed (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, func, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    clock,
    digest,
    issue,
    letter_log,
    secret,
    subscriber,
    subscription,
    suppression,
    topic_set,
)
from feed_publisher.adapters.database.store.answers import answered_by_person, departed
from feed_publisher.adapters.database.store.common import insert_if_missing, insert_missing
from feed_publisher.adapters.database.store.history import note
from feed_publisher.adapters.database.store.sequence import current_sequence
from feed_publisher.adapters.database.store.topic_names import named, slugs_by_number, with_gone
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import IssueState, SubscriptionState
from feed_publisher.domain.selection import EVERYTHING, Choice, change_choice
from feed_publisher.domain.shadow import shadow_of
from feed_publisher.ports.people import Joined, NewSubscription, SubscriberView

LETTER_PAUSE = timedelta(hours=24)
LETTERS_FOR = timedelta(days=30)
LETTERS_MOST = 3
"""One letter to an address in a day and three in a month, for all digests together and whoever asks how often."""


class SqlPeopleStore:
    """ports.PeopleStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def secrets(self, purpose: str) -> dict[int, bytes]:
        """Keys by id; the highest id is the current one."""
        with self._database.read() as connection:
            rows = connection.execute(select(secret).where(secret.c.purpose == purpose))
            return {row.key_id: bytes.fromhex(row.value) for row in rows}

    def join(self, people: Iterable[NewSubscription], cadence: str, now: datetime) -> Joined:
        """Add or update subscriptions. Left alone and named: addresses never mailed, and people who have left."""
        ended: dict[str, list[str]] = {outcome: [] for outcome in ("added", "updated", "left", "suppressed")}
        with self._database.write() as connection:
            for person in people:
                suppressed = is_suppressed(connection, person.address_key)
                outcome = "suppressed" if suppressed else join_one(connection, person, cadence, now)
                ended[outcome].append(person.address)
        return Joined(
            added=len(ended["added"]),
            updated=len(ended["updated"]),
            left=tuple(ended["left"]),
            suppressed=tuple(ended["suppressed"]),
        )

    def ask(self, person: NewSubscription, cadence: str, now: datetime) -> None:
        """Somebody typed this address into a form: due a letter, if it may have one more, unless never mailed."""
        with self._database.write() as connection:
            if is_suppressed(connection, person.address_key):
                return
            row = find_subscription(connection, person)
            if row is not None and row.letter in ("data", "move"):
                return  # something that the reader has asked for waits there
            if _is_reader(connection, person.address_key):
                person = replace(person, language=None)  # a stranger may have typed it
            elif row is not None:
                _subscriber(connection, person, now)
            if row is None:
                join_one(connection, person, cadence, now)
                row = find_subscription(connection, person)
            if row is None or not may_be_written_to(connection, person.address_key, now):
                return
            active = row.state == SubscriptionState.ACTIVE
            values: dict[str, Any] = {"asked_at": now, "letter": "link" if active else "confirm", "letter_due_at": now}
            if not active:
                values |= {"state": SubscriptionState.PENDING, "cadence": person.cadence or row.cadence}
                values |= {"request": row.request + 1}
            connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))
            note(connection, row.id, "asked", person.consent_source, now)

    def confirm(self, number: int, request: int, source: str, now: datetime, welcoming: Collection[str] = ()) -> bool:
        """Activate a pending subscription; False when this request was used or is older than 72 hours.

        ``welcoming``: the digests that mail a welcome.
        """
        with self._database.write() as connection:
            row = connection.execute(select(subscription).where(subscription.c.id == number).with_for_update()).first()
            if row is None or row.request != request or row.asked_at is None:
                return False
            if row.state == SubscriptionState.ACTIVE:
                return True
            if row.state != SubscriptionState.PENDING or row.asked_at < now - timedelta(hours=72):
                return False
            activate(connection, row, source, now)
            greeted = select(digest.c.id).where(digest.c.slug.in_(welcoming))
            welcomed = and_(subscription.c.id == number, subscription.c.digest_id.in_(greeted))
            letter = {"letter": "welcome", "letter_due_at": now}
            connection.execute(update(subscription).where(welcomed).values(letter))
            return True

    def leave(self, number: int, now: datetime, how: str = "") -> bool:
        """Unsubscribe; the same again changes nothing. False when there is no such subscription."""
        with self._database.write() as connection:
            end_subscription(connection, number, how, now)
            return connection.execute(select(subscription.c.id).where(subscription.c.id == number)).first() is not None

    def view(self, number: int) -> SubscriberView | None:
        with self._database.read() as connection:
            found = _views(connection, _view().where(subscription.c.id == number))
        return found[0] if found else None

    def page(self, digest_slug: str | None, after: int, limit: int) -> list[SubscriberView]:
        """Without a digest, of all; but operators who get a digest before its readers are in no list of readers."""
        query = _view().where(subscription.c.id > after, ~is_of_shadow()).order_by(subscription.c.id).limit(limit)
        with self._database.read() as connection:
            return _views(connection, query if digest_slug is None else query.where(digest.c.slug == digest_slug))

    def find(self, address_key: str) -> list[SubscriberView]:
        with self._database.read() as connection:
            return _views(connection, _view().where(subscriber.c.address_key == address_key))

    def count_active(self, digest_slug: str) -> int:
        active = and_(digest.c.slug == digest_slug, subscription.c.state == SubscriptionState.ACTIVE)
        query = select(func.count()).select_from(subscription).join(digest).where(active)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def suppress(self, address_key: str, reason: str, now: datetime) -> bool:
        row = {"address_key": address_key, "reason": reason, "created_at": now}
        with self._database.write() as connection:
            return insert_if_missing(connection, suppression, row)

    def unsuppress(self, address_key: str) -> bool:
        with self._database.write() as connection:
            return connection.execute(delete(suppression).where(suppression.c.address_key == address_key)).rowcount == 1

    def suppressions(self) -> list[tuple[str, str, datetime]]:
        """(address or "", reason, since) of the newest 1000."""
        query = (
            select(subscriber.c.address, suppression.c.reason, suppression.c.created_at)
            .select_from(suppression)
            .outerjoin(subscriber, subscriber.c.address_key == suppression.c.address_key)
            .order_by(suppression.c.created_at.desc())
            .limit(1000)
        )
        with self._database.read() as connection:
            return [(row[0] or "", row[1], row[2]) for row in connection.execute(query)]


def end_subscription(connection: Connection, number: int, how: str, now: datetime) -> bool:
    """Unsubscribe one; False when it was not there, or had ended."""
    active = and_(subscription.c.id == number, subscription.c.state != SubscriptionState.UNSUBSCRIBED)
    values = {"state": SubscriptionState.UNSUBSCRIBED, "left_at": now, "letter": None, "letter_due_at": None}
    if not connection.execute(update(subscription).where(active).values(values)).rowcount:
        return False
    note(connection, number, "left", how, now)
    departed(connection, [number], now)
    return True


def _is_reader(connection: Connection, key: str) -> bool:
    """Whether the owner of the address has confirmed that of anything."""
    active = and_(subscriber.c.address_key == key, subscription.c.state == SubscriptionState.ACTIVE)
    query = select(subscription.c.id).join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
    return connection.execute(query.where(active).limit(1)).first() is not None


def may_be_written_to(connection: Connection, key: str, now: datetime) -> bool:
    """Whether the address may have a letter that somebody asked for; then it has one less.

    Only its hash is kept, and only as long as it counts: those who never confirm are forgotten before.
    """
    connection.execute(delete(letter_log).where(letter_log.c.at <= now - LETTERS_FOR))
    times = connection.execute(select(letter_log.c.at).where(letter_log.c.address_key == key)).scalars().all()
    if len(times) >= LETTERS_MOST or any(at > now - LETTER_PAUSE for at in times):
        return False
    return insert_if_missing(connection, letter_log, {"address_key": key, "at": now})


def join_one(connection: Connection, person: NewSubscription, cadence: str, now: datetime) -> str:
    """What became of it: added, updated (only what the person gave), or left (unsubscribed: only they come back)."""
    number = _subscriber(connection, person, now)
    row = find_subscription(connection, person)
    if row is not None:
        if row.state == SubscriptionState.UNSUBSCRIBED:
            return "left"
        _update(connection, row, person, now)
        return "updated"
    digest_row = connection.execute(select(digest).where(digest.c.slug == person.digest)).one()
    start, rehearsed = start_of(connection, digest_row.id, person.cadence or cadence)
    choice = Choice(everything=0) if person.topics is None else Choice(starts=topic_numbers(connection, person.topics))
    state = SubscriptionState.ACTIVE if person.active else SubscriptionState.PENDING
    values = {
        "subscriber_id": number,
        "digest_id": digest_row.id,
        "state": state,
        "cadence": person.cadence or cadence,
        "clock_id": clock_number(connection, person.zone or "", person.at or ""),
        "topic_set_id": topic_set_number(connection, choice),
        "cursor": start,
        "rehearsed_cursor": rehearsed,
        "joined_at": now,
        "consented_at": person.consented_at or (now if person.active else None),
        "consent_source": person.consent_source,
        "request": 0,
    }
    added = connection.execute(subscription.insert().returning(subscription.c.id), values).scalar_one()
    if person.active:
        note(connection, added, "joined", person.consent_source, now)
    return "added"


def _update(connection: Connection, row: Row[Any], person: NewSubscription, now: datetime) -> None:
    values: dict[str, Any] = {}
    if person.cadence and person.cadence != row.cadence:
        values |= {"cadence": person.cadence, "cadence_at": now}
    if person.zone or person.at:
        old_clock = connection.execute(select(clock).where(clock.c.id == row.clock_id)).one()
        values["clock_id"] = clock_number(connection, person.zone or old_clock.zone, person.at or old_clock.at)
    if person.topics is not None:
        old = Choice.parse(
            connection.execute(select(topic_set.c.choice).where(topic_set.c.id == row.topic_set_id)).scalar_one()
        )
        choice = change_choice(old, topic_numbers(connection, person.topics), current_sequence(connection))
        values["topic_set_id"] = topic_set_number(connection, choice)
    if person.active and row.state == SubscriptionState.PENDING:
        values |= {"state": SubscriptionState.ACTIVE, "joined_at": now, "consented_at": person.consented_at or now}
        values |= {"consent_source": person.consent_source} | fresh_start(connection, row)
        values |= {"letter": None, "letter_due_at": None}
    if values:
        connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))


def _subscriber(connection: Connection, person: NewSubscription, now: datetime) -> int:
    values = {
        "address": person.address,
        "address_key": person.address_key,
        "name": person.name or "",
        "language": person.language,
        "added_at": now,
    }
    known = select(subscriber.c.id).where(subscriber.c.address_key == person.address_key)
    if not insert_if_missing(connection, subscriber, values):
        changes = {k: v for k, v in (("name", person.name), ("language", person.language)) if v}
        if changes:
            mine = subscriber.c.address_key == person.address_key
            connection.execute(update(subscriber).where(mine).values(changes))
    # Locked, so that the same address coming twice at once meets its subscription.
    return int(connection.execute(known.with_for_update()).scalar_one())


def find_subscription(connection: Connection, person: NewSubscription) -> Row[Any] | None:
    query = (
        select(subscription)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(digest, digest.c.id == subscription.c.digest_id)
        .where(subscriber.c.address_key == person.address_key, digest.c.slug == person.digest)
    )
    return connection.execute(query).first()


def start_of(connection: Connection, digest_id: int, cadence: str) -> tuple[int, int]:
    """Where a new subscription begins: after the last issue of its cadence, else at the digest's start.

    The second number is the same with rehearsals counted. As it happens begins now.
    """
    if cadence == Cadence.INSTANT:
        now = current_sequence(connection)
        return now, now
    start = connection.execute(select(digest.c.start).where(digest.c.id == digest_id)).scalar_one()
    last = select(func.max(issue.c.through)).where(
        issue.c.digest_id == digest_id,
        issue.c.slot.startswith(f"{cadence}:"),
        issue.c.state.not_in((IssueState.SKIPPED, IssueState.CANCELLED)),
    )
    rehearsed = connection.execute(last).scalar()
    real = connection.execute(last.where(issue.c.rehearsal.is_(False))).scalar()
    return (real if real is not None else start), (rehearsed if rehearsed is not None else start)


def activate(connection: Connection, row: Row[Any], source: str, now: datetime) -> None:
    """A subscription that was pending or left is wanted again, by its reader's own act."""
    values = {
        "state": SubscriptionState.ACTIVE,
        **fresh_start(connection, row),
        "joined_at": now,
        "cadence_at": None,
        "left_at": None,
        "consented_at": now,
        "consent_source": source,
        "paused_until": None,
        "paused_fresh": False,
        "letter": None,
        "letter_due_at": None,
    }
    connection.execute(update(subscription).where(subscription.c.id == row.id).values(values))
    note(connection, row.id, "joined", source, now)
    answered_by_person(connection, row.subscriber_id, "the reader confirmed a newsletter", now)


def fresh_start(connection: Connection, row: Row[Any]) -> dict[str, int]:
    """The cursors of a subscription that becomes active: nothing from the time it was not."""
    start, rehearsed = start_of(connection, row.digest_id, row.cadence)
    return {"cursor": max(start, row.cursor), "rehearsed_cursor": max(rehearsed, row.rehearsed_cursor)}


def topic_numbers(connection: Connection, slugs: Sequence[str]) -> dict[int, int]:
    """What a choice of these topics is made of, by number, from the beginning.

    With what has gone into them: of that, too, somebody may not have had everything yet.
    """
    known = named(connection, slugs, kept=True)
    unknown = sorted(set(slugs) - known.keys())
    if unknown:
        raise InputError(f"there is no topic {unknown[0]!r} (yet)")
    return dict.fromkeys(sorted(with_gone(connection, set(known.values()))), 0)


def topic_set_number(connection: Connection, choice: Choice) -> int:
    insert_missing(connection, topic_set, [{"choice": choice.text}])
    return int(connection.execute(select(topic_set.c.id).where(topic_set.c.choice == choice.text)).scalar_one())


def clock_number(connection: Connection, zone: str, at: str) -> int:
    insert_missing(connection, clock, [{"zone": zone, "at": at}])
    mine = and_(clock.c.zone == zone, clock.c.at == at)
    return int(connection.execute(select(clock.c.id).where(mine)).scalar_one())


def is_suppressed(connection: Connection, key: str) -> bool:
    return (
        connection.execute(select(suppression.c.address_key).where(suppression.c.address_key == key)).first()
        is not None
    )


def is_of_shadow() -> ColumnElement[bool]:
    """Whether a row of ``digest`` is the shadow of another one."""
    return digest.c.slug.endswith(shadow_of(""))


def _view() -> Select[Any]:
    suppressed = exists().where(suppression.c.address_key == subscriber.c.address_key).correlate(subscriber)
    return (
        select(subscription, subscriber.c.address, subscriber.c.name, digest.c.slug, topic_set.c.choice, clock.c.zone)
        .add_columns(subscriber.c.language, clock.c.at, suppressed.label("suppressed"))
        .select_from(subscription)
        .join(subscriber)
        .join(digest)
        .join(topic_set)
        .join(clock)
    )


def views_of(connection: Connection, condition: Any) -> list[SubscriberView]:
    """Subscriptions, in the order they were made."""
    return _views(connection, _view().where(condition).order_by(subscription.c.id))


def _views(connection: Connection, query: Select[Any]) -> list[SubscriberView]:
    rows = connection.execute(query).all()
    slugs = slugs_by_number(connection) if rows else {}
    return [_to_view(row, slugs) for row in rows]


def _to_view(row: Row[Any], slugs: dict[int, str]) -> SubscriberView:
    choice = Choice.parse(row.choice)
    topics = () if choice.everything is not None else tuple(sorted({slugs[t] for t in choice.starts if t in slugs}))
    return SubscriberView(
        subscription=row.id,
        address=row.address,
        name=row.name,
        digest=row.slug,
        state=row.state,
        cadence=row.cadence,
        topics=topics or (EVERYTHING,),
        zone=row.zone,
        at=row.at,
        joined_at=row.joined_at,
        paused_until=row.paused_until,
        suppressed=bool(row.suppressed),
        language=row.language,
    )
