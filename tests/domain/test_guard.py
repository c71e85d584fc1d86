from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from feed_publisher.domain.guard import CALM, MOVED, SURFACED, Circumstances, guarded, plausible
from feed_publisher.domain.model import Draft
from feed_publisher.domain.recognition import Decision, Known, Listed, Verb

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
READ = Circumstances(now=NOW, read_at=NOW - DAY, brought=28, known_for=timedelta(days=100))
TITLES = ["Heron", "Ferry", "Crane", "Buoy", "Sail", "Rope", "Tide"]


def draft(title: str, place: int = 0, **more: object) -> Draft:
    return Draft(title=title, where="x", place=place, explicit_id=f"new-{title}", **more)  # type: ignore[arg-type]


def new(*drafts: Draft) -> list[Decision]:
    return [Decision(verb=Verb.NEW, draft=each, keys=()) for each in drafts]


def was(title: str, number: int, summary: str = "") -> Listed:
    known = Known(
        number=number,
        key=str(number),
        source="s",
        title=title,
        authors=(),
        summary=summary,
        content_html="",
        link=None,
    )
    return Listed(known=known, place=number)


def verbs(decisions: Sequence[Decision]) -> list[Verb]:
    return [decision.verb for decision in decisions]


def test_at_first_contact_nothing_is_mailed_but_what_is_young_enough():
    dates = [None, NOW - DAY, NOW - 40 * DAY, datetime(2099, 1, 1, tzinfo=UTC)]
    drafts = [draft(f"Title {n}", n, published=date) for n, date in enumerate(dates)]
    first = Circumstances(now=NOW, first=True, mailed_back=timedelta(0))
    assert [d.feed_only for d in guarded(new(*drafts), [], first)] == [True] * 4
    month = replace(first, mailed_back=30 * DAY)
    assert [d.feed_only for d in guarded(new(*drafts), [], month)] == [True, False, True, True]
    everything = replace(first, mailed_back=None)
    assert [d.feed_only for d in guarded(new(*drafts), [], everything)] == [False] * 4


def test_what_was_named_by_hand_is_taken_as_it_is():
    many = new(*(draft(f"Title {n}", n, published=NOW - 900 * DAY) for n in range(500)))
    assert guarded(many, [], replace(READ, wanted=True)) == many
    assert guarded(many, [], Circumstances(now=NOW, first=True, mailed_back=timedelta(0), wanted=True)) == many


def test_a_storm_is_held_as_a_whole_with_its_numbers():
    calm = new(*(draft(f"Title {n}", n) for n in range(CALM)))
    assert guarded(calm, [], READ) == calm
    storm = guarded(new(*(draft(f"Title {n}", n) for n in range(CALM + 1))), [], READ)
    assert set(verbs(storm)) == {Verb.HOLD}
    assert storm[0].reason.startswith("came with 50 other new articles at once, far more than usual")


def test_what_is_plausible_grows_with_the_history_and_with_the_time_away():
    assert plausible(READ) == CALM
    assert plausible(replace(READ, brought=2800)) == 500
    assert plausible(replace(READ, read_at=NOW - 40 * DAY)) == 200
    assert plausible(replace(READ, brought=40, known_for=2 * DAY)) == 100


def test_a_storm_touches_no_article_that_is_known():
    known = Decision(verb=Verb.CHANGE, draft=draft("Old"), keys=(), known=was("Old", 1).known)
    decisions = [known, *new(*(draft(f"Title {n}", n) for n in range(CALM + 1)))]
    assert guarded(decisions, [], READ)[0] == known


def test_titles_that_all_come_back_under_new_addresses_are_a_site_that_moved():
    decisions = guarded(new(*map(draft, TITLES)), [was(title, n) for n, title in enumerate(TITLES)], READ)
    assert set(verbs(decisions)) == {Verb.HOLD}
    assert "“Heron” under a new address, as 7 articles of this source at once" in decisions[0].reason


@pytest.mark.parametrize("still_listed", [True, False])
def test_a_weekly_title_is_news_each_week(still_listed: bool):
    listed = [was("Weekly round-up", 1, "All of week one."), was("Heron", 2)]
    drafts = [draft("Weekly round-up", 0, summary="Everything of the second week."), draft("Crane", 1)]
    known = [Decision(verb=Verb.KEEP, draft=draft("Weekly round-up", 2), keys=(), known=listed[0].known)]
    decisions = new(*drafts) + (known if still_listed else [])
    assert guarded(decisions, listed, READ) == decisions


def test_a_few_repeated_titles_among_many_articles_are_no_move():
    listed = [was(title, n) for n, title in enumerate(TITLES[: MOVED - 1])]
    decisions = new(*map(draft, TITLES[: MOVED - 1]))
    assert guarded(decisions, listed, READ) == decisions


def test_other_summaries_are_other_articles():
    listed = [was(title, n, "The quick brown fox jumps over the lazy dog.") for n, title in enumerate(TITLES)]
    decisions = new(*(draft(title, n, summary="Nobody knows how it began at all.") for n, title in enumerate(TITLES)))
    assert guarded(decisions, listed, READ) == decisions


def test_an_archive_that_surfaces_is_held_but_a_single_old_date_is_not():
    old = [draft(f"Old {n}", n, published=NOW - (400 + n) * DAY) for n in range(SURFACED)]
    fresh = draft("Fresh", 9, published=NOW)
    decisions = guarded(new(*old, fresh), [], READ)
    assert verbs(decisions) == [Verb.HOLD] * SURFACED + [Verb.NEW]
    assert decisions[0].reason.startswith("is dated 18 October 2025, long before this source was last read")
    one = new(old[0], fresh)
    assert guarded(one, [], READ) == one
