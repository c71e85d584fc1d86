"""/data/T and /move/T: what is stored about a reader, and another address. Each by a link of an hour, mailed to it.

GET changes nothing.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.language import Say
from feed_publisher.ports.people import Moved
from feed_publisher.web.forms import Fields, read_fields
from feed_publisher.web.pages import PRIVATE, SECURITY, Pages
from feed_publisher.web.phrases import RHYTHMS

STATES = {
    SubscriptionState.ACTIVE: Say("active"),
    SubscriptionState.PENDING: Say("not confirmed yet"),
    SubscriptionState.UNSUBSCRIBED: Say("unsubscribed"),
}


class DataPages:
    """Handlers; each reads its input, calls one service and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [
            Route("/data/{token}", self.data, methods=["GET", "POST"]),
            Route("/data/{token}/export.json", self.export),
            Route("/move/{token}", self.move, methods=["GET", "POST"]),
        ]

    def _language(self, own: str | None) -> str:
        return self._pages.language_of("", own)

    async def data(self, request: Request) -> Response:
        fields = await read_fields(request) if request.method == "POST" else None
        return await run_in_threadpool(self._data, request, fields)

    def _data(self, request: Request, fields: Fields | None) -> Response:
        token, now = request.path_params["token"], self._app.clock()
        found = self._app.preferences.data(token, now)
        if not found or not found["address"]:
            return self._too_late(request)
        erased = fields is not None and fields.get("erase") == "yes" and self._app.preferences.erase(token, now)
        asked, error = "", ""
        if fields is not None and fields.get("action") == "move":
            try:
                new = parse_address(fields.get("email"))
                self._app.preferences.ask_move(token, new, now)
                asked = new.typed
            except InputError as refused:
                error = refused.reason
        address = f"{self._pages.base}/data/{token}"
        return self._pages.page(
            request,
            "data",
            422 if error else 200,
            PRIVATE,
            self._language(found["language"]),
            data=found,
            states=STATES,
            rhythms=RHYTHMS,
            titles={slug: rules.name for slug, rules in self._app.all_rules().items()},
            erased=erased,
            asked=asked,
            error=error,
            export_url=f"{address}/export.json",
        )

    async def move(self, request: Request) -> Response:
        fields = await read_fields(request) if request.method == "POST" else None
        return await run_in_threadpool(self._move, request, fields)

    def _move(self, request: Request, fields: Fields | None) -> Response:
        token, now = request.path_params["token"], self._app.clock()
        address = self._app.preferences.moving(token, now)
        if not address:
            return self._too_late(request)
        done = Moved.TOO_LATE
        if fields is not None and fields.get("move") == "yes":
            done = self._app.preferences.move(token, now)
        status = 409 if done is Moved.TAKEN else 200
        return self._pages.page(request, "move", status, PRIVATE, address=address, done=done.value)

    async def export(self, request: Request) -> Response:
        found = await run_in_threadpool(self._app.preferences.data, request.path_params["token"], self._app.clock())
        if not found or not found["address"]:
            return self._too_late(request)
        headers = {**PRIVATE, "Content-Disposition": 'attachment; filename="my-data.json"'}
        return JSONResponse(found, headers={**SECURITY, **headers})

    def _too_late(self, request: Request) -> Response:
        message = Say("It works for one hour. Ask for a new one on the page of your newsletters.")
        return self._pages.error(request, 404, Say("This link no longer works"), message)
