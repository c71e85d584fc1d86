"""Guards against mailing what is not news: first contact, storms, a site that moved (SEMANTICS §1).

They come after recognition and only turn NEW into feed-only or HOLD; what is held waits for `entries release`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from feed_publisher.domain.dates import believed
from feed_publisher.domain.identity import DOUBTFUL, comparable, normalise, same_title, summary_likeness
from feed_publisher.domain.recognition import Decision, Listed, Verb

CALM = 50
"""So many new entries at once are never a storm."""

HISTORY = timedelta(days=28)
OLD = timedelta(days=30)
SURFACED = 5
"""So many new entries dated long before the last reading are an archive that surfaced, not news."""

MOVED = 3
"""So many entries with a known title but a new id and address are a site that moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under which a source is read.

    ``first``: it has never been read to its end; ``mailed_back`` then tells how old an entry may be to be mailed
    (None: of any age). ``read_at``: the last reading before this one. ``brought``: new entries of the last
    ``HISTORY``, over ``known_for``. ``wanted``: named by hand, taken as it is.
    """

    now: datetime
    first: bool = False
    mailed_back: timedelta | None = None
    read_at: datetime | None = None
    brought: int = 0
    known_for: timedelta = timedelta(0)
    wanted: bool = False


def guarded(decisions: Sequence[Decision], listed: Sequence[Listed], at: Circumstances) -> list[Decision]:
    """The same decisions in the same order, some of the NEW ones feed-only or held."""
    if at.wanted:
        return list(decisions)
    if at.first:
        return [replace(decision, feed_only=_is_backlog(decision, at)) for decision in decisions]
    reasons = _reasons(decisions, listed, at)
    return [
        replace(decision, verb=Verb.HOLD, reason=reasons[index]) if index in reasons else decision
        for index, decision in enumerate(decisions)
    ]


def plausible(at: Circumstances) -> int:
    """How many new entries at once the history of a source makes plausible."""
    if at.read_at is None:
        return CALM
    days = max(at.known_for, timedelta(days=1)) / timedelta(days=1)
    rate = at.brought / min(days, HISTORY / timedelta(days=1))
    away = max(at.now - at.read_at, timedelta(days=1)) / timedelta(days=1)
    return max(CALM, round(5 * rate * away))


def _is_backlog(decision: Decision, at: Circumstances) -> bool:
    if at.mailed_back is None or decision.verb is not Verb.NEW:
        return False
    published = believed(decision.draft.published, at.now)
    return published is None or published < at.now - at.mailed_back or not at.mailed_back


def _reasons(decisions: Sequence[Decision], listed: Sequence[Listed], at: Circumstances) -> dict[int, str]:
    """Why each held one is held, by its index."""
    new = [index for index, decision in enumerate(decisions) if decision.verb is Verb.NEW]
    moved = _moved(decisions, new, listed)
    rest = [index for index in new if index not in moved]
    limit = plausible(at)
    if len(rest) > limit:
        storm = (
            f"{len(rest)} new articles came at once, far more than usual for this source (up to {limit} are plausible):"
            " release them if they are news, else hide them"
        )
        return moved | dict.fromkeys(rest, storm)
    return moved | _surfaced(decisions, rest, at)


def _moved(decisions: Sequence[Decision], new: Sequence[int], listed: Sequence[Listed]) -> dict[int, str]:
    """Entries gone from the listing whose titles came back under new ids and addresses, when they are many."""
    found = {decision.known.number for decision in decisions if decision.known}
    gone = {normalise(old.known.title): old.known for old in listed if old.known.number not in found}
    reasons: dict[int, str] = {}
    for index in new:
        draft = decisions[index].draft
        old = gone.get(normalise(draft.title))
        if old is None or not same_title(draft, old.title):
            continue
        if comparable(draft.summary, old.summary) and summary_likeness(draft.summary, old.summary) < DOUBTFUL:
            continue
        reasons[index] = f"may be “{old.title}” under a new address"
    if len(reasons) < MOVED or 2 * len(reasons) < len(new):
        return {}
    tail = f", as {len(reasons)} articles of this source at once: release it if it is another article, else hide it"
    return {index: reason + tail for index, reason in reasons.items()}


def _surfaced(decisions: Sequence[Decision], new: Sequence[int], at: Circumstances) -> dict[int, str]:
    """Articles of long ago that were never seen: an archive that was added to the listing."""
    if at.read_at is None:
        return {}
    limit = at.read_at - OLD
    dates = {index: believed(decisions[index].draft.published, at.now) for index in new}
    old = {index: date for index, date in dates.items() if date is not None and date < limit}
    if len(old) < SURFACED:
        return {}
    tail = f" and came with {len(old) - 1} other old ones: release it if readers should get it, else hide it"
    return {
        index: f"is dated {date:%d %B %Y}, long before this source was last read,{tail}" for index, date in old.items()
    }
