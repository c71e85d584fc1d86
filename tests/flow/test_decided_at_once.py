"""Two who decide about an issue at the same moment: operators and the clock, and forms of any size and content."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from flow.flow_site import HOUR, Site
from flow.test_deciding import SEVEN, draft, key, link, phone, questions, ready, state, to_readers

from feed_publisher.adapters.database.store.decisions import SqlDecisionStore
from feed_publisher.app import App
from feed_publisher.domain.editing import NOTE_MOST, Change
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState


class Interrupted(SqlDecisionStore):
    """The real store, in which somebody decides between the look at what waits and what follows from it."""

    def __init__(self, app: App, between: Callable[[], object]) -> None:
        super().__init__(app.database)
        self._between = between

    def waiting(self, rehearsal: bool) -> list[tuple[Issue, datetime | None]]:
        found = super().waiting(rehearsal)
        self._between()
        return found


@pytest.mark.parametrize("unapproved", ["send", "roll"])
@pytest.mark.parametrize("act", ["hold", "approve", "cancel"])
def test_who_decides_at_the_last_moment_has_decided(site: Site, unapproved: str, act: str) -> None:
    paper = ready(site, f'policy = "approve"\nunapproved = "{unapproved}"\napprove_within = "3 hours"')
    issue = draft(paper)
    paper.now = SEVEN + 3 * HOUR
    with paper.open() as app:
        acts: dict[str, Callable[[], object]] = {
            "hold": lambda: app.decisions.hold(issue.id, "ann", paper.now),
            "approve": lambda: app.decisions.approve(issue.id, "ann", paper.now),
            "cancel": lambda: app.issues.cancel(issue.id, paper.now),
        }
        app.decisions = Interrupted(app, acts[act])
        app.deciding().step(paper.now)
        history = [(each.what.value, each.who) for each in app.decisions.look(issue.id).history]
    expected = {"hold": IssueState.DRAFT, "approve": IssueState.READY, "cancel": IssueState.CANCELLED}
    assert state(paper, issue) is expected[act]
    assert history == {"hold": [("held", "ann")], "approve": [("approved", "ann")], "cancel": []}[act]
    assert not any("nobody had approved" in each or "not approved in time" in each for each in paper.notices())


def test_nobody_approves_what_somebody_else_has_just_changed(site: Site) -> None:
    paper = ready(site, 'policy = "approve"')
    issue = draft(paper)
    with paper.open() as app, app.owning():
        seen = app.decisions.look(issue.id).issue.revision
        app.deciding().edit(issue.id, Change(note="Wait for me."), "ben", paper.now)
        with pytest.raises(InputError, match="somebody else has changed it"):
            app.deciding().approve(issue.id, "ann", paper.now, seen)
    assert state(paper, issue) is IssueState.DRAFT


@pytest.mark.parametrize("letter", ["a", "ж", "語", "🚢"])
def test_the_longest_note_fits_in_any_script(site: Site, letter: str) -> None:
    paper = ready(site, 'policy = "approve"')
    issue = draft(paper)
    note = letter * NOTE_MOST
    form = {"revision": "0", "lead": "", "note": note, "subject": letter * 200, "action": "approve"}
    with phone(paper) as client:
        assert client.post(link(questions(paper)[0]), data=form).status_code == 303
    assert state(paper, issue) is IssueState.READY
    paper.tick()
    assert all(mail.text.count(letter) >= NOTE_MOST for mail in to_readers(paper))


def test_more_articles_may_be_left_out_than_a_reader_has_topics(site: Site) -> None:
    paper = ready(site, 'policy = "approve"\nguards = false', tuple(range(1, 401)))
    issue = draft(paper)
    first = key(paper, 1)
    out = [str(entry.key) for entry in paper.entries() if entry.key != first]
    form = {"revision": "0", "lead": "", "note": "", "subject": "", "action": "approve", "leave_out": out}
    with phone(paper) as client:
        assert client.post(link(questions(paper)[0]), data=form).status_code == 303
    assert state(paper, issue) is IssueState.READY
    paper.tick()
    assert [mail.numbered() for mail in to_readers(paper)] == [[1], [1]]


HALF_A_PAIR = (
    b'--x\r\nContent-Disposition: form-data; name="lead"\r\nContent-Type: text/plain; charset=unicode_escape\r\n\r\n'
    b"\\ud800\r\n--x--\r\n"
)


def test_text_that_no_page_can_show_is_refused(site: Site) -> None:
    paper = ready(site, 'policy = "approve"')
    draft(paper)
    kind = {"Content-Type": "multipart/form-data; boundary=x; charset=unicode_escape"}
    with phone(paper) as client:
        client_post = client.post(link(questions(paper)[0]), content=HALF_A_PAIR, headers=kind)
        assert client_post.status_code in (400, 409), client_post.text
