"""A digest's own dates, dates left out, quiet hours, and how cadences compare."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_publisher.domain.cadence import Cadence, Clock, Slot, cadence_of, due_at
from feed_publisher.domain.rhythm import QuietHours, Rhythm, check_cron, dates_left_out, weekly_dates

BERLIN = "Europe/Berlin"
TWICE = Rhythm(Cadence.CRON, cron="30 6 * * tue,thu")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "latest", "following"),
    [
        ("2026-11-26 05:29", "cron:2026-11-24T06:30", "cron:2026-11-26T06:30"),
        ("2026-11-26 05:30", "cron:2026-11-26T06:30", "cron:2026-12-01T06:30"),
        ("2026-11-30 23:00", "cron:2026-11-26T06:30", "cron:2026-12-01T06:30"),
    ],
)
def test_own_dates(now, latest, following):
    clock = Clock(BERLIN, time(0))
    assert str(TWICE.latest(clock, utc(now))) == latest
    assert str(TWICE.next(clock, utc(now))) == following
    assert TWICE.parse(latest) == TWICE.latest(clock, utc(now))


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"])
@pytest.mark.parametrize("cron", ["*/30 * * * *", "30 2 * * *", "0 0 1 * *", "15 1-3 * * sat,sun"])
@given(now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)))
@settings(max_examples=40)
def test_the_latest_own_date_is_due_and_the_next_is_not(zone, cron, now):
    rhythm, clock = Rhythm(Cadence.CRON, cron=cron), Clock(zone, time(0))
    latest, following = rhythm.latest(clock, now), rhythm.next(clock, now)
    assert due_at(latest, clock) <= now
    # Of two slots that spring's gap makes due at the same minute the later one is the latest.
    assert due_at(following, clock) > now
    assert rhythm.parse(str(latest)) == latest


def test_a_night_of_change_has_each_own_date_once():
    rhythm, clock = Rhythm(Cadence.CRON, cron="*/20 * * * *"), Clock(BERLIN, time(0))
    for start in ("2026-10-24 22:00", "2026-03-28 22:00"):
        seen = [rhythm.latest(clock, utc(start) + timedelta(minutes=n)) for n in range(6 * 60)]
        assert seen == sorted(seen), "a slot never comes back"


@pytest.mark.parametrize("text", ["", "x", "0 7 30 2 *", "* * * *", "0 7 * * 9", "@daily", "0 7 * * mon;rm"])
def test_no_own_dates(text):
    with pytest.raises(ValueError, match="names no dates"):
        check_cron(text)


def test_own_dates_in_words():
    assert weekly_dates("30 6 * * tue,thu") == ((1, 3), time(6, 30))
    assert weekly_dates("0 7 * * 0,7") == ((6,), time(7))
    assert weekly_dates("0 7 * * *") == (tuple(range(7)), time(7))
    for other in ("0 7 1,15 * *", "0 7 * 12 *", "0 7,19 * * mon", "*/30 7 * * mon", "0 7 * * mon#1"):
        assert weekly_dates(other) is None


def test_dates_left_out():
    assert dates_left_out("12-25") == ["12-25"]
    assert dates_left_out("2026-12-30..2027-01-01") == ["2026-12-30", "2026-12-31", "2027-01-01"]
    for text in ("", "25.12.2026", "2026-02-30", "2027-01-01..2026-12-30", "2026-01-01..2028-01-01", "12-25..12-26"):
        with pytest.raises(ValueError):
            dates_left_out(text)


def test_the_next_date_is_one_that_is_not_left_out():
    rhythm = Rhythm(Cadence.WEEKLY, 0, left_out=frozenset({"2026-11-30", "12-07"}))
    clock = Clock("UTC", time(7))
    assert str(rhythm.next(clock, utc("2026-11-26 12:00"))) == "weekly:2026-W51"
    assert rhythm.is_left_out(rhythm.latest(clock, utc("2026-11-30 07:00"))), "still the latest, to be kept as skipped"
    every_day = Rhythm(
        Cadence.DAILY, left_out=frozenset(f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32))
    )
    assert every_day.next(clock, utc("2026-11-26 12:00")), "it ends even when nothing is left"


@pytest.mark.parametrize(
    ("text", "zone", "now", "leaves"),
    [
        ("22-7", "UTC", "2026-11-26 21:59", "2026-11-26 21:59"),
        ("22-7", "UTC", "2026-11-26 22:00", "2026-11-27 07:00"),
        ("22-7", "UTC", "2026-11-27 06:59:59", "2026-11-27 07:00"),
        ("22-7", "UTC", "2026-11-27 07:00", "2026-11-27 07:00"),
        ("12:30-14", BERLIN, "2026-11-27 12:00", "2026-11-27 13:00"),
        ("22-2:30", BERLIN, "2026-03-29 00:30", "2026-03-29 01:00"),  # 02:30 does not exist
        ("22-2:30", BERLIN, "2026-10-25 00:10", "2026-10-25 00:30"),
        ("22-2:30", BERLIN, "2026-10-25 01:10", "2026-10-25 01:10"),  # the second 02:10, after the first 02:30
    ],
)
def test_quiet_hours(text, zone, now, leaves):
    assert QuietHours.parse(text).after(utc(now), zone) == utc(leaves)


@given(
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.sampled_from([BERLIN, "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
    st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
)
def test_quiet_hours_end_within_a_day(start, end, zone, now):
    if start == end:
        return
    quiet = QuietHours(start, end)
    leaves = quiet.after(now, zone)
    assert now <= leaves <= now + timedelta(hours=26)
    if leaves != now:
        assert quiet.holds(now.astimezone(ZoneInfo(zone)).time())


@pytest.mark.parametrize("text", ["22", "22-", "-7", "22-22", "25-7", "a-b", "22-7-9"])
def test_no_quiet_hours(text):
    with pytest.raises(ValueError):
        QuietHours.parse(text)


def test_how_often_compares():
    gaps = [Rhythm(cadence, cron="0 7 * * mon,thu").gap for cadence in Cadence]
    assert gaps[:5] == sorted(gaps[:5])
    assert Rhythm(Cadence.DAILY).gap < gaps[5] < Rhythm(Cadence.WEEKLY).gap


def test_how_late_is_too_late():
    assert Rhythm(Cadence.DAILY).lateness == timedelta(hours=12)
    assert Rhythm(Cadence.WEEKLY).lateness == timedelta(days=3)
    assert Rhythm(Cadence.CRON, cron="0 * * * *").lateness == timedelta(hours=1)
    assert Rhythm(Cadence.CRON, cron="0 7 * * *").lateness == timedelta(hours=12)


def test_what_an_issue_is_for():
    assert cadence_of("manual:x") is None
    assert cadence_of("instant:12") is Cadence.INSTANT
    assert cadence_of(str(Slot(datetime(2026, 11, 2).date(), Cadence.WEEKLY))) is Cadence.WEEKLY
