"""Whether what the settings say of topics that change can be done at all."""

from __future__ import annotations

from collections.abc import Iterable

Told = tuple[str, tuple[str, ...], str | None]
"""Of one topic: its slug, ``was`` and ``split_from``."""


def contradiction(topics: Iterable[Told]) -> str:
    """What cannot be meant, and what to do; "" when there is nothing. Nothing is guessed: it is for ever."""
    told = list(topics)
    slugs, heirs = {slug for slug, _, _ in told}, dict[str, str]()
    for slug, was, parent in told:
        if parent == slug:
            return f"topics: {slug!r} cannot be split from itself; take split_from out"
        for old in was:
            if old in slugs - {slug}:
                advice = f"take it out of `was`, or take [[topics]] {old!r} out so that it goes into {slug!r}"
                return f"topics: {slug!r} was {old!r}, but {old!r} is a topic of its own here; {advice}"
            if heirs.setdefault(old, slug) != slug:
                return (
                    f"topics: {old!r} is in `was` of both {heirs[old]!r} and {slug!r}; it can become only one of them"
                )
    return _round({slug: parent for slug, _, parent in told if parent})


def _round(parents: dict[str, str]) -> str:
    for slug in parents:
        seen, at = {slug}, parents[slug]
        while at in parents and at not in seen:
            seen.add(at)
            at = parents[at]
        if at in seen:
            return f"topics: {at!r} is split from a topic that is split from it; one of them must have been first"
    return ""
