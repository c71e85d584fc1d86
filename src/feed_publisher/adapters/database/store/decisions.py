"""Deciding about issues before they leave: edits, approval, what waits, and the mails that ask for a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import (
    delivery,
    desk_letter,
    digest,
    edition,
    edition_entry,
    entry,
    entry_revision,
    issue,
    issue_event,
    topic,
)
from feed_publisher.adapters.database.store.editions import main_edition
from feed_publisher.adapters.database.store.ending import end_all
from feed_publisher.adapters.database.store.issues import OVERTAKEN, changed_issue, load_issues
from feed_publisher.adapters.database.store.letting_go import count_from_now, let_go
from feed_publisher.adapters.database.store.revisions import LEFT_OUT, put_edits
from feed_publisher.adapters.database.store.sponsors import all_of, leave_sponsors_out
from feed_publisher.adapters.database.store.topic_names import STANDS_FOR, WAS
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueEdits, IssueState
from feed_publisher.domain.issue_guard import Measured
from feed_publisher.ports.deciding import Carried, Choosable, Decided, MainEdition, Open, Question, What

LEASE = timedelta(minutes=10)
"""How long a claimed question belongs to one process."""

_OPEN = (IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
_WAITING = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


class SqlDecisionStore:
    """ports.DecisionStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- deciding

    def edit(
        self,
        number: int,
        change: Callable[[IssueEdits], IssueEdits],
        who: str,
        now: datetime,
        seen: int | None = None,
        most: Mapping[str, int] | None = None,
    ) -> Issue:
        with self._database.write() as connection:
            found = _locked(connection, number, _OPEN)
            _unchanged(found, seen)
            if not _untried(connection, number):
                raise InputError("all of it has left; nothing in it can be changed any more", f"issue {number}")
            edits = change(found.edits)
            if edits != found.edits:
                put_edits(connection, number, edits)
                leave_sponsors_out(connection, number, found.revision + 1, edits.sponsors_out, most or {})
                _note(connection, number, What.EDITED, who, now)
            return load_issues(connection, issue.c.id == number)[0]

    def approve(self, number: int, who: str, now: datetime, seen: int | None = None) -> Issue:
        with self._database.read() as connection:
            _unchanged(changed_issue(connection, number, 1, ()), seen)
        count_from_now(self._database, number, now)
        with self._database.write() as connection:
            _unchanged(_locked(connection, number, (IssueState.DRAFT, IssueState.PAUSED)), seen)
            let_go(connection, number)
            _note(connection, number, What.APPROVED, who, now)
            return load_issues(connection, issue.c.id == number)[0]

    def hold(self, number: int, who: str, now: datetime) -> Issue:
        with self._database.write() as connection:
            found = _locked(connection, number, (IssueState.DRAFT, IssueState.READY))
            if found.held:
                raise InputError("it is held already", f"issue {number}")
            state = IssueState.PAUSED if found.state is IssueState.READY else IssueState.DRAFT
            connection.execute(update(issue).where(issue.c.id == number).values(state=state, held=True))
            _note(connection, number, What.HELD, who, now)
            return load_issues(connection, issue.c.id == number)[0]

    def send_undecided(self, number: int, who: str, now: datetime) -> bool:
        count_from_now(self._database, number, now)
        with self._database.write() as connection:
            if not _is_undecided(connection, number):
                return False
            let_go(connection, number)
            _note(connection, number, What.SENT, who, now)
            return True

    def roll(self, number: int, who: str, reason: str, now: datetime) -> bool:
        with self._database.write() as connection:
            if not _is_undecided(connection, number):
                return False
            values = {"state": IssueState.CANCELLED, "reason": reason, "finished_at": now}
            connection.execute(update(issue).where(issue.c.id == number).values(values))
            _note(connection, number, What.ROLLED, who, now)
        end_all(self._database, number, now)
        return True

    # --- looking

    def waiting(self, rehearsal: bool) -> list[tuple[Issue, datetime | None]]:
        drafts = and_(issue.c.state == IssueState.DRAFT, issue.c.rehearsal.is_(rehearsal))
        with self._database.read() as connection:
            return [(each, _first_at(connection, each.id)) for each in load_issues(connection, drafts)[::-1]]

    def look(self, number: int) -> Open:
        with self._database.read() as connection:
            return _open(connection, changed_issue(connection, number, 1, ()))

    def overtaken(self, since: datetime) -> list[Issue]:
        ended = and_(issue.c.state == IssueState.FINISHED, issue.c.finished_at >= since, issue.c.reason == OVERTAKEN)
        with self._database.read() as connection:
            return load_issues(connection, ended)

    def entries(self, number: int) -> list[Choosable]:
        """Of the editions that are in use, or were until nothing was left in them; newest first."""
        used = select(delivery.c.edition_id).where(delivery.c.issue_id == number)
        query = (
            select(entry.c.key, entry_revision.c.title, topic.c.title.label("topic"))
            .add_columns(func.max(edition_entry.c.place).label("place"), entry.c.published, entry.c.id)
            .join(entry, entry.c.id == edition_entry.c.entry_id)
            .join(entry_revision, entry_revision.c.id == entry.c.revision_id)
            .join(WAS, WAS.c.id == edition_entry.c.topic_id)
            .join(topic, STANDS_FOR)
            .where(edition_entry.c.edition_id.in_(used))
            .group_by(entry.c.key, entry_revision.c.title, topic.c.title, entry.c.published, entry.c.id)
            .order_by(entry.c.published.desc(), entry.c.id.desc())
        )
        with self._database.read() as connection:
            left_out = load_issues(connection, issue.c.id == number)[0].edits.left_out
            found = {
                row.key: Choosable(key=row.key, title=row.title, topic=row.topic, left_out=row.key in left_out)
                for row in connection.execute(query)
            }
        return list(found.values())

    def sponsors(self, number: int) -> list[Carried]:
        with self._database.read() as connection:
            return [Carried(block=block, left_out=not within) for block, within in all_of(connection, number)]

    def main_edition(self, number: int) -> MainEdition | None:
        mine = and_(edition.c.issue_id == number, edition.c.readers > 0)
        counted = select(func.count().label("editions"), func.sum(edition.c.readers).label("readers")).where(mine)
        with self._database.read() as connection:
            row = connection.execute(select(edition).where(mine, edition.c.id == main_edition(number))).first()
            if row is None:
                return None
            all_of_them = connection.execute(counted).one()
        return MainEdition(
            language=row.language,
            html=row.html,
            text=row.text,
            nonce=row.nonce,
            readers=row.readers,
            all_readers=int(all_of_them.readers),
            editions=all_of_them.editions,
        )

    # --- asking

    def question(self, number: int) -> Question | None:
        with self._database.read() as connection:
            row = connection.execute(select(desk_letter).where(desk_letter.c.id == number)).first()
        return None if row is None else Question(number=row.id, issue=row.issue_id, address=row.address)

    def claim_questions(self, limit: int, now: datetime) -> list[Question]:
        due = desk_letter.c.due_at <= now
        with self._database.read() as connection:
            if connection.execute(select(desk_letter.c.id).where(due).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            query = select(desk_letter).where(due).order_by(desk_letter.c.id).limit(limit)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            mine = desk_letter.c.id.in_([row.id for row in rows])
            connection.execute(update(desk_letter).where(mine).values(due_at=now + LEASE))
        return [Question(number=row.id, issue=row.issue_id, address=row.address) for row in rows]

    def question_leaves(self, number: int) -> None:
        with self._database.durable() as connection:
            connection.execute(update(desk_letter).where(desk_letter.c.id == number).values(due_at=None))

    def ask_later(self, number: int, due_at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(desk_letter).where(desk_letter.c.id == number).values(due_at=due_at))

    # --- guards

    def measured(self, number: int) -> Measured:
        editions = select(edition.c.id).where(edition.c.issue_id == number)
        entries = select(func.count(edition_entry.c.entry_id.distinct())).where(
            edition_entry.c.edition_id.in_(editions)
        )
        html = select(edition.c.html).where(edition.c.issue_id == number)
        html = html.order_by(func.length(edition.c.html).desc()).limit(1)
        readers = select(func.count()).where(delivery.c.issue_id == number)
        with self._database.read() as connection:
            return Measured(
                entries=connection.execute(entries).scalar_one(),
                readers=connection.execute(readers).scalar_one(),
                largest=len((connection.execute(html).scalar() or "").encode()),
            )

    def past(self, opened: Issue, limit: int) -> list[Measured]:
        cadence = opened.slot.partition(":")[0]
        query = (
            select(issue.c.entries, issue.c.audience)
            .join(digest, digest.c.id == issue.c.digest_id)
            .where(digest.c.slug == opened.digest, issue.c.slot.startswith(f"{cadence}:"), issue.c.id < opened.id)
            .where(issue.c.rehearsal.is_(opened.rehearsal), issue.c.audience > 0)
            .where(issue.c.state.in_((IssueState.READY, IssueState.FINISHED)), issue.c.reason == "")
            .order_by(issue.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Measured(entries=row.entries, readers=row.audience) for row in connection.execute(query)]


def _locked(connection: Connection, number: int, allowed: Sequence[IssueState]) -> Issue:
    """The issue, which nobody else decides about until commit; InputError when it is in none of these states."""
    mine = and_(issue.c.id == number, issue.c.state.in_(allowed))
    row = connection.execute(select(issue.c.id).where(mine).with_for_update()).first()
    return changed_issue(connection, number, 0 if row is None else 1, allowed)


def _unchanged(found: Issue, seen: int | None) -> None:
    """Whoever decides about what somebody else has just changed has not seen it."""
    if seen is not None and seen != found.revision:
        raise InputError("somebody else has changed it in the meantime; look at it again", f"issue {found.id}")


def _is_undecided(connection: Connection, number: int) -> bool:
    """A draft that nobody holds; it stays so until commit."""
    mine = and_(issue.c.id == number, issue.c.state == IssueState.DRAFT, issue.c.held.is_(False))
    return connection.execute(select(issue.c.id).where(mine).with_for_update()).first() is not None


def _untried(connection: Connection, number: int) -> bool:
    query = select(delivery.c.id).where(_is_untried(number)).limit(1)
    return connection.execute(query).first() is not None


def _is_untried(number: int) -> ColumnElement[bool]:
    """What an edit can still reach; readers of whom everything was left out may get something back."""
    waits = and_(delivery.c.attempted.is_(False), delivery.c.state.in_((*_WAITING, DeliveryState.CLAIMED)))
    emptied = and_(delivery.c.state == DeliveryState.EXCLUDED, delivery.c.reason == LEFT_OUT)
    return and_(delivery.c.issue_id == number, or_(waits, emptied))


def _note(connection: Connection, number: int, what: What, who: str, now: datetime) -> None:
    connection.execute(issue_event.insert(), {"issue_id": number, "at": now, "what": what, "who": who})


def _first_at(connection: Connection, draft: int) -> datetime | None:
    """Nothing of a draft has been tried, so its mail is due when it may leave: the first of an index."""
    due = select(delivery.c.due_at).where(delivery.c.issue_id == draft, delivery.c.state == DeliveryState.QUEUED)
    first: datetime | None = connection.execute(due.order_by(delivery.c.due_at).limit(1)).scalar()
    return first


def _open(connection: Connection, found: Issue) -> Open:
    untried = and_(delivery.c.issue_id == found.id, delivery.c.attempted.is_(False))
    untried = and_(untried, delivery.c.state.in_((*_WAITING, DeliveryState.CLAIMED)))
    first: Any = connection.execute(select(func.min(delivery.c.not_before)).where(untried)).scalar()
    events = select(issue_event).where(issue_event.c.issue_id == found.id).order_by(issue_event.c.id)
    return Open(
        issue=found,
        first_at=first,
        waiting=connection.execute(select(func.count()).where(untried)).scalar_one(),
        history=tuple(Decided(at=row.at, what=What(row.what), who=row.who) for row in connection.execute(events)),
    )
