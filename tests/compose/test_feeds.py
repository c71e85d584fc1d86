from __future__ import annotations

import io
import json
import locale
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import feedgen.entry
import feedgen.feed
import feedparser
import feedparser_sgmllib
import pytest
from feed_samples import (
    AUTHORS,
    BASE,
    FIRST,
    SHOWN,
    document,
    golden_document,
    hostile_document,
    item,
    poisoned_document,
)
from lxml import etree
from reader import make_reader

from feed_publisher.compose.feedcheck import check_feed, legal
from feed_publisher.compose.feeds import render
from feed_publisher.domain.errors import FeedError
from feed_publisher.domain.model import Enclosure, FeedDocument, FeedFormat, Image

GOLDEN = Path(__file__).parents[1] / "golden"
ATOM = "{http://www.w3.org/2005/Atom}"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
XML_FORMATS = [FeedFormat.ATOM, FeedFormat.RSS]


# reader 3.26 vendors a feedparser that imports sgmllib, which only the newer feedparser's dependency still brings.
sys.modules.setdefault("sgmllib", feedparser_sgmllib)


def parsed(data: bytes) -> Any:
    result = feedparser.parse(io.BytesIO(data))
    assert not result.bozo, result.get("bozo_exception")
    return result


def atom(feed: FeedDocument) -> etree._Element:
    return etree.fromstring(render(feed, FeedFormat.ATOM))


def channel(feed: FeedDocument) -> etree._Element:
    return etree.fromstring(render(feed, FeedFormat.RSS))[0]


def read_by_reader(path: Path) -> list[Any]:
    with make_reader(":memory:", feed_root=str(path.parent)) as reader:
        reader.add_feed(path.name)
        reader.update_feeds()
        assert reader.get_feed(path.name).last_exception is None
        return list(reader.get_entries())


# What readers see


@pytest.mark.parametrize("format", XML_FORMATS)
def test_feedparser_reads_every_entry_in_order(format: FeedFormat) -> None:
    feed = hostile_document()
    result = parsed(render(feed, format))
    assert [entry.id for entry in result.entries] == [entry.id for entry in feed.items]
    assert [entry.link for entry in result.entries] == [entry.url for entry in feed.items]
    names = [[author["name"] for author in entry.get("authors", []) if author] for entry in result.entries]
    assert names == [list(AUTHORS[number % 4]) for number in range(12)]
    assert {tag["label"] or tag["term"] for entry in result.entries for tag in entry.tags} == {
        "Harbour & Quay",
        "Science",
    }


def test_feedparser_gives_atom_titles_back_exactly() -> None:
    assert [entry.title for entry in parsed(render(hostile_document(), FeedFormat.ATOM)).entries] == SHOWN


@pytest.mark.parametrize("format", XML_FORMATS)
def test_titles_are_in_the_document_exactly(format: FeedFormat) -> None:
    root = etree.fromstring(render(hostile_document(), format))
    titles = [title.text for title in root.iterfind(".//{*}title")]
    assert titles == ["The Quay & Tide", *SHOWN]


@pytest.mark.parametrize("format", XML_FORMATS)
def test_feedparser_gives_summary_and_content_back(format: FeedFormat) -> None:
    (entry,) = parsed(render(document(item(4)), format)).entries
    (content,) = [part for part in entry.content if part.type == "text/html"]
    assert content.value == item(4).content_html.replace("]]&gt;", "]]>") or content.value == item(4).content_html
    shown = item(4).summary if format is FeedFormat.ATOM else escape(item(4).summary, quote=False)
    assert entry.summary == shown


@pytest.mark.parametrize("format", list(FeedFormat))
def test_the_reader_library_reads_every_entry(tmp_path: Path, format: FeedFormat) -> None:
    feed = hostile_document()
    path = tmp_path / f"feed.{format}"
    path.write_bytes(render(feed, format))
    entries = {entry.id: entry for entry in read_by_reader(path)}
    assert set(entries) == {entry.id for entry in feed.items}
    for entry in feed.items:
        assert entries[entry.id].link == entry.url
        assert entries[entry.id].published.replace(microsecond=0) == entry.published.replace(microsecond=0)
    if format is not FeedFormat.RSS:  # an RSS title with mark-up is read as HTML by feedparser; no encoding cures that
        assert [entries[entry.id].title for entry in feed.items] == SHOWN


def test_all_formats_agree_on_ids(tmp_path: Path) -> None:
    seen = set()
    for format in FeedFormat:
        path = tmp_path / f"feed.{format}"
        path.write_bytes(render(hostile_document(), format))
        seen.add(tuple(sorted(entry.id for entry in read_by_reader(path))))
    assert len(seen) == 1


@pytest.mark.parametrize("format", list(FeedFormat))
@pytest.mark.parametrize(
    "feed", [hostile_document(), golden_document(), document()], ids=["hostile", "golden", "empty"]
)
def test_what_is_rendered_passes_the_check(feed: FeedDocument, format: FeedFormat) -> None:
    check_feed(render(feed, format), format)


@pytest.mark.parametrize("format", list(FeedFormat))
def test_illegal_characters_cost_only_themselves(format: FeedFormat) -> None:
    data = render(poisoned_document(), format)
    check_feed(data, format)
    assert legal(data.decode()) == data.decode()
    for text in (item().id, item().title, item().url, "Ada", "Named", "fr", "Three boats", f"harbour.{format}"):
        assert text in data.decode()
    assert "nameless" in data.decode()  # a topic without a title is called by its slug


# The parts


def test_atom_links_keep_their_attributes() -> None:
    """feedgen 1.0.0 drops all but href from an entry's links (issue #135)."""
    root = atom(document(item(1)))
    assert [dict(link.attrib) for link in root.iterfind(f"{ATOM}entry/{ATOM}link")] == [
        {"href": "https://mag.example/2026/1", "rel": "alternate", "type": "text/html"}
    ]
    assert [dict(link.attrib) for link in root.iterfind(f"{ATOM}link")] == [
        {"href": "https://mag.example/feeds/harbour.atom", "rel": "self", "type": "application/atom+xml"},
        {"href": "https://mag.example/topics/harbour", "rel": "alternate", "type": "text/html"},
    ]


def test_atom_dates_keep_microseconds() -> None:
    (entry,) = atom(document(item(1))).iterfind(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}published") == "2026-03-02T08:30:00.000250+00:00"
    assert entry.findtext(f"{ATOM}updated") == "2026-03-02T08:35:00.000257+00:00"
    assert atom(document()).findtext(f"{ATOM}updated") == FIRST.isoformat()


def test_atom_content_is_html_and_summary_text() -> None:
    (entry,) = atom(document(item(1))).iterfind(f"{ATOM}entry")
    content, summary, title = (entry.find(ATOM + name) for name in ("content", "summary", "title"))
    assert (content.get("type"), content.text) == ("html", item(1).content_html)
    assert (summary.get("type"), summary.text) == ("text", item(1).summary)
    assert title.get("type", "text") == "text"


def test_atom_entry_has_a_language_of_its_own() -> None:
    entries = atom(document(item(1, language="fr"), item(2, language="en"), item(3))).iterfind(f"{ATOM}entry")
    assert [entry.get(XML_LANG) for entry in entries] == ["fr", "en", None]
    assert atom(document()).get(XML_LANG) == "en"


def test_atom_categories_have_slug_and_title() -> None:
    categories = atom(document(item(1))).iterfind(f"{ATOM}entry/{ATOM}category")
    assert [dict(category.attrib) for category in categories] == [
        {"term": "harbour", "label": "Harbour & Quay"},
        {"term": "science", "label": "Science"},
    ]


def test_atom_feed_speaks_for_entries_without_author() -> None:
    root = atom(document(item(1, authors=("\x00", ""))))
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "The Quay & Tide"
    assert root.find(f"{ATOM}entry/{ATOM}author") is None


def test_rss_channel() -> None:
    root = channel(document())
    assert {part.tag: part.text for part in root if part.tag != f"{ATOM}link"} == {
        "title": "The Quay & Tide",
        "link": "https://mag.example/topics/harbour",
        "description": "News from the <waterfront>",
        "generator": "feed-publisher",
        "language": "en",
        "lastBuildDate": "Mon, 02 Mar 2026 09:30:00 +0000",
        "ttl": "30",
    }
    assert [dict(link.attrib) for link in root.iterfind(f"{ATOM}link")] == [
        {"href": "https://mag.example/feeds/harbour.rss", "rel": "self", "type": "application/rss+xml"}
    ]


def test_rss_item() -> None:
    (entry,) = channel(document(item(1, authors=("Ada Ruiz", "Reuters")))).iterfind("item")
    assert entry.findtext("guid") == item(1).id
    assert entry.find("guid").get("isPermaLink") == "false"
    assert entry.findtext("pubDate") == "Mon, 02 Mar 2026 08:30:00 +0000"
    assert [creator.text for creator in entry.iterfind(CREATOR)] == ["Ada Ruiz", "Reuters"]
    assert entry.find("author") is None
    assert [category.text for category in entry.iterfind("category")] == ["Harbour & Quay", "Science"]


def test_rss_description_comes_before_content() -> None:
    (entry,) = channel(document(item(1))).iterfind("item")
    tags = [part.tag for part in entry]
    assert tags.index("description") < tags.index(CONTENT)
    assert entry.findtext("description") == "Three boats &lt;a day&gt; &amp; a night one"
    assert entry.findtext(CONTENT) == item(1).content_html


def test_rss_description_is_the_content_when_there_is_no_summary() -> None:
    (entry,) = channel(document(item(1, summary=""))).iterfind("item")
    assert entry.findtext("description") == item(1).content_html


def test_feed_without_subtitle_is_described_by_its_title() -> None:
    assert channel(document(subtitle="")).findtext("description") == "The Quay & Tide"


@pytest.mark.parametrize("format", XML_FORMATS)
@pytest.mark.parametrize(
    "feed", [document(title="\x00"), document(item(1, published=datetime(2026, 1, 1)))], ids=["title", "naive"]
)
def test_what_cannot_be_written_is_a_feed_error(feed: FeedDocument, format: FeedFormat) -> None:
    with pytest.raises(FeedError, match="cannot be written"):
        render(feed, format)


# Pictures, files, history, hubs


IMAGE = Image(url=f"{BASE}/pier.jpg?a=1&b=2", alt='The "old" pier', credit="Bo <Lind>")
EPISODE = Enclosure(url=f"{BASE}/episode-7.mp3", type="audio/mpeg", length=123456, title="Episode 7")
SHEET = Enclosure(url=f"{BASE}/tides.pdf", type="application/pdf")
MEDIA = "{http://search.yahoo.com/mrss/}"
FH = "{http://purl.org/syndication/history/1.0}archive"


@pytest.mark.parametrize("format", XML_FORMATS)
def test_readers_see_picture_and_files(format: FeedFormat) -> None:
    feed = document(item(1, image=IMAGE, enclosures=(EPISODE, SHEET)))
    (entry,) = parsed(render(feed, format)).entries
    assert entry.link == feed.items[0].url, "an enclosure is no article"
    files = [(file.href, file.type) for file in entry.enclosures]
    assert files[0] == (EPISODE.url, EPISODE.type)
    assert entry.enclosures[0].length == "123456"
    others = files[1:] if format is FeedFormat.ATOM else [(m["url"], m.get("type")) for m in entry.media_content[1:]]
    assert others == [(SHEET.url, SHEET.type)]
    assert entry.media_content[0] == {"url": IMAGE.url, "medium": "image"}
    assert [credit["content"] for credit in entry.media_credit] == [IMAGE.credit]
    (picture,) = [part for part in etree.fromstring(render(feed, format)).iter(f"{MEDIA}content") if part.get("medium")]
    assert picture.findtext(f"{MEDIA}description") == IMAGE.alt


def test_json_has_picture_and_files() -> None:
    feed = document(item(1, image=IMAGE, enclosures=(EPISODE, SHEET)))
    (entry,) = json.loads(render(feed, FeedFormat.JSON))["items"]
    assert entry["image"] == IMAGE.url
    assert entry["attachments"] == [
        {"url": EPISODE.url, "mime_type": "audio/mpeg", "title": "Episode 7", "size_in_bytes": 123456},
        {"url": SHEET.url, "mime_type": "application/pdf"},
    ]


def archive(name: str) -> dict[FeedFormat, str]:
    return {format: f"{BASE}/feeds/{name}.{format}" for format in FeedFormat}


@pytest.mark.parametrize("format", XML_FORMATS)
def test_live_document_leads_to_hubs_and_older_entries(format: FeedFormat) -> None:
    hubs = ("https://hub.example/", "https://other.example/hub")
    feed = document(item(1), hubs=hubs, older=archive("harbour/3"))
    links = {(link.rel, link.href) for link in parsed(render(feed, format)).feed.links}
    assert {("hub", hub) for hub in hubs} <= links
    assert ("prev-archive", f"{BASE}/feeds/harbour/3.{format}") in links
    assert ("self", feed.urls[format]) in links
    assert "current" not in {rel for rel, _ in links}
    assert etree.fromstring(render(feed, format)).find(f".//{FH}") is None


@pytest.mark.parametrize("format", XML_FORMATS)
def test_archive_page_says_that_it_is_one(format: FeedFormat) -> None:
    feed = document(item(1), urls=archive("harbour/2"), older=archive("harbour/1"), current=archive("harbour"))
    links = {(link.rel, link.href) for link in parsed(render(feed, format)).feed.links}
    assert {
        ("prev-archive", f"{BASE}/feeds/harbour/1.{format}"),
        ("current", f"{BASE}/feeds/harbour.{format}"),
    } <= links
    assert etree.fromstring(render(feed, format)).find(f".//{FH}") is not None


def test_json_leads_to_hubs_and_older_entries_and_says_when_it_ends() -> None:
    feed = document(item(1), hubs=("https://hub.example/",), older=archive("harbour/3"), expired=True)
    found = json.loads(render(feed, FeedFormat.JSON))
    assert found["hubs"] == [{"type": "WebSub", "url": "https://hub.example/"}]
    assert found["next_url"] == f"{BASE}/feeds/harbour/3.json"
    assert found["expired"] is True
    assert "expired" not in json.loads(render(document(item(1)), FeedFormat.JSON))


@pytest.mark.parametrize("format", XML_FORMATS)
def test_icon_and_logo(format: FeedFormat) -> None:
    found = parsed(render(document(icon=f"{BASE}/icon.svg", logo=f"{BASE}/logo.png"), format)).feed
    if format is FeedFormat.ATOM:
        assert (found.icon, found.logo) == (f"{BASE}/icon.svg", f"{BASE}/logo.png")
    else:
        assert (found.image.href, found.image.link) == (f"{BASE}/logo.png", f"{BASE}/topics/harbour")


@pytest.mark.parametrize("format", XML_FORMATS)
def test_an_entry_is_the_same_in_every_feed(format: FeedFormat) -> None:
    """It is rendered once; what stands around it must not show in it."""
    entry = item(1, image=IMAGE, language="fr")
    root = etree.fromstring(render(document(entry, item(2)), format))
    other = etree.fromstring(render(document(item(3), entry, language="fr", hubs=("https://hub.example/",)), format))
    found = [next(e for e in r.iter("{*}entry", "item") if entry.id in "".join(e.itertext())) for r in (root, other)]
    assert len({etree.tostring(each, method="c14n", exclusive=True) for each in found}) == 1


# Same data, same bytes


@pytest.mark.parametrize("format", list(FeedFormat))
def test_bytes_are_golden(format: FeedFormat) -> None:
    path = GOLDEN / f"example.{format}"
    data = render(golden_document(), format)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(data)
    assert data == path.read_bytes(), (
        f"{path.name}: every reader will fetch every feed again. If that is meant, renew with UPDATE_GOLDEN=1"
    )


@pytest.mark.parametrize("format", list(FeedFormat))
def test_bytes_do_not_depend_on_the_process(format: FeedFormat) -> None:
    """Another process with another zone, locale and hash seed writes the same bytes."""
    code = (
        "import locale, sys; locale.setlocale(locale.LC_ALL, ''); from feed_samples import hostile_document;"
        "from feed_publisher.compose.feeds import render; from feed_publisher.domain.model import FeedFormat;"
        "sys.stdout.buffer.write(render(hostile_document(), FeedFormat(sys.argv[1])))"
    )
    here = render(hostile_document(), format)
    assert render(hostile_document(), format) == here
    path = os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parent)]))
    for changes in ({"LC_ALL": "C", "TZ": "Asia/Kathmandu"}, {"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns"}):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "7", **changes}
        there = subprocess.run([sys.executable, "-c", code, format], env=environment, capture_output=True, check=True)
        assert there.stdout == here


@pytest.mark.parametrize("format", list(FeedFormat))
def test_bytes_do_not_depend_on_the_day_or_the_version(monkeypatch: pytest.MonkeyPatch, format: FeedFormat) -> None:
    class FarDay(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> FarDay:
            return cls(2091, 7, 8, tzinfo=tz)

    today = render(golden_document(), format)
    for module in (feedgen.feed, feedgen.entry):
        monkeypatch.setattr(module, "datetime", FarDay)
    monkeypatch.setattr(feedgen.version, "version_str", "9.9.9")
    assert render(with_dates_of(FarDay, golden_document()), format) == today  # feedgen asks isinstance(…, datetime)


def with_dates_of(kind: type[datetime], feed: FeedDocument) -> FeedDocument:
    def moved(value: Any, *names: str) -> Any:
        return replace(value, **{name: kind.fromisoformat(getattr(value, name).isoformat()) for name in names})

    return replace(moved(feed, "updated"), items=tuple(moved(entry, "published", "updated") for entry in feed.items))


def test_rendering_leaves_the_locale_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """feedgen calls setlocale for RSS dates, which is unsafe in threads; ours must not."""

    def refuse(*_: object) -> str:
        raise AssertionError("setlocale was called")

    monkeypatch.setattr(locale, "setlocale", refuse)
    assert b"<pubDate>Mon, 02 Mar 2026 08:30:00 +0000</pubDate>" in render(golden_document(), FeedFormat.RSS)
