"""What carrying sponsors needs. A method of a Protocol is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from feed_publisher.domain.sponsor import Sponsor, SponsorBlock


class SponsorStore(Protocol):
    """Which sponsors issues carry. They are chosen when an issue claims its slot (``IssueStore.claim_slot``)."""

    def of_issue(self, issue: int) -> tuple[SponsorBlock, ...]:
        """Those it carries, without what was left out by hand."""
        ...

    def next(self, candidates: Sequence[Sponsor], rehearsal: bool) -> tuple[SponsorBlock, ...]:
        """Those that an issue would carry that is opened now; it takes nothing."""
        ...

    def used(self, sponsors: Sequence[str], rehearsal: bool) -> dict[str, int]:
        """How many issues carry, or have carried, each of them; rehearsals count only where all is one."""
        ...
