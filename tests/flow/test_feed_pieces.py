"""Pieces of feeds are kept, and never stale: made anew, every document is the same, byte for byte."""

from __future__ import annotations

import json
import os
import random
from datetime import timedelta
from pathlib import Path

import pytest
from flow.flow_site import DAY, Site

from feed_publisher.app import App
from feed_publisher.domain.model import EntryState, FeedDocument, FeedFormat, FeedLayout

WORDS = ["ferry", "crane", "tide", "keel", "gull", "rope", "mast", "quay"]


def article(number: int, **more: object) -> dict[str, object]:
    text = f"The {WORDS[number % 8]} and the {WORDS[number // 8 % 8]}, number {number}."
    return {
        "id": str(number),
        "title": f"Article {number:03}",
        "summary": text,
        "content_html": f"<p>{text} <a href='https://a.example/{number}'>More</a></p>",
        "authors": [["Ann Lee"], ["Bo Li", "Ann Lee"]][number % 2],
        "topics": [["Ships"], ["Birds", "Ships"], ["Sea"]][number % 3],
        **more,
    }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").make()
    put(site, [article(number) for number in range(70)])
    with site.open() as app:
        assert app.make_feed("birds+ships", both_forms=True)
        assert app.make_feed("authors/ann-lee", both_forms=False)
    return site


def put(site: Site, articles: list[dict[str, object]], name: str = "all.json") -> None:
    file = site.write(name, json.dumps(articles))
    site.now += DAY
    site.pickup(file)


def kept(site: Site) -> int:
    ((count,),) = site.sql("SELECT count(*) FROM entry_piece")
    return int(count)


def assert_nothing_stale(site: Site) -> None:
    with site.open() as app:
        app.publish()
        assert kept(site) > 0
        site.sql("DELETE FROM entry_piece")
        report = app.publish(every=True)
    assert (report.written, report.problems) == ([], [])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_no_piece_is_stale(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    articles = [article(number) for number in range(70)]
    states = {True: EntryState.WITHDRAWN, False: EntryState.PUBLIC}
    withdrawn: set[int] = set()
    for _ in range(12):
        number = chance.randrange(len(articles))
        match chance.randrange(6):
            case 0:
                articles[number] |= {"summary": f"Another summary {chance.random()}, said at length."}
            case 1:
                articles[number] |= {"authors": [chance.choice(["Ann Lee", "Cy Oh", "Bo Li"])]}
            case 2:
                articles[number] |= {"topics": [chance.choice(["Ships", "Birds", "Sea", "Land"])]}
            case 3:
                articles[number] |= {"content_html": f"<p>Other words, {chance.random()}.</p>"}
            case 4:
                articles.append(article(len(articles)))
            case 5 if number not in withdrawn:
                withdrawn.add(number)
                site.change(f"Article {number:03}", [EntryState.PUBLIC], states[True])
            case 5:
                withdrawn.discard(number)
                site.change(f"Article {number:03}", [EntryState.WITHDRAWN], states[False])
        put(site, articles)
    assert_nothing_stale(site)


@pytest.mark.parametrize(
    "settings",
    ['title = "Other"', 'base_url = "https://quay.example"', 'language = "de"', 'feeds = "summary"'],
)
def test_other_settings_leave_no_piece_stale(tmp_path: Path, settings: str) -> None:
    site = Site(tmp_path / "site").make()
    text = (site.folder / "publisher.toml").read_text()
    put(site, [article(number) for number in range(20)])
    before = kept(site)
    changed = text.replace('title = "Quay"', settings if "title" in settings else f'title = "Quay"\n{settings}')
    (site.folder / "publisher.toml").write_text(changed)
    assert_nothing_stale(site)
    assert kept(site) == before, "none of the old ones are left"


def test_a_renamed_topic_is_renamed_in_every_piece(site: Site) -> None:
    text = (site.folder / "publisher.toml").read_text()
    (site.folder / "publisher.toml").write_text(f'{text}\n[[topics]]\nslug = "ships"\ntitle = "Vessels"\n')
    assert_nothing_stale(site)
    assert "Vessels" in site.feed("all.json").read_text()


def test_only_what_is_new_is_rendered(site: Site) -> None:
    rendered: list[str] = []
    with site.open() as app:
        app.publish(every=True)  # what one feed has put into its archive, others still have
        maker = app.publisher.maker
        piece = maker.piece

        def counted(item: object) -> object:
            rendered.append(item.title)  # type: ignore[attr-defined]
            return piece(item)  # type: ignore[arg-type]

        maker.piece = counted  # type: ignore[assignment]
        app.publish(every=True, pages=0)
        assert rendered == []
    put(site, [article(99)], "more.json")
    with site.open() as app:
        app.feeds.all_dirty()
        app.publisher.maker.piece = counted  # type: ignore[assignment]
        app.publish(pages=0)
    assert rendered == [], "the first publishing kept it"


def test_a_piece_made_while_its_entry_changes_is_not_kept(site: Site) -> None:
    """Another process corrects the article after this one has read it, and before it puts out the feed."""
    with site.open() as app:
        site.sql("DELETE FROM entry_piece")
        maker, lay_out = app.publisher.maker, app.publisher.maker.render
        corrected = False

        def slowly(document: FeedDocument, format: FeedFormat) -> FeedLayout:
            nonlocal corrected
            if not corrected:
                corrected = True
                with App(site.folder, clock=lambda: site.now) as other:
                    entry = next(each for each in site.entries() if each.title == "Article 069")
                    other.change_entry(entry.key, [EntryState.PUBLIC], EntryState.WITHDRAWN)
                    other.change_entry(entry.key, [EntryState.WITHDRAWN], EntryState.PUBLIC)
            return lay_out(document, format)

        maker.render = slowly
        app.feeds.all_dirty()
        app.publisher.publish_one("ships", site.now)
        assert corrected
        assert kept(site) == 0
        maker.render = lay_out
        app.publish()
    assert_nothing_stale(site)


def test_pieces_are_dropped_with_what_goes_into_the_archive(site: Site) -> None:
    put(site, [article(number) for number in range(200)])
    with site.open() as app:
        app.publish()
    live = {
        item["id"]
        for name in ("all", "ships", "birds", "sea", "birds+ships", "birds+ships.summary", "authors/ann-lee")
        for item in json.loads(site.feed(f"{name}.json").read_text())["items"]
    }
    rows = site.sql("SELECT DISTINCT atom_id FROM entry JOIN entry_piece ON entry_id = id")
    assert {id for (id,) in rows} <= live


def test_what_a_killed_process_left_is_removed(site: Site) -> None:
    folder = site.feed("")
    left = folder / ".feed-publisher-x9.tmp"
    theirs = [folder / "notes.json.gz", folder / "mine.tmp", folder / ".theirs.tmp"]
    for file in [left, *theirs]:
        file.write_bytes(b"x")
    with site.open() as app:
        app.publish()
        assert left.exists(), "perhaps it is just being written"
    site.now += timedelta(days=400)
    assert site.now.timestamp() > os.stat(left).st_ctime
    with site.open() as app:
        app.publish()
    assert [file for file in [left, *theirs] if file.exists()] == theirs
    assert site.feed("all.atom.gz").exists()


def test_what_another_form_cannot_say_holds_up_nothing(tmp_path: Path) -> None:
    """Whole articles that are too large for one document, asked for where summaries are usual."""
    site = Site(tmp_path / "site", site='feeds = "summary"').make()
    huge = {"content_html": f"<p>{'A word. ' * 60_000}</p>"}
    for number in range(15):
        put(site, [article(number, **huge)], f"{number}.json")
    with site.open() as app:
        app.make_feed("all", both_forms=True)
        assert "bytes long" in app.feeds.problems()["all"]
    put(site, [article(20)], "new.json")
    assert "Article 020" in site.feed("all.json").read_text()
    with site.open() as app:
        assert "bytes long" in app.feeds.problems()["all"], "the operator is told"
