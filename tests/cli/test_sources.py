"""`sources`, and what `entries` does for a whole source, as people and scripts meet them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from press import ADVERTISED, LISTING, Done, Website, error_of, page, rss, run, website

from feed_publisher.app import App
from feed_publisher.cli.serve import greet
from feed_publisher.config.loading import load
from feed_publisher.config.writing import NewSource, append_sources
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.model import EntryState

OPML = """<opml version="2.0"><body>
<outline text="News"><outline text="Harbour"><outline type="rss" text="Ships" xmlUrl="https://ships.example/feed"/>
<outline type="rss" text="Ships" xmlUrl="https://more.example/feed"/></outline></outline>
<outline type="rss" text="Known" xmlUrl="{known}"/><outline type="rss" text="No address"/></body></opml>"""


@pytest.fixture
def web() -> Iterator[Website]:
    with website() as made:
        made.pages = {"/feed.xml": rss(), "/page": page(), "/front": page(head=ADVERTISED)}
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Path:
    assert run(Path(), "init", tmp_path / "site").code == 0
    return tmp_path / "site"


@pytest.fixture
def full(site: Path, web: Website) -> Path:
    """A feed and a pushed source beside the folder, the feed read once."""
    allowed = f'\n[fetch]\nallow = ["127.0.0.1:{web.port}"]\n'
    feed = NewSource(slug="ships", kind="feed", location=web.url("/feed.xml"))
    (site / "publisher.toml").write_text((site / "publisher.toml").read_text() + allowed)
    append_sources(site, [feed])
    with (site / "publisher.toml").open("a") as file:
        file.write('\n[[sources]]\nslug = "pushed"\nkind = "push"\n')
    assert ok(site, "pickup").code == 0
    return site


def ok(site: Path, *words: object) -> Done:
    done = run(site, *words)
    assert done.code == 0, done
    return done


def document(site: Path, *words: object, code: int = 0) -> Any:
    done = run(site, *words, "--json")
    assert done.code == code, done
    return done.json


def slugs(site: Path) -> list[str]:
    return [source.slug for source in load(site).sources]


# list, show, pause, resume, retire, token


def test_list(full: Path, web: Website) -> None:
    web.pages["/feed.xml"] = rss(5)
    ok(full, "sources", "resume", "ships")
    ok(full, "pickup")
    found = next(e for e in document(full, "sources", "list")["sources"] if e["source"] == "ships")
    assert found["status"] == "ok"
    assert [found["new_in_7_days"], sum(week["new"] for week in found["weeks"])] == [2, 2]  # without first contact
    line = next(line for line in ok(full, "sources", "list").out.splitlines() if line.startswith("ships"))
    assert "\tworks\t" in line
    assert re.search("\t[▁▂▃▄▅▆▇█]{12}\t", line)
    assert line.count("▁") == 11


def test_what_was_told_of_sources_is_shown(full: Path) -> None:
    with App(full) as app:
        now = app.clock()
        app.desk.tell("failing ships", "The source ships has failed.\x1b[2J", now)
        app.desk.tell("long ago", "The source ships has fallen silent.", now - timedelta(days=8))
    for words in (["sources", "list"], ["tick"]):
        done = ok(full, *words)
        assert "UTC: The source ships has failed." in done.out
        assert "\x1b" not in done.out
        assert "fallen silent" not in done.out
        assert [notice["about"] for notice in document(full, *words)["notices"]] == ["failing ships"]


def test_list_of_an_empty_site_says_how_to_add_one(site: Path) -> None:
    (site / "publisher.toml").write_text("")
    assert "sources detect URL --add" in ok(site, "sources", "list").out


def test_show(full: Path, web: Website) -> None:
    shown = document(full, "sources", "show", "ships")
    assert (shown["status"], shown["location"]) == ("ok", web.url("/feed.xml"))
    assert "/hooks/ping/ships/" in shown["ways"]["ping"]
    assert "last read just now" in ok(full, "sources", "show", "ships").out
    assert "/api/v1/entries" in ok(full, "sources", "show", "pushed").out
    assert "there are: " in error_of(run(full, "sources", "show", "shps"))


def test_a_failing_source_says_why(full: Path, web: Website) -> None:
    web.pages["/feed.xml"] = 404
    ok(full, "sources", "resume", "ships")
    run(full, "pickup")
    shown = document(full, "sources", "show", "ships")
    assert (shown["status"], shown["failures"]) == ("failing", 1)
    assert "404" in ok(full, "sources", "list").out


def checks(site: Path, code: int = 0) -> dict[str, tuple[bool, str]]:
    found = document(site, "check", code=code)["checks"]
    return {each["name"]: (each["ok"], each["text"]) for each in found if each["name"].startswith(("source", "fetch"))}


def test_check_of_sources_of_every_kind(full: Path, web: Website) -> None:
    found = checks(full)
    assert {name: well for name, (well, _) in found.items()} == dict.fromkeys(
        ("source entries", "source ships", "source pushed", "fetching"), True
    )
    assert found["source ships"][1] == "feed, last read just now"
    assert "sources token pushed" in found["source pushed"][1]
    assert str(full / "entries") in found["source entries"][1]

    web.pages["/feed.xml"] = 404
    ok(full, "sources", "resume", "ships")
    run(full, "pickup")
    well, words = checks(full, 1)["source ships"]
    assert (well, "404" in words, web.url("/feed.xml") in words) == (False, True, True)
    ok(full, "sources", "pause", "ships")
    assert checks(full)["source ships"] == (True, "feed, paused")


def test_check_finds_what_a_source_lacks(full: Path) -> None:
    text = (full / "publisher.toml").read_text()
    text = text.replace('slug = "ships"', 'slug = "ships"\nheaders = {Authorization = "file:missing.txt"}')
    (full / "publisher.toml").write_text(text.replace("127.0.0.1:", "300.0.0.1/99:"))
    (full / "entries").rmdir()
    found = checks(full, 1)
    assert [name for name, (well, _) in found.items() if not well] == ["source entries", "source ships", "fetching"]
    assert "missing.txt" in found["source ships"][1]


def test_serve_says_where_articles_come_from(full: Path, web: Website, capsys: pytest.CaptureFixture[str]) -> None:
    with App(full) as app:
        greet(app, "127.0.0.1", 8000)
    said = capsys.readouterr().out.splitlines()
    assert {f"reading {full / 'entries'}", f"reading {web.url('/feed.xml')}"} < set(said)
    assert "taking what is pushed to pushed" in said


def test_only_what_is_fetched_is_due_when_it_is_resumed(full: Path) -> None:
    assert "active again, and due now" in ok(full, "sources", "resume", "ships").out
    assert "due" not in ok(full, "sources", "resume", "entries").out
    assert "due" not in ok(full, "sources", "resume", "pushed").out


def test_pause_resume_retire(full: Path, web: Website) -> None:
    ok(full, "sources", "pause", "ships", "--reason", "they asked us to")
    shown = document(full, "sources", "show", "ships")
    assert (shown["status"], shown["reason"], shown["due_at"]) == ("paused", "they asked us to", None)
    before = len(web.asked)
    ok(full, "pickup")
    assert len(web.asked) == before
    assert "due now" in ok(full, "sources", "resume", "ships").out
    ok(full, "pickup")
    assert len(web.asked) == before + 1
    assert document(full, "sources", "retire", "ships")["state"] == "retired"


def test_token(full: Path) -> None:
    first, second = (document(full, "sources", "token", "pushed") for _ in range(2))
    with App(full) as app:
        assert app.intake.pushing().source_of(first["token"]) is None
        assert app.intake.pushing().source_of(second["token"]) == "pushed"
    assert second["token"] in second["curl"]
    assert "shown once" in ok(full, "sources", "token", "pushed").out
    assert "only a source with kind" in error_of(run(full, "sources", "token", "ships"))


# test


def test_testing_a_source_stores_nothing(full: Path, web: Website) -> None:
    web.pages["/feed.xml"] = rss(5)
    tested = document(full, "sources", "test", "ships")
    assert (tested["status"], tested["kind"], tested["language"]) == (200, "rss", "en-gb")
    assert (tested["found"], tested["known"]) == (5, 3)
    assert tested["entries"][0]["topics"] == ["Ships"]
    assert "5 articles found, 3 of them known" in ok(full, "sources", "test", "ships").out
    assert len(document(full, "entries", "list")["entries"]) == 3


def test_testing_what_is_no_source(site: Path, web: Website, tmp_path: Path) -> None:
    assert document(site, "sources", "test", web.url("/page"))["found"] == 6
    (tmp_path / "texts.txt").write_text(LISTING)
    assert document(site, "sources", "test", tmp_path / "texts.txt")["found"] == 2
    failed = document(site, "sources", "test", web.url("/nothing"), code=1)
    assert (failed["status"], "404" in failed["error"]) == (404, True)
    assert "no connection" in error_of(run(site, "sources", "test", "http://127.0.0.1:1/"))
    assert "no such source, file or folder" in error_of(run(site, "sources", "test", "nothing"))


def test_a_configured_private_address_still_needs_to_be_allowed(site: Path, web: Website) -> None:
    append_sources(site, [NewSource(slug="ships", kind="feed", location=web.url("/feed.xml"))])
    assert "private address" in error_of(run(site, "sources", "test", "ships"))
    assert web.asked == []


def test_there_is_nothing_to_fetch_of_a_pushed_source(full: Path) -> None:
    assert "pushed to us" in error_of(run(full, "sources", "test", "pushed"))


# detect


def test_detect_prefers_the_advertised_feed(site: Path, web: Website) -> None:
    found = document(site, "sources", "detect", web.url("/front"))
    assert (found["kind"], found["location"], found["page"]) == ("feed", web.url("/feed.xml"), web.url("/front"))
    source = tomllib.loads(found["toml"])["sources"][0]
    assert source == {"slug": "quay-harbour", "kind": "feed", "location": web.url("/feed.xml")}
    assert slugs(site) == ["entries"]


def test_detect_shows_every_way_to_read_a_page(site: Path, web: Website) -> None:
    shapes = document(site, "sources", "detect", web.url("/page"))["shapes"]
    assert shapes[0] | {"select": {}} == {
        "method": "article elements",
        "found": 6,
        "with": {"link": 6, "authors": 6, "published": 6, "summary": 6, "topics": shapes[0]["with"]["topics"]},
        "select": {},
    }
    assert "by article elements: 6 articles" in ok(site, "sources", "detect", web.url("/page")).out


def test_a_page_is_read_as_it_was_shown(site: Path, web: Website) -> None:
    """The selectors that `detect` proposes find what it has shown."""
    (site / "publisher.toml").write_text(f'[fetch]\nallow = ["127.0.0.1:{web.port}"]\n')
    shown = document(site, "sources", "detect", web.url("/page"), "--add", "--slug", "lights")
    assert load(site).sources[0].select.entry == shown["shapes"][0]["select"]["entry"] != ""
    assert document(site, "sources", "test", "lights")["entries"] == shown["entries"]


def test_detect_says_that_a_private_host_is_to_be_allowed(site: Path, web: Website) -> None:
    done = ok(site, "sources", "detect", web.url("/page"), "--add")
    assert 'allow names it: allow = ["127.0.0.1"]' in done.out


def test_detect_adds_each_place_once(site: Path, web: Website) -> None:
    web.pages |= {"/other.xml": rss(), "/page?x": page()}
    before = (site / "publisher.toml").read_bytes()
    ok(site, "sources", "detect", web.url("/front"), "--add")
    ok(site, "sources", "detect", web.url("/other.xml"), "--add")
    ok(site, "sources", "detect", web.url("/page"), "--add", "--slug", "lights")
    assert slugs(site) == ["entries", "quay-harbour", "quay-harbour-2", "lights"]
    assert (site / "publisher.toml").read_bytes().startswith(before)
    assert "already" in error_of(run(site, "sources", "detect", web.url("/front"), "--add"))
    assert "already" in error_of(run(site, "sources", "detect", web.url("/page") + "?x", "--slug", "lights"))
    assert sorted(site.iterdir()) == sorted(
        site / name for name in (".gitignore", "entries", "public", "publisher.toml", "templates", "var")
    )


def test_a_slug_that_was_used_before_is_not_given_again(full: Path, web: Website) -> None:
    text = (full / "publisher.toml").read_text()
    (full / "publisher.toml").write_text(text.replace('slug = "ships"', 'slug = "vessels"'))
    web.pages["/again.xml"] = rss(title="Ships")
    assert document(full, "sources", "detect", web.url("/again.xml"))["slug"] == "ships-2"


def test_detect_of_a_folder(site: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text(LISTING)
    ok(site, "sources", "detect", tmp_path / "texts", "--add")
    assert load(site).sources[-1].location == str(tmp_path / "texts")
    assert "2 new" in ok(site, "pickup").out


# import


def test_import(site: Path, web: Website, tmp_path: Path) -> None:
    ok(site, "sources", "detect", web.url("/feed.xml"), "--add")
    file = tmp_path / "reader.opml"
    file.write_text(OPML.format(known=web.url("/feed.xml")))
    before = (site / "publisher.toml").read_bytes()
    shown = document(site, "sources", "import", file)
    assert [(each["source"], each["topics"]) for each in shown["sources"]] == [
        ("ships", ["Harbour"]),
        ("ships-2", ["Harbour"]),
    ]
    assert (shown["known"], len(shown["rejected"])) == (1, 1)
    assert (site / "publisher.toml").read_bytes() == before
    assert "2 feeds added" in ok(site, "sources", "import", file, "--write").out
    assert slugs(site)[-2:] == ["ships", "ships-2"]
    assert load(site).sources[-1].topics == ("Harbour",)
    assert "0 feeds added" in ok(site, "sources", "import", file, "--write").out
    (tmp_path / "garbage.opml").write_bytes(bytes(range(256)))
    assert run(site, "sources", "import", tmp_path / "garbage.opml").code == 1


# publisher.toml


@pytest.mark.parametrize("text", ['[site]\ntitle = "x"', '\ufeff[site]\r\ntitle = "x" # é\r\n', ""])
def test_every_byte_of_the_old_settings_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / "publisher.toml"
    file.write_bytes(text.encode())
    file.chmod(0o640)
    nasty = NewSource(slug="a", kind="feed", location="https://a.example/", title='x\n[site]\n"\\\x7f\ud800')
    select = NewSource(
        slug="b", kind="page", location="https://b.example/", select={"entry": 'a[b="c"]'}, topics=('"',)
    )
    append_sources(tmp_path, [nasty, select])
    assert file.read_bytes().startswith(text.encode())
    assert file.stat().st_mode & 0o777 == 0o640
    assert slugs(tmp_path) == ["a", "b"]
    assert (load(tmp_path).sources[1].select.entry, load(tmp_path).sources[1].topics) == ('a[b="c"]', ('"',))
    assert list(tmp_path.iterdir()) == [file]


def test_what_would_not_load_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "publisher.toml"
    good = NewSource(slug="a", kind="feed", location="https://a.example/")
    for text in ("sources = []\n", '[[sources]]\nslug = "a"\nlocation = "x"\n'):
        file.write_text(text)
        with pytest.raises(ConfigError, match="nothing was added"):
            append_sources(tmp_path, [good])
        assert file.read_text() == text
    file.write_text("")
    monkeypatch.setenv("FEED_PUBLISHER_SOURCES", "[]")
    with pytest.raises(ConfigError, match="environment"):
        append_sources(tmp_path, [good])
    assert file.read_text() == ""


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "shared.toml").write_text("")
    os.symlink(tmp_path / "shared.toml", tmp_path / "site" / "publisher.toml")
    append_sources(tmp_path / "site", [NewSource(slug="a", kind="feed", location="https://a.example/")])
    assert (tmp_path / "site" / "publisher.toml").is_symlink()
    assert slugs(tmp_path / "site") == ["a"]


# entries of a whole source


def held(site: Path) -> list[Any]:
    return list(document(site, "entries", "list", "--state", "held")["entries"])


@pytest.fixture
def holding(full: Path) -> Path:
    """All three ships held, and one of another source."""
    with App(full) as app:
        for title in ("A", "B"):
            assert run(full, "entries", "add", "--title", title).code == 0
        for entry in app.entries.page(_everything()):
            if entry.title != "B":
                app.entries.change_state(entry.number, (EntryState.PUBLIC,), EntryState.HELD, "looks odd", app.clock())
    assert len(held(full)) == 4
    return full


def _everything() -> Any:
    from feed_publisher.ports.pickup import Page

    return Page(limit=100)


def test_release_all_of_a_source(holding: Path) -> None:
    assert "released: 3 articles of ships" in ok(holding, "entries", "release", "--source", "ships", "--yes").out
    assert [entry["title"] for entry in held(holding)] == ["A"]
    assert "Ship 3" in (holding / "public" / "feeds" / "all.json").read_text()
    assert "nothing of ships is held" in ok(holding, "entries", "release", "--source", "ships").out
    assert "there is no source" in error_of(run(holding, "entries", "hide", "--source", "shps"))
    assert run(holding, "entries", "hide").code == 2


def test_hide_all_of_a_source(holding: Path) -> None:
    hidden = document(holding, "entries", "hide", "--source", "ships", "--yes")["entries"]
    assert {entry["state"] for entry in hidden} == {"hidden"}
    assert len(hidden) == 3


@pytest.mark.parametrize("verb", ["release", "hide"])
def test_a_whole_source_needs_an_answer_or_yes(holding: Path, verb: str) -> None:
    done = run(holding, "entries", verb, "--source", "ships")
    assert (done.code, "held: Ship 3: it looks odd" in done.out) == (1, True)
    assert len(held(holding)) == 4


def test_entries_of_one_source(holding: Path) -> None:
    found = document(holding, "entries", "list", "--source", "ships", "--state", "held")["entries"]
    assert [entry["source"] for entry in found] == ["ships"] * 3
    assert "there is no source" in error_of(run(holding, "entries", "list", "--source", "shps"))


def test_why_tells_what_can_be_done(holding: Path) -> None:
    entry = next(each for each in held(holding) if each["source"] == "ships")
    told = document(holding, "entries", "why", entry["key"])
    assert {key["kind"] for key in told["keys"]} >= {"link"}
    assert told["listed"][0]["source"] == "ships"
    said = " ".join(told["sentences"])
    assert "is held: it looks odd." in said
    assert f"entries release {entry['key'][:8]}" in said
    assert "in the list (source ships)" in said
