"""Issues as it happens, on a digest's own dates, never on a date left out, closed early, of a minimum, not at night."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flow.flow_site import DAY, HOUR, Site, got, listing

from feed_publisher.domain.errors import ConfigError
from feed_publisher.ports.people import Wanted

ANN, BEN = "ann@example.org", "ben@example.org"
MINUTE = timedelta(minutes=1)


def made(tmp_path: Path, digest: str, csv: str = f"email\n{ANN}\n") -> Site:
    site = Site(tmp_path / "site", digest=f'hour = "08:00"\nzone = "UTC"\n{digest}').make()
    site.now = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)  # a Monday
    site.tick()
    site.join(csv)
    return site


def article(site: Site, *numbers: int) -> None:
    site.write(f"{numbers[0]}.txt", listing("Ships", numbers))


def until(site: Site, end: datetime, step: timedelta = HOUR) -> None:
    while site.now < end:
        site.now = min(end, site.now + step)
        site.tick()


def left(site: Site) -> list[str]:
    rows = site.sql("SELECT not_before FROM delivery WHERE state = 'sent' ORDER BY id")
    return [text[5:16] for (text,) in rows]


def slots(site: Site) -> list[str]:
    return [issue.slot for issue in site.mailed_issues()]


# --- as it happens


def test_as_it_happens(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["instant", "daily"]')
    article(site, 1)
    site.tick()
    assert site.mails() == [], "others may be on their way"
    site.now += MINUTE
    article(site, 2)
    site.tick()
    until(site, site.now + 3 * MINUTE, MINUTE)
    (mail,) = site.mails()
    assert sorted(mail.numbered()) == [1, 2], "what comes together is mailed together"
    article(site, 3)
    until(site, site.now + 5 * MINUTE, MINUTE)
    assert got(site.mails()) == {ANN: Counter([1, 2, 3])}
    assert all(slot.startswith("instant:") for slot in slots(site))
    site.assert_books_balance()


def test_the_next_issue_waits_until_the_one_before_has_left(tmp_path: Path) -> None:
    """Otherwise the readers at the end of a long list would see their mail replaced again and again."""
    site = made(tmp_path, 'cadences = ["instant"]')
    for number in (1, 2):
        article(site, number)
        site.pickup()
        site.now += 5 * MINUTE
        with site.open() as app, app.owning():
            app.open_issues()  # and nothing is sent: the mail server is slow
    assert slots(site) == ["instant:1"]
    until(site, site.now + 3 * MINUTE, MINUTE)
    assert slots(site) == ["instant:1", "instant:2"]
    assert [mail.numbered() for mail in site.mails()] == [[1], [2]]


def test_articles_that_keep_coming_do_not_hold_up_the_first(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["instant"]')
    for number in range(1, 14):
        article(site, number)
        site.tick()
        site.now += MINUTE
    assert site.mails()[0].numbered(), "ten minutes are enough"


def test_as_it_happens_begins_when_it_is_chosen(tmp_path: Path) -> None:
    """Not with everything since the digest began."""
    site = made(tmp_path, 'cadences = ["daily", "instant"]\nbackfill = "all"')
    article(site, 1)
    until(site, site.now + HOUR, 10 * MINUTE)
    site.join(f"email,cadence\n{BEN},instant\n")
    article(site, 2)
    until(site, site.now + HOUR, 10 * MINUTE)
    assert got(site.mails()) == {BEN: Counter([2])}


def test_nobody_who_wants_it_as_it_happens_costs_nothing(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["daily", "instant"]')
    article(site, 1)
    until(site, site.now + HOUR, 10 * MINUTE)
    assert site.issues() == []
    assert site.sql("SELECT instant_through FROM digest") == [(1,)]


def test_from_weekly_to_as_it_happens_nothing_comes_twice(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["weekly", "instant"]')
    article(site, 1)
    until(site, site.now + 4 * HOUR)  # over 08:00 on Monday
    article(site, 2)
    site.tick()
    with site.open() as app:
        from feed_publisher.domain.address import parse_address

        (view,) = app.people.find(app.subscribe.key_of(parse_address(ANN)))
        assert app.preferences.change(view, Wanted(cadence="instant", topics=None, zone="", at=""), ["ships"], site.now)
    until(site, site.now + HOUR)
    article(site, 3)
    until(site, site.now + 9 * DAY, 12 * HOUR)
    assert got(site.mails()) == {ANN: Counter([1, 2, 3])}


def test_at_night_it_happens_in_the_morning(tmp_path: Path) -> None:
    csv = f"email,zone\n{ANN},UTC\n{BEN},Asia/Tokyo\n"
    site = made(tmp_path, 'cadences = ["instant"]\nquiet = "22-7"', csv)
    site.now = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
    article(site, 1)
    site.tick()
    until(site, datetime(2026, 11, 3, 2, 0, tzinfo=UTC), 10 * MINUTE)
    assert got(site.mails()) == {BEN: Counter([1])}, "08:30 in Tokyo"
    article(site, 2)
    until(site, datetime(2026, 11, 3, 6, 50, tzinfo=UTC), 10 * MINUTE)
    assert got(site.mails()) == {BEN: Counter([1, 2])}, "what waits for the morning holds up nobody"
    until(site, datetime(2026, 11, 3, 7, 20, tzinfo=UTC), 10 * MINUTE)
    anns = [mail for mail in site.mails() if mail.to == ANN]
    assert [sorted(mail.numbered()) for mail in anns] == [[1, 2]], "the night's articles in one mail"
    site.assert_books_balance()


# --- own dates


def test_own_dates(tmp_path: Path) -> None:
    csv = f"email,zone,hour\n{ANN},Asia/Tokyo,21:00\n{BEN},,\n"
    site = made(tmp_path, 'cadences = ["cron"]\ncron = "30 6 * * tue,thu"', csv)
    site.now += HOUR + 30 * MINUTE
    for number in range(1, 9):
        article(site, number)
        until(site, site.now + DAY, 12 * HOUR)
    assert slots(site) == ["cron:2026-11-03T06:30", "cron:2026-11-05T06:30", "cron:2026-11-10T06:30"]
    assert set(left(site)) == {"11-03 06:30", "11-05 06:30", "11-10 06:30"}, "the same moment for everybody"
    assert got(site.mails()) == {ANN: Counter(range(1, 9)), BEN: Counter(range(1, 9))}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('cadences = ["cron"]', "need each other"),
        ('cron = "0 7 * * *"', "need each other"),
        ('cadences = ["cron"]\ncron = "every day"', "names no dates"),
        ('skip = ["25.12."]', "is no date"),
        ('quiet = "22"', "no time"),
        ('quiet = "7-9"', "lies in the quiet hours"),
        ("minimum = 0", "greater than or equal to 1"),
        ('cutoff = "soon"', "is not a time span"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, lines: str, said: str) -> None:
    site = Site(tmp_path / "site", digest=f'hour = "08:00"\n{lines}').make()
    with pytest.raises(ConfigError, match=said), site.open():
        pass


# --- dates left out


def test_a_date_left_out_has_no_issue_and_loses_nothing(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["daily"]\nskip = ["2026-11-04", "11-05"]')
    for number in range(1, 7):
        article(site, number)
        until(site, site.now + DAY, 3 * HOUR)
    assert slots(site) == [f"daily:2026-11-0{day}" for day in (2, 3, 6, 7)]
    skipped = [issue for issue in site.issues() if issue not in site.mailed_issues()]
    assert [(issue.slot, issue.reason) for issue in skipped] == [
        ("daily:2026-11-04", "the settings leave out 2026-11-04"),
        ("daily:2026-11-05", "the settings leave out 2026-11-05"),
    ]
    assert site.notices() == [], "what was wanted is no news"
    assert got(site.mails()) == {ANN: Counter(range(1, 7))}


# --- closed early


def test_what_comes_after_the_cut_off_is_for_the_next_issue(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["daily"]\ncutoff = "2 hours"')
    article(site, 1)
    site.tick()  # 05:00
    site.now += 2 * HOUR
    article(site, 2)
    until(site, site.now + 2 * HOUR, 10 * MINUTE)
    assert [mail.numbered() for mail in site.mails()] == [[1]]
    until(site, site.now + DAY)
    assert [mail.numbered() for mail in site.mails()] == [[1], [2]]


# --- a minimum


def test_too_few_articles_wait_for_more(tmp_path: Path) -> None:
    csv = f"email,topics\n{ANN},\n{BEN},ships\n"
    site = made(tmp_path, 'cadences = ["daily"]\nminimum = 3\nbackfill = "all"', "email\n")
    article(site, 1)
    site.tick()
    site.join(csv)
    until(site, site.now + 4 * HOUR)
    assert site.mails() == []
    assert "nobody had 3 new articles yet" in site.notices()[0]
    site.write("tides.txt", listing("Tides", [2, 3]))
    until(site, site.now + DAY)
    assert got(site.mails()) == {ANN: Counter([1, 2, 3])}, "Ben, who reads of ships only, has one so far"
    article(site, 4, 5)
    until(site, site.now + DAY)
    assert got(site.mails()) == {ANN: Counter([1, 2, 3]), BEN: Counter([1, 4, 5])}
    site.assert_books_balance()


def test_nothing_waits_for_ever(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["daily"]\nminimum = 3')
    article(site, 1)
    site.tick()
    until(site, site.now + 27 * DAY, 12 * HOUR)
    assert site.mails() == []
    until(site, site.now + 3 * DAY, 12 * HOUR)
    assert got(site.mails()) == {ANN: Counter([1])}


def test_by_hand_any_number_will_do(tmp_path: Path) -> None:
    site = made(tmp_path, 'cadences = ["daily"]\nminimum = 3')
    article(site, 1)
    site.tick()
    assert site.send() is not None
    assert got(site.mails()) == {ANN: Counter([1])}


# --- quiet hours of what is late


def test_what_is_late_waits_for_the_morning_and_a_chosen_hour_counts(tmp_path: Path) -> None:
    csv = f"email,hour\n{ANN},\n{BEN},23:00\n"
    site = made(tmp_path, 'cadences = ["weekly"]\nquiet = "22-7"', csv)
    article(site, 1)
    site.tick()
    until(site, datetime(2026, 11, 2, 23, 30, tzinfo=UTC))
    assert sorted(left(site)) == ["11-02 08:00", "11-02 23:00"], "Ben's own hour is his wish"
    article(site, 2)
    site.tick()
    site.now = datetime(2026, 11, 9, 23, 40, tzinfo=UTC)  # the program was down
    site.tick()
    until(site, site.now + 9 * HOUR)
    assert sorted(left(site))[2:] == ["11-10 07:00", "11-10 07:00"]
    assert got(site.mails()) == {ANN: Counter([1, 2]), BEN: Counter([1, 2])}
