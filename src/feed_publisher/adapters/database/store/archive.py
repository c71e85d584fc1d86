"""Which issues stand in the archive, and the feeds of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, literal, select, update

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import delivery, digest, edition, feed, feed_file, feed_page, issue
from feed_publisher.adapters.database.store.editions import main_edition
from feed_publisher.adapters.database.store.making import lasting_id, put_feed
from feed_publisher.adapters.database.store.members import lock_feeds, mark_issues_dirty
from feed_publisher.adapters.database.store.sent import load_sent
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import ARCHIVED_MOST, IssueState, SentIssue
from feed_publisher.ports.issues import SentMail

_NAME = re.compile(r"(rehearsal-)?([1-9][0-9]{0,8})")
"""The last part of an issue's address (domain.issue.archive_name)."""

LISTED_ENTRIES = 5
"""Entries of each issue in a list of issues."""

_BEGUN = (IssueState.READY, IssueState.PAUSED, IssueState.FINISHED, IssueState.CANCELLED)


class SqlArchiveStore:
    """ports.ArchiveStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare(self, public: Mapping[str, str], private: Sequence[str], now: datetime) -> None:
        with self._database.read() as connection:
            known = _titles(connection)
        if all(known.get(slug) == title for slug, title in public.items()) and not known.keys() & set(private):
            return
        with self._database.write() as connection:
            lock_site(connection)
            lock_feeds(connection)
            for slug, title in public.items():
                _declare(connection, slug, title, now)
            gone = update(feed).where(feed.c.kind == FeedKind.DIGEST, feed.c.digest_id.in_(_numbers(private)))
            connection.execute(gone.values(kind=FeedKind.GONE, dirty=True, version=feed.c.version + 1))

    def enter(self, rehearsal: bool, now: datetime) -> int:
        with self._database.read() as connection:
            numbers = list(connection.execute(_waiting(rehearsal)).scalars())
            overtaken = [] if rehearsal else list(connection.execute(_rehearsals()).scalars())
            over = {number: _received(connection, number) for number in connection.execute(_over()).scalars()}
        if not numbers and not overtaken and not over:
            return 0
        with self._database.write() as connection:
            lock_feeds(connection)
            for number, received in over.items():
                _settle(connection, number, received)
            if overtaken:
                _take_out(connection)
            at = literal(now, issue.c.sent_at.type)
            fresh = issue.c.id.in_(numbers) & issue.c.sent_at.is_(None)
            connection.execute(update(issue).where(fresh).values(sent_at=func.coalesce(issue.c.finished_at, at)))
            mark_issues_dirty(connection, [*numbers, *over])
            return len(numbers)

    def title(self, slug: str) -> str | None:
        with self._database.read() as connection:
            return _titles(connection).get(slug)

    def page(self, slug: str, before: str, limit: int) -> list[SentIssue]:
        with self._database.read() as connection:
            mark = _number(connection, slug, before) if before else None
            numbers = connection.execute(_newest(slug, mark).limit(limit)).scalars().all()
            return load_sent(connection, numbers, LISTED_ENTRIES)

    def find(self, slug: str, name: str) -> SentIssue | None:
        with self._database.read() as connection:
            number = _number(connection, slug, name)
            return None if number is None else load_sent(connection, [number], ARCHIVED_MOST)[0]

    def mail(self, slug: str, name: str) -> SentMail | None:
        with self._database.read() as connection:
            number = _number(connection, slug, name)
            query = select(edition).where(edition.c.id == main_edition(number))
            row = None if number is None else connection.execute(query).first()
            return None if row is None else SentMail(html=row.html, nonce=row.nonce)


def _titles(connection: Connection) -> dict[str, str]:
    """Of the digests that have an archive, by slug."""
    query = select(digest.c.slug, feed.c.title).join(feed, feed.c.digest_id == digest.c.id)
    return {row.slug: row.title for row in connection.execute(query.where(feed.c.kind == FeedKind.DIGEST))}


def _declare(connection: Connection, slug: str, title: str, now: datetime) -> None:
    number = connection.execute(select(digest.c.id).where(digest.c.slug == slug)).scalar_one()
    address = f"digests/{slug}"
    values = {"slug": address, "kind": FeedKind.DIGEST, "title": title, "digest_id": number}
    if put_feed(connection, now, atom_id=lasting_id(connection, address), **values):
        return
    renamed = update(feed).where(feed.c.slug == address, feed.c.title != title)
    changed = {"title": title, "dirty": True, "version": feed.c.version + 1}
    if connection.execute(renamed.values(changed)).rowcount:
        pages = update(feed_page).where(feed_page.c.feed_id == _feed(address))
        connection.execute(pages.values(dirty=True, version=feed_page.c.version + 1))


def _feed(address: str) -> Any:
    return select(feed.c.id).where(feed.c.slug == address).scalar_subquery()


def _numbers(slugs: Sequence[str]) -> Select[Any]:
    return select(digest.c.id).where(digest.c.slug.in_(slugs))


def _waiting(rehearsal: bool) -> Select[Any]:
    """Issues of which the first mail has been accepted since the last look."""
    accepted = exists().where(delivery.c.issue_id == issue.c.id, delivery.c.state == DeliveryState.SENT)
    begun = issue.c.sent_at.is_(None) & issue.c.state.in_(_BEGUN)
    query = select(issue.c.id).where(begun, accepted)
    return query if rehearsal else query.where(issue.c.rehearsal.is_(False))


def _over() -> Select[Any]:
    """Issues in the archive that are over since the last look: now it is known who got which edition."""
    ended = issue.c.state.in_((IssueState.FINISHED, IssueState.CANCELLED))
    return select(issue.c.id).where(issue.c.sent_at.is_not(None), issue.c.settled.is_(False), ended)


def _received(connection: Connection, number: int) -> dict[int, int]:
    """How many readers got each edition, as far as anybody can know."""
    accepted = delivery.c.state.in_((DeliveryState.SENT, DeliveryState.UNKNOWN))
    mine = select(delivery.c.edition_id, func.count().label("readers")).where(delivery.c.issue_id == number, accepted)
    return {row.edition_id: row.readers for row in connection.execute(mine.group_by(delivery.c.edition_id))}


def _settle(connection: Connection, number: int, received: dict[int, int]) -> None:
    connection.execute(update(edition).where(edition.c.issue_id == number).values(readers=0))
    for edition_id, readers in received.items():
        connection.execute(update(edition).where(edition.c.id == edition_id).values(readers=readers))
    connection.execute(update(issue).where(issue.c.id == number).values(settled=True))


def _rehearsals() -> Select[Any]:
    return select(issue.c.id).where(issue.c.sent_at.is_not(None), issue.c.rehearsal.is_(True))


def _take_out(connection: Connection) -> None:
    """Rehearsals, once there is a mail server. Their archive pages go, too: the next sweep removes the files."""
    with_some = select(issue.c.digest_id).where(issue.c.sent_at.is_not(None), issue.c.rehearsal.is_(True))
    of_digest = feed.c.digest_id.in_(with_some)
    feeds = connection.execute(select(feed.c.id).where(of_digest)).scalars().all()
    public = issue.c.rehearsal.is_(True) & issue.c.sent_at.is_not(None)
    connection.execute(update(issue).where(public).values(sent_at=None))
    connection.execute(delete(feed_page).where(feed_page.c.feed_id.in_(feeds)))
    pages = feed_file.c.feed_id.in_(feeds) & feed_file.c.path.like("feeds/digests/%/%")
    connection.execute(delete(feed_file).where(pages))
    changed = update(feed).where(feed.c.id.in_(feeds))
    connection.execute(changed.values(dirty=True, version=feed.c.version + 1))


def _newest(slug: str, before: int | None = None) -> Select[Any]:
    public = exists().where(feed.c.digest_id == issue.c.digest_id, feed.c.kind == FeedKind.DIGEST)
    mine = select(issue.c.id).where(issue.c.digest_id.in_(_numbers([slug])), issue.c.sent_at.is_not(None), public)
    ordered = mine.order_by(issue.c.sent_at.desc(), issue.c.id.desc())
    if before is None:
        return ordered
    mark = select(issue.c.sent_at).where(issue.c.id == before).scalar_subquery()
    return ordered.where((issue.c.sent_at < mark) | ((issue.c.sent_at == mark) & (issue.c.id < before)))


def _number(connection: Connection, slug: str, name: str) -> int | None:
    """Of the issue with this address."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    rehearsal, digits = bool(found[1]), int(found[2])
    here = issue.c.id == digits if rehearsal else issue.c.issue_number == digits
    number: int | None = connection.execute(_newest(slug).where(here, issue.c.rehearsal.is_(rehearsal))).scalar()
    return number
