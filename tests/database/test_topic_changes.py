"""Steps of a topic that goes into another: many choices, equal ones, what stands where."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from database_world import NOW, World, article
from sqlalchemy import func, select

from feed_publisher.adapters.database.schema import subscription, topic_change, topic_set
from feed_publisher.adapters.database.store import topic_changes
from feed_publisher.adapters.database.store.common import insert_missing
from feed_publisher.adapters.database.store.preferences import SqlPreferenceStore
from feed_publisher.adapters.database.store.topic_changes import SqlTopicChangeStore
from feed_publisher.domain.selection import Choice
from feed_publisher.ports.people import Wanted
from feed_publisher.ports.pickup import Page
from feed_publisher.ports.topics import ChangeKind, Concerned, TopicWish
from feed_publisher.services.topic_changes import DeclaredTopic, TopicChanges

WISH = TopicWish(kind=ChangeKind.MERGE, topic="harbour", other="port")
DECLARED = [DeclaredTopic(slug="harbour", was=("port",))]


@pytest.fixture
def store(world: World) -> SqlTopicChangeStore:
    world.digest()
    for slug in ("harbour", "port", "birds"):
        world.topics.declare(slug, slug.capitalize(), NOW)
    return SqlTopicChangeStore(world.database)


def choices(world: World) -> dict[int, str]:
    with world.database.read() as connection:
        return {row.id: row.choice for row in connection.execute(select(topic_set))}


def of_readers(world: World) -> list[str]:
    """The choices of subscriptions, in their order."""
    query = select(topic_set.c.choice).join(subscription, subscription.c.topic_set_id == topic_set.c.id)
    with world.database.read() as connection:
        return list(connection.execute(query.order_by(subscription.c.id)).scalars())


def change(store: SqlTopicChangeStore) -> list[str]:
    """Everything that a start does; what was told."""
    told = list[str]()
    changes = TopicChanges(store, told.append)
    changes.finish(NOW)
    changes.begin(DECLARED, NOW)
    changes.finish(NOW)
    return told


def test_no_subscription_is_touched(world: World, store: SqlTopicChangeStore) -> None:
    world.join("ann", topics=("port",))
    world.join("ben", topics=("birds", "port"))
    world.join("cat", topics=("harbour", "port"))
    world.join("dan")
    with world.database.read() as connection:
        before = connection.execute(select(subscription).order_by(subscription.c.id)).all()
    assert store.concerned(WISH) == Concerned(articles=0, readers=3)
    assert change(store) == ["topic port goes into harbour"]
    with world.database.read() as connection:
        assert connection.execute(select(subscription).order_by(subscription.c.id)).all() == before
    assert of_readers(world) == ["1@1,2@0", "1@1,2@0,3@0", "1@0,2@0", "*@0"]
    assert change(store) == [], "once"


def test_only_who_got_a_topic_by_a_change_is_told_so(world: World, store: SqlTopicChangeStore) -> None:
    world.join("ann", topics=("port",))
    world.join("ben", topics=("birds",))
    change(store)
    preferences = SqlPreferenceStore(world.database)
    wanted = Wanted(cadence="weekly", topics=("birds", "harbour"), zone="", at="")
    assert preferences.change(world.reader("ben"), wanted, {}, NOW), "just now, before any article"
    told = {name: [e.detail for e in preferences.history(world.reader(name))] for name in ("ann", "ben")}
    assert [name for name, lines in told.items() if any("came along" in line for line in lines)] == ["ann"]


def test_more_choices_than_one_transaction_holds(
    world: World, store: SqlTopicChangeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_changes, "CHOICES", 3)
    texts = [f"2@{start},3@0" for start in range(10)]
    with world.database.write() as connection:
        insert_missing(connection, topic_set, [{"choice": text} for text in texts])
    store.begin(WISH, NOW)
    (begun,) = store.begun()
    assert not store.close(begun), "nothing moves before all readers are led"
    assert sum("1@" in text for text in choices(world).values()) == 0
    assert [store.give(begun) for _ in range(4)] == [True, True, True, False]
    assert [Choice.parse(text).starts[1] for text in choices(world).values()] == [max(1, n) for n in range(10)]
    assert change(store) == []


def test_a_choice_that_is_there_already_is_set_apart(world: World, store: SqlTopicChangeStore) -> None:
    world.join("ann", topics=("port",))
    with world.database.write() as connection:
        insert_missing(connection, topic_set, [{"choice": "1@1,2@0"}, {"choice": "1@1,2@0,"}])
    change(store)
    assert sorted(choices(world).values()) == ["1@1,2@0", "1@1,2@0,", "1@1,2@0,,"]
    assert Choice.parse(of_readers(world)[0]) == Choice(starts={1: 1, 2: 0})
    wanted = Wanted(cadence="weekly", topics=("harbour",), zone="", at="")
    assert SqlPreferenceStore(world.database).change(world.reader("ann"), wanted, {}, NOW)
    assert of_readers(world) == ["1@1,2@0"]


def test_articles_stand_in_one_topic_with_the_sequences_they_had(world: World, store: SqlTopicChangeStore) -> None:
    world.absorb(article("Quiet", "Port"))
    world.absorb(article("Old", "Port"), feed_only=True, document="old.md")
    world.absorb(article("News", "Port", "Harbour"), document="news.md")
    change(store)
    assert [ref.slug for ref in world.topics.all()] == ["harbour", "birds"]
    assert sorted(world.in_feed("harbour")) == ["News", "Old", "Quiet"]
    assert [feed.kind for feed in world.feeds.find(["port"])] == ["gone"]
    assert {ref.slug for entry in world.entries.page(Page()) for ref in entry.topics} == {"harbour"}
    sequences = {pair: n for pair, n in world.sequences().items() if pair[0] == "News"}
    assert len([n for n in sequences.values() if n is not None]) == 2, "as they were given"


def test_the_heading_leads_on_and_a_slug_may_come_again(world: World, store: SqlTopicChangeStore) -> None:
    change(store)
    world.absorb(article("News", "Port"))
    assert world.in_feed("harbour") == ["News"]
    assert world.topics.aliases() == {"port": "harbour"}
    world.topics.declare("port", "The other port", NOW)
    assert [ref.slug for ref in world.topics.all()] == ["harbour", "birds", "port"]
    assert world.topics.aliases() == {}
    assert world.topics.reach(["port"]) == {4}
    assert world.topics.reach(["harbour"]) == {1, 2}


def test_one_after_the_other(world: World, store: SqlTopicChangeStore) -> None:
    """What has gone into a topic that goes is part of the last one."""
    world.join("ann", topics=("port",))
    world.absorb(article("One", "Port"))
    change(store)
    changes = TopicChanges(store, str)
    changes.begin([DeclaredTopic(slug="birds", was=("harbour",))], NOW)
    changes.finish(NOW)
    assert world.topics.aliases() == {"harbour": "birds", "port": "birds"}
    assert world.topics.reach(["port"]) == {1, 2, 3}
    assert world.in_feed("birds") == ["One"]
    (view,) = world.people.find("ann")
    assert view.topics == ("birds",)
    opened = world.open()
    assert world.states(opened) == {"ann": "queued"}


def test_whoever_is_there_carries_it_out(
    world: World, store: SqlTopicChangeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes at once, each with all the steps."""
    monkeypatch.setattr(topic_changes, "BATCH", 3)
    monkeypatch.setattr(topic_changes, "CHOICES", 3)
    for number in range(10):
        world.absorb(article(f"Article {number}", "Port"), document=f"{number}.md")
    texts = [f"2@{start},3@0" for start in range(10)]
    with world.database.write() as connection:
        insert_missing(connection, topic_set, [{"choice": text} for text in texts])
    with ThreadPoolExecutor(4) as pool:
        told = [line for each in [pool.submit(change, store) for _ in range(4)] for line in each.result()]
    assert set(told) == {"topic port goes into harbour"}
    assert store.begun() == []
    assert len(world.in_feed("harbour")) == 10
    assert all(text.startswith("1@") for text in choices(world).values())
    with world.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(topic_change)).scalar() == 1
