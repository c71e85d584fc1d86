"""Settings: publisher.toml, overridden by the environment, overridden by --config (DESIGN §5)."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from datetime import time, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import WEEKDAYS, Cadence, parse_time
from feed_publisher.domain.errors import ConfigError, InputError
from feed_publisher.domain.slug import check_slug

FILE = "publisher.toml"
PREFIX = "FEED_PUBLISHER_"


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


def _http_url(value: str) -> str:
    if value and urlsplit(value).scheme not in ("http", "https"):
        raise ValueError(f"{value!r} must start with https:// or http://")
    if re.search(r"[\s\"<>\x00-\x1f\x7f]", value):
        raise ValueError(f"{value!r} has a blank, a quote, < or > in it; write it as %20, %22, %3C or %3E")
    return value


def _line(value: str) -> str:
    return " ".join(value.split())


Slug = Annotated[str, AfterValidator(_slug)]
MailAddress = Annotated[str, AfterValidator(_address)]
Zone = Annotated[str, AfterValidator(_zone)]
TimeOfDay = Annotated[time, BeforeValidator(_time)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9.-]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Site(_Section):
    """[site]"""

    title: Title = "My site"
    """Shown on every page, in every feed and mail."""

    base_url: Annotated[str, AfterValidator(_base_url)] = "http://127.0.0.1:8000"
    """Where readers reach the site; every link starts with it. It may carry a path."""

    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")] = "en"
    """Language of feeds and dates (a BCP 47 tag); the program's own words are English so far."""

    timezone: Zone = "UTC"
    """IANA zone in which dates are shown and hours are meant."""

    postal_address: str = ""
    """Printed at the foot of every mail; many countries require it."""

    imprint_url: HttpUrl = ""
    """Linked in every mail and on every page."""

    privacy_url: HttpUrl = ""
    """Linked in every mail, on every page and beside the sign-up form."""

    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b5b70"
    """The one colour of pages and mails, as #rrggbb."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-For is believed."""

    @property
    def is_loopback(self) -> bool:
        """Whether base_url names this machine only."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False


class DatabaseSettings(_Section):
    """[database]; an empty url means var/publisher.sqlite3 in the site's folder."""

    url: str = ""
    """Empty: SQLite in var/publisher.sqlite3. Else postgresql://user:password@host/name."""


class MailSettings(_Section):
    """[mail]; an empty list_domain means the domain of the digest's from_address."""

    list_domain: Domain = ""
    """Domain of List-Id and Message-ID. Empty: the domain of the digest's from_address."""


class Smtp(_Section):
    """[smtp]; no host means the built-in mailbox."""

    host: str = ""
    """The mail server. Empty: the built-in mailbox, and every send is a rehearsal."""

    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """587 with tls = "required", 465 with "implicit"."""

    tls: Literal["required", "implicit", "none"] = "required"
    """"required" is STARTTLS; "none" is allowed for a mail server on this machine only."""

    username: str = ""
    """Empty: no login."""

    password_file: str = ""
    """A file that holds just the password, seen from publisher.toml."""

    connections: Annotated[int, Field(ge=1, le=100)] = 4
    """Connections held open at the same time."""


class Source(_Section):
    """[[sources]]"""

    slug: Slug
    """Its lasting name: a new slug is a new source."""

    kind: Literal["folder"] = "folder"
    """What it is."""

    location: str
    """The folder, seen from publisher.toml."""

    topics: tuple[Title, ...] = ()
    """Titles of topics that replace the headings in the files."""

    first_contact: Literal["all", "none"] = "all"
    """"none": what it holds when it is first read fills feeds but is never mailed."""


class Topic(_Section):
    """[[topics]]; only for topics whose title or slug is to be fixed, the others come from headings."""

    slug: Slug
    """Its lasting name, used in addresses."""

    title: Title
    """Shown to readers; the heading that finds it."""


class Digest(_Section):
    """[[digests]]"""

    slug: Slug
    """Its lasting name, used in addresses and commands."""

    title: Title
    """The name readers know it by."""

    from_name: Title = ""
    """The sender people see. Empty: the title."""

    from_address: MailAddress
    """The address the mail comes from."""

    reply_to: MailAddress | None = None
    """Where answers go, when not to from_address."""

    topics: tuple[Slug, ...] = ()
    """Slugs of the topics it covers. Empty: all, later ones included."""

    cadences: Annotated[tuple[Cadence, ...], Field(min_length=1)] = (Cadence.WEEKLY,)
    """How often readers may choose to get it; the first is for those who do not choose."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """Day of the weekly issue."""

    hour: TimeOfDay = time(7)
    """Time of day it leaves, "7" or "07:30", for readers without an hour of their own."""

    backfill: Literal["none", "all"] = "none"
    """With "all", readers of a new digest also get what was picked up before the digest existed."""

    zone: Zone | None = None
    """IANA zone of that hour, when not site.timezone."""

    policy: Literal["auto", "approve"] = "auto"
    """"approve": a scheduled issue waits until `issues approve`."""

    maximum: Annotated[int, Field(ge=1, le=200)] = 50
    """Articles in one mail; the rest is counted as "more on the web"."""

    max_lateness: Duration | None = None
    """How late a missed issue may still leave, such as "12 hours" (the default of daily) or "3 days" (of weekly)."""

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return WEEKDAYS.index(self.day)


class Settings(BaseSettings):
    """All settings of one site."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    site: Site = Site()
    database: DatabaseSettings = DatabaseSettings()
    mail: MailSettings = MailSettings()
    smtp: Smtp = Smtp()
    sources: tuple[Source, ...] = ()
    topics: tuple[Topic, ...] = ()
    digests: tuple[Digest, ...] = ()

    @model_validator(mode="after")
    def _slugs_are_unique(self) -> Settings:
        for section in ("sources", "topics", "digests"):
            slugs = [item.slug for item in getattr(self, section)]
            double = next((slug for slug in slugs if slugs.count(slug) > 1), None)
            if double:
                raise ValueError(f"two of [[{section}]] have the slug {double!r}; each needs its own")
        return self

    def digest(self, slug: str) -> Digest:
        """The digest of this slug, or ConfigError naming the known ones."""
        for digest in self.digests:
            if digest.slug == slug:
                return digest
        known = ", ".join(digest.slug for digest in self.digests) or "none"
        raise ConfigError(f"there is no digest {slug!r}; {FILE} has: {known}")


def load(folder: Path, overrides: tuple[str, ...] = ()) -> Settings:
    """The settings of the site in ``folder``; ``overrides`` are ``section.key=value``. Raises ConfigError."""
    file = folder / FILE
    text = _read(file)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", str(file)) from error
    try:
        return _merged(_overrides(overrides), _environment(), table)
    except ValidationError as error:
        raise _explain(error, file, text, _overrides(overrides)) from error


def _merged(overrides: dict[str, Any], environment: dict[str, Any], table: dict[str, Any]) -> Settings:
    class Layers(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            layers = (InitSettingsSource(settings_cls, init_kwargs=layer) for layer in (environment, table))
            return init_settings, *layers

    return Layers(**overrides)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        advice = "`feed-publisher init FOLDER` makes a site; --site names one"
        raise ConfigError(f"there is no site here: {advice}", str(file)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", str(file)) from error


def _overrides(pairs: tuple[str, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and key):
            raise ConfigError(f"{pair!r}: write section.key=value, for example site.title=News", "--config")
        table.setdefault(section, {})[key] = _value(section, key, value, f"--config {section}.{key}")
    return table


def _environment() -> dict[str, Any]:
    """Sections from FEED_PUBLISHER_SECTION__KEY=value, or whole ones as JSON. Raises ConfigError for other names."""
    table: dict[str, Any] = {}
    for variable, value in _variables().items():
        section, _, key = variable.removeprefix(PREFIX).lower().partition("__")
        if section in Settings.model_fields and not key:
            table[section] = _json(value, dict if _keys(section) else list, variable)
        elif key in _keys(section):
            table.setdefault(section, {})[key] = _value(section, key, value, variable)
        else:
            raise ConfigError(f"is not a setting{_nearest_variable(variable)}", variable)
    return table


def _variables() -> dict[str, str]:
    """The environment's part of the settings, whole sections first; FEED_PUBLISHER_SITE names the site's folder."""
    found = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    return {name: found[name] for name in sorted(found) if name != PREFIX + "SITE"}


def _nearest_variable(variable: str) -> str:
    known = [f"{section}__{key}".upper() for section in Settings.model_fields for key in _keys(section)]
    near = difflib.get_close_matches(variable.removeprefix(PREFIX), ["SITE", *known], 1)
    if near:
        return f"; did you mean {PREFIX}{near[0]}?"
    return f"; write {PREFIX}SECTION__KEY with two underscores, for example {PREFIX}SMTP__HOST"


def _keys(section: str) -> dict[str, FieldInfo]:
    """The keys of a [section]; none for a [[section]], which may come several times."""
    field = Settings.model_fields.get(section)
    model = field.annotation if field else None
    return model.model_fields if isinstance(model, type) and issubclass(model, _Section) else {}


def _value(section: str, key: str, text: str, where: str) -> Any:
    """The text, or for a list what stands between its commas (or JSON, in brackets)."""
    field = _keys(section).get(key)
    if field is None or get_origin(field.annotation) is not tuple:
        return text
    if text.lstrip().startswith("["):
        return _json(text, list, where)
    return [item.strip() for item in text.split(",") if item.strip()]


def _json(text: str, kind: type, where: str) -> Any:
    """Raises ConfigError without the text, which may hold secrets."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        shape = "[…]" if kind is list else "{…}"
        raise ConfigError(f"must be JSON, {shape}; or set it in {FILE}", where)
    return value


def _explain(error: ValidationError, file: Path, text: str, overrides: dict[str, Any]) -> ConfigError:
    """The first thing wrong, as one line with its place."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    where = _place(path, file, text, overrides)
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{name} is not a setting{_nearest(path)}", where)
    if first["type"] == "missing":
        return ConfigError(f"{name} is missing", where)
    message = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{name}: {message}" if name else message, where)


def _place(path: list[str], file: Path, text: str, overrides: dict[str, Any]) -> str:
    """The flag, the variable or the line that a setting came from."""
    section, key = [*path, "", ""][:2]
    if section in overrides and (not key or key in overrides[section]):
        return f"--config {section}.{key}".rstrip(".")
    names = (f"{PREFIX}{section}__{key}".upper(), f"{PREFIX}{section}".upper())
    variable = next((name for name in names if name in _variables()), None)
    line = _line_of(text, path)
    return variable or (f"{file}:{line}" if line else str(file))


def _nearest(path: list[str]) -> str:
    model: Any = Settings
    for part in path[:-1]:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            model = getattr(annotation, "__args__", (annotation,))[0]
    known = sorted(model.model_fields)
    near = difflib.get_close_matches(path[-1], known, 1)
    return f"; did you mean {near[0]}?" if near else f"; known are: {', '.join(known)}"


def _line_of(text: str, path: list[str]) -> int | None:
    """The line of a key: within its section, and within the n-th of ``[[section]]``."""
    if not path:
        return None
    wanted = int(path[1]) if len(path) > 1 and path[1].isdigit() else 0
    section = re.compile(rf"\s*\[\[?\s*{re.escape(path[0])}\s*\]")
    key = re.compile(rf"\s*\"?{re.escape(path[-1])}\"?\s*=")
    seen, inside, start = -1, False, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            is_section = section.match(line) is not None
            seen += is_section
            inside = is_section and seen == wanted
            start = number if inside else start
        elif inside and key.match(line):
            return number
    return start
