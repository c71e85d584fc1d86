"""What the headers of an answer say; whatever cannot be understood says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from feed_publisher.domain.source import Validators

DAY = 86_400
_LONGEST = 8192
"""Characters of one header that are looked at."""
_LONGEST_VALIDATOR = 1024
_LISTS = (b"link", b"cache-control", b"content-encoding")

_DIRECTIVE = re.compile(r'([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,";]*)))?')
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,";]*))')
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,";]*))?)*)')


class Headers:
    """The headers of one answer. Of one that may come once, the first counts."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, bytes] = {}
        for name, value in raw:
            name = name.lower()
            if name in _LISTS and name in self._values:
                self._values[name] += b", " + value
            self._values.setdefault(name, value)

    def text(self, name: bytes) -> str:
        return self._values.get(name, b"")[:_LONGEST].decode("latin-1").strip()

    def location(self) -> str:
        """Where it redirects to, "" for nowhere. Servers send unescaped UTF-8 here."""
        value = self._values.get(b"location", b"")[:_LONGEST]
        try:
            return value.decode().strip()
        except UnicodeDecodeError:
            return value.decode("latin-1").strip()

    def length(self) -> int | None:
        digits = self.text(b"content-length")
        return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else None

    def coding(self) -> str:
        return self.text(b"content-encoding").lower()

    def content_type(self) -> tuple[str, str]:
        """Type and charset."""
        value = self.text(b"content-type")
        return value.partition(";")[0].strip().lower(), _parameters(value).get("charset", "").strip().lower()[:40]

    def validators(self) -> Validators:
        return Validators(etag=self._validator(b"etag"), last_modified=self._validator(b"last-modified"))

    def _validator(self, name: bytes) -> str:
        value = self.text(name)
        return value if len(value) <= _LONGEST_VALIDATOR else ""

    def fresh_for(self, now: datetime) -> int:
        """Seconds (RFC 9111 §4.2) up to a day. For a private cache: s-maxage is not for us."""
        directives = _DIRECTIVE.findall(self.text(b"cache-control"))
        said = {name.lower(): quoted or plain for name, quoted, plain in directives}
        if "no-store" in said or said.get("no-cache") == "":
            return 0
        if "max-age" in said:
            fresh = _whole_number(said["max-age"]) - _whole_number(self.text(b"age"))
        else:
            expires = _date(self.text(b"expires"))
            since = _date(self.text(b"date")) or now
            fresh = int((expires - since).total_seconds()) if expires else 0
        return min(max(fresh, 0), DAY)

    def retry_after(self, now: datetime) -> int | None:
        """Seconds (RFC 9110 §10.2.3) up to a week."""
        value = self.text(b"retry-after")
        if re.fullmatch("[0-9]+", value):
            return min(_whole_number(value), 7 * DAY)
        date = _date(value)
        return None if date is None else min(max(int((date - now).total_seconds()), 0), 7 * DAY)

    def links(self, base: httpx2.URL) -> dict[str, str]:
        """Relation -> the first absolute address given for it (RFC 8288 §3); links of other documents are left out."""
        found: dict[str, str] = {}
        for target, tail in _LINK.findall(" ".join(self.text(b"link").split())):
            parameters = _parameters(tail)
            address = "" if "anchor" in parameters else _absolute(target, base)
            for relation in parameters.get("rel", "").lower().split() if address else ():
                found.setdefault(relation, address)
        return found


def _parameters(text: str) -> dict[str, str]:
    """Of a parameter that comes twice the first counts."""
    found = reversed(_PARAMETER.findall(text))
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


def _absolute(target: str, base: httpx2.URL) -> str:
    try:
        url = base.join(target.strip())
    except (httpx2.InvalidURL, ValueError):
        return ""
    return str(url) if url.scheme in ("http", "https") and url.host and not url.userinfo else ""


def _whole_number(text: str) -> int:
    """A number too large for us is a very large one."""
    digits = re.match("[0-9]*", text)
    return int((digits[0] if digits else "")[:10] or 0)


def _date(text: str) -> datetime | None:
    if not text or len(text) > 64:
        return None
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
