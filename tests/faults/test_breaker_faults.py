"""A mail server that refuses us: the issue stops at once, and no reader pays for it."""

from __future__ import annotations

from pathlib import Path

from faults.relay import Relay
from flow.flow_site import Site, listing

from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import IssueState

COUNT = 60
US = "550 5.7.515 this sender does not meet the required authentication level"


def made(folder: Path, relay: Relay) -> Site:
    site = Site(folder / "site", overrides=relay.overrides).make()
    site.join("email\n" + "".join(f"reader{number}@example.org\n" for number in range(COUNT)))
    site.write("one.txt", listing("News", [1]))
    site.pickup()
    return site


def test_an_issue_that_is_refused_as_a_whole_is_paused_and_goes_on_later(tmp_path: Path) -> None:
    with Relay(at_mail=US) as relay:
        site = made(tmp_path, relay)
        issue = site.send()
        assert issue is not None
        assert issue.state is IssueState.PAUSED
        books = site.books(issue.id)
        assert 10 <= books["bounced"] <= 12
        assert books["queued"] == COUNT - books["bounced"]
        assert site.sql("SELECT count(*) FROM suppression") == [(0,)]
        (told,) = site.sql("SELECT sentence FROM notice WHERE about LIKE 'refused%'")
        assert "5.7.515" in told[0]
        site.tick()
        assert relay.accepted == [], "paused is paused"

        relay.at_mail = ""
        with site.open() as app:
            app.ledger.resend(issue.id, [DeliveryState.BOUNCED], None, site.now)
            app.issues.change_state(issue.id, (IssueState.PAUSED,), IssueState.READY)
        site.tick()
        assert len(relay.accepted) == COUNT
        assert max(relay.got.values()) == 1
        site.assert_books_balance()


def test_dead_addresses_stop_no_issue(tmp_path: Path) -> None:
    with Relay(at_rcpt={f"reader{n}": "550 5.1.1 no such user" for n in range(0, COUNT, 2)}) as relay:
        site = made(tmp_path, relay)
        issue = site.send()
        assert issue is not None
        assert (issue.state, site.books(issue.id)) == (IssueState.FINISHED, {"bounced": COUNT // 2, "sent": COUNT // 2})
