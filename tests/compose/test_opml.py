from __future__ import annotations

from lxml import etree

from feed_publisher.compose.opml import render_opml

FEEDS = [
    ('Harbour & "Quay" <b>', "https://mag.example/topics/harbour?a=1&b=2", "https://mag.example/feeds/harbour.atom"),
    ("Sci\x00ence \U0001f40b\ufffe", "https://mag.example/topics/science", "https://mag.example/feeds/science.atom"),
]


def test_outlines_keep_order_and_addresses() -> None:
    root = etree.fromstring(render_opml("The Quay & Tide\x0b", FEEDS))
    assert (root.tag, root.get("version")) == ("opml", "2.0")
    assert root.findtext("head/title") == "The Quay & Tide"
    assert [dict(outline.attrib) for outline in root.iterfind("body/outline")] == [
        {
            "type": "rss",
            "text": 'Harbour & "Quay" <b>',
            "title": 'Harbour & "Quay" <b>',
            "xmlUrl": "https://mag.example/feeds/harbour.atom",
            "htmlUrl": "https://mag.example/topics/harbour?a=1&b=2",
        },
        {
            "type": "rss",
            "text": "Science \U0001f40b",
            "title": "Science \U0001f40b",
            "xmlUrl": "https://mag.example/feeds/science.atom",
            "htmlUrl": "https://mag.example/topics/science",
        },
    ]


def test_no_feeds_are_an_empty_list() -> None:
    root = etree.fromstring(render_opml("Empty", []))
    assert root.find("body") is not None
    assert len(root.find("body")) == 0


def test_same_feeds_same_bytes() -> None:
    assert render_opml("T", FEEDS) == render_opml("T", FEEDS)
    assert b"date" not in render_opml("T", FEEDS)
