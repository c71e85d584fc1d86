"""A program that is told to end while it opens an issue for many leaves the rest to its next start."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow.flow_site import Site, listing

from feed_publisher.domain.issue import IssueState
from feed_publisher.services import preparing


def test_the_rest_is_prepared_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "PAGE", 10)
    monkeypatch.setattr(preparing, "BATCH", 3)
    site = Site(tmp_path / "site", digest='backfill = "all"').make()
    site.write("1.txt", listing("Ships", [1]))
    site.pickup()
    site.join("email\n" + "".join(f"r{n}@example.org\n" for n in range(25)))
    with site.open() as app, app.owning():
        app.stopping.set()
        issue = app.open_manual("weekly")
    assert issue is not None
    assert issue.state is IssueState.PREPARING
    assert site.sql("SELECT count(*) FROM delivery") == [(10,)]
    (opened,) = site.tick()
    assert (opened.id, opened.audience) == (issue.id, 25)
    assert sorted(mail.to for mail in site.mails()) == sorted(f"r{n}@example.org" for n in range(25))
    site.assert_books_balance()
