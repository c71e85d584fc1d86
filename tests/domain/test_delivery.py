from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.delivery import (
    BACKOFF,
    NOT_RECEIVED,
    UNFINISHED,
    DeliveryState,
    Reply,
    Result,
    Stage,
    Verdict,
    enhanced_code,
    is_relay_trouble,
    verdict,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
S = DeliveryState


def after(stage: Stage, code: int | None, text: str = "", tries: int = 0, reason: str = "") -> Verdict:
    reply = None if code is None else Reply(code=code, text=text)
    return verdict(Result(delivery=1, attempt=1, stage=stage, reply=reply, reason=reason), tries, NOW)


C, M, R, D, B = Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY


@pytest.mark.parametrize(
    ("code", "states"),
    [
        # code    CONNECT     MAIL        RCPT        DATA        BODY
        (None, (S.QUEUED, S.QUEUED, S.QUEUED, S.QUEUED, S.UNKNOWN)),
        (250, (S.QUEUED, S.QUEUED, S.QUEUED, S.QUEUED, S.SENT)),
        (354, (S.QUEUED, S.QUEUED, S.QUEUED, S.QUEUED, S.UNKNOWN)),
        (421, (S.QUEUED,) * 5),
        (454, (S.QUEUED, S.QUEUED, S.DEFERRED, S.QUEUED, S.QUEUED)),
        (530, (S.QUEUED, S.QUEUED, S.DEFERRED, S.QUEUED, S.QUEUED)),
        (535, (S.QUEUED, S.QUEUED, S.DEFERRED, S.QUEUED, S.QUEUED)),
        (538, (S.QUEUED, S.QUEUED, S.DEFERRED, S.QUEUED, S.QUEUED)),
        (450, (S.QUEUED, S.DEFERRED, S.DEFERRED, S.DEFERRED, S.DEFERRED)),
        (451, (S.QUEUED, S.DEFERRED, S.DEFERRED, S.DEFERRED, S.DEFERRED)),
        (452, (S.QUEUED, S.DEFERRED, S.DEFERRED, S.DEFERRED, S.DEFERRED)),
        (550, (S.QUEUED, S.BOUNCED, S.BOUNCED, S.BOUNCED, S.BOUNCED)),
        (552, (S.QUEUED, S.BOUNCED, S.BOUNCED, S.BOUNCED, S.BOUNCED)),
        (554, (S.QUEUED, S.BOUNCED, S.BOUNCED, S.BOUNCED, S.BOUNCED)),
    ],
)
def test_every_stage_and_reply(code, states):
    assert tuple(after(stage, code).state for stage in (C, M, R, D, B)) == states


@given(st.sampled_from(Stage), st.one_of(st.none(), st.integers(200, 599)), st.text(max_size=20), st.integers(0, 50))
def test_rules_for_all_replies(stage, code, text, tries):
    decided = after(stage, code, text, tries)
    if decided.state is S.SENT:
        assert stage is B
        assert code is not None
        assert 200 <= code < 300
    if decided.state is S.UNKNOWN:
        assert stage is B, "before the body the relay certainly has no message"
    if decided.suppress:
        assert (stage, decided.state) == (R, S.BOUNCED)
    assert (decided.due_at is not None) >= (decided.state is S.DEFERRED)
    assert decided.due_at is None or decided.due_at > NOW


@pytest.mark.parametrize("bad", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_codes_that_speak_of_the_address_suppress_it(bad):
    assert after(R, 550, f"{bad} No such user").suppress
    assert not after(R, 450, f"{bad} No such user").suppress
    assert not any(after(stage, 550, f"{bad} No such user").suppress for stage in (C, M, D, B))


@pytest.mark.parametrize(
    "text",
    [
        "5.7.1 Blocked",
        "5.7.26 Not signed",
        "5.7.515 Access denied",
        "5.7.0",
        "5.2.2 Mailbox full",
        "5.3.4 Too big",
        "5.4.1",
        "5.1.8",
        "5.1.7",
        "5.5.2",
        "5.1.11 x",
        "",
        "no such user",
        "see 5.1.1",
        "x5.1.1",
    ],
)
def test_codes_about_us_suppress_nobody(text):
    for stage in Stage:
        for code in (421, 450, 535, 550, 552, 554):
            assert not after(stage, code, text).suppress


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 No such user", "5.1.1"),
        ("2.0.0", "2.0.0"),
        ("5.7.515: denied", "5.7.515"),
        ("4.2.2\tfull", "4.2.2"),
        ("", None),
        ("No such user", None),
        (" 5.1.1 x", None),
        ("3.1.1 x", None),
        ("5.1 x", None),
        ("5.1.1234 x", None),
        ("5.1.1x", None),
    ],
)
def test_enhanced_codes(text, code):
    assert enhanced_code(Reply(code=550, text=text)) == code


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (421, True),
        (454, True),
        (530, True),
        (535, True),
        (538, True),
        (539, False),
        (529, False),
        (450, False),
        (550, False),
        (250, False),
    ],
)
def test_relay_trouble(code, trouble):
    for stage in (C, M, D, B):
        assert is_relay_trouble(Reply(code=code, text=""), stage) is trouble
    assert is_relay_trouble(Reply(code=code, text=""), R) is False, "it may be about one recipient only"


def test_the_wait_grows_and_stays():
    waits = [after(R, 450, tries=n).due_at for n in range(8)]
    assert waits == [NOW + wait for wait in (*BACKOFF, BACKOFF[-1], BACKOFF[-1], BACKOFF[-1])]
    assert list(BACKOFF) == sorted(set(BACKOFF))


def test_relay_trouble_spends_no_attempt():
    assert after(M, 421, "4.3.2 closing") == Verdict(state=S.QUEUED, reason="421 4.3.2 closing")
    for stage in (R, D, B):
        behind = NOW + timedelta(minutes=1)
        assert after(stage, 421, "4.3.2 x") == Verdict(state=S.QUEUED, reason="421 4.3.2 x", due_at=behind)


def test_a_message_that_makes_the_relay_hang_up_goes_behind_the_others():
    assert after(C, None, reason="refused") == Verdict(state=S.QUEUED, reason="refused")
    for stage in (M, R, D):
        assert after(stage, None, reason="cut").due_at == NOW + timedelta(seconds=5)


def test_the_reason_is_kept():
    assert after(R, 550, "5.1.1 No such user").reason == "550 5.1.1 No such user"
    assert after(B, 552, "5.3.4 Too big").reason == "552 5.3.4 Too big"
    assert after(B, None, reason="cut").reason == "cut"
    assert after(B, None).reason == "the connection ended before the answer"
    assert after(B, 354, "go on").reason == "354 go on"


def test_states():
    assert {s.value for s in S} == {
        "queued",
        "claimed",
        "transmitting",
        "sent",
        "deferred",
        "bounced",
        "unknown",
        "suppressed",
        "excluded",
        "expired",
    }
    assert set(UNFINISHED) == {S.QUEUED, S.CLAIMED, S.TRANSMITTING, S.DEFERRED}
    assert set(NOT_RECEIVED) == {S.BOUNCED, S.SUPPRESSED, S.EXCLUDED, S.EXPIRED}
    assert not set(UNFINISHED) & set(NOT_RECEIVED), "unknown and sent count as received"


TRANSITIONS = {
    S.CLAIMED: {S.QUEUED, S.DEFERRED, S.BOUNCED},
    S.TRANSMITTING: {S.SENT, S.DEFERRED, S.BOUNCED, S.UNKNOWN, S.QUEUED},
}
"""What an attempt may make of a claimed row (before the mark) and of a transmitting one (SEMANTICS §3)."""


@given(st.sampled_from(Stage), st.one_of(st.none(), st.integers(200, 599)), st.integers(0, 9))
def test_an_attempt_ends_only_where_the_table_allows(stage, code, tries):
    marked = S.TRANSMITTING if stage is B else S.CLAIMED
    state = after(stage, code, tries=tries).state
    assert state in TRANSITIONS[marked]
    if state is S.QUEUED and stage is B:
        assert code in (421, 454, *range(530, 539)), "only a refusal proves that the relay has no message"
