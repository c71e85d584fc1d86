"""/hooks: addresses that only a source, or its WebSub hub, has been told. They make us look; they bring nothing."""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from feed_publisher.app import App
from feed_publisher.domain.source import SourceKind, SourceState
from feed_publisher.services.hub import hasten
from feed_publisher.web.bodies import read_body

log = logging.getLogger("feed_publisher.web")

MAX_BYTES = 5_000_000
MAX_CHALLENGE = 512
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Hooks:
    """Answers 404 to everybody who does not know an address."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> list[Route]:
        return [
            Route("/hooks/ping/{slug}/{token}", self.ping, methods=["POST"]),
            Route("/hooks/websub/{slug}/{token}", self.websub, methods=["GET", "POST"]),
        ]

    async def ping(self, request: Request) -> Response:
        """Visit the source now. What is sent along is not even read."""
        if not await self._is_ours("ping", request):
            return _unknown()
        return _said(202, await run_in_threadpool(self._hasten, request.path_params["slug"]))

    def _hasten(self, slug: str) -> str:
        record = self._app.sources.get(slug)
        if record is None:
            return f"{slug} has never been read; it is read as soon as the site runs."
        if record.state is not SourceState.ACTIVE:
            return f"{slug} is {record.state} and is not read."
        if not SourceKind(record.kind).is_fetched:
            return f"{slug} needs no visit."
        hasten(self._app.sources, slug, self._app.clock())
        return f"{slug} will be read at once."

    async def websub(self, request: Request) -> Response:
        if request.method == "HEAD":  # the framework adds it to GET, and here GET is a question with consequences
            raise HTTPException(405, headers={"Allow": "GET, POST"})
        if not await self._is_ours("websub", request):
            return _unknown()
        return await (self._told(request) if request.method == "POST" else self._asked(request))

    async def _asked(self, request: Request) -> Response:
        """The hub asks whether we want its news (WebSub §5.3)."""
        slug, asked = request.path_params["slug"], request.query_params
        mode, challenge = asked.get("hub.mode", ""), asked.get("hub.challenge", "")
        if mode == "denied":
            log.warning("the hub of %s tells us nothing: %.200r", slug, asked.get("hub.reason", ""))
            return _said(200, "noted")
        if not 1 <= len(challenge) <= MAX_CHALLENGE:
            return _unknown()
        lease = _seconds(asked.get("hub.lease_seconds", ""))
        verify = self._app.intake.hubs().verify
        if not await run_in_threadpool(verify, slug, mode, asked.get("hub.topic", ""), lease):
            return _unknown()
        return PlainTextResponse(challenge, headers=_HEADERS)

    async def _told(self, request: Request) -> Response:
        """The hub has news. A false signature is answered like a true one (WebSub §8)."""
        slug = request.path_params["slug"]
        body = await read_body(request, MAX_BYTES)
        signature = request.headers.get("x-hub-signature", "")
        if body is None:
            log.warning("the hub of %s sent more than 5 MB; it is read when it is due", slug)
        elif not await run_in_threadpool(self._app.intake.hubs().told, slug, body, signature):
            log.warning("the hub of %s sent something that it has not signed; it was ignored", slug)
        return _said(202, "noted")

    async def _is_ours(self, purpose: str, request: Request) -> bool:
        slug, token = request.path_params["slug"], request.path_params["token"]
        configured = any(each.slug == slug for each in self._app.settings.sources)
        return configured and await run_in_threadpool(self._app.intake.is_hook, purpose, slug, token)


def _seconds(text: str) -> int | None:
    """A lease; None where the hub does not say."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _said(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence + "\n", status, headers=_HEADERS)


def _unknown() -> Response:
    return _said(404, "There is nothing at this address.")
