"""The YAML block between two lines of --- that may open a Markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from feed_publisher.domain.errors import InputError

MAX_LENGTH = 65_536
MAX_NESTING = 10  # libyaml's loader overruns the C stack at some ten thousand


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """``values`` by lower-case key, all scalars as text; ``lines`` where each key stands; ``body`` what follows."""

    values: dict[str, object]
    lines: dict[str, int]
    body: list[str]


def split_front_matter(lines: list[str]) -> FrontMatter:
    """InputError with the line number in ``where``."""
    if lines[0].rstrip() != "---":
        return FrontMatter(values={}, lines={}, body=lines)
    for index, line in enumerate(lines[1:], start=1):
        if line.rstrip() in ("---", "..."):
            head = lines[1:index]
            return FrontMatter(values=_load("\n".join(head)), lines=_lines_of_keys(head), body=lines[index + 1 :])
    raise InputError("the front matter is never closed; end it with a line of ---", "1")


def _load(text: str) -> dict[str, object]:
    if len(text) > MAX_LENGTH:
        raise InputError(f"the front matter is longer than {MAX_LENGTH:,} characters; shorten it", "1")
    try:
        _check_nesting(text)
        # All scalars stay text: YAML 1.1 makes a boolean of "no" and a number of "12:30".
        values = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506  builds texts, lists and dicts only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = f"the front matter is not YAML ({error.problem}); put values with a colon in quotes"
        line = min(mark.line, text.count("\n")) if mark else 0  # what is never closed is noticed after the end
        raise InputError(reason, str(line + 2)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError("the front matter holds a character YAML does not allow; remove it", "1") from error
    if values in (None, ""):
        return {}
    if not isinstance(values, dict):
        raise InputError("the front matter has no keys; write lines such as “title: …”", "2")
    return {str(key).strip().lower(): value for key, value in values.items()}


def _check_nesting(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InputError("the front matter uses a YAML alias (*); write the value out", _line(event))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTING:
            raise InputError("the front matter is nested too deep; write plain keys and lists", _line(event))


def _line(event: yaml.Event) -> str:
    mark = event.start_mark
    return str(mark.line + 2 if mark else 1)


def _lines_of_keys(head: list[str]) -> dict[str, int]:
    keys: dict[str, int] = {}
    for number, line in enumerate(head, start=2):
        match = re.match(r"""["']?([\w-]+)["']?\s*:""", line)
        if match:
            keys.setdefault(match[1].lower(), number)
    return keys
