"""DKIM signatures over finished mails (RFC 6376; Ed25519: RFC 8463).

Headers are canonicalised relaxed, the body simple: ours ends its lines with CRLF and is 7-bit, so no server on the
way has a reason to touch it. There is no time in a signature, so every attempt has the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from feed_publisher.domain.errors import InputError

SIGNED = (
    *("from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type", "content-language"),
    *("list-id", "list-help", "list-archive", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted"),
)
"""Fields that are signed where they stand."""

OVERSIGNED = (
    *("from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"),
    *("content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post"),
)
"""Fields of which nobody can add another one without breaking the signature (RFC 6376 §5.4.2)."""

SMALLEST_RSA = 2048
"""Bits. RFC 8301 asks verifiers for 1024 to 4096; large receivers frown on less than 2048."""

LARGEST_RSA = 4096

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key and where its public half stands: ``SELECTOR._domainkey.DOMAIN``. The key is read once."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @classmethod
    def of(cls, domain: str, selector: str, pem: bytes) -> Signer:
        """Raises InputError when ``pem`` holds no private key that can be used."""
        return cls(domain=domain.lower(), selector=selector, key=_key(pem))

    @property
    def is_rsa(self) -> bool:
        """An RSA signature takes most of a millisecond, the other one a seventh of it."""
        return isinstance(self.key, RSAPrivateKey)

    @property
    def name(self) -> str:
        """Where the record stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The value of the TXT record there. More than 255 characters, so DNS takes it as several strings."""
        if isinstance(self.key, RSAPrivateKey):
            kind, public = "rsa", self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, public = "ed25519", self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"

    def covers(self, domain: str) -> bool:
        """Whether a mail from this domain is aligned with the signature (RFC 7489 §3.1.1, relaxed)."""
        return domain == self.domain or domain.endswith(f".{self.domain}")

    def field(self, fields: Sequence[tuple[bytes, bytes]], body_hash: bytes) -> bytes:
        """The header field with the signature of these fields, and of a body with this hash."""
        names, canonical = _chosen(fields)
        unsigned = b"DKIM-Signature: " + self._tags(names, body_hash) + b" b="
        value = unsigned.partition(b":")[2]
        signature = base64.b64encode(self._sign(canonical + _relaxed(b"dkim-signature", value)))
        return unsigned + b"\r\n ".join(_cut(signature, 72)) + b"\r\n"

    def _tags(self, names: Sequence[bytes], body_hash: bytes) -> bytes:
        algorithm = b"rsa-sha256" if self.is_rsa else b"ed25519-sha256"
        domain, selector = self.domain.encode(), self.selector.encode()
        lines = (
            b"v=1; a=" + algorithm + b"; c=relaxed/simple; q=dns/txt;",
            b"d=" + domain + b"; s=" + selector + b";",
            b"h=" + b":\r\n  ".join(b":".join(names[start : start + 4]) for start in range(0, len(names), 4)) + b";",
            b"bh=" + base64.b64encode(body_hash) + b";",
        )
        return b"\r\n ".join(lines) + b"\r\n"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), SHA256())
        return self.key.sign(hashlib.sha256(data).digest())  # RFC 8463 §3: the hash is what is signed


def signed(message: bytes, signers: Sequence[Signer]) -> bytes:
    """The message with a signature of each signer that covers its From, in front of everything else."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [(name.lower(), value) for name, value in _FIELD.findall(head + b"\r\n")]
    domain = _from_domain(fields)
    mine = [signer for signer in signers if signer.covers(domain)]
    if not mine:
        return message
    body_hash = hashlib.sha256(body.rstrip(b"\r\n") + b"\r\n").digest()
    return b"".join((*(signer.field(fields, body_hash) for signer in mine), message))


def new_key(kind: str) -> bytes:
    """A fresh private key as PEM: ``rsa`` (2048 bits) or ``ed25519``."""
    rsa = kind == "rsa"
    key = generate_private_key(65537, SMALLEST_RSA) if rsa else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key(pem: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise InputError("holds no private key in PEM without a password; `dkim new` makes one") from error
    if isinstance(key, RSAPrivateKey) and not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
        raise InputError(f"holds an RSA key of {key.key_size} bits; use {SMALLEST_RSA} to {LARGEST_RSA}")
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise InputError("holds a key that is neither RSA nor Ed25519")
    return key


def _from_domain(fields: Sequence[tuple[bytes, bytes]]) -> str:
    value = next((value for name, value in fields if name == b"from"), b"")
    return value.rpartition(b"@")[2].strip(b"> \t\r\n").decode("ascii", "replace").lower()


def _chosen(fields: Sequence[tuple[bytes, bytes]]) -> tuple[list[bytes], bytes]:
    """The names for h=, and those fields canonicalised. Of a field that comes twice the last one is signed first."""
    names: list[bytes] = []
    canonical: list[bytes] = []
    for name in (each.encode() for each in SIGNED):
        for value in (value for known, value in reversed(fields) if known == name):
            names.append(name)
            canonical.append(_relaxed(name, value) + b"\r\n")
    return names + [each.encode() for each in OVERSIGNED], b"".join(canonical)


def _relaxed(name: bytes, value: bytes) -> bytes:
    """One field by RFC 6376 §3.4.2, without its line end."""
    return name + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _cut(text: bytes, width: int) -> list[bytes]:
    return [text[start : start + width] for start in range(0, len(text), width)]
