"""What mail services post about mails that they have delivered for us, as reports. Signatures are checked elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from feed_publisher.domain.bounce import BounceKind, Report, classify_failure
from feed_publisher.domain.errors import InputError
from feed_publisher.parse.bounce import one_line

MOST = 1000
"""Events in one post."""

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One report, and whatever of these names its mail. ``address``: whom it was for."""

    report: Report
    address: str = ""
    mail_from: str = ""
    message_id: str = ""


def read_json(body: bytes) -> Any:
    """Raises InputError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("the body is no JSON") from error


def read_hook(name: str, document: Any) -> list[Told]:
    """The reports of one post; events that ask for nothing are left out. Raises InputError."""
    found = [told for event in _events(name, document)[:MOST] if (told := _READERS[name](event)) is not None]
    return [told for told in found if told.address or told.mail_from or told.message_id]


def _events(name: str, document: Any) -> list[Mapping[str, Any]]:
    if name == "generic":
        document = document.get("events") if isinstance(document, dict) else None
    elif name == "mailgun":
        document = [document.get("event-data")] if isinstance(document, dict) else None
    elif name == "ses":
        return [*_of_recipients(document)]
    elif isinstance(document, dict):
        document = [document]
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise InputError("the body is not what this service posts")
    return document


def _generic(event: Mapping[str, Any]) -> Told | None:
    report = _report(_text(event, "type"), _text(event, "status"), _text(event, "reason"))
    names = {name: _text(event, name) for name in ("address", "mail_from", "message_id")}
    return Told(report=report, **names) if report else None


def _report(what: str, status: str, said: str) -> Report | None:
    status = status if _STATUS.fullmatch(status) else ""
    reason = one_line(said)
    if what == "bounce":
        return Report(kind=classify_failure(status, reason), status=status, reason=reason)
    kind = {each.value: each for each in (BounceKind.COMPLAINT, BounceKind.DELIVERED, BounceKind.DELAYED)}.get(what)
    return Report(kind=kind, status=status, reason=reason) if kind else None


_POSTMARK = {
    "HardBounce": BounceKind.HARD,
    "BadEmailAddress": BounceKind.HARD,
    "SoftBounce": BounceKind.SOFT,
    "DnsError": BounceKind.SOFT,
    "Transient": BounceKind.DELAYED,
    "Blocked": BounceKind.POLICY,
    "SpamNotification": BounceKind.POLICY,
    "DMARCPolicy": BounceKind.POLICY,
    "SpamComplaint": BounceKind.COMPLAINT,
}


def _postmark(event: Mapping[str, Any]) -> Told | None:
    what = "SpamComplaint" if event.get("RecordType") == "SpamComplaint" else _text(event, "Type")
    kind = BounceKind.DELIVERED if event.get("RecordType") == "Delivery" else _POSTMARK.get(what)
    if kind is None:
        return None
    said = one_line(_text(event, "Details") or _text(event, "Description"))
    if kind is BounceKind.HARD and classify_failure("", said) is BounceKind.POLICY:
        kind = BounceKind.POLICY
    address = _text(event, "Email") or _text(event, "Recipient")
    return Told(report=Report(kind=kind, reason=said), address=address)


def _sendgrid(event: Mapping[str, Any]) -> Told | None:
    what = {"bounce": "bounce", "spamreport": "complaint", "delivered": "delivered", "deferred": "delayed"}
    report = _report(what.get(_text(event, "event"), ""), _text(event, "status"), _text(event, "reason"))
    if report is not None and event.get("type") == "blocked" and report.kind is BounceKind.HARD:
        report = replace(report, kind=BounceKind.UNCLEAR)  # its own word for: the address may well exist
    if report is None:
        return None
    return Told(report=report, address=_text(event, "email"), message_id=_text(event, "smtp-id"))


def _mailgun(event: Mapping[str, Any]) -> Told | None:
    what, delivery = _text(event, "event"), _part(event, "delivery-status")
    if what == "failed":
        what = "delayed" if event.get("severity") == "temporary" else "bounce"
    said = " ".join(
        filter(None, (_text(delivery, "code"), _text(delivery, "message") or _text(delivery, "description")))
    )
    report = _report({"complained": "complaint"}.get(what, what), _text(delivery, "enhanced-code"), said)
    message_id = _text(_part(_part(event, "message"), "headers"), "message-id")
    mail_from = _text(_part(event, "envelope"), "sender")
    if report is None:
        return None
    return Told(report=report, address=_text(event, "recipient"), mail_from=mail_from, message_id=message_id)


_OF_SES = {
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "Delivery": ("delivery", "recipients"),
}


def _of_recipients(document: Any) -> Iterable[Mapping[str, Any]]:
    """One event for each recipient of an SES notification."""
    if not isinstance(document, dict):
        raise InputError("the message is not what SES publishes")
    what = _text(document, "notificationType") or _text(document, "eventType")
    part, name = _OF_SES.get(what, ("", ""))
    about, mail = _part(document, part), _part(document, "mail")
    recipients = about.get(name)
    for each in recipients[:MOST] if isinstance(recipients, list) else []:
        recipient = each if isinstance(each, dict) else {"emailAddress": each}
        yield {"what": part, "about": about, "recipient": recipient, "source": _text(mail, "source")}


def _ses(event: Mapping[str, Any]) -> Told | None:
    recipient, about = _part(event, "recipient"), _part(event, "about")
    what = {"delivery": "delivered"}.get(event["what"], event["what"])
    said = _text(recipient, "diagnosticCode") or _text(about, "bounceSubType") or _text(about, "complaintFeedbackType")
    report = _report(what, _text(recipient, "status"), said.removeprefix("smtp; "))
    if report is not None and what == "bounce" and about.get("bounceType") == "Transient":
        kind = report.kind if report.kind is BounceKind.POLICY else BounceKind.SOFT
        report = replace(report, kind=kind)
    if report is None:
        return None
    return Told(report=report, address=_text(recipient, "emailAddress"), mail_from=_text(event, "source"))


_READERS: dict[str, Callable[[Mapping[str, Any]], Told | None]] = {
    "generic": _generic,
    "postmark": _postmark,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "ses": _ses,
}


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return str(value)[:2000] if isinstance(value, str | int) else ""


def _part(mapping: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = mapping.get(name)
    return value if isinstance(value, dict) else {}
