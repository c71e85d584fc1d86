"""Pages for people: articles, subscribing and leaving. GET changes nothing; only POST acts."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from feed_publisher.compose.jsonld import Publication, article
from feed_publisher.config.models import Digest
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.errors import ConfigError, InputError, NotFoundError, StorageError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.language import Say
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.ports.people import SubscriberView
from feed_publisher.ports.pickup import Page
from feed_publisher.web.follow import follow_view, topic_feed
from feed_publisher.web.forms import read_form
from feed_publisher.web.limits import ASKED_BURST, ASKED_EVERY, Limits, network_of
from feed_publisher.web.pages import LISTED, PRIVATE, Authors, Pages
from feed_publisher.web.phrases import cadence_choices, next_issue

log = logging.getLogger("feed_publisher.web")

_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
WITHDRAWN = Say("This article was withdrawn"), Say("It is no longer published.")
NO_ARTICLE = Say("No such article"), Say("Check the address, or look at the latest articles.")
NO_NEWSLETTER = Say("No such newsletter"), Say("It may have ended, or never existed.")
SPENT = (
    Say("This link no longer works"),
    Say("It may be used already, older than 72 hours, or incomplete. Subscribe once more to get a new one."),
)
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""Of files whose address changes with what is in them."""


class Public:
    """Handlers; each reads its input, calls one service and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app
        self._asked = Limits(time.monotonic, ASKED_BURST, ASKED_EVERY)

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/entries/{key}", self.entry),
            Route("/digests/{slug}", self.digest, methods=["GET", "POST"]),
            Route("/confirm/{token}", self.confirm, methods=["GET", "POST"]),
            Route("/static/site.css", self.stylesheet),
            Route("/static/site.js", self.script),
            Route("/static/icon.svg", self.icon),
            Route("/favicon.ico", self.icon),
            Route("/healthz", self.healthz),
            Route("/robots.txt", self.robots),
        ]

    async def home(self, request: Request) -> Response:
        return await run_in_threadpool(self._home, request)

    def _home(self, request: Request) -> Response:
        try:
            return self._pages.page(request, "home", **self._latest(request))
        except StorageError as error:
            # Feeds and this page answer whatever happens (DESIGN §5).
            log.error("/: %s", error)
            nothing: dict[str, Any] = {"topics": [], "entries": [], "happened": [], "due": [], "trouble": True}
            return self._pages.page(request, "home", 200, PRIVATE, **nothing, **self._offers(request))

    def _latest(self, request: Request) -> dict[str, Any]:
        entries = self._app.entries.page(Page(limit=LISTED, state=EntryState.PUBLIC))
        overview = self._app.overview() if self._pages.is_local(request) else None
        return {
            "topics": self._pages.topics(),
            "entries": self._pages.entry_lines(entries),
            "happened": overview.happened if overview else [],
            "due": overview.due if overview else [],
            "trouble": False,
            **self._offers(request),
        }

    def _offers(self, request: Request) -> dict[str, Any]:
        """How to follow the whole site."""
        return {
            "digests": self._pages.digests(),
            "follow": follow_view(self._pages, request, "all", self._app.settings.site.title),
            "choose_url": f"{self._pages.base}/follow",
            "outline_url": f"{self._pages.base}/feeds.opml",
        }

    async def entry(self, request: Request) -> Response:
        return await run_in_threadpool(self._entry, request)

    def _entry(self, request: Request) -> Response:
        key = request.path_params["key"]
        entry = self._known_entry(key) if _KEY.fullmatch(key) else None
        if entry is not None and entry.state is EntryState.WITHDRAWN:
            return self._pages.error(request, 410, *WITHDRAWN)
        if entry is None or entry.state is not EntryState.PUBLIC:
            return self._pages.error(request, 404, *NO_ARTICLE)
        return self.entry_page(request, entry)

    def entry_page(self, request: Request, entry: Entry) -> Response:
        """Whatever its state."""
        authors = self._pages.authors([entry])
        return self._pages.page(
            request,
            "entry",
            entry=self._pages.entry(entry, authors),
            author_urls=list(dict.fromkeys(self._pages.author_url(each) for each in authors.values())),
            topic_feeds=[topic_feed(self._pages, topic) for topic in entry.topics],
            linked_data=self._linked_data(entry, authors),
        )

    def _linked_data(self, entry: Entry, authors: Authors) -> dict[str, object]:
        site = self._app.settings.site
        publisher = Publication(name=site.title, url=f"{self._pages.absolute}/", logo=site.logo, language=site.language)
        urls = {name: self._pages.author_url(author) for name, author in authors.items()}
        return article(entry, self._app.entry_url(entry), urls, publisher)

    def _known_entry(self, key: str) -> Entry | None:
        try:
            return self._app.entries.get(key)
        except NotFoundError:
            return None

    # --- subscribing

    async def digest(self, request: Request) -> Response:
        try:
            digest = self._app.settings.digest(request.path_params["slug"])
        except ConfigError:
            return self._pages.error(request, 404, *NO_NEWSLETTER)
        if request.method != "POST":
            language = self._language(digest, request.query_params.get("language", ""))
            return self._subscribe_page(request, digest, language)
        form = await read_form(request)
        language = self._language(digest, form.get("language", ""))
        if form.get("website"):
            # Only programs fill the field that people do not see; they get the same answer and nothing else.
            return self._subscribe_page(request, digest, language, address=form.get("email", "")[:254], sent=True)
        try:
            address = parse_address(form.get("email", ""))
        except InputError as error:
            return self._subscribe_page(
                request,
                digest,
                language,
                error=error.reason,
                address=form.get("email", "")[:254],
                cadence=form.get("cadence"),
            )
        network = network_of(request.client.host) if request.client else ""
        if network and (seconds := self._asked.wait(network, "sign-up")):
            message = Say("From your network many people have just subscribed. Please try again in a few minutes.")
            refused = self._pages.error(request, 429, Say("Please try again later"), message, language)
            refused.headers["Retry-After"] = str(seconds)
            return refused
        cadence = next((c.value for c in digest.cadences if c.value == form.get("cadence")), None)
        wanted = language if form.get("language") == language else None
        await run_in_threadpool(self._app.subscribe.ask, digest.slug, address, cadence, self._app.clock(), wanted)
        return self._subscribe_page(request, digest, language, address=address.typed, sent=True)

    def _language(self, digest: Digest, wanted: str) -> str:
        """The wanted one when it is offered, else that of the digest."""
        usual = self._pages.language_of(digest.slug, None)
        return wanted if wanted in [each["code"] for each in self._pages.offered(usual)] else usual

    def _subscribe_page(
        self,
        request: Request,
        digest: Digest,
        language: str,
        error: str = "",
        address: str = "",
        cadence: str | None = None,
        sent: bool = False,
    ) -> Response:
        shown = self._pages.digest(digest)
        offered = self._pages.offered(self._pages.language_of(digest.slug, None))
        return self._pages.page(
            request,
            "subscribe",
            422 if error else 200,
            PRIVATE if request.method == "POST" else None,
            language,
            digest=shown,
            languages=[each | {"url": f"{shown['url']}?language={each['code']}"} for each in offered],
            embed_url=f"{self._pages.absolute}/digests/{digest.slug}" if self._pages.is_local(request) else "",
            cadences=cadence_choices(digest, cadence),
            error=error,
            address=address,
            sent=sent,
        )

    async def confirm(self, request: Request) -> Response:
        token = request.path_params["token"]
        service = self._app.subscribe
        if request.method == "POST" and (await read_form(request)).get("confirm") == "yes":
            found = await run_in_threadpool(service.confirm, token, self._app.clock())
        else:
            found = await run_in_threadpool(service.pending, token)
        if found is None or found.state == SubscriptionState.UNSUBSCRIBED:
            return self._pages.error(request, 404, *SPENT)
        done = found.state == SubscriptionState.ACTIVE
        mine = self._app.subscribe.preferences_url(found.subscription) if done else ""
        cadence = Cadence(found.cadence)
        due = next_issue(self._app, found.digest, cadence)
        return self._person_page(request, "confirm", found, done, next_issue=due, preferences_url=mine)

    def _person_page(
        self, request: Request, name: str, person: SubscriberView, done: bool, **context: object
    ) -> Response:
        try:
            digest = self._pages.digest(self._app.settings.any_digest(person.digest))
        except ConfigError:  # the digest has been taken out of the configuration; leaving must still work
            digest = {"title": person.digest, "url": f"{self._pages.base}/", "schedule": ""}
        language = self._pages.language_of(person.digest, person.language)
        return self._pages.page(request, name, 200, PRIVATE, language, digest=digest, done=done, **context)

    # --- the rest

    async def stylesheet(self, request: Request) -> Response:
        return Response(self._pages.css, media_type="text/css", headers=_FOR_EVER)

    async def script(self, request: Request) -> Response:
        return Response(self._pages.script, media_type="text/javascript", headers=_FOR_EVER)

    async def icon(self, request: Request) -> Response:
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        return Response(self._pages.icon, media_type="image/svg+xml", headers=headers)

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def robots(self, request: Request) -> Response:
        closed = ("/confirm/", "/unsubscribe/", "/preferences/", "/keep/", "/data/", "/move/", "/decide/", "/mailbox")
        return PlainTextResponse(
            "User-agent: *\n" + "".join(f"Disallow: {self._pages.base}{path}\n" for path in closed)
        )
