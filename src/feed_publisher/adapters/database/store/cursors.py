"""Where a subscription stands: its cursor, and how it goes back when a delivery ends in nothing (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, update

from feed_publisher.adapters.database.schema import delivery, digest, issue, subscription
from feed_publisher.domain.delivery import NOT_RECEIVED, UNFINISHED, DeliveryState
from feed_publisher.domain.issue import IssueState
from feed_publisher.ports.issues import Audience

NEXT_FIRST = "the next issue came first"
"""Why a delivery ends that was still waiting."""


def cursor_of(rehearsal: bool) -> ColumnElement[int]:
    """Rehearsals keep a cursor of their own, so the first real issue starts where the digest started."""
    if not rehearsal:
        return subscription.c.cursor
    ahead = subscription.c.rehearsed_cursor > subscription.c.cursor
    return case((ahead, subscription.c.rehearsed_cursor), else_=subscription.c.cursor)


def put_cursors_back(connection: Connection, ended: ColumnElement[bool]) -> None:
    """For deliveries that end without possible acceptance: their entries come in the next issue.

    ``ended`` selects deliveries that are about to leave an unfinished state; they stay locked until commit, so none
    is claimed meanwhile. A reader who has had a later issue (the delivery was resent by hand) stays where he is:
    going back would repeat that issue.
    """
    locked = select(delivery.c.id).where(ended).with_for_update(of=delivery).subquery()
    if not connection.execute(select(func.count()).select_from(locked)).scalar():
        return
    its = issue.alias("its_issue")
    for column, rehearsal in ((subscription.c.cursor, False), (subscription.c.rehearsed_cursor, True)):
        back = (
            select(func.min(delivery.c.from_sequence))
            .join(its, its.c.id == delivery.c.issue_id)
            .where(ended, delivery.c.subscription_id == subscription.c.id, its.c.rehearsal.is_(rehearsal))
            .correlate(subscription)
            .scalar_subquery()
        )
        concerned = (
            select(delivery.c.subscription_id)
            .join(its, its.c.id == delivery.c.issue_id)
            .where(ended, its.c.rehearsal.is_(rehearsal), ~had_later(rehearsal))
        )
        lower = and_(subscription.c.id.in_(concerned), column > back)
        connection.execute(update(subscription).where(lower).values({column: back}))


def move_cursors(connection: Connection, subscriptions: Any, its_issue: Any) -> None:
    """These subscriptions have, or are about to get, everything up to an issue's ``through``."""
    column = subscription.c.rehearsed_cursor if its_issue.rehearsal else subscription.c.cursor
    behind = and_(subscription.c.id.in_(subscriptions), column < its_issue.through)
    connection.execute(update(subscription).where(behind).values({column: its_issue.through}))


def had_later(rehearsal: bool) -> ColumnElement[bool]:
    """The reader of a delivery has had, or may be about to have, a later one of the same digest."""
    later, its = delivery.alias("later"), issue.alias("later_issue")
    return (
        select(later.c.id)
        .join(its, its.c.id == later.c.issue_id)
        .where(later.c.subscription_id == delivery.c.subscription_id, later.c.id > delivery.c.id)
        .where(later.c.state.not_in(NOT_RECEIVED), its.c.rehearsal.is_(rehearsal))
        .correlate(delivery)
        .exists()
    )


def unfinished_issues(slug: str, but: int | None = None) -> Any:
    """The numbers of a digest's issues that some reader has not had yet; a cancelled one may still be on its way."""
    waiting = delivery.alias("unfinished")
    has = exists().where(waiting.c.issue_id == issue.c.id, waiting.c.state.in_(UNFINISHED))
    mine = select(issue.c.id).join(digest, digest.c.id == issue.c.digest_id).where(digest.c.slug == slug, has)
    return mine if but is None else mine.where(issue.c.id != but)


def expire_waiting(connection: Connection, subscriptions: Sequence[int], audience: Audience, now: datetime) -> None:
    """End what these subscriptions still have waiting of earlier issues; the entries come again.

    A scheduled issue leaves alone what has its hour now and is on its way out, and waits for it: replaced by one that
    has to wait for the next hour, it would never arrive where one reader's evening is another one's next morning.
    """
    waiting = and_(
        delivery.c.subscription_id.in_(subscriptions),
        delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED)),
    )
    if audience.cadence is not None:
        waiting = and_(waiting, ~_leaves_now(audience.rehearsal, now))
    put_cursors_back(connection, waiting)
    values = {"state": DeliveryState.EXPIRED, "reason": NEXT_FIRST, "changed_at": now}
    connection.execute(update(delivery).where(waiting).values(values))


def _leaves_now(rehearsal: bool, now: datetime) -> ColumnElement[bool]:
    """Due, in nobody's hands yet, and nothing but the time to do it keeps it from being sent."""
    goes = and_(issue.c.id == delivery.c.issue_id, issue.c.state == IssueState.READY, issue.c.rehearsal.is_(rehearsal))
    return and_(
        delivery.c.state == DeliveryState.QUEUED,
        delivery.c.attempt == 0,
        delivery.c.due_at <= now,
        select(issue.c.id).where(goes).correlate(delivery).exists(),
    )
