"""What a digest needs that goes to the operators only. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from feed_publisher.ports.people import NewSubscription

SEATED = "an operator in the settings"
"""The consent source of an operator's subscription to a shadow."""


class ShadowStore(Protocol):
    """Digests that rest, and their shadows."""

    def resting(self) -> dict[str, bool]:
        """Every digest there has been by its slug: whether nothing is mailed of it, because its other half is."""
        ...

    def seated(self, slug: str) -> Mapping[str, str]:
        """The operators that a shadow has, those included who have left it by themselves: address key to cadence."""
        ...

    def begin(self, slug: str, operators: Sequence[NewSubscription], cadences: Sequence[str], now: datetime) -> None:
        """From now on the digest goes to these operators only. The same again brings them up to date.

        Who has left by their own act stays so until they are no operator and become one again.
        """
        ...

    def end(self, slug: str, now: datetime) -> None:
        """From now on the digest goes to its readers. Their places are where they were; no date before now is due."""
        ...

    def end_issues(self, now: datetime) -> int:
        """End the issues of digests that rest; how many. Their mails that wait are ended by ``end_mails``."""
        ...

    def ended_issues(self) -> list[int]:
        """Issues ended by ``end_issues`` that have mails which wait."""
        ...

    def end_mails(self, issue: int, behind: int, limit: int, now: datetime) -> tuple[int | None, int]:
        """End what waits of such an issue among so many subscriptions behind one; the articles come again.

        Up to where it got (None: to the end), and how many mails.
        """
        ...
