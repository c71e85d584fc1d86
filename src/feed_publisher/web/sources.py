"""/admin/sources: how the sources are, for a person at this machine only, until there are accounts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
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
from feed_publisher.services.sources import Health, health
from feed_publisher.web.charts import chart, recent
from feed_publisher.web.pages import PRIVATE, Pages

SHOWN = 10
"""Articles of each sort on the page of a source."""

_SLUG = re.compile(r"[a-z0-9-]{1,80}")

_KINDS = {
    SourceKind.FOLDER: "Folder",
    SourceKind.FEED: "Feed",
    SourceKind.PAGE: "Web page",
    SourceKind.SITEMAP: "News sitemap",
    SourceKind.PUSH: "Pushed to us",
    SourceKind.HAND: "Typed in by hand",
    SourceKind.PATH: "Named by hand",
}
_STATUS = {
    "ok": "Works",
    "failing": "Failing",
    "not read yet": "Not read yet",
    "paused": "Paused",
    "retired": "Ended",
    "removed": "No longer configured",
}
_NEXT = {
    "ok": ("Nothing to do.", ""),
    "failing": ("See what it answers now:", "feed-publisher sources test {slug}"),
    "not read yet": ("It is read as soon as the site runs:", "feed-publisher serve"),
    "paused": ("Look at what it says now, before it is read again:", "feed-publisher sources test {slug}"),
    "retired": ("Give it another location in publisher.toml, or take it out there.", ""),
    "removed": ("Its articles stay. Put it back into publisher.toml to read it again.", ""),
}


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
        views.sort(key=lambda view: (view["status"] != "failing", view["slug"]))
        return self._pages.page(request, "sources", 200, PRIVATE, sources=views, by_hand=len(by_hand))

    async def source(self, request: Request) -> Response:
        if not self._pages.is_local(request):
            return self._hidden(request)
        return await run_in_threadpool(self._source, request)

    def _source(self, request: Request) -> Response:
        slug = request.path_params["slug"]
        record = self._find(slug) if _SLUG.fullmatch(slug) else None
        if record is None:
            return self._pages.error(request, 404, "No such source", "The list of sources has them all.")
        (found,) = self._health([record])
        entries = self._entries(slug)
        more = {
            "new": [self._line(each) for each in entries if each.state is not EntryState.HELD][:SHOWN],
            "held": [self._line(each) for each in self._entries(slug, EntryState.HELD)][:SHOWN],
            "ping_url": self._app.intake.hook_url("ping", slug) if found.status != "removed" else "",
            "api_url": f"{self._pages.absolute}/api/v1/entries",
        }
        return self._pages.page(request, "source", 200, PRIVATE, source=self._view(found), **more)

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
        words, command = _next(found, kind)
        weeks = recent(found.weeks, now)
        return {
            "slug": record.slug,
            "url": f"{self._pages.base}/admin/sources/{record.slug}",
            "kind": _KINDS[kind],
            "is_fetched": kind.is_fetched,
            "is_push": kind is SourceKind.PUSH,
            "status": found.status,
            "status_text": "Nothing pushed yet" if _waits_for_push(found, kind) else _STATUS[found.status],
            "record": record,
            "trouble": record.error or record.reason,
            "action": words,
            "command": command,
            "next": self._next_visit(found, kind),
            "every": self._every(configured) if configured and kind.is_fetched else "",
            "topics": configured.topics if configured else (),
            "chart": chart(weeks, site.timezone, site.language),
            "hub_told": bool(record.hub_until and record.hub_until > now),
        }

    def _next_visit(self, found: Health, kind: SourceKind) -> str:
        """Where it is not a time."""
        if found.status in ("paused", "retired", "removed"):
            return "not read"
        if kind is SourceKind.PUSH:
            return "when it pushes"
        if not kind.is_fetched:
            return "looked at every second" if kind is SourceKind.FOLDER else "when you name it"
        due = found.record.due_at
        return "now" if due is None or due <= self._app.clock() else ""

    def _every(self, source: Source) -> str:
        plain = source.model_copy(update={"headers": {}})  # they may be secrets in files, and are not shown
        return _span(wiring.source_rules(plain, self._app.folder).every)

    def _line(self, entry: Entry) -> dict[str, object]:
        return {**self._pages.entry_line(entry), "state": entry.state.value, "reason": entry.reason, "key": entry.key}

    def _hidden(self, request: Request) -> Response:
        return self._pages.error(request, 404, "Nothing here", "There is no page at this address.")


def _slugs(records: list[SourceRecord]) -> set[str]:
    return {record.slug for record in records}


def _waits_for_push(found: Health, kind: SourceKind) -> bool:
    return kind is SourceKind.PUSH and found.status == "not read yet"


def _next(found: Health, kind: SourceKind) -> tuple[str, str]:
    """What the operator may do next, in words, and the command for it or ""."""
    if _waits_for_push(found, kind):
        return "The page of this source says how to push to it.", ""
    words, command = _NEXT[found.status]
    return words, command.format(slug=found.record.slug)


def _span(time: timedelta) -> str:
    """ "30 minutes", "2 hours", "1 day"; the largest unit that fits."""
    seconds = int(time.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"
