"""One reading of a source becomes entries: topics, recognition, guards, storage. The same for every kind of source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from feed_publisher.domain.dates import believed
from feed_publisher.domain.guard import MEMORY, Circumstances, guarded
from feed_publisher.domain.identity import Key, keys_of
from feed_publisher.domain.model import Draft, Problem, Reading
from feed_publisher.domain.recognition import Decision, Known, Listed, recognise, taking_over, wanted_keys
from feed_publisher.domain.source import SourceKind, SourceRecord, SourceRules
from feed_publisher.ports.pickup import Absorbed, EntryStore, SourceDocument, SourceStore

DEFAULT_TOPIC = "News"
"""Where articles without any heading go, so that readers can follow and get them."""

FOREIGN = frozenset(("atom", "rss", "rdf", "json feed", "page", "sitemap", "sitemap index"))
"""Formats (``About.kind``) in which others write."""


@dataclass(slots=True)
class PickupReport:
    """What a pickup did, over all sources.

    ``waiting`` are files that are still being written; ``looking``: seconds spent on looking through folders.
    """

    new: list[Draft] = field(default_factory=list)
    changed: list[Draft] = field(default_factory=list)
    held: list[tuple[Draft, str]] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    unchanged: int = 0
    rejected: list[Problem] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    looking: float = 0.0

    def add(self, absorbed: Absorbed, problems: Sequence[Problem]) -> None:
        self.new += absorbed.new
        self.changed += absorbed.changed
        self.held += absorbed.held
        self.withdrawn += absorbed.withdrawn
        self.restored += absorbed.restored
        self.unchanged += absorbed.unchanged
        self.rejected += problems


@dataclass(frozen=True, slots=True)
class Absorber:
    """Takes the readings of one source."""

    rules: SourceRules
    circumstances: Circumstances
    entries: EntryStore

    def take(self, document: SourceDocument | None, reading: Reading) -> Absorbed:
        """Recognise, guard and store; in one transaction. Without a document it is not remembered what stood where."""
        slug, now = self.rules.slug, self.circumstances.now
        drafts = [_prepared(draft, self.rules, reading, now) for draft in reading.drafts]

        def decide(known: Mapping[Key, Known], listed: Sequence[Listed]) -> list[Decision]:
            decisions = guarded(recognise(drafts, slug, known, listed), listed, self.circumstances)
            return [taking_over(decision) for decision in decisions] if self.rules.takes_over else decisions

        withdrawn = _keys_of_ids(reading.withdrawn, slug)
        return self.entries.absorb(slug, document, wanted_keys(drafts, slug), decide, now, withdrawn)


def absorber(rules: SourceRules, entries: EntryStore, sources: SourceStore, now: datetime) -> Absorber:
    """For a source as it stands now; makes it known when it is met for the first time."""
    first = entries.add_source(rules.slug, rules.kind, now)
    record = None if rules.wanted else sources.get(rules.slug)
    brought = sources.brought(rules.slug, now - MEMORY) if record else 0
    return Absorber(rules, circumstances(rules, record, first, brought, now), entries)


def circumstances(
    rules: SourceRules, record: SourceRecord | None, first: bool, brought: int, now: datetime
) -> Circumstances:
    """What the guards are to know."""
    return Circumstances(
        now=now,
        first=first,
        mailed_back=rules.first_contact,
        read_at=record.read_at if record else None,
        brought=brought,
        known_for=now - record.added_at if record else MEMORY,
        wanted=rules.wanted or rules.kind is SourceKind.HAND,
    )


def _prepared(draft: Draft, rules: SourceRules, reading: Reading, now: datetime) -> Draft:
    """Under the topics and in the language that the source is set to."""
    mapped = (rules.topic_map.get(topic, topic) for topic in draft.topics)
    topics = rules.topics or tuple(dict.fromkeys(topic for topic in mapped if topic)) or (DEFAULT_TOPIC,)
    language = draft.language or rules.language or reading.about.language
    # What an operator writes into a file is meant; the dates of feeds and pages may be anything.
    published = believed(draft.published, now) if reading.about.kind in FOREIGN else draft.published
    return replace(draft, topics=topics, language=language, published=published)


def _keys_of_ids(ids: Collection[str], slug: str) -> set[Key]:
    """An address may be the id or the link."""
    drafts = (Draft(title="", where="", explicit_id=identity, link=_address(identity)) for identity in ids)
    return {key for draft in drafts for key in keys_of(draft, slug)}


def _address(identity: str) -> str | None:
    return identity if identity.startswith(("http://", "https://")) else None
