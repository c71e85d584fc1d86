"""Readers, articles, issues, and topics that go into others or are split: a walk beside a model of who wants what.

The model knows nothing of sequences, choices or merged topics. An article that comes into a topic is wanted by whoever
follows it at that moment and has not had it; who leaves a topic wants nothing more that only that topic brought; who is
new knows what came before the last issue. Every issue must bring every reader just what is wanted.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from database_world import ACCEPTED, NOW, World, article
from sqlalchemy import text

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.preferences import SqlPreferenceStore
from feed_publisher.adapters.database.store.topic_changes import SqlTopicChangeStore
from feed_publisher.domain.issue import Issue
from feed_publisher.ports.people import Wanted
from feed_publisher.ports.topics import ChangeKind, Place, TopicChange, TopicWish
from feed_publisher.services.topic_changes import TopicChanges

TITLES = ("Harbour", "Port", "Docks", "Quays")
SHIPS = "Ships"


class Killed(Exception):
    """The program was stopped."""


class MortalStore(SqlTopicChangeStore):
    """Dies after so many transactions of a change; each that was begun has been committed."""

    def __init__(self, database: Database, left: int) -> None:
        super().__init__(database)
        self.left = left

    def _live(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    def give(self, change: TopicChange) -> bool:
        self._live()
        return super().give(change)

    def close(self, change: TopicChange) -> bool:
        self._live()
        return super().close(change)

    def copy(self, change: TopicChange, after: Place | None) -> Place | None:
        self._live()
        return super().copy(change, after)

    def conclude(self, change: TopicChange, now: datetime) -> bool:
        self._live()
        return super().conclude(change, now)


@dataclass(slots=True)
class Reader:
    """``topics``: None is everything. ``since``: the moment up to which nothing is news.

    ``waits``: articles not had, each with what brought it and when, as far as that is followed.
    """

    name: str
    topics: set[str] | None
    since: int
    waits: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    got: Counter[str] = field(default_factory=Counter)

    def follows(self, slug: str) -> bool:
        return self.topics is None or slug in self.topics

    def choose(self, topics: set[str] | None) -> None:
        """What only a topic brought that is left is wanted no more."""
        self.topics = topics
        for title, brought in list(self.waits.items()):
            self.waits[title] = [(slug, at) for slug, at in brought if self.follows(slug)]
            if not self.waits[title]:
                del self.waits[title]

    def due(self, through: int) -> set[str]:
        first = {title: min(at for _, at in brought) for title, brought in self.waits.items()}
        return {title for title, at in first.items() if self.since < at <= through}


class Walk:
    """One site; every method does the same to the database and to the model."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.preferences = SqlPreferenceStore(world.database)
        self.changes = SqlTopicChangeStore(world.database)
        self.readers: list[Reader] = []
        self.members: dict[str, set[str]] = {}
        self.titles: dict[str, tuple[str, ...]] = {}
        self.waiting: dict[str, tuple[str, ...]] = {}
        self.wishes: list[TopicWish] = []
        self.open: tuple[Issue, int] | None = None
        self.moment = self.issues = self.served = 0
        self.events: list[tuple[int, str, str]] = []
        world.digest()
        for title in TITLES:
            world.topics.declare(title.lower(), title, NOW)
        self.topics = [title.lower() for title in TITLES]

    # --- articles

    def publish(self) -> None:
        title = f"Article {len(self.titles)}"
        self.titles[title] = self._some_titles()
        if self.random.random() < 0.2:
            self.waiting[title] = self.titles[title]
            self._absorb(title, post_dated=True)
        else:
            self._absorb(title)
            self._bring(title, self.titles[title])

    def tag(self) -> None:
        public = [title for title in self.titles if title not in self.waiting]
        if public:
            title = self.random.choice(public)
            self.titles[title] = tuple(dict.fromkeys((*self.titles[title], *self._some_titles())))
            self._absorb(title)
            self._bring(title, self.titles[title])

    def mature(self) -> None:
        """What was post-dated is public from now on."""
        self.world.entries.mature(NOW + timedelta(days=2))
        for title, topics in self.waiting.items():
            self._bring(title, topics)
        self.waiting = {}

    def _absorb(self, title: str, post_dated: bool = False) -> None:
        more = {"published": NOW + timedelta(days=1)} if post_dated else {}
        self.world.absorb(article(title, *self.titles[title], **more), document=f"{title}.md")

    def _some_titles(self) -> tuple[str, ...]:
        known = (*TITLES, SHIPS) if "ships" in self.topics else TITLES
        return tuple(self.random.sample(known, self.random.choice((1, 1, 2))))

    def _bring(self, title: str, headings: Sequence[str]) -> None:
        slugs = [self._leads_to(heading) for heading in headings]
        for slug in dict.fromkeys(slugs):
            if slug in self.members.setdefault(title, set()):
                continue
            self.moment += 1
            self.members[title].add(slug)
            self.events.append((self.moment, title, slug))
            for reader in self.readers:
                if reader.follows(slug) and not reader.got[title]:
                    reader.waits.setdefault(title, []).append((slug, self.moment))

    def _leads_to(self, heading: str) -> str:
        found = self.world.topics.of_heading(heading)
        assert found is not None
        return found.slug

    # --- readers

    def join(self) -> None:
        """Somebody new gets what has come since the last issue."""
        chosen = self._some_topics()
        since = max(self.served, self.open[1] if self.open else 0)
        reader = Reader(f"reader{len(self.readers)}", chosen, since)
        self.world.join(reader.name, topics=None if chosen is None else tuple(sorted(chosen)))
        for at, title, slug in self.events:
            if reader.follows(slug):
                reader.waits.setdefault(title, []).append((slug, at))
        self.readers.append(reader)

    def choose(self) -> None:
        if not self.readers:
            return
        reader, chosen = self.random.choice(self.readers), self._some_topics()
        if self.random.random() < 0.3:
            chosen = reader.topics  # saved as it was
        topics = None if chosen is None else tuple(sorted(chosen))
        wanted = Wanted(cadence="weekly", topics=topics, zone="", at="")
        assert self.preferences.change(self.world.reader(reader.name), wanted, {}, NOW)
        reader.choose(chosen)

    def _some_topics(self) -> set[str] | None:
        if self.random.random() < 0.2:
            return None
        chosen = set(self.random.sample(self.topics, self.random.randint(1, len(self.topics))))
        for wish in self.wishes:  # while one becomes the other, whoever wants one of them wants both
            if chosen & {wish.topic, wish.other}:
                chosen |= {wish.topic, wish.other}
        return chosen

    # --- topics

    def change(self) -> None:
        """Begin one, unless one is under way; it is carried out as far as the program lives."""
        if not self.wishes:
            self._begin()
        self._carry_on(self.random.randint(0, 6))

    def _begin(self) -> None:
        if "ships" not in self.topics and self.random.random() < 0.4:
            self.world.topics.declare("ships", SHIPS, NOW)
            wish = TopicWish(kind=ChangeKind.SPLIT, topic="ships", other=self.random.choice(self.topics))
            self.topics.append("ships")
        elif len(self.topics) > 2:
            topic, other = self.random.sample(self.topics, 2)
            wish = TopicWish(kind=ChangeKind.MERGE, topic=topic, other=other)
        else:
            return
        self.changes.begin(wish, NOW)
        self.wishes = [wish]
        for reader in self.readers:
            if reader.topics is not None and wish.other in reader.topics:
                reader.topics.add(wish.topic)

    def _carry_on(self, transactions: int) -> None:
        with contextlib.suppress(Killed):
            TopicChanges(MortalStore(self.world.database, transactions), str).finish(NOW)
        for wish in self.wishes:
            if wish.kind is ChangeKind.MERGE and self._leads_to_other(wish):
                self._is_one(wish)
        if not self.changes.begun():
            for wish in self.wishes:
                if wish.kind is ChangeKind.MERGE:
                    self.topics.remove(wish.other)
                    for reader in self.readers:
                        if reader.topics is not None:
                            reader.topics.discard(wish.other)
            self.wishes = []

    def _leads_to_other(self, wish: TopicWish) -> bool:
        """Whether articles of the topic that goes come into the other one by now."""
        return any(self._leads_to(title) == wish.topic for title in (*TITLES, SHIPS) if title.lower() == wish.other)

    def _is_one(self, wish: TopicWish) -> None:
        """What was in the one is in the other; nobody wants it for that."""
        for slugs in self.members.values():
            if wish.other in slugs:
                slugs.add(wish.topic)
        self.events = [(at, title, wish.topic if slug == wish.other else slug) for at, title, slug in self.events]
        for reader in self.readers:
            for title, brought in reader.waits.items():
                reader.waits[title] = [(wish.topic if slug == wish.other else slug, at) for slug, at in brought]

    # --- issues

    def claim(self) -> None:
        """An issue whose content is fixed; its readers are looked at later."""
        if self.open is None:
            self.issues += 1
            self.open = self.world.claim(f"weekly:{2000 + self.issues}-W01"), self.moment

    def prepare(self) -> None:
        if self.open is None:
            self.claim()
        assert self.open is not None
        opened, through = self.open
        self.open = None
        ready = self.world.prepare(opened, limit=2)
        expected = {reader.name: due for reader in self.readers if (due := reader.due(through))}
        found = self._contents(ready)
        assert found == expected, f"issue {ready.slot} has {found}, not {expected}"
        for reader in self.readers:
            if reader.name not in expected:
                reader.since = max(reader.since, through)
        if not expected:
            return
        if self.random.random() < 0.2:
            self.world.issues.cancel(ready.id, NOW)
            return
        self.world.end(ready, ACCEPTED)
        self.served = max(self.served, through)
        for reader in self.readers:
            reader.since = max(reader.since, through)
            for title in expected.get(reader.name, ()):
                reader.got[title] += 1
                del reader.waits[title]

    def _contents(self, issue: Issue) -> dict[str, set[str]]:
        """Reader by reader."""
        query = text(
            "SELECT s.address_key, r.title FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id"
            " JOIN edition_entry e ON e.edition_id = d.edition_id JOIN entry_revision r ON r.id = e.revision_id"
            " WHERE d.issue_id = :issue AND d.state IN ('queued', 'sent')"
        )
        found: dict[str, set[str]] = {}
        with self.world.database.read() as connection:
            for name, title in connection.execute(query, {"issue": issue.id}):
                found.setdefault(name, set()).add(title)
        return found

    def finish(self) -> None:
        """Everything is carried out and mailed; then each reader has just what was wanted."""
        while self.wishes:
            self._carry_on(100)
        self.mature()
        while any(reader.due(self.moment) for reader in self.readers) or self.open is not None:
            self.prepare()
        assert all(count == 1 for reader in self.readers for count in reader.got.values())

    def run(self, steps: int) -> None:
        """So many steps, and the end."""
        self.join()
        doings = [self.publish] * 6 + [self.tag] * 3 + [self.choose] * 3 + [self.change] * 3 + [self.prepare] * 2
        doings += [self.claim, self.join, self.mature]
        for _ in range(steps):
            self.random.choice(doings)()
        self.finish()
