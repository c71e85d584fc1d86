"""The page that “still want this?” leads to: its link may only say yes, for one subscription."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from feed_publisher.domain.token import Claim, Purpose, split_round
from feed_publisher.ports.asking import Keeper, KeepingStore


class Keeping:
    """``read`` tells what a genuine token says."""

    def __init__(self, store: KeepingStore, read: Callable[[str], Claim | None]) -> None:
        self._store = store
        self._read = read

    def keeper(self, token: str) -> Keeper | None:
        """Whose link it is; None for one that is not genuine."""
        found = self._of(token)
        return self._store.keeper(*found) if found else None

    def keep(self, token: str, fresh: bool, now: datetime) -> bool:
        """Yes. ``fresh``: of a pause that silence had brought, nothing is sent that came meanwhile.

        False where it comes too late: after unsubscribing, or for an address that is never mailed.
        """
        found = self._of(token)
        if found is None:
            return False
        source = f"said yes on the page of the mail that asked (round {found[0]})"
        return self._store.keep(*found, fresh, source, now)

    def is_silent(self, subscription: int) -> bool:
        """Whether it is paused because its reader was asked twice and did not answer."""
        return self._store.is_silent(subscription)

    def _of(self, token: str) -> tuple[int, int] | None:
        claim = self._read(token)
        return split_round(claim.subject) if claim is not None and claim.purpose is Purpose.KEEP else None
