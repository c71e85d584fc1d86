"""The real bounces that the library flufl.bounce is tested with; they are not ours to ship.

They are in its source distribution: `pip download --no-deps --no-binary :all: flufl.bounce`, unpacked, and
FLUFL_BOUNCE_DATA=…/tests/data. Without them these tests skip.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from feed_publisher.domain.bounce import BounceKind
from feed_publisher.parse.bounce import read_returned

NOT_BOUNCES = {"bounce_01", "dumbass_01", "groupwise_03", "qmail_08", "simple_43"}
"""Of no known form, an automatic answer, or from a person's address: counted or passed on, never acted on."""

TEMPORARY = {
    *("dsn_03", "dsn_05", "dsn_06", "dsn_07", "dsn_08", "dsn_17", "dsn_18"),
    *("simple_03", "simple_21", "simple_22", "simple_28", "simple_35", "simple_40"),
}
"""Those that say that it is still being tried."""


@pytest.fixture(scope="module")
def mails() -> dict[str, bytes]:
    folder = Path(os.environ.get("FLUFL_BOUNCE_DATA", "/nowhere"))
    found = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.txt"))}
    if not found:
        print("\n*** NO REAL BOUNCES: their tests are skipped. Set FLUFL_BOUNCE_DATA. ***")
        pytest.skip("FLUFL_BOUNCE_DATA names no folder with the real bounces")
    return found


def test_each_is_what_it_is(mails: dict[str, bytes]) -> None:
    assert len(mails) == 117
    reports = {name: read_returned(raw).report for name, raw in mails.items()}
    assert {name for name, report in reports.items() if report is None} == NOT_BOUNCES
    kinds = {name: report.kind for name, report in reports.items() if report is not None}
    assert {name for name, kind in kinds.items() if kind is BounceKind.DELAYED} == TEMPORARY
    hard = {name for name, kind in kinds.items() if kind is BounceKind.HARD}
    assert not hard & TEMPORARY
    assert len(hard) == 12
    assert all("5.1.1" in str(reports[name]) for name in hard)


def test_with_the_envelope_of_a_report_none_is_taken_for_a_persons(mails: dict[str, bytes]) -> None:
    kinds = {name: read_returned(raw, "").nature for name, raw in mails.items()}
    assert {name for name, nature in kinds.items() if nature == "human"} == set()
