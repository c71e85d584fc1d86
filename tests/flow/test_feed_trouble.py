"""What goes wrong around feeds: names too long for the disk, topics renamed to and fro, files that nobody knows."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from flow.flow_site import DAY, HOUR, Site

from feed_publisher import wiring
from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay
from feed_publisher.domain.errors import ConfigError, FetchError
from feed_publisher.ports.feeds import FeedUse
from feed_publisher.scheduler import Scheduler

ARTICLE = {"id": "1", "title": "Ferry", "summary": "A boat.", "authors": ["Ann Lee"], "topics": ["Ships"]}


def topic(slug: str, was: str = "") -> str:
    return f'[[topics]]\nslug = "{slug}"\ntitle = "Ships"\n' + (f'was = ["{was}"]\n' if was else "")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").make()
    site.write("a.json", json.dumps([ARTICLE]))
    site.configure(digest=topic("ships"))
    site.pickup()
    return site


# --- names and files


def test_a_feed_of_topics_with_long_names_is_refused_and_stops_nothing(site: Site) -> None:
    headings = [f"{letter} " + "very long heading of a topic " * 3 for letter in "abcdefg"]
    site.write("b.json", json.dumps([ARTICLE | {"id": h[0], "title": h[0], "topics": [h]} for h in headings]))
    site.pickup()
    slugs = [slug for (slug,) in site.sql("SELECT slug FROM topic ORDER BY slug") if slug != "ships"]
    with site.browsing() as client:
        assert client.get(f"/feeds/{'+'.join(slugs)}.atom").status_code == 404
        assert client.get(f"/feeds/{'+'.join(slugs[:2])}.summary.atom").status_code == 200
        page = client.get("/follow", params=[("topic", slug) for slug in slugs])
        assert page.status_code == 422
        assert "would be too long" in page.text
        site.write("c.json", json.dumps([ARTICLE | {"id": "new", "title": "Barge"}]))
        site.pickup()
        assert "Barge" in client.get("/feeds/all.json").text


def test_a_file_that_cannot_be_written_holds_up_no_other_feed(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    file = site.feed("ships.atom")
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    site.write("b.json", json.dumps([ARTICLE | {"id": "2", "title": "Barge"}]))
    with site.open() as app, app.owning():
        scheduler = Scheduler(app, SmtpMailer(Relay(host="127.0.0.1", port=1, tls="none")))
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                asyncio.run(scheduler.pick_up())
        assert "Barge" in site.feed("all.json").read_text()
        (said,) = [record.getMessage() for record in caplog.records]
        assert said.startswith(f"feed not replaced: ships: {file}: cannot be written: ")
        assert said.endswith("the last good file stays")
        shutil.rmtree(file)
        assert app.publish().problems == []
    assert "Barge" in file.read_text()


def test_archive_pages_that_cannot_be_written_are_tried_again(site: Site) -> None:
    many = [ARTICLE | {"id": f"{n}", "title": f"Barge {n}"} for n in range(299, 99, -1)]
    site.feed("ships").write_text("in the way of a folder")
    site.pickup(site.write("b.json", json.dumps(many)))
    assert "Barge 299" in site.feed("ships.json").read_text(), "the newest are out"
    with site.open() as app:
        assert {problem.where for problem in app.publish().problems} == {"ships"}
    site.feed("ships").unlink()
    with site.open() as app:
        assert app.publish().problems == []
    assert site.feed("ships/1.atom").exists()
    assert site.feed("all/1.atom").exists()


def test_files_that_belong_to_no_feed_are_removed_and_those_of_others_stay(site: Site) -> None:
    for suffix in (".atom", ".atom.gz", ".atom.br"):
        shutil.copy2(f"{site.feed('ships')}{suffix}", f"{site.feed('dropped')}{suffix}")
    site.feed("podcast.rss").write_text("<rss/>")
    with site.open() as app:
        app.publish()
        assert site.feed("dropped.atom").exists(), "perhaps another process is just putting it there"
        site.now = max(site.now, site.now.fromtimestamp(site.feed("dropped.atom").stat().st_ctime, site.now.tzinfo))
        site.now += timedelta(minutes=11)
        app.publish()
    assert not list(site.feed("").glob("dropped*"))
    assert site.feed("podcast.rss").exists()
    assert site.feed("ships.atom.br").exists()


# --- topics


def test_a_topic_renamed_and_back_again(site: Site) -> None:
    with site.browsing() as client:
        before = client.get("/feeds/ships.json")
    dates = [os.stat(site.feed("ships.json")).st_mtime]
    for slug, was in (("boats", "ships"), ("ships", "boats"), ("boats", "ships")):
        site.now += DAY
        site.configure(digest=topic(slug, was))
        with site.browsing() as client:
            moved = client.get(f"/feeds/{was}.json")
            assert (moved.status_code, moved.headers["location"]) == (301, f"http://127.0.0.1:8000/feeds/{slug}.json")
            after = client.get(f"/feeds/{slug}.json")
            assert after.status_code == 200
            assert client.get(f"/topics/{slug}").status_code == 200
            assert [item["id"] for item in after.json()["items"]] == [item["id"] for item in before.json()["items"]]
            assert not list(site.feed("").glob(f"{was}*"))
            if slug == "ships":
                dates.append(os.stat(site.feed("ships.json")).st_mtime)
    assert dates == sorted(set(dates))


def test_renames_that_were_never_published(site: Site) -> None:
    for slug, was in (("boats", "ships"), ("ships", "boats"), ("craft", "ships"), ("boats", "craft")):
        site.configure(digest=topic(slug, was))
        with site.open():
            pass
    with site.browsing() as client:
        assert [item["title"] for item in client.get("/feeds/boats.json").json()["items"]] == ["Ferry"]
        for old in ("ships", "craft"):
            assert client.get(f"/feeds/{old}.json").headers["location"].endswith("/feeds/boats.json")
            assert not list(site.feed("").glob(f"{old}*"))


def test_a_new_topic_takes_the_address_of_one_that_was_renamed(site: Site) -> None:
    many = [ARTICLE | {"id": f"{n}", "title": f"Barge {n}"} for n in range(100, 300)]
    site.pickup(site.write("b.json", json.dumps(many)))
    assert site.feed("ships/2.atom").exists()
    site.configure(digest=topic("boats", "ships"))
    site.pickup()
    site.configure(digest=topic("boats") + topic("ships").replace("Ships", "Sailing"))
    site.pickup(site.write("c.json", json.dumps([ARTICLE | {"id": "s", "title": "Sloop", "topics": ["Sailing"]}])))
    with site.browsing() as client:
        assert [item["title"] for item in client.get("/feeds/ships.json").json()["items"]] == ["Sloop"]
        assert client.get("/feeds/boats/2.json").status_code == 200
    site.now += 60 * 365 * DAY  # the clock of the file system is not ours
    with site.browsing() as client:
        assert client.get("/feeds/ships/2.json").status_code == 404, "swept"
        assert client.get("/feeds/boats/2.json").status_code == 200


def test_a_topic_does_not_take_the_address_of_a_named_feed(site: Site) -> None:
    block = '[[feeds]]\nslug = "water"\ntitle = "Water"\ntopics = ["ships"]\n'
    site.configure(digest=topic("ships") + block)
    site.pickup()
    site.configure(digest=topic("water", "ships"))
    with pytest.raises(ConfigError, match="two feeds cannot have the address 'water'"), site.open():
        pass


def test_a_named_feed_that_was_taken_out_and_put_back(site: Site) -> None:
    block = '[[feeds]]\nslug = "water"\ntitle = "Water"\ntopics = ["ships"]\n'
    for blocks in (block, "", block):
        site.configure(digest=topic("ships") + blocks)
        with site.open() as app:
            named = [(each.slug, each.title, each.topics) for each in app.settings.feeds]
            app.feeds.declare(named, site.now)
    site.pickup()
    assert [item["title"] for item in json.loads(site.feed("water.json").read_text())["items"]] == ["Ferry"]


def test_an_unknown_heading_does_not_take_an_address_that_leads_elsewhere(site: Site) -> None:
    site.configure(digest=topic("boats", "ships").replace('"Ships"', '"Boats"'))
    with site.open():
        pass
    site.sql("DELETE FROM topic_heading WHERE heading = 'ships'")
    site.pickup(site.write("b.json", json.dumps([ARTICLE | {"id": "2", "title": "Barge", "topics": ["Ships"]}])))
    assert site.sql("SELECT slug FROM topic ORDER BY slug") == [("boats",), ("ships-2",)]


def test_many_headings_and_names_that_begin_alike(site: Site) -> None:
    long = "the same long beginning of a name that goes on and on until no slug can hold it"
    articles = [
        ARTICLE | {"id": f"{n}", "title": f"Barge {n}", "topics": [f"{long} {n}"], "authors": [f"{long} by {n}"]}
        for n in range(100, 115)
    ]
    assert site.pickup(site.write("b.json", json.dumps(articles))).rejected == []
    assert len(site.sql("SELECT DISTINCT slug FROM topic")) == 16
    assert len(site.sql("SELECT DISTINCT slug FROM author")) == 16


# --- feeds made when they are asked for


def test_a_combined_feed_stays_where_a_web_server_sends_the_files(site: Site) -> None:
    site.pickup(site.write("b.json", json.dumps([ARTICLE | {"id": "2", "title": "Crane", "topics": ["Birds"]}])))
    with site.open() as app:
        assert app.make_feed("birds+ships", False)
        site.now += 40 * DAY
        app.note_use([FeedUse(path="feeds/birds.rss", day=site.now.date(), polls=1, readers=1)])
        app.publish()
        assert site.feed("birds+ships.atom").exists(), "nobody is seen to ask for anything"
        subscribed = (
            "INSERT INTO hub_subscription (key, topic, path, callback, host, secret, lease_until, due_at,"
            " delivered_etag, failures, error) VALUES ('k', 't', 'feeds/birds+ships.atom', 'c', 'h', '',"
            " '2099-01-01 00:00:00.000000', '2099-01-01 00:00:00.000000', 'e', 0, '')"
        )
        site.sql(subscribed)
        for _ in range(2):
            site.now += HOUR
            app.note_use([FeedUse(path="feeds/all.rss", day=site.now.date(), polls=1, readers=1)])
            app.publish()
            if site.sql("SELECT * FROM hub_subscription"):
                assert site.feed("birds+ships.atom").exists(), "a subscriber of our hub has it"
            site.sql("DELETE FROM hub_subscription")
    assert not site.feed("birds+ships.atom").exists()


def test_a_feed_dropped_a_moment_ago_can_be_made_again(site: Site) -> None:
    site.pickup(site.write("b.json", json.dumps([ARTICLE | {"id": "2", "title": "Crane", "topics": ["Birds"]}])))
    with site.open() as app:
        assert app.make_feed("birds+ships", False)
        before = site.feed("birds+ships.json").read_bytes()
        site.sql("UPDATE feed SET kind = 'gone', dirty = 1 WHERE slug = 'birds+ships'")
        stale = app.feeds.dirty("birds+ships")
        assert app.make_feed("birds+ships", False)
        assert app.feeds.drop(stale[0]) == []
    assert site.feed("birds+ships.json").read_bytes() == before


def test_addresses_that_nothing_is_made_for_wait_for_no_writer(site: Site) -> None:
    site.pickup(site.write("b.json", json.dumps([ARTICLE | {"id": "2", "title": "Crane", "topics": ["Birds"]}])))
    with site.browsing() as client, site.open() as other, other.database.write():
        for path in ("ships/9.atom", "ships.summary/9.atom", "birds+gone.atom", "authors/nobody.rss", "lang/xx.json"):
            assert client.get(f"/feeds/{path}").status_code == 404, path
        assert client.get(f"/feeds/{'x' * 5000}.atom").status_code == 404
        too_many = "+".join(f"t{n}" for n in range(9))
        assert client.get(f"/feeds/{too_many}.atom").status_code == 404


def test_a_request_for_what_is_there_renders_nothing(site: Site) -> None:
    with site.open() as app:
        assert app.make_feed("authors/ann-lee", False)
        before = os.stat(site.feed("authors/ann-lee.atom"))
        assert app.publisher.publish_one("authors/ann-lee", site.now).written == []
        assert app.publisher.publish_one("authors/ann-lee", site.now).unchanged == 0
        site.feed("authors/ann-lee.rss").unlink()
        assert app.publisher.publish_one("authors/ann-lee", site.now).written == ["feeds/authors/ann-lee.rss"]
    assert os.stat(site.feed("authors/ann-lee.atom")).st_ino == before.st_ino


# --- strangers


@pytest.mark.parametrize(
    ("base_url", "strangers", "reached"),
    [
        ("https://mag.example", True, False),
        ("https://mag.example", False, True),
        ("http://127.0.0.1:8000", True, True),
    ],
)
def test_callbacks_of_strangers_cannot_reach_what_the_operator_has_allowed_for_sources(
    site: Site, base_url: str, strangers: bool, reached: bool
) -> None:
    settings = f'base_url = "{base_url}"\n[fetch]\nallow = ["127.0.0.1"]\n'
    site.configure(site=settings)

    async def call() -> str:
        with site.open() as app:
            async with wiring.caller(app.settings, strangers) as caller:
                try:
                    await caller.get_exactly("http://127.0.0.1:9/")
                except FetchError as error:
                    return str(error)
        return ""

    said = asyncio.run(call())
    assert ("private address" in said) is not reached, said


# --- two processes


def test_a_page_that_another_process_has_parted_is_not_parted_again(site: Site) -> None:
    many = [ARTICLE | {"id": f"{n}", "title": f"Barge {n}"} for n in range(100, 300)]
    site.pickup(site.write("b.json", json.dumps(many)))
    with site.open() as app:
        (page,) = app.feeds.pages("ships", [1])
        app.feeds.part(page)
        count = site.sql("SELECT count(*) FROM feed_page")
        app.feeds.part(page)
        assert site.sql("SELECT count(*) FROM feed_page") == count
