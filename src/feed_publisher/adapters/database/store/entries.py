"""Entries, their keys, revisions and topics: what pickup and the desk ask of the database."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, and_, cast, select, update

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
from feed_publisher.adapters.database.store.members import lock_feeds, mark_dirty
from feed_publisher.adapters.database.store.rows import entry_rows, load_entries
from feed_publisher.adapters.database.store.sequence import make_mailable
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.identity import Key, KeyKind
from feed_publisher.domain.language import primary_language
from feed_publisher.domain.model import Entry, EntryState, Problem
from feed_publisher.domain.recognition import Known, Listed
from feed_publisher.ports.pickup import Absorbed, CarriedBy, Decide, Page, SourceDocument

_KEY_PREFIX = re.compile(r"[0-9a-f-]{6,36}")
_LOWEST_KEY = "00000000-0000-0000-0000-000000000000"
_HIGHEST_KEY = _LOWEST_KEY.replace("0", "f")


class SqlEntryStore:
    """ports.EntryStore on SQL. ``language``: that of entries that do not say theirs."""

    def __init__(self, database: Database, language: str = "en") -> None:
        self._database = database
        self._language = language

    def add_source(self, slug: str, kind: str, now: datetime) -> bool:
        first = source.c.first_read_at.is_(None)
        with self._database.read() as connection:
            known = connection.execute(select(first).where(source.c.slug == slug)).scalar()
        if known is not None:
            return bool(known)
        with self._database.write() as connection:
            insert_if_missing(connection, source, {"slug": slug, "kind": kind, "added_at": now})
        return True

    def settle_languages(self) -> None:
        """Entries of older versions, which did not note the language of the site, get it now."""
        unknown = entry.c.lang == ""
        with self._database.read() as connection:
            if connection.execute(select(entry.c.id).where(unknown).limit(1)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(update(entry).where(unknown).values(lang=primary_language(self._language)))

    def end_first_contact(self, slug: str, now: datetime) -> None:
        with self._database.write() as connection:
            mine = and_(source.c.slug == slug, source.c.first_read_at.is_(None))
            connection.execute(update(source).where(mine).values(first_read_at=now))

    def fingerprints(self, slug: str) -> dict[str, str]:
        query = select(source_document.c.name, source_document.c.fingerprint).join(source)
        with self._database.read() as connection:
            return dict(connection.execute(query.where(source.c.slug == slug)).all())

    def listed_total(self, slug: str, names: Collection[str]) -> int:
        query = select(source_document.c.name, source_document.c.entries).join(source)
        with self._database.read() as connection:
            rows = connection.execute(query.where(source.c.slug == slug))
            return sum(count for name, count in rows if name in names)

    def problems(self, slug: str) -> dict[str, list[Problem]]:
        query = select(source_document.c.name, source_document.c.problems).join(source)
        some = cast(source_document.c.problems, Text) != "[]"
        with self._database.read() as connection:
            rows = connection.execute(query.where(source.c.slug == slug, some).order_by(source_document.c.name))
            return {row.name: [Problem(where=where, reason=reason) for where, reason in row.problems] for row in rows}

    def absorb(
        self,
        slug: str,
        document: SourceDocument | None,
        keys: set[Key],
        decide: Decide,
        now: datetime,
        withdrawn: Collection[Key] = (),
    ) -> Absorbed:
        with self._database.write() as connection:
            lock_site(connection)  # two sources may bring the same article at the same moment
            locked = select(source.c.id).where(source.c.slug == slug).with_for_update()
            number = connection.execute(locked).scalar_one()
            decisions = decide(*recall(connection, keys, number, document.name if document else None))
            deleted = set(find(connection, withdrawn).values())
            absorbed = absorb(connection, number, document, decisions, now, deleted, self._language)
            values = {"picked_up_at": now, "read_at": now} | ({"newest_at": now} if absorbed.new else {})
            connection.execute(update(source).where(source.c.id == number).values(values))
            return absorbed

    def knows(self, keys: Collection[Key]) -> bool:
        with self._database.read() as connection:
            return any(connection.execute(query.limit(1)).first() for _, _, query in _lookups(keys))

    def known(self, numbers: Collection[int]) -> dict[int, Known]:
        with self._database.read() as connection:
            return _load_known(connection, set(numbers))

    def mature(self, now: datetime) -> list[Entry]:
        """Make scheduled entries public whose time has come."""
        due = and_(entry.c.state == EntryState.SCHEDULED, entry.c.published <= now)
        with self._database.read() as connection:
            if not connection.execute(select(entry.c.id).where(due).limit(1)).first():
                return []
        with self._database.write() as connection:
            _lock_first(connection)
            rows = connection.execute(
                select(entry.c.id, entry.c.feed_only).where(due).order_by(entry.c.published).with_for_update()
            ).all()
            numbers = [row.id for row in rows]
            connection.execute(update(entry).where(entry.c.id.in_(numbers)).values(state=EntryState.PUBLIC))
            make_mailable(connection, [row.id for row in rows if not row.feed_only], now)
            mark_dirty(connection, numbers)
            return load_entries(connection, entry_rows().where(entry.c.id.in_(numbers)))

    def get(self, prefix: str) -> Entry:
        """By its key, the start of one, or its id, which may be one that was taken over."""
        if ":" in prefix and (named := self._of_id(prefix.strip())):
            return named[0]
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

    def _of_id(self, atom_id: str) -> list[Entry]:
        with self._database.read() as connection:
            return load_entries(connection, entry_rows().where(entry.c.atom_id == atom_id))

    def page(self, page: Page) -> list[Entry]:
        query = entry_rows().order_by(entry.c.published.desc(), entry.c.id.desc()).limit(page.limit)
        if page.state:
            query = query.where(entry.c.state == page.state)
        if page.source:
            query = query.where(source.c.slug == page.source)
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
            _lock_first(connection)
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

    def keys(self, number: int) -> list[Key]:
        """What an entry is recognised by."""
        columns = entry_key.c.scope, entry_key.c.kind, entry_key.c.value
        query = select(*columns).where(entry_key.c.entry_id == number).order_by(*columns)
        with self._database.read() as connection:
            return [Key(row.scope, KeyKind(row.kind), row.value) for row in connection.execute(query)]

    def listed_in(self, number: int) -> list[tuple[str, str, int]]:
        """(source, document, place from 0) of the documents that listed it when they were last read."""
        query = select(source.c.slug, listing.c.name, listing.c.place).join(source, source.c.id == listing.c.source_id)
        ordered = query.where(listing.c.entry_id == number).order_by(source.c.slug, listing.c.name)
        with self._database.read() as connection:
            return [tuple(row) for row in connection.execute(ordered)]

    def mailed_in(self, number: int) -> list[CarriedBy]:
        query = (
            select(issue.c.id, digest.c.slug, issue.c.slot)
            .distinct()
            .join(digest, digest.c.id == issue.c.digest_id)
            .join(edition, edition.c.issue_id == issue.c.id)
            .join(edition_entry, edition_entry.c.edition_id == edition.c.id)
            .where(edition_entry.c.entry_id == number, edition_entry.c.left_out.is_(False))
            .order_by(issue.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query)
            return [CarriedBy(id=row.id, digest=row.slug, slot=row.slot) for row in rows]


Recalled = tuple[dict[Key, Known], list[Listed]]


def _lock_first(connection: Connection) -> None:
    """What pickup locks before it comes to entries, in its order: otherwise the two may wait for each other."""
    lock_site(connection)
    lock_feeds(connection)


def recall(connection: Connection, keys: Collection[Key], source_id: int, document: str | None) -> Recalled:
    """The known entries among these keys, and those that the document listed when it was last read."""
    numbers = find(connection, keys)
    query = select(listing.c.entry_id, listing.c.place)
    mine = query.where(listing.c.source_id == source_id, listing.c.name == document)
    places = connection.execute(mine.order_by(listing.c.place)).all()
    known = _load_known(connection, {*numbers.values(), *(number for number, _ in places)})
    listed = [Listed(known=known[number], place=place) for number, place in places]
    return {key: known[number] for key, number in numbers.items()}, listed


def find(connection: Connection, keys: Collection[Key]) -> dict[Key, int]:
    """The numbers of the entries that these keys lead to."""
    return {
        Key(scope, kind, value): number
        for scope, kind, query in _lookups(keys)
        for value, number in connection.execute(query)
    }


def _lookups(keys: Collection[Key]) -> Iterator[tuple[str, KeyKind, Select[str, int]]]:
    """A query per scope and kind: SQLite walks no index for an IN over three columns."""
    alike: dict[tuple[str, KeyKind], list[str]] = {}
    for key in keys:
        alike.setdefault((key.scope, key.kind), []).append(key.value)
    for (scope, kind), values in alike.items():
        mine = select(entry_key.c.value, entry_key.c.entry_id)
        mine = mine.where(entry_key.c.scope == scope, entry_key.c.kind == kind)
        for chunk in chunks(values, 500):
            yield scope, kind, mine.where(entry_key.c.value.in_(chunk))


def _load_known(connection: Connection, numbers: Collection[int]) -> dict[int, Known]:
    found: dict[int, Known] = {}
    for chunk in chunks(sorted(numbers), 500):
        rows = connection.execute(_known().where(entry.c.id.in_(chunk)))
        found |= {row.entry_id: _to_known(row) for row in rows}
    return found


def _known() -> Select[Any]:
    return (
        select(entry.c.key, entry.c.link, entry.c.published, entry.c.state, source.c.slug, entry_revision)
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
        published=row.published,
        undecided=row.state in (EntryState.HELD, EntryState.HIDDEN),
        has_image=row.image is not None,
        files=tuple(each["url"] for each in row.enclosures),
    )
