"""/admin/digests: newsletters before they are sent, for a person at this machine only, until there are accounts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from feed_publisher.app import App
from feed_publisher.compose.seen import in_scheme, seen
from feed_publisher.config.models import Digest
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.dates import instant
from feed_publisher.domain.errors import ConfigError, InputError, NotFoundError, TemplateError
from feed_publisher.domain.why import EntryWhy
from feed_publisher.services.horizon import Asked
from feed_publisher.services.proof import Proof
from feed_publisher.services.words import many
from feed_publisher.web.pages import MAIL_POLICY, PRIVATE, Pages
from feed_publisher.web.phrases import cadence_choices, next_issue, schedule
from feed_publisher.web.proofview import (
    difference_view,
    entry_view,
    mail_view,
    reader_view,
    turnout_view,
    versions_view,
)

VIEWS = {
    "desktop": "Desktop",
    "phone": "Phone",
    "dark": "Dark",
    "text": "Text",
    "headers": "Headers",
    "source": "Source",
}

KEPT = ("as-of", "cadence", "subscriber", "version", "newcomer", "pictures")
"""What the links between the views carry on."""

PASSED = (EntryWhy.SENT, EntryWhy.IN_DOUBT, EntryWhy.BEFORE)
"""What is no news to the operator, and shown only when asked for."""

_WITH_PICTURES = {
    **MAIL_POLICY,
    "Content-Security-Policy": MAIL_POLICY["Content-Security-Policy"].replace("img-src", "img-src http: https:"),
}


class PreviewPages:
    """Answers 404 to everybody elsewhere. Everything is a GET and changes nothing."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [
            Route("/admin/digests", self.all),
            Route("/admin/digests/{slug}/preview", self.preview),
            Route("/admin/digests/{slug}/preview/mail", self.mail),
            Route("/admin/digests/{slug}/preview/message.eml", self.message),
        ]

    async def all(self, request: Request) -> Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        return await run_in_threadpool(self._all, request)

    def _all(self, request: Request) -> Response:
        digests = [self._line(digest) for digest in self._app.settings.digests]
        return self._pages.page(request, "digests", 200, PRIVATE, self._pages.operator_language, digests=digests)

    async def preview(self, request: Request) -> Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        return await run_in_threadpool(self._preview, request)

    def _preview(self, request: Request) -> Response:
        found = self._digest(request)
        if found is None:
            return self._unknown(request)
        try:
            proof, error = self._proof_or_now(found, request.query_params)
        except TemplateError as wrong:
            return self._broken(request, wrong)
        shown = self._shown(found, proof, request.query_params, error)
        return self._pages.page(
            request, "preview", 422 if error else 200, PRIVATE, self._pages.operator_language, **shown
        )

    async def mail(self, request: Request) -> Response:
        """The HTML alone, for the frame; ``scheme`` is light or dark."""
        message = await self._bytes(request)
        if isinstance(message, Response):
            return message
        html = in_scheme(seen(message).html, request.query_params.get("scheme") == "dark")
        policy = _WITH_PICTURES if request.query_params.get("pictures") else MAIL_POLICY
        return HTMLResponse(html.replace("<head>", '<head><base target="_blank">', 1), headers=policy)

    async def message(self, request: Request) -> Response:
        message = await self._bytes(request)
        if isinstance(message, Response):
            return message
        kept = {**MAIL_POLICY, "Content-Disposition": 'attachment; filename="message.eml"'}
        return Response(message, media_type="message/rfc822", headers=kept)

    async def _bytes(self, request: Request) -> bytes | Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        found = self._digest(request)
        if found is None:
            return self._unknown(request)
        try:
            mail = await run_in_threadpool(self._mail, found, request.query_params)
        except (InputError, NotFoundError) as wrong:
            return self._pages.error(request, 422, "This cannot be shown", str(wrong))
        except TemplateError as wrong:
            return self._broken(request, wrong)
        if mail is None:
            return self._pages.error(request, 404, "No mail", "There is nothing new, so there would be no mail.")
        return mail

    # --- what is asked for

    def _digest(self, request: Request) -> Digest | None:
        try:
            return self._app.settings.any_digest(request.path_params["slug"])
        except ConfigError:
            return None

    def _asked(self, digest: Digest, query: QueryParams) -> Asked:
        """Raises InputError naming the field."""
        text, address, version = (query.get(name, "").strip() for name in ("as-of", "subscriber", "version"))
        return self._app.asked(
            digest.slug,
            instant(text, self._app.settings.site.timezone, "as-of") if text else None,
            query.get("cadence", "") or None,
            parse_address(address) if address else None,
            int(version) - 1 if version.isdecimal() and 0 < len(version) < 4 and version != "0" else 0,
            bool(query.get("newcomer")) and not address,
        )

    def _proof(self, digest: Digest, query: QueryParams) -> Proof:
        return self._app.proofs().proof(self._asked(digest, query), self._app.clock())

    def _proof_or_now(self, digest: Digest, query: QueryParams) -> tuple[Proof, str]:
        """What is asked for; else what would be sent now, and what is wrong with what is asked for."""
        try:
            return self._proof(digest, query), ""
        except (InputError, NotFoundError) as wrong:
            said = wrong.reason if isinstance(wrong, InputError) else str(wrong)
            return self._proof(digest, QueryParams()), said

    def _mail(self, digest: Digest, query: QueryParams) -> bytes | None:
        mail = self._app.proofs().mail(self._asked(digest, query), self._app.clock())
        return mail.message if mail else None

    # --- what templates are shown

    def _line(self, digest: Digest) -> dict[str, Any]:
        app, base = self._app, f"{self._pages.base}/admin/digests/{digest.slug}/preview"
        return {
            "title": digest.title,
            "slug": digest.slug,
            "schedule": schedule(digest),
            "readers": self._readers(digest),
            "url": base,
            "due": [
                {
                    "label": choice["label"],
                    "when": _when(app, digest, cadence),
                    "sponsors": [block.title for block in app.next_sponsors(digest.slug, cadence)],
                    "url": f"{base}?{urlencode({'cadence': cadence.value})}",
                }
                for cadence, choice in zip(digest.cadences, cadence_choices(digest, None), strict=True)
            ],
        }

    def _readers(self, digest: Digest) -> str:
        count = many(self._app.people.count_active(digest.slug), "reader")
        return self._app.recipients.sentence(digest) or count

    def _shown(self, digest: Digest, proof: Proof, query: QueryParams, error: str) -> dict[str, Any]:
        words = self._app.reasons(one=proof.reader is not None)
        view = query.get("view", "") if query.get("view", "") in VIEWS else "desktop"
        kept = {name: query[name] for name in KEPT if query.get(name)}
        base = f"{self._pages.base}/admin/digests/{digest.slug}/preview"
        asked = {} if error else kept

        def address(path: str = "", **changed: str) -> str:
            values = {name: value for name, value in {**asked, **changed}.items() if value}
            return f"{base}{path}{'?' if values else ''}{urlencode(values)}"

        return {
            "digest": {**self._line(digest), "url": base},
            "error": error,
            "form": {name: query.get(name, "") for name in ("as-of", "cadence", "subscriber")},
            "cadences": cadence_choices(digest, None),
            "view": view,
            "views": [{"name": n, "label": label, "url": address(view=n)} for n, label in VIEWS.items()],
            "frame_url": address("/mail", scheme="dark" if view == "dark" else "light"),
            "eml_url": address("/message.eml"),
            "pictures": bool(kept.get("pictures")),
            "pictures_url": address(view=view, pictures="" if kept.get("pictures") else "1"),
            "newcomer": proof.asked.newcomer,
            "newcomer_url": address(view=view, newcomer="1", subscriber="", version=""),
            "at": words.moment(proof.at),
            "mail": mail_view(proof),
            "reader": reader_view(proof, words),
            "turnout": turnout_view(proof.turnout),
            "versions": versions_view(
                proof, lambda number: address(view=view, version=str(number), subscriber="", newcomer="")
            ),
            "findings": [asdict(finding) for finding in proof.mail.findings] if proof.mail else [],
            "difference": difference_view(proof.difference, words) if proof.difference else None,
            "within": [entry_view(self._pages, each, words) for each in proof.entries if each.is_in],
            "without": [
                entry_view(self._pages, each, words)
                for each in proof.entries
                if not each.is_in and each.why not in PASSED
            ],
            "earlier": [entry_view(self._pages, each, words) for each in proof.entries if each.why in PASSED],
        }

    def _broken(self, request: Request, wrong: TemplateError) -> Response:
        """The one page that tells: whoever works on a template looks at it here."""
        return self._pages.error(request, 422, "The template has a mistake", str(wrong))

    def _hidden(self, request: Request) -> Response:
        return self._pages.error(request, 404, "Nothing here", "There is no page at this address.")

    def _unknown(self, request: Request) -> Response:
        return self._pages.error(request, 404, "No such newsletter", "publisher.toml has none of this name.")


def _when(app: App, digest: Digest, cadence: Cadence) -> object:
    due = next_issue(app, app.settings.mailed(digest.slug), cadence)
    return f"{due:%A, %d %B %Y at %H:%M}" if isinstance(due, datetime) else due
