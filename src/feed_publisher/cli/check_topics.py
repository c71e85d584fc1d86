"""check, topics: what the next start would do to them for ever, and what in the settings has another name by now."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.domain.slug import heading_key
from feed_publisher.ports.topics import ChangeKind
from feed_publisher.services.topic_changes import Foreseen
from feed_publisher.services.words import many


def topics_line(app: App) -> str:
    """Everything there is to say about topics."""
    found = [*_coming(app), *_waiting(app), *_elsewhere(app), *_old_names(app), *_old_titles(app), *_ended(app)]
    return "; ".join(found) or f"{many(len(app.topics.all()), 'topic')}, and nothing to do about any of them"


def _coming(app: App) -> Iterator[str]:
    for each in app.topic_changes.foreseen(wiring.declared_topics(app.settings)):
        yield _coming_line(each)


def _coming_line(each: Foreseen) -> str:
    wish, articles = each.wish, f"{each.concerned.articles:,} article{'s' * (each.concerned.articles != 1)}"
    readers = f"{each.concerned.readers:,} reader{'s' * (each.concerned.readers != 1)}"
    if wish.kind is ChangeKind.RENAME:
        return f"topic {wish.other} will be called {wish.topic}: {articles}, {readers} who chose it"
    if wish.kind is ChangeKind.SPLIT:
        return f"topic {wish.topic} will be split from {wish.other}: {readers} who chose {wish.other} will get both"
    return (
        f"topic {wish.other} will be merged into {wish.topic}: {articles}, {readers} who chose it; "
        "this cannot be undone, and any command but check does it"
    )


def _waiting(app: App) -> Iterator[str]:
    """``split_from`` names what is no topic, so nobody follows what was split from it."""
    known = {topic.slug for topic in app.topics.all()} | app.topics.aliases().keys()
    known |= {slug for topic in app.settings.topics for slug in (topic.slug, *topic.was)}
    for topic in app.settings.topics:
        if topic.split_from and topic.split_from not in known:
            near = get_close_matches(topic.split_from, sorted(known), 1)
            advice = f"did you mean {near[0]}?" if near else "it is done when there is one"
            yield f"topic {topic.slug} is to be split from {topic.split_from!r}, which is no topic; {advice}"


def _elsewhere(app: App) -> Iterator[str]:
    """``was`` names a slug that has become another topic, for ever."""
    now = app.topics.aliases()
    for topic in app.settings.topics:
        for old in topic.was:
            if now.get(old, topic.slug) not in (topic.slug, *topic.was):
                yield f"topic {topic.slug} was {old!r}, but that has become {now[old]}, for ever; take it out of `was`"


def _old_names(app: App) -> Iterator[str]:
    """Slugs that have changed work all the same."""
    now = app.topics.aliases() | {old: topic.slug for topic in app.settings.topics for old in topic.was}
    named = [(f"digest {each.slug}", each.topics) for each in app.settings.digests]
    named += [(f"feed {each.slug}", each.topics) for each in app.settings.feeds]
    for what, slugs in named:
        for slug in slugs:
            if slug in now:
                yield f"{what} names the topic {slug}, which is {now[slug]} now: that is what it has; write {now[slug]}"


def _old_titles(app: App) -> Iterator[str]:
    """Sources name topics by their titles; one that has changed still leads to its topic."""
    for source in app.settings.sources:
        for title in dict.fromkeys((*source.topics, *(to for to in source.topic_map.values() if to))):
            leads_to = app.topics.of_heading(title)
            if leads_to is not None and heading_key(leads_to.title) != heading_key(title):
                yield (
                    f"source {source.slug} puts articles under “{title}”, which is “{leads_to.title}” now: "
                    f"that is where they go; write “{leads_to.title}”"
                )


def _ended(app: App) -> Iterator[str]:
    """Nothing comes any more to whoever has chosen nothing else, and they may wonder."""
    declared = {topic.slug: topic.ended for topic in app.settings.topics}
    ended = dict.fromkeys(app.topics.ended(), True) | declared
    over = app.topics.reach([slug for slug, has_ended in ended.items() if has_ended])
    for digest in app.settings.digests if over else ():
        count = app.topic_changes.only_in(over, digest.slug)
        if count:
            follow = "follow" if count != 1 else "follows"
            yield f"{many(count, 'reader')} of {digest.slug} {follow} only topics that have ended"
