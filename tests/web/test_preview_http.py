"""The pages that show newsletters before they are sent: to the operator alone, changing nothing, loading nothing."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from html import unescape
from pathlib import Path

import pytest
from web_site import BASE, ELSEWHERE, Site

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.model import EntryState
from feed_publisher.ports.people import NewSubscription

PAGE = "/admin/digests/weekly/preview"
ROUTES = ["/admin/digests", PAGE, f"{PAGE}/mail", f"{PAGE}/message.eml"]


@pytest.fixture
def full(empty: Site) -> Site:
    """Readers of two choices, and articles in two topics, one of them held."""
    empty.add("The Street That Floods", summary="Four days’ notice, and a loan of trestles.")
    empty.add("Shoals & Sands", "Coastal shipping")
    empty.add("Held Back", state=EntryState.HELD)
    subscribe(empty, "ann@example.org")
    subscribe(empty, "ben@example.org")
    subscribe(empty, "cleo@example.org", topics=("harbour-towns",))
    return empty


def subscribe(site: Site, address: str, **more: object) -> None:
    key = site.app.subscribe.key_of(parse_address(address))
    new = NewSubscription(address=address, address_key=key, digest="weekly", active=True, **more)  # type: ignore[arg-type]
    site.app.people.join([new], "weekly", site.clock())


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.mark.parametrize("path", ROUTES)
def test_it_is_there_for_the_operator_alone(full: Site, path: str) -> None:
    assert full.client().get(path).status_code == 200
    assert full.client(ELSEWHERE).get(path).status_code == 404
    assert full.client().get(path, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 404
    assert full.client(base_url="http://mag.example").get(path).status_code == 404
    assert full.client().post(path).status_code == 405


def test_no_page_links_to_it_for_others(full: Site) -> None:
    assert "/admin/digests" in full.client().get("/").text
    assert "/admin/" not in full.client(ELSEWHERE).get("/").text


def test_looking_changes_nothing(full: Site) -> None:
    before = full.dump()
    for path in (*ROUTES, f"{PAGE}?as-of=2026-11-30T07:00&subscriber=ann@example.org", f"{PAGE}?cadence=daily"):
        assert full.client().get(path).status_code == 200
    assert full.dump() == before


def test_the_page_tells_all_about_the_issue(full: Site) -> None:
    answer = full.client().get(PAGE)
    assert answer.headers["cache-control"] == "no-store"
    assert "script" not in answer.headers["content-security-policy"].replace("default-src 'self'", "")
    said = words(answer.text)
    for each in (
        "The Quay Letter <letter@harbour.example>",
        "The Street That Floods, and 1 more",
        "to 3 readers in 2 versions",
        "2 readers, 2 articles (shown above)",
        "1 reader, 1 article",
        "3 will get it",
        "Held Back Held until you decide.",
        "Links lead to 127.0.0.1",
    ):
        assert each in said, each
    assert "Since the last issue" not in said
    full.mail()
    said = words(full.client().get(PAGE).text)
    assert "There would be no mail: nothing is new." in said
    assert "3 with nothing new" in said
    assert "It was in rehearsal 1 of Sun 22 Nov 2026, 10:00." in said
    full.add("Another")
    assert "Rehearsal 1, Sun 22 Nov 2026, 10:00 Subject Another The Street That Floods, and 1 more" in words(
        full.client().get(PAGE).text
    )


def test_each_view_shows_the_same_bytes(full: Site) -> None:
    client = full.client()
    raw = client.get(f"{PAGE}/message.eml")
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.headers["content-disposition"].startswith("attachment")
    message = message_from_bytes(raw.content, policy=default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    shown = client.get(f"{PAGE}?view=text").text
    assert unescape(shown[shown.index("<pre") :]).partition(">")[2].partition("</pre>")[0] == text.replace("\r\n", "\n")
    source = client.get(f"{PAGE}?view=source").text
    assert unescape(source[source.index("<pre") :]).partition(">")[2].partition("</pre>")[0] == raw.text
    headers = words(client.get(f"{PAGE}?view=headers").text)
    assert all(f"{name} {' '.join(str(value).split())}" in headers for name, value in message.items())
    framed = client.get(f"{PAGE}/mail").text
    assert framed.count("\n") == html.replace("\r\n", "\n").count("\n")


def test_dark_and_light_are_what_a_mail_program_would_show(full: Site) -> None:
    client = full.client()
    light, dark = (client.get(f"{PAGE}/mail?scheme={scheme}").text for scheme in ("light", "dark"))
    for html, scheme, query in ((light, "light", "(max-width: 0)"), (dark, "dark", "(min-width: 0)")):
        assert "prefers-color-scheme" not in html
        assert f"@media {query}" in html
        assert f'<meta name="color-scheme" content="{scheme}">' in html
    assert 'src="/admin/digests/weekly/preview/mail?scheme=dark"' in client.get(f"{PAGE}?view=dark").text
    assert 'src="/admin/digests/weekly/preview/mail?scheme=light"' in client.get(f"{PAGE}?view=phone").text


def test_the_frame_may_load_nothing_unless_pictures_are_asked_for(full: Site) -> None:
    policy = full.client().get(f"{PAGE}/mail").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    shown = full.client().get(f"{PAGE}?pictures=1").text
    assert "Show no pictures" in shown
    assert "mail?pictures=1&amp;scheme=light" in shown
    policy = full.client().get(f"{PAGE}/mail?pictures=1").headers["content-security-policy"]
    assert "img-src http: https: data:;" in policy


def test_as_a_reader_gets_it(full: Site) -> None:
    page = full.client().get(PAGE, params={"subscriber": "cleo@example.org", "view": "text"})
    said = words(page.text)
    assert "cleo@example.org Gets it, with 1 article." in said
    assert "Shoals & Sands This reader did not choose “Coastal shipping”." in said
    assert "Four days’ notice" in said
    assert "subscriber=cleo%40example.org" in page.text, "the other views are of the same reader"
    full.app.people.leave(full.reader("cleo@example.org").subscription, full.clock())
    assert "Has unsubscribed, Sun 22 Nov 2026, 10:00." in words(
        full.client().get(f"{PAGE}?subscriber=cleo@example.org").text
    )


def test_the_next_issue_of_a_cadence_and_versions(full: Site) -> None:
    said = words(full.client().get(f"{PAGE}?cadence=weekly").text)
    assert "As it would leave Mon 23 Nov 2026, 07:00, to 3 readers" in said
    other = full.client().get(f"{PAGE}?version=2&view=text").text
    assert "1 reader, 1 article (shown above)" in words(other)
    assert "Coastal shipping" not in other[other.index("<pre") : other.index("</pre>")]
    assert full.client().get(f"{PAGE}?version=99").status_code == 200
    assert full.client().get(f"{PAGE}?version=nine").status_code == 200


def test_somebody_new_can_be_looked_at_when_nothing_is_new(full: Site) -> None:
    full.mail()
    empty = full.client().get(PAGE)
    link = re.search(r'href="([^"]*newcomer=1[^"]*)"', empty.text)
    assert link
    assert "to somebody who has had nothing yet" in words(full.client().get(unescape(link[1])).text)
    full.add("Another")
    assert "(shown above)" in words(full.client().get(PAGE).text)
    assert "(shown above)" not in words(full.client().get(f"{PAGE}?newcomer=1").text)


def test_without_a_mail_there_is_no_frame(full: Site) -> None:
    full.mail()
    assert "<iframe" not in full.client().get(PAGE).text
    assert full.client().get(f"{PAGE}/mail").status_code == 404
    assert full.client().get(f"{PAGE}/mail?newcomer=1").status_code == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("as-of=soon", "'soon' is not a date or time"),
        ("as-of=0001-01-01", "is not a date or time"),
        ("as-of=9999-12-31T23:59", "more than a year ahead"),
        ("cadence=hourly", "Weekly does not come 'hourly'; it comes weekly, daily."),
        ("subscriber=nobody@example.org", "Nobody with this address subscribes to weekly."),
        ("subscriber=%3Cscript%3E", "give one bare address"),
    ],
)
def test_wrong_wishes_are_told_and_the_present_is_shown(full: Site, query: str, said: str) -> None:
    page = full.client().get(f"{PAGE}?{query}")
    assert page.status_code == 422
    assert said in unescape(page.text)
    assert "Below is what would be sent now." in words(page.text)
    assert "The Street That Floods, and 1 more" in words(page.text)
    assert "<script>" not in page.text
    assert full.client().get(f"{PAGE}/mail?{query}").status_code == 422


def test_unknown_newsletters_and_none_at_all(full: Site) -> None:
    for path in ("/admin/digests/nope/preview", "/admin/digests/nope/preview/mail"):
        assert full.client().get(path).status_code == 404
    said = words(full.client().get("/admin/digests/towns/preview").text)
    assert "Nobody subscribes to it yet." in said
    assert "The Street That Floods" in said


def test_a_broken_template_says_where(full: Site) -> None:
    broken = full.folder / "templates" / "email" / "digest.txt"
    broken.parent.mkdir(parents=True)
    broken.write_text("{{ nothing }}\n")
    for path in (PAGE, f"{PAGE}/mail"):
        page = full.client().get(path)
        assert page.status_code == 422
        assert "digest.txt:1: 'nothing' is undefined." in words(page.text)


def test_below_a_path_all_links_stay_below_it(tmp_path: Path, sqlite_template: Path) -> None:
    from web_site import opened

    with opened(tmp_path / "site", sqlite_template, base_url="http://127.0.0.1:8000/mail") as site:
        site.add("One")
        subscribe(site, "ann@example.org")
        page = site.client(base_url=BASE).get(f"/mail{PAGE}")
        assert page.status_code == 200
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
        assert links
        assert all(link.startswith("/mail/") for link in links), links
