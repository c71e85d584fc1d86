"""Feeds besides those of topics: of authors, languages, several topics, in the other form; on a second machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flow.flow_site import DAY, Site

from feed_publisher.app import App
from feed_publisher.domain.errors import ConfigError
from feed_publisher.ports.feeds import FeedUse

ARTICLES = [
    {"id": "1", "title": "Ferry", "summary": "A boat.", "authors": ["Ann Lee"], "topics": ["Ships"], "language": "en"},
    {"id": "2", "title": "Crane", "summary": "A bird.", "authors": ["Bo Li", "ann lee"], "topics": ["Birds"]},
    {"id": "3", "title": "Tide", "summary": "Water.", "authors": ["Bo Li"], "topics": ["Sea"], "language": "de-AT"},
]
for each in ARTICLES:
    each["content_html"] = f"<p>The whole article about a {each['title']}.</p>"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").make()
    site.write("a.json", json.dumps(ARTICLES))
    site.pickup()
    return site


def titles(site: Site, name: str) -> list[str]:
    return [item["title"] for item in json.loads(site.feed(f"{name}.json").read_text())["items"]]


def made(site: Site, slug: str, both_forms: bool = False) -> bool:
    with site.open() as app:
        return app.make_feed(slug, both_forms)


def test_an_author_has_a_feed_once_somebody_asks(site: Site) -> None:
    assert not site.feed("authors").exists()
    assert made(site, "authors/ann-lee")
    assert titles(site, "authors/ann-lee") == ["Ferry", "Crane"]
    feed = json.loads(site.feed("authors/ann-lee.json").read_text())
    assert feed["title"] == "Ann Lee – Quay"
    assert feed["home_page_url"] == "http://127.0.0.1:8000/authors/ann-lee"
    assert not made(site, "authors/nobody")


def test_a_corrected_byline_moves_the_article_to_another_feed(site: Site) -> None:
    assert made(site, "authors/ann-lee")
    assert made(site, "authors/bo-li")
    site.now += DAY
    site.write("a.json", json.dumps([ARTICLES[0] | {"authors": ["Bo Li"]}, *ARTICLES[1:]]))
    site.pickup()
    assert titles(site, "authors/ann-lee") == ["Crane"]
    assert sorted(titles(site, "authors/bo-li")) == ["Crane", "Ferry", "Tide"]


def test_a_language_has_a_feed_of_what_is_written_in_it(site: Site) -> None:
    assert made(site, "lang/de")
    assert titles(site, "lang/de") == ["Tide"]
    assert json.loads(site.feed("lang/de.json").read_text())["language"] == "de"
    assert made(site, "lang/en"), "the site's own: also what does not say"
    assert titles(site, "lang/en") == ["Ferry", "Crane"]
    assert not made(site, "lang/fr")


def test_several_topics_can_be_followed_as_one_feed(site: Site) -> None:
    assert made(site, "birds+ships")
    assert titles(site, "birds+ships") == ["Ferry", "Crane"]
    for wrong in ("ships+birds", "birds+birds", "birds+none", "birds+", "+".join("abcdefghi")):
        assert not made(site, wrong), wrong
    site.now += DAY
    site.write("b.json", json.dumps([ARTICLES[0] | {"id": "4", "title": "Barge"}]))
    site.pickup()
    assert titles(site, "birds+ships") == ["Barge", "Ferry", "Crane"]


def test_a_combined_feed_is_dropped_when_nobody_asks_for_it_and_made_again_the_same(site: Site) -> None:
    assert made(site, "birds+ships")
    assert made(site, "birds+sea")
    before = site.feed("birds+ships.atom").read_bytes()
    for _ in range(4):
        site.now += 10 * DAY
        with site.open() as app:
            day = site.now.date()
            asked = ("feeds/all.atom", "feeds/birds+sea.rss")
            app.note_use([FeedUse(path=path, day=day, polls=1, readers=1) for path in asked])
            app.publish()
    assert not list(site.feed("").glob("birds+ships*"))
    assert site.feed("birds+sea.atom").exists()
    assert made(site, "birds+ships")
    assert site.feed("birds+ships.atom").read_bytes() == before


def test_the_other_form_of_a_feed(site: Site) -> None:
    assert "whole article" in site.feed("ships.atom").read_text()
    assert made(site, "ships", both_forms=True)
    short = json.loads(site.feed("ships.summary.json").read_text())
    assert "whole article" not in site.feed("ships.summary.json").read_text()
    assert short["feed_url"].endswith("/feeds/ships.summary.json")
    assert [item["id"] for item in short["items"]] == [site.ids()["Ferry"]]
    atom_ids = {site.feed(f"{name}.atom").read_text().split("<id>")[1][:45] for name in ("ships", "ships.summary")}
    assert len(atom_ids) == 2, "two feeds"
    site.configure(site='feeds = "summary"')
    with site.open() as app:
        app.publish()
    assert "whole article" not in site.feed("ships.atom").read_text()
    assert "whole article" in site.feed("ships.full.atom").read_text()


def test_a_named_feed_has_the_topics_of_the_configuration(site: Site) -> None:
    block = '[[feeds]]\nslug = "water"\ntitle = "Water"\ntopics = ["ships", "sea", "later"]\n'
    digest = site.digest
    site.configure(digest=f"{digest}\n{block}")
    site.pickup()
    assert titles(site, "water") == ["Ferry", "Tide"]
    assert 'text="Water"' in (site.folder / "public" / "feeds.opml").read_text()
    site.now += DAY
    site.write("b.json", json.dumps([ARTICLES[0] | {"id": "4", "title": "Dusk", "topics": ["Later"]}]))
    site.pickup()
    site.pickup()
    assert titles(site, "water") == ["Dusk", "Ferry", "Tide"]
    site.configure(digest=digest)
    site.pickup()
    assert not list(site.feed("").glob("water*"))
    assert "Water" not in (site.folder / "public" / "feeds.opml").read_text()
    site.configure(digest=f"{digest}\n{block}".replace('"water"', '"ships"'))
    with site.open() as app, pytest.raises(ConfigError, match="two feeds cannot have the address 'ships'"):
        app.publish()


def test_a_second_machine_has_the_same_bytes_and_dates(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "publisher.toml").write_text((site.folder / "publisher.toml").read_text())
    same_database = f"database.url=sqlite:///{site.folder / 'var' / 'publisher.sqlite3'}"
    with App(other, (same_database,), clock=lambda: site.now) as app:
        app.publish()
        assert state(other) == state(site.folder)
        site.now += DAY
        many = [ARTICLES[0] | {"id": f"{number}", "title": f"Barge {number}"} for number in range(100, 220)]
        site.pickup(site.write("b.json", json.dumps(many)))
        assert site.feed("ships/2.atom").exists()
        assert state(other) != state(site.folder)
        app.publish()
        assert state(other) == state(site.folder)
        (other / "public" / "feeds" / "ships.atom").unlink()
        (other / "public" / "feeds" / "ships" / "2.json").unlink()
    with App(other, (same_database,), clock=lambda: site.now) as app:
        app.publish()
    assert state(other) == state(site.folder)


def state(folder: Path) -> dict[str, tuple[bytes, float]]:
    """But for the outline: nobody asks for it again."""
    files = (folder / "public" / "feeds").rglob("*.*")
    return {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime) for file in files}
