"""POST and DELETE /api/v1/entries: what a source pushes to us. All entries of a request are stored, or none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Header, HTTPException, Query, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.source import SourceRules, SourceState
from feed_publisher.parse.text import clean
from feed_publisher.services.push import MOST, Fault, Push, fault, refused
from feed_publisher.services.push import Pushed as Answer
from feed_publisher.web.bodies import read_body
from feed_publisher.web.pushdoc import BODY, FIELDS, Pushed, Refusal, Refused, Withdrawn

MAX_BYTES = 5_000_000
MAX_DEPTH = 16
"""An entry needs four levels of brackets."""

MAX_ID = 2048

_KEY = re.compile("[!-~]{1,255}")
_SHAPE = 'write one entry, or {"entries": [ … ]} with 1 to ' + str(MOST) + " of them"
_BEARER = HTTPBearer(auto_error=False, description="The token of one source: `feed-publisher sources token SLUG`.")
_DENIED: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "No token, or not one of ours"},
    403: {"model": Refusal, "description": "The source is paused, ended, or no longer set up to be pushed to"},
}
_UNREADABLE: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "Not JSON: the line and column"},
    413: {"model": Refusal, "description": "Longer than 5 MB"},
    415: {"model": Refusal, "description": "Not application/json"},
    422: {"model": Refused, "description": "An entry is wrong; nothing was stored"},
}

Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]

"""entry (its place, or None), field, reason."""


def router(app: App) -> APIRouter:
    """The routes of one site."""
    routes = APIRouter(prefix="/api/v1", tags=["push"])
    door = _Door(app)

    @routes.post(
        "/entries",
        summary="Push entries",
        response_model=Pushed,
        responses={**_DENIED, **_UNREADABLE},
        openapi_extra={"requestBody": BODY},
    )
    async def push(
        request: Request,
        credentials: Credentials,
        idempotency_key: Annotated[
            str | None, Header(description="1 to 255 visible ASCII characters; for 7 days the answer is repeated")
        ] = None,
    ) -> JSONResponse:
        """Entries that are known are updated: by their id, else their link, else their title and authors.

        A request may be sent again when no answer came. Feeds are written within seconds.
        """
        rules = await run_in_threadpool(door.source, credentials)
        _check_type(request)
        if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
            return _answer(refused([fault(None, "Idempotency-Key", "is not 1 to 255 visible ASCII characters")]))
        body = await read_body(request, MAX_BYTES)
        if body is None:
            raise HTTPException(413, "The body is longer than 5 MB; push fewer entries at once.")
        return await run_in_threadpool(_take, app.intake.pushing(), rules, body, idempotency_key or "")

    @routes.delete(
        "/entries",
        summary="Withdraw an entry",
        response_model=Withdrawn,
        responses={
            **_DENIED,
            404: {"model": Withdrawn, "description": "This source has no such entry"},
            422: {"model": Refused, "description": "The id is missing or too long"},
        },
    )
    def withdraw(
        credentials: Credentials,
        id: Annotated[str, Query(description=f"The id or the link it was pushed with, up to {MAX_ID} characters")] = "",
    ) -> JSONResponse:
        """Takes it out of the feeds and out of mail that has not left. Pushed again, it is restored."""
        rules = door.source(credentials)
        if not id:
            return _answer(
                refused([fault(None, "id", "is missing; add ?id= with the id or the link it was pushed with")])
            )
        if len(id) > MAX_ID:
            return _answer(refused([fault(None, "id", f"is longer than {MAX_ID} characters")]))
        return _answer(app.intake.pushing().withdraw(rules, clean(id)))

    return routes


@dataclass(frozen=True, slots=True)
class _Door:
    """Who may push."""

    app: App

    def source(self, credentials: Credentials) -> SourceRules:
        """The source that a token opens, or 401 and 403."""
        slug = self.app.intake.pushing().source_of(credentials.credentials if credentials else "")
        if slug is None:
            words = "Send the header Authorization: Bearer TOKEN with the token of a source."
            raise HTTPException(401, words, headers={"WWW-Authenticate": 'Bearer realm="feed-publisher"'})
        configured = next((each for each in self.app.settings.sources if each.slug == slug), None)
        if configured is None or configured.kind != "push":
            raise HTTPException(403, f'The source {slug} cannot be pushed to: it needs kind = "push" in its settings.')
        record = self.app.sources.get(slug)
        if record is not None and record.state is not SourceState.ACTIVE:
            words = f"The source {slug} is {record.state}" + (f": {record.reason}" if record.reason else "")
            raise HTTPException(403, f"{words}. It takes nothing now.")
        return wiring.source_rules(configured)


def _check_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "The body must be JSON; send the header Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "The body must not be compressed; leave the header Content-Encoding out.")


def _take(push: Push, rules: SourceRules, body: bytes, key: str) -> JSONResponse:
    items, faults = _items(_load(body))
    faults += [fault for place, item in enumerate(items) for fault in _unknown_fields(place, item)]
    return _answer(push.take(rules, items, key, faults))


def _load(body: bytes) -> object:
    """The JSON, or 400 with the place. Stricter than Python's reader: one value per key, and numbers are numbers."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"The body is not UTF-8: byte {error.start} does not belong there.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise HTTPException(400, f"The body is not JSON: {error.msg} ({place}).") from error
    except InputError as error:
        raise HTTPException(400, f"The body {error.reason}.") from error
    except RecursionError as error:
        raise HTTPException(400, "The body is nested too deep.") from error
    except ValueError as error:
        raise HTTPException(400, "The body holds a number of thousands of digits; write it as text.") from error
    if _is_deep(value):
        raise HTTPException(400, "The body is nested too deep.")
    return value


def _no_number(name: str) -> NoReturn:
    raise InputError(f"holds {name}, which is not JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"has the key “{_shown(twice)}” twice in one object; keep one of them")
    return found


def _is_deep(value: object) -> bool:
    """Hashing and naming what is in it must not run out of stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [child for children in inside for child in children]
    return bool(level)


def _items(value: object) -> tuple[list[Any], list[Fault]]:
    """The entries of a request, and what is wrong with its shape."""
    if not isinstance(value, dict):
        return [], [fault(None, "", f"the body is neither an entry nor a list of them; {_SHAPE}")]
    if "entries" not in value:
        return [value], []
    faults = [_unknown(None, name, ("entries",)) for name in value if name != "entries"]
    items = value["entries"]
    if not isinstance(items, list):
        return [], [*faults, fault(None, "entries", f"is not a list; {_SHAPE}")]
    if not 1 <= len(items) <= MOST:
        return [], [*faults, fault(None, "entries", f"has {len(items):,} entries; {_SHAPE}")]
    return items, faults


def _unknown_fields(place: int, item: object) -> list[Fault]:
    """What would be lost silently."""
    names = item if isinstance(item, dict) else {}
    return [_unknown(place, name, FIELDS) for name in names if name not in FIELDS]


def _unknown(place: int | None, name: str, known: Sequence[str]) -> Fault:
    near = get_close_matches(name[:60].lower(), known, 1, 0.5)
    advice = f"did you mean “{near[0]}”?" if near else f"there are: {', '.join(known)}"
    return fault(place, name, f"is not known; {advice}")


def _shown(name: str) -> str:
    """A name somebody else chose, as it may stand in an answer."""
    return escaped(name[:80])


def _answer(pushed: Answer) -> JSONResponse:
    return JSONResponse(dict(pushed.body), pushed.status)
