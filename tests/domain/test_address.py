import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.address import address_key, parse_address
from feed_publisher.domain.errors import InputError


def test_plain():
    address = parse_address("  Ann.Po+news@Example.ORG ")
    assert address.typed == str(address) == "Ann.Po+news@Example.ORG"
    assert address.envelope == "Ann.Po+news@example.org"
    assert address.normalised == "ann.po+news@example.org"
    assert not address.needs_smtputf8


def test_international_domain():
    address = parse_address("ann@Bücher.example")
    assert address.domain == "xn--bcher-kva.example"
    assert address.envelope.isascii()
    assert not address.needs_smtputf8
    assert parse_address("ann@xn--bcher-kva.example").normalised == address.normalised


def test_international_local_part():
    address = parse_address("zoë@example.org")
    assert address.needs_smtputf8
    assert address.envelope == "zoë@example.org"
    assert parse_address("zoe\u0308@example.org").normalised == address.normalised


def test_test_domains_work():
    assert parse_address("a@harbour.test").domain == "harbour.test"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("ann", "exactly one @"),
        ("a@b@example.org", "exactly one @"),
        ("a@example.org b@example.org", "a space"),
        ("a@example.org,b@example.org", "a comma"),
        ("=?utf-8?q?a=40b?=@example.org", "=?"),
        ("a@example.org;b@example.org", "a semicolon"),
        ("Ann <a@example.org>", "angle brackets"),
        ("a b@example.org", "a space"),
        ("a\u00a0b@example.org", "a space"),
        ("a\n@example.org", "invisible"),
        ("a@example.org\r\nBcc: b@example.org", "invisible"),
        ("a\0@example.org", "invisible"),
        ("a\u200b@example.org", "invisible"),
        ('"a b"@example.org', "quoted"),
        ('"a@b"@example.org', "quoted"),
        ("a@[127.0.0.1]", "is not a mail address"),
        ("a@localhost", "is not a mail address"),
        (".a@example.org", "is not a mail address"),
        ("a..b@example.org", "is not a mail address"),
        ("@example.org", "is not a mail address"),
        ("a@", "is not a mail address"),
        ("x" * 65 + "@example.org", "is not a mail address"),
        ("a@" + "x." * 130 + "org", "longer than 254"),
    ],
)
def test_refused_with_its_reason(text, says):
    with pytest.raises(InputError, match=says):
        parse_address(text)


def test_key_knows_the_normalised_address_and_the_pepper():
    key = address_key(parse_address("Ann@Example.org"), b"pepper")
    assert key == address_key(parse_address("ann@example.ORG"), b"pepper")
    assert key != address_key(parse_address("ann@example.org"), b"salt")
    assert key == hmac.new(b"pepper", b"ann@example.org", hashlib.sha256).hexdigest()


@given(st.text(max_size=40) | st.text(st.sampled_from('ab.@"<>-é \t'), max_size=20).map(lambda text: text + "@a.org"))
def test_any_text_is_an_address_or_an_input_error(text):
    try:
        address = parse_address(text)
    except InputError:
        return
    assert not set(address.envelope) & set(' \t\r\n,<>"')
    assert address.domain.isascii()
    assert parse_address(address.envelope).normalised == address.normalised
