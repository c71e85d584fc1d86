"""The whole web side of one site as one ASGI application."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.domain.errors import FeedPublisherError
from feed_publisher.domain.language import Say
from feed_publisher.web.api import router
from feed_publisher.web.archive import ArchivePages
from feed_publisher.web.decide import DecidePages
from feed_publisher.web.directory import Directory
from feed_publisher.web.feedcounts import FeedCounts
from feed_publisher.web.feeds import Asgi, BasePath, FeedFront
from feed_publisher.web.follow import FollowPages
from feed_publisher.web.hooks import Hooks
from feed_publisher.web.hub import HubDoor
from feed_publisher.web.keep import KeepPages
from feed_publisher.web.limits import Limits
from feed_publisher.web.mailbox import MailboxPages
from feed_publisher.web.mailhooks import MailHookDoor
from feed_publisher.web.mydata import DataPages
from feed_publisher.web.pages import NOTHING_HERE, SECURITY, Pages
from feed_publisher.web.preferences import PreferencePages
from feed_publisher.web.preview import PreviewPages
from feed_publisher.web.public import Public
from feed_publisher.web.push import router as push_router
from feed_publisher.web.sources import SourcePages

log = logging.getLogger("feed_publisher.web")

OUT_OF_ORDER = Say("Something here is out of order for the moment. Please try again in a few minutes.")
CANNOT = Say("This cannot be done here"), Say("Please go back and try another way.")


def build(app: App, limits: Limits | None = None, counts: FeedCounts | None = None) -> Asgi:
    """Feeds in front, then pages and API; all below the path of base_url."""
    pages = Pages(app)
    web = FastAPI(
        title=f"{app.settings.site.title} – feed-publisher",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        servers=[{"url": app.base_url}],
        redirect_slashes=False,  # it would forget the path of base_url
    )
    web.include_router(router(app))
    web.include_router(push_router(app))
    local = [route for part in (MailboxPages, SourcePages, PreviewPages) for route in part(pages).routes()]
    parts = (Public, PreferencePages, DataPages, FollowPages, ArchivePages, DecidePages, KeepPages)
    public = [route for part in parts for route in part(pages).routes()]
    web.router.routes.extend(
        [*public, *Hooks(app).routes(), *MailHookDoor(app).routes(), *HubDoor(app).routes(), *local]
    )
    web.add_exception_handler(HTTPException, _http_error(pages))
    web.add_exception_handler(FeedPublisherError, _our_error(pages))
    web.add_exception_handler(Exception, _bug(pages))
    hubs = wiring.feed_site(app.settings).hubs
    front = FeedFront(app.folder / "public", app.base_url, web, Directory(app), hubs, limits, counts)
    return BasePath(urlsplit(app.base_url).path, front)


def _http_error(pages: Pages):  # type: ignore[no-untyped-def]
    async def answer(request: Request, error: HTTPException) -> Response:
        if _is_api(request):
            return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
        if error.status_code == 404:
            return pages.error(request, 404, *NOTHING_HERE)
        if error.status_code == 405:
            response = pages.error(request, 405, *CANNOT)
            response.headers.update(error.headers or {})
            return response
        return pages.error(request, error.status_code, Say("This did not work"), error.detail)

    return answer


def _our_error(pages: Pages):  # type: ignore[no-untyped-def]
    async def answer(request: Request, error: FeedPublisherError) -> Response:
        log.error("%s %s: %s", request.method, request.scope["path"], error)
        response = _out_of_order(pages, request, 503)
        response.headers["Retry-After"] = "120"
        return response

    return answer


def _bug(pages: Pages):  # type: ignore[no-untyped-def]
    async def answer(request: Request, _error: Exception) -> Response:
        # The framework raises it once more, so the log has it all.
        return _out_of_order(pages, request, 500)

    return answer


def _out_of_order(pages: Pages, request: Request, status: int) -> Response:
    """Details are for the operator's log, not for strangers."""
    if _is_api(request):
        return JSONResponse({"detail": OUT_OF_ORDER}, status)
    try:
        return pages.error(request, status, Say("Please try again later"), OUT_OF_ORDER)
    except FeedPublisherError as error:  # a template that all pages need
        log.error("%s", error)
        return PlainTextResponse(OUT_OF_ORDER + "\n", status, headers=SECURITY)


def _is_api(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.startswith("/api/")
