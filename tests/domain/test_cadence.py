from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feed_publisher.domain.cadence import (
    Cadence,
    Clock,
    Slot,
    due_at,
    parse_time,
)
from feed_publisher.domain.rhythm import Rhythm

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(text: str) -> Slot:
    return Slot(date.fromisoformat(text), Cadence.DAILY)


@pytest.mark.parametrize(
    ("zone", "day", "at", "due"),
    [
        (BERLIN, "2026-11-22", "07:00", "2026-11-22 06:00"),
        (BERLIN, "2026-07-01", "07:00", "2026-07-01 05:00"),
        # spring: 02:00 to 03:00 is missing
        (BERLIN, "2026-03-29", "01:59", "2026-03-29 00:59"),
        (BERLIN, "2026-03-29", "02:00", "2026-03-29 01:00"),
        (BERLIN, "2026-03-29", "02:30", "2026-03-29 01:00"),
        (BERLIN, "2026-03-29", "03:00", "2026-03-29 01:00"),
        (NEW_YORK, "2026-03-08", "02:30", "2026-03-08 07:00"),
        (LORD_HOWE, "2026-10-04", "02:15", "2026-10-03 15:30"),
        (LORD_HOWE, "2026-10-04", "02:30", "2026-10-03 15:30"),
        ("America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04 03:00"),
        # autumn: the first of two
        (BERLIN, "2026-10-25", "02:30", "2026-10-25 00:30"),
        (BERLIN, "2026-10-25", "03:00", "2026-10-25 02:00"),
        (NEW_YORK, "2026-11-01", "01:30", "2026-11-01 05:30"),
        (LORD_HOWE, "2026-04-05", "01:45", "2026-04-04 14:45"),
        ("Pacific/Apia", "2011-12-30", "07:00", "2011-12-30 10:00"),
        ("Asia/Kathmandu", "2026-01-01", "00:00", "2025-12-31 18:15"),
    ],
)
def test_due_at(zone, day, at, due):
    assert due_at(daily(day), Clock(zone, time.fromisoformat(at))) == utc(due)


@pytest.mark.parametrize(
    ("zone", "at", "start"),
    [
        (BERLIN, "02:30", "2026-10-24 22:00"),
        (NEW_YORK, "01:30", "2026-11-01 00:00"),
        (LORD_HOWE, "01:45", "2026-04-04 10:00"),
        (BERLIN, "02:30", "2026-03-28 22:00"),
        (NEW_YORK, "02:30", "2026-03-08 00:00"),
        (LORD_HOWE, "02:15", "2026-10-03 10:00"),
    ],
)
def test_a_night_of_change_has_one_issue(zone, at, start):
    clock = Clock(zone, time.fromisoformat(at))
    minutes = [utc(start) + timedelta(minutes=n) for n in range(12 * 60)]
    slots = [Rhythm(Cadence.DAILY, 0).latest(clock, now) for now in minutes]
    assert len(set(slots)) == 2
    assert slots == sorted(slots), "an issue never comes back"
    assert slots.index(slots[-1]) == minutes.index(due_at(slots[-1], clock))


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2026-11-16", "weekly:2026-W47"),
        ("2026-11-22", "weekly:2026-W47"),
        ("2026-12-31", "weekly:2026-W53"),
        ("2027-01-01", "weekly:2026-W53"),
        ("2027-01-03", "weekly:2026-W53"),
        ("2027-01-04", "weekly:2027-W01"),
        ("2025-12-29", "weekly:2026-W01"),
    ],
)
def test_weeks_are_iso_weeks(day, name):
    assert str(Slot(date.fromisoformat(day), Cadence.WEEKLY)) == name


def test_days_are_local_days():
    assert str(daily("2026-11-22")) == "daily:2026-11-22"
    clock = Clock("Pacific/Auckland", time(7))
    assert str(Rhythm(Cadence.DAILY, 0).latest(clock, utc("2026-11-21 18:00"))) == "daily:2026-11-22"


def test_months_have_one_issue_on_the_first_such_day():
    clock = Clock(BERLIN, time(7))
    names = [
        str(Rhythm(Cadence.MONTHLY, 0).latest(clock, utc(now)))
        for now in ("2026-11-02 05:59", "2026-11-02 06:00", "2026-12-07 05:59", "2026-12-07 06:00", "2027-01-04 06:00")
    ]
    assert names == ["monthly:2026-10", "monthly:2026-11", "monthly:2026-11", "monthly:2026-12", "monthly:2027-01"]


def test_no_issue_on_a_weekend():
    clock = Clock(BERLIN, time(7))
    names = [str(Rhythm(Cadence.WEEKDAYS, 0).latest(clock, utc(f"2026-11-{day} 12:00"))) for day in range(20, 24)]
    assert names == [f"weekdays:2026-11-{day}" for day in (20, 20, 20, 23)]
    assert Rhythm(Cadence.DAILY).parse("manual:x") is None


def test_weeks_across_the_year():
    clock = Clock(BERLIN, time(7))
    friday = 4
    names = [
        str(Rhythm(Cadence.WEEKLY, friday).latest(clock, utc(now)))
        for now in ("2026-12-31 23:00", "2027-01-01 05:59", "2027-01-01 06:00", "2027-01-08 05:59", "2027-01-08 06:00")
    ]
    assert names == ["weekly:2026-W52", "weekly:2026-W52", "weekly:2026-W53", "weekly:2026-W53", "weekly:2027-W01"]


clocks = st.builds(
    Clock,
    st.sampled_from(
        [
            BERLIN,
            NEW_YORK,
            LORD_HOWE,
            "UTC",
            "Asia/Kolkata",
            "Pacific/Apia",
            "Pacific/Kiritimati",
            "Asia/Gaza",
            "Africa/Cairo",
            "America/St_Johns",
            "America/Sao_Paulo",
            "America/Havana",
            "Africa/Casablanca",
            "Etc/GMT+12",
            "Europe/Dublin",
        ]
    ),
    st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0)),
)
instants = st.datetimes(datetime(2005, 1, 1), datetime(2037, 12, 1)).map(lambda t: t.replace(tzinfo=UTC))


@given(
    st.sampled_from([Cadence.DAILY, Cadence.WEEKDAYS, Cadence.WEEKLY, Cadence.MONTHLY]),
    st.integers(0, 6),
    clocks,
    instants,
)
@example(Cadence.DAILY, 0, Clock("America/St_Johns", time(0)), utc("2010-11-07 03:00"))
@example(Cadence.DAILY, 0, Clock("Pacific/Apia", time(0)), utc("2011-12-30 10:00"))
@settings(max_examples=400)
def test_the_latest_is_due_and_the_next_is_not(cadence, weekday, clock, now):
    rhythm = Rhythm(cadence, weekday)
    latest, following = rhythm.latest(clock, now), rhythm.next(clock, now)
    assert due_at(latest, clock) <= now < due_at(following, clock)
    between = {Cadence.DAILY: {1}, Cadence.WEEKDAYS: {1, 3}, Cadence.WEEKLY: {7}, Cadence.MONTHLY: {28, 35}}
    assert (following.day - latest.day).days in between[cadence]
    assert rhythm.step(following, -1) == latest
    assert str(following) != str(latest)
    assert rhythm.parse(str(latest)) == latest
    if cadence in (Cadence.WEEKLY, Cadence.MONTHLY):
        assert latest.day.weekday() == weekday
    if cadence is Cadence.WEEKDAYS:
        assert latest.day.weekday() < 5
    if cadence is Cadence.MONTHLY:
        assert latest.day.day <= 7


@given(clocks, st.dates(date(2005, 1, 1), date(2037, 12, 1)))
def test_a_slot_has_one_due_instant_on_its_day_or_after_a_gap(clock, day):
    slot = Slot(day, Cadence.DAILY)
    due = due_at(slot, clock)
    assert due == due_at(Slot(day, Cadence.DAILY), clock)
    assert due.tzinfo is UTC
    local = due.astimezone(ZoneInfo(clock.zone)).replace(tzinfo=None, fold=0)
    wanted = datetime.combine(day, clock.at)
    assert local == wanted or (wanted < local <= wanted + timedelta(days=1))
    if local != wanted:
        before = (due - timedelta(minutes=1)).astimezone(ZoneInfo(clock.zone)).replace(tzinfo=None, fold=0)
        assert before < wanted, "the first minute after the gap"
    assert due_at(slot, clock) <= due_at(Slot(day + timedelta(days=1), Cadence.DAILY), clock)


@pytest.mark.parametrize(
    ("text", "is_"),
    [("7", time(7)), ("07:30", time(7, 30)), (" 7:05 ", time(7, 5)), ("0", time(0)), ("23:59", time(23, 59))],
)
def test_parse_time(text, is_):
    assert parse_time(text) == is_


@pytest.mark.parametrize("text", ["", "24", "7:60", "-1", "7.30", "noon", "7:30:15", "7 pm"])
def test_no_time(text):
    with pytest.raises(ValueError):
        parse_time(text)
