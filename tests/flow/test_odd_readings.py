"""One odd reading between good ones: nothing is lost, doubled, mailed late or mistaken for something else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flow.flow_site import DAY, Site
from flow.publisher import Newsroom, Publisher, Story, day, follow, mailed, once

ANN = "ann@example.org"


def titles(site: Site, state: str = "public") -> list[str]:
    return sorted(entry.title for entry in site.entries() if entry.state == state)


def test_articles_that_all_have_one_guid(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    for _ in range(5):
        newsroom.write().guid = "same"
    day(magazine, publisher)
    day(magazine, publisher)
    newsroom.write().guid = "same"
    day(magazine, publisher)
    assert titles(magazine) == sorted(story.title for story in newsroom.written)
    assert mailed(magazine)[ANN] == once(newsroom.written)


def test_a_feed_of_one_article_whose_guid_never_changes(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    for _ in range(3):
        publisher.feed = []
        newsroom.write().guid = "same"
        day(magazine, publisher)
    assert titles(magazine) == [newsroom.written[0].title]
    assert titles(magazine, "held") == sorted(story.title for story in newsroom.written[1:])


def test_first_contact_is_not_used_up_by_an_empty_feed(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    follow(magazine, publisher, first="none")
    day(magazine, publisher)
    for _ in range(9):
        newsroom.write()
    day(magazine, publisher)
    assert len(titles(magazine)) == 9
    assert mailed(magazine) == {}


def test_another_feed_in_the_same_source_is_met_anew(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    follow(magazine, publisher, first="none")
    newsroom.write()
    day(magazine, publisher)
    publisher.bodies["/other/"] = publisher.rss([_other(newsroom, n) for n in range(6)]).encode()
    text = magazine.digest.replace(publisher.url("/feed/"), publisher.url("/other/"))
    magazine.configure(digest=text)
    day(magazine, publisher)
    assert len(titles(magazine)) == 7
    assert mailed(magazine) == {}


def _other(newsroom: Newsroom, number: int) -> Story:
    story = newsroom.write()
    newsroom.publisher.feed.remove(story)
    return replace(story, guid=f"other-{number}")


def test_a_move_after_an_empty_feed_is_still_a_move(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    for _ in range(8):
        newsroom.write()
    day(magazine, publisher)
    feed, publisher.feed = publisher.feed, []
    day(magazine, publisher)
    publisher.feed = [replace(story, guid=f"new-{n}", path=f"/new/{n}") for n, story in enumerate(feed)]
    day(magazine, publisher)
    assert (len(titles(magazine)), len(titles(magazine, "held"))) == (8, 8)
    assert mailed(magazine)[ANN] == once(newsroom.written)


def test_addresses_that_change_at_each_visit_are_held_once(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    for _ in range(2):
        newsroom.write()
    day(magazine, publisher)
    for visit in range(5):
        for story in publisher.feed:
            story.guid, story.path = f"{story.token}-{visit}", f"/{story.token}/{visit}"
        day(magazine, publisher)
    assert (len(titles(magazine)), len(titles(magazine, "held"))) == (2, 2)
    assert mailed(magazine)[ANN] == once(newsroom.written)


def test_a_weekly_column_with_the_same_words_is_news_each_week(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    for week in range(3):
        publisher.feed = []
        story = newsroom.write("Weekly round-up")
        story.summary = "All that we have published this week."
        story.token = f"token{week:03}x"
        day(magazine, publisher)
        magazine.now += 6 * DAY
    assert mailed(magazine)[ANN] == once(newsroom.written)


def test_a_sticky_article_hides_no_gap(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    sticky = newsroom.write()
    for _ in range(9):
        newsroom.write()
    day(magazine, publisher)
    for _ in range(25):
        newsroom.write()
    publisher.feed.remove(sticky)
    publisher.feed.insert(0, replace(sticky, date=publisher.now + 9 * DAY / 24))
    day(magazine, publisher)
    assert len(titles(magazine)) == 35
    assert mailed(magazine)[ANN] == once(newsroom.written)


def test_what_moved_for_good_and_came_back(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    newsroom.write()
    publisher.answers["/feed/"] = (301, {"Location": "/moved/"})
    publisher.bodies["/moved/"] = publisher.rss(publisher.feed).encode()
    day(magazine, publisher)
    del publisher.answers["/feed/"], publisher.bodies["/moved/"]
    publisher.answers["/moved/"] = (410, {})
    newsroom.write()
    day(magazine, publisher)
    assert len(titles(magazine)) == 2
    publisher.visits.clear()
    day(magazine, publisher)
    assert {path for path, _ in publisher.visits} == {"/feed/", "/wire/", "/ships"}


def test_a_new_place_that_is_gone_retires_nothing_while_the_old_one_may_live(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    newsroom.write()
    publisher.answers["/feed/"] = (301, {"Location": "/moved/"})
    publisher.bodies["/moved/"] = publisher.rss(publisher.feed).encode()
    day(magazine, publisher)
    publisher.answers |= {"/feed/": (503, {}), "/moved/": (410, {})}
    day(magazine, publisher)
    assert not any("is gone for good" in notice for notice in magazine.notices())
    del publisher.answers["/feed/"]
    newsroom.write()
    day(magazine, publisher)
    assert len(titles(magazine)) == 2


def test_a_server_that_says_no_change_for_ever(magazine: Site, publisher: Publisher, newsroom: Newsroom) -> None:
    newsroom.write()
    day(magazine, publisher)
    publisher.lies = True
    newsroom.write()
    for _ in range(7):
        day(magazine, publisher)
    assert len(titles(magazine)) == 2


def test_a_page_that_could_not_be_had_is_asked_for_again(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    for _ in range(8):
        newsroom.write(listed=True)
    publisher.answers["/ships?page=2"] = (503, {})
    report = magazine.pickup()
    assert len(report.new) == 4
    assert ["503" in problem.reason for problem in report.rejected if "page=2" in problem.where] == [True]
    del publisher.answers["/ships?page=2"]
    magazine.now += DAY
    assert len(magazine.pickup().new) == 4
    assert len(titles(magazine)) == 8


def test_a_storm_of_files_is_a_storm(magazine: Site) -> None:
    magazine.write("first.txt", "Ships\n\nThe first one\nBy Ann Po\nIt stood there alone.\n")
    magazine.pickup()
    magazine.now += DAY
    for number in range(60):
        magazine.write(f"old-{number}.md", f"---\ntitle: Old number {number}\npublished: 2020-01-01\n---\nLong ago.\n")
    report = magazine.pickup()
    assert (len(report.new), len(report.held)) == (0, 60)
    magazine.now += DAY
    for number in range(4):
        magazine.write(f"new-{number}.md", f"---\ntitle: New number {number}\n---\nJust now, time {number}.\n")
    assert len(magazine.pickup().new) == 4


def test_a_header_that_cannot_be_read_stops_its_source_only(
    magazine: Site, publisher: Publisher, newsroom: Newsroom
) -> None:
    newsroom.write()
    newsroom.write(listed=True)
    header = 'headers = {Authorization = "file:none.txt"}\n'
    magazine.configure(digest=magazine.digest.replace('kind = "feed"\n', f'kind = "feed"\n{header}'))
    report = magazine.pickup()
    assert len(report.new) == 1
    assert sum("the value of a header cannot be read" in problem.reason for problem in report.rejected) == 2


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x:{name}</id><title>T</title>
<updated>2026-11-02T05:00:00Z</updated><link rel="hub" href="http://127.0.0.1:9/hub"/>
<link rel="self" href="{url}"/><entry><id>urn:x:{name}-1</id><title>{name}</title>
<updated>2026-11-02T05:00:00Z</updated><link href="https://x.example/{name}"/></entry></feed>"""


def test_a_dead_hub_is_tried_once_for_all_that_name_it(magazine: Site, publisher: Publisher) -> None:
    for name in ("feed", "wire"):
        url = publisher.url(f"/{name}/")
        publisher.bodies[f"/{name}/"] = ATOM.format(name=name, url=url).encode()
    assert len(magazine.pickup().new) == 2

    async def ask() -> list[str | None]:
        async with app.intake.fetching() as fetcher:
            await app.intake.hubs().renew(fetcher)
        return [app.sources.hub_secret(slug) for slug in ("magazine", "wire")]

    with magazine.open() as app:
        assert [bool(record.hub) for record in app.sources.all()] == [False, True, True, False]
        assert asyncio.run(ask()).count(None) == 1
