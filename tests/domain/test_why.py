"""Reasons: the first thing that keeps an entry or a reader out is the one that is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from samples import NOW, an_entry

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.model import EntryState
from feed_publisher.domain.selection import Candidate, Choice, select
from feed_publisher.domain.why import (
    EntryWhy,
    Mailed,
    ReaderFacts,
    ReaderWhy,
    Standing,
    Viewpoint,
    judge_entry,
    judge_reader,
)

HOUR = timedelta(hours=1)
ENTRY = an_entry()
VIEW = Viewpoint(choice=Choice(everything=0), cursor=10, through=20)
MAILED = Mailed(id=7, number=3, at=NOW, state=DeliveryState.SENT)


def standing(*topics: int, state: EntryState = EntryState.PUBLIC, **sequences: Any) -> Standing:
    given = {int(name.removeprefix("t")): n for name, n in sequences.items()}
    return Standing(entry=replace(ENTRY, state=state), topics=topics or tuple(given), sequences=given, mailable_at=NOW)


@pytest.mark.parametrize(
    ("known", "view", "mailed", "why"),
    [
        (standing(1, state=EntryState.HELD), {}, None, EntryWhy.HELD),
        (standing(state=EntryState.HIDDEN), {}, None, EntryWhy.HIDDEN),
        (standing(t1=15, state=EntryState.WITHDRAWN), {}, MAILED, EntryWhy.WITHDRAWN),
        (standing(1, state=EntryState.SCHEDULED), {}, None, EntryWhy.SCHEDULED),
        (standing(), {}, None, EntryWhy.NO_TOPIC),
        (standing(1), {"covered": {2}}, None, EntryWhy.NOT_COVERED),
        (standing(1), {}, None, EntryWhy.FEED_ONLY),
        (standing(t1=15), {"choice": Choice(starts={2: 0})}, MAILED, EntryWhy.OTHER_TOPICS),
        (standing(t1=15, t2=16), {"choice": Choice(starts={2: 0}), "covered": {1}}, None, EntryWhy.OTHER_TOPICS),
        (standing(t1=15), {"choice": Choice(starts={1: 18})}, None, EntryWhy.CHOSEN_LATER),
        (standing(t1=15), {"choice": Choice(starts={1: 18})}, replace(MAILED, state=None), EntryWhy.CHOSEN_LATER),
        (standing(t1=25), {}, None, EntryWhy.LATER),
        (standing(t1=25), {"cut": NOW}, None, EntryWhy.LATER),
        (standing(t1=25), {"cut": NOW - HOUR}, None, EntryWhy.CUT_OFF),
        (standing(t1=5), {}, None, EntryWhy.BEFORE),
        (standing(t1=5), {}, MAILED, EntryWhy.SENT),
        (standing(t1=5), {}, replace(MAILED, state=None), EntryWhy.SENT),
        (standing(t1=5), {}, replace(MAILED, state=DeliveryState.UNKNOWN), EntryWhy.IN_DOUBT),
        (standing(t1=5), {}, replace(MAILED, state=DeliveryState.DEFERRED), EntryWhy.WAITING),
    ],
)
def test_why_an_entry_is_out(known: Standing, view: dict[str, Any], mailed: Mailed | None, why: EntryWhy) -> None:
    verdict = judge_entry(known, replace(VIEW, **view), None, 50, mailed)
    assert verdict.why is why
    assert not verdict.is_in


def test_what_was_selected_is_in_whatever_else_is_known() -> None:
    for place, why in ((0, EntryWhy.IN), (49, EntryWhy.IN), (50, EntryWhy.COUNTED)):
        verdict = judge_entry(standing(1, state=EntryState.SCHEDULED), VIEW, place, 50, MAILED)
        assert (verdict.why, verdict.is_in) == (why, True)


def test_no_reason_of_time_is_given_to_what_would_be_selected() -> None:
    """Of an entry that was not mailed, BEFORE, LATER and CHOSEN_LATER are the ways not to be selected; no other."""
    for sequence in range(1, 30):
        for start in range(0, 30, 3):
            view = replace(VIEW, choice=Choice(starts={1: start}))
            candidate = Candidate(entry=1, sequences={1: sequence})
            if not select([candidate], view.choice, view.cursor, view.through):
                why = judge_entry(standing(t1=sequence), view, None, 50, None).why
                expected = EntryWhy.CHOSEN_LATER if sequence <= start else EntryWhy.LATER
                assert why is (EntryWhy.BEFORE if start < sequence <= view.cursor else expected)


FACTS = ReaderFacts(state=SubscriptionState.ACTIVE, cadence="weekly", suppressed=False)


@pytest.mark.parametrize(
    ("facts", "cadence", "entries", "why", "at"),
    [
        ({"state": SubscriptionState.UNSUBSCRIBED, "suppressed": True, "left_at": NOW}, None, 3, "unsubscribed", NOW),
        ({"state": SubscriptionState.PENDING, "suppressed": True}, None, 3, "not confirmed", None),
        ({"suppressed": True, "paused_until": NOW + HOUR}, None, 3, "never mailed", None),
        ({"paused_until": NOW + HOUR}, "daily", 3, "paused", NOW + HOUR),
        ({"paused_until": NOW}, "weekly", 3, "in", None),
        ({}, "daily", 3, "other cadence", None),
        ({"waiting": MAILED}, "weekly", 0, "waiting", NOW),
        ({}, "weekly", 0, "nothing new", None),
        ({}, "weekly", 1, "too few", None),
        ({}, None, 3, "in", None),
    ],
)
def test_why_a_reader_is_in_or_out(
    facts: dict[str, Any], cadence: str | None, entries: int, why: str, at: datetime | None
) -> None:
    verdict = judge_reader(replace(FACTS, **facts), cadence, NOW, NOW, entries, entries == 1)
    assert (verdict.why.value, verdict.at, verdict.is_in) == (why, at, why == "in")


def test_an_hour_to_come_is_in() -> None:
    verdict = judge_reader(FACTS, "weekly", NOW, NOW + HOUR, 3, False)
    assert (verdict.why, verdict.at, verdict.entries, verdict.is_in) == (ReaderWhy.HOUR_TO_COME, NOW + HOUR, 3, True)
