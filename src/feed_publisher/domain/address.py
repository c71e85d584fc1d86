"""Mail addresses: refused at the door, or good for an SMTP envelope."""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.language import Say

MAX_LENGTH = 254  # RFC 5321 §4.5.3.1.3 less the angle brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """``typed`` as the person wrote it; ``domain`` in lower-case A-labels."""

    typed: str
    local: str
    domain: str
    needs_smtputf8: bool

    @property
    def envelope(self) -> str:
        """For RCPT TO; ASCII unless ``needs_smtputf8``."""
        return f"{self.local}@{self.domain}"

    @property
    def normalised(self) -> str:
        """Two addresses with the same one are the same subscriber."""
        return f"{self.local.lower()}@{self.domain}"

    def __str__(self) -> str:
        return self.typed


def parse_address(text: str) -> Address:
    """InputError says what is wrong with the text."""
    typed = text.strip()
    _refuse_obvious(typed)
    try:
        # strict also limits the local part to 64 octets; test_environment lets .test domains through.
        parsed = validate_email(
            typed, check_deliverability=False, strict=True, test_environment=True, allow_smtputf8=True
        )
    except EmailNotValidError as error:
        raise InputError(_advice(str(error)).filled(typed=typed[:100])) from error
    domain = parsed.ascii_domain.lower()
    address = Address(
        typed=typed, local=parsed.local_part, domain=domain, needs_smtputf8=not parsed.local_part.isascii()
    )
    if len(address.envelope.encode()) > MAX_LENGTH:
        raise InputError(TOO_LONG)
    return address


def address_key(address: Address, pepper: bytes) -> str:
    """HMAC-SHA256 in hexadecimal; the only key of a suppression, so it outlives the address."""
    return hmac.digest(pepper, address.normalised.encode(), "sha256").hex()


_SIGNS = {
    ",": Say("a comma"),
    ";": Say("a semicolon"),
    "<": Say("angle brackets"),
    ">": Say("angle brackets"),
}
TOO_LONG = Say("the mail address is longer than %(most)d characters", most=MAX_LENGTH)


def _advice(trouble: str) -> Say:
    """Where to look; what the library says about it is in English alone."""
    if "after the @" in trouble:
        return Say("“%(typed)s” is not a mail address; look at the part after the @, such as example.org")
    if "before the @" in trouble:
        return Say("“%(typed)s” is not a mail address; look at the part before the @")
    return Say("“%(typed)s” is not a mail address; look at how it is written")


def _refuse_obvious(typed: str) -> None:
    """The mistakes people make, each with its own sentence."""
    if not typed:
        raise InputError(Say("the mail address is empty"))
    if len(typed) > MAX_LENGTH:
        raise InputError(TOO_LONG)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in typed):
        raise InputError(Say("the mail address holds an invisible character; type it again"))
    if typed.startswith('"'):
        raise InputError(Say("mail addresses with a quoted part before the @ are not supported"))
    if "=?" in typed:
        raise InputError(
            Say("“%(typed)s” holds =?, which mail programs read as a code for other letters").filled(typed=typed)
        )
    holds = Say("“%(typed)s” holds %(sign)s; give one bare address, such as ann@example.org")
    for sign, called in _SIGNS.items():
        if sign in typed:
            raise InputError(holds.filled(typed=typed, sign=called))
    if any(character.isspace() for character in typed):
        raise InputError(holds.filled(typed=typed, sign=Say("a space")))
    if typed.count("@") != 1:
        reason = Say("“%(typed)s” needs exactly one @; give one bare address, such as ann@example.org")
        raise InputError(reason.filled(typed=typed))
