"""Mail addresses: refused at the door, or good for an SMTP envelope."""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from feed_publisher.domain.errors import InputError

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
        raise InputError(f"“{typed[:100]}” is not a mail address: {error}") from error
    domain = parsed.ascii_domain.lower()
    address = Address(
        typed=typed, local=parsed.local_part, domain=domain, needs_smtputf8=not parsed.local_part.isascii()
    )
    if len(address.envelope.encode()) > MAX_LENGTH:
        raise InputError(f"the mail address is longer than {MAX_LENGTH} characters")
    return address


def address_key(address: Address, pepper: bytes) -> str:
    """HMAC-SHA256 in hexadecimal; the only key of a suppression, so it outlives the address."""
    return hmac.digest(pepper, address.normalised.encode(), "sha256").hex()


def _refuse_obvious(typed: str) -> None:
    """The mistakes people make, each with its own sentence."""
    if not typed:
        raise InputError("the mail address is empty")
    if len(typed) > MAX_LENGTH:
        raise InputError(f"the mail address is longer than {MAX_LENGTH} characters")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in typed):
        raise InputError("the mail address holds an invisible character; type it again")
    if typed.startswith('"'):
        raise InputError("mail addresses with a quoted part before the @ are not supported")
    if "=?" in typed:
        raise InputError(f"“{typed}” holds =?, which mail programs read as a code for other letters")
    for sign, called in ((",", "a comma"), (";", "a semicolon"), ("<", "angle brackets"), (">", "angle brackets")):
        if sign in typed:
            raise InputError(f"“{typed}” holds {called}; give one bare address, such as ann@example.org")
    if any(character.isspace() for character in typed):
        raise InputError(f"“{typed}” holds a space; give one bare address, such as ann@example.org")
    if typed.count("@") != 1:
        raise InputError(f"“{typed}” needs exactly one @; give one bare address, such as ann@example.org")
