"""Whether what was posted comes from the service it says: each has a way of its own to sign. Comparisons take
constant time; nothing here raises for what strangers send."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

FRESH = timedelta(minutes=10)
"""How far the time in a signature may be from ours."""

MAILGUN_FRESH = timedelta(hours=12)
"""It posts again for eight hours, with the same signature."""

_CERTIFICATE = re.compile(
    r"https://sns\.[a-z]{2}-[a-z-]{2,20}-\d\.amazonaws\.com(?:\.cn)?/SimpleNotificationService-[0-9a-f]{8,64}\.pem"
)
_CONFIRM = re.compile(
    r"https://sns\.[a-z]{2}-[a-z-]{2,20}-\d\.amazonaws\.com(?:\.cn)?/\?Action=ConfirmSubscription&\S+"
)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def is_generic(header: str, body: bytes, secret: str, now: datetime) -> bool:
    """``header``: "t=SECONDS,v1=HEX", the HMAC-SHA256 of SECONDS + "." + body."""
    found = re.fullmatch(r"t=(\d{1,12}),v1=([0-9a-f]{64})", header)
    if found is None or not _is_fresh(found[1], now, FRESH):
        return False
    return hmac.compare_digest(_hex(secret, found[1].encode() + b"." + body), found[2])


def is_postmark(header: str, password: str) -> bool:
    """HTTP Basic, as user "postmark"."""
    wanted = "Basic " + base64.b64encode(f"postmark:{password}".encode()).decode()
    return hmac.compare_digest(header.encode("utf-8", "replace"), wanted.encode())


def is_mailgun(signature: Mapping[str, object], key: str, now: datetime) -> bool:
    """It signs a time and a token; the rest of what it posts is covered by TLS only."""
    seconds, token, said = (str(signature.get(name, "")) for name in ("timestamp", "token", "signature"))
    if not re.fullmatch(r"\d{1,12}", seconds) or not _is_fresh(seconds, now, MAILGUN_FRESH):
        return False
    return hmac.compare_digest(_hex(key, f"{seconds}{token}".encode()), said.encode("utf-8", "replace").decode())


def is_sendgrid(signature: str, seconds: str, body: bytes, key: str, now: datetime) -> bool:
    """ECDSA over time and body. Raises ValueError when ``key`` is no such key."""
    public = load_der_public_key(base64.b64decode(key, validate=True))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("it is no elliptic curve key")
    if not re.fullmatch(r"\d{1,12}", seconds) or not _is_fresh(seconds, now, FRESH):
        return False
    try:
        public.verify(_decoded(signature), seconds.encode() + body, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def certificate_url(message: Mapping[str, object]) -> str | None:
    """Where the certificate of an SNS message is, if that is Amazon's."""
    url = str(message.get("SigningCertURL", ""))
    return url if _CERTIFICATE.fullmatch(url) else None


def confirm_url(message: Mapping[str, object]) -> str | None:
    """What is to be fetched to say yes to a subscription, if it is Amazon's."""
    url = str(message.get("SubscribeURL", ""))
    return url if _CONFIRM.fullmatch(url) else None


def is_sns(message: Mapping[str, object], certificate: bytes, now: datetime) -> bool:
    """Signed with the key of this certificate, which is valid now."""
    names = _SIGNED.get(str(message.get("Type", "")))
    hashing: HashAlgorithm | None = {"1": SHA1(), "2": SHA256()}.get(str(message.get("SignatureVersion", "")))  # noqa: S303 - Amazon's default
    if names is None or hashing is None:
        return False
    text = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    try:
        found = x509.load_pem_x509_certificate(certificate)
        key = found.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            return False
        signature = _decoded(str(message.get("Signature", "")))
        key.verify(signature, text.encode("utf-8", "replace"), padding.PKCS1v15(), hashing)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _is_fresh(seconds: str, now: datetime, most: timedelta) -> bool:
    return abs(now.timestamp() - int(seconds)) <= most.total_seconds()


def _hex(key: str, data: bytes) -> str:
    return hmac.digest(key.encode(), data, "sha256").hex()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii", "replace"), validate=True)
    except (binascii.Error, ValueError):
        return b""
