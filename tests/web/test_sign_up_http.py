"""Signing up: one reminder and then forgotten; no more letters to an address, or for a network, than it deserves."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import lxml.html
from web_site import ELSEWHERE, Site, filled

from feed_publisher.domain.address import parse_address
from feed_publisher.parse.subscribers import SubscriberRow
from feed_publisher.web.limits import network_of

NEW = "new@example.org"


def subjects(site: Site) -> list[str]:
    return [mail.subject for mail in reversed(site.letters()) if mail.to == NEW]


def test_who_does_not_confirm_is_reminded_once_and_then_forgotten(site: Site) -> None:
    site.ask(NEW)
    key = site.app.subscribe.key_of(parse_address(NEW))
    assert subjects(site) == ["Please confirm: The Quay Letter"]
    site.clock.pass_(hours=47)
    assert len(subjects(site)) == 1
    site.clock.pass_(hours=2)
    assert subjects(site)[1:] == ["Still want it? Please confirm: The Quay Letter"]
    site.clock.pass_(days=4)
    assert len(subjects(site)) == 2
    assert site.state(NEW) == "pending"
    site.clock.pass_(days=2)
    assert len(subjects(site)) == 2
    left = site.dump()
    for table in ("subscriber", "subscription", "subscription_event"):
        assert NEW not in repr(left[table]), "nothing is left of them"
        assert key not in repr(left[table])
    site.ask(NEW)
    assert len(subjects(site)) == 3, "they may come again"


def test_the_link_of_the_reminder_works(site: Site) -> None:
    site.ask(NEW)
    site.letters()
    site.clock.pass_(hours=49)
    reminder = site.letters()[0]
    link = urlsplit(next(word for word in reminder.text.split() if "/confirm/" in word)).path
    assert site.client(ELSEWHERE).post(link, data={"confirm": "yes"}).status_code == 200
    assert site.state(NEW) == "active"
    site.clock.pass_(days=30)
    assert len(subjects(site)) == 2
    assert site.state(NEW) == "active"


def test_who_has_confirmed_or_left_is_not_reminded(site: Site) -> None:
    site.join(NEW)
    site.clock.pass_(days=3)
    assert subjects(site) == []
    site.client().post(site.unsubscribe_url(NEW), data={"List-Unsubscribe": "One-Click"})
    site.clock.pass_(days=30)
    site.letters()
    assert site.state(NEW) == "unsubscribed"


def test_a_former_reader_who_does_not_confirm_is_a_former_reader(site: Site) -> None:
    leave = site.join(NEW)
    site.client().post(leave, data={"List-Unsubscribe": "One-Click"})
    site.clock.pass_(days=2)
    site.ask(NEW)
    site.letters()
    assert site.state(NEW) == "pending"
    for _ in range(10):
        site.clock.pass_(days=1)
        site.letters()
    assert site.state(NEW) == "unsubscribed"


def test_a_program_that_was_down_reminds_nobody_too_late(site: Site) -> None:
    site.ask(NEW)
    site.letters()
    site.clock.pass_(days=6)
    assert len(subjects(site)) == 1
    assert site.state(NEW) in ("nobody", "pending")


def test_one_letter_a_day_and_three_a_month_for_all_newsletters(site: Site) -> None:
    for digest in ("weekly", "towns", "weekly"):
        site.client(ELSEWHERE).post(f"/digests/{digest}", data={"email": NEW})
    assert subjects(site) == ["Please confirm: The Quay Letter"]
    for _ in range(20):
        site.clock.pass_(hours=25)
        site.client(ELSEWHERE).post("/digests/towns", data={"email": NEW})
        site.client(ELSEWHERE).post("/digests/weekly", data={"email": NEW})
        site.letters()
    asked = [subject for subject in subjects(site) if subject.startswith("Please confirm")]
    assert len(asked) == 3


def test_a_network_cannot_have_letters_sent_without_end(site: Site) -> None:
    client = site.client(ELSEWHERE)
    answers = [client.post("/digests/weekly", data={"email": f"x{n}@example.org"}) for n in range(25)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 5
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert "try again later" in answers[-1].text
    neighbour = site.client((ELSEWHERE[0].rpartition(".")[0] + ".200", 50000))
    assert neighbour.post("/digests/weekly", data={"email": "y@example.org"}).status_code == 429
    other = site.client(("198.51.100.4", 50000))
    assert other.post("/digests/weekly", data={"email": "z@example.org"}).status_code == 200
    assert site.client().post("/digests/weekly", data={"email": "here@example.org"}).status_code == 200


def test_a_welcome_with_the_link_to_keep(tmp_path: Path, sqlite_template: Path) -> None:
    rest = '[[digests]]\nslug = "hello"\ntitle = "Hello"\nfrom_address = "h@harbour.example"\nwelcome = true\n'
    with filled(tmp_path / "site", sqlite_template, rest=rest) as site:
        for digest in ("hello", "weekly"):
            site.client(ELSEWHERE).post(f"/digests/{digest}", data={"email": NEW})
            site.letters()
            for _ in range(2):
                site.client().post(site.confirm_url(NEW, 1, digest), data={"confirm": "yes"})
                site.letters()
            site.clock.pass_(days=2)
        assert subjects(site) == ["Please confirm: Hello", "Welcome to Hello", "Please confirm: The Quay Letter"]
        welcome = next(mail for mail in site.letters() if mail.subject.startswith("Welcome"))
        link = urlsplit(next(word for word in welcome.text.split() if "/preferences/" in word)).path
        assert "What you get" in site.client(ELSEWHERE).get(link).text


def test_a_form_for_other_sites(site: Site) -> None:
    """Only the operator on this machine sees its lines; they work without cookie, script or hidden field."""
    page = lxml.html.fromstring(site.client().get("/digests/weekly").text)
    (lines,) = page.xpath("//textarea[@id='form-lines']")
    form = lxml.html.fromstring(lines.text_content())
    assert (form.method, form.action) == ("POST", "http://127.0.0.1:8000/digests/weekly")
    answer = site.client(ELSEWHERE).post(
        "/digests/weekly", data={"email": NEW}, headers={"Origin": "https://a.example"}
    )
    assert answer.status_code == 200
    assert site.state(NEW) == "pending"
    assert "form-lines" not in site.client(ELSEWHERE).get("/digests/weekly").text


def test_networks() -> None:
    addresses = [
        "203.0.113.7",
        "::ffff:203.0.113.9",
        "2001:db8:1:2::5",
        "::1",
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "x",
        "",
    ]
    networks = ["203.0.113.0/24", "203.0.113.0/24", "2001:db8:1:2::/64", "", "", "", "", ""]
    assert [network_of(address) for address in addresses] == networks


def test_the_link_of_somebody_forgotten_opens_nobody_else(site: Site) -> None:
    site.ask("evil@example.org")
    link = site.confirm_url("evil@example.org", 1)
    for _ in range(9):
        site.letters()
        site.clock.pass_(days=1)
    site.ask("victim@example.org")
    site.letters()
    assert site.client(ELSEWHERE).post(link, data={"confirm": "yes"}).status_code == 404
    assert site.state("victim@example.org") == "pending"


def test_who_is_imported_meanwhile_is_neither_reminded_nor_forgotten(site: Site) -> None:
    site.ask(NEW)
    site.letters()
    row = SubscriberRow(line=1, address=parse_address(NEW), consent_source="by hand")
    site.app.add_subscribers("weekly", iter([row]), True, "x.csv")
    for _ in range(10):
        site.clock.pass_(days=1)
        site.letters()
    assert subjects(site) == ["Please confirm: The Quay Letter"]
    assert site.state(NEW) == "active"
