"""Kinds of values that settings hold, each checked with words that say what to write instead."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import parse_time
from feed_publisher.domain.diagnosis import split_server
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.rhythm import QuietHours, check_cron, dates_left_out
from feed_publisher.domain.slug import check_slug


def _slug(value: str) -> str:
    try:
        return check_slug(value)
    except InputError as error:
        raise ValueError(str(error)) from error


def _address(value: str) -> str:
    try:
        address = parse_address(value)
    except InputError as error:
        raise ValueError(str(error)) from error
    if address.needs_smtputf8:
        raise ValueError(f"{value!r}: a sender address needs a plain ASCII part before the @")
    return address.envelope


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{value!r} is not a time zone; use an IANA name such as Europe/Berlin") from error
    return value


def _time(value: Any) -> time:
    if isinstance(value, time):
        return value
    try:
        return parse_time(str(value))
    except ValueError as error:
        raise ValueError(f'{value!r} is not a time of day; use "7" or "07:30"') from error


def _duration(value: Any) -> timedelta:
    found = re.fullmatch(r"\s*(\d{1,4})\s*(hour|day)s?\s*", str(value))
    if not found or not int(found[1]):
        raise ValueError(f'{value!r} is not a duration; use "12 hours" or "3 days"')
    return timedelta(hours=int(found[1])) if found[2] == "hour" else timedelta(days=int(found[1]))


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{str(value)[:60]!r} is no date; write 2026-11-02") from None


def _dates(value: str) -> str:
    dates_left_out(value)
    return value


def _quiet(value: str) -> str:
    QuietHours.parse(value)
    return value


_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def _every(value: Any) -> timedelta:
    found = re.fullmatch(r"\s*(\d{1,4})\s*(minute|hour|day)s?\s*", str(value))
    if not found or not int(found[1]):
        raise ValueError(f'{value!r} is not a time span; use "15 minutes", "2 hours" or "3 days"')
    return min(int(found[1]) * _UNITS[found[2]], timedelta(days=366))


def _first_contact(value: Any) -> Literal["all", "none"] | timedelta:
    if value in ("all", "none"):
        return value  # type: ignore[no-any-return]
    try:
        return _duration(value)
    except ValueError as error:
        raise ValueError(f'{value!r} is none of "none", "all" and an age such as "30 days"') from error


_SITE_ADDRESS = "use http(s)://host, with a path if you need one"
_UNWANTED = (
    (r"\s", "a blank"),
    (r"[\"'`]", "a quote"),
    (r"[<>]", "< or >"),
    (r"[\x00-\x1f\x7f\\{}|^]", "a sign that no address may hold"),
)


def _base_url(value: str) -> str:
    for signs, name in _UNWANTED:
        if re.search(signs, value):
            raise ValueError(f"{value!r} has {name} in it; {_SITE_ADDRESS}")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:  # "Port out of range 0-65535", "Invalid IPv6 URL"
        raise ValueError(f"is not a site address ({error}); {_SITE_ADDRESS}") from error
    if "@" in parts.netloc:
        raise ValueError(f"names a user before the @, which every reader would see; {_SITE_ADDRESS}")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or "?" in value or "#" in value:
        raise ValueError(f"{value!r} is not a site address; {_SITE_ADDRESS}")
    return value.rstrip("/")


def check_http_url(value: str) -> str:
    """An http or https address as it may be written into a page, or ValueError."""
    try:
        scheme = urlsplit(value).scheme
    except ValueError as error:  # "Invalid IPv6 URL"
        raise ValueError(f"{value!r} is not a web address ({error})") from error
    if value and scheme not in ("http", "https"):
        raise ValueError(f"{value!r} must start with https:// or http://")
    if re.search(r"[\s\"<>\x00-\x1f\x7f]", value):
        raise ValueError(f"{value!r} has a blank, a quote, < or > in it; write it as %20, %22, %3C or %3E")
    return value


_OUR_NAMES = (
    "admin api authors confirm digests entries favicon.ico feeds feeds.opml follow healthz hooks hub issues mailbox"
    " metrics preferences readyz robots.txt static topics unsubscribe"
)
OUR_PATHS = frozenset(_OUR_NAMES.split())
"""What the paths of our own pages begin with."""


def _old_path(value: str) -> str:
    if not value.startswith("/") or value.startswith("//"):
        raise ValueError(f'{value!r} is not a path; write what follows the host, such as "/feed/"')
    if re.search(r"[?#\s\x00-\x1f\x7f]", value):
        raise ValueError(f"{value!r} holds a blank, ? or #; write the path alone")
    first = value.split("/")[1]
    if not value.strip("/") or first in OUR_PATHS:
        raise ValueError(f"{value!r} is an address of this site itself; no old feed can be there")
    return value


def _line(value: str) -> str:
    line = " ".join(value.split())
    if value and not line:
        raise ValueError("holds nothing but blanks; readers would see no name")
    return line


def _plain_text(value: str) -> str:
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f]", value.replace("\r\n", "\n").replace("\t", " ")):
        raise ValueError("holds a control character; plain text is meant, with line breaks")
    return "\n".join(line.rstrip() for line in value.replace("\r\n", "\n").strip().split("\n"))


_PARAMETER = r"[A-Za-z0-9_.~%+-]+=[A-Za-z0-9_.~%+:,-]*"


def _link_parameters(value: str) -> str:
    value = value.removeprefix("?")
    if value and not re.fullmatch(rf"{_PARAMETER}(&{_PARAMETER})*", value):
        raise ValueError(f'{value!r} is not name=value&name=value; write it like "utm_source=digest&utm_medium=email"')
    return value


def _dns_server(value: str) -> str:
    try:
        if value:
            split_server(value)
    except ValueError as error:
        raise ValueError(f'{value!r} is no address; write "9.9.9.9", "127.0.0.1:5353" or "[::1]:5353"') from error
    return value


DnsServer = Annotated[str, AfterValidator(_dns_server)]
Slug = Annotated[str, AfterValidator(_slug)]
MailAddress = Annotated[str, AfterValidator(_address)]
Zone = Annotated[str, AfterValidator(_zone)]
TimeOfDay = Annotated[time, BeforeValidator(_time)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
HttpUrl = Annotated[str, AfterValidator(check_http_url)]
OldPath = Annotated[str, AfterValidator(_old_path)]
Line = Annotated[str, AfterValidator(_line)]
PlainText = Annotated[str, Field(max_length=2000), AfterValidator(_plain_text)]
LinkParameters = Annotated[str, Field(max_length=300), AfterValidator(_link_parameters)]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9.-]*$")]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Language = Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")]
Cron = Annotated[str, AfterValidator(check_cron)]
Day = Annotated[date, BeforeValidator(_day)]
Dates = Annotated[str, AfterValidator(_dates)]
Quiet = Annotated[str, AfterValidator(_quiet)]
Every = Annotated[timedelta, BeforeValidator(_every)]
FirstContact = Annotated[Literal["all", "none"] | timedelta, BeforeValidator(_first_contact)]
