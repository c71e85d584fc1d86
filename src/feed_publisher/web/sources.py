"""/admin/sources: how the sources are, for a person at this machine only, until there are accounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from feed_publisher import wiring
from feed_publisher.config.models import Source
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.domain.source import SourceKind, SourceRecord
from feed_publisher.ports.pickup import Page
from feed_publisher.services.sources import KINDS, Health, SourceStatus, health
from feed_publisher.services.words import span
from feed_publisher.web.charts import chart
from feed_publisher.web.pages import NOTHING_HERE, PRIVATE, Pages

SHOWN = 10
"""Articles of each sort on the page of a source."""

_SLUG = re.compile(r"[a-z0-9-]{1,80}")

_NEXT = {
    SourceStatus.OK: ("Nothing to do.", ""),
    SourceStatus.FAILING: ("See what it answers now:", "feed-publisher sources test {slug}"),
    SourceStatus.UNREAD: ("It is read as soon as the site runs:", "feed-publisher serve"),
    SourceStatus.PAUSED: ("To have it read again:", "feed-publisher sources resume {slug}"),
    SourceStatus.RETIRED: (
        "To have it read again, mend its location in publisher.toml if it has moved, then:",
        "feed-publisher sources resume {slug}",
    ),
    SourceStatus.REMOVED: ("Its articles stay. Put it back into publisher.toml to read it again.", ""),
}
"""What the operator may do, in words, and the command for it or ""."""


class SourcePages:
    """Answers 404 to everybody elsewhere."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [Route("/admin/sources", self.all), Route("/admin/sources/{slug}", self.source)]

    async def all(self, request: Request) -> Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        return await run_in_threadpool(self._all, request)

    def _all(self, request: Request) -> Response:
        records = self._app.sources.all()
        by_hand = [record for record in records if record.kind in (SourceKind.HAND, SourceKind.PATH)]
        known = [record for record in records if record not in by_hand]
        unread = [self._unread(each) for each in self._configured().values() if each.slug not in _slugs(known)]
        views = [self._view(each) for each in self._health([*known, *unread])]
        views.sort(key=lambda view: (view["status"] is not SourceStatus.FAILING, view["slug"]))
        return self._pages.page(
            request, "sources", 200, PRIVATE, self._pages.operator_language, sources=views, by_hand=len(by_hand)
        )

    async def source(self, request: Request) -> Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        return await run_in_threadpool(self._source, request)

    def _source(self, request: Request) -> Response:
        slug = request.path_params["slug"]
        record = self._find(slug) if _SLUG.fullmatch(slug) else None
        if record is None:
            return self._pages.error(
                request, 404, "No such source", "The list of sources has them all.", self._pages.operator_language
            )
        (found,) = self._health([record])
        entries = self._entries(slug)
        more = {
            "new": [self._line(each) for each in entries if each.state is not EntryState.HELD][:SHOWN],
            "held": [self._line(each) for each in self._entries(slug, EntryState.HELD)][:SHOWN],
            "ping_url": self._app.intake.hook_url("ping", slug) if found.status is not SourceStatus.REMOVED else "",
            "api_url": f"{self._pages.absolute}/api/v1/entries",
        }
        return self._pages.page(
            request, "source", 200, PRIVATE, self._pages.operator_language, source=self._view(found), **more
        )

    # --- what is known

    def _configured(self) -> dict[str, Source]:
        return {source.slug: source for source in self._app.settings.sources}

    def _find(self, slug: str) -> SourceRecord | None:
        record, configured = self._app.sources.get(slug), self._configured().get(slug)
        return record or (self._unread(configured) if configured else None)

    def _unread(self, source: Source) -> SourceRecord:
        """Of one that the site has not met yet: looking at a page stores nothing."""
        return SourceRecord(slug=source.slug, kind=source.kind, location=source.location, added_at=self._app.clock())

    def _health(self, records: Sequence[SourceRecord]) -> list[Health]:
        return health(self._app.sources, records, self._configured(), self._app.clock())

    def _entries(self, slug: str, state: EntryState | None = None) -> list[Entry]:
        return self._app.entries.page(Page(limit=2 * SHOWN, state=state, source=slug))

    # --- what templates are shown

    def _view(self, found: Health) -> dict[str, Any]:
        record, site, now = found.record, self._app.settings.site, self._app.clock()
        kind = SourceKind(record.kind)
        configured = self._configured().get(record.slug)
        words, command = _next(found)
        return {
            "slug": record.slug,
            "url": f"{self._pages.base}/admin/sources/{record.slug}",
            "kind": KINDS[kind].capitalize(),
            "is_fetched": kind.is_fetched,
            "is_push": kind is SourceKind.PUSH,
            "status": found.status,
            "status_text": found.shown.capitalize(),
            "record": record,
            "trouble": record.error or record.reason,
            "action": words,
            "command": command,
            "next": self._next_visit(found, kind),
            "every": self._every(configured) if configured and kind.is_fetched else "",
            "topics": configured.topics if configured else (),
            "new": found.new,
            "chart": chart(found.weeks, site.timezone, self._pages.operator_language),
            "hub_told": bool(record.hub_until and record.hub_until > now),
        }

    def _next_visit(self, found: Health, kind: SourceKind) -> str:
        """Where it is not a time."""
        if found.status in (SourceStatus.PAUSED, SourceStatus.RETIRED, SourceStatus.REMOVED):
            return "not read"
        if kind is SourceKind.PUSH:
            return "when it pushes"
        if not kind.is_fetched:
            return "looked at every second" if kind is SourceKind.FOLDER else "when you name it"
        due = found.record.due_at
        return "now" if due is None or due <= self._app.clock() else ""

    def _every(self, source: Source) -> str:
        return span(wiring.source_rules(source).every)

    def _line(self, entry: Entry) -> dict[str, object]:
        return {
            **self._pages.entry_line(entry, {}),
            "state": entry.state.value,
            "reason": entry.reason,
            "key": entry.key,
        }

    def _hidden(self, request: Request) -> Response:
        return self._pages.error(request, 404, *NOTHING_HERE)


def _slugs(records: list[SourceRecord]) -> set[str]:
    return {record.slug for record in records}


def _next(found: Health) -> tuple[str, str]:
    """What the operator may do next, in words, and the command for it or ""."""
    if found.waits_for_push:
        return "The page of this source says how to push to it.", ""
    words, command = _NEXT[found.status]
    return words, command.format(slug=found.record.slug)
