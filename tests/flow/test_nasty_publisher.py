"""Weeks of a nasty publisher, over real HTTP: every reader's feed and every digest has each article exactly once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from flow.flow_site import DAY, HOUR, MONDAY, Site
from flow.publisher import Newsroom, Publisher, day, follow, in_feed, mailed, once


def test_two_nasty_weeks(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    site, written = magazine, newsroom.written
    for _ in range(8):
        newsroom.write()
    for _ in range(6):
        newsroom.write(listed=True)
    day(site, publisher)
    ids = site.ids()
    by_token = {entry.summary.split()[-1]: entry.id for entry in site.entries()}
    assert len(ids) == 14

    # titles corrected, in the feed and in the listing, where there is nothing else to know an article by
    for story in (publisher.feed[0], publisher.feed[3], publisher.listing[1]):
        story.title = story.title.replace(" and ", " & ").replace("number", "no.")
    day(site, publisher)

    for story in publisher.feed:  # every GUID made anew
        story.guid = f"post-{story.token}"
    newsroom.write()
    day(site, publisher)

    publisher.scheme, publisher.tracking = "http", "?utm_source=rss&utm_medium=feed"
    day(site, publisher)

    newsroom.write("Weekly round-up")
    newsroom.write(listed=True)  # page 1 pushes an article to page 2
    newsroom.write(listed=True)
    day(site, publisher)

    newsroom.write(date=datetime(2099, 1, 1, tzinfo=UTC))
    deleted = publisher.feed.pop(4)
    gone = publisher.listing.pop(3)
    day(site, publisher)

    publisher.feed.insert(4, deleted)
    publisher.listing.insert(3, gone)
    for story in publisher.feed:  # a new system dates everything today
        story.date = publisher.now
    day(site, publisher)

    story = newsroom.write()
    publisher.wire = [replace(story, guid="wire-1"), replace(publisher.feed[2], guid="wire-2")]
    publisher.tracking = ""
    day(site, publisher)

    for _ in range(30):  # between two visits to a feed of ten
        newsroom.write()
    day(site, publisher)

    newsroom.write("Weekly round-up")
    for story in publisher.feed[:10]:
        story.summary = story.summary.replace("The ", "the ")
    day(site, publisher)
    publisher.scheme = "https"
    publisher.listing[0].byline = "Ann Lee and Ben Po"
    day(site, publisher)

    assert [entry.title for entry in site.entries() if entry.state != "public"] == []
    assert set(in_feed(site).values()) == {1}
    assert in_feed(site).keys() <= once(written).keys()
    assert mailed(site) == {reader: once(written) for reader in ("ann@example.org", "ben@example.org")}
    after = {entry.summary.split()[-1]: entry.id for entry in site.entries()}
    assert len(after) == len(written)
    assert {token: after[token] for token in by_token} == by_token
    shared = next(entry for entry in site.entries() if entry.summary.split()[-1] == publisher.wire[0].token)
    assert {topic.title for topic in shared.topics} == {"Ships", "From the wire"}
    site.assert_books_balance()


def test_a_gap_that_cannot_be_walked_is_told(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    publisher.paged = False
    for _ in range(10):
        newsroom.write()
    day(magazine, publisher)
    for _ in range(25):
        newsroom.write()
    day(magazine, publisher)
    assert len(magazine.entries()) == 20
    told = [notice for notice in magazine.notices() if "may have missed articles" in notice]
    assert len(told) == 1
    assert "magazine" in told[0]


def test_at_first_contact_the_backlog_fills_feeds_and_no_mailbox(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    follow(magazine, publisher, first="none")
    for _ in range(9):
        newsroom.write()
    day(magazine, publisher)
    assert in_feed(magazine) == once(newsroom.written)
    assert mailed(magazine) == {}
    fresh = newsroom.write()
    day(magazine, publisher)
    assert mailed(magazine) == {reader: once([fresh]) for reader in ("ann@example.org", "ben@example.org")}


def test_a_site_that_moves_is_held_and_nobody_is_mailed(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    for _ in range(8):
        newsroom.write()
    day(magazine, publisher)
    before = mailed(magazine)
    for number, story in enumerate(publisher.feed):
        story.guid, story.path = f"new-system-{number}", f"/articles/{number + 5000}"
    fresh = newsroom.write()
    day(magazine, publisher)
    held = [entry for entry in magazine.entries() if entry.state == "held"]
    assert len(held) == 8
    assert all("under a new address, as 8 articles of this source at once" in entry.reason for entry in held)
    assert mailed(magazine) == {reader: counts + once([fresh]) for reader, counts in before.items()}


def test_a_source_that_fails_is_visited_less_and_less_and_told_of_once(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    newsroom.write()
    day(magazine, publisher)
    publisher.answers["/feed/"] = (500, {})
    publisher.visits.clear()
    for _ in range(96):
        magazine.now += HOUR / 4
        magazine.pickup()
    visits = [path for path, status in publisher.visits if status == 500]
    assert 5 <= len(visits) <= 8  # a day of half-hourly visits is 48
    told = [notice for notice in magazine.notices() if "has failed 5 times in a row" in notice]
    assert len(told) == 1
    del publisher.answers["/feed/"]
    newsroom.write()
    day(magazine, publisher)
    assert len(magazine.entries()) == 2


def test_moved_for_good_is_remembered_and_gone_for_good_retires(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    newsroom.write()
    publisher.answers["/feed/"] = (301, {"Location": "/wire/"})
    publisher.wire = publisher.feed
    day(magazine, publisher)
    publisher.visits.clear()
    newsroom.write()
    publisher.wire = publisher.feed
    day(magazine, publisher)
    assert "/feed/" not in {path for path, _ in publisher.visits}
    assert len(magazine.entries()) == 2

    publisher.answers["/wire/"] = (410, {})
    day(magazine, publisher)
    publisher.visits.clear()
    day(magazine, publisher)
    assert {path for path, _ in publisher.visits} == {"/ships"}
    assert sum("answers 410" in notice for notice in magazine.notices()) == 2  # both followed it


def test_retry_after_is_honoured(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    newsroom.write()
    publisher.answers["/feed/"] = (429, {"Retry-After": "36000"})
    magazine.pickup()
    publisher.visits.clear()
    magazine.now += 9 * HOUR
    magazine.pickup()
    assert "/feed/" not in {path for path, _ in publisher.visits}
    del publisher.answers["/feed/"]
    magazine.now += 3 * HOUR
    assert len(magazine.pickup().new) == 1


ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0">
<id>urn:x:feed</id><title>Wire</title><updated>2026-11-02T05:00:00Z</updated>{entries}</feed>"""


def atom(*names: str, deleted: str = "") -> bytes:
    entries = "".join(
        f"<entry><id>urn:x:{name}</id><title>{name}</title><updated>2026-11-02T05:00:00Z</updated>"
        f'<link href="https://wire.example/{name}"/><summary>All about {name}.</summary></entry>'
        for name in names
    )
    gone = f'<at:deleted-entry ref="urn:x:{deleted}" when="2026-11-03T05:00:00Z"/>' if deleted else ""
    return ATOM.format(entries=entries + gone).encode()


def test_what_its_source_deletes_is_withdrawn_and_comes_back_with_it(magazine: Site, publisher: Publisher) -> None:
    def states() -> dict[str, str]:
        return {entry.title: entry.state.value for entry in magazine.entries()}

    publisher.bodies["/wire/"] = atom("Heron", "Ferry")
    day(magazine, publisher)
    ids = magazine.ids()
    assert states() == {"Heron": "public", "Ferry": "public"}

    publisher.bodies["/wire/"] = atom("Heron", deleted="Ferry")
    day(magazine, publisher)
    assert states() == {"Heron": "public", "Ferry": "withdrawn"}
    assert "Ferry" not in magazine.feed("all.atom").read_text()
    publisher.bodies["/wire/"] = atom("Heron")  # no longer listed is not deleted
    day(magazine, publisher)
    assert states() == {"Heron": "public", "Ferry": "withdrawn"}

    publisher.bodies["/wire/"] = atom("Ferry", "Heron")
    day(magazine, publisher)
    assert states() == {"Heron": "public", "Ferry": "public"}
    assert magazine.ids() == ids
    texts = [mail.text for mail in magazine.mails() if mail.to == "ann@example.org"]
    assert sum(text.count("All about Ferry.") for text in texts) == 1


def test_a_source_that_wants_a_password_gets_it_from_a_file(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    newsroom.write()
    publisher.password = "Bearer tide-table"
    reasons = [problem.reason for problem in magazine.pickup().rejected]
    assert "wants a password (401); set its headers (source magazine)" in reasons
    (magazine.folder / "token.txt").write_text("Bearer tide-table\n")
    header = 'headers = {Authorization = "file:token.txt"}\n'
    magazine.configure(digest=magazine.digest.replace('kind = "feed"\n', f'kind = "feed"\n{header}'))
    magazine.now += DAY
    assert len(magazine.pickup().new) == 1
    assert "tide-table" not in (magazine.folder / "var" / "publisher.sqlite3").read_bytes().decode("latin-1")


def test_the_password_of_a_source_is_not_for_its_archive_elsewhere(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    """A feed names an older page on another host: that host must not learn the secret."""
    with Publisher(now=MONDAY).running() as thief:
        thief.bodies["/archive"] = atom("Old")
        archive = f'<link rel="prev-archive" href="{thief.url("/archive")}"/>'
        header = 'headers = {Authorization = "Bearer tide-table"}\n'
        magazine.configure(digest=magazine.digest.replace('kind = "feed"\n', f'kind = "feed"\n{header}'))
        publisher.bodies["/wire/"] = atom("Heron")
        day(magazine, publisher)
        publisher.bodies["/wire/"] = atom("Ferry").replace(b"<entry>", archive.encode() + b"<entry>", 1)
        day(magazine, publisher)
        assert [path for path, _ in thief.visits] == ["/archive"]
        assert thief.told == [""]
        assert "Bearer tide-table" in publisher.told
