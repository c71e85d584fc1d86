"""What happens to mail while it waits: for approval, or while the program is not running."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feed_publisher.app import App
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import IssueState
from feed_publisher.parse.subscribers import read_subscribers

TOML = """
[site]
title = "Quay"
[[sources]]
slug = "entries"
location = "entries"
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "digest@example.org"
policy = "{policy}"
day = "monday"
hour = "07:00"
"""
FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 7, 1, tzinfo=UTC)


class Site:
    def __init__(self, folder: Path, policy: str) -> None:
        (folder / "entries").mkdir()
        (folder / "publisher.toml").write_text(TOML.format(policy=policy))
        self.now = FRIDAY
        self.app = App(folder, clock=lambda: self.now)
        rows = read_subscribers(b"email\na@example.org\nb@example.org\n", "readers.csv")
        self.app.add_subscribers("weekly", rows, True, "readers.csv")
        (folder / "entries" / "a.txt").write_text("Tides\n\nA high one\nIt came.\n")
        asyncio.run(self.app.intake.pickup())


def test_an_issue_approved_days_later_still_leaves(tmp_path: Path) -> None:
    site = Site(tmp_path, "approve")
    with site.app as app, app.owning():
        site.now = MONDAY
        (issue,) = app.open_issues()
        assert issue.state is IssueState.DRAFT
        site.now = MONDAY + timedelta(days=4)
        app.open_issues()
        assert app.issues.books(issue.id) == {DeliveryState.QUEUED: 2}, "a draft does not expire"
        app.decisions.approve(issue.id, "a test", site.now)
        site.now += timedelta(seconds=2)
        app.open_issues()
        assert app.issues.books(issue.id) == {DeliveryState.QUEUED: 2}
        assert app.is_sendable()


def test_dates_that_passed_unseen_are_told_once(tmp_path: Path) -> None:
    site = Site(tmp_path, "auto")
    with site.app as app, app.owning():
        site.now = MONDAY + timedelta(weeks=3)
        (issue,) = app.open_issues()
        assert issue.slot == "weekly:2026-W51"
        app.open_issues()
        told = [notice.sentence for notice in app.desk.notices(10)]
        assert len(told) == 1
        assert "missed 3 weekly dates before weekly:2026-W51" in told[0]
        assert "Nothing is lost" in told[0]


def test_no_date_of_before_the_digest_counts_as_missed(tmp_path: Path) -> None:
    site = Site(tmp_path, "auto")
    with site.app as app, app.owning():
        site.now = MONDAY
        assert len(app.open_issues()) == 1
        assert app.desk.notices(10) == []
