"""Weeks go by in a second: slots, zones, summer time, downtime, approval, and everybody gets everything once."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from flow.flow_site import DAY, HOUR, Site, got, listing

from feed_publisher.domain.issue import Issue, IssueState

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = 'cadences = ["daily"]\nzone = "Europe/Berlin"\nhour = "07:00"'
WEEKLY = 'cadences = ["weekly", "daily"]\nzone = "Europe/Berlin"\nday = "monday"\nhour = "07:00"'
ZONES = (
    "email,zone,hour\nberlin@example.org,,\ntokyo@example.org,Asia/Tokyo,06:30\nlima@example.org,America/Lima,12:00\n"
)


def berlin(*when: int) -> datetime:
    return datetime(*when, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[arg-type]


def start(site: Site, digest: str, now: datetime) -> None:
    """The digest has existed for a while."""
    site.now = now
    site.configure(digest=digest)
    with site.open():
        pass
    site.sql("UPDATE digest SET added_at = '2026-01-01 00:00:00.000000'")


def new_articles(site: Site, *numbers: int) -> None:
    site.write(f"{numbers[0]:04}.txt", listing("News", numbers))


# Slots over weeks, and the clocks that change


@pytest.mark.parametrize("first", [(2026, 3, 27, 12), (2026, 10, 23, 12)], ids=["spring", "autumn"])
def test_daily_at_seven_in_berlin_through_a_clock_change(site: Site, first: tuple[int, ...]) -> None:
    site.now = berlin(*first)
    site.configure(digest=DAILY)
    site.join("email\nann@example.org\n")
    opened: list[Issue] = []
    for hour in range(5 * 24):
        if hour % 24 == 2:
            new_articles(site, hour // 24 + 1)
        opened += site.tick() if hour % 24 in (2, 3, 16, 17, 18, 19, 20, 21) else []
        site.now += HOUR
    mailed = [issue for issue in opened if issue.state is not IssueState.SKIPPED]
    days = [(datetime(*first, tzinfo=BERLIN) + timedelta(days=n)).date() for n in range(1, 6)]
    assert [issue.slot for issue in mailed] == [f"daily:{day}" for day in days]
    assert [issue.opened_at.astimezone(BERLIN).hour for issue in mailed] == [7] * 5
    assert got(site.mails()) == {"ann@example.org": dict.fromkeys(range(1, 6), 1)}


@pytest.mark.parametrize(("day", "due"), [((2026, 3, 29), (1, 0)), ((2026, 10, 25), (0, 30))])
def test_half_past_two_when_it_is_missing_or_comes_twice(
    site: Site, day: tuple[int, int, int], due: tuple[int, int]
) -> None:
    start(site, 'cadences = ["daily"]\nzone = "Europe/Berlin"\nhour = "02:30"', datetime(*day, 2, tzinfo=UTC) - DAY)
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    site.tick()
    assert len(site.mails()) == 1
    new_articles(site, 2)
    site.now = datetime(*day, *due, tzinfo=UTC) - timedelta(minutes=1)
    assert site.tick() == []
    site.now += timedelta(minutes=1)
    [issue] = site.tick()
    assert issue.slot == f"daily:{datetime(*day):%Y-%m-%d}"
    new_articles(site, 3)
    site.now += HOUR
    assert site.tick() == []
    assert got(site.mails()) == {"ann@example.org": {1: 1, 2: 1}}


def test_weekly_and_daily_readers_over_four_weeks(site: Site) -> None:
    start(site, WEEKLY, berlin(2026, 10, 12, 8))
    site.join("email,cadence\nweek@example.org,weekly\nday@example.org,daily\n")
    opened: list[Issue] = []
    for day in range(1, 29):
        new_articles(site, day)
        site.pickup()
        site.now = berlin(2026, 10, 12, 7) + day * DAY
        site.now = site.now.astimezone(BERLIN).replace(hour=7, minute=0, fold=0).astimezone(UTC)
        opened += site.tick()
    weekly = [issue for issue in opened if issue.slot.startswith("weekly")]
    assert [issue.slot for issue in weekly] == [
        "weekly:2026-W42",
        *[f"weekly:2026-W{week}" for week in (43, 44, 45, 46)],
    ]
    assert [issue.entries for issue in weekly][1:] == [6, 7, 7, 7]
    assert got(site.mails()) == {
        "week@example.org": dict.fromkeys(range(1, 29), 1),
        "day@example.org": dict.fromkeys(range(1, 29), 1),
    }


def test_each_reader_at_their_own_hour_and_the_content_cut_once(site: Site) -> None:
    start(site, DAILY, berlin(2026, 11, 9, 22))
    site.join(ZONES)
    site.tick()
    new_articles(site, 1)
    site.pickup()
    tokyo = datetime(2026, 11, 10, 6, 30, tzinfo=ZoneInfo("Asia/Tokyo")).astimezone(UTC)
    lima = datetime(2026, 11, 10, 12, tzinfo=ZoneInfo("America/Lima")).astimezone(UTC)
    assert tokyo < berlin(2026, 11, 10, 7) < lima
    site.now = tokyo - timedelta(minutes=1)
    assert site.tick() == []
    site.now = tokyo
    [issue] = site.tick()
    assert (issue.slot, issue.audience) == ("daily:2026-11-10", 3)
    assert [mail.to for mail in site.mails()] == ["tokyo@example.org"]
    new_articles(site, 2)  # too late for this slot, wherever the reader is
    for moment, count in ((berlin(2026, 11, 10, 7), 2), (lima, 3)):
        site.now = moment - timedelta(minutes=1)
        site.tick()
        assert len(site.mails()) == count - 1
        site.now = moment
        assert [issue for issue in site.tick() if issue.slot == "daily:2026-11-10"] == []
        assert len(site.mails()) == count
    assert [mail.numbered() for mail in site.mails()[:2]] == [[1], [1]]
    with_second = got(site.mails())
    site.now = lima + DAY
    site.tick()
    assert with_second["lima@example.org"][1] == 1
    assert got(site.mails())["lima@example.org"] == {1: 1, 2: 1}


def test_readers_more_than_a_day_apart_all_get_a_mail_every_day(site: Site) -> None:
    start(site, DAILY, berlin(2026, 11, 9, 13))
    site.join("email,zone,hour\ntokyo@example.org,Asia/Tokyo,7\nlima@example.org,America/Lima,20\n")
    arrived: dict[str, list[datetime]] = {"tokyo": [], "lima": []}
    for hour in range(4 * 24):
        if hour % 24 == 0:
            new_articles(site, hour // 24 + 1)
        if hour % 24 in (0, 9, 10, 12, 13, 14):
            seen = len(site.mails())
            site.tick()
            for mail in site.mails()[seen:]:
                arrived[mail.to.partition("@")[0]].append(site.now)
        site.now += HOUR
    days = range(9, 13)
    assert arrived["tokyo"] == [datetime(2026, 11, day, 22, tzinfo=UTC) for day in days]
    assert arrived["lima"] == [datetime(2026, 11, day + 1, 1, tzinfo=UTC) for day in days]
    assert got(site.mails()) == {f"{name}@example.org": dict.fromkeys(range(1, 5), 1) for name in arrived}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=50)], ids=["at once", "by a slow cron"])
def test_a_mail_that_has_its_hour_is_not_overtaken_by_the_issue_that_opens_then(site: Site, late: timedelta) -> None:
    """Seven in the evening in Berlin is seven in the morning of the next day in Auckland."""
    start(site, DAILY, berlin(2026, 11, 9, 12))
    site.join("email,zone,hour\nauckland@example.org,Pacific/Auckland,7\nberlin@example.org,Europe/Berlin,19\n")
    for day in range(9, 15):
        new_articles(site, day)
        site.now = berlin(2026, 11, day, 19) + late
        site.tick()
        counts = Counter(mail.to.partition("@")[0] for mail in site.mails())
        assert (counts["auckland"], counts["berlin"]) == (day - 8, day - 9)
    assert got(site.mails())["berlin@example.org"] == dict.fromkeys(range(9, 14), 1)


# Downtime and silence


def test_a_slot_missed_within_its_lateness_still_leaves_once(site: Site) -> None:
    start(site, WEEKLY, berlin(2026, 10, 20, 8))
    site.join("email\nann@example.org\n")
    new_articles(site, 1, 2)
    site.pickup()
    site.now = berlin(2026, 11, 11, 7) - timedelta(minutes=1)  # three Mondays later, and almost three days
    [issue] = [each for each in site.tick() if each.slot.startswith("weekly")]
    assert issue.slot == "weekly:2026-W46"
    site.now += HOUR
    assert [each for each in site.tick() if each.state is not IssueState.SKIPPED] == []
    assert got(site.mails()) == {"ann@example.org": {1: 1, 2: 1}}


def test_an_issue_that_opens_late_keeps_trying_like_any_other(site: Site) -> None:
    start(site, WEEKLY, berlin(2026, 10, 20, 8))
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    site.pickup()
    site.now = berlin(2026, 11, 11, 6)  # almost three days late, and the mail server is busy just now
    with site.open() as app:
        [issue] = [each for each in app.open_issues() if each.slot.startswith("weekly")]
    for _ in range(2):
        site.now += HOUR
        with site.open() as app:
            app.open_issues()
        assert site.books(issue.id) == {"queued": 1}
    site.tick()
    assert got(site.mails()) == {"ann@example.org": {1: 1}}


def test_a_slot_missed_beyond_its_lateness_is_told_once_with_the_next_action(site: Site) -> None:
    start(site, 'zone = "Europe/Berlin"\nmax_lateness = "5 hours"', berlin(2026, 10, 20, 8))
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    site.pickup()
    site.now = berlin(2026, 11, 9, 12, 1)
    for _ in range(3):
        assert [issue for issue in site.tick() if issue.state is not IssueState.SKIPPED] == []
        site.now += timedelta(minutes=10)
    assert site.mails() == []
    [notice] = [told for told in site.notices() if "was not sent" in told]
    assert "The Letter" in notice
    assert "not running" in notice
    assert "Mon 16 Nov" in notice
    assert "feed-publisher send weekly" in notice
    site.now = berlin(2026, 11, 16, 7)
    site.tick()
    assert got(site.mails()) == {"ann@example.org": {1: 1}}


def test_a_slot_with_nothing_new_is_skipped_with_a_notice(site: Site) -> None:
    start(site, DAILY, berlin(2026, 11, 9, 8))
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    site.tick()
    for day in (10, 11):
        site.now = berlin(2026, 11, day, 7, 1)
        site.tick()
        site.tick()
    assert [issue.state for issue in site.issues()][1:] == [IssueState.SKIPPED] * 2
    told = [notice for notice in site.notices() if "was not sent" in notice]
    assert len(told) == 2
    assert all("nothing new" in notice for notice in told)
    assert [issue.issue_number for issue in site.issues()] == [None] * 3


def test_a_new_digest_mails_no_slot_from_before_it_existed(site: Site) -> None:
    site.now = berlin(2026, 11, 9, 7, 30)
    site.configure(digest=WEEKLY)
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    assert site.tick() == []
    site.now = berlin(2026, 11, 15, 7, 30)
    assert [each for each in site.tick() if each.slot.startswith("weekly")] == []
    assert site.mails() == []
    site.now = berlin(2026, 11, 16, 7, 0)
    assert len([each for each in site.tick() if each.slot == "weekly:2026-W47"]) == 1
    assert got(site.mails()) == {"ann@example.org": {1: 1}}


# Approval; two schedulers


def test_a_draft_waits_until_it_is_approved(site: Site) -> None:
    start(site, f'{DAILY}\npolicy = "approve"\nmax_lateness = "20 hours"', berlin(2026, 11, 9, 8))
    site.join("email\nann@example.org\n")
    new_articles(site, 1)
    [issue] = site.tick()
    assert (issue.state, issue.audience) == (IssueState.DRAFT, 1)
    site.now += HOUR
    site.tick()
    assert site.mails() == []
    with site.open() as app:
        app.issues.change_state(issue.id, (IssueState.DRAFT,), IssueState.READY)
    site.tick()
    assert got(site.mails()) == {"ann@example.org": {1: 1}}
    new_articles(site, 2)
    for day in (10, 11):  # nobody approves: what the draft held comes with the next one
        site.now = berlin(2026, 11, day, 7)
        new_articles(site, day)
        [issue] = site.tick()
        assert issue.state is IssueState.DRAFT
    with site.open() as app:
        app.issues.change_state(issue.id, (IssueState.DRAFT,), IssueState.READY)
    site.tick()
    assert got(site.mails()) == {"ann@example.org": {1: 1, 2: 1, 10: 1, 11: 1}}
    assert [each.state for each in site.issues()][1:] == [IssueState.FINISHED] * 2, (
        "overtaken drafts do not wait for ever"
    )


@pytest.mark.parametrize("round", range(3))
def test_two_schedulers_at_the_same_instant_open_one_issue(site: Site, round: int) -> None:
    start(site, WEEKLY, berlin(2026, 11, 9, 6, 59))
    site.join("email\n" + "".join(f"r{number}@example.org\n" for number in range(40)))
    new_articles(site, 1, 2)
    site.pickup()
    site.now = berlin(2026, 11, 9, 7)
    barrier = Barrier(4)
    with ExitStack() as stack:
        apps = [stack.enter_context(site.open()) for _ in range(4)]
        for app in apps:
            stack.enter_context(app.owning())

        def open_issues(number: int) -> list[Issue]:
            barrier.wait()
            return apps[number].open_issues()

        with ThreadPoolExecutor(4) as pool:
            opened = [issue for each in pool.map(open_issues, range(4)) for issue in each]
    assert len([issue for issue in opened if issue.slot.startswith("weekly")]) == 1
    assert len([issue for issue in site.issues() if issue.slot.startswith("weekly")]) == 1
    site.tick()
    assert got(site.mails()) == {f"r{number}@example.org": {1: 1, 2: 1} for number in range(40)}


# Thirty days


@dataclass
class Reader:
    cadence: str
    active: bool = True


@dataclass
class Month:
    """What the readers should have got, kept apart from the program's own books."""

    rng: random.Random
    readers: dict[str, Reader] = field(default_factory=dict)
    articles: int = 0

    def day(self, site: Site, day: int) -> None:
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, 3))):
            self.articles += 1
            topic = self.rng.choice(("News", "Ports"))
            site.write(f"{self.articles:04}.txt", listing(topic, [self.articles]))
        site.pickup()
        if self.rng.random() < 0.5:
            name = f"r{day}@example.org"
            self.readers[name] = Reader(self.rng.choice(("daily", "weekly")))
            site.join(f"email,cadence,zone,hour\n{name},{self.readers[name].cadence},{self._clock()}\n")
        for name, reader in self.readers.items():
            if reader.active and self.rng.random() < 0.08:
                reader.cadence = "weekly" if reader.cadence == "daily" else "daily"
                site.join(f"email,cadence\n{name},{reader.cadence}\n")
            elif reader.active and self.rng.random() < 0.05:
                site.join(f"email,zone,hour\n{name},{self._clock()}\n")
            elif reader.active and self.rng.random() < 0.03:
                reader.active = False
                with site.open() as app:
                    number = site.sql("SELECT id FROM subscriber WHERE address = ?", name)[0][0]
                    assert app.people.leave(number, site.now)

    def _clock(self) -> str:
        zone = self.rng.choice(("Europe/Berlin", "Asia/Tokyo", "America/Lima", "Pacific/Auckland", "UTC"))
        return f"{zone},{self.rng.randrange(24)}"


@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_days_of_coming_and_going(site: Site, seed: int) -> None:
    month = Month(random.Random(seed))
    site.now = berlin(2026, 10, 10, 12)
    site.configure(digest=WEEKLY)
    starts: dict[str, int] = {}
    for day in range(30):
        known = set(month.readers)
        month.day(site, day)
        for name in set(month.readers) - known:
            starts[name] = site.sql(
                "SELECT rehearsed_cursor FROM subscription n JOIN subscriber s ON s.id = n.subscriber_id"
                " WHERE s.address = ?",
                name,
            )[0][0]
        for hours in sorted(month.rng.sample(range(24), 4)):
            if month.rng.random() < 0.9:  # else: the program is down
                site.now = berlin(2026, 10, 10, 12) + day * DAY + hours * HOUR
                site.tick()
                site.assert_books_balance()
        site.now = berlin(2026, 10, 10, 12) + (day + 1) * DAY
    for _ in range(3):  # what waits for its hour
        site.now += 12 * HOUR
        site.tick()
    site.send()
    mails = got(site.mails())
    assert all(count == 1 for counts in mails.values() for count in counts.values()), "nobody got one twice"
    sequence = dict(
        site.sql(
            "SELECT CAST(substr(r.title, 9) AS INTEGER), t.sequence"
            " FROM entry_topic t JOIN entry e ON e.id = t.entry_id JOIN entry_revision r ON r.id = e.revision_id"
        )
    )
    assert len(sequence) == month.articles
    for name, reader in month.readers.items():
        if reader.active:
            wanted = {number for number, given in sequence.items() if given > starts[name]}
            assert mails.get(name, Counter()) == dict.fromkeys(wanted, 1), (name, reader)
    assert any(len(mails.get(name, ())) > 5 for name in month.readers)
