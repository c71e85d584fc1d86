"""``By Ann Po, Sam Lee Jr. and Bob Ray`` to authors."""

from __future__ import annotations

import re

_BY = re.compile(r"by(?::|\s|$)\s*(?P<names>.*)", re.IGNORECASE)
_SPLIT = re.compile(r"\s*[,;]\s*(?:(?:and|with|&)\s+)?|\s+(?:and|with|&)\s+", re.IGNORECASE)
# Belongs to the name before it, with or without a comma.
_SUFFIX = re.compile(
    r"(?:jr|sr|esq|ph\.?\s?d|d\.?phil|m\.?d|mp|mep|m\.?b\.?a|cpa|rn|ii|iii|iv|inc|ltd|llc|gmbh)\.?", re.IGNORECASE
)
_ABBREVIATION = re.compile(r"(?:.*[\s,])?(?:jr|sr|esq|inc|ltd|co|st|ph\.d|m\.d|d\.phil|(?:\w\.)*\w)\.", re.IGNORECASE)
# "Ministry of Food and Farming" is one author.
_OFFICE = re.compile(
    r"\b(?:agency|association|board|bureau|campaign|cent(?:er|re)|commission|committee|council|department|institute|"
    r"ministry|office|school|society)\s+(?:of|for|on)\s+(?:the\s+)?\w[\w’'-]*$",
    re.IGNORECASE,
)
_JOINING_WORDS = "and with & de del di du da des van von der den ter la le el al bin ibn y e i et und of for"
_PARTICLES = frozenset(_JOINING_WORDS.split())
MAX_BYLINE = 300


def names_of(line: str) -> str | None:
    """What follows "By" in a line that can be a byline, else None. A sentence that starts with "By" is not one."""
    match = _BY.fullmatch(line)
    if not match or len(line) > MAX_BYLINE or _is_prose(match["names"]):
        return None
    return match["names"]


def is_certain(line: str) -> bool:
    """A byline even without a title above it: every word is a name or joins names."""
    names = names_of(line)
    if names is None or ":" in names:
        return False
    words = names.split()
    if words and words[-1].endswith((".", "!", "?", "…")) and not _ABBREVIATION.fullmatch(words[-1]):
        return False
    return not words or (not words[0][0].islower() and not _lower_words(words))


def split_authors(names: str) -> tuple[str, ...]:
    """Each author once, in order; an agency stays whole."""
    authors: list[str] = []
    for part, joint in _parts(names):
        if authors and _belongs(part, joint, authors[-1]):
            authors[-1] += joint + part
        elif part:
            authors.append(part)
    return tuple(dict.fromkeys(_without_full_stop(author) for author in authors))


def _belongs(part: str, joint: str, author: str) -> bool:
    if _SUFFIX.fullmatch(part):
        return True
    return joint.strip().lower() in ("and", "&") and bool(_OFFICE.search(author))


def _parts(names: str) -> list[tuple[str, str]]:
    """Each part with what stood before it."""
    parts, start, joint = [], 0, ""
    for match in _SPLIT.finditer(names):
        parts.append((names[start : match.start()].strip(), joint))
        start, joint = match.end(), match.group()
    parts.append((names[start:].strip(), joint))
    return parts


def _without_full_stop(author: str) -> str:
    if author.endswith(".") and not _ABBREVIATION.fullmatch(author):
        return author.rstrip(".") or author
    return author


def _lower_words(words: list[str]) -> int:
    return sum(word[0].islower() and word.lower() not in _PARTICLES for word in words)


def _is_prose(names: str) -> bool:
    """A sentence: long or with a full stop, and mostly words without a capital."""
    words = names.split()
    ends = bool(words) and words[-1].rstrip("”’\"')").endswith((".", "!", "?", "…", ":"))
    ends = ends and not _ABBREVIATION.fullmatch(words[-1])
    return (ends or len(words) > 8) and len(words) > 2 and _lower_words(words) * 2 >= len(words)
