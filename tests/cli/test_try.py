"""`try`: one address or file, and all that would come of it; no site, no mail, and nothing fetched besides."""

from __future__ import annotations

import email
import email.policy
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from press import ADVERTISED, LISTING, Done, Website, error_of, page, rss, run, website

from feed_publisher.config.loading import load

ROOT = Path(__file__).parents[2]
NAMES = {"feed.atom", "feed.rss", "feed.json", "digest.html", "digest.txt", "digest.eml", "index.html"}


@pytest.fixture
def web() -> Iterator[Website]:
    with website() as site:
        yield site


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return tmp_path / "made"


def tried(target: object, made: Path) -> Done:
    return run(made.parent / "nowhere", "try", target, "--out", made, "--no-open", "--json")


def test_a_feed(web: Website, made: Path) -> None:
    web.pages["/feed.xml"] = rss(40)
    done = tried(web.url("/feed.xml"), made)
    assert (done.code, done.json["what"], done.json["title"]) == (0, "an RSS feed", "Quay & Harbour")
    assert (done.json["found"], done.json["topics"]) == (40, [{"title": "Ships", "entries": 40}])
    assert web.asked == ["/feed.xml"]
    assert {file.name for file in made.iterdir()} == NAMES | {"publisher.toml"}
    assert f"reading {web.url('/feed.xml')}" in done.err

    index = (made / "index.html").read_text()
    assert index.count("Content-Security-Policy") == 1
    assert 'srcdoc="' in index
    assert "Ship 40" in index
    assert "10 more on the web" in (made / "digest.txt").read_text().replace("articles ", "")
    mail = email.message_from_bytes((made / "digest.eml").read_bytes(), policy=email.policy.default)
    assert mail["List-Unsubscribe"]
    assert "fpm" not in (made / "digest.html").read_text()
    assert len(json.loads((made / "feed.json").read_bytes())["items"]) == 40


def test_the_proposal_is_a_site_that_works(web: Website, made: Path) -> None:
    web.pages["/feed.xml"] = rss(title='A "quoted" \\ title')
    assert tried(web.url("/feed.xml"), made).code == 0
    settings = load(made)
    assert (settings.site.title, settings.site.language) == ('A "quoted" \\ title', "en-gb")
    assert [(each.kind, each.location) for each in settings.sources] == [("feed", web.url("/feed.xml"))]
    assert settings.sources[0].first_contact is None
    assert tomllib.loads(tried(web.url("/feed.xml"), made).json["toml"])["digests"]  # over its own, it writes again


def test_a_page_that_advertises_a_feed(web: Website, made: Path) -> None:
    comments = '<link rel="alternate" type="application/rss+xml" href="/comments/feed">'
    web.pages = {"/": page(head=comments + ADVERTISED), "/feed.xml": rss(), "/comments/feed": rss(1)}
    done = tried(web.url("/"), made).json
    assert (done["location"], done["how"]) == (web.url("/feed.xml"), f"because the page {web.url('/')} advertises it")
    assert web.asked == ["/", "/feed.xml"]


def test_a_page_whose_feed_is_gone_is_read_itself(web: Website, made: Path) -> None:
    web.pages["/"] = page(head=ADVERTISED)
    done = tried(web.url("/"), made).json
    assert (done["kind"], done["found"]) == ("page", 6)
    assert [problem["where"] for problem in done["problems"]] == [web.url("/feed.xml")]


def test_a_page_in_parts_is_followed(web: Website, made: Path) -> None:
    def link(number: int) -> str:
        return f'<nav class="pagination"><a rel="next" href="/?page={number}">Next</a></nav>'

    web.pages = {"/": page(1, foot=link(2)), "/?page=2": page(7, foot=link(3)), "/?page=3": page(13, foot=link(4))}
    done = tried(web.url("/"), made).json
    assert (done["found"], web.asked) == (18, ["/", "/?page=2", "/?page=3"])


@pytest.mark.parametrize("kind", ["file", "folder", "address"])
def test_a_text_listing(web: Website, made: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "fishing.txt").write_text(LISTING)
    web.pages["/fishing.txt"] = ("text/plain", LISTING)
    target = {"file": folder / "fishing.txt", "folder": folder, "address": web.url("/fishing.txt")}[kind]
    done = tried(target, made).json
    assert (done["found"], done["topics"]) == (2, [{"title": "Fishing rights", "entries": 2}])
    assert (made / "publisher.toml").exists() == (kind != "address")
    assert json.loads((made / "feed.json").read_bytes())["items"][0]["title"] == "The Last Herring"


def test_saved_files(made: Path, tmp_path: Path) -> None:
    (tmp_path / "saved.xml").write_text(rss()[1].replace("{base}", "https://quay.example"))
    assert tried(tmp_path / "saved.xml", made).json["found"] == 3
    (tmp_path / "saved.html").write_text(page()[1])
    assert tried(tmp_path / "saved.html", made).json["found"] == 6


def test_what_comes_to_nothing_says_so_in_one_line(web: Website, made: Path, tmp_path: Path) -> None:
    web.pages = {"/garbage": ("application/octet-stream", bytes(range(256)) * 9), "/empty": page(count=0)}
    assert "404" in error_of(tried(web.url("/nothing"), made))
    assert "not text" in error_of(tried(web.url("/garbage"), made))
    assert "no articles" in error_of(tried(web.url("/empty"), made))
    assert "no such file" in error_of(tried(tmp_path / "nothing", made))
    assert "did you mean https://quay.example/feed" in error_of(tried("quay.example/feed", made))
    assert "no connection" in error_of(tried("http://127.0.0.1:1/", made), 75)
    assert not made.exists()


def test_only_the_host_that_was_typed_may_be_private(web: Website, made: Path) -> None:
    with website() as other:
        other.pages["/feed.xml"] = rss()
        web.pages["/away"] = other.url("/feed.xml")
        assert "private address" in error_of(tried(web.url("/away"), made), 75)
        assert other.asked == []


def test_hostile_words_stay_words(web: Website, made: Path) -> None:
    evil = "&lt;/iframe&gt;&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }}"
    web.pages["/feed.xml"] = rss(title=evil)
    assert tried(web.url("/feed.xml"), made).code == 0
    index = (made / "index.html").read_text()
    assert "<script" not in index
    assert "{{ 7 * 7 }}" in index


def test_a_site_in_the_way_is_left_alone(web: Website, made: Path) -> None:
    web.pages["/feed.xml"] = rss()
    made.mkdir()
    (made / "publisher.toml").write_text("[site]\n")
    assert "of its own" in error_of(tried(web.url("/feed.xml"), made))
    assert [file.name for file in made.iterdir()] == ["publisher.toml"]


def test_the_environment_of_a_site_is_not_touched(web: Website, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web.pages["/feed.xml"] = rss()
    monkeypatch.setenv("FEED_PUBLISHER_DATABASE__URL", "postgresql://nobody@127.0.0.1:1/production")
    monkeypatch.setenv("FEED_PUBLISHER_SMTP__HOST", "mail.example.org")
    assert tried(web.url("/feed.xml"), made).code == 0
    assert os.environ["FEED_PUBLISHER_SMTP__HOST"] == "mail.example.org"


def test_without_out_it_names_a_folder_and_leaves_nothing_else(web: Website, tmp_path: Path) -> None:
    web.pages["/feed.xml"] = rss()
    words = [sys.executable, "-m", "feed_publisher", "try", web.url("/feed.xml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    (folder,) = tmp_path.iterdir()
    assert f"look at {folder / 'index.html'}, in a temporary folder" in done.stdout
    assert {file.name for file in folder.iterdir()} == NAMES | {"publisher.toml"}
