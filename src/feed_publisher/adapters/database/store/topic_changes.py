"""One topic goes into another, or is parted: carried out in short transactions, continued by whoever is there.

Sequences stay where they were given. A reader of the topic that goes has its past in his choice and gets the other one
from the change on; a reader of the other one gets nothing of that past. So there is nothing to be reckoned between two
starts, and an issue that is being prepared meanwhile stays the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from feed_publisher.adapters.database.engine import Database, lock_counter, lock_site
from feed_publisher.adapters.database.schema import (
    entry_piece,
    entry_topic,
    feed,
    feed_topic,
    subscription,
    topic,
    topic_alias,
    topic_change,
    topic_heading,
    topic_set,
)
from feed_publisher.adapters.database.store.audience import digest_id
from feed_publisher.adapters.database.store.common import chunks, insert_if_missing, insert_missing
from feed_publisher.adapters.database.store.members import forget_settings, lock_feeds
from feed_publisher.adapters.database.store.topic_names import named, with_gone
from feed_publisher.domain.archive import FeedKind
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.selection import Choice
from feed_publisher.ports.topics import ChangeKind, Concerned, Place, TopicChange, TopicWish

BATCH, CHOICES = 1_000, 5_000
"""Articles, or choices, of one transaction: others who want to write wait for some tens of milliseconds at most."""


class SqlTopicChangeStore:
    """ports.TopicChangeStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def there(self, slugs: Collection[str]) -> set[str]:
        with self._database.read() as connection:
            found = (select(topic.c.slug).where(topic.c.slug.in_(chunk)) for chunk in chunks(sorted(slugs), 500))
            return {slug for query in found for slug in connection.execute(query).scalars()}

    def outstanding(self, wishes: Sequence[TopicWish]) -> list[TopicWish]:
        with self._database.read() as connection:
            return [wish for wish in wishes if _pair(connection, wish) is not None]

    def concerned(self, wish: TopicWish) -> Concerned:
        with self._database.read() as connection:
            number = named(connection, [wish.other]).get(wish.other, 0)
            articles = select(func.count()).select_from(entry_topic).where(entry_topic.c.topic_id == number)
            chosen = select(topic_set.c.id).where(_has(number))
            mine = and_(subscription.c.state == SubscriptionState.ACTIVE, subscription.c.topic_set_id.in_(chosen))
            readers = select(func.count()).select_from(subscription).where(mine)
            return Concerned(
                articles=connection.execute(articles).scalar_one(), readers=connection.execute(readers).scalar_one()
            )

    def begin(self, wish: TopicWish, now: datetime) -> None:
        with self._database.write() as connection:
            lock_site(connection)
            pair = _pair(connection, wish)
            if pair is None:
                return
            values = {"kind": wish.kind, "topic_id": pair[0], "other_id": pair[1], "at": now}
            # A number that no entry has and no reader can begin at, who begins with the last one: so nobody's choice is
            # taken for another's.
            values["sequence"] = lock_counter(connection, "sequence", 2) - 1
            if insert_if_missing(connection, topic_change, values):
                # In the same step, unless there are very many: nobody's issue comes between.
                (change,) = _changes(connection, topic_change.c.sequence == values["sequence"])
                _give_the_rest(connection, change)

    def begun(self) -> list[TopicChange]:
        with self._database.read() as connection:
            return _changes(connection, topic_change.c.done_at.is_(None))

    def give(self, change: TopicChange) -> bool:
        with self._database.read() as connection:
            found = _to_be_given(connection, change)
        with self._database.write() as connection:
            _give(connection, found[:CHOICES])
        return len(found) > CHOICES

    def close(self, change: TopicChange) -> bool:
        with self._database.write() as connection:
            lock_site(connection)
            if not _give_the_rest(connection, change):
                return False
            other = topic_heading.c.topic_id == change.other
            connection.execute(update(topic_heading).where(other).values(topic_id=change.topic))
            itself = and_(topic.c.id == change.other, topic.c.merged_at.is_(None))
            gone = or_(itself, topic.c.merged_into == change.other)
            connection.execute(update(topic).where(gone).values(merged_into=change.topic))
            return True

    def copy(self, change: TopicChange, after: Place | None) -> Place | None:
        query = select(entry_topic.c.published, entry_topic.c.entry_id).where(entry_topic.c.topic_id == change.other)
        if after is not None:
            place = tuple_(entry_topic.c.published, entry_topic.c.entry_id)
            query = query.where(place > tuple_(literal(after[0], entry_topic.c.published.type), literal(after[1])))
        ordered = query.order_by(entry_topic.c.published, entry_topic.c.entry_id).limit(BATCH)
        with self._database.read() as connection:
            rows = connection.execute(ordered).all()
        # Feeds are not marked here: they have their bytes until the last step marks them all.
        with self._database.write() as connection:
            insert_missing(connection, entry_topic, [_under(change.topic, row) for row in rows])
        return (rows[-1].published, rows[-1].entry_id) if len(rows) == BATCH else None

    def conclude(self, change: TopicChange, now: datetime) -> bool:
        with self._database.write() as connection:
            lock_site(connection)
            lock_feeds(connection)
            if not _give_the_rest(connection, change):
                return False
            if change.kind is ChangeKind.MERGE:
                _let_go(connection, change, now)
            mine = and_(topic_change.c.id == change.id, topic_change.c.done_at.is_(None))
            connection.execute(update(topic_change).where(mine).values(done_at=now))
            return True

    def only_in(self, numbers: Collection[int], digest: str) -> int:
        with self._database.read() as connection:
            these = with_gone(connection, numbers)
            rows = connection.execute(select(topic_set.c.id, topic_set.c.choice)).all()
            only = [row.id for row in rows if Choice.parse(row.choice).is_within(these)]
            mine = and_(subscription.c.digest_id == digest_id(digest), subscription.c.state == SubscriptionState.ACTIVE)
            query = select(func.count()).select_from(subscription).where(mine)
            return sum(
                int(connection.execute(query.where(subscription.c.topic_set_id.in_(chunk))).scalar_one())
                for chunk in chunks(only, 500)
            )


def _pair(connection: Connection, wish: TopicWish) -> tuple[int, int] | None:
    """The numbers of the two topics, as long as the change has not begun."""
    slugs = select(topic.c.slug, topic.c.id).where(topic.c.slug.in_((wish.topic, wish.other)))
    known = {row.slug: int(row.id) for row in connection.execute(slugs)}
    if wish.kind is ChangeKind.SPLIT:
        known = named(connection, [wish.other]) | known
    mine, other = known.get(wish.topic), known.get(wish.other)
    if mine is None or other is None or mine == other:
        return None
    begun = select(topic_change.c.id).where(topic_change.c.kind == wish.kind)
    if wish.kind is ChangeKind.MERGE:
        begun = begun.where(topic_change.c.other_id == other)  # it can go only once
    else:  # what was split from a topic that has gone since was split from this one
        whom = topic_change.c.other_id.in_(with_gone(connection, [other]))
        begun = begun.where(topic_change.c.topic_id == mine, whom)
    return None if connection.execute(begun).first() else (mine, other)


def _changes(connection: Connection, which: ColumnElement[bool]) -> list[TopicChange]:
    return [
        TopicChange(id=row.id, kind=ChangeKind(row.kind), topic=row.topic_id, other=row.other_id, sequence=row.sequence)
        for row in connection.execute(select(topic_change).where(which).order_by(topic_change.c.id))
    ]


def _under(number: int, row: Any) -> dict[str, Any]:
    """Without a sequence: it was mailable before, under the other topic, to those who wanted that."""
    return {"entry_id": row.entry_id, "topic_id": number, "published": row.published}


# --- choices


def _has(number: int) -> ColumnElement[bool]:
    """Of a stored choice: it names this topic."""
    return literal(",").concat(topic_set.c.choice).concat(",").contains(f",{number}@", autoescape=True)


def _to_be_given(connection: Connection, change: TopicChange) -> list[tuple[int, str, Choice]]:
    """Choices that have the other topic and are to have this one (earlier): number, text as it is, and what it becomes.

    Found by reading them all: there are far fewer choices than readers.
    """
    rows = connection.execute(select(topic_set).where(_has(change.other)).order_by(topic_set.c.id)).all()
    found = [(row.id, row.choice, Choice.parse(row.choice)) for row in rows]
    after = [(number, text, old, old.led(change.other, change.topic, change.sequence)) for number, text, old in found]
    return [(number, text, new) for number, text, old, new in after if new != old]


def _give(connection: Connection, found: Sequence[tuple[int, str, Choice]]) -> None:
    """Change them in place, so that no subscription is touched."""
    texts = _apart(connection, [new.text for _, _, new in found])
    rows = [{"number": number, "old": old, "new": text} for (number, old, _), text in zip(found, texts, strict=True)]
    same = and_(topic_set.c.id == bindparam("number"), topic_set.c.choice == bindparam("old"))
    if rows:
        connection.execute(update(topic_set).where(same).values(choice=bindparam("new")), rows)


def _apart(connection: Connection, texts: Sequence[str]) -> list[str]:
    """The same choice may be there already, made meanwhile: commas set the two apart and mean nothing.

    Making them one would touch every subscription that has it.
    """
    wanted, taken = list(texts), set[str]()
    while True:
        for chunk in chunks(wanted, 500):
            found = select(topic_set.c.choice).where(topic_set.c.choice.in_(chunk))
            taken |= set(connection.execute(found).scalars())
        used, next_wanted = set[str](), list[str]()
        for text in wanted:
            while text in taken or text in used:
                text += ","
            used.add(text)
            next_wanted.append(text)
        if next_wanted == wanted:
            return wanted
        wanted = next_wanted


def _give_the_rest(connection: Connection, change: TopicChange) -> bool:
    """What was chosen since the last look, unless it is too much; both topics stay until the transaction ends."""
    both = topic.c.id.in_((change.topic, change.other))
    connection.execute(select(topic.c.id).where(both).order_by(topic.c.id).with_for_update())
    found = _to_be_given(connection, change)
    if len(found) <= CHOICES:
        _give(connection, found)
    return len(found) <= CHOICES


# --- the topic that goes


def _let_go(connection: Connection, change: TopicChange, now: datetime) -> None:
    """Nothing shows the other topic from here on; its addresses lead to this one for ever."""
    other = connection.execute(select(topic).where(topic.c.id == change.other)).one()
    if other.merged_at is not None:
        return
    _let_feeds_go(connection, change)
    led = topic_alias.c.topic_id == change.other
    connection.execute(update(topic_alias).where(led).values(topic_id=change.topic))
    values = {"slug": f"~{change.other}", "merged_at": now, "ended_at": None}  # no slug that can be given
    connection.execute(update(topic).where(topic.c.id == change.other).values(values))
    insert_missing(connection, topic_alias, [{"slug": other.slug, "topic_id": change.topic}])
    forget_settings(connection)
    stands = exists().where(entry_topic.c.entry_id == entry_piece.c.entry_id, entry_topic.c.topic_id == change.topic)
    connection.execute(delete(entry_piece).where(stands))


def _let_feeds_go(connection: Connection, change: TopicChange) -> None:
    """Its own feed, and those that somebody has put together with it; the ones of the settings have this one now."""
    with_other = select(feed_topic.c.feed_id).where(feed_topic.c.topic_id == change.other)
    combined = and_(feed.c.kind == FeedKind.COMBINED, feed.c.id.in_(with_other))
    gone = {"kind": FeedKind.GONE, "topic_id": None, "dirty": True, "version": feed.c.version + 1}
    connection.execute(update(feed).where(or_(feed.c.topic_id == change.other, combined)).values(gone))
    feeds = connection.execute(with_other).scalars().all()
    insert_missing(connection, feed_topic, [{"feed_id": number, "topic_id": change.topic} for number in feeds])
    connection.execute(delete(feed_topic).where(feed_topic.c.topic_id == change.other))
