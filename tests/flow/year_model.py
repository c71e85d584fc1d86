"""What readers are owed, told apart from the program: the rules of an issue in a page, with no cursors and no numbers.

Times are instants; every act has one of its own, so "before" and "after" are all the order there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
EVER = datetime(2000, 1, 1, tzinfo=UTC)
MONDAY = 0
INSTANT = "instant"
CRON = ("Europe/Berlin", "06:30")
"""The digest's own dates are meant by its own clock; here Tuesdays and Thursdays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """``fits``: whether an issue is due on a day. ``late``: how late it may open."""

    fits: Callable[[date], bool]
    name: Callable[[date], str]
    late: timedelta


CADENCES = {
    "daily": Cadence(fits=lambda day: True, name=lambda day: f"daily:{day}", late=timedelta(hours=12)),
    "weekdays": Cadence(
        fits=lambda day: day.weekday() < 5, name=lambda day: f"weekdays:{day}", late=timedelta(hours=12)
    ),
    "weekly": Cadence(
        fits=lambda day: day.weekday() == MONDAY, name=lambda day: f"weekly:{day:%G-W%V}", late=timedelta(days=3)
    ),
    "cron": Cadence(
        fits=lambda day: day.weekday() in (1, 3), name=lambda day: f"cron:{day}T{CRON[1]}", late=timedelta(days=2)
    ),
    "monthly": Cadence(
        fits=lambda day: day.weekday() == MONDAY and day.day <= 7,
        name=lambda day: f"monthly:{day:%Y-%m}",
        late=timedelta(days=3),
    ),
}


def day_of(slot: str, near: datetime) -> date | None:
    """The day a slot is named after; None for a manual one."""
    rule = CADENCES.get(slot.partition(":")[0])
    days = (near.date() + n * DAY for n in range(-40, 40))
    return next((day for day in days if rule.fits(day) and rule.name(day) == slot), None) if rule else None


@lru_cache(100_000)
def hour_on(day: date, zone: str, at: str) -> datetime:
    """The first instant of the day at which a clock on the wall has reached the hour."""
    wall = datetime.combine(day, time.fromisoformat(at))
    place = ZoneInfo(zone)
    moment = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    for step in (timedelta(minutes=15), timedelta(minutes=1)):  # all offsets are quarters of an hour
        while (moment + step).astimezone(place).replace(tzinfo=None) < wall:
            moment += step
    return moment + timedelta(minutes=1)


def due(cadence: str, day: date, clock: tuple[str, str], opened: datetime) -> datetime:
    """When a reader gets the issue of a day: at the own hour, where that is more than a day off at an earlier one."""
    moment = hour_on(day, *clock)
    if cadence in ("daily", "weekdays"):
        while moment > opened + DAY:
            day -= DAY
            while not CADENCES[cadence].fits(day):
                day -= DAY
            if hour_on(day, *clock) <= opened:
                break
            moment = hour_on(day, *clock)
    return moment


@dataclass(slots=True)
class Article:
    """``tags``: since when it may be mailed under each topic; None as long as it may not."""

    number: int
    tags: dict[str, datetime | None]
    state: str = "public"
    published: datetime | None = None
    versions: list[datetime] = field(default_factory=list)
    gone: list[tuple[datetime, datetime | None]] = field(default_factory=list)

    def version_at(self, moment: datetime) -> int:
        return sum(1 for since in self.versions if since <= moment)

    def gone_at(self, moment: datetime) -> bool:
        return any(since <= moment and (until is None or moment < until) for since, until in self.gone)


@dataclass(slots=True)
class Reader:
    """A subscription. ``owed`` must come and ``may`` come: nothing else does. ``got``: article -> (when, message)."""

    address: str
    digest: str
    cadence: str
    zone: str
    at: str
    everything: datetime | None
    topics: dict[str, datetime] = field(default_factory=dict)
    floor: datetime = EVER
    active: bool = True
    paused_until: datetime | None = None
    fresh: bool = False
    suppressed: bool = False
    owed: set[int] = field(default_factory=set)
    may: set[int] = field(default_factory=set)
    got: dict[int, tuple[datetime, str]] = field(default_factory=dict)
    doubt: dict[int, str] = field(default_factory=dict)
    stirred: datetime = EVER
    clock_at: datetime = EVER
    history: list[str] = field(default_factory=list)

    @property
    def clock(self) -> tuple[str, str]:
        return CRON if self.cadence == "cron" else (self.zone, self.at)

    def start_of(self, topic: str) -> datetime | None:
        return self.topics.get(topic, self.everything)

    def choose(self, topics: list[str] | None, now: datetime) -> None:
        """What is chosen newly counts from now, what stays from where it did."""
        if topics is not None:
            self.topics = {topic: self.start_of(topic) or now for topic in topics}
            self.everything = None
        elif self.everything is None:
            self.everything = now

    def since(self, article: Article, covered: set[str] | None) -> datetime | None:
        """When the article first came under what this reader has chosen; None: it did not."""
        wanted = [
            since
            for topic, since in article.tags.items()
            if since is not None and (covered is None or topic in covered)
            if (start := self.start_of(topic)) is not None and start < since
        ]
        return min(wanted, default=None)

    def note(self, now: datetime, what: str) -> None:
        self.stirred = now
        self.history.append(f"{now:%m-%d %H:%M:%S} {what}")


class Wrong(AssertionError):
    """The program did other than the rules say."""


@dataclass(slots=True)
class Model:
    """``digests``: slug -> topics covered (None: all)."""

    seed: int
    digests: dict[str, set[str] | None]
    articles: dict[int, Article] = field(default_factory=dict)
    readers: dict[tuple[str, str], Reader] = field(default_factory=dict)
    expected: dict[tuple[int, str], frozenset[int]] = field(default_factory=dict)

    def wrong(self, what: str, reader: Reader | None = None, *numbers: int) -> Wrong:
        """Everything that is needed to understand it."""
        lines = [f"seed {self.seed}: {what}"]
        for number in numbers:
            lines.append(f"  {self.articles[number]}")
        if reader is not None:
            state = {name: getattr(reader, name) for name in ("address", "digest", "cadence", "zone", "at", "floor")}
            chosen = "everything" if reader.everything else ""
            lines.append(f"  {state} {chosen} {reader.topics} active={reader.active} suppressed={reader.suppressed}")
            lines += [f"    {line}" for line in reader.history[-40:]]
        return Wrong("\n".join(lines))

    # --- articles

    def mailable(self, article: Article, now: datetime) -> None:
        """It is public: under each topic that has not counted yet, it counts from now."""
        fresh = {topic for topic, since in article.tags.items() if since is None}
        article.tags |= dict.fromkeys(fresh, now)
        for reader in self.readers.values():
            covered = self.digests[reader.digest]
            chosen = any(reader.start_of(t) is not None for t in fresh if covered is None or t in covered)
            known = reader.got.keys() | reader.doubt.keys() | reader.may
            if reader.active and chosen and article.number not in known:
                reader.owed.add(article.number)

    def mature(self, now: datetime) -> None:
        for article in self.articles.values():
            if article.state == "scheduled" and article.published is not None and article.published <= now:
                article.state = "public"
                self.mailable(article, now)

    def restored(self, number: int) -> None:
        """Issues may have passed it by meanwhile."""
        for reader in self.readers.values():
            if number in reader.owed:
                reader.owed.discard(number)
                reader.may.add(number)

    # --- readers

    def joined(self, reader: Reader, floor: datetime) -> None:
        """New or back: what came after the floor is owed, what was owed before may still come."""
        reader.may |= reader.owed
        reader.floor = max(floor, reader.floor)
        reader.active, reader.paused_until, reader.fresh = True, None, False
        reader.owed = {n for n in self.articles if n not in reader.got and n not in reader.doubt}
        reader.owed = {n for n in reader.owed if self._is_wanted(reader, n)}
        reader.may |= reader.owed & self._ever_gone()
        reader.owed -= reader.may

    def _ever_gone(self) -> set[int]:
        return {number for number, article in self.articles.items() if article.gone}

    def _is_wanted(self, reader: Reader, number: int) -> bool:
        since = reader.since(self.articles[number], self.digests[reader.digest])
        return since is not None and since > reader.floor

    def end_pause(self, reader: Reader, now: datetime, fresh: bool | None = None) -> None:
        """At its end as it was meant to, or by the reader's own word now: ``fresh`` is what was said."""
        if reader.paused_until is None or (fresh is None and reader.paused_until > now):
            return
        end = now if fresh is not None else reader.paused_until
        if reader.fresh if fresh is None else fresh:
            reader.floor = max(reader.floor, end)
            reader.note(now, f"starts fresh after {end}")
        else:
            reader.note(now, "is back from a pause")
        reader.paused_until, reader.fresh = None, False

    def due_to(self, reader: Reader) -> frozenset[int]:
        """What an issue that is cut now must bring."""
        public = (n for n in reader.owed if self.articles[n].state == "public")
        return frozenset(n for n in public if self._is_wanted(reader, n))

    def pass_by(self, reader: Reader) -> None:
        """What came before the floor under one of the reader's topics is passed, though it has a later topic too."""
        passed = {
            number
            for number in reader.owed
            if (since := reader.since(self.articles[number], self.digests[reader.digest])) and since <= reader.floor
        }
        reader.owed -= passed
        reader.may |= passed

    def audience(self, digest: str, cadence: str | None) -> list[Reader]:
        return [
            reader
            for reader in self.readers.values()
            if reader.digest == digest and reader.active and cadence in (None, reader.cadence)
            if reader.paused_until is None
        ]
