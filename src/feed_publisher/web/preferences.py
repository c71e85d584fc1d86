"""/preferences/T and /unsubscribe/T: what a reader gets, changed by nobody but its reader. GET changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, available_timezones

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from feed_publisher.config.models import Digest
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.errors import ConfigError, InputError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.language import Say
from feed_publisher.domain.model import TopicRef
from feed_publisher.domain.shadow import is_shadow, real_slug
from feed_publisher.domain.token import Purpose
from feed_publisher.ports.people import SubscriberView, Wanted
from feed_publisher.services.edition import DigestRules
from feed_publisher.services.preferences import FOR_EVER, Preferences
from feed_publisher.web.forms import Fields, read_fields
from feed_publisher.web.pages import PRIVATE, Pages
from feed_publisher.web.phrases import AS_IT_HAPPENS, NO_DATE_YET, cadence_choices

PAUSES = {
    "7": Say("a week"),
    "14": Say("two weeks"),
    "28": Say("four weeks"),
    "91": Say("three months"),
    "": Say("until I end it"),
}
"""Days, and how people say it."""

SHORT_PAUSE = 28
"""Days, on the page to unsubscribe."""

DONE = {
    "saved": Say("Saved. It counts from the next issue on."),
    "paused": Say("Paused. Nothing comes until then."),
    "resumed": Say("It comes again."),
    "left": Say("You are unsubscribed from it."),
    "joined": Say("It comes to you from now on."),
    "asked": Say("We have mailed you a link. It works for an hour."),
    "language": Say("Changed. Your mails are in this language from the next issue on."),
}


class PreferencePages:
    """Handlers; each reads its input, calls one service and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [
            Route("/preferences/{token}", self.preferences, methods=["GET", "POST"]),
            Route("/unsubscribe/{token}", self.unsubscribe, methods=["GET", "POST"]),
        ]

    @property
    def _service(self) -> Preferences:
        return self._app.preferences

    # --- all of one reader's digests

    async def preferences(self, request: Request) -> Response:
        fields = await read_fields(request) if request.method == "POST" else None
        return await run_in_threadpool(self._preferences, request, fields)

    def _preferences(self, request: Request, fields: Fields | None) -> Response:
        person = self._service.person(request.path_params["token"])
        if not person:
            return self._incomplete(request)
        if fields is None:
            return self._page(request, person)
        slug = fields.get("digest")
        try:
            done = self._act(person, slug, fields)
        except InputError as error:
            return self._page(request, person, slug, error)
        query = urlencode({"digest": slug, "done": done})
        return RedirectResponse(f"{self._address(request)}?{query}", 303, headers=PRIVATE)

    def _act(self, person: list[SubscriberView], slug: str, fields: Fields) -> str:
        """What was done, as a key of DONE. Raises InputError naming the field."""
        now, action = self._app.clock(), fields.get("action")
        if action == "join":
            if not self._service.join(person[0], slug, now):
                reason = Say("this address is on the list of those we never mail; please write to us")
                raise InputError(reason, "digest")
            return "joined"
        view = _of(person, slug)
        if view is None:
            raise InputError(Say("you do not get this newsletter (any more)"), "digest")
        match action:
            case "data":
                self._service.ask_data(view, now)
                return "asked"
            case "pause":
                days = fields.get("days")
                self._service.pause(view, int(days) if days in PAUSES and days else None, _fresh(fields), now)
                return "paused"
            case "language":
                self._speak(view, fields.get("language"), now)
                return "language"
            case "resume":
                self._service.resume(view, _fresh(fields), now)
                return "resumed"
            case "leave":
                self._service.leave(view, now)
                return "left"
        self._service.change(view, _wanted(fields, view), self._slugs(view), now)
        return "saved"

    def _speak(self, view: SubscriberView, language: str, now: datetime) -> None:
        """Raises InputError for a language that is not offered."""
        offered = [each["code"] for each in self._pages.offered(self._pages.language_of("", view.language))]
        if language not in offered:
            raise InputError(Say("choose one of these languages"), "language")
        self._service.speak(view, language, now)

    def _page(
        self, request: Request, person: list[SubscriberView], slug: str = "", error: InputError | None = None
    ) -> Response:
        active = [view for view in person if view.state == SubscriptionState.ACTIVE]
        got = {view.digest for view in active}
        done = request.query_params.get("done", "") if request.method == "GET" else ""
        language = self._pages.language_of("", person[0].language)
        return self._pages.page(
            request,
            "preferences",
            422 if error else 200,
            PRIVATE,
            language,
            languages=self._pages.offered(language),
            address_hint=address_hint(person[0].address),  # mails are forwarded, and addresses change
            suppressed=person[0].suppressed,
            cards=[self._card(view) for view in active],
            others=[
                self._pages.digest(each) | {"slug": each.slug}
                for each in self._app.settings.digests
                if each.slug not in got
            ],
            pauses=PAUSES,
            zones=_zones(),
            form_url=self._address(request),
            done=DONE.get(done, ""),
            changed=request.query_params.get("digest", "") if request.method == "GET" else slug,
            error=error.reason if error else "",
            field=error.where if error else "",
        )

    def _card(self, view: SubscriberView) -> dict[str, Any]:
        digest = self._digest(view.digest)
        card = {
            "slug": view.digest,
            "title": self._title(view.digest, digest),
            "offered": digest is not None,
            **self._next(view),
            "paused_until": view.paused_until if view.paused_until and view.paused_until < FOR_EVER else None,
            "paused": view.paused_until is not None and view.paused_until > self._app.clock(),
            "silent": self._app.keeping.is_silent(view.subscription),
        }
        if digest is None:
            return card
        chosen = None if view.topics == ("*",) else set(view.topics)
        usual = digest.hour.strftime("%H:%M")
        return card | {
            "cadences": cadence_choices(digest, view.cadence),
            "everything": chosen is None,
            "topics": [
                {"slug": topic.slug, "title": topic.title, "checked": chosen is not None and topic.slug in chosen}
                for topic in self._topics(digest)
            ],
            "ended": [{"slug": topic.slug, "title": topic.title} for topic in self._ended(view)],
            "usual_hour": usual,
            "hour": view.at,
            "hours": sorted({*(f"{hour:02}:00" for hour in range(24)), *([view.at] if view.at else [])}),
            "zone": view.zone,
            "usual_zone": digest.zone or self._app.settings.site.timezone,
        }

    def _title(self, slug: str, digest: Digest | None) -> str:
        if digest is None:
            return real_slug(slug)
        return Say("%(title)s, for the operators only", title=digest.title) if is_shadow(slug) else digest.title

    def _next(self, view: SubscriberView) -> dict[str, Any]:
        """When the next issue is due for this reader, by their own clock."""
        found = self._service.next_issue(view, self._app.clock())
        if found is None:
            now = self._app.clock()
            rules = self._app.all_rules().get(view.digest)
            if rules is not None and rules.rests:
                return {"next": NO_DATE_YET, "next_zone": ""}
            comes = view.cadence == Cadence.INSTANT and (view.paused_until or now) <= now
            return {"next": AS_IT_HAPPENS if comes else "", "next_zone": ""}
        due, clock = found
        return {"next": due.astimezone(ZoneInfo(clock.zone)), "next_zone": clock.zone}

    # --- one digest less, or less of it

    async def unsubscribe(self, request: Request) -> Response:
        fields = await read_fields(request) if request.method == "POST" else None
        return await run_in_threadpool(self._unsubscribe, request, fields)

    def _unsubscribe(self, request: Request, fields: Fields | None) -> Response:
        token, now = request.path_params["token"], self._app.clock()
        found = self._service.person(token, Purpose.UNSUBSCRIBE)
        if not found:
            return self._incomplete(request)
        view, done, error = found[0], "", ""
        if fields and fields.get("List-Unsubscribe") == "One-Click":
            self._service.leave(view, now)
        elif fields:
            try:
                done = self._reduce(view, fields, now)
            except InputError as refused:
                error = refused.reason
        view = self._service.person(token, Purpose.UNSUBSCRIBE)[0]
        return self._leaving(request, view, done, error)

    def _reduce(self, view: SubscriberView, fields: Fields, now: datetime) -> str:
        """What was done instead of leaving, in words. Raises InputError."""
        if view.state != SubscriptionState.ACTIVE:
            return ""
        topics = None if view.topics == ("*",) else view.topics
        wanted = Wanted(cadence=view.cadence, topics=topics, zone=view.zone, at=view.at)
        match fields.get("action"):
            case "pause" if view.paused_until is not None and view.paused_until > now:
                return Say("It is paused already.")
            case "pause":
                self._service.pause(view, SHORT_PAUSE, False, now)
                return Say("Nothing comes for four weeks; then you get what you missed, in one issue.")
            case "less":
                rarer = Wanted(cadence=fields.get("cadence"), topics=topics, zone=view.zone, at=view.at)
                self._service.reduce(view, rarer, self._slugs(view), now)
                return Say("It comes less often from now on.")
            case "topics":
                fewer = Wanted(cadence=wanted.cadence, topics=fields.all("topic"), zone=view.zone, at=view.at)
                self._service.reduce(view, fewer, self._slugs(view), now)
                return Say("From now on you get only these topics.")
        return ""

    def _leaving(self, request: Request, view: SubscriberView, done: str, error: str) -> Response:
        digest = self._digest(view.digest)
        active = view.state == SubscriptionState.ACTIVE and digest is not None
        topics = self._topics(digest) if digest and active else []
        had = {topic.slug for topic in topics} if view.topics == ("*",) else set(view.topics)
        shown = self._pages.digest(digest) if digest else gone_digest(view.digest, self._pages.base)
        return self._pages.page(
            request,
            "unsubscribe",
            422 if error else 200,
            PRIVATE,
            self._pages.language_of(view.digest, view.language),
            digest=shown,
            done=view.state == SubscriptionState.UNSUBSCRIBED,
            instead=done,
            error=error,
            paused=view.paused_until is not None and view.paused_until > self._app.clock(),
            rarer=rarer_cadences(digest, self._app.rules(view.digest), view.cadence) if digest and active else [],
            topics=[{"slug": each.slug, "title": each.title} for each in topics if each.slug in had],
            active=active,
            address_hint=address_hint(view.address),
        )

    # --- shared

    def _address(self, request: Request) -> str:
        return f"{self._pages.base}/preferences/{request.path_params['token']}"

    def _incomplete(self, request: Request) -> Response:
        message = Say("Please open the whole link from the mail, or copy it again.")
        return self._pages.error(request, 404, Say("This link is incomplete"), message)

    def _digest(self, slug: str) -> Digest | None:
        try:
            return self._app.settings.any_digest(slug)
        except ConfigError:  # it has been taken out of the configuration; leaving must still work
            return None

    def _topics(self, digest: Digest) -> list[TopicRef]:
        """Those it covers, as far as there are articles of them."""
        topics, named = self._app.topics.current(), self._app.topics.today(digest.topics)
        return [topic for topic in topics if not named or topic.slug in named]

    def _ended(self, view: SubscriberView) -> list[TopicRef]:
        """Topics that were chosen and have ended. They stay chosen, in case they come back."""
        over = self._app.topics.ended()
        return [topic for topic in self._app.topics.all() if topic.slug in over and topic.slug in view.topics]

    def _slugs(self, view: SubscriberView) -> list[str]:
        """What may be chosen."""
        digest = self._digest(view.digest)
        return [topic.slug for topic in (*self._topics(digest), *self._ended(view))] if digest else []


def _wanted(fields: Fields, view: SubscriberView) -> Wanted:
    """Whoever has had everything and ticks topics means these, whatever stands above them."""
    topics = fields.all("topic")
    some = fields.get("scope") == "some" or (view.topics == ("*",) and topics)
    return Wanted(
        cadence=fields.get("cadence"),
        topics=topics if some else None,
        zone=fields.get("zone").strip(),
        at=fields.get("hour").strip(),
    )


def _of(person: Sequence[SubscriberView], slug: str) -> SubscriberView | None:
    mine = (view for view in person if view.digest == slug and view.state == SubscriptionState.ACTIVE)
    return next(mine, None)


def _fresh(fields: Fields) -> bool:
    return fields.get("then") == "fresh"


def rarer_cadences(digest: Digest, rules: DigestRules, cadence: str) -> list[dict[str, object]]:
    """The cadences that bring fewer mails."""
    gaps = {each.value: rules.rhythm(each).gap for each in digest.cadences}
    rarer = {value for value, gap in gaps.items() if gap > gaps.get(cadence, timedelta(0))}
    return [choice for choice in cadence_choices(digest, None) if choice["value"] in rarer]


def gone_digest(slug: str, base: str) -> dict[str, str]:
    return {"title": real_slug(slug), "url": f"{base}/", "schedule": "", "archive_url": ""}


def _zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix")))


def address_hint(address: str) -> str:
    """Enough for its owner to recognise: "j…@example.org"."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}…@{domain}" if domain else ""
