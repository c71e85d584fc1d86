"""What a check of a mail found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """``error``: receivers may refuse, cut or misread the mail. ``advice``: readers would be better off without it."""

    ERROR = "error"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``rule`` is a short lasting name, such as "size"; ``text`` one sentence for people: what, where, what to do."""

    level: Level
    rule: str
    text: str


def error(rule: str, text: str) -> Finding:
    return Finding(level=Level.ERROR, rule=rule, text=text)


def advice(rule: str, text: str) -> Finding:
    return Finding(level=Level.ADVICE, rule=rule, text=text)
