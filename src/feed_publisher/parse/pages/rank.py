"""How good a reading of a page is, so that the best of several can be taken."""

from __future__ import annotations

from collections.abc import Sequence

from feed_publisher.domain.model import Draft

FEW = 3  # entries that count half as much as very many


def quality(drafts: Sequence[Draft]) -> float:
    """0 to 1: complete entries first, then more of them."""
    if not drafts:
        return 0.0
    return sum(map(completeness, drafts)) / len(drafts) * len(drafts) / (len(drafts) + FEW)


def completeness(draft: Draft) -> float:
    parts = (0.3, True), (0.3, draft.link), (0.25, draft.summary), (0.08, draft.authors), (0.07, draft.published)
    return sum(weight for weight, has in parts if has)
