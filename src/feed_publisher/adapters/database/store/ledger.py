"""The ledger: one row per issue and reader, durable marks, and what a crash leaves behind (SEMANTICS §3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, exists, func, select, text, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    delivery,
    digest,
    edition,
    issue,
    process,
    subscriber,
)
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.cursors import NEXT_FIRST, had_later, move_cursors, put_cursors_back
from feed_publisher.adapters.database.store.issues import OVERTAKEN
from feed_publisher.adapters.database.store.transitions import (
    WAITING,
    end_cancelled,
    end_refused,
    exclude_unfit,
    issue_goes,
    mark,
    move,
    record,
    record_sent,
)
from feed_publisher.domain.delivery import UNFINISHED, DeliveryState, Result, Verdict
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.issue import IssueState
from feed_publisher.ports.sending import ClaimedDelivery, Mark, Process, StoredEdition

_SENDING = (IssueState.READY, IssueState.PAUSED, IssueState.FINISHED)
_IN_HAND = (DeliveryState.CLAIMED, DeliveryState.TRANSMITTING)
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

    def heartbeat(self, owner: str) -> bool:
        """False when others took this process for dead: what it had claimed is no longer its own."""
        with self._database.write() as connection:
            beat = update(process).where(process.c.owner == owner).values(heartbeat=database_now(connection))
            return connection.execute(beat).rowcount == 1

    def processes(self) -> list[Process]:
        """All that are registered, and owners of unfinished deliveries that are not (silent for ever, on no host)."""
        held = and_(delivery.c.owner.is_not(None), delivery.c.state.in_(_IN_HAND))
        with self._database.read() as connection:
            now = database_now(connection)
            found = [
                Process(owner=row.owner, host=row.host, silent_for=(now - row.heartbeat).total_seconds())
                for row in connection.execute(select(process))
            ]
            known = {each.owner for each in found}
            owners = connection.execute(select(delivery.c.owner).distinct().where(held)).scalars()
            return found + [Process(owner=each, host="", silent_for=inf) for each in owners if each not in known]

    def recover(self, owner: str, now: datetime) -> tuple[int, int]:
        with self._database.durable() as connection:
            released = _release(connection, owner, now)
            connection.execute(delete(process).where(process.c.owner == owner))
            return released

    # --- claiming

    def sendable(self, rehearsal: bool, digests: Collection[str], now: datetime) -> list[int]:
        """Issues of these digests with a delivery that is due."""
        due = exists().where(delivery.c.issue_id == issue.c.id, delivery.c.state.in_(WAITING), delivery.c.due_at <= now)
        query = select(issue.c.id).join(digest).where(digest.c.slug.in_(digests), due)
        query = query.where(issue.c.state == IssueState.READY, issue.c.rehearsal.is_(rehearsal))
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
                for state in WAITING  # one query each, so that each walks the index in the order of due_at
                for found in connection.execute(_due(number, state, limit, now)).scalars()
            ][:limit]
            for chunk in chunks(waiting, 500):
                exclude_unfit(connection, chunk, now)
                values = {"state": DeliveryState.CLAIMED, "owner": owner, "attempt": delivery.c.attempt + 1}
                fit = and_(delivery.c.id.in_(chunk), delivery.c.state.in_(WAITING), issue_goes(number))
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
        self, owner: str, verdicts: Sequence[tuple[Result, Verdict]], marks: Sequence[Mark], now: datetime
    ) -> set[int]:
        with self._database.durable() as connection:
            sent = [result for result, verdict in verdicts if verdict.state is DeliveryState.SENT]
            record_sent(connection, owner, sent, now)
            for result, verdict in verdicts:
                if verdict.state is not DeliveryState.SENT:
                    record(connection, owner, result, verdict, now)
            granted = mark(connection, owner, marks, now)
            refused = [asked for asked in marks if asked.delivery not in granted]
            if refused:
                end_refused(connection, owner, refused, now)
            return granted

    def release(self, owner: str, now: datetime) -> tuple[int, int]:
        """After a run: what was claimed is queued again, what was marked and has no stored result is in doubt."""
        with self._database.durable() as connection:
            return _release(connection, owner, now)

    def expire(self, before: datetime, now: datetime) -> int:
        """End what has been waiting since before an instant; the entries come in the next issue."""
        open_issues = select(issue.c.id).where(issue.c.state == IssueState.READY)
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
                count += move(connection, late, DeliveryState.EXPIRED, "not accepted in time", now)
        return count

    def finish(self, now: datetime) -> list[int]:
        """Close the issues in which nothing is left to do, a draft that a later issue has overtaken included."""
        left = exists().where(
            delivery.c.issue_id == issue.c.id,
            delivery.c.state.in_((*WAITING, DeliveryState.CLAIMED, DeliveryState.TRANSMITTING)),
        )
        done = and_(issue.c.state.in_((IssueState.READY, IssueState.DRAFT, IssueState.PAUSED)), ~left)
        with self._database.read() as connection:
            numbers = list(connection.execute(select(issue.c.id).where(done)).scalars())
        if numbers:
            with self._database.write() as connection:
                # Lock first, look again then: a delivery may be resent by hand at this moment.
                connection.execute(select(issue.c.id).where(issue.c.id.in_(numbers)).with_for_update())
                finished = and_(done, issue.c.id.in_(numbers))
                reason = case((_overtaken(), OVERTAKEN), else_=issue.c.reason)
                values = {"state": IssueState.FINISHED, "finished_at": now, "reason": reason}
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


def _overtaken() -> ColumnElement[bool]:
    """A draft whose readers the next issue has taken over."""
    taken = and_(delivery.c.issue_id == issue.c.id, delivery.c.reason == NEXT_FIRST)
    return and_(issue.c.state == IssueState.DRAFT, exists().where(taken).correlate(issue))


def _release(connection: Connection, owner: str, now: datetime) -> tuple[int, int]:
    claimed = and_(delivery.c.owner == owner, delivery.c.state == DeliveryState.CLAIMED)
    back = end_cancelled(connection, claimed, now) + move(connection, claimed, DeliveryState.QUEUED, "", now)
    reason = "the program stopped before the mail server's answer was stored"
    doubt = and_(delivery.c.owner == owner, delivery.c.state == DeliveryState.TRANSMITTING)
    return back, move(connection, doubt, DeliveryState.UNKNOWN, reason, now, owner=owner)


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
    its = select(digest.c.slug, issue.c.opened_at).join(issue).where(issue.c.id == number)
    about = connection.execute(its).one()
    columns = [delivery.c[name] for name in ("id", "attempt", "tries", "subscription_id", "edition_id")]
    for chunk in chunks(waiting, 500):
        query = (
            select(*columns, subscriber.c.address)
            .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
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
                digest=about.slug,
                address=row.address,
                issue=number,
                opened_at=about.opened_at,
            )
            for row in connection.execute(query)
        ]
    return claimed


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
    return move(connection, wanted, DeliveryState.QUEUED, "resent by hand", now, **more)
