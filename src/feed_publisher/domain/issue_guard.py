"""Guards for issues that would leave by themselves: what makes one so unlike those before that somebody should look.

They only make it wait. An issue sent by hand has been looked at, and a first one has nothing to be unlike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HISTORY = 8
"""So many issues of the same cadence are what is usual."""

STORM_KNOWN = 3
"""Fewer issues than this tell nothing about how many articles are plausible."""

STORM_LEAST = 30
"""So many articles are never a storm: a newsroom comes back from its holidays."""

STORM_FACTOR = 3
"""So many times the most that one issue has had: no news day is that long, a feed that shows its archive is."""

DRIFT_RECENT = 4
"""Readers are compared with the last few issues, because those of a topic come and go with its articles."""

DRIFT_LEAST = 20
"""A difference of fewer readers is a small list that grows, or shrinks."""

CLIPPED = 100_000
"""Bytes of HTML. Gmail cuts a mail off at 102 kB, and the link to unsubscribe stands at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An issue in numbers; ``largest`` is the HTML of its largest edition in bytes."""

    entries: int
    readers: int
    largest: int = 0


def doubt(found: Measured, past: Sequence[Measured], compares_readers: bool = True) -> str:
    """Why an issue should not leave by itself, as part of a sentence; "". ``past`` is newest first."""
    usual = past[:HISTORY]
    most = max((each.entries for each in usual), default=0)
    if len(usual) >= STORM_KNOWN and found.entries > max(STORM_LEAST, STORM_FACTOR * most):
        return f"it has {found.entries} articles, and none of the last {len(usual)} issues had more than {most}"
    if found.largest > CLIPPED:
        return f"its mail has {found.largest // 1000} kB, and some mail programs cut off what is above 100 kB"
    recent = [each.readers for each in usual[:DRIFT_RECENT]]
    if not recent or not compares_readers:
        return ""
    fewest, largest = min(recent), max(recent)
    if found.readers * 2 < fewest and fewest - found.readers >= DRIFT_LEAST:
        return f"it has {found.readers} readers, and the issues before had at least {fewest}"
    if found.readers * 2 > largest * 3 and found.readers - largest >= DRIFT_LEAST:
        return f"it has {found.readers} readers, and the issues before had at most {largest}"
    return ""
