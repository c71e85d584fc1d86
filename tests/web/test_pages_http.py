"""The pages for readers: what answers how, what may run in them, and that reading changes nothing."""

from __future__ import annotations

import asyncio
import re
from html import escape
from json import dumps
from pathlib import Path

import pytest
from lxml import html
from starlette.routing import Route
from starlette.testclient import TestClient
from web_site import BASE, ELSEWHERE, HERE, Clock, Site, filled, opened

from feed_publisher.app import App
from feed_publisher.config.values import OUR_PATHS
from feed_publisher.domain.model import Enclosure, EntryState, Image
from feed_publisher.domain.token import Purpose
from feed_publisher.ports.pickup import Page
from feed_publisher.web.follow import READERS, FollowPages
from feed_publisher.web.hooks import Hooks
from feed_publisher.web.mailbox import MailboxPages
from feed_publisher.web.pages import Pages
from feed_publisher.web.public import Public
from feed_publisher.web.site import build
from feed_publisher.web.sources import SourcePages

HOSTILE = '<script>alert(1)</script> "onload=x {{ 7*7 }} </title><img src=x onerror=y>'


def key(site: Site, title: str) -> str:
    return next(entry.key for entry in site.app.entries.page(Page(limit=100)) if entry.title == title)


def addresses(site: Site) -> dict[str, int]:
    """Every kind of page and its status."""
    nobody = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    return {
        "/": 200,
        "/topics/harbour-towns": 200,
        "/topics/nowhere": 404,
        "/topics/%00": 404,
        "/topics/Harbour-Towns": 404,
        "/topics/harbour-towns/": 404,
        "/authors/l-varga": 200,
        "/authors/nobody": 404,
        "/authors/%00": 404,
        "/authors/L-Varga": 404,
        "/authors/" + "a" * 81: 404,
        "/authors/..%2fx": 404,
        "/follow": 200,
        "/follow?topic=harbour-towns": 200,
        "/follow?topic=harbour-towns&topic=nowhere": 404,
        "/follow?topic=%00": 404,
        "/follow?topic=%22%3E%3Cscript%3E": 404,
        "/follow?other=x": 200,
        f"/entries/{key(site, 'The Street That Floods')}": 200,
        f"/entries/{key(site, 'Taken Back')}": 410,
        f"/entries/{key(site, 'Nobody Sees This')}": 404,
        f"/entries/{nobody}": 404,
        f"/entries/{key(site, 'The Street That Floods')[:8]}": 404,
        "/entries/%2e%2e%2fx": 404,
        "/digests/weekly": 200,
        "/digests/nowhere": 404,
        "/confirm/x": 404,
        "/unsubscribe/x": 404,
        "/unsubscribe/" + "A" * 56: 404,
        "/mailbox": 404,
        "/nothing": 404,
        "/?next=//evil.example": 200,
        "/docs": 404,
    }


@pytest.mark.parametrize("at", [HERE, ELSEWHERE], ids=["at this machine", "from elsewhere"])
def test_every_page_has_its_status_its_headers_and_no_script_but_ours(shared: Site, at: tuple[str, int]) -> None:
    client = shared.client(at)
    for address, status in addresses(shared).items():
        answer = client.get(address)
        status = 200 if (address, at) == ("/mailbox", HERE) else status
        assert answer.status_code == status, address
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        for part in ("default-src 'self'", "form-action 'self'", "frame-ancestors 'self'", "base-uri 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "referrer-policy" in answer.headers
        assert "set-cookie" not in answer.headers
        check_markup(answer.text)


def check_markup(text: str) -> None:
    page = html.fromstring(text)
    assert page.xpath("//style | //*[@style] | //@*[starts-with(name(), 'on')]") == []
    for script in page.xpath("//script"):
        ours = (script.get("src") or "").partition("?")[0].endswith("/static/site.js") and not script.text
        assert ours or script.get("type") == "application/ld+json"
    assert len(page.xpath("//h1")) == 1
    assert len(page.xpath("//main")) == len(page.xpath("//header[@class='masthead']")) == 1
    assert page.xpath("string(//title)").strip()
    assert page.get("lang") == "en"
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    for field in page.xpath("//input[not(@type='hidden')] | //textarea"):
        named = page.xpath("//label[@for=$id]", id=field.get("id") or "") or field.xpath("ancestor::label")
        assert named, field.get("name")
    assert [image for image in page.xpath("//img") if not image.get("alt")] == []


def test_head_is_get_without_a_body(shared: Site) -> None:
    client = shared.client()
    for address in [
        *addresses(shared),
        "/static/site.css",
        "/static/site.js",
        "/static/icon.svg",
        "/favicon.ico",
        "/healthz",
    ]:
        got, head = client.get(address), client.head(address)
        assert head.status_code == got.status_code, address
        assert head.content == b""
        assert {**head.headers, "content-length": ""} == {**got.headers, "content-length": ""}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_to_read_take_nothing(shared: Site, method: str) -> None:
    for address in ("/", "/topics/harbour-towns", "/authors/l-varga", "/follow", "/mailbox", "/healthz"):
        answer = shared.client().request(method, address)
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]


def test_feeds_are_found_from_the_pages(shared: Site) -> None:
    client = shared.client(ELSEWHERE)
    for address, slug in (("/", "all"), ("/topics/harbour-towns", "harbour-towns")):
        page = html.fromstring(client.get(address).text)
        found = {link.get("type"): link.get("href") for link in page.xpath("//link[@rel='alternate']")}
        assert found == {
            "application/atom+xml": f"{BASE}/feeds/{slug}.atom",
            "application/rss+xml": f"{BASE}/feeds/{slug}.rss",
            "application/feed+json": f"{BASE}/feeds/{slug}.json",
        }
        for link in found.values():
            assert client.get(link).status_code == 200


def test_hostile_words_are_shown_as_words(empty: Site) -> None:
    body = "<p onclick=x>Body <script>alert(2)</script><a href='javascript:x'>link</a></p>"
    files = empty.folder / "hostile.json"
    files.write_text(dumps([{"title": HOSTILE, "summary": HOSTILE, "authors": [HOSTILE], "content_html": body}]))
    asyncio.run(empty.app.intake.pickup([str(files)]))
    (entry,) = empty.app.entries.page(Page(limit=5))

    for address in ("/", f"/entries/{entry.key}"):
        text = empty.client(ELSEWHERE).get(address).text
        check_markup(text)
        assert "&lt;script&gt;alert(1)" in text
        assert "{{ 7*7 }}" in text
        assert "javascript:" not in text
        assert html.fromstring(text).xpath("//img") == []


def test_an_empty_site_has_a_home_page(empty: Site) -> None:
    answer = empty.client(ELSEWHERE).get("/")

    assert answer.status_code == 200
    assert "No articles yet" in answer.text


def test_home_answers_while_the_database_is_out_of_order(site: Site) -> None:
    with site.app.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE entry RENAME TO gone")

    for at in (HERE, ELSEWHERE):
        answer = site.client(at).get("/")
        assert answer.status_code == 200
        assert "cannot be shown for the moment" in answer.text
        assert answer.headers["cache-control"] == "no-store"
        check_markup(answer.text)


def test_other_pages_say_try_later_without_details(site: Site) -> None:
    with site.app.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE topic RENAME TO gone")

    page = site.client(ELSEWHERE).get("/topics/harbour-towns")
    api = site.client(ELSEWHERE).get("/api/v1/topics")

    assert (page.status_code, page.headers["retry-after"]) == (503, "120")
    assert "Please try again later" in page.text
    assert "sqlite" not in page.text.lower()
    assert (api.status_code, api.headers["content-type"]) == (503, "application/json")
    assert "sqlite" not in api.text.lower()


def test_a_broken_template_of_the_site_is_no_traceback(site: Site) -> None:
    (site.folder / "templates" / "web").mkdir(parents=True)
    (site.folder / "templates" / "web" / "base.html").write_text("{% block")

    answer = site.client(ELSEWHERE, careful=False).get("/")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert "base.html" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_bug_of_ours_is_a_page_without_a_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.app.topics, "get", broken)
    answer = site.client(ELSEWHERE, careful=False).get("/topics/harbour-towns")

    assert answer.status_code == 500
    assert "Please try again later" in answer.text
    assert "secret detail" not in answer.text
    assert "content-security-policy" in answer.headers


MADE = re.compile(r"/feeds/.*(/|\+|\.(summary|full)\.)")
"""Feeds that are made when somebody asks for them."""


def links(text: str) -> set[str]:
    """What leads to what is there already, on the site: not to readers on the web, nor to apps."""
    found = html.fromstring(text).xpath("//@href | //@src | //@action")
    return {link for link in found if not link.startswith(("#", "feed:", *READERS.values())) and not MADE.search(link)}


def crawl(client: TestClient, start: set[str], base: str = BASE) -> set[str]:
    """Everything of the site that can be reached by reading, asked for with GET and HEAD."""
    waiting, seen = set(start), set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        assert client.head(address).status_code < 500
        answer = client.get(address)
        assert answer.status_code < 500
        if answer.headers.get("content-type", "").startswith("text/html"):
            found = {link for link in links(answer.text) if link.startswith(("/", base))}
            waiting |= found - seen
    return seen


def test_reading_every_page_five_times_changes_nothing(site: Site) -> None:
    site.ask("new@example.org")
    leave = site.join("reader@example.org")
    mails = site.letters()
    confirm = next(
        link for mail in mails if mail.to == "new@example.org" for link in re.findall(r"/confirm/\S+", mail.text)
    )
    before = site.dump()

    for _ in range(5):
        seen = crawl(site.client(), {"/", confirm, leave, "/api/v1/entries", "/unsubscribe/x"})

    assert {confirm, leave, "/mailbox", f"/mailbox/{mails[0].id}/html"} <= seen
    assert site.dump() == before
    assert (site.state("new@example.org"), site.state("reader@example.org")) == ("pending", "active")


def test_pages_with_a_token_are_kept_by_nobody(site: Site) -> None:
    leave = site.join("reader@example.org")
    for answer in (site.client().get(leave), site.client().get(site.confirm_url("reader@example.org", 1))):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]


@pytest.mark.parametrize("prefix", ["/mail", ""], ids=["path kept", "path taken off by the proxy"])
def test_everything_works_below_a_path(tmp_path: Path, sqlite_template: Path, prefix: str) -> None:
    base = "http://127.0.0.1:8000/mail"
    with filled(tmp_path / "site", sqlite_template, base_url=base + "/") as site:
        client = site.client()
        answer = client.post(f"{prefix}/digests/weekly", data={"email": "new@example.org"})
        assert answer.status_code == 200
        (letter,) = site.letters()
        (confirm,) = re.findall(r"http\S+/confirm/\S+", letter.text)
        assert confirm.startswith(f"{base}/confirm/")
        assert "/mail/static/site.css" in client.get(f"{prefix}/").text

        def strip(address: str) -> str:
            assert address.startswith((base, "/mail/")), address
            return prefix + address.removeprefix("http://127.0.0.1:8000").removeprefix("/mail")

        waiting, seen = {f"{prefix}/", strip(confirm)}, set()
        while waiting:
            address = waiting.pop()
            seen.add(address)
            got = client.get(address)
            assert got.status_code == 200, address
            # The personal links of a previewed mail lead nowhere.
            if got.headers["content-type"].startswith("text/html") and "/preview/mail" not in address:
                waiting |= {strip(link) for link in links(got.text)} - seen
        assert {f"{prefix}/feeds/all.atom", f"{prefix}/digests/towns", f"{prefix}/mailbox/{letter.id}/raw"} <= seen
        assert "servers" in client.get(f"{prefix}/api/v1/openapi.json").json()
        assert "Disallow: /mail/confirm/" in client.get(f"{prefix}/robots.txt").text
        assert client.post(strip(confirm), data={"confirm": "yes"}).status_code == 200
        assert client.post(f"{prefix}{site.unsubscribe_url('new@example.org')}", data={"List-Unsubscribe": "One-Click"})
        assert site.state("new@example.org") == "unsubscribed"


def test_a_digest_that_is_gone_can_still_be_left(site: Site) -> None:
    leave = site.join("reader@example.org")
    text = (site.folder / "publisher.toml").read_text()
    (site.folder / "publisher.toml").write_text(text.replace('slug = "weekly"', 'slug = "monthly"'))
    with App(site.folder, clock=Clock()) as app:
        client = TestClient(build(app))
        assert client.get(leave).status_code == 200
        assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.state("reader@example.org") == "unsubscribed"


def test_settings_of_the_foot_and_the_colour(tmp_path: Path, sqlite_template: Path) -> None:
    more = (
        'imprint_url = "https://mag.example/imprint"\nprivacy_url = "https://mag.example/privacy"\naccent = "#ffe000"'
    )
    with opened(tmp_path / "site", sqlite_template, site=more) as site:
        page = site.client().get("/digests/weekly").text
        css = site.client().get("/static/site.css")
        icon = site.client().get("/favicon.ico")

    assert page.count("https://mag.example/privacy") == 2
    assert "https://mag.example/imprint" in page
    assert ":root{--accent:#ffe000;--on-accent:#111111}" in css.text
    assert "immutable" in css.headers["cache-control"]
    assert (icon.headers["content-type"], "#ffe000" in icon.text) == ("image/svg+xml", True)


# --- pictures and files

PICTURE = Image(url="https://cdn.example/p.jpg?a=1&b=2", alt='A "pier"', credit="Ida <Holm>")
FILES = (
    Enclosure(url="https://cdn.example/The%20tide.mp3", type="audio/mpeg", length=4_200_000),
    Enclosure(url="https://cdn.example/n.pdf", type="application/pdf", title="Notes & maps"),
)


def test_the_page_of_an_article_shows_its_picture_and_files(site: Site) -> None:
    entry = site.add("Seen", image=PICTURE, enclosures=FILES)
    page = html.fromstring(site.client(ELSEWHERE).get(f"/entries/{entry.key}").text)
    (image,) = page.xpath("//figure/img")
    links = page.xpath("//section[@class='files']//li")

    assert (image.get("src"), image.get("alt")) == (PICTURE.url, PICTURE.alt)
    assert (image.get("loading"), image.get("referrerpolicy")) == ("lazy", "no-referrer")
    assert page.xpath("string(//figure/figcaption)") == PICTURE.credit
    assert page.xpath("//meta[@property='og:image']/@content") == [PICTURE.url]
    assert page.xpath("//section[@class='files']/h2/text()") == ["Files"]
    assert [link.find("a").get("href") for link in links] == [each.url for each in FILES]
    assert [" ".join(link.text_content().split()) for link in links] == [
        "The tide.mp3 audio/mpeg, 4.2 MB",
        "Notes & maps application/pdf",
    ]


def test_a_picture_that_stands_in_the_text_is_not_shown_twice(site: Site) -> None:
    text = f'<p><img src="{escape(PICTURE.url)}" alt="x"></p>'
    entry = site.add("Seen", image=PICTURE, content_html=text)
    page = html.fromstring(site.client(ELSEWHERE).get(f"/entries/{entry.key}").text)

    assert [image.get("src") for image in page.iter("img")] == [PICTURE.url]
    assert page.xpath("//figure") == []
    assert page.xpath("//meta[@property='og:image']/@content") == [PICTURE.url]


def test_an_article_without_them_has_no_place_for_them(site: Site) -> None:
    page = site.client(ELSEWHERE).get(f"/entries/{key(site, 'The Street That Floods')}").text
    assert not [word for word in ("<figure", "files", "og:image") if word in page]


def test_no_page_of_ours_may_be_named_as_an_old_feed(site: Site) -> None:
    pages = Pages(site.app)
    routes = [*Public(pages).routes(), *Hooks(site.app).routes(), *MailboxPages(pages).routes()]
    routes += [*SourcePages(pages).routes(), *FollowPages(pages).routes()]
    paths = {route.path for route in routes if isinstance(route, Route)}
    assert {"/", "/topics/{slug}", "/hooks/ping/{slug}/{token}", "/mailbox", "/admin/sources"} <= paths
    assert {path.split("/")[1] for path in paths} - OUR_PATHS == {""}


# --- the API


def test_the_api_tells_what_is_public(shared: Site) -> None:
    client = shared.client(ELSEWHERE)

    (entry,) = client.get("/api/v1/entries").json()
    (topic,) = client.get("/api/v1/topics").json()

    assert entry["title"] == "The Street That Floods"
    assert entry["id"] == f"urn:uuid:{entry['key']}"
    assert (entry["topics"], topic["slug"]) == (["harbour-towns"], "harbour-towns")
    assert client.get(topic["feeds"]["json"]).status_code == 200
    assert client.get("/api/v1/entries?topic=harbour-towns").json() == [entry]


def test_the_api_says_what_is_wrong(shared: Site) -> None:
    client = shared.client(ELSEWHERE)

    assert client.get("/api/v1/entries?limit=101").status_code == 422
    assert client.get("/api/v1/entries?limit=0").status_code == 422
    assert client.get("/api/v1/entries?limit=x").status_code == 422
    assert client.get("/api/v1/entries?topic=%00").status_code == 422
    unknown = client.get("/api/v1/entries?topic=nowhere")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "there is no topic 'nowhere'"})
    assert client.get("/api/v1/nothing").json() == {"detail": "Not Found"}
    assert client.put("/api/v1/entries").status_code == 405


def test_the_api_describes_itself(shared: Site) -> None:
    described = shared.client(ELSEWHERE).get("/api/v1/openapi.json").json()

    assert set(described["paths"]) == {"/api/v1/topics", "/api/v1/entries"}
    assert described["servers"] == [{"url": BASE}]


def test_what_is_withdrawn_leaves_the_pages_and_feeds(site: Site) -> None:
    entry = site.app.entries.get(key(site, "The Street That Floods"))
    site.app.change_entry(entry.key, [EntryState.PUBLIC], EntryState.WITHDRAWN)
    site.app.publish()
    client = site.client(ELSEWHERE)

    for address in ("/", "/topics/harbour-towns", "/feeds/all.atom", "/api/v1/entries"):
        assert "The Street That Floods" not in client.get(address).text
    gone = client.get(f"/entries/{entry.key}")
    assert (gone.status_code, "The Street That Floods" in gone.text) == (410, False)


def test_only_unsubscribe_tokens_open_unsubscribe(site: Site) -> None:
    leave, number = site.join("reader@example.org"), site.reader("reader@example.org").subscription
    assert leave.endswith(site.token(Purpose.UNSUBSCRIBE, number))
    assert site.client().get(f"/unsubscribe/{site.token(Purpose.CONFIRM, number)}").status_code == 404
    assert site.client().get(f"/confirm/{site.token(Purpose.UNSUBSCRIBE, number)}").status_code == 404
