"""/keep/T: the reader who was asked says whether a digest is still wanted. GET changes nothing."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from feed_publisher.config.models import Digest
from feed_publisher.domain.asking import AskState
from feed_publisher.domain.errors import ConfigError, InputError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.language import Say
from feed_publisher.ports.asking import Keeper
from feed_publisher.ports.people import Wanted
from feed_publisher.web.forms import Fields, read_fields
from feed_publisher.web.pages import PRIVATE, Pages
from feed_publisher.web.preferences import address_hint, gone_digest, rarer_cadences

LESS = Say("It comes less often from now on.")


class KeepPages:
    """Handlers; each reads its input, calls one service and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [Route("/keep/{token}", self.keep, methods=["GET", "POST"])]

    async def keep(self, request: Request) -> Response:
        fields = await read_fields(request) if request.method == "POST" else None
        return await run_in_threadpool(self._keep, request, fields)

    def _keep(self, request: Request, fields: Fields | None) -> Response:
        token = request.path_params["token"]
        keeper = self._app.keeping.keeper(token)
        if keeper is None:
            message = Say("Please open the whole link from the mail, or copy it again.")
            return self._pages.error(request, 404, Say("This link is incomplete"), message)
        done, error = "", ""
        if fields is not None and fields.get("keep") == "yes":
            try:
                done = self._act(token, keeper, fields)
            except InputError as refused:
                error = refused.reason
        return self._page(request, self._app.keeping.keeper(token) or keeper, done, error)

    def _act(self, token: str, keeper: Keeper, fields: Fields) -> str:
        """What was done besides. Less often is checked first: a refused choice is no yes. Raises InputError."""
        now, view, cadence = self._app.clock(), keeper.view, fields.get("cadence")
        if _is_over(keeper):
            return ""
        if cadence and not keeper.rehearsal:
            topics = None if view.topics == ("*",) else view.topics
            wanted = Wanted(cadence=cadence, topics=topics, zone=view.zone, at=view.at)
            self._app.preferences.reduce(view, wanted, list(view.topics) if topics else [], now)
        self._app.keeping.keep(token, fields.get("then") == "fresh", now)
        return LESS if cadence and not keeper.rehearsal else ""

    def _page(self, request: Request, keeper: Keeper, done: str, error: str) -> Response:
        view, digest = keeper.view, self._digest(keeper.view.digest)
        kept = keeper.state is AskState.KEPT or (keeper.state is AskState.LEFT and not _is_over(keeper))
        rules = self._app.rules(view.digest) if digest else None
        return self._pages.page(
            request,
            "keep",
            422 if error else 200,
            PRIVATE,
            self._pages.language_of(view.digest, view.language),
            digest=self._pages.digest(digest) if digest else gone_digest(view.digest, self._pages.base),
            over=_is_over(keeper),
            suppressed=view.suppressed,
            kept=kept,
            silent=keeper.silent,
            paused=view.paused_until is not None and view.paused_until > self._app.clock(),
            rarer=rarer_cadences(digest, rules, view.cadence) if digest and rules and not keeper.rehearsal else [],
            instead=done,
            error=error,
            address_hint=address_hint(view.address),
        )

    def _digest(self, slug: str) -> Digest | None:
        try:
            return self._app.settings.digest(slug)
        except ConfigError:  # it has been taken out of the configuration
            return None


def _is_over(keeper: Keeper) -> bool:
    return keeper.view.state != SubscriptionState.ACTIVE or keeper.view.suppressed
