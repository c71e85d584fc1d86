"""A mail server that is down, refuses, defers or hangs up; and hands that stop a run in the middle of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faults.crash import command, run, sink
from faults.relay import CUT, Relay
from flow.flow_site import DAY, HOUR, Site, listing, parse_mail, sql

from feed_publisher.app import App
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.model import EntryState
from feed_publisher.parse.subscribers import read_subscribers
from feed_publisher.ports.pickup import Page
from feed_publisher.ports.sending import Mark
from feed_publisher.services.send import SendReport

READERS = ("ann", "ben", "cleo", "dora", "eve")


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@pytest.fixture
def site(tmp_path: Path, relay: Relay) -> Iterator[Site]:
    """Five readers, one article, and the relay with one connection."""
    made = Site(tmp_path / "site", overrides=relay.overrides).make()
    made.join("email\n" + "".join(f"{name}@example.org\n" for name in READERS))
    made.write("one.txt", listing("News", [1]))
    made.pickup()
    yield made
    made.assert_books_balance()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def states(site: Site) -> dict[str, str]:
    """The state of each reader's newest delivery."""
    rows = site.sql(
        "SELECT s.address, d.state FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id ORDER BY d.id"
    )
    return {address.partition("@")[0]: state for address, state in rows}


def next_issue(site: Site, relay: Relay) -> dict[str, list[int]]:
    """One more article, mailed: what each reader finds in this mail."""
    relay.at_rcpt.clear()
    relay.at_end.clear()
    before = len(relay.accepted)
    site.now += DAY
    site.write("two.txt", listing("News", [2]))
    site.pickup()
    assert site.send() is not None
    mails = [parse_mail(raw, to) for to, raw in relay.accepted[before:]]
    return {mail.to.partition("@")[0]: sorted(mail.numbered()) for mail in mails}


# Down


def test_relay_down_is_exit_75_one_line_and_nothing_lost(tmp_path: Path) -> None:
    port = free_port()
    site = Site(tmp_path / "site").make()
    site.join("email\n" + "".join(f"{name}@example.org\n" for name in READERS))
    site.write("one.txt", listing("News", [1]))
    site.pickup()
    relay = Relay(port=port)
    words = [word for pair in relay.overrides for word in ("--config", pair)]
    down = run(site.folder, *words, "send", "weekly", "--yes")
    assert down.returncode == 75
    assert re.fullmatch(rf"error: 127\.0\.0\.1:{port}: .+\n", down.stderr)
    assert states(site) == dict.fromkeys(READERS, "queued")
    assert run(site.folder, *words, "tick").returncode == 75
    assert states(site) == dict.fromkeys(READERS, "queued")
    with relay:
        assert run(site.folder, *words, "tick").returncode == 0
    assert relay.got == dict.fromkeys(READERS, 1)
    assert states(site) == dict.fromkeys(READERS, "sent")
    assert [issue.state for issue in site.mailed_issues()] == [IssueState.FINISHED]


# Refusals


def test_an_address_that_does_not_exist_bounces_and_is_never_mailed_again(site: Site, relay: Relay) -> None:
    relay.at_rcpt["ben"] = "550 5.1.1 no such mailbox"
    issue = site.send()
    assert issue is not None
    assert site.books(issue.id) == {"sent": 4, "bounced": 1}
    assert states(site)["ben"] == "bounced"
    assert next_issue(site, relay) == {name: [2] for name in READERS if name != "ben"}
    assert states(site)["ben"] == "suppressed"


def test_a_refusal_that_is_about_us_suppresses_nobody_and_comes_again(site: Site, relay: Relay) -> None:
    relay.at_rcpt["ben"] = "550 5.7.1 your kind of mail is not wanted"
    relay.at_end["cleo"] = "550 5.7.1 looks like spam"
    issue = site.send()
    assert issue is not None
    assert site.books(issue.id) == {"sent": 3, "bounced": 2}
    assert site.sql("SELECT count(*) FROM suppression") == [(0,)]
    assert next_issue(site, relay) == {name: [1, 2] if name in ("ben", "cleo") else [2] for name in READERS}


def test_a_deferred_mail_is_tried_again_with_the_same_bytes(site: Site, relay: Relay) -> None:
    bodies: list[bytes] = []
    relay.at_rcpt["ben"] = "451 4.7.1 greylisted"
    relay.at_end["cleo"] = "451 4.3.0 disk is full"
    issue = site.send()
    assert issue is not None
    assert site.books(issue.id) == {"sent": 3, "deferred": 2}
    site.tick()
    assert sum(relay.got.values()) == 3, "not before its time"
    site.now += HOUR
    site.tick()
    assert site.books(issue.id) == {"sent": 3, "deferred": 2}
    relay.at_rcpt.clear()
    relay.at_end.clear()
    site.now += 2 * HOUR
    site.tick()
    assert site.books(issue.id) == {"sent": 5}
    assert relay.got == dict.fromkeys(READERS, 1)
    bodies = [raw.split(b"\r\n\r\n", 1)[0] for _, raw in relay.accepted]
    dates = {re.search(rb"^Date: (.*)$", head, re.MULTILINE)[1] for head in bodies}  # type: ignore[index]
    assert len(dates) == 1


def test_a_mail_deferred_too_long_expires_and_its_articles_come_in_the_next(site: Site, relay: Relay) -> None:
    relay.at_rcpt["ben"] = "451 4.7.1 not now"
    issue = site.send()
    assert issue is not None
    site.now += 3 * DAY
    site.tick()
    assert site.books(issue.id) == {"sent": 4, "expired": 1}
    assert next_issue(site, relay)["ben"] == [1, 2]


def test_cut_before_the_answer_is_in_doubt_held_and_resent_by_hand(site: Site, relay: Relay) -> None:
    relay.at_end["cleo"] = CUT
    issue = site.send()
    assert issue is not None
    assert site.books(issue.id) == {"sent": 4, "unknown": 1}
    site.now += DAY
    site.tick()
    assert relay.got["cleo"] == 0, "held: nobody decides for the operator"
    assert site.books(issue.id)["unknown"] == 1
    relay.at_end.clear()
    words = [word for pair in relay.overrides for word in ("--config", pair)]
    done = run(site.folder, *words, "issues", "resend", str(issue.id), "--state", "unknown", "--json")
    assert '"queued": 1' in done.stdout
    site.now = datetime.now(UTC) + DAY  # the command queued it by the real clock
    site.tick()
    assert relay.got == dict.fromkeys(READERS, 1)
    assert site.books(issue.id) == {"sent": 5}


def test_unknown_counts_as_received_by_the_next_issue(site: Site, relay: Relay) -> None:
    relay.at_end["cleo"] = CUT
    site.send()
    assert next_issue(site, relay) == {name: [2] for name in READERS}


def test_leaving_between_claim_and_mark_stops_the_mail(site: Site, relay: Relay) -> None:
    """All five are claimed at once; while ann's is answered, dora leaves, and eve goes on the never-mail list."""
    words = [word for pair in relay.overrides for word in ("--config", pair)]

    def meanwhile(name: str) -> None:
        if name == "ann":
            assert states(site)["dora"] == "claimed"
            with App(site.folder, site.overrides) as other:
                assert other.people.leave(4, site.now)
            assert run(site.folder, *words, "suppress", "add", "eve@example.org").returncode == 0

    relay.on_end = meanwhile
    issue = site.send()
    assert issue is not None
    assert relay.got == dict.fromkeys(("ann", "ben", "cleo"), 1)
    assert site.books(issue.id) == {"sent": 3, "excluded": 1, "suppressed": 1}
    assert (states(site)["dora"], states(site)["eve"]) == ("excluded", "suppressed")


# Stopping in the middle


def stop_after(site: Site, relay: Relay, name: str, then: Callable[[App, int], object]) -> Issue:
    """A manual send in which ``then`` happens, in another App, while the mail of ``name`` is answered."""
    with site.open() as app, app.owning():
        issue = app.open_manual("weekly")
        assert issue is not None

        def meanwhile(answered: str) -> None:
            if answered == name:
                with App(site.folder, site.overrides, clock=lambda: site.now) as other:
                    then(other, issue.id)

        relay.on_end = meanwhile

        async def deliver() -> SendReport:
            async with app.relay() as mailer:
                return await app.send_run(mailer).run()

        asyncio.run(deliver())
        relay.on_end = None
        return app.issues.get(issue.id)


def test_pause_in_the_middle_then_resume(site: Site, relay: Relay) -> None:
    issue = stop_after(
        site, relay, "ben", lambda app, number: app.issues.change_state(number, (IssueState.READY,), IssueState.PAUSED)
    )
    assert relay.got == {"ann": 1, "ben": 1}
    assert site.books(issue.id) == {"sent": 2, "queued": 3}
    site.tick()
    assert sum(relay.got.values()) == 2
    with site.open() as app:
        app.issues.change_state(issue.id, (IssueState.PAUSED,), IssueState.READY)
    site.tick()
    assert relay.got == dict.fromkeys(READERS, 1)
    assert [each.state for each in site.mailed_issues()] == [IssueState.FINISHED]


def test_cancel_in_the_middle_and_the_rest_comes_with_the_next(site: Site, relay: Relay) -> None:
    issue = stop_after(site, relay, "ben", lambda app, number: app.issues.cancel(number, site.now))
    assert issue.state is IssueState.CANCELLED
    assert site.books(issue.id) == {"sent": 2, "excluded": 3}
    site.tick()
    assert sum(relay.got.values()) == 2
    assert next_issue(site, relay) == {name: [2] if name in ("ann", "ben") else [1, 2] for name in READERS}


def test_stop_finishes_what_is_on_its_way_and_queues_the_rest(site: Site, relay: Relay) -> None:
    with site.open() as app, app.owning():
        issue = app.open_manual("weekly")
        assert issue is not None

        async def deliver() -> None:
            async with app.relay() as mailer:
                sending = app.send_run(mailer)
                relay.on_end = lambda name: sending.stop() if name == "cleo" else None
                await sending.run()

        asyncio.run(deliver())
        assert app.issues.books(issue.id) == {DeliveryState.SENT: 3, DeliveryState.QUEUED: 2}
    assert relay.got == {"ann": 1, "ben": 1, "cleo": 1}
    relay.on_end = None
    site.tick()
    assert relay.got == dict.fromkeys(READERS, 1)


@pytest.mark.parametrize(("reply", "state"), [("421 4.7.0 too many of you", "queued"), ("454 4.7.1 no", "deferred")])
def test_one_recipient_the_relay_will_not_have_stops_no_other(site: Site, relay: Relay, reply: str, state: str) -> None:
    relay.at_rcpt["cleo"] = reply
    site.send()
    assert site.books(1) == {"sent": 4, state: 1}
    relay.at_rcpt.clear()
    site.now += timedelta(minutes=6)
    site.tick()
    assert relay.got == dict.fromkeys(READERS, 1)


def test_what_a_run_leaves_in_its_hands_is_in_doubt_and_the_digest_goes_on(site: Site, relay: Relay) -> None:
    """The process ends well, but a result was never stored: no row may stay transmitting for ever."""
    with site.open() as app:
        with app.owning():
            issue = app.open_manual("weekly")
            assert issue is not None
            (claimed,) = app.ledger.claim(issue.id, app.owner.name, 1, app.clock())
            mark = Mark(delivery=claimed.delivery, attempt=claimed.attempt, edition=claimed.edition)
            assert app.ledger.settle(app.owner.name, [], [mark], app.clock()) == {claimed.delivery}
        assert app.issues.books(issue.id)[DeliveryState.UNKNOWN] == 1
    site.write("two.txt", listing("News", [2]))
    site.tick()
    site.send()
    assert sum(relay.got.values()) == 4 + 5, "four of the first issue, and everybody of the second"


def test_a_digest_taken_out_of_the_settings_stops_no_other(site: Site, relay: Relay) -> None:
    with site.open() as app, app.owning():
        assert app.open_manual("weekly") is not None
    other = 'slug = "other"\ntitle = "Other"\nfrom_address = "other@example.org"\n'
    toml = site.folder / "publisher.toml"
    before = toml.read_text()
    toml.write_text(before.replace('slug = "weekly"', 'slug = "renamed"') + f"[[digests]]\n{other}backfill = 'all'\n")
    with site.open() as app:
        rows = read_subscribers(b"email\nzoe@example.org\n", "zoe.csv")
        app.add_subscribers("other", rows, True, "zoe.csv")
        with app.owning():
            assert app.open_manual("other") is not None
            app.open_issues()

            async def deliver() -> None:
                async with app.relay() as mailer:
                    await app.send_run(mailer).run()

            asyncio.run(deliver())
        assert relay.got == {"zoe": 1}
        assert any("'weekly'" in notice.sentence for notice in app.desk.notices(9))
    toml.write_text(before)
    site.tick()
    assert relay.got == {"zoe": 1, **dict.fromkeys(READERS, 1)}


def test_a_withdrawn_article_does_not_leave_even_when_claimed(site: Site, relay: Relay) -> None:
    with site.open() as app:
        with app.owning():
            issue = app.open_manual("weekly")
            assert issue is not None
            claimed = app.ledger.claim(issue.id, app.owner.name, 5, app.clock())
            (entry,) = app.entries.page(Page())
            app.change_entry(entry.key, (EntryState.PUBLIC,), EntryState.WITHDRAWN)
            marks = [Mark(delivery=c.delivery, attempt=c.attempt, edition=c.edition) for c in claimed]
            assert app.ledger.settle(app.owner.name, [], marks, app.clock()) == set()
        assert app.issues.books(issue.id) == {DeliveryState.EXCLUDED: 5}
    assert relay.got == {}


# SIGTERM


@pytest.mark.parametrize("pipelining", [False, True], ids=["lockstep", "pipelined"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_send_lets_the_answers_come(
    tmp_path: Path, ending: signal.Signals, pipelining: bool
) -> None:
    log = tmp_path / "log"
    with sink(log, 80, pipelining) as port:
        folder = tmp_path / "site"
        site = Site(folder).make()
        site.join("email\n" + "".join(f"r{number}@example.org\n" for number in range(120)))
        site.write("one.txt", listing("News", [1]))
        site.pickup()
        relay = ("smtp.host=127.0.0.1", f"smtp.port={port}", "smtp.tls=none")
        with App(folder, relay) as app:
            assert app.open_manual("weekly") is not None
        words = [word for pair in relay for word in ("--config", pair)]
        serving = subprocess.Popen(
            command(folder, *words, "serve", "--port", str(free_port())),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        )
        try:
            deadline = time.monotonic() + 30
            while not (log.exists() and log.read_bytes().count(b"\n") >= 20):
                assert time.monotonic() < deadline
                assert serving.poll() is None
                time.sleep(0.01)
            serving.send_signal(ending)
            said, _ = serving.communicate(timeout=20)
        finally:
            serving.kill()
            serving.wait()
        assert serving.returncode == 0, said
        assert b"Traceback" not in said
        counts = dict(sql(folder, "SELECT state, count(*) FROM delivery GROUP BY state"))
        assert set(counts) == {"sent", "queued"}, said
        accepted = [line.split()[0] for line in log.read_text().splitlines()]
        assert len(accepted) == len(set(accepted)) == counts["sent"] < 120
        site.assert_books_balance()
        assert list((folder / "var" / "run").glob("*.lock")) == []
        assert run(folder, *words, "tick").returncode == 0
        accepted = [line.split()[0] for line in log.read_text().splitlines()]
        assert len(accepted) == len(set(accepted)) == 120
