"""/hub: our own WebSub hub takes requests here; what comes of them, the subscriber is asked and told later."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from feed_publisher.app import App
from feed_publisher.domain.errors import FeedPublisherError, InputError, NotFoundError
from feed_publisher.services.own_hub import HubFull
from feed_publisher.web.forms import read_form

_STATUS: dict[type[FeedPublisherError], int] = {InputError: 400, NotFoundError: 404, HubFull: 429}


class HubDoor:
    """There is no such address while the hub is off."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        return [Route("/hub", self.accept, methods=["POST"])] if self._app.settings.hub_url else []

    async def accept(self, request: Request) -> Response:
        """202 whatever comes of it (WebSub §5.1); refusals say why."""
        try:
            form = await read_form(request)
            await run_in_threadpool(self._app.own_hub().accept, form)
        except HTTPException as error:
            return _said(error.status_code, str(error.detail))
        except tuple(_STATUS) as error:
            return _said(_STATUS[type(error)], str(error))
        return _said(202, "Noted; your callback is asked in a moment.")


def _said(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence + "\n", status, headers={"X-Content-Type-Options": "nosniff"})
