"""Sponsors of issues: chosen with the slot, stored as they were, counted over issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import counter, delivery, edition, issue, issue_sponsor
from feed_publisher.adapters.database.store.common import chunks
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import IssueState
from feed_publisher.domain.sponsor import Place, Sponsor, SponsorBlock, chosen

_OPEN = (IssueState.PREPARING, IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)
_OVER = (IssueState.FINISHED, IssueState.CANCELLED)
_MAILED = (DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.TRANSMITTING)


class SqlSponsorStore:
    """ports.SponsorStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_issue(self, issue: int) -> tuple[SponsorBlock, ...]:
        with self._database.read() as connection:
            return blocks_of(connection, issue)

    def next(self, candidates: Sequence[Sponsor], rehearsal: bool) -> tuple[SponsorBlock, ...]:
        if not candidates:
            return ()
        with self._database.read() as connection:
            return chosen(candidates, count_issues(connection, _slugs(candidates), rehearsal))

    def used(self, sponsors: Sequence[str], rehearsal: bool) -> dict[str, int]:
        with self._database.read() as connection:
            return count_issues(connection, sponsors, rehearsal)


def put_sponsors(connection: Connection, number: int, candidates: Sequence[Sponsor], rehearsal: bool) -> None:
    """Choose for a new issue, which counts for them from now on."""
    if not candidates:
        return
    _lock(connection)
    blocks = chosen(candidates, count_issues(connection, _slugs(candidates), rehearsal))
    rows = [
        {"issue_id": number, "place": block.place, "sponsor": block.sponsor, "block": asdict(block)} for block in blocks
    ]
    if rows:
        connection.execute(issue_sponsor.insert(), rows)


def blocks_of(connection: Connection, number: int) -> tuple[SponsorBlock, ...]:
    """Those that an issue carries, the upper one first."""
    mine = and_(issue_sponsor.c.issue_id == number, issue_sponsor.c.out_since.is_(None))
    rows = connection.execute(select(issue_sponsor.c.block).where(mine).order_by(issue_sponsor.c.place.desc()))
    return tuple(_to_block(row.block) for row in rows)


def all_of(connection: Connection, number: int) -> list[tuple[SponsorBlock, bool]]:
    """Those that an issue was opened with, and whether each is in it."""
    query = select(issue_sponsor).where(issue_sponsor.c.issue_id == number).order_by(issue_sponsor.c.place.desc())
    return [(_to_block(row.block), row.out_since is None) for row in connection.execute(query)]


def sponsors_sent(connection: Connection, revisions: Mapping[int, int]) -> dict[int, list[SponsorBlock]]:
    """By issue those that stood in its edition of this revision."""
    found: dict[int, list[SponsorBlock]] = {}
    for chunk in chunks(list(revisions), 500):
        query = select(issue_sponsor).where(issue_sponsor.c.issue_id.in_(chunk)).order_by(issue_sponsor.c.place.desc())
        for row in connection.execute(query):
            if row.out_since is None or revisions[row.issue_id] < row.out_since:
                found.setdefault(row.issue_id, []).append(_to_block(row.block))
    return found


def leave_sponsors_out(
    connection: Connection, number: int, revision: int, out: Sequence[str], most: Mapping[str, int]
) -> None:
    """Let just these be out of an issue from this revision of its edits on.

    InputError for one that is to be in it again while other issues carry it ``most`` times already.
    """
    mine = issue_sponsor.c.issue_id == number
    leaving = and_(mine, issue_sponsor.c.sponsor.in_(out), issue_sponsor.c.out_since.is_(None))
    connection.execute(update(issue_sponsor).where(leaving).values(out_since=revision))
    back = and_(mine, issue_sponsor.c.sponsor.not_in(out), issue_sponsor.c.out_since.is_not(None))
    slugs = connection.execute(select(issue_sponsor.c.sponsor).where(back)).scalars().all()
    if not slugs:
        return
    _lock(connection)
    rehearsal = connection.execute(select(issue.c.rehearsal).where(issue.c.id == number)).scalar_one()
    used = count_issues(connection, slugs, rehearsal, but=number)
    for slug in slugs:
        if slug in most and used.get(slug, 0) >= most[slug]:
            said = f"sponsor {slug} has had its {most[slug]} issues in the meantime; it cannot come back into this one"
            raise InputError(said, f"issue {number}")
    connection.execute(update(issue_sponsor).where(back).values(out_since=None))


def count_issues(
    connection: Connection, sponsors: Sequence[str], rehearsal: bool, but: int | None = None
) -> dict[str, int]:
    """How many issues carry, or have carried, each sponsor; ``but`` is not counted.

    An issue that ended without being mailed to anybody gives its place back; so does one from which the sponsor was
    taken out before anybody got it.
    """
    counts = and_(issue_sponsor.c.sponsor.in_(sponsors), _seen(rehearsal), _is_used(), issue.c.id != (but or 0))
    query = select(issue_sponsor.c.sponsor, func.count()).join(issue, issue.c.id == issue_sponsor.c.issue_id)
    return {row[0]: row[1] for row in connection.execute(query.where(counts).group_by(issue_sponsor.c.sponsor))}


def _seen(rehearsal: bool) -> ColumnElement[bool]:
    """Rehearsals are nothing to a site with a mail server."""
    return or_(issue.c.rehearsal.is_(False), issue.c.rehearsal.is_(rehearsal))


def _is_used() -> ColumnElement[bool]:
    """What is known without looking at deliveries comes first: an issue may have a million."""
    mailed = or_(
        issue.c.sent_at.is_not(None),
        exists().where(delivery.c.issue_id == issue.c.id, delivery.c.state.in_(_MAILED)),
    )
    with_it = exists().where(
        edition.c.issue_id == issue.c.id, edition.c.revision < issue_sponsor.c.out_since, edition.c.readers > 0
    )
    carried = or_(issue_sponsor.c.out_since.is_(None), and_(with_it, mailed))
    return and_(or_(issue.c.state.in_(_OPEN), and_(issue.c.state.in_(_OVER), mailed)), carried)


def _lock(connection: Connection) -> None:
    """One transaction at a time counts and chooses, for issues of several digests may want the last place of one."""
    connection.execute(select(counter.c.value).where(counter.c.name == "sponsors").with_for_update())


def _slugs(sponsors: Sequence[Sponsor]) -> list[str]:
    return [each.slug for each in sponsors]


def _to_block(stored: Mapping[str, Any]) -> SponsorBlock:
    return SponsorBlock(**{**stored, "place": Place(stored["place"])})
