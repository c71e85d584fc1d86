"""A digest that goes to the operators only, then to its readers: nobody loses a place, nobody gets anything twice."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from faults.relay import Relay
from flow.flow_site import DAY, HOUR, MONDAY, Mail, Site, listing, parse_mail

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.shadow import is_shadow

OPERATORS = '[mail]\noperators = ["desk@harbour.example", "chief@example.org"]\n'
DESK, LIVE = 'recipients = "operators"\n', ""
WEEK = 7 * DAY
SEVEN = 2 * HOUR
NAMES = ["chief", *(f"reader{number:02}" for number in range(19))]


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@pytest.fixture
def paper(tmp_path: Path, database_url: str, relay: Relay) -> Site:
    """Twenty readers, one of them an operator; the digest goes to the operators, by a real mail server."""
    overrides = (*relay.overrides, f"database.url={database_url}")
    site = Site(tmp_path / "site", MONDAY - 5 * DAY, overrides, OPERATORS, DESK).make()
    site.join("email\n" + "".join(f"{name}@example.org\n" for name in NAMES))
    return site


def publish(site: Site, *numbers: int) -> None:
    site.write(f"{numbers[0]}.txt", listing("Tides", numbers))
    site.pickup()


def mails(relay: Relay) -> list[Mail]:
    return [parse_mail(raw, to) for to, raw in relay.accepted]


def got(relay: Relay) -> tuple[dict[str, Counter[int]], dict[str, Counter[int]]]:
    """How often each address got each article: of issues for the desk, and of the others."""
    desk: dict[str, Counter[int]] = {}
    real: dict[str, Counter[int]] = {}
    for mail in mails(relay):
        ours = desk if mail.subject.startswith("[Desk] ") else real
        ours.setdefault(mail.to.partition("@")[0], Counter()).update(mail.numbered())
    return desk, real


def once(numbers: range) -> Counter[int]:
    return Counter(dict.fromkeys(numbers, 1))


def balanced(site: Site) -> bool:
    with site.open() as app:
        issues = app.issues.newest(1000)
        return all(sum(app.issues.books(each.id).values()) == (each.audience or 0) for each in issues)


def go(site: Site, recipients: str, more: str = "") -> None:
    """Change the settings, and start the program."""
    site.configure(digest=recipients + more)
    with site.open():
        pass


def test_three_weeks_for_the_desk_then_the_readers(paper: Site, relay: Relay) -> None:
    paper.tick()
    for week in range(3):
        paper.now = MONDAY + week * WEEK
        publish(paper, 10 * week + 1, 10 * week + 2)
        assert paper.tick() == [], "not before its hour"
        paper.now += SEVEN
        (issue,) = paper.tick()
        assert (issue.audience, issue.issue_number, issue.rehearsal) == (2, None, False)
    seen = Counter(dict.fromkeys((1, 2, 11, 12, 21, 22), 1))
    desk, real = got(relay)
    assert desk == {"desk": seen, "chief": seen}
    assert real == {}, "no reader got anything"
    assert not any("Issue" in mail.text for mail in mails(relay)), "it takes no number"

    go(paper, LIVE)
    paper.now += DAY
    assert paper.tick() == [], "the dates for the desk are no missed dates"
    publish(paper, 31)
    assert paper.tick() == []
    paper.now = MONDAY + 3 * WEEK + SEVEN
    (first,) = paper.tick()
    assert (first.digest, first.issue_number, first.audience) == ("weekly", 1, 20)
    desk, real = got(relay)
    seen[31] = 1
    assert real == dict.fromkeys(NAMES, seen), "where the digest started, and all of it once"
    assert 31 not in desk["desk"]
    assert paper.notices() == []
    assert balanced(paper)
    subjects = [mail.subject for mail in mails(relay) if mail.to == "reader00@example.org"]
    assert subjects == ["Article 0031, and 6 more"], "no subject was taken by the desk"


def test_the_first_real_issue_starts_where_it_is_told_to_and_has_the_number_it_is_told(
    paper: Site, relay: Relay
) -> None:
    publish(paper, 3, 2, 1)  # newest first
    paper.now = MONDAY + SEVEN
    paper.tick()
    with paper.open() as app:
        starting = app.starting("weekly")
        key = next(entry.key for entry in paper.entries() if entry.title == "Article 0002")
        assert starting.begin(starting.before(app.entries.get(key[:6])), 48) == 20
    publish(paper, 4)
    paper.now += WEEK
    paper.tick()
    go(paper, LIVE)
    paper.now += WEEK
    (issue,) = paper.tick()
    assert (issue.issue_number, issue.audience) == (48, 20)
    desk, real = got(relay)
    assert real == dict.fromkeys(NAMES, once(range(2, 5)))
    assert desk["desk"] == Counter([1, 2, 3, 2, 3, 4]), "it has seen what the first issue would have"
    assert any("Issue 48" in mail.text for mail in mails(relay) if mail.to == "chief@example.org")


def test_the_mail_for_the_desk_is_the_real_one_but_for_its_mark(paper: Site, relay: Relay) -> None:
    publish(paper, 1)
    paper.tick()
    paper.now = MONDAY + SEVEN
    paper.tick()
    raw = relay.accepted[0][1].decode()
    assert re.search(r"^Subject: \[Desk\] Article 0001\r$", raw, re.MULTILINE)
    assert re.search(r"^List-Id: .*<weekly.harbour.example>\r$", raw, re.MULTILINE)
    assert "~" not in raw.replace("~all", ""), "no address has the name of a shadow"
    assert "/digests/weekly" in mails(relay)[0].html
    assert "/issues/weekly/" not in raw, "it has no page on the web"
    with paper.open() as app:
        app.publish()
        assert app.archive.page("weekly", "", 9) == []
        assert app.archive.page("weekly~desk", "", 9) == []


def test_by_hand_it_goes_to_the_desk_too(paper: Site, relay: Relay) -> None:
    publish(paper, 1)
    with paper.open() as app:
        mailed = app.settings.mailed("weekly")
    issue = paper.send(mailed)
    assert issue is not None
    assert issue.audience == 2
    with paper.open() as app, app.owning():
        assert app.issues.claim_slot("weekly", "manual:1", IssueState.PREPARING, "", False, "x", paper.now) is None
    assert set(got(relay)[1]) == set(), "nor does a program that was started with other settings"


def test_going_live_ends_what_waits_for_the_desk(paper: Site, relay: Relay) -> None:
    relay.at_rcpt["chief"] = "450 4.2.0 later"
    publish(paper, 1)
    paper.tick()
    paper.now = MONDAY + SEVEN
    (issue,) = paper.tick()
    go(paper, LIVE)
    relay.at_rcpt.clear()
    paper.now += HOUR
    assert paper.tick() == []
    with paper.open() as app:
        assert app.issues.books(issue.id) == {DeliveryState.SENT: 1, DeliveryState.EXCLUDED: 1}
        assert app.issues.get(issue.id).state is IssueState.CANCELLED
    assert relay.got == {"desk": 1}
    (notice,) = paper.notices()
    assert notice.startswith("1 mail that had not left was ended")
    assert balanced(paper)


def half_prepared(site: Site) -> Issue:
    """A real issue whose program was ended while it was opened."""
    with site.open() as app, app.owning():
        app.stopping.set()
        (issue,) = app.open_issues()
    assert issue.state is IssueState.PREPARING
    return issue


def test_a_crash_while_a_real_issue_is_opened_and_then_back_to_the_desk(paper: Site, relay: Relay) -> None:
    go(paper, LIVE)
    publish(paper, 1, 2)
    paper.tick()
    paper.now = MONDAY + SEVEN
    half = half_prepared(paper)
    go(paper, DESK)
    with paper.open() as app:
        store = app.recipients._shadowing._store
        assert store.ended_issues() == [half.id]
        assert store.end_mails(half.id, 0, 7, paper.now)[1] == 7, "and here the program is ended once more"
    paper.tick()
    with paper.open() as app:
        assert app.issues.books(half.id) == {DeliveryState.EXCLUDED: 20}
    publish(paper, 11)
    paper.now += WEEK
    (issue,) = paper.tick()
    assert is_shadow(issue.digest)
    go(paper, LIVE)
    paper.now += WEEK
    (issue,) = paper.tick()
    assert issue.audience == 20
    _, real = got(relay)
    assert real == {name: Counter([1, 2, 11]) for name in NAMES}
    assert balanced(paper)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_to_and_fro(paper: Site, relay: Relay, seed: int) -> None:
    """Weeks of chance, then two in which it is live: each reader has each article once."""
    chance, number, live = random.Random(seed), 0, False
    go(paper, DESK, 'cadences = ["weekly", "daily"]\n')
    for _ in range(14):
        paper.now += timedelta(hours=chance.choice([5, 20, 31, 60]))
        match chance.randrange(5):
            case 0 | 1:
                number += 1
                publish(paper, number)
            case 2:
                live = not live
                go(paper, LIVE if live else DESK, 'cadences = ["weekly", "daily"]\n')
            case 3:
                if live:
                    with paper.open() as app, app.owning():
                        app.stopping.set()
                        app.open_issues()
            case _:
                with paper.open() as app:
                    mailed = app.settings.mailed("weekly")
                paper.send(mailed)
        paper.tick()
    go(paper, LIVE, 'cadences = ["weekly", "daily"]\n')
    number += 1
    publish(paper, number)
    for _ in range(16):
        paper.now += DAY
        paper.tick()
    desk, real = got(relay)
    assert real == dict.fromkeys(NAMES, once(range(1, number + 1)))
    assert all(times == 1 for counts in desk.values() for times in counts.values())
    assert balanced(paper)


def test_a_draft_for_the_desk(paper: Site, relay: Relay) -> None:
    go(paper, DESK, 'policy = "approve"\n')
    publish(paper, 1)
    paper.tick()
    paper.now = MONDAY + SEVEN
    (issue,) = paper.tick()
    assert issue.state is IssueState.DRAFT
    paper.tick()
    assert relay.got == {"desk": 1, "chief": 1}, "each is asked"
    said = " ".join(mails(relay)[0].text.split())
    assert "The Letter (for the operators only) (weekly:2026-W45) waits for a decision" in said
    assert "1 article for 2 operators" in said
    with paper.open() as app, app.owning():
        app.deciding().approve(issue.id, "the desk", paper.now)
    paper.tick()
    assert got(relay)[0]["desk"] == once(range(1, 2))
    assert set(relay.got) == {"desk", "chief"}


def test_operators_come_and_go(paper: Site, relay: Relay) -> None:
    def seats() -> set[str]:
        with paper.open() as app:
            found = [app.people.find(app.subscribe.key_of(parse_address(each))) for each in everybody]
            return {
                view.address.partition("@")[0]
                for views in found
                for view in views
                if is_shadow(view.digest) and view.state == "active"
            }

    def name(*operators: str) -> set[str]:
        paper.configure(site=f"[mail]\noperators = {list(operators)!r}\n".replace("'", '"'))
        return seats()

    desk, chief, new = everybody = ("desk@harbour.example", "chief@example.org", "new@example.org")
    assert seats() == {"desk", "chief"}
    assert name(desk, new) == {"desk", "new"}
    with paper.open() as app:
        (mine,) = app.people.find(app.subscribe.key_of(parse_address(desk)))
        app.people.leave(mine.subscription, paper.now)
    assert seats() == {"new"}, "who leaves it has left it"
    assert name(new) == {"new"}
    assert name(desk, chief, new) == {"desk", "chief", "new"}, "until named again"
    publish(paper, 1)
    go(paper, LIVE)
    assert seats() == set()
    go(paper, DESK)
    assert seats() == {"desk", "chief", "new"}


def test_a_new_operator_starts_where_the_desk_is(paper: Site, relay: Relay) -> None:
    paper.tick()
    publish(paper, 1)
    paper.now = MONDAY + SEVEN
    paper.tick()
    paper.configure(site='[mail]\noperators = ["desk@harbour.example", "late@example.org"]\n')
    publish(paper, 2)
    paper.now += WEEK
    paper.tick()
    desk, _ = got(relay)
    assert (desk["late"], desk["desk"], desk["chief"]) == (Counter([2]), Counter([1, 2]), Counter([1]))


def test_the_desk_gets_what_readers_would_get_next(paper: Site, relay: Relay) -> None:
    go(paper, LIVE)
    publish(paper, 1)
    paper.now = MONDAY + SEVEN
    paper.tick()
    go(paper, DESK)
    publish(paper, 2)
    paper.now += WEEK
    paper.tick()
    go(paper, LIVE)
    publish(paper, 3)
    paper.now += WEEK
    paper.tick()
    go(paper, DESK)
    publish(paper, 4)
    paper.now += WEEK
    paper.tick()
    desk, real = got(relay)
    assert desk == {name: Counter([2, 4]) for name in ("desk", "chief")}, "neither what readers had before, nor twice"
    assert real == dict.fromkeys(NAMES, once(range(1, 4)))


def test_a_cadence_that_the_digest_offers_no_more_is_changed_for_the_desk(paper: Site, relay: Relay) -> None:
    paper.tick()
    go(paper, DESK, 'cadences = ["daily"]\n')
    publish(paper, 1)
    paper.now += 2 * DAY + SEVEN
    paper.tick()
    assert relay.got == {"desk": 1, "chief": 1}


def test_as_it_happens_waits_for_the_next_article(paper: Site, relay: Relay) -> None:
    instant = 'cadences = ["instant"]\n'
    go(paper, DESK, instant)
    paper.join("email\nquick@example.org\n")
    publish(paper, 1)
    paper.now += HOUR
    paper.tick()
    desk, real = got(relay)
    assert (desk["desk"], real) == (once(range(1, 2)), {})
    go(paper, LIVE, instant)
    paper.now += HOUR
    assert paper.tick() == [], "going live is no news"
    publish(paper, 2)
    paper.now += HOUR
    paper.tick()
    assert got(relay)[1] == {"quick": once(range(1, 3))}


def test_what_the_settings_must_say(paper: Site) -> None:
    paper.configure(site="")
    with pytest.raises(ConfigError, match=r'recipients = "operators", and \[mail\] operators is empty'), paper.open():
        pass
    (paper.folder / "publisher.toml").write_text(
        OPERATORS
        + f'[[digests]]\nslug = "{"x" * 76}"\ntitle = "X"\nfrom_address = "x@example.org"\nrecipients = "operators"\n'
    )
    with pytest.raises(ConfigError, match="at most 75 characters"), paper.open():
        pass


def test_nothing_is_written_when_nothing_has_changed(paper: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with paper.open() as app:
        app.recipients._shadowing.declare(paper.now)
        store = app.recipients._shadowing._store
        monkeypatch.setattr(store, "begin", None)
        monkeypatch.setattr(store, "end", None)
        app.recipients._shadowing.declare(paper.now)
