"""A site in a database, driven through its stores as the services drive them, but without rendering or mail."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.schema import delivery, entry_topic, issue, subscription, topic
from feed_publisher.adapters.database.store.desk import SqlDeskStore
from feed_publisher.adapters.database.store.entries import SqlEntryStore
from feed_publisher.adapters.database.store.feeds import SqlFeedStore
from feed_publisher.adapters.database.store.issues import SqlIssueStore
from feed_publisher.adapters.database.store.ledger import SqlLedger
from feed_publisher.adapters.database.store.letters import SqlLetterStore
from feed_publisher.adapters.database.store.people import SqlPeopleStore
from feed_publisher.adapters.database.store.topics import SqlTopicStore
from feed_publisher.domain import selection
from feed_publisher.domain.delivery import DeliveryState, Reply, Result, Stage, Verdict, verdict
from feed_publisher.domain.identity import Key
from feed_publisher.domain.issue import Edition, Issue, IssueState, Reader
from feed_publisher.domain.model import Draft, Entry, Problem
from feed_publisher.domain.recognition import recognise, wanted_keys
from feed_publisher.ports.issues import Audience, Batch, NewDelivery
from feed_publisher.ports.people import Joined, NewSubscription
from feed_publisher.ports.pickup import Absorbed, SourceDocument
from feed_publisher.ports.sending import ClaimedDelivery, Mark

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

ACCEPTED = (Stage.BODY, Reply(code=250, text="2.0.0 queued as 1"))
TRY_LATER = (Stage.RCPT, Reply(code=450, text="4.2.0 greylisted"))
REFUSED = (Stage.RCPT, Reply(code=550, text="5.7.1 not wanted"))
NO_SUCH_READER = (Stage.RCPT, Reply(code=550, text="5.1.1 no such user"))
CUT_OFF = (Stage.BODY, None)
NEVER_BEGUN = (Stage.DATA, None)


def article(title: str, *topics: str, **more: Any) -> Draft:
    """A draft recognised by its link."""
    link = f"https://site.example/{title.replace(' ', '-').lower()}"
    return Draft(title=title, where="site", topics=topics or ("News",), **({"link": link} | more))


def judged(claimed: ClaimedDelivery, outcome: tuple[Stage, Reply | None], now: datetime) -> tuple[Result, Verdict]:
    """The result of an attempt and what the rules make of it."""
    result = Result(delivery=claimed.delivery, attempt=claimed.attempt, stage=outcome[0], reply=outcome[1])
    return result, verdict(result, claimed.tries, now)


def mark(claimed: ClaimedDelivery) -> Mark:
    return Mark(delivery=claimed.delivery, attempt=claimed.attempt, edition=claimed.edition)


class World:
    """All stores on one database, and short ways through them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.entries = SqlEntryStore(database)
        self.topics = SqlTopicStore(database)
        self.feeds = SqlFeedStore(database)
        self.issues = SqlIssueStore(database)
        self.ledger = SqlLedger(database)
        self.people = SqlPeopleStore(database)
        self.desk = SqlDeskStore(database)
        self.letters = SqlLetterStore(database)
        self._reads = 0

    # --- entries

    def absorb(
        self,
        *drafts: Draft,
        source: str = "site",
        document: str = "list.md",
        now: datetime = NOW,
        feed_only: bool = False,
        reason: str = "",
        withdrawn: Collection[Key] = (),
        problems: Sequence[Problem] = (),
    ) -> Absorbed:
        """Pick up one document, newest article first."""
        self._reads += 1
        placed = [replace(draft, place=place) for place, draft in enumerate(drafts)]
        self.entries.add_source(source, "folder", now)
        read = SourceDocument(name=document, fingerprint=str(self._reads), problems=tuple(problems))
        return self.entries.absorb(
            source,
            read,
            wanted_keys(placed, source),
            lambda known, listed: [
                replace(decision, feed_only=feed_only, reason=decision.reason or reason)
                for decision in recognise(placed, source, known, listed)
            ],
            now,
            withdrawn,
        )

    def in_feed(self, slug: str, limit: int = 50) -> list[str]:
        """Titles in the live document of a feed."""
        found = [each for feed in self.feeds.find([slug]) for each in self.feeds.live(feed, "").contents[:limit]]
        return [entry.title for entry in found if isinstance(entry, Entry)]

    def numbers(self) -> dict[str, int]:
        """Of topics, by slug, oldest first."""
        shown = select(topic.c.slug, topic.c.id).where(topic.c.merged_at.is_(None)).order_by(topic.c.id)
        with self.database.read() as connection:
            return {row.slug: row.id for row in connection.execute(shown)}

    def sequences(self) -> dict[tuple[str, str], int | None]:
        """Sequences by title and topic slug."""
        query = text(
            "SELECT r.title, t.slug, et.sequence FROM entry_topic et JOIN entry e ON e.id = et.entry_id"
            " JOIN entry_revision r ON r.id = e.revision_id JOIN topic t ON t.id = et.topic_id"
        )
        with self.database.read() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    # --- readers and issues

    def digest(self, slug: str = "weekly", start: int | None = 0) -> None:
        self.issues.declare_digest(slug, NOW, start)

    def join(self, *names: str, active: bool = True, now: datetime = NOW, **more: Any) -> Joined:
        """Readers of ``weekly`` (or ``digest``); their address keys are their names."""
        digest = more.pop("digest", "weekly")
        people = [
            NewSubscription(address=f"{name}@x.example", address_key=name, digest=digest, active=active, **more)
            for name in names
        ]
        return self.people.join(people, "weekly", now)

    def reader(self, name: str) -> int:
        """The subscription's number."""
        return self.people.find(name)[0].subscription

    def cursors(self, column: str = "cursor") -> dict[str, int]:
        query = text(
            f"SELECT s.address_key, n.{column} FROM subscription n JOIN subscriber s ON s.id = n.subscriber_id"
        )
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def pause(self, name: str, until: datetime | None) -> None:
        with self.database.write() as connection:
            mine = subscription.c.id == self.reader(name)
            connection.execute(subscription.update().where(mine).values(paused_until=until))

    def claim(self, slot: str = "weekly:2026-W45", owner: str = "me", rehearsal: bool = False) -> Issue:
        claimed = self.issues.claim_slot("weekly", slot, IssueState.PREPARING, "", rehearsal, owner, NOW)
        assert claimed is not None
        return claimed

    def batch(self, opened: Issue, readers: Sequence[Reader], after: int, now: datetime = NOW) -> Batch:
        """What services.issue would add for these readers."""
        found = self.issues.candidates(min(reader.cursor for reader in readers), opened.through)
        revisions = {entry.number: entry.revision for entry, _ in found}
        slugs = {number: ref.slug for number, ref in self.topics.refs().items()}
        editions: dict[str, Edition] = {}
        deliveries, nothing = [], []
        for reader in readers:
            chosen = selection.select(
                [candidate for _, candidate in found],
                selection.Choice.parse(reader.choice),
                reader.cursor,
                opened.through,
            )
            doubtful = [selected.entry for selected in chosen if selected.may_have_had]
            had = self.issues.already_had([reader.subscription], doubtful, opened.rehearsal)
            entries = [(s.entry, slugs[s.topic]) for s in chosen if (reader.subscription, s.entry) not in had]
            if not entries:
                nothing.append((reader.subscription, reader.cursor))
                continue
            key = hashlib.sha256(repr(entries).encode()).hexdigest()
            editions[key] = _edition(key, tuple((entry, revisions[entry], slug) for entry, slug in entries))
            deliveries.append(_new(reader, key, now))
        return Batch(
            after=after,
            to=readers[-1].subscription,
            editions=tuple(editions.values()),
            templates={"t": "source"},
            deliveries=tuple(deliveries),
            had_nothing=tuple(nothing),
        )

    def prepare(self, opened: Issue, limit: int = 1000, cadence: str | None = None, now: datetime = NOW) -> Issue:
        """Give an issue its deliveries; it stays ``preparing`` when a reader is busy."""
        audience = Audience(digest=opened.digest, cadence=cadence, rehearsal=opened.rehearsal)
        after = opened.prepared_to
        while True:
            self.issues.release_unfinished(audience, after, limit, now)
            readers = self.issues.readers(audience, after, limit, now)
            if not readers:
                return self.issues.freeze(opened, IssueState.READY, "Subject", now)
            reached = self.issues.add_batch(opened, self.batch(opened, readers, after, now), now)
            if reached == after:
                return self.issues.get(opened.id)
            after = reached

    def open(self, slot: str = "weekly:2026-W45", **more: Any) -> Issue:
        return self.prepare(self.claim(slot, **more))

    def site_with_issue(self, *names: str) -> Issue:
        """One article, readers, and a ready issue for them."""
        self.digest()
        self.absorb(article("One"))
        self.join(*names)
        return self.open()

    def transmit(self, opened: Issue, owner: str, now: datetime = NOW, limit: int = 100) -> list[ClaimedDelivery]:
        """Claim and mark."""
        claimed = self.ledger.claim(opened.id, owner, limit, now)
        granted = self.ledger.settle(owner, [], [mark(one) for one in claimed], now)
        assert granted == {one.delivery for one in claimed}
        return claimed

    def end(self, opened: Issue, outcome: tuple[Stage, Reply | None], now: datetime = NOW) -> list[ClaimedDelivery]:
        """Send everything that is due, with the same outcome for all."""
        claimed = self.transmit(opened, "me", now)
        self.ledger.settle("me", [judged(one, outcome, now) for one in claimed], [], now)
        return claimed

    def states(self, opened: Issue) -> dict[str, DeliveryState]:
        """States by reader."""
        rows = self.ledger.rows(opened.id, 0, 10_000)
        return {str(row["address"]).split("@")[0]: DeliveryState(str(row["state"])) for row in rows}

    def assert_books_balance(self) -> None:
        """For every frozen issue: audience = the sum over states, by one statement."""
        total = select(func.count()).where(delivery.c.issue_id == issue.c.id).correlate(issue).scalar_subquery()
        query = select(issue.c.id, issue.c.audience, total).where(issue.c.audience.is_not(None))
        with self.database.read() as connection:
            wrong = [tuple(row) for row in connection.execute(query) if row[1] != row[2]]
        assert wrong == []
        for found in self.issues.newest(100):
            if found.audience is not None:
                assert sum(self.issues.books(found.id).values()) == found.audience


def count_unnumbered(world: World) -> int:
    with world.database.read() as connection:
        query = select(func.count()).select_from(entry_topic).where(entry_topic.c.sequence.is_(None))
        return int(connection.execute(query).scalar_one())


def _edition(fingerprint: str, entries: tuple[tuple[int, int, str], ...]) -> Edition:
    return Edition(
        fingerprint=fingerprint,
        subject="Subject",
        html="<p>",
        text="text",
        template="t",
        language="en",
        nonce="0" * 32,
        entries=entries,
        shown=len(entries),
    )


def _new(reader: Reader, edition: str, now: datetime) -> NewDelivery:
    state = DeliveryState.SUPPRESSED if reader.suppressed else DeliveryState.QUEUED
    return NewDelivery(
        subscription=reader.subscription,
        subscriber=reader.subscriber,
        cursor=reader.cursor,
        edition=edition,
        state=state,
        reason="",
        not_before=now,
    )
