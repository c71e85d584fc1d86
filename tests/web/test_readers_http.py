"""Subscribing, confirming, leaving: only POST acts, once, and strangers learn nothing."""

from __future__ import annotations

import re
import string

import httpx2
import pytest
from lxml import html
from web_site import ELSEWHERE, Site

from feed_publisher.adapters.mailbox import StoredMail
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.token import Purpose

READER = "reader@example.org"
ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"


def multipart(**fields: str) -> tuple[str, bytes]:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    return "multipart/form-data; boundary=b", ("".join(parts) + "--b--\r\n").encode()


def post(site: Site, address: str, type_: str, body: bytes | str) -> httpx2.Response:
    """As a mail program does: no cookie, no referrer, its own type."""
    return site.client(ELSEWHERE).post(address, content=body, headers={"content-type": type_})


LEAVING = {
    "urlencoded": (FORM, ONE_CLICK),
    "urlencoded, with a charset": (f"{FORM}; charset=utf-8", ONE_CLICK),
    "urlencoded, with more fields": (FORM, f"a=1&{ONE_CLICK}&b=2"),
    "multipart": multipart(**{"List-Unsubscribe": "One-Click"}),
    "multipart, with more fields": multipart(x="y", **{"List-Unsubscribe": "One-Click"}, z=""),
}


@pytest.mark.parametrize(("type_", "body"), LEAVING.values(), ids=LEAVING)
def test_one_click_acts_at_once(site: Site, type_: str, body: bytes | str) -> None:
    leave = site.join(READER)

    answer = post(site, leave, type_, body)

    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "You are unsubscribed" in answer.text
    assert site.state(READER) == "unsubscribed"


STAYING = {
    "empty": (FORM, "", 200),
    "another field": (FORM, "unsubscribe=1", 200),
    "another value": (FORM, "List-Unsubscribe=one-click", 200),
    "no value": (FORM, "List-Unsubscribe=", 200),
    "another type": ("text/plain", ONE_CLICK, 200),
    "JSON": ("application/json", '{"List-Unsubscribe": "One-Click"}', 200),
    "multipart without a boundary": ("multipart/form-data", ONE_CLICK, 400),
    "cut multipart": ("multipart/form-data; boundary=b", "--b\r\nnonsense", 200),
    "a file": (
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nx",
        400,
    ),
    "too large": (FORM, ONE_CLICK + "&x=" + "y" * 250_000, 413),
    "too many fields": (FORM, ONE_CLICK + "&a=b" * 2_100, 413),
}


@pytest.mark.parametrize(("type_", "body", "status"), STAYING.values(), ids=STAYING)
def test_nothing_else_acts(site: Site, type_: str, body: str, status: int) -> None:
    leave = site.join(READER)
    before = site.dump()

    assert post(site, leave, type_, body).status_code == status
    assert site.client().get(f"{leave}?{ONE_CLICK}").status_code == 200
    assert site.client().head(leave).status_code == 200
    assert site.dump() == before


def test_leaving_again_changes_nothing(site: Site) -> None:
    leave = site.join(READER)
    first = post(site, leave, FORM, ONE_CLICK)
    after = site.dump()
    site.clock.pass_(days=900)

    second = post(site, leave, FORM, ONE_CLICK)

    assert (second.status_code, second.text) == (200, first.text)
    assert site.dump() == after


def test_tampered_and_foreign_tokens_all_look_the_same(site: Site) -> None:
    leave = site.join(READER)
    token = leave.rpartition("/")[2]
    letters = string.ascii_letters + string.digits + "-_"
    changed = [token[:i] + letters[(letters.index(token[i]) + 1) % 64] + token[i + 1 :] for i in range(len(token))]
    others = [
        token[:-1],
        token + "A",
        token + "=",
        token[::-1],
        "A" * len(token),
        "é" * len(token),
        "%00" * len(token),
        site.confirm_url(READER, 1).rpartition("/")[2],
        site.token(Purpose.UNSUBSCRIBE, 999_999),
    ]
    before = site.dump()

    answers = [post(site, f"/unsubscribe/{bad}", FORM, ONE_CLICK) for bad in changed + others]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert site.client().get(f"/unsubscribe/{others[0]}").text == answers[0].text
    assert site.dump() == before


def test_the_page_to_leave_names_its_reader_only_in_part(site: Site) -> None:
    text = site.client(ELSEWHERE).get(site.join(READER)).text

    assert "r…@example.org" in text
    assert READER not in text


# --- confirming


def test_confirming_needs_the_button(site: Site) -> None:
    site.ask(READER)
    link = site.confirm_url(READER, 1)
    client = site.client(ELSEWHERE)

    for answer in (client.get(link), client.get(f"{link}?confirm=yes"), client.head(link), client.post(link)):
        assert answer.status_code == 200
    assert "One last step" in client.post(link, data={"confirm": "no"}).text
    assert site.state(READER) == "pending"

    done = client.post(link, data={"confirm": "yes"})
    assert (done.status_code, site.state(READER)) == (200, "active")
    assert "You are subscribed" in done.text


@pytest.mark.parametrize(("hours", "status", "state"), [(71.9, 200, "active"), (72.1, 404, "pending")])
def test_the_link_works_for_72_hours(site: Site, hours: float, status: int, state: str) -> None:
    site.ask(READER)
    site.clock.pass_(hours=hours)

    answer = site.client(ELSEWHERE).post(site.confirm_url(READER, 1), data={"confirm": "yes"})

    assert (answer.status_code, site.state(READER)) == (status, state)


def test_a_used_link_is_spent_once_the_reader_has_left(site: Site) -> None:
    leave = site.join(READER)
    post(site, leave, FORM, ONE_CLICK)

    again = site.client(ELSEWHERE).post(site.confirm_url(READER, 1), data={"confirm": "yes"})

    assert (again.status_code, site.state(READER)) == (404, "unsubscribed")


def test_a_new_request_spends_the_link_before_it(site: Site) -> None:
    site.ask(READER)
    site.clock.pass_(hours=25)
    site.ask(READER)
    client = site.client(ELSEWHERE)

    assert client.post(site.confirm_url(READER, 1), data={"confirm": "yes"}).status_code == 404
    assert site.state(READER) == "pending"
    assert client.post(site.confirm_url(READER, 2), data={"confirm": "yes"}).status_code == 200
    assert site.state(READER) == "active"


def test_confirming_twice_is_one_subscription(site: Site) -> None:
    site.join(READER)
    before = site.dump()

    again = site.client(ELSEWHERE).post(site.confirm_url(READER, 1), data={"confirm": "yes"})

    assert again.status_code == 200
    assert site.dump() == before


def test_pages_of_old_links_tell_how_things_are(site: Site) -> None:
    leave, confirm = site.join(READER), site.confirm_url(READER, 1)
    client = site.client(ELSEWHERE)
    assert "You are subscribed" in client.get(confirm).text
    assert "Unsubscribe?" in client.get(leave).text

    post(site, leave, FORM, ONE_CLICK)

    assert "You are unsubscribed" in client.get(leave).text
    assert client.get(confirm).status_code == 404


# --- asking


def test_the_answer_tells_nothing_about_the_address(site: Site) -> None:
    site.join("known@example.org")
    key = site.app.subscribe.key_of(parse_address("never@example.org"))
    site.app.people.suppress(key, "asked for it", site.clock())

    answers = {}
    for name in ("known", "never", "other"):
        answer = site.ask(f"{name}@example.org")
        answers[answer.status_code, answer.text.replace(name, "NAME"), str(sorted(answer.headers.items()))] = name

    assert len(answers) == 1


def letters_to(site: Site, address: str) -> list[StoredMail]:
    return [mail for mail in site.letters() if mail.to == address]


def test_the_letters(site: Site) -> None:
    site.join("known@example.org")
    site.letters()
    site.clock.pass_(hours=25)
    key = site.app.subscribe.key_of(parse_address("never@example.org"))
    site.app.people.suppress(key, "asked for it", site.clock())

    for name in ("known", "never", "other"):
        site.ask(f"{name}@example.org")

    known, other = letters_to(site, "known@example.org"), letters_to(site, "other@example.org")
    assert [mail.subject for mail in other] == ["Please confirm: The Quay Letter"]
    assert known[0].subject == "You already get The Quay Letter"
    assert "/unsubscribe/" in known[0].text
    assert "/confirm/" not in known[0].text
    assert letters_to(site, "never@example.org") == []
    assert site.state("never@example.org") == "nobody"


def test_a_mail_bomb_is_one_letter_a_day(site: Site) -> None:
    spellings = ["Reader@Example.org", "reader@example.org", "READER@EXAMPLE.ORG", " reader@example.org "]
    for hour in range(48):
        for spelling in spellings[: 4 if hour < 3 else 1]:
            assert site.ask(spelling, site.client((f"198.51.{hour}.9", 50000))).status_code == 200
        site.letters()
        site.clock.pass_(hours=1)

    assert site.app.mailbox.count() == 2


def test_nothing_a_visitor_writes_gets_into_the_letter(site: Site) -> None:
    site.ask(
        READER,
        name="Buy <b>gold</b>",
        cadence="http://evil.example",
        subject="Buy",
        message="Buy",
        to="x@y.example",
    )

    (mail,) = site.letters()
    for text in (mail.raw.decode("ascii"), mail.text, mail.html):
        assert "gold" not in text
        assert "evil" not in text
        assert "Buy" not in text
    assert mail.to == READER
    assert [name for name, _ in mail.headers if name.lower().startswith("list-")] == []
    assert mail.subject == "Please confirm: The Quay Letter"


def test_the_link_in_the_letter_works(site: Site) -> None:
    site.ask(READER, cadence="daily")
    (mail,) = site.letters()
    links = set(re.findall(r"http://127.0.0.1:8000(/confirm/[\w-]+)", mail.text))
    assert links == set(re.findall(r"http://127.0.0.1:8000(/confirm/[\w-]+)", mail.html))
    assert len(links) == 1

    assert site.client(ELSEWHERE).post(links.pop(), data={"confirm": "yes"}).status_code == 200
    assert (site.reader(READER).state, site.reader(READER).cadence) == ("active", "daily")


def test_an_unknown_cadence_is_the_usual_one(site: Site) -> None:
    assert site.ask(READER, cadence="'; DROP TABLE subscription; --").status_code == 200
    assert site.reader(READER).cadence == "weekly"


def test_programs_that_fill_every_field_get_the_same_answer_and_nothing_else(site: Site) -> None:
    before = site.dump()

    caught = site.ask("robot@example.org", website="https://robot.example")

    assert site.dump() == before
    honest = site.ask("robot@example.org")
    assert (caught.status_code, caught.text) == (honest.status_code, honest.text)


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "nobody",
        "a@b",
        "a@b@c.example",
        "a b@c.example",
        "a@c.example\r\nBcc: x@y.example",
        "a@c.example,b@c.example",
        "x" * 300 + "@example.org",
        "a@[127.0.0.1]",
        "<script>@example.org",
        "a\0@example.org",
        "a@exa mple.org",
    ],
)
def test_what_is_no_address_is_sent_back_with_a_sentence(site: Site, address: str) -> None:
    before = site.dump()

    answer = site.ask(address, cadence="daily")

    page = html.fromstring(answer.text)
    (sentence,) = page.xpath("//*[@id='error']")
    assert answer.status_code == 422
    assert re.fullmatch(r"Not sent yet\. [A-Z“\"'].{10,}[.!?]", sentence.text_content().strip(), re.S)
    assert page.xpath("string(//input[@type='radio'][@checked]/@value)") == "daily"
    assert page.xpath("//script") == []
    assert site.dump() == before


def test_a_form_that_is_too_large_is_refused(site: Site) -> None:
    for body in ("email=" + "x" * 30_000, "x=y&" * 8_000):
        answer = post(site, "/digests/weekly", FORM, body)
        assert answer.status_code == 413
        assert "too large" in answer.text


def test_an_unknown_newsletter_takes_no_addresses(site: Site) -> None:
    assert site.client(ELSEWHERE).post("/digests/nowhere", data={"email": READER}).status_code == 404
    assert site.state(READER) == "nobody"
