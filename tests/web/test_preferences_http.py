"""What readers choose for themselves: only with their own link, only by POST, and never losing an article."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import lxml.html
import pytest
from starlette.testclient import TestClient
from web_site import ELSEWHERE, Site

from feed_publisher.app import App
from feed_publisher.domain.token import Purpose
from feed_publisher.ports.people import SubscriberView
from feed_publisher.web.site import build

ANN = "ann@example.org"


@pytest.fixture
def page(site: Site) -> str:
    """The address of Ann's page; she gets the weekly digest."""
    site.add("On the Coast", "Coastal shipping")
    site.join(ANN)
    return f"/preferences/{site.token(Purpose.PREFERENCES, site.reader(ANN).subscription)}"


def post(site: Site, page: str, status: int = 303, digest: str = "weekly", **fields: object) -> str:
    """The page that is shown after it."""
    client = site.client(ELSEWHERE)
    answer = client.post(page, data={"digest": digest, **fields})
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return client.get(answer.headers["Location"]).text if status == 303 else answer.text


def save(site: Site, page: str, status: int = 303, **fields: object) -> str:
    wanted = {"action": "save", "cadence": "weekly", "scope": "all", "hour": "", "zone": ""}
    return post(site, page, status, **{**wanted, **fields})


def ann(site: Site, digest: str = "weekly") -> SubscriberView:
    return site.reader(ANN, digest)


def events(site: Site) -> list[tuple[str, str]]:
    return [(e.what, e.detail) for e in site.app.preferences.history(ann(site))]


def test_the_page_shows_what_one_gets_and_looking_changes_nothing(site: Site, page: str) -> None:
    before = site.dump()
    text = site.client(ELSEWHERE).get(page).text
    assert "a…@example.org" in text
    assert "The Quay Letter" in text
    assert "Monday, November 23, 2026 at 07:00 <bdi>(Europe/Berlin)</bdi>" in text
    assert "Towns &amp; Tides" in text, "what she could get besides"
    for _ in range(3):
        site.client(ELSEWHERE).head(page)
        site.client(ELSEWHERE).get(f"{page}?digest=weekly&done=left")
    assert site.dump() == before


def test_every_choice_is_saved_and_shown(site: Site, page: str) -> None:
    text = save(
        site, page, cadence="daily", scope="some", topic=["coastal-shipping"], hour="06:00", zone="America/Lima"
    )
    assert "Saved." in text
    view = ann(site)
    assert (view.cadence, view.topics, view.at, view.zone) == ("daily", ("coastal-shipping",), "06:00", "America/Lima")
    assert "at 06:00 <bdi>(America/Lima)</bdi>" in text
    form = lxml.html.fromstring(text).forms[0]
    assert form.fields["scope"] == "some"
    assert [box.get("value") for box in form.xpath(".//input[@type='checkbox'][@checked]")] == ["coastal-shipping"]
    save(site, page)
    view = ann(site)
    assert (view.cadence, view.topics, view.at, view.zone) == ("weekly", ("*",), "", "")
    assert [what for what, _ in events(site)] == ["changed", "changed", "joined", "asked"]


def test_ticking_topics_is_enough(site: Site, page: str) -> None:
    save(site, page, topic=["harbour-towns"])
    assert ann(site).topics == ("harbour-towns",)
    save(site, page, topic=["harbour-towns"])
    assert ann(site).topics == ("*",), "who had only some, and wants everything again"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cadence": "hourly"}, "how often"),
        ({"scope": "some"}, "at least one topic"),
        ({"scope": "some", "topic": ["nowhere"]}, "does not exist"),
        ({"zone": "Berlin"}, "not a time zone"),
        ({"zone": "../../etc/passwd"}, "not a time zone"),
        ({"hour": "25:00"}, "Write the hour"),
        ({"hour": "noon"}, "Write the hour"),
    ],
)
def test_a_wrong_choice_is_told_and_nothing_is_changed(
    site: Site, page: str, fields: dict[str, object], words: str
) -> None:
    before = ann(site)
    text = save(site, page, 422, **fields)
    assert "Not saved." in text
    assert words in text
    assert ann(site) == before


def test_only_the_own_link_opens_it(site: Site, page: str) -> None:
    site.join("ben@example.org")
    number = ann(site).subscription
    bad = [page[:-2] + "AA", "/preferences/x", "/preferences/" + site.token(Purpose.PREFERENCES, 999)]
    bad += [f"/preferences/{site.token(purpose, number)}" for purpose in (Purpose.UNSUBSCRIBE, Purpose.CONFIRM)]
    bodies = set()
    for address in bad:
        for answer in (
            site.client(ELSEWHERE).get(address),
            site.client(ELSEWHERE).post(address, data={"digest": "weekly"}),
        ):
            assert answer.status_code == 404
            bodies.add(answer.text)
    assert len(bodies) == 1
    assert site.client(ELSEWHERE).get(page.replace("/preferences/", "/unsubscribe/")).status_code == 404
    assert "ben@example.org" not in site.client(ELSEWHERE).get(page).text


def test_a_pause_and_its_end(site: Site, page: str) -> None:
    text = post(site, page, action="pause", days="14", then="fresh")
    assert "Paused until" in text
    assert ann(site).paused_until == site.clock.now + timedelta(days=14)
    text = post(site, page, action="resume", then="catch-up")
    assert "It comes again." in text
    assert ann(site).paused_until is None
    post(site, page, action="pause", days="", then="catch-up")
    assert "until you end it" in site.client(ELSEWHERE).get(page).text
    assert [what for what, _ in events(site)][:3] == ["paused", "resumed", "paused"]


def test_another_newsletter_and_leaving_one(site: Site, page: str) -> None:
    assert "It comes to you from now on." in post(site, page, digest="towns", action="join")
    assert ann(site, "towns").state == "active"
    text = post(site, page, action="leave")
    assert "You are unsubscribed" in text
    assert (ann(site).state, ann(site, "towns").state) == ("unsubscribed", "active")
    assert "What you get" in site.client(ELSEWHERE).get(page).text, "the link in old mails goes on working"
    post(site, page, action="join")
    assert ann(site).state == "active"
    for digest in ("nowhere", ""):
        assert "There is no such newsletter" in post(site, page, 422, digest=digest, action="join")
    assert "You do not get this newsletter" in post(site, page, 422, digest="nowhere", action="save")


def test_a_suppressed_address_is_told_and_joins_nothing(site: Site, page: str) -> None:
    site.app.people.suppress(site.app.subscribe.key_of(_address(ANN)), "by hand", site.clock())
    assert "never mail" in site.client(ELSEWHERE).get(page).text
    assert "we never mail" in post(site, page, 422, digest="towns", action="join")
    assert site.state(ANN, "towns") == "nobody"


def _address(text: str):  # type: ignore[no-untyped-def]
    from feed_publisher.domain.address import parse_address

    return parse_address(text)


# --- the page to unsubscribe can only make it less


def test_less_often_instead_of_leaving(site: Site, page: str) -> None:
    save(site, page, cadence="daily")
    leave = site.unsubscribe_url(ANN)
    client = site.client(ELSEWHERE)
    assert "Less often: every week" in client.get(leave).text
    assert "It comes less often" in client.post(leave, data={"action": "less", "cadence": "weekly"}).text
    assert ann(site).cadence == "weekly"
    refused = client.post(leave, data={"action": "less", "cadence": "daily"})
    assert refused.status_code == 422
    assert ann(site).cadence == "weekly"
    assert "Less often" not in client.get(leave).text


def test_fewer_topics_instead_of_leaving(site: Site, page: str) -> None:
    leave, client = site.unsubscribe_url(ANN), site.client(ELSEWHERE)
    assert client.post(leave, data={"action": "topics"}).status_code == 422, "none is no choice"
    answer = client.post(leave, data={"action": "topics", "topic": ["harbour-towns"]})
    assert "only these topics" in answer.text
    assert ann(site).topics == ("harbour-towns",)
    more = client.post(leave, data={"action": "topics", "topic": ["harbour-towns", "coastal-shipping"]})
    assert more.status_code == 422
    assert ann(site).topics == ("harbour-towns",)


def test_a_pause_instead_of_leaving(site: Site, page: str) -> None:
    leave, client = site.unsubscribe_url(ANN), site.client(ELSEWHERE)
    assert "Nothing comes for four weeks" in client.post(leave, data={"action": "pause"}).text
    assert ann(site).paused_until == site.clock.now + timedelta(days=28)
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert ann(site).state == "unsubscribed"
    assert "You are unsubscribed" in client.post(leave, data={"action": "pause"}).text


def test_whoever_asks_and_is_known_is_mailed_the_own_page(site: Site, page: str) -> None:
    site.clock.pass_(days=2)
    site.ask(ANN)
    letter = site.letters()[0]
    assert letter.to == ANN
    link = next(word for word in letter.text.split() if "/preferences/" in word)
    assert "What you get" in site.client(ELSEWHERE).get(urlsplit(link).path).text


def test_after_confirming_the_choices_are_offered(site: Site) -> None:
    site.ask("new@example.org")
    text = site.client().post(site.confirm_url("new@example.org", 1), data={"confirm": "yes"}).text
    (link,) = lxml.html.fromstring(text).xpath("//a[contains(@href, '/preferences/')]/@href")
    assert "What you get" in site.client(ELSEWHERE).get(urlsplit(link).path).text


def test_the_mail_leads_to_the_page(site: Site, page: str) -> None:
    site.mail()
    mail = site.app.mailbox.read(site.app.mailbox.list()[0].id)
    for part in (mail.html, mail.text):
        assert f"http://127.0.0.1:8000{page}" in part


def test_the_link_to_unsubscribe_ends_no_pause(site: Site, page: str) -> None:
    post(site, page, action="pause", days="", then="fresh")
    before = ann(site).paused_until
    assert "paused already" in site.client(ELSEWHERE).post(site.unsubscribe_url(ANN), data={"action": "pause"}).text
    assert ann(site).paused_until == before


def test_a_cadence_or_digest_that_is_gone_is_no_error_of_ours(site: Site, page: str) -> None:
    save(site, page, cadence="daily")
    text = (site.folder / "publisher.toml").read_text()
    leave = site.unsubscribe_url(ANN)
    for settings in (
        text.replace('cadences = ["weekly", "daily"]', 'cadences = ["weekly"]'),
        text.partition("[[digests]]")[0],
    ):
        (site.folder / "publisher.toml").write_text(settings)
        with App(site.folder, clock=site.clock) as app, TestClient(build(app)) as client:
            for action in ({"action": "less", "cadence": "weekly"}, {"action": "topics", "topic": "harbour-towns"}):
                assert client.post(leave, data=action).status_code in (200, 422)
            saved = {"digest": "weekly", "action": "save", "cadence": "weekly", "scope": "all"}
            assert client.post(page, data=saved).status_code in (200, 422)
    for hour in ("99999999999", "7:99999999999", "٧", "7:"):
        assert "Write the hour" in save(site, page, 422, hour=hour)
