"""A finished mail looked over before anybody gets it: what receivers would refuse, and what readers would stumble on.

Nothing is fetched and nobody is asked: all that is said follows from the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from feed_publisher.compose.lint_colours import lint_colours
from feed_publisher.compose.lint_html import lint_html
from feed_publisher.compose.lint_wire import lint_headers, lint_parts, lint_wire
from feed_publisher.compose.lint_words import lint_words
from feed_publisher.domain.finding import Finding, Level


def lint(message: bytes) -> tuple[Finding, ...]:
    """All findings, errors first; none for a mail that may leave as it is."""
    found = sorted(dict.fromkeys(_all(message)), key=lambda finding: finding.level is not Level.ERROR)
    return tuple(found)


def _all(raw: bytes) -> Iterator[Finding]:
    yield from lint_wire(raw)
    message = message_from_bytes(raw, policy=default)
    if not isinstance(message, EmailMessage):  # the default policy always makes one
        raise TypeError("the policy made no EmailMessage")
    yield from lint_headers(raw, message)
    yield from lint_parts(message)
    text, html = body(message, "text/plain"), body(message, "text/html")
    unsubscribe = str(message["List-Unsubscribe"] or "").partition(">")[0].strip("<")
    yield from lint_words(str(message["Subject"] or ""), text, html, unsubscribe)
    if html.strip():
        yield from lint_html(html)
        yield from lint_colours(html)


def body(message: EmailMessage, kind: str) -> str:
    """The first part of a kind, decoded; "" when there is none."""
    for part in message.walk():
        if part.get_content_type() == kind:
            payload = part.get_payload(decode=True)
            return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return ""
