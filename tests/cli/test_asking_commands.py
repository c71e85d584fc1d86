"""subscribers ask and asked: what they show, what scripts get, and what they refuse."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.relay import Relay
from flow.flow_site import sql

# Sites and readers are those of the other commands.
sys.path.append(str(Path(__file__).parent))

from test_commands import Cli, cli, full

__all__ = ["cli", "full"]


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@pytest.fixture
def real(full: Cli, relay: Relay) -> Cli:
    """With a mail server."""
    return Cli(full.folder, relay.overrides)


def test_first_it_is_shown(real: Cli, relay: Relay) -> None:
    shown = real.json("subscribers", "ask", "weekly", "--unconfirmed", "--dry-run")
    assert (shown["readers"], shown["round"], shown["rehearsal"]) == (3, None, False)
    assert (shown["remind_after"], shown["pause_after"], shown["per_day"]) == (7, 14, None)
    assert shown["left_out"] == {"paused": 0, "never mailed": 0, "asked already": 0, "no readers": 0}
    assert shown["subject"].startswith("Do you still want ")
    assert "/keep/" in shown["text"]
    done = real("subscribers", "ask", "weekly", "--unconfirmed", "--per-day", 2)
    assert done.code == 2
    assert "nobody was asked; --yes does it" in done.err
    words = real.ok("subscribers", "ask", "weekly", "--unconfirmed", "--per-day", 2, "--dry-run").out
    assert "3 readers of weekly to be asked" in words
    assert f"  {shown['subject']}\n" in words
    assert "2 are asked in a day, the last ones on " in words
    assert "Who has not answered after 7 days is asked once more, and paused after 14 days." in words
    assert real.json("subscribers", "asked", "weekly") == {"rounds": []}
    assert "nobody of weekly was asked" in real.ok("subscribers", "asked", "weekly").out
    assert sql(real.folder, "SELECT count(*) FROM asked") == [(0,)]
    real.ok("tick")
    assert not any(b"/keep/" in raw for _, raw in relay.accepted)


def test_a_round_from_the_command_line(real: Cli, relay: Relay, tmp_path: Path) -> None:
    some = tmp_path / "some.csv"
    some.write_text("email\nann@example.org\nnobody@example.org\nben@example.org\n")
    began = real.json("subscribers", "ask", "weekly", "--file", some, "--yes")
    assert (began["round"], began["readers"], began["left_out"]["no readers"]) == (1, 2, 1)
    real.ok("tick")
    assert {to for to, raw in relay.accepted if b"/keep/" in raw} == {"ann@example.org", "ben@example.org"}
    sql(real.folder, "UPDATE asked SET state = 'reminded', due_at = '2020-01-01' WHERE subscription_id = 1")
    real.ok("tick")
    ((round_),) = real.json("subscribers", "asked", "weekly")["rounds"]
    assert {name: count for name, count in round_["states"].items() if count} == {"asked": 1, "paused": 1}
    assert round_["part"] == {"file": "some.csv"}
    words = real.ok("subscribers", "asked", "weekly").out
    assert "2 readers, file some.csv\n  goes on\n" in words
    assert "1\tsilent, paused" in words
    why = real.ok("subscribers", "why", "ann@example.org").out
    assert "weekly: Was asked twice whether it is still wanted, and did not answer: paused until" in why
    assert "paused: asked twice whether it is still wanted, no answer (round 1)" in (
        real.ok("subscribers", "show", "ann@example.org").out
    )
    again = real.json("subscribers", "ask", "weekly", "--everybody", "--dry-run")
    assert (again["readers"], again["left_out"]["paused"], again["left_out"]["asked already"]) == (1, 1, 1)
    assert real.json("subscribers", "ask", "weekly", "--stop") == {"digest": "weekly", "stopped": 1}
    assert "left alone" in real.ok("subscribers", "asked", "weekly").out
    assert "none goes on" in real.ok("subscribers", "ask", "weekly", "--stop").out


def test_a_rehearsal_says_that_it_is_one(full: Cli) -> None:
    words = full.ok("subscribers", "ask", "weekly", "--everybody", "--yes").out
    assert "This is a rehearsal" in words
    assert "nobody is paused or changed" in words
    assert "a rehearsal: nobody is paused or changed" in full.ok("subscribers", "asked", "weekly").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say who is to be asked: --joined-before"),
        (("--everybody", "--unconfirmed"), "--everybody: leave it out"),
        (("--cadence", "hourly"), "--cadence: 'hourly' is not offered"),
        (("--joined-before", "yesterday"), "--joined-before: 'yesterday' is not a date"),
        (("--import", "7"), "there is no import 7"),
        (("--everybody", "--remind-after", "0"), "--remind-after: must be from 1 to 365 days"),
        (("--everybody", "--remind-after", "14"), "--pause-after: must be from 15 to 365 days"),
        (("--everybody", "--per-day", "0"), "--per-day: must be at least 1"),
        (("--file", "none.csv"), "none.csv: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(full: Cli, words: tuple[str, ...], said: str) -> None:
    assert said in full.fails("subscribers", "ask", "weekly", *words)
    assert "there is no digest 'monthly'" in full.fails("subscribers", "asked", "monthly")


def test_an_import_of_another_digest_is_refused(full: Cli) -> None:
    with (full.folder / "publisher.toml").open("a") as settings:
        settings.write('\n[[digests]]\nslug = "other"\ntitle = "Other"\nfrom_address = "o@harbour.example"\n')
    assert "import 1 was not for other" in full.fails("subscribers", "ask", "other", "--import", "1")
