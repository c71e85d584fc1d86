"""Digests and issues: claiming a slot, and giving an issue its deliveries batch by batch (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    clock,
    delivery,
    desk_letter,
    digest,
    edition,
    edition_entry,
    issue,
    subscription,
)
from feed_publisher.adapters.database.store.audience import (
    already_had,
    candidates,
    digest_id,
    groups,
    one_reader,
    reader_query,
    readers,
)
from feed_publisher.adapters.database.store.batches import add_batch
from feed_publisher.adapters.database.store.common import chunks, insert_if_missing, insert_missing
from feed_publisher.adapters.database.store.cursors import expire_waiting, unfinished_issues
from feed_publisher.adapters.database.store.ending import cancelled_issues, end_all
from feed_publisher.adapters.database.store.revisions import replace_edition, stale_editions, to_edits
from feed_publisher.adapters.database.store.sequence import current_sequence, sequence_at
from feed_publisher.adapters.database.store.sponsors import put_sponsors
from feed_publisher.adapters.database.store.subjects import claim_subject, free_subject
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.issue import Books, Edition, Issue, IssueState, Reader, SubscriptionState
from feed_publisher.domain.model import Entry
from feed_publisher.domain.selection import Candidate
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.domain.sponsor import Sponsor
from feed_publisher.ports.issues import Audience, Batch, ReaderGroup, StaleEdition

OVERTAKEN = "nobody approved it before the next issue, which has its articles"
"""Why a draft is over."""

UNFINISHED_ISSUES = (IssueState.PREPARING, IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)


class SqlIssueStore:
    """ports.IssueStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- digests

    def declare_digest(self, slug: str, now: datetime, start: int | None = None) -> None:
        """A digest of the configuration starts at the counter's value when it first appears there."""
        with self._database.read() as connection:
            if connection.execute(select(digest.c.id).where(digest.c.slug == slug)).first():
                return
        with self._database.write() as connection:
            value = current_sequence(connection) if start is None else start
            insert_missing(connection, digest, [{"slug": slug, "start": value, "added_at": now, "issue_number": 0}])

    def digest_start(self, slug: str) -> int:
        with self._database.read() as connection:
            return int(connection.execute(select(digest.c.start).where(digest.c.slug == slug)).scalar_one())

    def next_issue(self, slug: str) -> tuple[int, int]:
        newest = select(func.coalesce(func.max(issue.c.id), 0)).scalar_subquery()
        query = select(newest.label("id"), digest.c.issue_number).where(digest.c.slug == slug)
        with self._database.read() as connection:
            row = connection.execute(query).one()
            return row.id + 1, row.issue_number + 1

    def digest_added(self, slug: str) -> datetime:
        with self._database.read() as connection:
            added: datetime = connection.execute(select(digest.c.added_at).where(digest.c.slug == slug)).scalar_one()
            return added

    def clocks(self, digest: str, cadence: str) -> list[tuple[str, str]]:
        """(zone, at) pairs that active readers of this cadence use; "" stands for the digest's own."""
        used = exists().where(
            subscription.c.digest_id == digest_id(digest),
            subscription.c.cadence == cadence,
            subscription.c.clock_id == clock.c.id,
            subscription.c.state == SubscriptionState.ACTIVE,
        )
        with self._database.read() as connection:
            rows = connection.execute(select(clock.c.zone, clock.c.at).where(used))
            return [(row.zone, row.at) for row in rows]

    def first_joined(self, digest: str, cadence: str) -> datetime | None:
        """Since when there has been an active reader of this cadence; None: there is none."""
        mine = and_(
            subscription.c.digest_id == digest_id(digest),
            subscription.c.cadence == cadence,
            subscription.c.state == SubscriptionState.ACTIVE,
        )
        query = select(func.min(subscription.c.joined_at)).where(mine)
        with self._database.read() as connection:
            joined: datetime | None = connection.execute(query).scalar()
            return joined

    def wanted_at(self, digest: str, cadence: str, instant: datetime) -> bool:
        """Whether there is an active reader of this cadence who has not changed to it since."""
        mine = and_(
            subscription.c.digest_id == digest_id(digest),
            subscription.c.cadence == cadence,
            subscription.c.state == SubscriptionState.ACTIVE,
            or_(subscription.c.cadence_at.is_(None), subscription.c.cadence_at < instant),
        )
        with self._database.read() as connection:
            return connection.execute(select(subscription.c.id).where(mine).limit(1)).first() is not None

    def instant_through(self, slug: str) -> int:
        """Up to which sequence readers "as it happens" have been served, or there was none to serve."""
        query = select(digest.c.start, digest.c.instant_through).where(digest.c.slug == slug)
        with self._database.read() as connection:
            row = connection.execute(query).one()
            return int(row.start if row.instant_through is None else row.instant_through)

    def instant_done(self, slug: str, through: int) -> None:
        with self._database.write() as connection:
            connection.execute(update(digest).where(digest.c.slug == slug).values(instant_through=through))

    def is_leaving(self, slug: str, cadence: str, now: datetime) -> bool:
        """Whether an issue of this cadence has mail that is due and has not been tried, or is to be approved."""
        its = and_(
            issue.c.digest_id == digest_id(slug),
            issue.c.state.in_(UNFINISHED_ISSUES),
            issue.c.slot.startswith(f"{cadence}:"),
        )
        due = or_(
            and_(delivery.c.state == DeliveryState.QUEUED, delivery.c.due_at <= now),
            delivery.c.state.in_((DeliveryState.CLAIMED, DeliveryState.TRANSMITTING)),
        )
        query = select(delivery.c.id).join(issue, issue.c.id == delivery.c.issue_id).where(its, due).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    # --- what is new

    def current_sequence(self) -> int:
        with self._database.read() as connection:
            return current_sequence(connection)

    def sequence_at(self, instant: datetime) -> int:
        with self._database.read() as connection:
            return sequence_at(connection, instant)

    def candidates(self, after: int, through: int) -> list[tuple[Entry, Candidate]]:
        with self._database.read() as connection:
            return candidates(connection, after, through)

    def groups(self, audience: Audience, now: datetime) -> list[ReaderGroup]:
        with self._database.read() as connection:
            return groups(connection, audience, now)

    # --- opening an issue

    def slot_taken(self, digest: str, slot: str) -> bool:
        query = select(issue.c.id).where(issue.c.digest_id == digest_id(digest), issue.c.slot == slot)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def claim_slot(
        self,
        slug: str,
        slot: str,
        state: IssueState,
        reason: str,
        rehearsal: bool,
        owner: str,
        now: datetime,
        through: int | None = None,
        sponsors: Sequence[Sponsor] = (),
    ) -> Issue | None:
        with self._database.write() as connection:
            row = connection.execute(select(digest).where(digest.c.slug == slug).with_for_update()).one()
            if row.rests:
                return None
            numbered = state is IssueState.PREPARING and not rehearsal and not is_shadow(slug)
            values = {
                "digest_id": row.id,
                "slot": slot,
                "state": state,
                "reason": reason,
                "rehearsal": rehearsal,
                "issue_number": row.issue_number + 1 if numbered else None,
                "through": current_sequence(connection) if through is None else through,
                "opened_at": now,
                "owner": owner,
                "subject": "",
                "entries": 0,
                "prepared_to": 0,
            }
            if not insert_if_missing(connection, issue, values):
                return None
            if numbered:
                connection.execute(
                    update(digest).where(digest.c.id == row.id).values(issue_number=row.issue_number + 1)
                )
            claimed = load_issues(connection, and_(issue.c.digest_id == row.id, issue.c.slot == slot))[0]
            put_sponsors(connection, claimed.id, sponsors, rehearsal)
            return claimed

    def preparing(self) -> list[Issue]:
        with self._database.read() as connection:
            return load_issues(connection, issue.c.state == IssueState.PREPARING)

    def open_digests(self) -> set[str]:
        """Digests with an issue that is not over."""
        query = select(digest.c.slug).distinct().join(issue, issue.c.digest_id == digest.c.id)
        with self._database.read() as connection:
            return set(connection.execute(query.where(issue.c.state.in_(UNFINISHED_ISSUES))).scalars())

    def adopt(self, number: int, old_owner: str, owner: str) -> bool:
        """Continue preparing an issue whose process died; False when another was faster."""
        mine = and_(issue.c.id == number, issue.c.owner == old_owner, issue.c.state == IssueState.PREPARING)
        with self._database.write() as connection:
            return connection.execute(update(issue).where(mine).values(owner=owner)).rowcount == 1

    def release_unfinished(self, audience: Audience, after: int, limit: int, now: datetime) -> None:
        """Expire what these readers still have waiting of an earlier issue; their cursors go back to before it.

        What is due and about to leave stays: its reader is busy until then.
        """
        page = reader_query(audience, after, limit, now).with_only_columns(subscription.c.id)
        waiting = select(delivery.c.subscription_id).where(
            delivery.c.issue_id.in_(unfinished_issues(audience.digest)),
            delivery.c.subscription_id.in_(page),
            delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.DEFERRED)),
        )
        with self._database.read() as connection:
            found = sorted(set(connection.execute(waiting).scalars()))
        for chunk in chunks(found, 500):
            with self._database.write() as connection:
                expire_waiting(connection, chunk, audience, now)

    def readers(self, audience: Audience, after: int, limit: int, now: datetime) -> list[Reader]:
        with self._database.read() as connection:
            return readers(connection, reader_query(audience, after, limit, now))

    def reader(self, digest: str, address_key: str, rehearsal: bool) -> Reader | None:
        """One subscription as an issue would see it, whatever its state."""
        with self._database.read() as connection:
            found = readers(connection, one_reader(digest, address_key, rehearsal))
        return found[0] if found else None

    def already_had(
        self, subscriptions: Sequence[int], entries: Sequence[int], rehearsal: bool
    ) -> set[tuple[int, int]]:
        with self._database.read() as connection:
            return already_had(connection, subscriptions, entries, rehearsal)

    def add_batch(self, opened: Issue, batch: Batch, now: datetime) -> int:
        with self._database.write() as connection:
            return add_batch(connection, opened, batch, now)

    def claim_subject(self, number: int, candidates: Sequence[str]) -> str:
        with self._database.write() as connection:
            return claim_subject(connection, number, candidates)

    def free_subject(self, slug: str, rehearsal: bool, candidates: Sequence[str]) -> str:
        with self._database.read() as connection:
            return free_subject(connection, slug, rehearsal, candidates)

    def stale_editions(self) -> list[StaleEdition]:
        with self._database.read() as connection:
            return stale_editions(connection)

    def replace_edition(
        self, stale: StaleEdition, renewed: Edition | None, templates: Mapping[str, str], now: datetime
    ) -> int:
        with self._database.write() as connection:
            return replace_edition(connection, stale, renewed, templates, now)

    def freeze(
        self,
        opened: Issue,
        state: IssueState,
        subject: str,
        now: datetime,
        reason: str = "",
        ask: Sequence[str] = (),
    ) -> Issue:
        """Write the audience and let the issue go (or wait, for a reason); without readers it is skipped.

        ``ask``: addresses that are mailed about it; their mails wait in the same transaction.
        """
        with self._database.write() as connection:
            mine = and_(issue.c.id == opened.id, issue.c.state == IssueState.PREPARING, issue.c.owner == opened.owner)
            if connection.execute(select(issue.c.id).where(mine).with_for_update()).first() is None:
                return load_issues(connection, issue.c.id == opened.id)[0]
            count = connection.execute(select(func.count()).where(delivery.c.issue_id == opened.id)).scalar_one()
            edition_ids = select(edition.c.id).where(edition.c.issue_id == opened.id)
            entries = connection.execute(
                select(func.count(edition_entry.c.entry_id.distinct())).where(
                    edition_entry.c.edition_id.in_(edition_ids)
                )
            ).scalar_one()
            values: dict[str, Any] = {"state": state, "subject": subject, "audience": count, "entries": entries}
            values["reason"] = reason
            if count == 0:
                values |= {"state": IssueState.SKIPPED, "reason": "nothing new for anybody", "issue_number": None}
                _give_number_back(connection, opened)
            else:
                put_questions(connection, opened.id, ask, now)
            connection.execute(update(issue).where(mine).values(ready_at=now, **values))
            return load_issues(connection, issue.c.id == opened.id)[0]

    # --- looking at issues and changing their state

    def get(self, number: int) -> Issue:
        with self._database.read() as connection:
            found = load_issues(connection, issue.c.id == number) if number < 1 << 63 else []
        if not found:
            raise NotFoundError(f"there is no issue {number}; `issues list` shows all")
        return found[0]

    def newest(self, limit: int, slug: str | None = None) -> list[Issue]:
        where = issue.c.id > 0 if slug is None else issue.c.digest_id == digest_id(slug)
        with self._database.read() as connection:
            return load_issues(connection, where, limit)

    def books(self, number: int) -> Books:
        """How many deliveries are in each state, by one statement."""
        query = select(delivery.c.state, func.count()).where(delivery.c.issue_id == number).group_by(delivery.c.state)
        with self._database.read() as connection:
            return {DeliveryState(state): count for state, count in connection.execute(query)}

    def change_state(self, number: int, allowed: Sequence[IssueState], state: IssueState) -> Issue:
        with self._database.write() as connection:
            mine = and_(issue.c.id == number, issue.c.state.in_(allowed))
            changed = connection.execute(update(issue).where(mine).values(state=state)).rowcount
            return changed_issue(connection, number, changed, allowed)

    def cancel(self, number: int, now: datetime) -> Issue:
        """Nothing more leaves; readers who were still waiting get these entries in the next issue."""
        allowed = (IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
        with self._database.write() as connection:
            mine = and_(issue.c.id == number, issue.c.state.in_(allowed))
            values = {"state": IssueState.CANCELLED, "reason": "", "finished_at": now}
            changed = connection.execute(update(issue).where(mine).values(values))
            found = changed_issue(connection, number, changed.rowcount, allowed)
        end_all(self._database, number, now)
        return found

    def end_cancelled(self, now: datetime) -> None:
        """What a crash has left waiting of cancelled issues."""
        for number in cancelled_issues(self._database):
            end_all(self._database, number, now)


def load_issues(connection: Connection, where: ColumnElement[bool], limit: int = 1000) -> list[Issue]:
    query = select(issue, digest.c.slug).join(digest).where(where).order_by(issue.c.id.desc()).limit(limit)
    return [_to_issue(row) for row in connection.execute(query)]


def _to_issue(row: Row[Any]) -> Issue:
    return Issue(
        id=row.id,
        digest=row.slug,
        slot=row.slot,
        state=IssueState(row.state),
        reason=row.reason,
        rehearsal=row.rehearsal,
        issue_number=row.issue_number,
        subject=row.subject,
        through=row.through,
        opened_at=row.opened_at,
        audience=row.audience,
        entries=row.entries,
        prepared_to=row.prepared_to,
        owner=row.owner,
        edits=to_edits(row.edits),
        revision=row.revision,
        held=row.held,
    )


def _give_number_back(connection: Connection, opened: Issue) -> None:
    if opened.issue_number is not None:
        mine = and_(digest.c.slug == opened.digest, digest.c.issue_number == opened.issue_number)
        connection.execute(update(digest).where(mine).values(issue_number=opened.issue_number - 1))


def put_questions(connection: Connection, number: int, addresses: Sequence[str], now: datetime) -> None:
    """Let a mail to each of them wait, that asks what is to become of the issue."""
    rows = [{"issue_id": number, "address": address, "due_at": now} for address in dict.fromkeys(addresses)]
    if rows:
        connection.execute(desk_letter.insert(), rows)


def changed_issue(connection: Connection, number: int, changed: int, allowed: Sequence[IssueState]) -> Issue:
    found = load_issues(connection, issue.c.id == number)
    if not found:
        raise NotFoundError(f"there is no issue {number}; `issues list` shows all")
    if not changed:
        raise InputError(f"it is {found[0].state}; that needs one that is {' or '.join(allowed)}", f"issue {number}")
    return found[0]
