"""Digests that go to the operators only: each start brings the database up to what the settings say about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.domain.address import Address
from feed_publisher.domain.shadow import shadow_of
from feed_publisher.ports.people import NewSubscription
from feed_publisher.ports.shadows import SEATED, ShadowStore

BATCH = 500
"""Mails ended in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who gets a digest that goes to the operators only, and the cadences it comes in, the usual one first."""

    operators: Sequence[Address]
    cadences: Sequence[str]


class Shadowing:
    """``desks``: every digest of the settings by slug; None for one that goes to its readers."""

    def __init__(self, store: ShadowStore, desks: Mapping[str, Desk | None], key_of: Callable[[Address], str]) -> None:
        self._store = store
        self._desks = desks
        self._key_of = key_of

    def declare(self, now: datetime) -> None:
        """Let each digest go to whom it is to go; writes only what has changed since the last start."""
        resting = self._store.resting()
        for slug, desk in self._desks.items():
            if desk is not None:
                self._begin(slug, desk, resting, now)
            elif resting[slug] or not resting.get(shadow_of(slug), True):
                self._store.end(slug, now)
        self._store.end_issues(now)

    def _begin(self, slug: str, desk: Desk, resting: Mapping[str, bool], now: datetime) -> None:
        wanted = [self._operator(slug, address) for address in desk.operators]
        seated = self._store.seated(slug)
        same = seated.keys() == {each.address_key for each in wanted} and set(seated.values()) <= set(desk.cadences)
        if same and resting[slug] and resting.get(shadow_of(slug)) is False:
            return
        self._store.begin(slug, wanted, desk.cadences, now)

    def _operator(self, slug: str, address: Address) -> NewSubscription:
        return NewSubscription(
            address=address.typed,
            address_key=self._key_of(address),
            digest=shadow_of(slug),
            active=True,
            consent_source=SEATED,
        )

    def stand_down(self, now: datetime) -> int:
        """End what still waits of digests that rest, in short steps; how many mails."""
        self._store.end_issues(now)
        count = 0
        for issue in self._store.ended_issues():
            behind: int | None = 0
            while behind is not None:
                behind, ended = self._store.end_mails(issue, behind, BATCH, now)
                count += ended
        return count
