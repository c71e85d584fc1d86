"""A message as people and programs see it: decoded headers and parts, what stands beside the subject, light or dark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from lxml import html as lxml_html
from lxml.etree import ParserError

OPENING = 140
"""Characters that a list of mails shows beside a subject, at most."""

_FILLER = re.compile("[\u00ad\u034f\u200b-\u200f\u2007\u2060\ufeff]+")
"""What pads a preheader without being seen, so that nothing of the text below it stands there too."""

_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
_LIGHT = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)", re.IGNORECASE)
_BOTH = re.compile(r"(color-schemes?\s*:\s*|content=[\"'])light\s+dark\b", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """``headers`` are decoded, in their order. ``opening``: what lists of mails show beside the subject."""

    subject: str
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str
    opening: str
    size: int


def seen(message: bytes) -> Seen:
    """Read our own bytes as a mail program does."""
    parsed = message_from_bytes(message, policy=default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 - what that policy makes
    html, text = _part(parsed, "html"), _part(parsed, "plain")
    return Seen(
        subject=str(parsed["Subject"]),
        from_=str(parsed["From"]),
        to=str(parsed["To"]),
        headers=tuple((name, str(value)) for name, value in parsed.items()),
        html=html,
        text=text,
        opening=_opening(html),
        size=len(message),
    )


def in_scheme(html: str, dark: bool) -> str:
    """The mail as a program shows it that is set to dark (or to light), whatever the one is set to that shows it."""
    html = _DARK.sub(_ALWAYS if dark else _NEVER, html)
    html = _LIGHT.sub(_NEVER if dark else _ALWAYS, html)
    return _BOTH.sub(rf"\g<1>{'dark' if dark else 'light'}", html)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


def _opening(html: str) -> str:
    """The first words of the body, hidden ones too: that is what a preheader is for."""
    try:
        body = lxml_html.document_fromstring(html).find("body")
    except (ParserError, ValueError):
        return ""
    if body is None:
        return ""
    words = re.sub(r"[ \t\r\n]+", " ", " ".join(map(str, body.itertext("*")))).strip()
    shown = " ".join(_FILLER.sub("", words[:OPENING]).split())
    return f"{shown}…" if words[OPENING - 1 : OPENING + 1].isalnum() else shown
