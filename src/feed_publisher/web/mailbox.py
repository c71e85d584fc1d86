"""/mailbox: what the built-in mailbox received, for a person at this machine only (SEMANTICS §5)."""

from __future__ import annotations

from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from feed_publisher.adapters.mailbox import StoredMail
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.web.pages import MAIL_POLICY, NOTHING_HERE, Pages

PER_PAGE = 50


class MailboxPages:
    """Answers 404 wherever the mailbox is not to be seen."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._mailbox = pages.app.mailbox

    def routes(self) -> list[Route]:
        return [
            Route("/mailbox", self.list),
            Route("/mailbox/{id}", self.mail),
            Route("/mailbox/{id}/html", self.html),
            Route("/mailbox/{id}/raw", self.raw),
        ]

    async def list(self, request: Request) -> Response:
        if not self._pages.shows_mailbox(request):
            return self._hidden(request)
        digits = request.query_params.get("after", "0")
        offset = int(digits) if digits.isdecimal() and len(digits) < 9 else 0
        found = await run_in_threadpool(self._mailbox.list, PER_PAGE + 1, offset)
        base = f"{self._pages.base}/mailbox"
        mails = [{**asdict(mail), "url": f"{base}/{mail.id}"} for mail in found[:PER_PAGE]]
        older = f"{base}?after={offset + PER_PAGE}" if len(found) > PER_PAGE else ""
        return self._pages.page(
            request, "mailbox", language=self._pages.operator_language, mails=mails, older_url=older
        )

    async def mail(self, request: Request) -> Response:
        found = await self._find(request)
        if isinstance(found, Response):
            return found
        base = f"{self._pages.base}/mailbox/{found.id}"
        shown = {
            "to": found.to,
            "from_": found.from_,
            "subject": found.subject,
            "date": found.date,
            "headers": found.headers,
            "text": found.text,
            "html_url": f"{base}/html" if found.html else "",
            "raw_url": f"{base}/raw",
        }
        return self._pages.page(request, "mail", language=self._pages.operator_language, mail=shown)

    async def html(self, request: Request) -> Response:
        found = await self._find(request)
        if isinstance(found, Response):
            return found
        html = found.html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(html, headers=MAIL_POLICY)

    async def raw(self, request: Request) -> Response:
        found = await self._find(request)
        if isinstance(found, Response):
            return found
        return Response(found.raw, media_type="text/plain; charset=utf-8", headers=MAIL_POLICY)

    async def _find(self, request: Request) -> StoredMail | Response:
        if not self._pages.shows_mailbox(request):
            return self._hidden(request)
        try:
            return await run_in_threadpool(self._mailbox.read, request.path_params["id"])
        except NotFoundError:
            message = "It may have been removed from the mailbox."
            return self._pages.error(request, 404, "No such mail", message, self._pages.operator_language)

    def _hidden(self, request: Request) -> Response:
        return self._pages.error(request, 404, *NOTHING_HERE)
