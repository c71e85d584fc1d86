"""One document's decisions become rows: the writing half of pickup, inside the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, select, update

from feed_publisher.adapters.database.schema import (
    entry,
    entry_key,
    entry_revision,
    entry_topic,
    listing,
    source_document,
)
from feed_publisher.adapters.database.store.authors import credit
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.adapters.database.store.members import mark_dirty
from feed_publisher.adapters.database.store.sequence import make_mailable
from feed_publisher.adapters.database.store.topics import ensure_topics
from feed_publisher.domain.dates import distinct_update, publication_dates
from feed_publisher.domain.language import primary_language
from feed_publisher.domain.model import Draft, EntryState
from feed_publisher.domain.recognition import Decision, Verb
from feed_publisher.ports.pickup import Absorbed, SourceDocument

Numbered = tuple[int, Decision]

SOURCE_WITHDREW = "was deleted by its source"
"""Why an entry is withdrawn that comes back when its source lists it again; one withdrawn by hand does not."""


def absorb(
    connection: Connection,
    source_id: int,
    document: SourceDocument | None,
    decisions: Sequence[Decision],
    now: datetime,
    deleted: Collection[int],
    language: str,
) -> Absorbed:
    """Store new entries, revisions, keys, topics and authors; number what became mailable; mark its feeds dirty.

    ``deleted``: numbers of entries that the source says it has deleted; what the document lists is not. ``language``:
    that of entries that do not say theirs.
    """
    fresh = [d for d in decisions if d.known is None]
    changed = [d for d in decisions if d.verb is Verb.CHANGE]
    known = [(d.known.number, d) for d in decisions if d.known]
    added = _add_entries(connection, source_id, fresh, now, language)
    revised = [(number, decision) for number, decision in known if decision.verb is Verb.CHANGE]
    mark_dirty(connection, [number for number, _ in revised])  # of those, too, that will have them no longer
    for number, decision in revised:
        _revise(connection, number, decision.draft, now, language)
    credit(connection, [(number, d.draft.authors) for number, d in added + revised], now)
    moved = [number for number, d in known if d.known and _move_link(connection, number, d)]
    _store_keys(connection, added + known)
    retagged = _tag(connection, added + known, now)
    mailable = [number for number, d in reversed(added) if d.verb is Verb.NEW] + retagged
    restored = _restore(connection, source_id, {number for number, d in known if d.owned}, now)
    withdrawn = _withdraw(connection, source_id, set(deleted) - {number for number, _ in added + known})
    make_mailable(connection, _public_ones(connection, [*restored, *mailable]), now)
    touched = {n for n, d in known if d.verb is Verb.CHANGE} | {n for n, _ in added} | {*retagged, *moved}
    mark_dirty(connection, sorted(touched | restored.keys() | withdrawn.keys()))
    if document is not None:
        _remember(connection, source_id, document, added + known)
    return Absorbed(
        new=tuple(d.draft for d in fresh if d.verb is Verb.NEW),
        held=tuple((d.draft, d.reason) for d in fresh if d.verb is Verb.HOLD),
        changed=tuple(d.draft for d in changed),
        unchanged=len(decisions) - len(fresh) - len(changed),
        stored=tuple((d.draft.place, number) for number, d in added + known),
        withdrawn=tuple(withdrawn.values()),
        restored=tuple(restored.values()),
    )


def _add_entries(
    connection: Connection, source_id: int, decisions: Sequence[Decision], now: datetime, language: str
) -> list[Numbered]:
    """Insert from the oldest up, so that numbers rise with age order; returned in listing order."""
    if not decisions:
        return []
    dates = publication_dates([d.draft for d in decisions], now, _taken(connection, source_id, now, len(decisions)))
    free, dated = _free_ids(connection, decisions), zip(decisions, dates, strict=True)
    rows = [_entry_row(decision, source_id, date, now, language, free) for decision, date in dated]
    rows.reverse()
    inserted = connection.execute(entry.insert().returning(entry.c.id, sort_by_parameter_order=True), rows)
    numbers = [int(number) for number in inserted.scalars()][::-1]
    added = list(zip(numbers, decisions, strict=True))
    revisions = connection.execute(
        entry_revision.insert().returning(entry_revision.c.id, sort_by_parameter_order=True),
        [_revision_row(number, decision.draft, now) for number, decision in added],
    ).scalars()
    mine = update(entry).where(entry.c.id == bindparam("number"))
    connection.execute(
        mine.values(revision_id=bindparam("revision"), updated=bindparam("first_update")),
        [
            {"number": number, "revision": revision, "first_update": distinct_update(date, number)}
            for (number, _), revision, date in zip(added, revisions.all(), dates, strict=True)
        ],
    )
    return added


def _taken(connection: Connection, source_id: int, now: datetime, count: int) -> set[datetime]:
    """Publication dates of the source that new undated entries could meet."""
    since = now - timedelta(seconds=2 * count + 10_000)
    query = select(entry.c.published).where(entry.c.source_id == source_id, entry.c.published >= since)
    return set(connection.execute(query).scalars())


def _free_ids(connection: Connection, decisions: Sequence[Decision]) -> set[str]:
    """The wanted ids that no entry has yet."""
    free = {decision.wanted_id for decision in decisions if decision.wanted_id}
    for chunk in chunks(sorted(free), 500):
        free -= set(connection.execute(select(entry.c.atom_id).where(entry.c.atom_id.in_(chunk))).scalars())
    return free


def _entry_row(
    decision: Decision, source_id: int, date: datetime, now: datetime, language: str, free_ids: set[str]
) -> dict[str, Any]:
    """The id is for ever: the first of two that want the same one gets it."""
    key, wanted = str(uuid.uuid4()), decision.wanted_id
    own_id = wanted if wanted in free_ids else f"urn:uuid:{key}"
    free_ids.discard(wanted)
    state = EntryState.SCHEDULED if date > now else EntryState.PUBLIC
    return {
        "key": key,
        "atom_id": own_id,
        "source_id": source_id,
        "state": EntryState.HELD if decision.verb is Verb.HOLD else state,
        "reason": decision.reason,
        "feed_only": decision.feed_only,
        "link": decision.draft.link,
        "published": date,
        "updated": date,
        "first_seen": now,
        "lang": primary_language(decision.draft.language or language),
    }


def _revision_row(number: int, draft: Draft, now: datetime) -> dict[str, Any]:
    return {
        "entry_id": number,
        "title": draft.title,
        "authors": list(draft.authors),
        "summary": draft.summary,
        "content_html": draft.content_html,
        "language": draft.language,
        "image": asdict(draft.image) if draft.image else None,
        "enclosures": [asdict(each) for each in draft.enclosures],
        "created_at": now,
    }


def _revise(connection: Connection, number: int, draft: Draft, now: datetime, language: str) -> None:
    query = entry_revision.insert().returning(entry_revision.c.id)
    revision = connection.execute(query, _revision_row(number, draft, now)).scalar_one()
    lang = primary_language(draft.language or language)
    values = {"revision_id": revision, "updated": distinct_update(now, number), "lang": lang}
    connection.execute(update(entry).where(entry.c.id == number).values(values))


def _move_link(connection: Connection, number: int, decision: Decision) -> bool:
    """Follow a moved article. A minor change: ``updated`` stays."""
    link, known = decision.draft.link, decision.known
    if known is None or link is None or link == known.link or not decision.owned:
        return False
    connection.execute(update(entry).where(entry.c.id == number).values(link=link))
    return True


def _withdraw(connection: Connection, source_id: int, numbers: Collection[int]) -> dict[int, str]:
    """Take what its own source has deleted from the public; titles by number."""
    shown = (EntryState.PUBLIC, EntryState.SCHEDULED)
    titles: dict[int, str] = {}
    for chunk in chunks(sorted(numbers), 500):
        mine = and_(entry.c.id.in_(chunk), entry.c.source_id == source_id, entry.c.state.in_(shown))
        titles |= {row.id: row.title for row in connection.execute(_titled().where(mine))}
        values = {"state": EntryState.WITHDRAWN, "reason": SOURCE_WITHDREW}
        connection.execute(update(entry).where(mine).values(values))
    return titles


def _restore(connection: Connection, source_id: int, owned: Collection[int], now: datetime) -> dict[int, str]:
    """Give back what its source had deleted and lists again; titles by number, oldest first."""
    theirs = and_(entry.c.state == EntryState.WITHDRAWN, entry.c.reason == SOURCE_WITHDREW)
    query = _titled().add_columns(entry.c.published).where(theirs, entry.c.source_id == source_id)
    back = [row for row in connection.execute(query.order_by(entry.c.published, entry.c.id)) if row.id in owned]
    if back:
        connection.execute(
            update(entry).where(entry.c.id == bindparam("number")).values(state=bindparam("to"), reason=""),
            [
                {"number": row.id, "to": EntryState.SCHEDULED if row.published > now else EntryState.PUBLIC}
                for row in back
            ],
        )
    return {row.id: row.title for row in back}


def _titled() -> Select[Any]:
    return select(entry.c.id, entry_revision.c.title).join(entry_revision, entry_revision.c.id == entry.c.revision_id)


def _store_keys(connection: Connection, numbered: Sequence[Numbered]) -> None:
    rows = [
        {"scope": key.scope, "kind": key.kind, "value": key.value, "entry_id": number}
        for number, decision in numbered
        for key in decision.keys
    ]
    insert_missing(connection, entry_key, rows)


def _tag(connection: Connection, numbered: Sequence[Numbered], now: datetime) -> list[int]:
    """Put entries under their topics; the known entries that gained one, newest last."""
    titles = dict.fromkeys(title for _, d in numbered for title in d.draft.topics)
    topics = ensure_topics(connection, list(titles), now)
    wanted = {(number, topics[title]) for number, d in numbered for title in d.draft.topics}
    missing = sorted(wanted - _tagged(connection, {number for number, d in numbered if d.known}))
    published = _published(connection, {number for number, _ in missing})
    rows = [{"entry_id": e, "topic_id": t, "published": published[e]} for e, t in missing]
    insert_missing(connection, entry_topic, rows)
    known = {number for number, d in numbered if d.known}
    return sorted({e for e, _ in missing if e in known})


def _tagged(connection: Connection, numbers: Collection[int]) -> set[tuple[int, int]]:
    """Pairs of these entries and their topics."""
    have: set[tuple[int, int]] = set()
    for chunk in chunks(sorted(numbers), 500):
        pairs = select(entry_topic.c.entry_id, entry_topic.c.topic_id).where(entry_topic.c.entry_id.in_(chunk))
        have.update((row[0], row[1]) for row in connection.execute(pairs))
    return have


def _published(connection: Connection, numbers: Collection[int]) -> dict[int, datetime]:
    published: dict[int, datetime] = {}
    for chunk in chunks(sorted(numbers), 500):
        dates = select(entry.c.id, entry.c.published).where(entry.c.id.in_(chunk))
        published |= {row.id: row.published for row in connection.execute(dates)}
    return published


def _public_ones(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Those of the entries that may be mailed, in the same order."""
    fit: set[int] = set()
    for chunk in chunks(numbers, 500):
        query = select(entry.c.id).where(entry.c.id.in_(chunk), entry.c.state == EntryState.PUBLIC)
        fit |= set(connection.execute(query.where(entry.c.feed_only.is_(False))).scalars())
    return [number for number in numbers if number in fit]


def _remember(connection: Connection, source_id: int, document: SourceDocument, numbered: Sequence[Numbered]) -> None:
    """Note what the document listed, and that these bytes have been read."""
    # An empty document is a mishap more often than not: what it listed is needed to tell what comes back.
    for table in (listing, source_document) if numbered else (source_document,):
        mine = (table.c.source_id == source_id) & (table.c.name == document.name)
        connection.execute(delete(table).where(mine))
    rows = [
        {"source_id": source_id, "name": document.name, "entry_id": number, "place": decision.draft.place}
        for number, decision in numbered
    ]
    insert_missing(connection, listing, rows)
    connection.execute(
        source_document.insert(),
        {
            "source_id": source_id,
            "name": document.name,
            "fingerprint": document.fingerprint,
            "entries": len(numbered),
            "problems": [[problem.where, problem.reason] for problem in document.problems],
        },
    )
