"""Signatures that others verify (dkimpy), over what we really send, and that nothing can be added to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed_publisher.compose.dkim import OVERSIGNED, Signer, new_key, signed
from feed_publisher.compose.message import Personal, Sender, Skeleton
from feed_publisher.domain.errors import InputError

RSA = Signer.of("harbour.example", "fp1", new_key("rsa"))
ED25519 = Signer.of("harbour.example", "fp2", new_key("ed25519"))
BOTH = (RSA, ED25519)
RECORDS = {signer.name: signer.record for signer in BOTH}
URL = "https://harbour.example/unsubscribe/" + "A" * 56


def mail(subject: str = "The week", name: str = "Harbour", text: str = "Hello", address: str = "news@harbour.example"):  # type: ignore[no-untyped-def]
    sender = Sender(name=name, address=address, list_id="weekly.harbour.example", list_help="https://harbour.example/")
    personal = Personal(
        to="ann@example.org",
        message_id="7.42@harbour.example",
        date=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        values={},
        unsubscribe_url=URL,
    )
    return Skeleton(sender, subject, f"<p>{text}</p>", text, "en", "0123456789abcdef").message(personal)


def verdicts(message: bytes, records: Mapping[str, str] = RECORDS) -> list[bool]:
    """What dkimpy says of each signature, from the top."""

    def answer(name: bytes | str, timeout: int = 5) -> bytes | None:
        text = name.decode() if isinstance(name, bytes) else name
        record = records.get(text.rstrip("."))
        return record.encode() if record else None

    count = len(re.findall(rb"^DKIM-Signature:", message, re.MULTILINE))
    return [_verdict(message, index, answer) for index in range(count)]


def _verdict(message: bytes, index: int, answer: Callable[..., bytes | None]) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=index, dnsfunc=answer))
    except dkim.ValidationError:  # the body has another hash
        return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_a_mail_both_signatures_are_good(subject: str, name: str, text: str) -> None:
    message = signed(mail(subject, name, text), BOTH)
    assert verdicts(message) == [True, True]
    ours = message.partition(b"\r\nTo: ")[0]
    assert max(len(line) for line in ours.split(b"\r\n")) <= 78, "nobody has a reason to fold it anew"


@pytest.mark.parametrize("field", OVERSIGNED)
def test_no_field_that_readers_see_or_clients_obey_can_be_added(field: str) -> None:
    message = signed(mail(), BOTH)
    start = message.index(b"\r\nTo: ") + 2
    forged = message[:start] + f"{field}: <https://evil.example/>\r\n".encode() + message[start:]
    below = message.replace(b"\r\n\r\n", f"\r\n{field}: <https://evil.example/>\r\n\r\n".encode(), 1)
    assert verdicts(forged) == [False, False]
    assert verdicts(below) == [False, False]


def test_neither_body_nor_header_can_be_changed() -> None:
    message = signed(mail(), BOTH)
    assert verdicts(message.replace(b"Hello", b"Hallo")) == [False, False]
    assert verdicts(message.replace(b"Subject: The week", b"Subject: The weak")) == [False, False]
    assert verdicts(message.replace(b"Subject: The week", b"SUBJECT:   The  week")) == [True, True], "relaxed"
    assert verdicts(message + b"\r\n\r\n") == [True, True], "empty lines at the end are none (simple)"


def test_the_message_follows_unchanged_and_each_attempt_has_the_same_bytes() -> None:
    message = mail()
    once, again = signed(message, BOTH), signed(message, BOTH)
    assert once == again
    assert once.endswith(message)


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("news@harbour.example", 1),
        ("news@Letters.Harbour.Example", 1),
        ("news@notharbour.example", 0),
        ("news@harbour.example.org", 0),
    ],
)
def test_only_mail_that_the_signature_is_aligned_with_is_signed(address: str, count: int) -> None:
    assert len(verdicts(signed(mail(address=address), [RSA]))) == count


def test_a_domain_may_have_a_key_of_its_own() -> None:
    other = Signer.of("town.example", "a", new_key("ed25519"))
    message = signed(mail(address="x@town.example"), [RSA, other])
    assert verdicts(message, {other.name: other.record}) == [True]


def test_the_domain_of_from_is_the_last_one_whatever_its_name_says() -> None:
    forged = b"From: harbour.example news@harbour.example\r\n <x@evil.example>\r\nSubject: x\r\n\r\nx\r\n"
    assert signed(forged, BOTH) == forged
    assert signed(b"Subject: no From\r\n\r\nx\r\n", BOTH).startswith(b"Subject")


@pytest.mark.parametrize("message", [b"From: a@harbour.example\r\n\r\n", b"From: a@harbour.example\r\n\r\n\r\n\r\n"])
def test_an_empty_body_is_one_line_end(message: bytes) -> None:
    assert verdicts(signed(message, BOTH)) == [True, True]


def _pem(key, encryption=None) -> bytes:  # type: ignore[no-untyped-def]
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (_pem(generate_rsa(65537, 2048), BestAvailableEncryption(b"secret")), "no private key"),
        (_pem(generate_rsa(65537, 1024)), "1024 bits; use 2048 to 4096"),
        (_pem(generate_private_key(SECP256R1())), "neither RSA nor Ed25519"),
    ],
)
def test_what_cannot_be_used_as_a_key_says_why(pem: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Signer.of("harbour.example", "fp1", pem)


def _fields(message: bytes) -> Sequence[bytes]:
    return message.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")


def test_every_field_of_a_digest_is_signed() -> None:
    message = signed(mail(), [RSA])
    names = {line.partition(b":")[0] for line in _fields(mail()) if not line.startswith((b" ", b"\t"))}
    listed = re.search(rb"h=([^;]+);", message)
    assert listed
    assert names - set(re.sub(rb"\s", b"", listed[1]).split(b":")) == {b"precedence"}
