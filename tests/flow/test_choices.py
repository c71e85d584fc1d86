"""Readers who pause, change their hour or how often: each article once, at their hour, or by their own word not."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flow.flow_site import DAY, HOUR, Site, got, listing

from feed_publisher.ports.people import SubscriberView, Wanted

ANN = "ann@example.org"
DAILY = 'cadences = ["daily", "weekly"]\nbackfill = "all"\nhour = "08:00"\nzone = "UTC"'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site", digest=DAILY).make()
    site.now = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)  # a Monday
    site.join(f"email\n{ANN}\n")
    return site


def days(site: Site, count: int, first: int) -> None:
    """So many days from 05:00 on, with an article each day at noon; looked at each hour."""
    for number in range(first, first + count):
        for _ in range(24):
            if site.now.hour == 12:
                site.write(f"{number}.txt", listing("Ships", [number]))
            site.tick()
            site.now += HOUR


def view(site: Site) -> SubscriberView:
    with site.open() as app:
        (found,) = app.people.find(app.subscribe.key_of(_address()))
    return found


def _address():  # type: ignore[no-untyped-def]
    from feed_publisher.domain.address import parse_address

    return parse_address(ANN)


def choose(
    site: Site, cadence: str = "daily", zone: str = "", at: str = "", topics: tuple[str, ...] | None = None
) -> None:
    with site.open() as app:
        wanted = Wanted(cadence=cadence, topics=topics, zone=zone, at=at)
        assert app.preferences.change(view(site), wanted, ["ships", "towns"], site.now)


def mailed(site: Site) -> Counter[int]:
    return got(site.mails()).get(ANN, Counter())


def hours(site: Site) -> list[datetime]:
    rows = site.sql("SELECT not_before FROM delivery WHERE state = 'sent' ORDER BY id")
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for (text,) in rows]


def test_after_a_pause_everything_comes_in_one_issue(site: Site) -> None:
    days(site, 2, 1)
    with site.open() as app:
        app.preferences.pause(view(site), 7, False, site.now)
    before = len(site.mails())
    days(site, 7, 3)
    assert len(site.mails()) == before, "nothing while it lasts"
    days(site, 2, 10)
    assert mailed(site) == Counter(range(1, 11))
    assert len(site.mails()[before].numbered()) >= 7
    site.assert_books_balance()


def test_after_a_pause_one_may_start_fresh(site: Site) -> None:
    days(site, 2, 1)
    with site.open() as app:
        app.preferences.pause(view(site), 7, True, site.now)
    days(site, 7, 3)
    days(site, 3, 10)
    assert mailed(site) == Counter([1, 10, 11]), "article 2 came at noon, before the pause, and waited for the morning"
    with site.open() as app:
        history = app.preferences.history(view(site))
    assert history[0].what == "resumed"
    assert "start fresh after sequence" in history[0].detail


def test_a_second_pause_keeps_what_was_chosen_for_the_end_of_the_first(site: Site) -> None:
    days(site, 2, 1)
    with site.open() as app:
        app.preferences.pause(view(site), 2, True, site.now)
    site.now += DAY
    site.write("30.txt", listing("Ships", [30]))
    site.pickup()
    site.now += 2 * DAY  # over by now, and the program has not looked yet
    with site.open() as app:
        app.preferences.pause(view(site), 1, False, site.now)
    days(site, 3, 31)
    assert mailed(site) == Counter([1, 31, 32])


def test_a_manual_send_after_a_pause_starts_fresh_too(site: Site) -> None:
    days(site, 2, 1)
    with site.open() as app:
        app.preferences.pause(view(site), 3, True, site.now)
    site.write("30.txt", listing("Ships", [30]))
    site.now += HOUR
    site.pickup()
    site.now += 4 * DAY
    assert site.send() is None, "nothing new for anybody"
    assert mailed(site) == Counter([1])


def test_a_pause_takes_back_what_waits(tmp_path: Path) -> None:
    """The issue was opened for the first zone; this reader's hour is still to come."""
    site = Site(tmp_path / "site", digest=DAILY).make()
    site.join(f"email,zone\n{ANN},America/New_York\nben@example.org,Asia/Tokyo\n")
    site.now = datetime(2026, 11, 3, 14, 0, tzinfo=UTC)
    site.tick()
    site.write("1.txt", listing("Ships", [1]))
    site.now = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)  # 08:30 in Tokyo
    site.tick()
    assert site.sql("SELECT count(*) FROM delivery WHERE state = 'queued'") == [(1,)]
    with site.open() as app:
        app.preferences.pause(view(site), None, False, site.now)
    assert site.sql("SELECT count(*) FROM delivery WHERE state = 'excluded'") == [(1,)]
    site.assert_books_balance()
    site.now += 3 * DAY
    site.tick()
    assert ANN not in got(site.mails())
    with site.open() as app:
        app.preferences.resume(view(site), False, site.now)
    for _ in range(40):
        site.tick()
        site.now += HOUR
    assert mailed(site) == Counter([1])


def test_another_hour_counts_for_the_issue_that_waits(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", digest=DAILY).make()
    site.join(f"email,zone\n{ANN},America/New_York\nben@example.org,Asia/Tokyo\n")
    site.now = datetime(2026, 11, 3, 14, 0, tzinfo=UTC)
    site.tick()
    site.write("1.txt", listing("Ships", [1]))
    site.now = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
    site.tick()
    choose(site, zone="Europe/Berlin", at="09:00")
    for _ in range(48):
        site.tick()
        site.now += timedelta(minutes=30)
    assert mailed(site) == Counter([1])
    assert datetime(2026, 11, 4, 8, 0, tzinfo=UTC) in hours(site), "09:00 in Berlin"


def test_a_new_hour_on_the_day_before_the_date_of_the_issue_is_kept(tmp_path: Path) -> None:
    """The issue of Thursday is there on Wednesday, for Auckland, and 22:30 in New York is still to come."""
    site = Site(tmp_path / "site", digest=DAILY).make()
    site.join(f"email,zone,hour\n{ANN},Europe/Berlin,12\nben@example.org,Pacific/Auckland,7\n")
    site.now = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)
    site.tick()
    site.write("1.txt", listing("Ships", [1]))
    site.now = datetime(2026, 11, 4, 18, 0, tzinfo=UTC)
    site.tick()
    choose(site, zone="America/New_York", at="22:30")
    site.now = datetime(2026, 11, 5, 3, 30, tzinfo=UTC)
    site.tick()
    assert mailed(site) == Counter([1])


def test_from_daily_to_weekly_and_back_nothing_is_lost_or_repeated(site: Site) -> None:
    days(site, 3, 1)
    choose(site, "weekly")
    days(site, 9, 4)
    weekly = len(site.mails())
    choose(site, "daily")
    days(site, 3, 13)
    assert mailed(site) == Counter(range(1, 15))
    assert weekly == 3, "two daily ones, then one on Monday"
    site.assert_books_balance()


def test_an_article_that_is_tagged_with_another_topic_later_comes_to_those_who_have_not_had_it(site: Site) -> None:
    site.write("towns.txt", listing("Towns", [1]))
    site.write("ships.txt", listing("Ships", [2]))
    site.pickup()
    site.join("email,topics\nben@example.org,towns\n")
    choose(site, topics=("ships",))
    site.now += 4 * HOUR
    site.tick()
    choose(site, topics=("towns",))
    site.write("towns.txt", listing("Towns", [2, 1]))
    site.now += DAY
    site.tick()
    mails = got(site.mails())
    assert mails[ANN] == Counter([2]), "in Ships; it is no other article in Towns"
    assert mails["ben@example.org"] == Counter([1, 2])


def test_from_monday_to_friday(tmp_path: Path) -> None:
    """Readers west and east of the first zone: nothing on a weekend of their own, and nothing twice."""
    site = Site(tmp_path / "site", digest=DAILY.replace('"daily", ', '"weekdays", "monthly", ')).make()
    site.now = datetime(2026, 11, 5, 5, 0, tzinfo=UTC)  # a Thursday
    site.join(f"email,zone,cadence\n{ANN},America/Lima,weekdays\nben@example.org,Asia/Tokyo,weekdays\n")
    days(site, 7, 1)
    lima, tokyo = (
        [
            datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
            for (text,) in site.sql(
                "SELECT not_before FROM delivery JOIN subscriber s ON s.id = subscriber_id"
                " WHERE address = ? AND state = 'sent'",
                address,
            )
        ]
        for zone, address in (("America/Lima", ANN), ("Asia/Tokyo", "ben@example.org"))
    )
    for each in lima + tokyo:
        assert (each.hour, each.weekday() < 5) == (8, True), each
    assert got(site.mails())[ANN] == Counter(range(1, 7))
    assert max(got(site.mails())["ben@example.org"].values()) == 1


def test_once_a_month(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", digest=DAILY.replace('"daily", "weekly"', '"monthly"')).make()
    site.now = datetime(2026, 10, 20, 5, 0, tzinfo=UTC)
    site.join(f"email\n{ANN}\n")
    for number in range(1, 60):
        site.write(f"{number}.txt", listing("Ships", [number]))
        site.tick()
        site.now += DAY
    assert [issue.slot for issue in site.mailed_issues()] == ["monthly:2026-11", "monthly:2026-12"]
    assert mailed(site) == Counter(range(1, 51)), "up to the tick that opened the second"


def test_changes_at_random_lose_and_repeat_nothing(tmp_path: Path) -> None:
    import random

    chance = random.Random(5)
    site = Site(tmp_path / "site", digest=DAILY).make()
    site.now = datetime(2026, 10, 19, 5, 0, tzinfo=UTC)  # over the end of summer time
    site.join(f"email\n{ANN}\n")
    for number in range(1, 22):
        site.write(f"{number}.txt", listing("Ships", [number]))
        for _ in range(4):
            site.tick()
            if chance.random() < 0.3:
                _something(site, chance)
            site.now += 6 * HOUR
    with site.open() as app:
        app.preferences.resume(view(site), False, site.now)
    choose(site, "daily")
    for _ in range(8):
        site.tick()
        site.now += 12 * HOUR
    assert mailed(site) == Counter(range(1, 22))
    site.assert_books_balance()


def _something(site: Site, chance) -> None:  # type: ignore[no-untyped-def]
    match chance.randrange(3):
        case 0:
            zone = chance.choice(["", "Asia/Tokyo", "America/Lima", "Europe/Berlin"])
            choose(site, chance.choice(["daily", "weekly"]), zone, chance.choice(["", "06:00", "21:30"]))
        case 1:
            with site.open() as app:
                app.preferences.pause(view(site), chance.choice([1, 3, None]), False, site.now)
        case _:
            with site.open() as app:
                app.preferences.resume(view(site), False, site.now)
