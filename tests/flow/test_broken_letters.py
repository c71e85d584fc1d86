"""A letter whose template is broken keeps nobody else's mail: operators are asked, and issues leave, all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow.flow_site import Site
from flow.test_deciding import SEVEN, draft, questions, ready

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import IssueState


def put(site: Site, name: str, text: str) -> Path:
    file = site.folder / "templates" / "email" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def asks_to_confirm(site: Site) -> None:
    """Somebody types an address."""
    with site.open() as app:
        app.subscribe.ask("weekly", parse_address("new@example.org"), None, site.now)


def test_operators_are_asked_although_a_letter_to_a_reader_is_broken(site: Site) -> None:
    paper = ready(site, 'policy = "approve"')
    put(paper, "letter_confirm.txt", "{{ nothing }}")
    asks_to_confirm(paper)
    with pytest.raises(TemplateError, match="letter_confirm"):
        draft(paper)
    assert [issue.state for issue in paper.mailed_issues()] == [IssueState.DRAFT]
    assert len(questions(paper)) == 2


def test_a_broken_question_is_told_after_the_letters_and_asked_once_it_is_mended(site: Site) -> None:
    paper = ready(site, 'policy = "approve"')
    broken = put(paper, "question.txt", "{{ nothing }}")
    asks_to_confirm(paper)
    with pytest.raises(TemplateError, match=r"question\.txt"):
        draft(paper)
    assert [mail.to for mail in paper.mails()] == ["new@example.org"]
    broken.unlink()
    paper.now = SEVEN.replace(minute=20)
    paper.tick()
    assert len(questions(paper)) == 2
