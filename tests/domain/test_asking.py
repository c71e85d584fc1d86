"""What follows from the mail server's answer to a mail that asks, and what counts as a reader's own word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from feed_publisher.domain.asking import MOST_TRIES, AskState, Next, Patience, after_mail, is_own_word
from feed_publisher.domain.delivery import DeliveryState, Verdict
from feed_publisher.domain.errors import InputError

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
DAY = timedelta(days=1)
PATIENCE = Patience(remind_after=7, pause_after=17)
SENT, DEFERRED = Verdict(state=DeliveryState.SENT), Verdict(state=DeliveryState.DEFERRED, due_at=NOW + DAY)
UNKNOWN, BOUNCED = Verdict(state=DeliveryState.UNKNOWN), Verdict(state=DeliveryState.BOUNCED)
QUEUED = Verdict(state=DeliveryState.QUEUED)
UNREACHED = Next(state=AskState.UNREACHED)


@pytest.mark.parametrize(
    ("state", "verdict", "after"),
    [
        (AskState.WAITING, SENT, Next(state=AskState.ASKED, due_at=NOW + 7 * DAY)),
        (AskState.WAITING, UNKNOWN, Next(state=AskState.ASKED, due_at=NOW + 7 * DAY)),
        (AskState.WAITING, BOUNCED, UNREACHED),
        (AskState.ASKED, SENT, Next(state=AskState.REMINDED, due_at=NOW + 10 * DAY)),
        (AskState.ASKED, UNKNOWN, UNREACHED),
        (AskState.ASKED, BOUNCED, UNREACHED),
        (AskState.ASKED, DEFERRED, Next(state=AskState.ASKED, due_at=NOW + DAY, tries=3)),
        (AskState.WAITING, QUEUED, Next(state=AskState.WAITING, due_at=NOW + timedelta(minutes=1), tries=2)),
    ],
)
def test_after_a_mail(state: AskState, verdict: Verdict, after: Next) -> None:
    assert after_mail(state, verdict, 2, PATIENCE, NOW) == after


def test_a_mail_is_given_up_in_the_end() -> None:
    assert after_mail(AskState.ASKED, DEFERRED, MOST_TRIES - 1, PATIENCE, NOW).state is AskState.ASKED
    assert after_mail(AskState.ASKED, DEFERRED, MOST_TRIES, PATIENCE, NOW) == UNREACHED
    assert after_mail(AskState.ASKED, QUEUED, MOST_TRIES, PATIENCE, NOW).state is AskState.ASKED, "the relay's trouble"


def test_a_pace() -> None:
    assert PATIENCE.delay(1_000_000) == timedelta(0)
    slow = Patience(remind_after=1, pause_after=2, per_day=1000)
    assert (slow.delay(0), slow.delay(500), slow.delay(2500)) == (timedelta(0), DAY / 2, 2.5 * DAY)


@pytest.mark.parametrize("days", [(0, 5), (5, 5), (6, 5), (366, 400), (5, 366)])
def test_the_reminder_comes_before_the_pause(days: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="must be from"):
        Patience(remind_after=days[0], pause_after=days[1])


@pytest.mark.parametrize(
    ("consented_at", "source", "own"),
    [
        (None, "the web form", False),
        (NOW, "imported", False),
        (NOW, "imported: confirmed from 192.0.2.1", False),
        (NOW, "added by hand", False),
        (NOW, "", False),
        (NOW, "the web form", True),
        (NOW, "confirmed by a link mailed to the address", True),
        (NOW - DAY, "imported", True),
    ],
)
def test_whose_word_it_is(consented_at: datetime | None, source: str, own: bool) -> None:
    assert is_own_word(consented_at, NOW, source) is own
