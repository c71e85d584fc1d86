"""The operator's hand on an issue before it leaves: edits, approval by mail, what becomes of it without, guards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flow.flow_site import DAY, HOUR, MONDAY, Mail, Site, listing
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from feed_publisher.domain.editing import Change
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.web.site import build

OPERATORS = '[mail]\noperators = ["desk@harbour.example", "chief@harbour.example"]\n'
SEVEN = MONDAY + 2 * HOUR
READERS = "email\nann@example.org\nben@example.org\n"


@pytest.fixture
def paper(site: Site) -> Site:
    """Articles 1 to 3 are new for two readers on Monday at seven; issues need approval."""
    return ready(site, 'policy = "approve"')


def ready(site: Site, digest: str, numbers: tuple[int, ...] = (1, 2, 3)) -> Site:
    site.configure(site=OPERATORS, digest=digest)
    site.now = MONDAY - DAY
    site.tick()
    site.join(READERS)
    site.write("a.txt", listing("Tides", numbers))
    site.tick()
    site.now = SEVEN
    return site


def draft(site: Site) -> Issue:
    """The issue that a tick opens."""
    (issue,) = site.tick()
    return issue


def edit(site: Site, issue: Issue, **change: object) -> Issue:
    with site.open() as app, app.owning():
        return app.deciding().edit(issue.id, Change(**change), "a test", site.now)  # type: ignore[arg-type]


def approve(site: Site, issue: Issue) -> None:
    with site.open() as app, app.owning():
        app.deciding().approve(issue.id, "a test", site.now)


def key(site: Site, number: int) -> str:
    return str(next(each.key for each in site.entries() if each.title == f"Article {number:04}"))


def to_readers(site: Site) -> list[Mail]:
    return sorted((mail for mail in site.mails() if mail.to.endswith("@example.org")), key=lambda mail: mail.to)


def questions(site: Site) -> list[Mail]:
    return [mail for mail in site.mails() if mail.to.endswith("@harbour.example")]


def state(site: Site, issue: Issue) -> IssueState:
    return next(each for each in site.issues() if each.id == issue.id).state


@contextmanager
def phone(site: Site) -> Iterator[TestClient]:
    with site.open() as app, TestClient(build(app), follow_redirects=False) as client:
        yield client


def link(mail: Mail) -> str:
    found = re.search(r"^http://127.0.0.1:8000(/decide/\S+)$", mail.text, re.MULTILINE)
    assert found is not None
    return found[1]


# --- edits


def test_an_issue_leaves_with_another_lead_a_note_and_without_an_article(paper: Site) -> None:
    issue = draft(paper)
    note = "Dear readers,\nsee https://quay.example/a?b=1&c=2 <b>now</b>.\n\n\nThe editors"
    edited = edit(paper, issue, lead=key(paper, 2), leave_out=(key(paper, 1),), note=note)
    assert edited.subject == "Article 0002, and 1 more"
    approve(paper, issue)
    paper.tick()
    mails = to_readers(paper)
    assert [mail.to for mail in mails] == ["ann@example.org", "ben@example.org"]
    for mail in mails:
        assert mail.numbered() == [2, 3], "the lead comes first, what is left out does not come"
        assert mail.subject == "Article 0002, and 1 more"
        assert "Dear readers,\nsee https://quay.example/a?b=1&c=2 <b>now</b>.\n\nThe editors\n" in mail.text
        assert 'href="https://quay.example/a?b=1&amp;c=2"' in mail.html
        assert "&lt;b&gt;now&lt;/b&gt;" in mail.html
        assert mail.html.index("Dear readers") < mail.html.index("Article 0002</a>")


def test_what_is_left_out_does_not_come_later_either(paper: Site) -> None:
    issue = draft(paper)
    edit(paper, issue, leave_out=(key(paper, 1),))
    approve(paper, issue)
    paper.tick()
    paper.write("b.txt", listing("Tides", (4,)))
    paper.now += 7 * DAY
    approve(paper, draft(paper))
    paper.tick()
    assert [mail.numbered() for mail in to_readers(paper)[:2]] == [[2, 3], [4]]
    with paper.open() as app:
        app.publish()
        (_, first) = app.archive.page("weekly", "", 9)
        assert [(each.title, first.count) for each in first.entries] == [("Article 0002", 2), ("Article 0003", 2)]


def test_what_was_left_out_can_be_put_back(paper: Site) -> None:
    issue = draft(paper)
    edit(paper, issue, leave_out=(key(paper, 1), key(paper, 2)), subject="Two fewer")
    edit(paper, issue, put_back=(key(paper, 1),), subject="")
    approve(paper, issue)
    paper.tick()
    assert {tuple(mail.numbered()) for mail in to_readers(paper)} == {(1, 3)}
    assert {mail.subject for mail in to_readers(paper)} == {"Article 0001, and 1 more"}


def test_a_correction_keeps_the_edits(paper: Site) -> None:
    issue = draft(paper)
    edit(paper, issue, lead=key(paper, 3), leave_out=(key(paper, 1),), note="Hello.", subject="Our week")
    text = listing("Tides", (1, 2, 3)).replace("Summary of number 2", "Corrected summary of number 2")
    paper.write("a.txt", text)
    paper.now += HOUR
    paper.tick()
    approve(paper, issue)
    paper.tick()
    for mail in to_readers(paper):
        assert mail.numbered() == [3, 2]
        assert mail.subject == "Our week"
        assert "\nHello.\n" in mail.text
        assert "Corrected summary of number 2" in " ".join(mail.text.split())


def test_readers_of_whom_nothing_is_left_get_nothing_until_something_is_put_back(paper: Site) -> None:
    paper.write("b.txt", listing("Birds", (7,)))
    paper.pickup(paper.folder / "entries")
    paper.join("email,topics\ncay@example.org,birds\n")
    issue = draft(paper)
    assert paper.books(issue.id) == {"queued": 3}
    edit(paper, issue, leave_out=(key(paper, 7),))
    assert paper.books(issue.id) == {"queued": 2, "excluded": 1}
    ((reason,),) = paper.sql("SELECT reason FROM delivery WHERE state = 'excluded'")
    assert reason == "all their articles were left out by hand"
    edit(paper, issue, put_back=(key(paper, 7),))
    assert paper.books(issue.id) == {"queued": 3}
    edit(paper, issue, leave_out=(key(paper, 7),))
    approve(paper, issue)
    paper.tick()
    paper.now += 7 * DAY
    assert paper.tick() == [], "nothing is new for anybody: the cursor has passed what was left out"
    assert {mail.to for mail in to_readers(paper)} == {"ann@example.org", "ben@example.org"}


def test_an_edit_is_refused_where_it_makes_no_sense(paper: Site) -> None:
    issue = draft(paper)
    everything = tuple(key(paper, number) for number in (1, 2, 3))
    with pytest.raises(InputError, match="nothing would be left"):
        edit(paper, issue, leave_out=everything)
    with pytest.raises(InputError, match="no article 'x'"):
        edit(paper, issue, lead="x")
    with pytest.raises(InputError, match="left out cannot come first"):
        edit(paper, issue, lead=everything[0], leave_out=everything[:1])
    approve(paper, issue)
    paper.tick()
    with pytest.raises(InputError, match="it is finished"):
        edit(paper, issue, subject="Too late")


def test_edits_that_a_crash_kept_from_being_rendered_are_rendered_by_the_next_look(paper: Site) -> None:
    issue = draft(paper)
    with paper.open() as app:  # the process dies between storing and rendering
        app.decisions.edit(issue.id, lambda edits: type(edits)(subject="After the crash"), "a test", paper.now)
    approve(paper, issue)
    paper.tick()
    assert {mail.subject for mail in to_readers(paper)} == {"After the crash"}


# --- asking


def test_operators_are_asked_once_with_the_issue_as_it_would_leave(paper: Site) -> None:
    issue = draft(paper)
    paper.tick()
    paper.now += HOUR
    paper.tick()
    asked = questions(paper)
    assert sorted(mail.to for mail in asked) == ["chief@harbour.example", "desk@harbour.example"]
    assert link(asked[0]) != link(asked[1])
    for mail in asked:
        assert mail.subject == "Please decide: Article 0001, and 2 more"
        text = " ".join(mail.text.split())
        assert "waits for a decision: 3 articles for 2 readers, “Article 0001, and 2 more”" in text
        assert f"`issues approve {issue.id}` lets it go; otherwise it waits until the next issue" in text
        assert mail.numbered() == [1, 2, 3]
        assert mail.html.index("Approve, hold or change it") < mail.html.index("Article 0001</a>")
        assert b"List-Unsubscribe" not in mail.raw
    assert to_readers(paper) == []
    assert any("waits for a decision" in notice for notice in paper.notices())


def test_a_crash_between_draft_and_mail_loses_no_question_and_one_after_the_mark_repeats_none(paper: Site) -> None:
    with paper.open() as app, app.owning():  # it opens the issue, claims the questions and dies
        app.open_issues()
        assert len(app.decisions.claim_questions(10, paper.now)) == 2
    paper.tick()
    assert questions(paper) == [], "another process has them in hand"
    paper.now += timedelta(minutes=11)
    with paper.open() as app:
        first, _ = app.decisions.claim_questions(10, paper.now)
        app.decisions.question_leaves(first.number)  # and dies while its bytes leave
    paper.now += timedelta(minutes=11)
    paper.tick()
    paper.now += HOUR
    paper.tick()
    (mail,) = questions(paper)
    assert mail.to != first.address


def test_whoever_approves_is_in_the_history_and_the_second_press_changes_nothing(paper: Site) -> None:
    issue = draft(paper)
    one, other = questions(paper)
    with phone(paper) as client:
        before = paper.sql("SELECT * FROM issue"), paper.sql("SELECT * FROM issue_event")
        page = client.get(link(one))
        assert page.status_code == client.head(link(one)).status_code == 200
        assert client.get(f"{link(one)}/mail").status_code == 200
        assert (paper.sql("SELECT * FROM issue"), paper.sql("SELECT * FROM issue_event")) == before, "scanners look"
        assert page.headers["cache-control"] == "no-store"
        form = {"revision": "0", "lead": "", "note": "", "subject": "", "action": "approve"}
        assert client.post(link(one), data=form).status_code == 303
        second = client.post(link(other), data={**form, "action": "hold", "revision": "1"})
        assert second.status_code == 409
        again = client.post(link(other), data=form)
        assert again.status_code == 409
        assert "Somebody else has decided it in the meantime" in again.text
        assert f"approved by link to {one.to}" in again.text
    assert state(paper, issue) is IssueState.READY
    paper.tick()
    assert len(to_readers(paper)) == 2
    with phone(paper) as client:
        page = client.get(link(one))
        assert "It has left." in page.text
        assert "<form" not in page.text
        assert client.post(link(one), data=form).status_code == 409


def test_the_form_counts_before_the_button(paper: Site) -> None:
    issue = draft(paper)
    mail = questions(paper)[0]
    with phone(paper) as client:
        form = {"revision": "0", "lead": key(paper, 3), "note": "Hello\r\n\r\nyou", "subject": "Our week"}
        refused = client.post(link(mail), data={**form, "leave_out": key(paper, 3), "action": "approve"})
        assert refused.status_code == 409
        assert "cannot come first" in refused.text
        assert "Our week" in refused.text, "nothing that was typed is lost"
        assert state(paper, issue) is IssueState.DRAFT
        sent = client.post(link(mail), data={**form, "leave_out": key(paper, 1), "action": "approve"})
        assert sent.status_code == 303
        stale = client.post(link(mail), data={**form, "action": "save"})
        assert "Somebody else has changed it in the meantime" in stale.text
    paper.tick()
    for each in to_readers(paper):
        assert (each.subject, each.numbered()) == ("Our week", [3, 2])
        assert "\nHello\n\nyou\n" in each.text


def test_links_of_another_kind_and_forged_ones_open_nothing(paper: Site) -> None:
    draft(paper)
    good = link(questions(paper)[0])
    with phone(paper) as client:
        for bad in (good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), "/decide/x"):
            assert client.get(bad).status_code == 404
            assert client.post(bad, data={"action": "approve", "revision": "0"}).status_code == 404
        with paper.open() as app:
            leave = app.letterhead.links(1).unsubscribe.rpartition("/")[2]
        assert client.get(f"/decide/{leave}").status_code == 404


def test_who_is_no_operator_any_more_decides_nothing(paper: Site) -> None:
    issue = draft(paper)
    mails = {mail.to: mail for mail in questions(paper)}
    paper.configure(site=paper.site.replace(', "chief@harbour.example"', ""))
    with phone(paper) as client:
        gone, here = link(mails["chief@harbour.example"]), link(mails["desk@harbour.example"])
        assert client.get(gone).status_code == 404
        assert client.post(gone, data={"action": "approve", "revision": "0"}).status_code == 404
        assert client.get(f"{gone}/mail").status_code == 404
        assert client.get(here).status_code == 200
    assert state(paper, issue) is IssueState.DRAFT


def test_a_draft_that_waits_is_told_once_and_then_costs_no_writing(paper: Site) -> None:
    """Looked at every two seconds, for as long as it takes somebody to decide."""
    issue = draft(paper)
    with paper.open() as app:
        deciding = app.deciding()
        deciding.step(paper.now)
        told = paper.notices()
        assert sum(f"issues approve {issue.id}" in sentence for sentence in told) == 1
        statements: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
            statements.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            deciding.step(paper.now)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert paper.notices() == told
    assert statements
    assert not [each for each in statements if "count(" in each or each.startswith(("BEGIN IMMEDIATE", "INSERT"))]


# --- without a decision


def test_made_two_hours_before_it_still_leaves_at_its_hour(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\ndraft_before = "2 hours"')
    paper.now = SEVEN - 3 * HOUR
    assert paper.tick() == []
    paper.now = SEVEN - 2 * HOUR
    issue = draft(paper)
    assert issue.state is IssueState.DRAFT
    paper.write("b.txt", listing("Tides", (4,)))
    approve(paper, issue)
    paper.now = SEVEN - timedelta(minutes=1)
    paper.tick()
    assert to_readers(paper) == []
    paper.now = SEVEN
    assert paper.tick() == []
    assert {tuple(mail.numbered()) for mail in to_readers(paper)} == {(1, 2, 3)}, "closed when the draft was made"


def test_send_sends_what_nobody_approved(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\nunapproved = "send"\napprove_within = "3 hours"')
    issue = draft(paper)
    assert "otherwise it leaves by itself Mon 02 Nov 10:00" in " ".join(questions(paper)[0].text.split())
    paper.now = SEVEN + 3 * HOUR - timedelta(seconds=1)
    paper.tick()
    assert to_readers(paper) == []
    paper.now = SEVEN + 3 * HOUR
    paper.tick()
    assert len(to_readers(paper)) == 2
    assert state(paper, issue) is IssueState.FINISHED
    assert any("was sent although nobody had approved it" in notice for notice in paper.notices())


def test_roll_brings_the_articles_in_the_next_issue(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\nunapproved = "roll"')
    issue = draft(paper)
    paper.now = SEVEN + 3 * DAY
    paper.tick()
    assert state(paper, issue) is IssueState.CANCELLED
    assert paper.books(issue.id) == {"excluded": 2}
    assert any("was not approved in time. Nothing is lost" in notice for notice in paper.notices())
    with paper.open() as app:
        assert [(each.what, each.who) for each in app.decisions.look(issue.id).history] == [
            ("ended", "nobody, in time")
        ]
    paper.now = SEVEN + 7 * DAY
    following = draft(paper)
    approve(paper, following)
    paper.tick()
    assert {tuple(mail.numbered()) for mail in to_readers(paper)} == {(1, 2, 3)}


def test_approved_at_the_last_minute_it_leaves_once(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\nunapproved = "roll"\napprove_within = "3 hours"')
    issue = draft(paper)
    paper.now = SEVEN + 3 * HOUR - timedelta(seconds=1)
    approve(paper, issue)
    paper.now = SEVEN + 3 * HOUR
    paper.tick()
    paper.tick()
    assert len(to_readers(paper)) == 2
    assert state(paper, issue) is IssueState.FINISHED


def test_what_is_held_waits_whatever_the_settings_say(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\nunapproved = "send"\napprove_within = "3 hours"')
    issue = draft(paper)
    with phone(paper) as client:
        form = {"revision": "0", "lead": "", "note": "", "subject": "", "action": "hold"}
        assert client.post(link(questions(paper)[0]), data=form).status_code == 303
        assert "Held." in client.get(link(questions(paper)[0])).text
    paper.now = SEVEN + DAY
    paper.tick()
    assert to_readers(paper) == []
    approve(paper, issue)
    paper.tick()
    assert len(to_readers(paper)) == 2


def test_the_next_issue_takes_over_what_waits_and_that_is_told(paper: Site) -> None:
    issue = draft(paper)
    paper.write("b.txt", listing("Tides", (4,)))
    paper.now += 7 * DAY
    following = draft(paper)
    assert state(paper, issue) is IssueState.FINISHED
    paper.tick()
    assert any("was not approved before the next issue came" in notice for notice in paper.notices())
    approve(paper, following)
    paper.tick()
    assert {tuple(sorted(mail.numbered())) for mail in to_readers(paper)} == {(1, 2, 3, 4)}


# --- announced


def test_what_is_announced_leaves_by_itself_at_its_hour(site: Site) -> None:
    paper = ready(site, 'announce = "30 minutes"')
    paper.now = SEVEN - timedelta(minutes=30)
    issue = draft(paper)
    assert issue.state is IssueState.READY
    mail = questions(paper)[0]
    assert mail.subject == "Leaves soon: Article 0001, and 2 more"
    assert "leaves by itself Mon 02 Nov 07:00" in " ".join(mail.text.split())
    assert to_readers(paper) == []
    paper.now = SEVEN
    assert paper.tick() == []
    assert len(to_readers(paper)) == 2


def test_what_is_announced_can_be_stopped(site: Site) -> None:
    paper = ready(site, 'announce = "30 minutes"')
    paper.now = SEVEN - timedelta(minutes=30)
    issue = draft(paper)
    form = {"revision": "0", "lead": "", "note": "", "subject": "", "action": "hold"}
    with phone(paper) as client:
        page = client.get(link(questions(paper)[0])).text
        assert ">Stop</button>" in page
        assert ">Approve</button>" not in page
        assert client.post(link(questions(paper)[0]), data=form).status_code == 303
    paper.now = SEVEN + HOUR
    paper.tick()
    assert to_readers(paper) == []
    assert state(paper, issue) is IssueState.PAUSED
    with phone(paper) as client:
        assert client.post(link(questions(paper)[1]), data={**form, "action": "approve"}).status_code == 303
    paper.tick()
    assert len(to_readers(paper)) == 2


# --- guards


def test_a_storm_waits_for_a_decision(site: Site) -> None:
    paper = ready(site, "")
    for week in range(3):
        paper.tick()
        paper.now += 7 * DAY
        paper.write(f"w{week}.txt", listing("Tides", (10 + week,)))
    paper.tick()
    assert len(to_readers(paper)) == 8
    paper.now += 7 * DAY
    paper.write("storm.txt", listing("Tides", range(100, 131)))
    (issue,) = paper.tick()
    assert issue.state is IssueState.DRAFT
    assert issue.reason == "it has 31 articles, and none of the last 4 issues had more than 3"
    assert len(to_readers(paper)) == 8
    assert f"It was stopped because {issue.reason}." in " ".join(questions(paper)[0].text.split())
    paper.now += DAY
    paper.tick()
    assert state(paper, issue) is IssueState.DRAFT
    approve(paper, issue)
    paper.tick()
    assert len(to_readers(paper)) == 10


def test_guards_can_be_switched_off(site: Site) -> None:
    paper = ready(site, "guards = false", tuple(range(1, 4)))
    for week in range(4):
        paper.tick()
        paper.now += 7 * DAY
        numbers = range(100, 140) if week == 3 else (10 + week,)
        paper.write(f"w{week}.txt", listing("Tides", tuple(numbers)))
    (issue,) = paper.tick()
    assert issue.state is IssueState.FINISHED


def test_many_more_readers_than_last_time_wait_for_a_decision(site: Site) -> None:
    paper = ready(site, "")
    paper.tick()
    paper.join("email\n" + "".join(f"r{number}@example.org\n" for number in range(30)))
    paper.now += 7 * DAY
    paper.write("b.txt", listing("Tides", (4,)))
    (issue,) = paper.tick()
    assert issue.state is IssueState.DRAFT
    assert issue.reason == "it has 32 readers, and the issues before had at most 2"
