"""Mail that came back, or was sent back: what kind it is, and what it reports (RFC 3464, 3834, 5965).

Everything in it is foreign. Only the first part of a mail is looked at, and not at all inside when it is nested deeper
than any program nests it; nothing here raises for what a mail holds.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from enum import StrEnum

from flufl.bounce import all_failures

from feed_publisher.domain.bounce import FORWARDED, MAX_REASON, BounceKind, Report, classify_failure, mildest

LOOKED_AT = 256 * 1024
"""Bytes; the report stands before the mail that it is about."""

_LIBRARY_LOOKS_AT = 48 * 1024
_LONGEST_LINE = 998
_PARTS = 100
_TOKEN = re.compile(rb"(?<![A-Za-z0-9._%+-])[bu]-[a-z2-7]{32}@[A-Za-z0-9.-]{1,253}", re.IGNORECASE)
_MAIL_ADDRESS = re.compile(r"[^\s<>()\[\],:;\"@]{1,64}@[A-Za-z0-9.-]{1,253}")
_DELIVERED_TO = ("Delivered-To", "X-Original-To", "X-Envelope-To", "Envelope-To", "X-Forwarded-To", "To", "Cc")
_PROGRAM = re.compile(r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?|mdaemon)\b", re.IGNORECASE)
_AWAY = re.compile(
    r"^\W*(out of (the )?office|automatic reply|auto(matic|mated)?[ -]?(reply|response)|autoreply|vacation|away from"
    r"|abwesen|automatische antwort|réponse automatique|respuesta automática|risposta automatica"
    r"|automatisch antwoord|رد تلقائي)",
    re.IGNORECASE,
)
_CODED = re.compile(r"(?<!\d)[45]\d\d(?!\d)|(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")

# It logs what it stumbles over before it raises, and strangers can make it stumble.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)


class Nature(StrEnum):
    """What kind of mail it is."""

    REPORT = "report"
    AUTO = "auto-reply"
    HUMAN = "human"
    UNCLEAR = "unclear"  # from a program, and nothing we know


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """One mail, looked at. ``delivered_to``: addresses in its own headers, ``inside``: any that look like ours.

    ``program``: no person wrote it, but it answers nothing (RFC 3834 auto-generated).
    """

    nature: Nature
    report: Report | None = None
    delivered_to: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    sender: str = ""
    subject: str = ""
    program: bool = False
    forwarded: bool = False


def read_returned(raw: bytes, mail_from: str | None = None) -> Returned:
    """``mail_from``: the envelope sender, "" for none (a report); None: as Return-Path says."""
    start = raw[:LOOKED_AT]
    head = BytesHeaderParser().parsebytes(start)
    sender = _address(head)
    by_program = _is_programs(head, mail_from) or bool(_PROGRAM.match(sender)) or not sender
    report = _report(start, head, by_program)
    return Returned(
        nature=Nature.REPORT if report else _nature(head, by_program),
        report=report,
        delivered_to=_delivered_to(head),
        inside=tuple(dict.fromkeys(found.decode("ascii") for found in _TOKEN.findall(start))),
        sender=sender,
        subject=_decoded(head, "Subject"),
        program=_submitted(head) == "auto-generated",
        forwarded=FORWARDED in head,
    )


def one_line(text: str, limit: int = MAX_REASON) -> str:
    """Printable, blanks collapsed, cut."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * limit]).split())[:limit]


def _nature(head: Message, by_program: bool) -> Nature:
    if _answers_by_itself(head):
        return Nature.AUTO
    return Nature.UNCLEAR if by_program else Nature.HUMAN


def _answers_by_itself(head: Message) -> bool:
    if _submitted(head) not in ("", "no") or _AWAY.match(_decoded(head, "Subject")):
        return True
    if any(name in head for name in ("X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Auto-Reply", "List-Id")):
        return True
    return _text(head, "Precedence").lower() in ("bulk", "junk", "list", "auto_reply")


def _submitted(head: Message) -> str:
    return _text(head, "Auto-Submitted").partition(";")[0].strip().lower()


def _is_programs(head: Message, mail_from: str | None) -> bool:
    """Whether the envelope says so: reports have no sender, or a daemon's."""
    said = _text(head, "Return-Path") if mail_from is None else f"<{mail_from.strip('<>')}>"
    return said == "<>" or bool(_PROGRAM.match(said.strip("<>")))


def _report(start: bytes, head: Message, by_program: bool) -> Report | None:
    message = _opened(start)
    if message is None:
        return None
    parts = list(_parts(message))
    by_standard = _delivery_status(parts) or _complaint(parts)
    if by_standard is not None:
        return by_standard
    if not by_program and (len(parts) > 1 or "In-Reply-To" in head or "References" in head):
        return None  # by a person, who may quote or attach anything
    return _by_habit(start, parts)


def _opened(start: bytes) -> Message | None:
    if start.lower().count(b"\ncontent-type:") > _PARTS:
        return None
    try:
        return message_from_bytes(start)
    except (MessageError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return None


def _parts(message: Message) -> Iterator[Message]:
    """All parts, outermost first; the mail that is sent back with a report is one, but is not looked into."""
    waiting = deque([message])
    while waiting:
        part = waiting.popleft()
        yield part
        kind = part.get_content_type()
        if kind.startswith("multipart/") and isinstance(inner := part.get_payload(), list):
            waiting.extend(each for each in inner if isinstance(each, Message))


def _delivery_status(parts: list[Message]) -> Report | None:
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    blocks = status.get_payload() if status is not None else None
    if not isinstance(blocks, list):
        return None
    found = (_recipient(block) for block in blocks[:_PARTS] if isinstance(block, Message))
    return mildest(report for report in found if report is not None)


def _recipient(block: Message) -> Report | None:
    """One recipient's block of a delivery status (RFC 3464 §2.3)."""
    action = _text(block, "Action").split()[:1]
    found = re.match(r"([245]\.\d{1,3}\.\d{1,3})(?!\d)", _text(block, "Status"))
    status = found[1] if found else ""
    if not action and not status:
        return None
    said = one_line(_text(block, "Diagnostic-Code").partition(";")[2] or _text(block, "Diagnostic-Code"))
    return Report(kind=_kind(action[0].lower() if action else "", status, said), status=status, reason=said)


def _kind(action: str, status: str, said: str) -> BounceKind:
    if action == "failed" or (not action and status.startswith("5")):
        return classify_failure("" if status.startswith("2") else status, said)
    if action in ("delivered", "relayed", "expanded"):
        return BounceKind.DELIVERED
    return BounceKind.DELAYED


def _complaint(parts: list[Message]) -> Report | None:
    """A feedback report (RFC 5965). Other kinds than abuse, such as "not-spam", ask for nothing."""
    feedback = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
    if feedback is None:
        return None
    inner = feedback.get_payload()
    block = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], Message) else None
    if block is None:
        payload = feedback.get_payload(decode=True)
        block = BytesHeaderParser().parsebytes(payload if isinstance(payload, bytes) else b"")
    kind = _text(block, "Feedback-Type").lower()
    if kind not in ("abuse", "fraud", "opt-out", "opt-out-list", "virus", "other"):
        return None
    return Report(kind=BounceKind.COMPLAINT, reason=one_line(f"{kind}, reported by {_text(block, 'User-Agent')}"))


def _by_habit(start: bytes, parts: list[Message]) -> Report | None:
    """What mail servers write that follow no standard, as the library knows it."""
    lines = start[:_LIBRARY_LOOKS_AT].splitlines()
    message = _opened(b"\n".join(line[:_LONGEST_LINE] for line in lines))
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - it raises whatever its patterns stumble over
        return None
    if not temporary and not permanent:
        return None
    said = _words(parts)
    if not permanent:
        return Report(kind=BounceKind.DELAYED, reason=said)
    return Report(kind=classify_failure("", said), reason=said)


def _words(parts: list[Message]) -> str:
    """The lines with a code in the first text, else how it begins; never what it quotes further down."""
    text = next((part for part in parts if part.get_content_maintype() == "text"), None)
    payload = text.get_payload(decode=True) if text is not None else None
    lines = (payload[:8192] if isinstance(payload, bytes) else b"").decode("utf-8", "replace").splitlines()
    own = [line for line in lines if not line.startswith(">")]
    coded = [line for line in own if _CODED.search(line[:_LONGEST_LINE])]
    return one_line(" ".join(coded[:5] or [line for line in own if line.strip()][:5]))


def _delivered_to(head: Message) -> tuple[str, ...]:
    values = [str(value) for name in _DELIVERED_TO for value in head.get_all(name, [])[:10]]
    return tuple(dict.fromkeys(address for value in values for address in _addresses(value)))


def _address(head: Message) -> str:
    """The sender's; the last one, because names may look like addresses."""
    return next(reversed(_addresses(str(head.get("From", "")))), "")


def _addresses(value: str) -> list[str]:
    """Read without the grammar of RFC 5322: the library's reader recurses as deep as a stranger likes."""
    return _MAIL_ADDRESS.findall(value[:2000])


def _decoded(head: Message, name: str) -> str:
    text = _text(head, name)
    try:
        return one_line(str(make_header(decode_header(text))), 200)
    except (MessageError, LookupError, ValueError):
        return one_line(text, 200)


def _text(head: Message, name: str) -> str:
    value = str(head.get(name, ""))[:2000]
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
