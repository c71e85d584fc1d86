"""All that is stored about a reader: shown, downloaded and erased by a link of an hour, mailed to the address."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest
from web_site import ELSEWHERE, Site

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.token import Purpose, dated

ANN = "ann@example.org"


@pytest.fixture
def page(site: Site) -> str:
    site.join(ANN)
    site.mail()
    return f"/preferences/{site.token(Purpose.PREFERENCES, site.reader(ANN).subscription)}"


def link(site: Site, page: str) -> str:
    """The address in the mail."""
    site.client(ELSEWHERE).post(page, data={"digest": "weekly", "action": "data"})
    letter = site.letters()[0]
    assert (letter.to, letter.subject) == (ANN, "What we have stored about you")
    return urlsplit(next(word for word in letter.text.split() if "/data/" in word)).path


def test_everything_is_shown_and_can_be_downloaded(site: Site, page: str) -> None:
    data, client = link(site, page), site.client(ELSEWHERE)
    text = client.get(data).text
    assert ANN in text
    answer = client.get(f"{data}/export.json")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    found = json.loads(answer.text)
    (subscription,) = found["subscriptions"]
    assert [event["what"] for event in subscription["history"]] == ["asked", "joined", "asked data"]
    assert subscription["consent"] == "confirmed by a link mailed to the address"
    assert [mail["state"] for mail in subscription["mails"]] == ["sent"]


def test_looking_changes_nothing_and_the_link_ends_after_an_hour(site: Site, page: str) -> None:
    data = link(site, page)
    before = site.dump()
    for _ in range(3):
        assert site.client(ELSEWHERE).get(data).status_code == 200
        assert site.client(ELSEWHERE).post(data, data={}).status_code == 200
    assert site.dump() == before
    site.clock.pass_(minutes=75)
    for address in (data, f"{data}/export.json"):
        answer = site.client(ELSEWHERE).get(address)
        assert answer.status_code == 404
        assert ANN not in answer.text
    assert site.client(ELSEWHERE).post(data, data={"erase": "yes"}).status_code == 404
    assert site.state(ANN) == "active"


def test_no_other_link_opens_it(site: Site, page: str) -> None:
    number = site.reader(ANN).subscription
    now = int(site.clock.now.timestamp())
    tokens = [page.rpartition("/")[2], site.unsubscribe_url(ANN).rpartition("/")[2], "x" * 56]
    tokens += [site.token(Purpose.DATA, dated(number, now + offset)) for offset in (7200, -7200)]
    tokens.append(site.token(Purpose.DATA, number))
    for token in tokens:
        assert site.client(ELSEWHERE).get(f"/data/{token}").status_code == 404, token
    fresh = site.token(Purpose.DATA, dated(number, now))
    assert site.client(ELSEWHERE).get(f"/data/{fresh}").status_code == 200
    assert site.client(ELSEWHERE).get(f"/preferences/{fresh}").status_code == 404


def test_erasing_leaves_numbers_and_nothing_else(site: Site, page: str) -> None:
    leave = site.unsubscribe_url(ANN)
    data, client = link(site, page), site.client(ELSEWHERE)
    text = client.post(data, data={"erase": "yes"}).text
    assert "It is erased" in text
    assert ANN not in json.dumps(site.dump(), default=str)
    assert site.app.issues.books(1) == {"sent": 1}, "the books still balance"
    assert site.state(ANN) == "nobody"
    for address in (page, data, f"{data}/export.json"):
        assert client.get(address).status_code == 404
    assert client.post(page, data={"digest": "towns", "action": "join"}).status_code == 404
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.app.people.count_active("weekly") == 0
    site.clock.pass_(days=2)
    assert site.join(ANN), "they may come again, as somebody new"


def test_the_operator_can_erase_too(site: Site, page: str) -> None:
    key = site.app.subscribe.key_of(parse_address(ANN))
    assert site.app.preferences.erase_address(key, site.clock())
    assert not site.app.preferences.erase_address(key, site.clock())
    assert ANN not in json.dumps(site.dump(), default=str)


# --- another address

NEW = "new@example.org"


def move_link(site: Site, page: str, address: str = NEW) -> str:
    data = link(site, page)
    assert "We have written to" in site.client(ELSEWHERE).post(data, data={"action": "move", "email": address}).text
    letter = site.letters()[0]
    assert (letter.to, letter.subject) == (address, "Please confirm your new address")
    assert ANN not in letter.text + letter.html, "the new address learns nothing of the old one"
    return urlsplit(next(word for word in letter.text.split() if "/move/" in word)).path


def test_another_address_keeps_everything(site: Site, page: str) -> None:
    site.client(ELSEWHERE).post(page, data={"digest": "weekly", "cadence": "daily", "scope": "all", "hour": "06:00"})
    before = site.reader(ANN)
    move = move_link(site, page)
    for _ in range(3):
        assert NEW in site.client(ELSEWHERE).get(move).text
    assert site.state(ANN) == "active", "looking changes nothing"
    assert "It comes here from now on" in site.client(ELSEWHERE).post(move, data={"move": "yes"}).text
    after = site.reader(NEW)
    assert (after.subscription, after.cadence, after.at) == (before.subscription, "daily", "06:00")
    assert site.state(ANN) == "nobody"
    assert site.app.open_manual("weekly") is None, "what was read stays read"
    old = site.client(ELSEWHERE).get(page).text
    assert "n…@example.org" in old, "old links lead to the same person"
    assert NEW not in old, "and tell nobody where the mail goes now"
    assert site.client(ELSEWHERE).post(move, data={"move": "yes"}).status_code == 404, "once"
    assert site.client(ELSEWHERE).get(move.replace("/move/", "/data/")).status_code == 404


def test_after_a_move_the_old_mailbox_has_no_power(site: Site, page: str) -> None:
    data = link(site, page)
    site.client(ELSEWHERE).post(data, data={"action": "move", "email": NEW})
    move = urlsplit(next(word for word in site.letters()[0].text.split() if "/move/" in word)).path
    site.client(ELSEWHERE).post(move, data={"move": "yes"})
    assert site.state(NEW) == "active"
    for fields in ({"erase": "yes"}, {"action": "move", "email": "third@example.org"}):
        assert site.client(ELSEWHERE).post(data, data=fields).status_code == 404
    assert site.client(ELSEWHERE).get(f"{data}/export.json").status_code == 404
    assert site.state(NEW) == "active"


def test_letters_from_the_own_page_are_bounded(site: Site, page: str) -> None:
    data = link(site, page)
    count = site.app.mailbox.count()
    for number in range(10):
        site.client(ELSEWHERE).post(page, data={"digest": "weekly", "action": "data"})
        site.client(ELSEWHERE).post(data, data={"action": "move", "email": f"x{number}@example.org"})
        site.letters()
        site.clock.pass_(minutes=1)
    assert site.app.mailbox.count() == count + 3


def test_a_link_to_move_is_for_one_address_and_one_hour(site: Site, page: str) -> None:
    first = move_link(site, page)
    site.clock.pass_(minutes=65)
    second = move_link(site, page, "second@example.org")
    assert site.client(ELSEWHERE).post(first, data={"move": "yes"}).status_code == 404, "another was asked for since"
    site.clock.pass_(minutes=61)
    assert site.client(ELSEWHERE).post(second, data={"move": "yes"}).status_code == 404
    assert site.state(ANN) == "active"


def test_nobody_is_told_whether_an_address_is_known(site: Site, page: str) -> None:
    site.join("ben@example.org")
    site.clock.pass_(days=2)
    data = link(site, page)
    texts = [
        site.client(ELSEWHERE).post(data, data={"action": "move", "email": address}).text.replace(address, "X")
        for address in ("ben@example.org", "free@example.org")
    ]
    assert len({re.sub(r"\d+ notes", "notes", text) for text in texts}) == 1
    site.letters()
    site.clock.pass_(days=2)
    taken = move_link(site, page, "ben@example.org")
    answer = site.client(ELSEWHERE).post(taken, data={"move": "yes"})
    assert answer.status_code == 409
    assert "has newsletters of its own" in answer.text
    assert (site.state(ANN), site.state("ben@example.org")) == ("active", "active")


def test_no_address_is_bombed_and_none_that_is_never_mailed(site: Site, page: str) -> None:
    site.app.people.suppress(site.app.subscribe.key_of(parse_address("never@example.org")), "", site.clock())
    data = link(site, page)
    count = site.app.mailbox.count()
    for address in ["never@example.org", *[NEW] * 5]:
        assert site.client(ELSEWHERE).post(data, data={"action": "move", "email": address}).status_code == 200
        site.letters()
    assert site.app.mailbox.count() == count + 1
    for wrong in ("", "nobody", "a@b@c", "a@x.example, b@x.example", "a\r\nBcc: x@y.example"):
        assert site.client(ELSEWHERE).post(data, data={"action": "move", "email": wrong}).status_code == 422, wrong
