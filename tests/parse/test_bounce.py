"""Foreign mail that comes back: what is read from it, and that nothing in it breaks or stops the reading."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_publisher.domain.bounce import BounceKind
from feed_publisher.parse.bounce import Nature, read_returned

REPORT = (
    b"From: MAILER-DAEMON@mx.example\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; boundary="B"\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n'
    b"--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n%s\r\n--B--\r\n"
)
FAILED = (
    b"Final-Recipient: rfc822; a@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 gone\r\n"
)
DELAYED = b"Final-Recipient: rfc822; b@example.org\r\nAction: delayed\r\nStatus: 4.4.1\r\n"
PERSON = b"From: Ann <ann@example.org>\r\nTo: b@example.org\r\nSubject: Hello\r\n"


def kind_of(raw: bytes, mail_from: str | None = "") -> BounceKind | None:
    report = read_returned(raw, mail_from).report
    return report.kind if report else None


def test_a_delivery_status() -> None:
    found = read_returned(REPORT % FAILED)
    assert found.nature is Nature.REPORT
    assert found.report is not None
    assert str(found.report) == "5.1.1 550 gone"


def test_of_several_recipients_the_mildest_counts() -> None:
    assert kind_of(REPORT % (FAILED + b"\r\n" + DELAYED)) is BounceKind.DELAYED


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (b"Status: 5.1.1\r\n", BounceKind.HARD),
        (b"Status: 4.2.2\r\n", BounceKind.DELAYED),
        (b"Action: relayed\r\n", BounceKind.DELIVERED),
        (b"Action: FAILED (it did)\r\nStatus: 2.0.0\r\n", BounceKind.UNCLEAR),
        (b"Action: failed\r\nStatus: 5.1.1234\r\nDiagnostic-Code: 550 5.2.2 full\r\n", BounceKind.SOFT),
        (b"Action: \xff\xfe\r\nStatus: nonsense\r\n", BounceKind.DELAYED),
    ],
)
def test_odd_delivery_statuses(block: bytes, kind: BounceKind) -> None:
    assert kind_of(REPORT % block) is kind


def test_a_report_inside_an_attached_mail_is_not_the_mails_own() -> None:
    forwarded = (
        PERSON
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="X"\r\n\r\n--X\r\n'
        + b"Content-Type: text/plain\r\n\r\nLook what I got.\r\n--X\r\nContent-Type: message/rfc822\r\n\r\n"
        + REPORT % FAILED
        + b"\r\n--X--\r\n"
    )
    assert read_returned(forwarded, "ann@example.org").nature is Nature.HUMAN


def test_an_answer_may_quote_a_bounce() -> None:
    quoted = b"In-Reply-To: <1.2@x.example>\r\n\r\nI wonder:\r\n\r\n550 5.1.1 <b@example.org>... User unknown\r\n"
    daemon = b"The following addresses had permanent fatal errors\r\n<b@example.org>\r\n"
    assert read_returned(PERSON + quoted + daemon, "ann@example.org").nature is Nature.HUMAN


@pytest.mark.parametrize(
    "head",
    [
        b"Auto-Submitted: auto-replied; owner-email=ann@example.org\r\n",
        b"Auto-Submitted: Auto-Generated\r\n",
        b"X-Autoreply: yes\r\n",
        b"Precedence: junk\r\n",
        b"List-Id: <a.example>\r\n",
    ],
)
def test_what_no_person_wrote(head: bytes) -> None:
    assert read_returned(head + PERSON + b"\r\nHello.\r\n", "ann@example.org").nature is Nature.AUTO


@pytest.mark.parametrize(
    "subject", ["Automatic reply: Weekly", "Out of Office: Weekly", "Abwesend: Weekly", "Autoreply"]
)
def test_subjects_of_the_absent(subject: str) -> None:
    mail = f"From: ann@example.org\r\nSubject: {subject}\r\n\r\nI am away.\r\n".encode()
    assert read_returned(mail, "ann@example.org").nature is Nature.AUTO


def test_what_is_from_nobody_is_nobodys_answer() -> None:
    assert read_returned(PERSON + b"\r\nHello.\r\n", "").nature is Nature.UNCLEAR
    assert read_returned(b"Return-Path: <>\r\n" + PERSON + b"\r\nHello.\r\n").nature is Nature.UNCLEAR
    assert read_returned(b"\r\nHello.\r\n", "x@example.org").nature is Nature.UNCLEAR
    assert read_returned(b"", None).nature is Nature.UNCLEAR
    assert read_returned(PERSON + b"\r\nHello.\r\n", "ann@example.org").nature is Nature.HUMAN


FEEDBACK = (
    b"From: fbl@provider.example\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\r\n\r\n'
    b"--B\r\nContent-Type: message/feedback-report\r\n%s\r\nFeedback-Type: %s\r\nUser-Agent: X/1\r\n"
    b"Original-Mail-From: <b-%s@back.example>\r\n\r\n--B--\r\n"
)


def test_a_complaint_and_the_address_in_it() -> None:
    found = read_returned(FEEDBACK % (b"", b"abuse", b"a" * 32), "fbl@provider.example")
    assert found.report is not None
    assert found.report.kind is BounceKind.COMPLAINT
    assert found.inside == (f"b-{'a' * 32}@back.example",)
    assert kind_of(FEEDBACK % (b"", b"not-spam", b"a" * 32)) is None


def nested(depth: int, lines: int = 1) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\n" + b"-\r\n" * lines
    for level in range(depth):
        mark = str(level).encode()
        inner = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n%s\r\n--%s--\r\n' % (
            mark,
            mark,
            inner,
            mark,
        )
    return PERSON + inner


def boxes(depth: int) -> bytes:
    return PERSON + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"end\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        nested(90),
        nested(240, 60_000),
        nested(3000),
        boxes(90),
        boxes(20_000),
        PERSON + b"\r\n" + b"<" * 400_000,
        PERSON + b"\r\n" + b"<a" * 200_000 + b">\r\n",
        PERSON + b"\r\nhere is your list of failed recipients\r\n" + (b"<" * 990 + b"\r\n") * 400,
        b"Subject: " + b"=?utf-8?q?" * 50_000 + b"\r\n\r\n",
        b"From: " + b"(" * 100_000 + b"\r\nTo: " + b"<," * 100_000 + b"\r\n\r\n",
        b"X: y\r\n" * 60_000,
        REPORT % (b"Action: failed\r\n\r\n" * 20_000),
        REPORT.replace(b'boundary="B"', b"boundary=") % FAILED,
        REPORT.replace(b"text/plain", b"text/plain; charset=\xff") % FAILED,
        REPORT.replace(b"message/delivery-status", b"message/delivery-status\r\nContent-Transfer-Encoding: base64")
        % FAILED,
        FEEDBACK % (b"Content-Transfer-Encoding: base64\r\n", b"abuse", b"a" * 32),
        b"\0" * 100_000,
        b"\r" * 100_000,
        PERSON + b"\r\n" + b"b-" * 130_000,
    ],
    ids=range(19),
)
def test_hostile_mail_costs_little(raw: bytes) -> None:
    before = time.process_time()
    read_returned(raw)
    read_returned(raw.replace(b"From: Ann <ann@example.org>", b"From: MAILER-DAEMON@x.example"), "")
    assert time.process_time() - before < 2


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2**32))
def test_no_bytes_break_it(junk: bytes, seed: int) -> None:
    chance = random.Random(seed)
    raw = bytearray((REPORT % FAILED) if seed % 2 else (FEEDBACK % (b"", b"abuse", b"a" * 32)))
    place = chance.randrange(len(raw))
    raw[place : place + chance.randrange(40)] = junk
    read_returned(bytes(raw))
    read_returned(junk, "")
