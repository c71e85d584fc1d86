"""The main job: a listing in, feeds and digest out; nothing missed, nothing twice, whatever is done to it later."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import feedparser
import feedparser_sgmllib
import pytest
from flow.flow_site import DAY, HOUR, LONG_AGO, Mail, Site, settled
from reader import make_reader

from feed_publisher.domain.model import EntryState

# reader vendors a feedparser that imports sgmllib (see tests/compose/test_feeds.py).
sys.modules.setdefault("sgmllib", feedparser_sgmllib)

TITLES = [
    "Winter Timetable for the Mail Boats",
    "The Harbour Master’s Last “Good” Year",
    "Salt Panic on Pier Nine",
    "Wharf Cats: A Census",
    "Can a Buoy Be Wrong?",
    "Who Pays for the Dredger?",
    "Rope Makers Return to the Lower Quay",
    "Taking the Tide for Granted",
    "From Net Loft to Reading Room",
    "A Customs Shed Opens – at Last",
    "Storm Insurance for Small Boats",
    "As the Ferry Strike Ends, a Bell Rings",
]
AUTHORS = ["Ines Corvel", "Ruo Ban", "Tom & Daughter Wire", "Ines Corvel and Ruo Ban"]
SECOND = ["The Lighthouse Has a New Lamp", "Nine Knots Is Enough", "A Lock Keeper Counts"]
READERS = "email\nann@example.org\nben@example.org\ncleo@example.org\n"


def block(title: str) -> str:
    number = (TITLES + SECOND).index(title)
    summary = f"{title.split()[0]} -- number {number} of them, {'kept in a drawer ' * (number % 3)}said <no one> & all."
    return f"{title}\nBy {AUTHORS[number % 4]}\n{summary}"


def page(titles: list[str], last: str = "", topic: str = "Quayside affairs") -> str:
    return "\n\n".join([topic, *(block(title) for title in titles)]) + f"\n{last}\n"


PAGE_1 = page(TITLES, "Page 1 of 2")
PAGE_2 = page([*TITLES[10:], *SECOND], "Page 2 of 2")


def titles_in(site: Site, name: str) -> list[str]:
    data = site.feed(name).read_bytes()
    if name.endswith(".json"):
        return [item["title"] for item in json.loads(data)["items"]]
    parsed = feedparser.parse(io.BytesIO(data))
    assert not parsed.bozo
    return [entry.title for entry in parsed.entries]


def read_by_reader(path: Path) -> list[Any]:
    with make_reader(":memory:", feed_root=str(path.parent)) as reader:
        reader.add_feed(path.name)
        reader.update_feeds()
        assert reader.get_feed(path.name).last_exception is None
        return list(reader.get_entries())


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_ino, file.read_bytes()) for file in files}


def everything_once(mails: list[Mail], titles: list[str]) -> None:
    """Each reader got each of these exactly once over all mails, and nothing else."""
    for name in ("ann", "ben", "cleo"):
        mine = [title for mail in mails if mail.to == f"{name}@example.org" for title in mail.titles(TITLES + SECOND)]
        assert sorted(mine) == sorted(titles), name


# The line


@pytest.mark.parametrize("format", ["atom", "rss", "json"])
@pytest.mark.parametrize("slug", ["all", "quayside-affairs"])
def test_twelve_entries_reach_every_feed_in_the_order_of_the_listing(site: Site, format: str, slug: str) -> None:
    site.write("one.txt", PAGE_1)
    report = site.pickup()
    assert (len(report.new), report.rejected, report.held) == (12, [], [])
    assert titles_in(site, f"{slug}.{format}") == TITLES
    read = read_by_reader(site.feed(f"{slug}.{format}"))
    newest_first = sorted(read, key=lambda entry: entry.published, reverse=True)
    assert [entry.title for entry in newest_first] == TITLES
    assert {entry.id for entry in read} == set(site.ids().values())


def test_a_second_pickup_finds_nothing_and_touches_no_feed_file(site: Site) -> None:
    file = site.write("one.txt", PAGE_1)
    site.pickup()
    before = state_of(site.folder / "public")
    assert len(before) == 10 * 3, "three formats of three feeds, and the list of all; each in three codings"
    site.now += DAY
    report = site.pickup()
    assert (report.new, report.changed, report.unchanged) == ([], [], 12)
    settled(file, PAGE_1, LONG_AGO + DAY)  # the same words, saved again
    report = site.pickup()
    assert (report.new, report.changed, report.unchanged) == ([], [], 12)
    with site.open() as app:
        assert app.publish(every=True).written == []
    assert state_of(site.folder / "public") == before


def test_a_feed_file_lost_from_disk_comes_back_with_the_same_bytes(site: Site) -> None:
    site.write("one.txt", PAGE_1)
    site.pickup()
    before = site.feed("all.atom").read_bytes()
    site.feed("all.atom").unlink()
    site.now += DAY
    with site.open() as app:
        assert app.publish(every=True).written == ["feeds/all.atom"]
    assert site.feed("all.atom").read_bytes() == before


def test_the_digest_carries_each_article_once_to_each_reader(site: Site) -> None:
    site.write("one.txt", PAGE_1)
    site.pickup()
    site.join(READERS)
    issue = site.send()
    assert issue is not None
    assert (issue.audience, issue.entries) == (3, 12)
    mails = site.mails()
    assert len(mails) == 3
    assert len({mail.message_id for mail in mails}) == 3
    for mail in mails:
        assert mail.titles(TITLES) == TITLES
        assert "said <no one> & all." in mail.text
        assert mail.html.count("said &lt;no one&gt; &amp; all.") >= 12
        assert "<no " not in mail.html
    everything_once(mails, TITLES)
    assert site.books(issue.id) == {"sent": 3}
    assert site.send() is None
    assert len(site.mails()) == 3


@pytest.mark.parametrize("how", ["folder", "path"])
def test_page_two_brings_only_what_is_new(site: Site, tmp_path: Path, how: str) -> None:
    site.write("one.txt", PAGE_1)
    site.pickup()
    site.join(READERS)
    site.send()
    ids = site.ids()
    site.now += DAY
    if how == "folder":
        site.write("two.txt", PAGE_2)
        report = site.pickup()
    else:
        report = site.pickup(settled(tmp_path / "two.txt", PAGE_2, LONG_AGO))
    assert [draft.title for draft in report.new] == SECOND
    assert report.changed == []
    assert report.held == []
    assert site.ids().items() >= ids.items()
    assert sorted(titles_in(site, "all.atom")) == sorted(TITLES + SECOND)
    issue = site.send()
    assert issue is not None
    assert [mail.titles(TITLES + SECOND) for mail in site.mails()[3:]] == [SECOND] * 3
    everything_once(site.mails(), TITLES + SECOND)


def test_page_two_may_come_before_page_one(site: Site) -> None:
    site.write("two.txt", PAGE_2)
    assert len(site.pickup().new) == 5
    site.join(READERS)
    site.send()
    site.now += DAY
    site.write("one.txt", PAGE_1)
    assert [draft.title for draft in site.pickup().new] == TITLES[:10]
    site.send()
    everything_once(site.mails(), TITLES + SECOND)


def test_an_article_that_slides_to_page_two_stays_one_article(site: Site) -> None:
    site.write("one.txt", page(TITLES, "Page 1 of 2"))
    site.write("two.txt", page(SECOND[:1], "Page 2 of 2"))
    site.pickup()
    site.join(READERS)
    site.send()
    ids = site.ids()
    site.now += DAY
    site.write("one.txt", page([SECOND[1], *TITLES[:11]], "Page 1 of 2"))
    site.write("two.txt", page([TITLES[11], SECOND[0]], "Page 2 of 2"))
    report = site.pickup()
    assert [draft.title for draft in report.new] == [SECOND[1]]
    assert report.held == []
    assert site.ids().items() >= ids.items()
    site.send()
    everything_once(site.mails(), TITLES + SECOND[:2])


def test_one_article_under_two_topics_is_in_both_feeds_and_once_in_the_mail(site: Site) -> None:
    site.write("one.txt", page(TITLES))
    site.pickup()
    site.join(READERS + "dora@example.org\n")
    site.join("email,topics\neve@example.org,quayside-affairs\n")
    site.send()
    site.now += DAY
    site.write("other.txt", page([TITLES[3], SECOND[0]], topic="Animals"))
    report = site.pickup()
    assert [draft.title for draft in report.new] == [SECOND[0]]
    assert titles_in(site, "animals.rss") == [SECOND[0], TITLES[3]]
    assert TITLES[3] in titles_in(site, "quayside-affairs.rss")
    site.join("email,topics\neve@example.org,quayside-affairs;animals\n")
    site.send()
    everything_once(site.mails(), [*TITLES, SECOND[0]])
    eve = [t for mail in site.mails() if mail.to.startswith("eve") for t in mail.titles(TITLES + SECOND)]
    assert sorted(set(eve)) == sorted(eve)


def test_a_reader_who_goes_over_to_another_topic_gets_nothing_again_that_moves_there_later(site: Site) -> None:
    site.write("one.txt", page(TITLES[:3]))
    site.write("other.txt", page([SECOND[0]], topic="Animals"))
    site.pickup()
    site.join("email,topics\neve@example.org,quayside-affairs\nfay@example.org,animals\n")
    site.send()
    site.join("email,topics\neve@example.org,animals\n")
    site.now += DAY
    site.write("other.txt", page([SECOND[0], TITLES[1], SECOND[1]], topic="Animals"))
    assert [draft.title for draft in site.pickup().new] == [SECOND[1]]
    site.send()
    mails = {(mail.to[:3], tuple(mail.titles(TITLES + SECOND))) for mail in site.mails()}
    assert mails == {
        ("eve", tuple(TITLES[:3])),
        ("fay", (SECOND[0],)),
        ("eve", (SECOND[1],)),
        ("fay", (SECOND[1], TITLES[1])),
    }


# Ids never change


def test_ids_survive_new_titles_addresses_domain_and_topics(site: Site) -> None:
    site.write(
        "a.md",
        "---\ntitle: First name\nid: urn:x:1\nlink: https://old.example/a\ntopics: [Old topic]\n"
        "published: 2026-10-01\n---\nText.\n",
    )
    site.write("one.txt", PAGE_1)
    site.pickup()
    before = site.ids()
    site.configure(site='base_url = "https://new.example/mag"')
    site.write(
        "a.md",
        "---\ntitle: Another name\nid: urn:x:1\nlink: https://new.example/b\ntopics: [New topic]\n"
        "published: 2026-10-02\n---\nOther text.\n",
    )
    renamed = "Winter Timetable for the Mail Boats, Revised"
    site.write("one.txt", PAGE_1.replace(TITLES[0], renamed).replace("Quayside affairs", "The quay"))
    site.now += DAY
    report = site.pickup()
    assert report.new == []
    after = site.ids()
    assert after.pop("Another name") == before.pop("First name")
    assert after.pop(renamed) == before.pop(TITLES[0])
    assert after == before
    feed = site.feed("all.atom").read_text()
    assert "http://127.0.0.1" not in feed
    assert "https://new.example/mag/entries/" in feed


# Corrections and withdrawals


def open_but_not_due(site: Site) -> int:
    """An issue whose mails wait: ann's hour is now, ben's and cleo's come later. Only ann gets hers."""
    site.now = site.now.replace(hour=0)
    site.pickup()
    site.join("email,hour\nann@example.org,7\nben@example.org,9\ncleo@example.org,10\n")
    site.now = site.now.replace(hour=7, minute=1)
    [issue] = site.tick()
    assert site.books(issue.id) == {"sent": 1, "queued": 2}
    return issue.id


def test_a_withdrawn_article_leaves_feeds_and_mail_that_waits(site: Site) -> None:
    site.write("one.txt", PAGE_1)
    number = open_but_not_due(site)
    site.change(TITLES[4], (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    for name in ("all.atom", "all.json", "quayside-affairs.rss"):
        assert TITLES[4] not in titles_in(site, name)
    site.now += 4 * HOUR
    site.tick()
    ann, ben, cleo = site.mails()
    assert ann.titles(TITLES) == TITLES
    rest = [title for title in TITLES if title != TITLES[4]]
    assert ben.titles(TITLES) == cleo.titles(TITLES) == rest
    assert TITLES[4] not in ben.html
    assert site.books(number) == {"sent": 3}


def test_an_issue_whose_only_article_is_withdrawn_mails_nobody_and_says_so(site: Site) -> None:
    site.write("one.txt", page(TITLES[:1]))
    number = open_but_not_due(site)
    site.change(TITLES[0], (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    assert site.books(number) == {"sent": 1, "excluded": 2}
    site.now += 4 * HOUR
    site.tick()
    assert len(site.mails()) == 1
    assert [row[0] for row in site.sql("SELECT reason FROM delivery WHERE state = 'excluded'")] == ["withdrawn"] * 2
    site.change(TITLES[0], (EntryState.WITHDRAWN,), EntryState.PUBLIC)
    site.send()
    everything_once(site.mails(), TITLES[:1])


def test_a_correction_reaches_mail_that_waits_but_not_what_was_tried(site: Site) -> None:
    site.write("one.txt", PAGE_1)
    number = open_but_not_due(site)
    site.sql("UPDATE delivery SET attempted = 1 WHERE subscription_id = 2")  # ben's was handed over once, and refused
    corrected = "Salt Panic on Pier Ten"
    site.write("one.txt", PAGE_1.replace(TITLES[2], corrected))
    report = site.pickup()
    assert [draft.title for draft in report.changed] == [corrected]
    site.now += 4 * HOUR
    site.tick()
    _ann, ben, cleo = site.mails()
    assert ben.titles([TITLES[2], corrected]) == [TITLES[2]]
    assert cleo.titles([TITLES[2], corrected]) == [corrected]
    assert site.books(number) == {"sent": 3}
    assert site.send() is None


def test_an_article_of_the_future_comes_at_its_time_and_once(site: Site) -> None:
    site.write("later.md", f"---\ntitle: {SECOND[0]}\npublished: 2026-11-05T12:00Z\n---\nText.\n")
    site.write("one.txt", PAGE_1)
    site.pickup()
    site.join(READERS)
    site.send()
    assert SECOND[0] not in titles_in(site, "all.atom")
    site.now += 4 * DAY
    site.pickup()
    assert SECOND[0] in titles_in(site, "all.atom")
    site.send()
    everything_once(site.mails(), [*TITLES, SECOND[0]])


def test_a_broken_file_stops_no_other(site: Site) -> None:
    broken = site.write("bad.md", "---\ntitle: [\n---\nText\n")
    site.write("bad.json", '{"entries": [}')
    site.write("one.txt", PAGE_1)
    report = site.pickup()
    assert len(report.new) == 12
    assert len(report.rejected) == 2
    assert any(problem.where.startswith(f"{broken}:") for problem in report.rejected)
    assert len(site.pickup().rejected) == 2, "said again until it is mended"
    site.write("bad.md", "---\ntitle: Mended\n---\nText\n")
    site.write("bad.json", '{"entries": []}')
    report = site.pickup()
    assert [draft.title for draft in report.new] == ["Mended"]
