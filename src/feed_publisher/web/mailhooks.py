"""/hooks/mail/…: what mail services tell of mails they have delivered. Without a genuine signature nothing happens."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from feed_publisher.app import App
from feed_publisher.domain.errors import ConfigError, FeedPublisherError, InputError
from feed_publisher.hooking import Fetch, MailHooks, NotGenuine, Posted, fetching
from feed_publisher.web.bodies import read_body

log = logging.getLogger("feed_publisher.web")

MAX_BYTES = 1_000_000
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class MailHookDoor:
    """Answers 404 for services that are not set up."""

    def __init__(self, app: App, fetch: Fetch | None = None) -> None:
        self._names = app.settings.bounces.hooks
        fetch = fetch or fetching(app.settings)
        self._hooks = MailHooks(app.returns, app.settings, app.subscribe.key_of, app.clock, fetch)

    def routes(self) -> list[Route]:
        return [Route("/hooks/mail/{name}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._names:
            return _said(404, "There is nothing at this address.")
        body = await read_body(request, MAX_BYTES)
        if body is None:
            return _said(413, "That is too much at once.")
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            taken = await self._hooks.take(name, Posted(headers=headers, body=body))
        except NotGenuine as error:
            log.warning("/hooks/mail/%s: %s", name, error)
            return _said(403, "The signature is not genuine.")
        except ConfigError as error:
            return _cannot(name, error)
        except InputError as error:
            log.warning("/hooks/mail/%s: %s", name, error)
            return _said(400, "That is not what this service posts.")
        except FeedPublisherError as error:
            return _cannot(name, error)
        return _said(200, "noted") if taken else _said(503, "It comes too early.")


def _cannot(name: str, error: FeedPublisherError) -> Response:
    log.error("/hooks/mail/%s: %s", name, error)
    return _said(503, "It cannot be dealt with now.")


def _said(status: int, sentence: str) -> Response:
    headers = _HEADERS | ({"Retry-After": "300"} if status == 503 else {})
    return PlainTextResponse(sentence + "\n", status, headers=headers)
