"""The pages about sources: for a person at this machine only, and reading them changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import html
from lxml.etree import _Element
from web_site import BASE, ELSEWHERE, Site, opened

from feed_publisher.domain.model import EntryState
from feed_publisher.domain.source import Outcome, SourceState, Validators
from feed_publisher.services.sources import SHOWN, SourceStatus
from feed_publisher.web.charts import chart
from feed_publisher.web.pages import SECURITY

HOSTILE = '<script>alert(1)</script> "onload=x {{ 7*7 }} </title>\u202e'
SOURCES = """
[[sources]]
slug = "blog"
kind = "feed"
location = "https://blog.example/feed?a=1&b=2"
every = "2 hours"
headers = {Authorization = "file:missing.txt"}

[[sources]]
slug = "desk"
kind = "push"

[[sources]]
slug = "files"
location = "entries"

[[sources]]
slug = "town-hall"
kind = "page"
location = "https://town.example/news"
"""
ADDRESSES = ["/admin/sources", "/admin/sources/blog", "/admin/sources/desk", "/admin/sources/files"]


@pytest.fixture
def sources(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """One fails, one works, one was never met."""
    with opened(tmp_path / "site", sqlite_template, site='language = "en-GB"', rest=SOURCES) as site:
        (site.folder / "missing.txt").write_text("s3cret")
        site.app.intake.configured()
        (site.folder / "missing.txt").unlink()
        fails(site, 6)
        token = site.app.intake.pushing().new_token("desk")
        site.clock.pass_(days=-1)
        pushed(site, token, "First contact, counted nowhere")
        site.clock.pass_(days=1)
        key = pushed(site, token, "The Street That Floods", HOSTILE)[1]["key"]
        site.app.entries.change_state(
            site.app.entries.get(key).number, list(EntryState), EntryState.HELD, HOSTILE, site.clock()
        )
        yield site


def pushed(site: Site, token: str, *titles: str) -> Any:
    body = {"entries": [{"title": title, "id": title} for title in titles]}
    answer = site.client().post("/api/v1/entries", json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["entries"]


def fails(site: Site, times: int) -> None:
    now = site.clock()
    for _ in range(times):
        due = now + timedelta(hours=5)
        site.app.sources.record([Outcome(slug="blog", at=now, due_at=due, error=f"answered 500 {HOSTILE}")])


def found(page: _Element, path: str) -> Any:
    """What an XPath leads to; the types of lxml allow for everything at once."""
    return page.xpath(path)


def text(site: Site, address: str) -> str:
    answer = site.client().get(address)
    assert answer.status_code == 200
    return " ".join(" ".join(map(str, html.fromstring(answer.text).itertext())).split())


def test_every_page_is_closed_to_scripts_and_stores(sources: Site) -> None:
    before = sources.dump()
    for address in ADDRESSES:
        answer = sources.client().get(address)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == SECURITY["Content-Security-Policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        page = html.fromstring(answer.text)
        assert found(page, "//script | //@style | //style | //@onload") == []
        assert sources.client().head(address).status_code == 200
        assert sources.client().post(address).status_code == 405
    assert sources.dump() == before


def test_a_page_stores_no_source_that_the_site_has_not_met(tmp_path: Path, sqlite_template: Path) -> None:
    with opened(tmp_path / "site", sqlite_template, rest=SOURCES) as site:
        before = site.dump()
        assert "town-hall Web page Not read yet" in text(site, "/admin/sources")
        assert "Nothing pushed yet" in text(site, "/admin/sources/desk")
        assert site.dump() == before


@pytest.mark.parametrize(
    "headers", [{"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}, {"host": "127.evil.example"}], ids=str
)
def test_a_proxy_or_a_borrowed_name_does_not_see_them(sources: Site, headers: dict[str, str]) -> None:
    for address in [*ADDRESSES, "/admin/sources/nowhere"]:
        answer = sources.client().get(address, headers=headers)
        assert answer.status_code == 404
        assert "There is no page at this address" in answer.text
        assert sources.client(ELSEWHERE).get(address).status_code == 404
    assert "/admin" not in sources.client().get("/", headers=headers).text
    assert "/admin" not in sources.client(ELSEWHERE).get("/").text


def test_a_public_site_has_none(tmp_path: Path, sqlite_template: Path) -> None:
    with opened(tmp_path / "site", sqlite_template, base_url="https://mag.example", rest=SOURCES) as site:
        assert site.client().get("/admin/sources").status_code == 404
        assert "/admin" not in site.client().get("/").text


def test_a_mail_server_does_not_hide_them(tmp_path: Path, sqlite_template: Path) -> None:
    smtp = '[smtp]\nhost = "127.0.0.1"\nport = 25\ntls = "none"'
    with opened(tmp_path / "site", sqlite_template, rest=SOURCES + smtp) as site:
        assert site.client().get("/admin/sources").status_code == 200


def test_every_page_leads_to_them_also_below_a_path(tmp_path: Path, sqlite_template: Path) -> None:
    with opened(tmp_path / "site", sqlite_template, base_url=f"{BASE}/mail", rest=SOURCES) as site:
        home = html.fromstring(site.client().get("/mail/").text)
        assert found(home, "//footer//a[.='Sources']/@href") == ["/mail/admin/sources"]
        listed = html.fromstring(site.client().get("/mail/admin/sources").text)
        links = found(listed, "//main//h2/a/@href")
        assert "/mail/admin/sources/blog" in links
        assert all(site.client().get(link).status_code == 200 for link in links)


@pytest.mark.parametrize(
    "slug", ["nowhere", "..%2f..%2fpublisher.toml", "%00", "Blog", "blog/", "%ff", "path:x", "x" * 81]
)
def test_no_other_slug_is_a_source(sources: Site, slug: str) -> None:
    answer = sources.client().get(f"/admin/sources/{slug}")
    assert answer.status_code == 404
    assert "base_url" not in answer.text


def test_those_with_trouble_come_first_with_reason_and_next_step(sources: Site) -> None:
    words = text(sources, "/admin/sources")
    assert words.index("blog Feed Failing") < words.index("desk Pushed to us Works")
    assert "answered 500 <script>alert(1)</script>" in words
    assert "feed-publisher sources test blog" in words
    assert "2 new in the last 7 days" in words


def test_the_page_of_a_failing_feed(sources: Site) -> None:
    words = text(sources, "/admin/sources/blog")
    assert "It failed 6 times in a row: answered 500 <script>" in words
    assert "Visited every 2 hours" in words
    assert "Next visit 22 November 2026, 15:00" in words  # Berlin
    assert "Location https://blog.example/feed?a=1&b=2" in words
    assert sources.app.intake.hook_url("ping", "blog") in words
    assert "s3cret" not in words


def test_the_ping_address_on_the_page_works(sources: Site) -> None:
    page = html.fromstring(sources.client().get("/admin/sources/blog").text)
    (address,) = found(page, "//*[@class='secret']/code/text()")
    assert sources.client(ELSEWHERE).post(urlsplit(address).path).status_code == 202


def test_the_page_of_a_pushed_source(sources: Site) -> None:
    words = text(sources, "/admin/sources/desk")
    assert f"curl {BASE}/api/v1/entries" in words
    assert "Authorization: Bearer TOKEN" in words
    assert "The Street That Floods" in words
    assert "Held back" in words
    assert "feed-publisher entries release" in words
    assert "Have it read at once" not in words


def test_a_hub_and_a_move_are_told(sources: Site) -> None:
    now = sources.clock()
    outcome = Outcome(
        slug="town-hall",
        at=now,
        due_at=now + timedelta(hours=1),
        address="https://town.example/neu",
        validators=Validators(etag='"x"'),
        hub=("https://hub.example/", "https://town.example/neu"),
    )
    sources.app.sources.record([outcome])
    words = text(sources, "/admin/sources/town-hall")
    assert "Has moved to https://town.example/neu" in words
    assert "Tells when nothing changed yes" in words
    assert "The hub tells us of news not now" in words
    sources.app.sources.claim_hub("town-hall", "s3cret", now + timedelta(days=3), now + timedelta(days=3))
    words = text(sources, "/admin/sources/town-hall")
    assert "The hub tells us of news until 25 November 2026, 10:00" in words
    assert "s3cret" not in words


@pytest.mark.parametrize(("state", "word"), [(SourceState.PAUSED, "Paused"), (SourceState.RETIRED, "Ended")])
def test_one_that_is_not_read_says_why(sources: Site, state: SourceState, word: str) -> None:
    sources.app.sources.set_state("town-hall", state, "moved house", sources.clock())
    for address in ("/admin/sources", "/admin/sources/town-hall"):
        assert word in text(sources, address)
        assert "moved house" in text(sources, address)
        assert "not read" in text(sources, address)


def test_one_that_was_taken_out_of_the_settings_stays_visible(sources: Site) -> None:
    sources.app.settings = sources.app.settings.model_copy(update={"sources": ()})
    assert "No longer configured" in text(sources, "/admin/sources")
    assert "The Street That Floods" in text(sources, "/admin/sources/desk")
    assert "curl" not in text(sources, "/admin/sources/desk")


def test_what_was_typed_in_is_counted(sources: Site) -> None:
    sources.add("Typed")
    assert "One more was typed in or named by hand" in text(sources, "/admin/sources")
    assert "Typed in by hand" in text(sources, "/admin/sources/by-hand")


def test_hostile_words_are_shown_as_words(sources: Site) -> None:
    for address in ADDRESSES:
        assert "<script>" not in sources.client().get(address).text


# --- charts


def test_weeks_are_filled_up_to_this_one_and_without_first_contact(sources: Site) -> None:
    (desk,) = sources.app.intake.health("desk")
    assert len(desk.weeks) == 12
    assert desk.weeks[0] == (date(2026, 8, 31), 0)
    assert desk.weeks[-2:] == ((date(2026, 11, 9), 0), (date(2026, 11, 16), 2))
    sources.clock.pass_(days=8)
    (desk,) = sources.app.intake.health("desk")
    assert (desk.new, desk.weeks[-2:]) == (0, ((date(2026, 11, 23), 0), (date(2026, 11, 30), 0)))


@pytest.mark.parametrize("status", SourceStatus)
def test_every_status_has_a_sign_and_a_next_step(sources: Site, status: SourceStatus) -> None:
    store, now = sources.app.sources, sources.clock()
    if status in (SourceStatus.OK, SourceStatus.FAILING):
        store.record([Outcome(slug="town-hall", at=now, due_at=now, error="x" * (status is SourceStatus.FAILING))])
        sources.app.entries.end_first_contact("town-hall", now)
    elif status in (SourceStatus.PAUSED, SourceStatus.RETIRED):
        store.set_state("town-hall", SourceState(status.value), "", now)
    elif status is SourceStatus.REMOVED:
        kept = tuple(each for each in sources.app.settings.sources if each.slug != "town-hall")
        sources.app.settings = sources.app.settings.model_copy(update={"sources": kept})
    page = html.fromstring(sources.client().get("/admin/sources").text)
    (line,) = found(page, "//li[.//a='town-hall']")
    assert SHOWN[status].capitalize() in " ".join(map(str, line.itertext()))
    assert len(found(line, ".//*[@class='sign']/*[local-name()='path'][@d!='']")) == 1
    assert (status is SourceStatus.OK) == (not found(line, ".//*[@class='say']"))


def test_a_retired_source_is_resumed_by_command(sources: Site) -> None:
    sources.app.sources.set_state("blog", SourceState.RETIRED, "no longer ours", sources.clock())
    assert "feed-publisher sources resume blog" in text(sources, "/admin/sources/blog")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"])
@pytest.mark.parametrize("counts", [[0] * 12, [1, *[0] * 11], [10**6, *[1] * 11]], ids=["none", "one", "a storm"])
def test_bars_are_never_higher_than_the_chart_nor_invisible(zone: str, counts: list[int]) -> None:
    days = [date(2026, 8, 31) + timedelta(weeks=n) for n in range(12)]
    drawn = chart(list(zip(days, counts, strict=True)), zone, "pt-BR")
    for bar, day, count in zip(drawn["bars"], days, counts, strict=True):
        assert bar["height"] <= drawn["tall"]
        assert (bar["height"] > 0) == (count > 0)
        assert bar["day"].date() == day
    assert drawn["total"] == sum(counts)


def test_a_chart_can_be_heard_and_read(sources: Site) -> None:
    page = html.fromstring(sources.client().get("/admin/sources/desk").text)
    (drawing,) = found(page, "//*[local-name()='svg'][@role='img'][@aria-labelledby='weeks-chart-title']")
    assert found(drawing, "string(*[local-name()='title'])") == "New articles per week"
    assert "2 in the last 12 weeks" in found(drawing, "string(*[local-name()='desc'])")
    rows = found(page, "//details//tbody/tr")
    assert len(rows) == 12
    assert " ".join(map(str, rows[0].itertext())).split() == ["16", "November", "2026", "2"]
