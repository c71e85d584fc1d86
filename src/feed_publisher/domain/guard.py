"""Guards against mailing what is not news: first contact, storms, a site that moved (SEMANTICS §1).

They come after recognition and only turn NEW into feed-only, into HOLD, or into what is held or hidden already; what
is held waits for `entries release`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from feed_publisher.domain.dates import believed
from feed_publisher.domain.identity import DOUBTFUL, comparable, normalise, same_authors, same_title, summary_likeness
from feed_publisher.domain.recognition import CHOICE, Decision, Known, Listed, Verb

CALM = 50
"""So many new entries at once are never a storm."""

MEMORY = timedelta(days=28)
"""How far back a source's history is looked at to tell a storm."""

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
    ``MEMORY``, over ``known_for``. ``wanted``: named by hand, taken as it is. ``together``: how
    many new entries all the documents of this reading bring, where they are judged one by one; ``old_together``: how
    many of those are dated long before the last reading.
    """

    now: datetime
    first: bool = False
    mailed_back: timedelta | None = None
    read_at: datetime | None = None
    brought: int = 0
    known_for: timedelta = timedelta(0)
    together: int = 0
    old_together: int = 0
    wanted: bool = False


def guarded(decisions: Sequence[Decision], listed: Sequence[Listed], at: Circumstances) -> list[Decision]:
    """The same decisions in the same order, some of the NEW ones feed-only or held."""
    if at.wanted:
        return list(decisions)
    if at.first:
        return [replace(decision, feed_only=_is_backlog(decision, at)) for decision in decisions]
    gone = _gone(decisions, listed)
    decisions = [_known_undecided(decision, gone, at) for decision in decisions]
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
    rate = at.brought / min(days, MEMORY / timedelta(days=1))
    away = max(at.now - at.read_at, timedelta(days=1)) / timedelta(days=1)
    return max(CALM, round(5 * rate * away))


def is_old(date: datetime, read_at: datetime) -> bool:
    """Whether an article that was never seen would have been at the last reading."""
    return date < read_at - OLD


def _is_backlog(decision: Decision, at: Circumstances) -> bool:
    if at.mailed_back is None or decision.verb is not Verb.NEW:
        return False
    published = believed(decision.draft.published, at.now)
    return published is None or published < at.now - at.mailed_back or not at.mailed_back


def _reasons(decisions: Sequence[Decision], listed: Sequence[Listed], at: Circumstances) -> dict[int, str]:
    """Why each held one is held, by its index."""
    new = [index for index, decision in enumerate(decisions) if decision.verb is Verb.NEW]
    moved = _moved(decisions, new, listed, at)
    rest = [index for index in new if index not in moved]
    limit, count = plausible(at), max(len(rest), at.together)
    if count > limit:
        storm = (
            f"came with {count - 1} other new articles at once, far more than usual for this source"
            f" (up to {limit} are plausible): release it if it is news, else hide it"
        )
        return moved | dict.fromkeys(rest, storm)
    return moved | _surfaced(decisions, rest, at)


def _known_undecided(decision: Decision, gone: Mapping[str, Known], at: Circumstances) -> Decision:
    """What equals an article that is held or hidden already is not held again: its address may change at each visit."""
    if decision.verb is not Verb.NEW:
        return decision
    old = gone.get(normalise(decision.draft.title))
    if old is None or not old.undecided or not _is_the_same(decision, old, at):
        return decision
    return replace(decision, verb=Verb.KEEP, known=old)


def _gone(decisions: Sequence[Decision], listed: Sequence[Listed]) -> dict[str, Known]:
    """The entries that the document no longer lists, by their titles."""
    found = {decision.known.number for decision in decisions if decision.known}
    return {normalise(old.known.title): old.known for old in listed if old.known.number not in found}


def _is_the_same(decision: Decision, old: Known, at: Circumstances) -> bool:
    """Whether title, byline, summary and date all agree: a weekly column has another date each week."""
    draft, published = decision.draft, believed(decision.draft.published, at.now)
    dates_agree = published is None or old.published is None or abs(published - old.published) < timedelta(days=1)
    texts_agree = comparable(draft.summary, old.summary) and normalise(draft.summary) == normalise(old.summary)
    return same_title(draft, old.title) and same_authors(draft.authors, old.authors) and texts_agree and dates_agree


def _moved(
    decisions: Sequence[Decision], new: Sequence[int], listed: Sequence[Listed], at: Circumstances
) -> dict[int, str]:
    """Entries gone from the listing that came back under new ids and addresses: with all else the same, or many."""
    gone = _gone(decisions, listed)
    certain: dict[int, str] = {}
    likely: dict[int, str] = {}
    for index in new:
        draft = decisions[index].draft
        old = gone.get(normalise(draft.title))
        if old is None or not same_title(draft, old.title):
            continue
        reason = f"may be “{old.title}” under a new address"
        if _is_the_same(decisions[index], old, at):
            certain[index] = reason + CHOICE
        elif not comparable(draft.summary, old.summary) or summary_likeness(draft.summary, old.summary) >= DOUBTFUL:
            likely[index] = reason
    count = len(certain) + len(likely)
    if count < MOVED or 2 * count < len(new):
        return certain
    tail = f", as {count} articles of this source at once{CHOICE}"
    return {index: f"may be “{decisions[index].draft.title}” under a new address{tail}" for index in certain | likely}


def _surfaced(decisions: Sequence[Decision], new: Sequence[int], at: Circumstances) -> dict[int, str]:
    """Articles of long ago that were never seen: an archive that was added to the listing."""
    if at.read_at is None:
        return {}
    dates = {index: believed(decisions[index].draft.published, at.now) for index in new}
    old = {index: date for index, date in dates.items() if date is not None and is_old(date, at.read_at)}
    count = max(len(old), at.old_together)
    if count < SURFACED:
        return {}
    tail = f" and came with {count - 1} other old ones: release it if readers should get it, else hide it"
    return {
        index: f"is dated {date:%d %B %Y}, long before this source was last read,{tail}" for index, date in old.items()
    }
