"""What mail services post: only what is signed does anything, and the same again does no more."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from flow.conftest import site as site
from flow.flow_site import MONDAY, Site
from starlette.applications import Starlette
from starlette.testclient import TestClient

from feed_publisher.web.mailhooks import MailHookDoor
from feed_publisher.web.site import build

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
MORE = f"""
[mail]
bounce_domain = "back.harbour.example"
[bounces]
hook_secret_file = "secret"
postmark_password_file = "secret"
mailgun_key_file = "secret"
sendgrid_key_file = "sendgrid"
ses_topics = ["{TOPIC}"]
"""
SENDGRID = ec.generate_private_key(ec.SECP256R1())
AMAZON = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def hooked(site: Site) -> Site:
    site.configure(digest=MORE)
    (site.folder / "secret").write_text("s3cret\n")
    public = SENDGRID.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (site.folder / "sendgrid").write_bytes(base64.b64encode(public))
    site.join("email\nann@example.org\nben@example.org\n")
    site.write("1.md", "---\ntitle: Article\n---\nText.\n")
    site.pickup()
    assert site.send() is not None
    return site


@pytest.fixture
def fetched() -> list[str]:
    """What was asked of Amazon, which is out of reach here."""
    return []


@pytest.fixture
def client(hooked: Site, fetched: list[str]) -> Iterator[TestClient]:
    async def amazon(url: str) -> bytes:
        fetched.append(url)
        return certificate(MONDAY)

    with hooked.open() as app, TestClient(Starlette(routes=MailHookDoor(app, amazon).routes())) as client:
        yield client


def test_the_whole_site_has_the_door(hooked: Site) -> None:
    body = generic(type="bounce", status="5.1.1", address="ann@example.org")
    with hooked.open() as app, TestClient(build(app)) as client:
        assert client.post("/hooks/mail/generic", content=body).status_code == 403
        assert client.post("/hooks/mail/generic", content=body, headers=signed(body, hooked.now)).status_code == 200
    assert state(hooked) == ("bounced", "active")


def signed(body: bytes, now: datetime, secret: str = "s3cret") -> dict[str, str]:
    seconds = str(int(now.timestamp()))
    mac = hmac.digest(secret.encode(), seconds.encode() + b"." + body, "sha256").hex()
    return {"X-Signature": f"t={seconds},v1={mac}"}


def generic(**event: str) -> bytes:
    return json.dumps({"events": [event]}).encode()


def state(site: Site, address: str = "ann@example.org") -> tuple[str, str]:
    query = (
        "SELECT d.state, n.state FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id"
        " JOIN subscription n ON n.id = d.subscription_id WHERE s.address = ?"
    )
    (row,) = site.sql(query, address)
    return tuple(row)  # type: ignore[return-value]


def never_mailed(site: Site) -> list[str]:
    with site.open() as app:
        return [address for address, _, _ in app.people.suppressions()]


def names_of(site: Site, address: str = "ann@example.org") -> dict[str, str]:
    (mail,) = (message_from_bytes(mail.raw) for mail in site.mails() if mail.to == address)
    return {"mail_from": mail["Return-Path"], "message_id": mail["Message-ID"], "address": mail["To"]}


@pytest.mark.parametrize("name", ["mail_from", "message_id", "address"])
def test_generic_names_the_mail_in_one_of_three_ways(hooked: Site, client: TestClient, name: str) -> None:
    body = generic(type="bounce", status="5.1.1", reason="550 gone", **{name: names_of(hooked)[name]})
    for _ in range(2):
        answer = client.post("/hooks/mail/generic", content=body, headers=signed(body, hooked.now))
        assert (answer.status_code, answer.text) == (200, "noted\n")
    assert state(hooked) == ("bounced", "active")
    assert state(hooked, "ben@example.org") == ("sent", "active")
    assert never_mailed(hooked) == ["ann@example.org"]
    with hooked.open() as app:
        assert app.bounces.counts(hooked.now.date()) == {"hard": 1, "known": 1}


def test_what_is_not_signed_does_nothing(hooked: Site, client: TestClient) -> None:
    body = generic(type="bounce", status="5.1.1", address="ann@example.org")
    late = hooked.now - timedelta(minutes=11)
    for headers in ({}, signed(body, hooked.now, "other"), signed(body + b" ", hooked.now), signed(body, late)):
        assert client.post("/hooks/mail/generic", content=body, headers=headers).status_code == 403
    assert state(hooked) == ("sent", "active")


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"{}", b'{"events": [1]}', b"[" * 100_000, b"\xff"])
def test_what_is_not_understood_is_said(hooked: Site, client: TestClient, body: bytes) -> None:
    assert client.post("/hooks/mail/generic", content=body, headers=signed(body, hooked.now)).status_code == 400


def test_doors(hooked: Site, client: TestClient) -> None:
    assert client.get("/hooks/mail/generic").status_code == 405
    assert client.post("/hooks/mail/other").status_code == 404
    assert client.post("/hooks/mail/generic", content=b"x" * 1_000_001).status_code == 413
    (hooked.folder / "secret").unlink()
    body = generic(type="bounce", address="ann@example.org")
    assert client.post("/hooks/mail/generic", content=body, headers=signed(body, hooked.now)).status_code == 503


def test_too_early_comes_again(hooked: Site, client: TestClient) -> None:
    hooked.sql("UPDATE delivery SET state = 'transmitting'")
    body = generic(type="bounce", status="5.1.1", address="ann@example.org")
    answer = client.post("/hooks/mail/generic", content=body, headers=signed(body, hooked.now))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "300")
    hooked.sql("UPDATE delivery SET state = 'sent'")


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"RecordType": "Bounce", "Type": "HardBounce", "Details": "550 5.1.1 unknown"}, ("bounced", "active", True)),
        ({"RecordType": "Bounce", "Type": "HardBounce", "Details": "550 5.7.1 spam"}, ("bounced", "active", False)),
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, ("bounced", "active", False)),
        ({"RecordType": "Bounce", "Type": "AutoResponder"}, ("sent", "active", False)),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint"}, ("sent", "unsubscribed", True)),
        ({"RecordType": "Delivery"}, ("sent", "active", False)),
    ],
)
def test_postmark(hooked: Site, client: TestClient, event: dict[str, str], found: tuple[str, str, bool]) -> None:
    body = json.dumps({"Email": "Ann@example.org"} | event)
    assert client.post("/hooks/mail/postmark", content=body, auth=("postmark", "other")).status_code == 403
    assert client.post("/hooks/mail/postmark", content=body, auth=("postmark", "s3cret")).status_code == 200
    assert (*state(hooked), bool(never_mailed(hooked))) == found


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "gone"}, ("bounced", "active", True)),
        ({"event": "bounce", "type": "blocked", "status": "5.1.1", "reason": "no"}, ("bounced", "active", False)),
        ({"event": "spamreport"}, ("sent", "unsubscribed", True)),
        ({"event": "deferred"}, ("sent", "active", False)),
        ({"event": "open"}, ("sent", "active", False)),
    ],
)
def test_sendgrid(hooked: Site, client: TestClient, event: dict[str, str], found: tuple[str, str, bool]) -> None:
    body = json.dumps([{"smtp-id": names_of(hooked)["message_id"], "email": "ann@example.org"} | event]).encode()
    seconds = str(int(hooked.now.timestamp()))
    signature = SENDGRID.sign(seconds.encode() + body, ec.ECDSA(SHA256()))
    head = "X-Twilio-Email-Event-Webhook-"
    headers = {f"{head}Signature": base64.b64encode(signature).decode(), f"{head}Timestamp": seconds}
    forged = headers | {f"{head}Timestamp": str(int(seconds) + 1)}
    assert client.post("/hooks/mail/sendgrid", content=body, headers=forged).status_code == 403
    assert client.post("/hooks/mail/sendgrid", content=body, headers=headers).status_code == 200
    assert (*state(hooked), bool(never_mailed(hooked))) == found


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"event": "failed", "severity": "permanent", "delivery-status": {"code": 550, "message": "5.1.1 gone"}},
         ("bounced", "active", True)),
        ({"event": "failed", "severity": "temporary", "delivery-status": {"code": 452}}, ("sent", "active", False)),
        ({"event": "complained"}, ("sent", "unsubscribed", True)),
        ({"event": "opened"}, ("sent", "active", False)),
    ],
)  # fmt: skip
def test_mailgun(hooked: Site, client: TestClient, event: dict[str, object], found: tuple[str, str, bool]) -> None:
    seconds = str(int(hooked.now.timestamp()))
    signature = {"timestamp": seconds, "token": "t" * 50}
    mac = hmac.digest(b"s3cret", (seconds + "t" * 50).encode(), "sha256").hex()
    about = {"recipient": "ann@example.org", "message": {"headers": {"message-id": "unknown@x"}}} | event
    for said, status in (("0" * 64, 403), (mac, 200)):
        body = json.dumps({"signature": signature | {"signature": said}, "event-data": about})
        assert client.post("/hooks/mail/mailgun", content=body).status_code == status
    assert (*state(hooked), bool(never_mailed(hooked))) == found


# --- Amazon


def certificate(now: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(AMAZON.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.sign(AMAZON, SHA256()).public_bytes(Encoding.PEM)


def sns(message: object, version: str = "2", **more: str) -> dict[str, str]:
    post = {
        "Type": "Notification",
        "MessageId": "1",
        "TopicArn": TOPIC,
        "Message": json.dumps(message),
        "Timestamp": "2026-11-02T05:00:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | more
    names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{post[name]}\n" for name in names if name in post)
    signature = AMAZON.sign(text.encode(), padding.PKCS1v15(), SHA256() if version == "2" else SHA1())
    return post | {"Signature": base64.b64encode(signature).decode()}


def bounce(site: Site, kind: str = "Permanent", status: str = "5.1.1") -> dict[str, object]:
    recipient = {"emailAddress": "ann@example.org", "status": status, "diagnosticCode": f"smtp; 550 {status} no"}
    return {
        "notificationType": "Bounce",
        "bounce": {"bounceType": kind, "bouncedRecipients": [recipient]},
        "mail": {"source": names_of(site)["mail_from"].strip("<>")},
    }


@pytest.mark.parametrize("version", ["1", "2"])
def test_ses(hooked: Site, client: TestClient, fetched: list[str], version: str) -> None:
    for _ in range(2):
        answer = client.post("/hooks/mail/ses", json=sns(bounce(hooked), version, Subject="x"))
        assert answer.status_code == 200
    assert fetched == [CERTIFICATE]
    assert state(hooked) == ("bounced", "active")
    assert never_mailed(hooked) == ["ann@example.org"]


def test_ses_may_mean_not_now(hooked: Site, client: TestClient, fetched: list[str]) -> None:
    assert client.post("/hooks/mail/ses", json=sns(bounce(hooked, "Transient"))).status_code == 200
    assert (*state(hooked), never_mailed(hooked)) == ("bounced", "active", [])


def test_ses_complaints(hooked: Site, client: TestClient, fetched: list[str]) -> None:
    about = {"complainedRecipients": [{"emailAddress": "ann@example.org"}], "complaintFeedbackType": "abuse"}
    message = {"eventType": "Complaint", "complaint": about, "mail": {}}
    assert client.post("/hooks/mail/ses", json=sns(message)).status_code == 200
    assert (*state(hooked), never_mailed(hooked)) == ("sent", "unsubscribed", ["ann@example.org"])


@pytest.mark.parametrize(
    "change",
    [
        {"Message": json.dumps({"notificationType": "Bounce"})},
        {"TopicArn": TOPIC + "x"},
        {"Signature": "AAAA"},
        {"Signature": "é"},
        {"SignatureVersion": "3"},
        {"Type": "Other"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789.pem"},
        {
            "SigningCertURL": "https://evil.example/?https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem"
        },
        {"SigningCertURL": CERTIFICATE.replace("https", "http")},
        {"SigningCertURL": CERTIFICATE.replace("sns.", "bucket.s3.")},
    ],
)
def test_ses_forged(hooked: Site, client: TestClient, fetched: list[str], change: dict[str, str]) -> None:
    assert client.post("/hooks/mail/ses", json=sns(bounce(hooked)) | change).status_code == 403
    assert state(hooked) == ("sent", "active")
    assert set(fetched) <= {CERTIFICATE}


def test_ses_with_a_certificate_that_has_run_out(hooked: Site, client: TestClient, fetched: list[str]) -> None:
    hooked.now += timedelta(days=2)
    assert client.post("/hooks/mail/ses", json=sns(bounce(hooked))).status_code == 403


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        ("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc", True),
        ("https://evil.example/?Action=ConfirmSubscription&Token=abc", False),
    ],
)
def test_ses_subscription(client: TestClient, fetched: list[str], url: str, followed: bool) -> None:
    post = sns("hello", Type="SubscriptionConfirmation", SubscribeURL=url, Token="abc")
    assert client.post("/hooks/mail/ses", json=post).status_code == 200
    assert (url in fetched) is followed
