"""Entries, their keys, revisions and topics: what pickup and the desk ask of the database."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select, update

from feed_publisher.adapters.database.engine import Database, lock_site
from feed_publisher.adapters.database.schema import (
    digest,
    edition,
    edition_entry,
    entry,
    entry_key,
    entry_revision,
    entry_topic,
    issue,
    listing,
    source,
    source_document,
    topic,
)
from feed_publisher.adapters.database.store.absorb import absorb
from feed_publisher.adapters.database.store.common import chunks, insert_if_missing
from feed_publisher.adapters.database.store.feeds import mark_dirty
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.adapters.database.store.sequence import make_mailable
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.identity import Key, KeyKind
from feed_publisher.domain.model import Entry, EntryState, Problem
from feed_publisher.domain.recognition import Known, Listed
from feed_publisher.ports.pickup import Absorbed, CarriedBy, Decide, Page, SourceDocument

_KEY_PREFIX = re.compile(r"[0-9a-f-]{6,36}")
_LOWEST_KEY = "00000000-0000-0000-0000-000000000000"
_HIGHEST_KEY = _LOWEST_KEY.replace("0", "f")


class SqlEntryStore:
    """ports.EntryStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_source(self, slug: str, kind: str, now: datetime) -> bool:
        first = source.c.first_read_at.is_(None)
        with self._database.read() as connection:
            known = connection.execute(select(first).where(source.c.slug == slug)).scalar()
        if known is not None:
            return bool(known)
        with self._database.write() as connection:
            insert_if_missing(connection, source, {"slug": slug, "kind": kind, "added_at": now})
        return True

    def end_first_contact(self, slug: str, now: datetime) -> None:
        with self._database.write() as connection:
            mine = and_(source.c.slug == slug, source.c.first_read_at.is_(None))
            connection.execute(update(source).where(mine).values(first_read_at=now))

    def documents(self, slug: str) -> dict[str, SourceDocument]:
        with self._database.read() as connection:
            rows = connection.execute(select(source_document).join(source).where(source.c.slug == slug))
            return {
                row.name: SourceDocument(
                    name=row.name,
                    fingerprint=row.fingerprint,
                    entries=row.entries,
                    problems=tuple(Problem(where=where, reason=reason) for where, reason in row.problems),
                )
                for row in rows
            }

    def absorb(
        self,
        slug: str,
        document: SourceDocument,
        keys: set[Key],
        decide: Decide,
        now: datetime,
        withdrawn: Collection[Key] = (),
    ) -> Absorbed:
        with self._database.write() as connection:
            lock_site(connection)  # two sources may bring the same article at the same moment
            locked = select(source.c.id).where(source.c.slug == slug).with_for_update()
            number = connection.execute(locked).scalar_one()
            connection.execute(update(source).where(source.c.id == number).values(picked_up_at=now))
            decisions = decide(find(connection, keys), listed(connection, number, document.name))
            return absorb(connection, number, document, decisions, now)

    def knows(self, keys: Collection[Key]) -> bool:
        with self._database.read() as connection:
            for (scope, kind), alike in groupby(sorted(keys), key=lambda key: (key.scope, key.kind)):
                mine = select(entry_key.c.entry_id).where(entry_key.c.scope == scope, entry_key.c.kind == kind)
                for chunk in chunks([key.value for key in alike], 500):
                    if connection.execute(mine.where(entry_key.c.value.in_(chunk)).limit(1)).first():
                        return True
        return False

    def mature(self, now: datetime) -> list[Entry]:
        """Make scheduled entries public whose time has come."""
        due = and_(entry.c.state == EntryState.SCHEDULED, entry.c.published <= now)
        with self._database.read() as connection:
            if not connection.execute(select(entry.c.id).where(due).limit(1)).first():
                return []
        with self._database.write() as connection:
            rows = connection.execute(
                select(entry.c.id, entry.c.feed_only).where(due).order_by(entry.c.published).with_for_update()
            ).all()
            numbers = [row.id for row in rows]
            connection.execute(update(entry).where(entry.c.id.in_(numbers)).values(state=EntryState.PUBLIC))
            make_mailable(connection, [row.id for row in rows if not row.feed_only], now)
            mark_dirty(connection, numbers)
            return load_entries(connection, entry_rows().where(entry.c.id.in_(numbers)))

    def get(self, prefix: str) -> Entry:
        wanted = prefix.strip().lower().removeprefix("urn:uuid:")
        if len(wanted) < 6:
            raise InputError(f"{prefix!r} is too short: give at least 6 characters of the entry's key")
        # Both ends have a key's full length, so the range is right in every collation of PostgreSQL.
        lowest, highest = (wanted + filler[len(wanted) :] for filler in (_LOWEST_KEY, _HIGHEST_KEY))
        found = []
        if _KEY_PREFIX.fullmatch(wanted):
            with self._database.read() as connection:
                query = entry_rows().where(entry.c.key >= lowest, entry.c.key <= highest).limit(2)
                found = load_entries(connection, query)
        if len(found) > 1:
            raise InputError(f"{prefix!r} is the start of more than one entry's key: give more characters")
        if not found:
            raise NotFoundError(f"no entry has the key {prefix}; `entries list` shows all")
        return found[0]

    def page(self, page: Page) -> list[Entry]:
        query = entry_rows().order_by(entry.c.published.desc(), entry.c.id.desc()).limit(page.limit)
        if page.state:
            query = query.where(entry.c.state == page.state)
        if page.topic:
            query = (
                query.join(entry_topic, entry_topic.c.entry_id == entry.c.id)
                .join(topic, topic.c.id == entry_topic.c.topic_id)
                .where(topic.c.slug == page.topic)
                .order_by(None)
                .order_by(entry_topic.c.published.desc(), entry_topic.c.entry_id.desc())
            )
        with self._database.read() as connection:
            return load_entries(connection, query)

    def change_state(
        self, number: int, allowed: Sequence[EntryState], state: EntryState, reason: str, now: datetime
    ) -> Entry:
        """Move one entry to another state, with its feeds and its place in the sequence, or InputError."""
        with self._database.write() as connection:
            row = connection.execute(select(entry).where(entry.c.id == number).with_for_update()).one()
            if row.state not in allowed:
                raise InputError(f"this entry is {row.state}; that needs one that is {' or '.join(allowed)}", row.key)
            if state is EntryState.PUBLIC and row.published > now:
                state = EntryState.SCHEDULED
            values: dict[str, Any] = {"state": state, "reason": reason}
            connection.execute(update(entry).where(entry.c.id == number).values(values))
            if state is EntryState.PUBLIC and not row.feed_only:
                make_mailable(connection, [number], now)
            mark_dirty(connection, [number])
            return load_entries(connection, entry_rows().where(entry.c.id == number))[0]

    def mailed_in(self, number: int) -> list[CarriedBy]:
        query = (
            select(issue.c.id, digest.c.slug, issue.c.slot)
            .distinct()
            .join(digest, digest.c.id == issue.c.digest_id)
            .join(edition, edition.c.issue_id == issue.c.id)
            .join(edition_entry, edition_entry.c.edition_id == edition.c.id)
            .where(edition_entry.c.entry_id == number)
            .order_by(issue.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query)
            return [CarriedBy(id=row.id, digest=row.slug, slot=row.slot) for row in rows]


def find(connection: Connection, keys: Iterable[Key]) -> dict[Key, Known]:
    """The known entries among these keys."""
    found: dict[Key, Known] = {}
    query = _known().add_columns(entry_key.c.value).join(entry_key, entry_key.c.entry_id == entry.c.id)
    # One query per scope and kind: SQLite walks no index for an IN over three columns.
    for (scope, kind), alike in groupby(sorted(keys), key=lambda key: (key.scope, key.kind)):
        mine = query.where(entry_key.c.scope == scope, entry_key.c.kind == kind)
        for chunk in chunks([key.value for key in alike], 500):
            for row in connection.execute(mine.where(entry_key.c.value.in_(chunk))):
                found[Key(scope, KeyKind(kind), row.value)] = _to_known(row)
    return found


def listed(connection: Connection, source_id: int, document: str) -> list[Listed]:
    """The entries that this document listed when it was last read."""
    query = _known().add_columns(listing.c.place).join(listing, listing.c.entry_id == entry.c.id)
    rows = connection.execute(query.where(listing.c.source_id == source_id, listing.c.name == document))
    return [Listed(known=_to_known(row), place=row.place) for row in rows]


def _known() -> Select[Any]:
    return (
        select(entry.c.id, entry.c.key, entry.c.link, source.c.slug, entry_revision)
        .join(entry_revision, entry_revision.c.id == entry.c.revision_id)
        .join(source, source.c.id == entry.c.source_id)
    )


def _to_known(row: Row[Any]) -> Known:
    return Known(
        number=row.entry_id,
        key=row.key,
        source=row.slug,
        title=row.title,
        authors=tuple(row.authors),
        summary=row.summary,
        content_html=row.content_html,
        link=row.link,
    )
