"""The ledger: one row per issue and reader, durable marks, and what a crash leaves behind (SEMANTICS §3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, exists, func, or_, select, text, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    Utc,
    delivery,
    digest,
    edition,
    issue,
    process,
    subscriber,
    subscription,
    suppression,
)
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.cursors import had_later, move_cursors, put_cursors_back
from feed_publisher.domain.delivery import UNFINISHED, DeliveryState, Result, Verdict
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.issue import IssueState, SubscriptionState
from feed_publisher.ports import ClaimedDelivery, Process, StoredEdition

WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)
_SENDING = (IssueState.READY, IssueState.PAUSED, IssueState.FINISHED)
_RESENDABLE = (DeliveryState.UNKNOWN, DeliveryState.BOUNCED, DeliveryState.SENT)


class SqlLedger:
    """ports.Ledger on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- processes

    def register(self, owner: str, host: str, pid: int) -> None:
        with self._database.write() as connection:
            now = database_now(connection)
            row = {"owner": owner, "host": host, "pid": pid, "started_at": now, "heartbeat": now}
            insert_missing(connection, process, [row])

    def heartbeat(self, owner: str) -> None:
        with self._database.write() as connection:
            now = database_now(connection)
            connection.execute(update(process).where(process.c.owner == owner).values(heartbeat=now))

    def unregister(self, owner: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(process).where(process.c.owner == owner))

    def processes(self) -> list[Process]:
        with self._database.read() as connection:
            now = database_now(connection)
            return [
                Process(owner=row.owner, host=row.host, silent_for=(now - row.heartbeat).total_seconds())
                for row in connection.execute(select(process))
            ]

    def recover(self, owner: str, now: datetime) -> tuple[int, int]:
        mine = delivery.c.owner == owner
        with self._database.durable() as connection:
            claimed = and_(mine, delivery.c.state == DeliveryState.CLAIMED)
            back = _end_cancelled(connection, claimed, now)
            back += _move(connection, claimed, DeliveryState.QUEUED, "", now)
            reason = "the program stopped before the mail server's answer was stored"
            doubt = and_(mine, delivery.c.state == DeliveryState.TRANSMITTING)
            unknown = _move(connection, doubt, DeliveryState.UNKNOWN, reason, now, owner=owner)
            connection.execute(delete(process).where(process.c.owner == owner))
            return back, unknown

    # --- claiming

    def sendable(self, rehearsal: bool, now: datetime) -> list[int]:
        """Issues with a delivery that is due."""
        due = exists().where(delivery.c.issue_id == issue.c.id, delivery.c.state.in_(WAITING), delivery.c.due_at <= now)
        query = select(issue.c.id).where(issue.c.state == IssueState.READY, issue.c.rehearsal.is_(rehearsal), due)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(issue.c.id)).scalars())

    def next_due(self, rehearsal: bool) -> datetime | None:
        """When the next waiting delivery is due."""
        query = (
            select(func.min(delivery.c.due_at))
            .join(issue, issue.c.id == delivery.c.issue_id)
            .where(issue.c.state == IssueState.READY, issue.c.rehearsal.is_(rehearsal), delivery.c.state.in_(WAITING))
        )
        with self._database.read() as connection:
            due: datetime | None = connection.execute(query).scalar()
            return due

    def claim(self, number: int, owner: str, limit: int, now: datetime) -> list[ClaimedDelivery]:
        """Reserve deliveries that are due; those whose reader has left or must not be mailed end here."""
        with self._database.write() as connection:
            waiting = [
                found
                for state in WAITING  # one query each: a literal state lets both databases walk the index
                for found in connection.execute(_due(number, state, limit, now)).scalars()
            ][:limit]
            for chunk in chunks(waiting, 500):
                _exclude_unfit(connection, chunk, now)
                values = {"state": DeliveryState.CLAIMED, "owner": owner, "attempt": delivery.c.attempt + 1}
                fit = and_(delivery.c.id.in_(chunk), delivery.c.state.in_(WAITING), _issue_goes(number))
                connection.execute(update(delivery).where(fit).values(changed_at=now, **values))
            return _claimed(connection, number, owner, waiting)

    def edition(self, number: int) -> StoredEdition:
        with self._database.read() as connection:
            row = connection.execute(select(edition).where(edition.c.id == number)).one()
            return StoredEdition(
                subject=row.subject, html=row.html, text=row.text, language=row.language, nonce=row.nonce
            )

    # --- marks and results

    def settle(
        self, owner: str, verdicts: Sequence[tuple[Result, Verdict]], marks: Sequence[tuple[int, int]], now: datetime
    ) -> set[int]:
        with self._database.durable() as connection:
            for result, verdict in verdicts:
                _record(connection, owner, result, verdict, now)
            granted = {number for number, attempt in marks if _mark(connection, owner, number, attempt, now)}
            refused = [mark for mark in marks if mark[0] not in granted]
            if refused:
                _end_refused(connection, owner, refused, now)
            return granted

    def give_back(self, owner: str, now: datetime) -> int:
        """Queue again what this process claimed and did not begin."""
        mine = and_(delivery.c.owner == owner, delivery.c.state == DeliveryState.CLAIMED)
        with self._database.write() as connection:
            return _end_cancelled(connection, mine, now) + _move(connection, mine, DeliveryState.QUEUED, "", now)

    def expire(self, before: datetime, now: datetime) -> int:
        """End what has been waiting since before an instant; the entries come in the next issue."""
        open_issues = select(issue.c.id).where(issue.c.state.in_((IssueState.READY, IssueState.PAUSED)))
        with self._database.read() as connection:
            numbers = list(connection.execute(open_issues).scalars())
        count = 0
        for number in numbers:
            late = and_(delivery.c.issue_id == number, delivery.c.state.in_(WAITING), delivery.c.not_before < before)
            with self._database.read() as connection:
                if not connection.execute(select(delivery.c.id).where(late).limit(1)).first():
                    continue
            with self._database.write() as connection:
                put_cursors_back(connection, late)
                count += _move(connection, late, DeliveryState.EXPIRED, "not accepted in time", now)
        return count

    def finish(self, now: datetime) -> list[int]:
        """Close the issues in which nothing is left to do."""
        left = exists().where(
            delivery.c.issue_id == issue.c.id,
            delivery.c.state.in_((*WAITING, DeliveryState.CLAIMED, DeliveryState.TRANSMITTING)),
        )
        done = and_(issue.c.state == IssueState.READY, ~left)
        with self._database.read() as connection:
            numbers = list(connection.execute(select(issue.c.id).where(done)).scalars())
        if numbers:
            with self._database.write() as connection:
                # Lock first, look again then: a delivery may be resent by hand at this moment.
                connection.execute(select(issue.c.id).where(issue.c.id.in_(numbers)).with_for_update())
                finished = and_(done, issue.c.id.in_(numbers))
                values = {"state": IssueState.FINISHED, "finished_at": now}
                query = update(issue).where(finished).values(values).returning(issue.c.id)
                return sorted(connection.execute(query).scalars())
        return []

    # --- by hand

    def resend(self, number: int, states: Sequence[DeliveryState], subscription_id: int | None, now: datetime) -> int:
        """Queue deliveries of an issue again; the same bytes leave once more. A deferred one is due at once.

        Left alone are readers who wait for another issue (one unfinished delivery at a time) and those who bounced
        and have had the entries in a later issue since.
        """
        mine = delivery.c.issue_id == number
        if subscription_id is not None:
            mine = and_(mine, delivery.c.subscription_id == subscription_id)
        with self._database.write() as connection:
            row = connection.execute(select(issue).where(issue.c.id == number).with_for_update()).first()
            if row is None:
                raise NotFoundError(f"there is no issue {number}; `issues list` shows all")
            if row.state not in _SENDING:
                reason = f"it is {row.state}; that needs one that is {' or '.join(_SENDING)}"
                raise InputError(reason, f"issue {number}")
            count = 0
            for state in (known for known in _RESENDABLE if known in states):
                count += _requeue(connection, row, and_(mine, delivery.c.state == state), state, now)
            if count:
                finished = and_(issue.c.id == number, issue.c.state == IssueState.FINISHED)
                connection.execute(update(issue).where(finished).values(state=IssueState.READY, finished_at=None))
            if DeliveryState.DEFERRED in states:
                deferred = update(delivery).where(and_(mine, delivery.c.state == DeliveryState.DEFERRED))
                count += int(connection.execute(deferred.values(due_at=now, not_before=now)).rowcount)
            return count

    def rows(self, number: int, after: int, limit: int) -> list[dict[str, object]]:
        """Who, state, reason and time, for an export in pages."""
        query = (
            select(delivery.c.id, subscriber.c.address, delivery.c.state, delivery.c.reason, delivery.c.changed_at)
            .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
            .where(delivery.c.issue_id == number, delivery.c.id > after)
            .order_by(delivery.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


def database_now(connection: Connection) -> datetime:
    """The one clock that processes on several hosts share; on SQLite there is only one host."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(text("SELECT now()")).scalar_one()
    return now.astimezone(UTC)


def _due(number: int, state: DeliveryState, limit: int, now: datetime) -> Any:
    return (
        select(delivery.c.id)
        .where(delivery.c.issue_id == number, delivery.c.state == state, delivery.c.due_at <= now)
        .order_by(delivery.c.due_at, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _claimed(connection: Connection, number: int, owner: str, waiting: Sequence[int]) -> list[ClaimedDelivery]:
    claimed: list[ClaimedDelivery] = []
    for chunk in chunks(waiting, 500):
        query = (
            select(delivery, subscriber.c.address, digest.c.slug, issue.c.opened_at)
            .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
            .join(issue, issue.c.id == delivery.c.issue_id)
            .join(digest, digest.c.id == issue.c.digest_id)
            .where(delivery.c.id.in_(chunk), delivery.c.owner == owner, delivery.c.state == DeliveryState.CLAIMED)
            .order_by(delivery.c.due_at, delivery.c.id)
        )
        claimed += [
            ClaimedDelivery(
                delivery=row.id,
                attempt=row.attempt,
                tries=row.tries,
                subscription=row.subscription_id,
                edition=row.edition_id,
                digest=row.slug,
                address=row.address,
                issue=number,
                opened_at=row.opened_at,
            )
            for row in connection.execute(query)
        ]
    return claimed


def _move(
    connection: Connection, which: ColumnElement[bool], state: DeliveryState, reason: str, now: datetime, **more: Any
) -> int:
    values = {"state": state, "reason": reason, "changed_at": now, "owner": None} | more
    return int(connection.execute(update(delivery).where(which).values(values)).rowcount)


def _issue_goes(number: int) -> ColumnElement[bool]:
    return exists().where(issue.c.id == number, issue.c.state == IssueState.READY)


def _consents(now: datetime) -> ColumnElement[bool]:
    """The reader of a delivery still wants mail now: not left, not paused."""
    wanting = and_(
        subscription.c.id == delivery.c.subscription_id,
        subscription.c.state == SubscriptionState.ACTIVE,
        or_(subscription.c.paused_until.is_(None), subscription.c.paused_until <= now),
    )
    return exists().where(wanting).correlate(delivery)


def _suppressed() -> ColumnElement[bool]:
    never = and_(subscriber.c.id == delivery.c.subscriber_id, suppression.c.address_key == subscriber.c.address_key)
    return exists().where(never).correlate(delivery)


def _exclude_unfit(connection: Connection, numbers: Sequence[int], now: datetime) -> None:
    waiting = and_(delivery.c.id.in_(numbers), delivery.c.state.in_(WAITING))
    _move(connection, and_(waiting, _suppressed()), DeliveryState.SUPPRESSED, "on the never-mail list", now)
    _exclude_left(connection, waiting, now)


def _exclude_left(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    left = and_(which, ~_consents(now))
    put_cursors_back(connection, left)
    _move(connection, left, DeliveryState.EXCLUDED, "unsubscribed or paused", now)


def _end_refused(connection: Connection, owner: str, marks: Sequence[tuple[int, int]], now: datetime) -> None:
    """Marks that were refused: say why; a paused issue's deliveries wait on."""
    asked = or_(*(and_(delivery.c.id == number, delivery.c.attempt == attempt) for number, attempt in marks))
    mine = and_(asked, delivery.c.owner == owner, delivery.c.state == DeliveryState.CLAIMED)
    _move(connection, and_(mine, _suppressed()), DeliveryState.SUPPRESSED, "on the never-mail list", now)
    _exclude_left(connection, mine, now)
    _end_cancelled(connection, mine, now)
    _move(connection, mine, DeliveryState.QUEUED, "", now)


def _end_cancelled(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    """What was under way when its issue was cancelled does not wait on."""
    gone = and_(issue.c.id == delivery.c.issue_id, issue.c.state == IssueState.CANCELLED)
    cancelled = and_(which, exists().where(gone).correlate(delivery))
    put_cursors_back(connection, cancelled)
    return _move(connection, cancelled, DeliveryState.EXCLUDED, "cancelled", now)


def _requeue(
    connection: Connection, its_issue: Row[Any], which: ColumnElement[bool], state: DeliveryState, now: datetime
) -> int:
    other = delivery.alias("other")
    waits = (
        select(other.c.id)
        .where(other.c.subscription_id == delivery.c.subscription_id, other.c.id != delivery.c.id)
        .where(other.c.state.in_(UNFINISHED))
        .correlate(delivery)
        .exists()
    )
    wanted = and_(which, ~waits)
    more: dict[str, Any] = {"due_at": now, "not_before": now}
    if state is DeliveryState.BOUNCED:
        # Its entries are under way again: the next issue must not bring them too.
        wanted = and_(wanted, ~had_later(its_issue.rehearsal))
        move_cursors(connection, select(delivery.c.subscription_id).where(wanted), its_issue)
    if state is DeliveryState.SENT:
        more["from_sequence"] = its_issue.through  # received already, whatever becomes of this one
    return _move(connection, wanted, DeliveryState.QUEUED, "resent by hand", now, **more)


_MARK = """
UPDATE delivery SET state = 'transmitting', attempted = :yes, changed_at = :now
WHERE id = :id AND state = 'claimed' AND owner = :owner AND attempt = :attempt
AND EXISTS (SELECT 1 FROM issue WHERE issue.id = delivery.issue_id AND issue.state = 'ready')
AND EXISTS (SELECT 1 FROM subscription WHERE subscription.id = delivery.subscription_id
            AND subscription.state = 'active'
            AND (subscription.paused_until IS NULL OR subscription.paused_until <= :now))
AND NOT EXISTS (SELECT 1 FROM subscriber JOIN suppression ON suppression.address_key = subscriber.address_key
                WHERE subscriber.id = delivery.subscriber_id)
"""


_MARK_STATEMENT = text(_MARK).bindparams(bindparam("now", type_=Utc()), bindparam("yes", True))


def _mark(connection: Connection, owner: str, number: int, attempt: int, now: datetime) -> bool:
    """The durable mark; it re-checks owner, attempt, issue, consent, pause and suppression."""
    values = {"id": number, "owner": owner, "attempt": attempt, "now": now}
    return connection.execute(_MARK_STATEMENT, values).rowcount == 1


def _record(connection: Connection, owner: str, result: Result, verdict: Verdict, now: datetime) -> None:
    """Store what an attempt ended in, unless another owner or attempt has taken over."""
    origins = [DeliveryState.CLAIMED, DeliveryState.TRANSMITTING]
    if verdict.state in (DeliveryState.SENT, DeliveryState.BOUNCED):
        origins.append(DeliveryState.UNKNOWN)  # a late reply
    mine = and_(
        delivery.c.id == result.delivery,
        delivery.c.owner == owner,
        delivery.c.attempt == result.attempt,
        delivery.c.state.in_(origins),
    )
    more: dict[str, Any] = {} if verdict.due_at is None else {"due_at": verdict.due_at}
    if verdict.state is DeliveryState.DEFERRED:
        more["tries"] = delivery.c.tries + 1
    if verdict.state is DeliveryState.BOUNCED and not verdict.suppress:
        put_cursors_back(connection, mine)
    recorded = _move(connection, mine, verdict.state, verdict.reason, now, **more)
    if recorded and verdict.state in WAITING:
        waiting = and_(delivery.c.id == result.delivery, delivery.c.state.in_(WAITING))
        _end_cancelled(connection, waiting, now)
    if recorded and verdict.suppress:
        _suppress(connection, result.delivery, verdict.reason, now)


def _suppress(connection: Connection, number: int, reason: str, now: datetime) -> None:
    query = select(subscriber.c.address_key).join(delivery, delivery.c.subscriber_id == subscriber.c.id)
    key = connection.execute(query.where(delivery.c.id == number)).scalar_one()
    insert_missing(connection, suppression, [{"address_key": key, "reason": reason, "created_at": now}])
