"""What keeps feeds true: other settings, other articles, other machines, files that somebody has touched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flow.flow_site import DAY, Site

from feed_publisher.adapters.database.store import making
from feed_publisher.app import App
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import EntryState, FeedFormat
from feed_publisher.services import publish

ARTICLE = {"id": "1", "title": "Ferry", "summary": "A boat.", "authors": ["Ann Lee"], "topics": ["Ships"]}
WATER = '[[feeds]]\nslug = "water"\ntitle = "{title}"\ntopics = [{topics}]\n'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").make()
    site.pickup(site.write("a.json", json.dumps([ARTICLE])))
    return site


@contextmanager
def second_machine(site: Site, folder: Path) -> Iterator[App]:
    folder.mkdir()
    (folder / "publisher.toml").write_text((site.folder / "publisher.toml").read_text())
    same_database = f"database.url=sqlite:///{site.folder / 'var' / 'publisher.sqlite3'}"
    with App(folder, (same_database,), clock=lambda: site.now) as app:
        yield app


def many(count: int, **more: Any) -> str:
    stem = more.get("topics", ["Ships"])[0]
    return json.dumps([ARTICLE | {"id": f"{stem}{n}", "title": f"{stem} {n}"} | more for n in range(count)])


def walked(site: Site, slug: str) -> list[str]:
    """The titles in all documents of a feed."""
    files = [site.feed(f"{slug}.json"), *site.feed(slug).glob("*.json")]
    return sorted(item["title"] for file in files for item in json.loads(file.read_text())["items"])


# --- settings


def test_the_former_other_form_leads_to_the_usual_one(site: Site) -> None:
    with site.open() as app:
        assert app.make_feed("ships", both_forms=True)
    site.configure(site='feeds = "summary"')
    site.now = max(site.now, site.now.fromtimestamp(site.feed("ships.atom").stat().st_ctime, site.now.tzinfo))
    site.now += timedelta(minutes=11)
    with site.browsing() as client:
        assert client.get("/feeds/ships.full.json").status_code == 200
        moved = client.get("/feeds/ships.summary.json")
        assert (moved.status_code, moved.headers["location"]) == (301, "http://127.0.0.1:8000/feeds/ships.json")


def test_a_named_feed_with_other_topics_has_another_archive(site: Site) -> None:
    for name, topics in (("s", ["Sea"]), ("b", ["Birds"])):
        site.pickup(site.write(f"{name}.json", many(80, topics=topics)))
    site.configure(digest=WATER.format(title="Water", topics='"ships", "sea"'))
    site.pickup()
    before = walked(site, "water")
    assert before == sorted(["Ferry", *(f"Sea {n}" for n in range(80))])
    atom_id = site.sql("SELECT atom_id FROM feed WHERE slug = 'water'")
    site.now += DAY
    site.configure(digest=WATER.format(title="Wings", topics='"ships", "birds"'))
    site.pickup()
    assert walked(site, "water") == sorted(["Ferry", *(f"Birds {n}" for n in range(80))])
    assert {json.loads(file.read_text())["title"] for file in site.feed("water").glob("*.json")} == {"Wings – Quay"}
    site.configure(digest="")
    site.pickup()
    site.configure(digest=WATER.format(title="Water", topics='"ships", "sea"'))
    site.pickup()
    assert walked(site, "water") == before
    assert site.sql("SELECT atom_id FROM feed WHERE slug = 'water'") == atom_id


def test_named_feeds_that_stay_are_left_alone_when_another_comes(site: Site) -> None:
    site.configure(digest=WATER.format(title="Water", topics='"ships"'))
    site.pickup()
    version = site.sql("SELECT version FROM feed WHERE slug = 'water'")
    more = WATER.format(title="Wings", topics='"ships"').replace('"water"', '"wings"')
    site.configure(digest=WATER.format(title="Water", topics='"ships"') + more)
    site.pickup()
    assert site.feed("wings.atom").exists()
    assert site.sql("SELECT version FROM feed WHERE slug = 'water'") == version


# --- what is not public


def test_who_is_not_public_has_no_feed(site: Site) -> None:
    secret = ARTICLE | {"id": "2", "title": "Leak", "authors": ["Secret Source"], "language": "fr"}
    site.pickup(site.write("b.json", json.dumps([secret])))
    site.change("Leak", (EntryState.PUBLIC,), EntryState.HIDDEN)
    with site.browsing() as client:
        for slug in ("authors/secret-source", "lang/fr"):
            assert client.get(f"/feeds/{slug}.json").status_code == 404, slug


# --- size


def test_articles_too_large_together_are_parted_before_they_are_refused(site: Site) -> None:
    words = "<p>" + "long words " * 12_000 + "</p>"
    site.pickup(site.write("b.json", many(50, content_html=words, topics=["Large"])))
    with site.open() as app:
        app.publish()
        assert app.feeds.problems() == {}
    assert walked(site, "large") == sorted(f"Large {n}" for n in range(50))


# --- files


@pytest.mark.parametrize(("stuck", "other"), [("all", "old"), ("old", "all")])
def test_a_page_that_cannot_be_written_holds_up_no_other_archive(
    site: Site, monkeypatch: pytest.MonkeyPatch, stuck: str, other: str
) -> None:
    monkeypatch.setattr(publish, "PAGES", 1)
    site.pickup(site.write("b.json", many(150, topics=["Old"])))
    with site.open() as app:
        for _ in range(2):  # so that nothing is new to this process
            app.publish()
            site.now += timedelta(minutes=2)
        site.sql("UPDATE feed_page SET dirty = 1, version = version + 1")
        for slug in (stuck, other):
            shutil.rmtree(site.feed(slug))
        site.feed(stuck).write_text("in the way")
        report = app.publish()
    assert {problem.where for problem in report.problems} == {stuck}
    assert site.feed(f"{other}/1.atom").exists()
    site.feed(stuck).unlink()
    with site.open() as app:
        assert app.publish().problems == []
    assert site.feed(f"{stuck}/1.atom").exists()


def test_a_file_of_another_time_is_mended(site: Site) -> None:
    file = site.feed("ships.atom")
    before = file.stat().st_mtime
    os.utime(file, (before + 999, before + 999))
    with site.open() as app:
        app.publish()
    assert file.stat().st_mtime == before


def test_a_page_that_would_not_be_valid_is_told_of_until_it_is(site: Site) -> None:
    site.pickup(site.write("b.json", many(80)))
    with site.open() as app:
        (page,) = app.feeds.pages("ships", [1])
        app.feeds.refuse(page.feed, "no title", page)
        site.sql("UPDATE feed SET dirty = 1, version = version + 1 WHERE slug = 'ships'")
        app.publish()
        assert app.feeds.problems() == {"ships": "page 1: no title"}
        site.sql("UPDATE feed_page SET dirty = 1, version = version + 1")
        app.publish()
        assert app.feeds.problems() == {}


def test_a_feed_given_up_while_it_is_published_is_removed(site: Site) -> None:
    site.pickup(site.write("b.json", many(1, topics=["Birds"])))
    with site.open() as app:
        assert app.make_feed("birds+ships", False)
        (feed,) = app.feeds.find(["birds+ships"])
        site.sql("UPDATE feed SET kind = 'gone', dirty = 1, version = version + 1 WHERE slug = 'birds+ships'")
        assert not app.feeds.replace(feed, ["feeds/birds+ships.atom"], lambda out: [])
        app.publish()
    assert not list(site.feed("").glob("birds+ships*"))


# --- a second machine


def test_what_was_long_under_way_elsewhere_comes_with_the_next_sweep(site: Site, tmp_path: Path) -> None:
    with second_machine(site, tmp_path / "other") as other:
        other.publish()
        began = site.now
        site.now += timedelta(minutes=5)
        other.publish()
        site.now, later = began, site.now  # a rebuild that began five minutes ago is written now
        site.pickup(site.write("b.json", many(1, topics=["Birds"])))
        site.now = later + timedelta(minutes=6)
        other.publish()
    public = tmp_path / "other" / "public"
    assert (public / "feeds" / "birds.json").read_bytes() == site.feed("birds.json").read_bytes()
    assert "Birds" in (public / "feeds.opml").read_text()


def test_what_could_not_be_brought_in_is_tried_again(site: Site, tmp_path: Path) -> None:
    with second_machine(site, tmp_path / "other") as other:
        other.publish()
        feeds = tmp_path / "other" / "public" / "feeds"
        shutil.move(feeds, tmp_path / "away")
        feeds.write_text("in the way")
        site.now += DAY
        site.pickup(site.write("b.json", many(1, topics=["Birds"])))
        for _ in range(3):
            site.now += timedelta(minutes=1)
            assert other.publish().problems != []
        feeds.unlink()
        shutil.move(tmp_path / "away", feeds)
        site.now += timedelta(minutes=1)
        assert other.publish().problems == []
        assert (feeds / "birds.json").read_bytes() == site.feed("birds.json").read_bytes()


def test_an_outline_that_could_not_be_written_is_tried_again(site: Site) -> None:
    outline = site.folder / "public" / "feeds.opml"
    with site.open() as app:
        app.publish()
        outline.unlink()
        (outline / "in the way").mkdir(parents=True)
        site.pickup(site.write("b.json", many(1, topics=["Birds"])))
        app.publisher.outline_due = True
        assert [problem.where for problem in app.publish().problems] == ["feeds.opml"]
        shutil.rmtree(outline)
        assert app.publish().problems == []
    assert "Birds" in outline.read_text()


def test_what_would_not_be_valid_is_not_looked_at_every_second(site: Site, tmp_path: Path) -> None:
    with second_machine(site, tmp_path / "other") as other:
        checked = other.publisher.maker.check
        wrong = {"feeds/all", "feeds/ships", "feeds/digests/weekly"}

        def check(data: bytes, format: FeedFormat) -> None:
            if b"Quay" in data:
                raise FeedError("no title")
            checked(data, format)

        other.publisher.maker.check = check
        for _ in range(2):
            assert {problem.where for problem in other.publish().problems} == wrong
            site.now += timedelta(minutes=2)
        assert other.publish().problems == [], "until the next sweep"


# --- a program that runs with what the file said before


def test_a_running_program_does_not_undo_newer_settings(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    text = (site.folder / "publisher.toml").read_text()
    with site.open() as old:
        old.publish()
        (site.folder / "publisher.toml").write_text(
            text.replace('"Quay"', '"Pier"') + WATER.format(title="W", topics='"ships"')
        )
        with site.open() as new:
            new.publish()
        assert json.loads(site.feed("ships.json").read_text())["title"] == "Ships – Pier"
        for _ in range(3):
            assert old.publish().written == []
        assert site.feed("water.json").exists()
        assert json.loads(site.feed("ships.json").read_text())["title"] == "Ships – Pier"
        assert caplog.text.count("has changed since this program was started") == 1
    with site.open() as again:
        assert again.publish().written == []


def test_what_an_outdated_program_has_written_is_made_again(site: Site) -> None:
    text = (site.folder / "publisher.toml").read_text()
    with site.open() as old:
        old.publish()
        (site.folder / "publisher.toml").write_text(text.replace('"Quay"', '"Pier"'))
        with site.open() as new:
            new.publish()
        site.now += DAY
        site.write("b.json", many(2))
        site.pickup()
        with site.open() as new:
            new.feeds.all_dirty()
        old.publish()
        assert json.loads(site.feed("ships.json").read_text())["title"] == "Ships – Quay"
    with site.open() as new:
        new.publish()
    assert json.loads(site.feed("ships.json").read_text())["title"] == "Ships – Pier"


# --- what is too large, however few


def test_a_few_huge_articles_are_parted(site: Site) -> None:
    huge = {"content_html": f"<p>{'A word. ' * 60_000}</p>"}
    for number in range(0, 60, 15):
        text = json.dumps([ARTICLE | {"id": f"h{n}", "title": f"Huge {n}"} | huge for n in range(number, number + 15)])
        site.pickup(site.write(f"huge{number}.json", text))
        site.now += DAY
    with site.open() as app:
        app.publish()
        assert app.feeds.problems() == {}
    assert walked(site, "ships") == sorted(["Ferry", *[f"Huge {n}" for n in range(60)]])
    assert all(file.stat().st_size < 5_000_000 for file in site.feed("").rglob("*.*"))


# --- feeds of several topics


def test_a_combined_feed_is_renamed_with_its_topics(site: Site) -> None:
    site.pickup(site.write("b.json", many(1, topics=["Birds"])))
    with site.open() as app:
        assert app.make_feed("birds+ships", both_forms=False)
    text = (site.folder / "publisher.toml").read_text()
    (site.folder / "publisher.toml").write_text(f'{text}\n[[topics]]\nslug = "ships"\ntitle = "Vessels"\n')
    with site.open() as app:
        app.publish()
    assert json.loads(site.feed("birds+ships.json").read_text())["title"] == "Birds + Vessels – Quay"


def test_when_there_is_no_room_it_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "COMBINED_MOST", 1)
    for topic in ("Birds", "Sea"):
        site.pickup(site.write(f"{topic}.json", many(1, topics=[topic])))
    with site.browsing() as client:
        assert client.get("/feeds/birds+ships.atom").status_code == 200
        full = client.get("/feeds/birds+sea.atom")
        assert (full.status_code, full.headers["Retry-After"]) == (503, "86400")
        assert client.get("/feeds/birds+ships.rss").status_code == 200
        assert client.get("/feeds/birds+none.atom").status_code == 404
    (notice,) = [notice for notice in site.notices() if "several topics" in notice]
    assert "/feeds/birds+sea" in notice
