"""Rehearsals in the built-in mailbox, then a real mail server: the first real issue starts where the digest started."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from faults.relay import Relay
from flow.flow_site import DAY, HOUR, Site, got, listing, parse_mail


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


def rehearse(site: Site, *numbers: int) -> None:
    site.write(f"{numbers[0]}.txt", listing("News", numbers))
    site.pickup()
    issue = site.send()
    assert issue is not None
    assert (issue.rehearsal, issue.issue_number) == (True, None)
    site.now += DAY


def test_the_first_real_issue_is_number_one_and_carries_everything_once(site: Site, relay: Relay) -> None:
    site.join("email\nann@example.org\nben@example.org\n")
    rehearse(site, 1, 2)
    rehearse(site, 3)
    site.join("email\nlate@example.org\n")
    rehearse(site, 4, 5)
    mails = site.mails()
    assert not any("Issue" in mail.text for mail in mails)
    rehearsed = got(mails)
    assert rehearsed["ann@example.org"] == rehearsed["ben@example.org"] == dict.fromkeys(range(1, 6), 1)
    assert set(rehearsed["late@example.org"].values()) == {1}

    site.overrides = relay.overrides
    issue = site.send()
    assert issue is not None
    assert (issue.rehearsal, issue.issue_number, issue.audience) == (False, 1, 3)
    real = [parse_mail(raw, to) for to, raw in relay.accepted]
    assert got(real) == {f"{name}@example.org": dict.fromkeys(range(1, 6), 1) for name in ("ann", "ben", "late")}
    assert all("Issue 1" in mail.text for mail in real)
    assert len(site.mails()) == len(mails), "nothing more in the built-in mailbox"
    assert site.send() is None

    site.write("six.txt", listing("News", [6]))
    site.pickup()
    issue = site.send()
    assert issue is not None
    assert issue.issue_number == 2
    assert got([parse_mail(raw, to) for to, raw in relay.accepted[3:]])["late@example.org"] == {6: 1}


def test_scheduled_rehearsals_hand_nothing_over_to_the_relay(site: Site, relay: Relay) -> None:
    """A rehearsal with mails still waiting stays a rehearsal; the real issue of the next slot has it all."""
    site.configure(digest='cadences = ["daily"]\nhour = "07:00"')
    site.join("email,hour\nann@example.org,7\nben@example.org,9\ncleo@example.org,11\n")
    site.write("a.txt", listing("News", [1, 2]))
    site.pickup()
    site.now = site.now.replace(hour=7, minute=5)
    [issue] = site.tick()
    assert site.books(issue.id) == {"sent": 1, "queued": 2}

    site.overrides = relay.overrides
    site.now += 3 * HOUR
    assert site.tick() == []
    assert site.send("weekly") is not None
    assert got([parse_mail(raw, to) for to, raw in relay.accepted]) == {
        f"{name}@example.org": {1: 1, 2: 1} for name in ("ann", "ben", "cleo")
    }
    assert all(message_id.startswith("<2.") for message_id in relay.message_ids())
    assert [issue.issue_number for issue in site.mailed_issues()] == [None, 1]
    site.now += DAY
    site.tick()
    assert len(relay.accepted) == 3
    assert len(site.mails()) == 1


def test_back_to_rehearsing_repeats_nothing_and_takes_no_number(site: Site, relay: Relay) -> None:
    site.join("email\nann@example.org\n")
    site.write("a.txt", listing("News", [1]))
    site.overrides = relay.overrides
    site.pickup()
    site.send()
    site.overrides = ()
    assert site.send() is None, "what the reader really had is not rehearsed again"
    rehearse(site, 2)
    assert got(site.mails()) == {"ann@example.org": {2: 1}}
    site.overrides = relay.overrides
    issue = site.send()
    assert issue is not None
    assert issue.issue_number == 2
    assert got([parse_mail(raw, to) for to, raw in relay.accepted]) == {"ann@example.org": {1: 1, 2: 1}}
    assert re.fullmatch(r"<\d+\.\d+@harbour\.example>", relay.message_ids()[-1])
