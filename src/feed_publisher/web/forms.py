"""Reading small forms from strangers: urlencoded or multipart, bounded, without files."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request

from feed_publisher.domain.language import Say

MAX_BYTES = 20_000
MAX_FIELDS = 300

LONG_BYTES = 200_000
LONG_FIELDS = 2_000
"""For whoever has a link of their own: a reader chooses among hundreds of topics, an operator leaves out as many
articles, and a note in a script other than Latin has nine bytes a character on its way."""

_HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a character: a sender who names an odd charset brings one in, and no page and no database can write it."""


class Fields:
    """The text fields of a form."""

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = items

    def get(self, name: str) -> str:
        """The last one of this name, or ""."""
        return next((value for key, value in reversed(self._items) if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Each value once."""
        return tuple(dict.fromkeys(value for key, value in self._items if key == name))


async def read_form(request: Request) -> dict[str, str]:
    """The text fields; the last one wins. Raises 413 for a body that no form of ours can have."""
    return dict(await _read(request, MAX_BYTES, MAX_FIELDS))


async def read_fields(request: Request) -> Fields:
    """For forms in which a name may come several times."""
    return Fields(await _read(request, LONG_BYTES, LONG_FIELDS))


async def _read(request: Request, most_bytes: int, most_fields: int) -> list[tuple[str, str]]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise _too_large()

    async def replay() -> dict[str, object]:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    whole = Request(request.scope, replay)
    try:
        form = await whole.form(max_files=0, max_fields=most_fields, max_part_size=most_bytes)
    except HTTPException as error:
        raise (_too_large() if error.detail.startswith("Too many fields") else _unreadable()) from error
    except Exception as error:
        raise _unreadable() from error
    items = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    if any(_HALF.search(text) for item in items for text in item):
        raise _unreadable()
    return items


def _too_large() -> HTTPException:
    return HTTPException(413, Say("This form is too large."))


def _unreadable() -> HTTPException:
    return HTTPException(400, Say("This form could not be read."))
