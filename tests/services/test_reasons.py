"""Every reason has its words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from samples import NOW, an_entry

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.why import EntryVerdict, EntryWhy, Mailed, ReaderVerdict, ReaderWhy
from feed_publisher.services.reasons import CENSUS, Words

WORDS = Words("Europe/Berlin", {1: "Ships", 2: "Towns"}, one=True)
ENTRY = an_entry()
MAILED = Mailed(id=7, number=3, at=NOW, state=DeliveryState.SENT)


@pytest.mark.parametrize("why", EntryWhy)
def test_one_sentence_for_each_reason_of_an_entry(why: EntryWhy) -> None:
    sentences = set()
    for mailed in (None, MAILED):
        said = WORDS.entry(EntryVerdict(entry=ENTRY, why=why, topics=(1, 2), at=NOW, mailed=mailed))
        assert said[0].isupper()
        assert said.count(".") == 1
        assert said.endswith(".")
        sentences.add(said)
    others = (WORDS.entry(EntryVerdict(entry=ENTRY, why=other, topics=(1, 2), at=NOW)) for other in EntryWhy)
    assert sum(said in sentences for said in others) == 1


@pytest.mark.parametrize("why", ReaderWhy)
def test_one_sentence_for_each_reason_of_a_reader(why: ReaderWhy) -> None:
    said = WORDS.reader(ReaderVerdict(why=why, entries=1, at=NOW, mailed=MAILED, cadence="daily"))
    assert said[0].isupper()
    assert said.endswith(".")
    counted_as = {ReaderWhy.HOUR_TO_COME: ReaderWhy.IN, ReaderWhy.WAITING: ReaderWhy.NOTHING_NEW}
    assert CENSUS[counted_as.get(why, why)]


def test_times_are_the_operators_and_a_pause_may_have_no_end() -> None:
    paused = ReaderVerdict(why=ReaderWhy.PAUSED, at=NOW)
    assert WORDS.reader(paused) == "Has paused it until Sun 22 Nov 2026, 10:00."
    for_ever = replace(paused, at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert WORDS.reader(for_ever) == "Has paused it until the reader ends it."
    silent = replace(for_ever, silent=True)
    assert WORDS.reader(silent).startswith("Was asked twice whether it is still wanted, and did not answer")


def test_topics_are_called_by_their_titles() -> None:
    verdict = EntryVerdict(entry=ENTRY, why=EntryWhy.OTHER_TOPICS, topics=(1, 2))
    assert WORDS.entry(verdict) == "This reader did not choose “Ships” or “Towns”."
    many = Words("UTC", {}, one=False)
    assert many.entry(verdict) == "These readers did not choose its topic."
    held = EntryVerdict(entry=replace(ENTRY, reason="looks like another one"), why=EntryWhy.HELD)
    assert many.entry(held) == "Held until you decide: it looks like another one."


def test_rehearsals_have_no_number() -> None:
    verdict = EntryVerdict(entry=ENTRY, why=EntryWhy.SENT, at=NOW, mailed=replace(MAILED, number=None))
    assert WORDS.entry(verdict) == "It was in rehearsal 7 of Sun 22 Nov 2026, 10:00."
    waits = ReaderVerdict(why=ReaderWhy.WAITING, at=NOW, mailed=MAILED)
    assert WORDS.reader(waits).startswith("Issue 3 has not left yet (it is due Sun 22 Nov 2026, 10:00)")
