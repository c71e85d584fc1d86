"""/hub: the WebSub hub of this site, for its own feeds (W3C WebSub §5)."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from feed_publisher.app import App
from feed_publisher.domain.errors import InputError
from feed_publisher.web.forms import read_form

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class HubPages:
    """One address, there only when the hub is switched on."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        return [Route("/hub", self.hub, methods=["POST"])] if self._app.settings.websub.hub else []

    async def hub(self, request: Request) -> Response:
        """Always 202 for what can be asked: whether the callback confirms it is seen later."""
        form = await read_form(request)
        try:
            await run_in_threadpool(self._app.hub().ask, form)
        except InputError as error:
            return PlainTextResponse(f"{error.where} {error.reason}\n", 400, headers=_HEADERS)
        return PlainTextResponse("Your callback will be asked to confirm this.\n", 202, headers=_HEADERS)
