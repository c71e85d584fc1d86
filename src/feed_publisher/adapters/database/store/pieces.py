"""Entries as they stand in feeds, kept so that a feed with one new entry renders that one alone.

A piece is stored by the transaction that puts out the live document it stands in, and deleted by any that changes its
entry. Both lock the feed, so a piece that is there is current, and stood in a document that was found valid.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from feed_publisher.adapters.database.schema import entry_piece
from feed_publisher.adapters.database.store.common import chunks, insert_missing
from feed_publisher.domain.model import FeedPiece

_BETWEEN = b"\0"
"""No feed may hold it."""

_LEVEL = 1
"""Of zlib: the three formats say nearly the same, so that even the fastest level makes a fifth of them."""


_THESE = select(entry_piece.c.entry_id, entry_piece.c.data).where(
    entry_piece.c.entry_id.in_(bindparam("entries", expanding=True)), entry_piece.c.recipe == bindparam("by")
)


def load_pieces(connection: Connection, recipe: str, entries: Sequence[int]) -> dict[int, FeedPiece]:
    """Those there are, by the number of the entry; ``recipe`` names what they are made with."""
    rows = connection.execute(_THESE, {"entries": list(entries), "by": recipe})
    return {number: _unpacked(data) for number, data in rows}


def store_pieces(connection: Connection, recipe: str, pieces: Mapping[int, FeedPiece]) -> None:
    rows = [{"entry_id": number, "recipe": recipe, "data": _packed(piece)} for number, piece in pieces.items()]
    insert_missing(connection, entry_piece, rows)


def drop_pieces(connection: Connection, entries: Sequence[int] | Any) -> None:
    """``entries``: numbers, or a query for them."""
    if not isinstance(entries, Sequence):
        connection.execute(delete(entry_piece).where(entry_piece.c.entry_id.in_(entries)))
        return
    for chunk in chunks(entries, 500):
        connection.execute(delete(entry_piece).where(entry_piece.c.entry_id.in_(chunk)))


def drop_other_pieces(connection: Connection, recipes: Collection[str]) -> None:
    """Those of other recipes."""
    connection.execute(delete(entry_piece).where(entry_piece.c.recipe.not_in(recipes)))


def _packed(piece: FeedPiece) -> bytes:
    parts = (piece.id.encode(), piece.updated.isoformat().encode(), piece.atom, piece.rss, piece.json)
    return zlib.compress(_BETWEEN.join(parts), _LEVEL)


def _unpacked(data: bytes) -> FeedPiece:
    id, updated, atom, rss, json = zlib.decompress(data).split(_BETWEEN)
    return FeedPiece(id=id.decode(), updated=datetime.fromisoformat(updated.decode()), atom=atom, rss=rss, json=json)
