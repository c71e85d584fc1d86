"""kill -9 during a send: 0 lost, 0 twice, in doubt at most one per open connection and kill."""

from __future__ import annotations

import pytest
from faults.crash import CONNECTIONS, crash


@pytest.mark.timeout(300)
@pytest.mark.parametrize("pipelining", [False, True], ids=["lockstep", "pipelined"])
def test_kill_minus_nine_in_the_middle_of_a_send(pipelining: bool) -> None:
    outcome = crash(recipients=150, kills=5, seed=2026, pipelining=pipelining)
    assert outcome.kills >= 3, "the kills must hit a running send to prove anything"
    assert (outcome.lost, outcome.twice) == (0, 0), outcome
    assert outcome.in_doubt <= outcome.kills * CONNECTIONS
    assert outcome.balanced
    assert outcome.states.get("sent", 0) + outcome.in_doubt == 150
