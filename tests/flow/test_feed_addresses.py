"""Addresses of feeds over the years, over HTTP: renamed, ended, of an older system; feeds made when asked for."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from flow.flow_site import DAY, Site

SHIPS = '[[topics]]\nslug = "ships"\ntitle = "Ships"\n'
ARTICLES = [
    {"id": "1", "title": "Ferry", "summary": "A boat.", "authors": ["Ann Lee"], "topics": ["Ships"]},
    {"id": "2", "title": "Crane", "summary": "A bird.", "authors": ["Bo Li"], "topics": ["Birds"]},
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").make()
    site.write("a.json", json.dumps(ARTICLES))
    site.configure(digest=SHIPS)
    site.pickup()
    return site


def ids(feed: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["id"] for item in feed["items"]]


@pytest.mark.parametrize(
    ("address", "titles"),
    [
        ("/feeds/authors/ann-lee.json", ["Ferry"]),
        ("/feeds/birds+ships.json", ["Ferry", "Crane"]),
        ("/feeds/lang/en.json", ["Ferry", "Crane"]),
        ("/feeds/ships.summary.json", ["Ferry"]),
        ("/feeds/authors/bo-li.summary.json", ["Crane"]),
    ],
)
def test_a_feed_is_made_when_it_is_first_asked_for(site: Site, address: str, titles: list[str]) -> None:
    with site.browsing() as client:
        first = client.get(address)
        assert first.status_code == 200
        assert [item["title"] for item in first.json()["items"]] == titles
        assert client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304
        assert client.get("/feeds/ships.full.json").headers["location"].endswith("/feeds/ships.json")


@pytest.mark.parametrize("address", ["authors/nobody", "birds+nothing", "lang/xx", "nothing.summary", "ships/7"])
def test_what_would_hold_nothing_is_not_made_and_not_asked_again(site: Site, address: str) -> None:
    with site.browsing() as client:
        assert client.get(f"/feeds/{address}.atom").status_code == 404
        before = site.sql("SELECT count(*) FROM feed")
        site.sql("ALTER TABLE feed RENAME TO away")  # whoever asks the database now fails
        assert client.get(f"/feeds/{address}.rss").status_code == 404
        site.sql("ALTER TABLE away RENAME TO feed")
    assert site.sql("SELECT count(*) FROM feed") == before


def test_a_renamed_topic_keeps_its_ids_and_its_old_addresses_lead_on(site: Site) -> None:
    with site.browsing() as client:
        before = client.get("/feeds/ships.json").json()
        assert client.get("/feeds/birds+ships.atom").status_code == 200
    site.now += DAY
    site.configure(digest='[[topics]]\nslug = "vessels"\ntitle = "Vessels"\nwas = ["ships"]\n')
    site.write("b.json", json.dumps([ARTICLES[0] | {"id": "3", "title": "Barge"}]))
    site.pickup()
    for _ in range(2):  # for ever, also when the configuration has forgotten
        with site.browsing() as client:
            moved = client.get("/feeds/ships.atom")
            assert (moved.status_code, moved.headers["location"]) == (301, "http://127.0.0.1:8000/feeds/vessels.atom")
            after = client.get("/feeds/vessels.json").json()
            assert ids(after)[1:] == ids(before), "one more, under the heading of old"
            assert after["title"] == "Vessels – Quay"
            assert client.get("/topics/ships").headers["location"].endswith("/topics/vessels")
            assert client.get("/feeds/birds+ships.atom").headers["location"].endswith("/feeds/birds+vessels.atom")
            assert client.get("/feeds/birds+vessels.atom").status_code == 200
            assert not list(site.feed("").glob("ships*"))
        site.configure(digest='[[topics]]\nslug = "vessels"\ntitle = "Vessels"\n')
    assert site.sql("SELECT atom_id FROM feed WHERE slug = 'vessels'") != []


def test_an_ended_topic_says_so_and_is_gone_after_a_month(site: Site) -> None:
    site.configure(digest=f"{SHIPS}ended = true\n")
    with site.browsing() as client:
        feed = client.get("/feeds/ships.json").json()
        assert feed["expired"] is True
        assert [item["title"] for item in feed["items"]] == ["“Ships” has ended", "Ferry"]
        assert "ships" not in client.get("/feeds.opml").text
    site.now += timedelta(days=31)
    with site.browsing() as client:
        for name in ("ships.atom", "ships.summary.rss", "ships/1.json"):
            assert client.get(f"/feeds/{name}").status_code == 410
        assert not list(site.feed("").glob("ships*")), "so that no web server sends them"
        with site.open() as app:
            app.publish(every=True)
        assert not list(site.feed("").glob("ships*"))
        assert client.get("/feeds/birds.atom").status_code == 200
    site.configure(digest=SHIPS)
    with site.browsing() as client:
        assert "expired" not in client.get("/feeds/ships.json").json()


def test_an_ended_topic_is_not_offered_any_more(site: Site) -> None:
    with site.browsing() as client:
        assert 'value="ships"' in client.get("/follow").text
        assert "/feeds/ships.atom" in client.get("/topics/ships").text
    site.configure(digest=f"{SHIPS}ended = true\n")
    with site.browsing() as client:
        page = client.get("/topics/ships")
        assert "This topic has ended" in page.text
        assert "Ferry" in page.text
        assert "/feeds/ships" not in page.text
        assert 'value="ships"' not in client.get("/follow").text
        assert 'value="birds"' in client.get("/follow").text
        assert client.get("/follow?topic=ships").status_code == 404


def test_the_addresses_of_an_older_system_lead_to_our_feeds(site: Site) -> None:
    site.configure(
        site='old_feeds = ["/feed/", "/atom.xml"]\n',
        digest=f'{SHIPS}old_feeds = ["/category/ships/feed/", "/category/ships/feed.json"]\n',
    )
    wanted = {
        "/feed/": "/feeds/all.rss",
        "/feed": "/feeds/all.rss",
        "/atom.xml": "/feeds/all.atom",
        "/category/ships/feed/": "/feeds/ships.rss",
        "/category/ships/feed.json": "/feeds/ships.json",
    }
    with site.browsing() as client:
        for old, new in wanted.items():
            for ask in (client.get, client.head):
                answer = ask(old)
                assert (answer.status_code, answer.headers["location"]) == (301, f"http://127.0.0.1:8000{new}")
        assert client.get("/category/birds/feed/").status_code == 404


@pytest.mark.parametrize("path", ["/feeds/ships.full.%0d%0aX-Evil:%201.atom", "/feeds/old%0d%0aX-Evil:%201.atom"])
def test_no_address_gets_into_a_header(site: Site, path: str) -> None:
    site.configure(digest='[[topics]]\nslug = "ships"\ntitle = "Ships"\nwas = ["old"]\n')
    with site.browsing() as client:
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (404, None)
        assert client.get("/feeds/old.atom").status_code == 301


def test_feeds_name_the_hubs(site: Site) -> None:
    site.configure(digest='[websub]\nhub = true\nhubs = ["https://hub.example/"]\n')
    with site.browsing() as client:
        for kind in ("atom", "rss", "json"):
            answer = client.get(f"/feeds/ships.{kind}")
            for hub in ("http://127.0.0.1:8000/hub", "https://hub.example/"):
                assert f'<{hub}>; rel="hub"' in answer.headers["link"]
                assert hub in answer.text
    site.configure(digest="")
    with site.browsing() as client:
        assert "hub" not in client.get("/feeds/ships.atom").headers["link"]
