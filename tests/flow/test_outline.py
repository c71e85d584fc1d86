"""/feeds.opml: all feeds in one file, rewritten when a topic appears or is renamed, untouched otherwise."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from feed_publisher.app import App

TOML = '[site]\ntitle = "Quay"\n[[sources]]\nslug = "entries"\nlocation = "entries"\n'


def outlines(site: Path) -> list[tuple[str, str]]:
    tree = etree.parse(site / "public" / "feeds.opml")
    return [(node.get("text") or "", node.get("xmlUrl") or "") for node in tree.iter("outline")]


def test_the_outline_follows_the_topics(tmp_path: Path) -> None:
    (tmp_path / "publisher.toml").write_text(TOML)
    with App(tmp_path) as app:
        app.publish()
        assert outlines(tmp_path) == [("Quay", "http://127.0.0.1:8000/feeds/all.atom")]
        app.topics.declare("tides", "Tides", app.clock())
        app.publish()
        assert [text for text, _ in outlines(tmp_path)] == ["Quay", "Tides"]
        before = (tmp_path / "public" / "feeds.opml").stat()
        app.publish(every=True)
        assert (tmp_path / "public" / "feeds.opml").stat().st_ino == before.st_ino
    (tmp_path / "publisher.toml").write_text(TOML + '[[topics]]\nslug = "tides"\ntitle = "The tides"\n')
    with App(tmp_path) as app:
        app.publish()
    assert outlines(tmp_path)[1] == ("The tides", "http://127.0.0.1:8000/feeds/tides.atom")
