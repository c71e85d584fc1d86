"""Values that tests of different floors begin with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from feed_publisher.domain.model import Entry, EntryState

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def an_entry(number: int = 1, **changes: object) -> Entry:
    """A public entry without topics."""
    entry = Entry(
        number=number,
        revision=number,
        key=f"key{number}",
        id=f"urn:uuid:{number}",
        title=f"Title {number}",
        authors=(),
        summary="",
        content_html="",
        link=None,
        language=None,
        published=NOW,
        updated=NOW,
        state=EntryState.PUBLIC,
    )
    return replace(entry, **changes)  # type: ignore[arg-type]
