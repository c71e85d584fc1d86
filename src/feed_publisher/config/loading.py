"""Settings are publisher.toml, overridden by the environment, overridden by --config (DESIGN §5)."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)

from feed_publisher.config.models import Settings
from feed_publisher.config.section import Section
from feed_publisher.domain.errors import ConfigError

FILE = "publisher.toml"
PREFIX = "FEED_PUBLISHER_"


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


def state_of(folder: Path) -> str:
    """What changes when somebody edits the file; "" while it cannot be read."""
    try:
        return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    except OSError:
        return ""


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
    return model.model_fields if isinstance(model, type) and issubclass(model, Section) else {}


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
    known = sorted(field.alias or name for name, field in model.model_fields.items())
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
