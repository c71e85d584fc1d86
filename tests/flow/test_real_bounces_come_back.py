"""Every real bounce comes back to the address of one mail: it is that reader whom it changes, and nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flow_site import Site
from test_mail_back import arrive, envelope_senders, never_mailed, prepared, received, states

from feed_publisher.domain.bounce import BounceKind, consequence
from feed_publisher.parse.bounce import read_returned


def test_the_right_reader_each_time(site: Site) -> None:
    folder = Path(os.environ.get("FLUFL_BOUNCE_DATA", "/nowhere"))
    mails = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.txt"))}
    if not mails:
        pytest.skip("FLUFL_BOUNCE_DATA names no folder with the real bounces")
    site.join("email\n" + "".join(f"{name}@example.org\n" for name in mails))
    prepared(site)
    senders = envelope_senders(site)
    for name, raw in mails.items():
        arrive(site, senders[f"{name}@example.org"], raw, name)
    kinds = {name: report.kind if (report := read_returned(raw, "").report) else None for name, raw in mails.items()}
    found = states(site)
    for name, kind in kinds.items():
        wanted = (consequence(kind).state if kind else None) or "sent"
        assert found[f"{name}@example.org"] == (wanted, "active"), name
    hard = {f"{name}@example.org" for name, kind in kinds.items() if kind is BounceKind.HARD}
    assert set(never_mailed(site)) == hard
    assert found["ann@example.org"] == found["ben@example.org"] == ("sent", "active")
    assert sum(received(site).values()) == len(mails)
