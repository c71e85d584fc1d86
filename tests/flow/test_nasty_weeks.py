"""Weeks as careless owners make them: each article is mailed once, and what is in doubt is held and named."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flow.flow_site import DAY, Site

from feed_publisher.domain.model import EntryState
from feed_publisher.services.absorbing import PickupReport

WEEK = 7 * DAY
READERS = "email\nann@example.org\nben@example.org\n"
SUMMARIES = [
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett",
    "one heron stood upon a pier while seven boats went out before noon",
    "kings rarely count their own ships because somebody is paid for that",
    "under every lamp along this road there sleeps another small dog",
]


def block(title: str, byline: str, summary: str) -> str:
    return "\n".join(line for line in (title, f"By {byline}" if byline else "", summary) if line)


def column(number: int, byline: str = "Ann Lee") -> str:
    return block("Column of the week", byline, SUMMARIES[number])


def page(*blocks: str) -> str:
    return "\n\n".join(["Quayside affairs", *blocks]) + "\n"


def week(site: Site, text: str, name: str = "list.txt") -> PickupReport:
    """One week passes; the file is replaced, picked up and mailed."""
    site.now += WEEK
    site.write(name, text)
    report = site.pickup()
    site.send()
    return report


def named(report: PickupReport) -> list[str]:
    return [draft.summary for draft, reason in report.held if reason]


def counts(site: Site, phrases: Sequence[str]) -> list[int]:
    """How often Ann got each phrase, over all her mails. Ben gets the same."""
    mails = site.mails()
    texts = {
        name: " ".join(" ".join(mail.text.split()) for mail in mails if mail.to == f"{name}@example.org")
        for name in ("ann", "ben")
    }
    of = {name: [text.count(phrase) for phrase in phrases] for name, text in texts.items()}
    assert of["ann"] == of["ben"]
    return of["ann"]


def release(site: Site, summary: str) -> None:
    key = next(entry.key for entry in site.entries() if entry.summary == summary)
    with site.open() as app:
        app.change_entry(key, [EntryState.HELD], EntryState.PUBLIC)
        app.publish()


def states(site: Site) -> dict[str, str]:
    return {entry.summary: entry.state.value for entry in site.entries()}


def test_a_column_that_stands_on_top_of_the_last_one_is_held_and_mailed_when_released(site: Site) -> None:
    site.join(READERS)
    for number in range(4):
        report = week(site, page(*(column(n) for n in range(number, -1, -1))))
        assert report.changed == []
        assert named(report) == ([SUMMARIES[number]] if number else [])
        assert len(site.entries()) == number + 1
        if number:
            release(site, SUMMARIES[number])
            site.send()
        again = week(site, page(*(column(n) for n in range(number, -1, -1))) + "\n" * number)
        assert (again.new, again.held, again.changed) == ([], [], [])
    assert counts(site, SUMMARIES) == [1, 1, 1, 1]


def test_a_column_that_replaces_the_last_one_is_held_and_mailed_when_released(site: Site) -> None:
    site.join(READERS)
    for number in range(4):
        report = week(site, page(column(number)))
        assert (report.changed, named(report)) == ([], [SUMMARIES[number]] if number else [])
        if number:
            release(site, SUMMARIES[number])
            site.send()
    assert counts(site, SUMMARIES) == [1, 1, 1, 1]


def test_what_was_hidden_stays_hidden_and_what_waits_is_held_once(site: Site) -> None:
    site.join(READERS)
    week(site, page(column(0)))
    week(site, page(column(1), column(0)))
    key = next(entry.key for entry in site.entries() if entry.summary == SUMMARIES[1])
    with site.open() as app:
        app.change_entry(key, [EntryState.HELD], EntryState.HIDDEN)
    report = week(site, page(column(2), column(1), column(0)))
    assert named(report) == [SUMMARIES[2]]
    for text in (page(column(0), column(2), column(1)), page(column(1)), page(column(2), column(1))):
        report = week(site, text)
        assert (report.new, report.changed, report.held) == ([], [], [])
    assert states(site) == {SUMMARIES[0]: "public", SUMMARIES[1]: "hidden", SUMMARIES[2]: "held"}
    assert counts(site, SUMMARIES) == [1, 0, 0, 0]


def test_a_corrected_column_below_a_new_one_is_still_itself(site: Site) -> None:
    site.join(READERS)
    week(site, page(column(0)))
    corrected = SUMMARIES[0].replace("juliett", "juliet")
    report = week(site, page(column(1), block("Column of the week", "Ann Lee", corrected)))
    assert [draft.summary for draft in report.changed] == [corrected]
    assert named(report) == [SUMMARIES[1]]
    assert counts(site, SUMMARIES[:2]) == [1, 0]


def test_bylines_come_change_and_go_and_nothing_is_mailed_twice(site: Site) -> None:
    site.join(READERS)
    titles = ["First of them", "Second of them", "Third of them"]
    for bylines in (["", "", ""], ["", "Ann Lee", ""], ["Ben Po", "Ann Lee and Ben Po", ""], ["", "", "Cleo Ray"]):
        blocks = [block(t, b, s) for t, b, s in zip(titles, bylines, SUMMARIES, strict=False)]
        report = week(site, page(*blocks))
        assert report.held == []
    assert len(site.entries()) == 3
    assert report.new == []
    assert counts(site, SUMMARIES) == [1, 1, 1, 0]
    assert {entry.title: entry.authors for entry in site.entries()}["Third of them"] == ("Cleo Ray",)


def test_a_new_byline_below_fresh_articles_is_a_change(site: Site) -> None:
    site.join(READERS)
    old, below = block("Old one", "", SUMMARIES[0]), block("Below", "", SUMMARIES[1])
    week(site, page(old, below))
    fresh = [block("Fresh", "", SUMMARIES[2]), block("Fresher", "", SUMMARIES[3])]
    report = week(site, page(*fresh, block("Old one", "Ann Lee", SUMMARIES[0]), below))
    assert [len(report.new), len(report.changed), len(report.held)] == [2, 1, 0]
    assert counts(site, SUMMARIES) == [1, 1, 1, 1]


def test_a_new_byline_without_any_summary_is_held_once(site: Site) -> None:
    site.join(READERS)
    week(site, page("Bare title\nBy Ann Lee", block("Other", "", SUMMARIES[0])))
    text = page("Bare title\nBy Ben Po", block("Other", "", SUMMARIES[0]))
    report = week(site, text)
    assert [(draft.title, bool(reason)) for draft, reason in report.held] == [("Bare title", True)]
    assert week(site, text + "\n").held == []
    assert counts(site, ["Bare title"]) == [1]


def items(*numbers: int, **more: str) -> str:
    """A JSON listing; ``more`` are templates of further fields."""
    made = [
        {"title": f"Title {n}", "author": "Ann Lee", "summary": SUMMARIES[n]}
        | {name: template.format(n) for name, template in more.items()}
        for n in numbers
    ]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": made})


def test_links_and_ids_that_a_source_begins_to_give_mail_nothing_twice(site: Site) -> None:
    site.join(READERS)
    week(site, items(1, 0), "list.json")
    report = week(site, items(2, 1, 0, url="https://mag.example/{}"), "list.json")
    assert ([draft.title for draft in report.new], report.held) == (["Title 2"], [])
    report = week(site, items(2, 1, 0, url="https://mag.example/{}", id="tag:mag.example,2026:{}"), "list.json")
    assert (report.new, report.held) == ([], [])
    both = items(3, 2, 1, 0, url="https://new.example/{}", id="tag:mag.example,2026:{}")
    report = week(site, both, "list.json")
    assert ([draft.title for draft in report.new], report.held) == (["Title 3"], [])
    assert len(site.entries()) == 4
    assert counts(site, SUMMARIES) == [1, 1, 1, 1]


def test_a_site_that_moves_to_another_domain_mails_nothing_twice(site: Site) -> None:
    site.join(READERS)
    week(site, items(1, 0, url="https://old.example/a/{}"), "list.json")
    report = week(site, items(2, 1, 0, url="https://new.example/a/{}"), "list.json")
    assert ([draft.title for draft in report.new], report.held) == (["Title 2"], [])
    assert counts(site, SUMMARIES) == [1, 1, 1, 0]
