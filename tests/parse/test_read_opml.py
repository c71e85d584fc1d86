"""Lists of feeds as feed readers export them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.parse.opml import MAX_SUBSCRIPTIONS, Subscription, read_opml

OPML = """<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0"><head><title>Mine</title></head><body>%s</body></opml>"""


def read(body: str) -> tuple[list[Subscription], list[str]]:
    subscriptions, problems = read_opml((OPML % body).encode(), "f.opml")
    return subscriptions, [str(problem) for problem in problems]


def test_folders_and_titles():
    subscriptions, problems = read(
        """<outline text="News"><outline text="Ports &amp; Sea">
        <outline type="rss" text="short" title="The Harbour" xmlUrl="https://mag.test/feed?a=1&amp;b=2" htmlUrl="https://mag.test/"/>
        </outline><outline text="B" XMLURL="http://b.test/feed" htmlUrl="javascript:1"/></outline>
        <outline xmlUrl="https://c.test/feed"/><outline text="An empty folder"/>"""
    )
    assert problems == []
    assert subscriptions == [
        Subscription(
            title="The Harbour",
            address="https://mag.test/feed?a=1&b=2",
            folders=("News", "Ports & Sea"),
        ),
        Subscription(title="B", address="http://b.test/feed", folders=("News",)),
        Subscription(title="https://c.test/feed", address="https://c.test/feed"),
    ]


def test_each_address_once_the_first_counts():
    subscriptions, problems = read(
        '<outline text="A" xmlUrl="https://a.test/"/><outline text="B" xmlUrl="https://a.test/"/>'
    )
    assert [subscription.title for subscription in subscriptions] == ["A"]
    assert problems == []


def test_what_is_no_feed_is_told_with_its_line():
    subscriptions, problems = read(
        '\n<outline text="A" type="rss"/>\n<outline text="B" xmlUrl="file:///etc/passwd"/>\n'
        '<outline text="C" xmlUrl="https://c.test/"/>'
    )
    assert [subscription.title for subscription in subscriptions] == ["C"]
    assert [problem.partition(": ")[0] for problem in problems] == ["f.opml:3", "f.opml:4"]
    assert "xmlUrl" in problems[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not XML"),
        (b"<html/>", "<html>"),
        (b"<opml/>", "no feeds"),
        (b'<!DOCTYPE opml [<!ENTITY x "y">]><opml/>', "<!ENTITY"),
        (b"<opml><body><outline", "well-formed"),
    ],
)
def test_what_is_no_list(data, says):
    subscriptions, problems = read_opml(data, "f.opml")
    assert subscriptions == []
    assert says in problems[0].reason


def test_a_raw_ampersand_is_forgiven_and_a_truncated_list_told():
    body = '<outline text="R&D" xmlUrl="https://a.test/?a=1&b=2"/>'
    assert read(body)[0][0] == Subscription(title="R&D", address="https://a.test/?a=1&b=2")
    subscriptions, problems = read_opml((OPML % body)[:-10].encode(), "f.opml")
    assert len(subscriptions) == 1
    assert "1 feeds could be read" in problems[0].reason


def test_depth_and_number_are_bounded():
    deep = "<outline>" * 1_500 + '<outline xmlUrl="https://a.test/"/>' + "</outline>" * 1_500
    assert read(deep)[0] == []
    many = "".join(f'<outline xmlUrl="https://a.test/{n}"/>' for n in range(MAX_SUBSCRIPTIONS + 1))
    subscriptions, problems = read(many)
    assert len(subscriptions) == MAX_SUBSCRIPTIONS
    assert "5,001" in problems[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data):
    subscriptions, problems = read_opml(data, "f")
    assert problems or subscriptions
