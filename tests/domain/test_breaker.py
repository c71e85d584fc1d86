"""What counts as a refusal of the sender, and how many are too many."""

from __future__ import annotations

import pytest

from feed_publisher.domain.breaker import FEWEST, WINDOW, Breaker, is_about_us
from feed_publisher.domain.delivery import Reply, Result, Stage


def result(stage: Stage, code: int = 250, text: str = "") -> Result:
    return Result(delivery=1, attempt=1, stage=stage, reply=Reply(code=code, text=text))


US = result(Stage.MAIL, 550, "5.7.1 not you")
FINE = result(Stage.BODY)


@pytest.mark.parametrize(
    ("given", "about_us"),
    [
        (US, True),
        (result(Stage.RCPT, 550, "5.7.26 unauthenticated"), True),
        (result(Stage.BODY, 554, "5.7.1 spam"), True),
        (result(Stage.BODY, 554, "rejected as spam"), True),
        (result(Stage.MAIL, 550, "blocked"), True),
        (result(Stage.RCPT, 550, "no such user"), False),
        (result(Stage.RCPT, 550, "5.1.1 no such user"), False),
        (result(Stage.RCPT, 552, "5.2.2 mailbox full"), False),
        (result(Stage.BODY, 552, "5.3.4 too big"), False),
        (result(Stage.BODY, 451, "4.7.1 later"), False),
        (FINE, False),
        (Result(delivery=1, attempt=1, stage=Stage.BODY, reason="cut"), False),
    ],
)
def test_whom_a_refusal_is_about(given: Result, about_us: bool) -> None:
    assert is_about_us(given) is about_us


def test_it_trips_at_once_when_nothing_is_accepted() -> None:
    breaker = Breaker()
    assert [breaker.trips(US) for _ in range(FEWEST)] == [False] * (FEWEST - 1) + [True]


def test_a_few_among_many_do_not_trip_it() -> None:
    breaker = Breaker()
    for _ in range(50):
        assert not any(breaker.trips(FINE) for _ in range(19))
        assert not breaker.trips(US), "one in twenty is the limit, not above it"


def test_only_the_latest_count() -> None:
    breaker = Breaker()
    assert not any(breaker.trips(US) for _ in range(FEWEST - 1))
    assert not any(breaker.trips(FINE) for _ in range(WINDOW))
    assert not any(breaker.trips(US) for _ in range(FEWEST))
    assert breaker.trips(US)
