from __future__ import annotations

from datetime import date, timedelta

import pytest

from feed_publisher.domain.bounce import BounceKind, Patience, Report, classify_failure, consequence, mildest, origins
from feed_publisher.domain.delivery import DeliveryState

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        ("5.1.1", "550 5.1.1 no such user", "hard"),
        ("5.1.10", "RecipientNotFound", "hard"),
        ("5.0.0", "550 5.1.1 no such user", "hard"),
        ("", "550 5.2.1 disabled", "hard"),
        ("5.1.1", "550 5.1.1 blocked, see spamhaus", "policy"),
        ("5.1.1", "550 5.1.1 User unknown; see our policy", "hard"),
        ("5.7.1", "550 5.7.1 denied", "policy"),
        ("5.0.0", "550-5.7.515 Access denied", "policy"),
        ("5.7.1", "550 5.1.1 no such user", "policy"),
        ("", "554 rejected as spam", "policy"),
        ("4.7.1", "greylisted", "policy"),
        ("5.2.2", "552 full", "soft"),
        ("5.2.0", "over quota", "soft"),
        ("4.4.1", "no answer", "soft"),
        ("", "452 try later", "soft"),
        ("5.3.4", "552 5.3.4 too large", "refused"),
        ("5.5.0", "what?", "refused"),
        ("5.6.7", "no SMTPUTF8", "refused"),
        ("5.4.6", "loop", "refused"),
        ("5.4.4", "host not found", "unclear"),
        ("5.0.0", "550 user unknown", "unclear"),
        ("", "", "unclear"),
    ],
)
def test_failures(status: str, said: str, kind: str) -> None:
    assert classify_failure(status, said) == kind


def test_only_a_hard_one_and_a_complaint_take_an_address_off_at_once() -> None:
    assert [kind for kind in BounceKind if consequence(kind).suppress] == [BounceKind.HARD, BounceKind.COMPLAINT]


def test_a_report_moves_only_what_was_handed_over() -> None:
    for kind in BounceKind:
        state = consequence(kind).state
        if state is not None:
            assert set(origins(state)) <= {DeliveryState.SENT, DeliveryState.UNKNOWN}


@pytest.mark.parametrize(
    ("ages", "over"),
    [
        ((0, 1, 2), True),
        ((0, 0, 0, 0), False),
        ((0, 1, 10), False),
        ((0, 1, 9), True),
        ((0, 1, -1), False),
        ((), False),
    ],
)
def test_patience(ages: tuple[int, ...], over: bool) -> None:
    patience = Patience(limit=3, lasting=timedelta(days=10))
    assert patience.is_over([TODAY - timedelta(days=age) for age in ages], TODAY) is over


def test_the_mildest_of_several() -> None:
    hard, soft = Report(kind=BounceKind.HARD), Report(kind=BounceKind.SOFT)
    assert mildest([hard, soft]) is soft
    assert mildest([hard, Report(kind=BounceKind.DELIVERED), soft]) == Report(kind=BounceKind.DELIVERED)
    assert mildest([]) is None
