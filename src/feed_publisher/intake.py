"""Where entries come from, wired: settings, stores, files, the HTTP client and the parser meet the pickup services.

Imports inside methods keep parsers and the HTTP client out of the way of commands that need none of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feed_publisher import wiring
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.desk import SqlDeskStore
from feed_publisher.adapters.database.store.entries import SqlEntryStore
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.adapters.database.store.topics import SqlTopicStore
from feed_publisher.config.models import Settings
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.domain.model import Draft
from feed_publisher.domain.slug import check_slug
from feed_publisher.domain.source import SourceRecord, SourceRules
from feed_publisher.domain.token import hook_token, is_hook_token
from feed_publisher.ports.pickup import Absorbed, Fetcher

if TYPE_CHECKING:
    from feed_publisher.adapters.parsing import DocumentParser
    from feed_publisher.services.absorbing import PickupReport
    from feed_publisher.services.hub import HubSubscriber
    from feed_publisher.services.pickup import Claimed, Pickup
    from feed_publisher.services.push import Push
    from feed_publisher.services.remote import Visit
    from feed_publisher.services.sources import Health

log = logging.getLogger("feed_publisher")


@dataclass(slots=True)
class Intake:
    """The sources of one site. ``keys`` are those that sign tokens, by their number."""

    folder: Path
    settings: Settings
    entries: SqlEntryStore
    sources: SqlSourceStore
    topics: SqlTopicStore
    desk: SqlDeskStore
    database: Database
    keys: Callable[[], Mapping[int, bytes]]
    clock: Callable[[], datetime]
    _parser: DocumentParser | None = field(default=None)
    _rules: dict[tuple[str, ...], list[SourceRules]] = field(default_factory=dict)

    def close(self) -> None:
        """End the processes that parse."""
        if self._parser is not None:
            self._parser.close()
            self._parser = None

    @property
    def parser(self) -> DocumentParser:
        from feed_publisher.adapters.parsing import DocumentParser

        if self._parser is None:
            self._parser = DocumentParser()
        return self._parser

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[Fetcher]:
        """The HTTP client, for as long as the context is open."""
        async with wiring.fetcher(self.settings) as fetcher:
            yield fetcher

    def configured(self, topics: tuple[str, ...] = ()) -> list[SourceRules]:
        """All sources of the settings; their state is kept in the database."""
        if topics not in self._rules:
            self._rules = {topics: wiring.configured_sources(self.settings, topics)}
        self.sources.sync(self._rules[topics], self.clock())
        return self._rules[topics]

    async def pickup(self, paths: Sequence[str] = (), topic: str | None = None) -> PickupReport:
        """Everything that is due, or just the named files and addresses."""
        topics = self._topic_title(topic)
        wanted = [wiring.named_source(self.settings, self.folder, path, topics) for path in paths]
        if not wanted:
            report = await self.folders(topics)
            await self.visit_due(report, topics=topics)
            return report
        report = self._report()
        await self._service().folders([rules for rules in wanted if not rules.is_remote], report)
        remote = [rules for rules in wanted if rules.is_remote]
        if remote:
            async with self.fetching() as fetcher:
                for rules in remote:
                    await self._service().address(rules, fetcher, report)
        return report

    async def visit_due(
        self, report: PickupReport, fetcher: Fetcher | None = None, topics: tuple[str, ...] = ()
    ) -> None:
        """Round after round, until nothing is due; with a client of its own where none is given."""
        service, rules = self._service(), await asyncio.to_thread(self.configured, topics)
        claimed = await asyncio.to_thread(service.claim, rules)
        if not claimed:
            return
        async with AsyncExitStack() as stack:
            client: Fetcher = fetcher if fetcher else await stack.enter_async_context(self.fetching())
            while claimed:
                await service.visit(claimed, client, report)
                claimed = await asyncio.to_thread(service.claim, rules)

    async def folders(self, topics: tuple[str, ...] = ()) -> PickupReport:
        """Read the folders; make public what was scheduled for now."""
        await asyncio.to_thread(self.entries.mature, self.clock())
        report = self._report()
        await self._service().folders(await asyncio.to_thread(self.configured, topics), report)
        return report

    def claim(self, topics: tuple[str, ...] = ()) -> list[Claimed]:
        """The fetched sources that are due, for this process alone."""
        return self._service().claim(self.configured(topics))

    async def visit(self, claimed: Sequence[Claimed], fetcher: Fetcher, report: PickupReport) -> None:
        """Visit what was claimed."""
        await self._service().visit(claimed, fetcher, report)

    async def look(self, rules: SourceRules, fetcher: Fetcher) -> Visit:
        """What a source says now; nothing is stored."""
        from feed_publisher.services.remote import Visitor

        return await Visitor(fetcher, self.parser, self.entries, self.secret).visit(rules, None, self.clock())

    def add(self, draft: Draft) -> Absorbed:
        """An entry typed in by hand."""
        from feed_publisher.services.pickup import add_by_hand

        return add_by_hand(self.entries, self.sources, draft, self.clock())

    def pushing(self) -> Push:
        """The service that takes what sources push."""
        from feed_publisher.adapters.database.store.pushes import SqlPushStore
        from feed_publisher.parse.jsonfile import draft_of
        from feed_publisher.services.push import Push

        def read(item: Mapping[str, Any], place: int) -> Draft:
            return draft_of(item, {}, f"entries[{place}]", place)

        return Push(self.entries, self.sources, SqlPushStore(self.database), read, self.clock)

    def hubs(self) -> HubSubscriber:
        """The service that has WebSub hubs tell us of news."""
        from feed_publisher.services.hub import HubSubscriber

        slugs = {source.slug for source in self.settings.sources}
        callback, local = (lambda slug: self.hook_url("websub", slug)), self.settings.site.is_loopback
        return HubSubscriber(self.sources, slugs, callback, self.clock, local)

    def has_hubs(self) -> bool:
        """Whether any hub is to be asked now."""
        from feed_publisher.services.hub import wanting

        return bool(wanting(self.sources.all(), self.clock()))

    def hook_url(self, purpose: str, slug: str) -> str:
        """Where a source, or its hub, may call us: "ping" or "websub"."""
        newest = max(self.keys())
        return f"{self.settings.site.base_url}/hooks/{purpose}/{slug}/{hook_token(purpose, slug, self.keys()[newest])}"

    def is_hook(self, purpose: str, slug: str, token: str) -> bool:
        """Whether an address is one of ours."""
        return is_hook_token(token, purpose, slug, self.keys())

    def watch(self) -> list[str]:
        """Tell of sources that have fallen silent."""
        from feed_publisher.services.sources import watch

        return watch(self.sources, self.configured(), self._tell, self.clock())

    def health(self, slug: str | None = None) -> list[Health]:
        """How the sources are, or one of them. Raises NotFoundError."""
        from feed_publisher.services.sources import health

        configured = {rules.slug for rules in self.configured()}
        records = self.sources.all() if slug is None else [self.record(slug)]
        return health(self.sources, records, configured, self.clock())

    def record(self, slug: str) -> SourceRecord:
        """What is stored of a source, or NotFoundError naming the known ones."""
        self.configured()
        found = self.sources.get(slug)
        if found is None:
            known = ", ".join(record.slug for record in self.sources.all()) or "none"
            raise NotFoundError(f"there is no source {slug!r}; there are: {known}")
        return found

    def _service(self) -> Pickup:
        from feed_publisher.adapters.files import DiskSources
        from feed_publisher.parse.document import KNOWN_SUFFIXES
        from feed_publisher.services.pickup import Pickup

        files = DiskSources(self.folder, KNOWN_SUFFIXES)
        return Pickup(self.entries, self.sources, files, self.parser, self.secret, self._tell, self.clock)

    def secret(self, value: str) -> str:
        """What a configured header really is. Raises ConfigError."""
        return wiring.header_value(value, self.folder)

    def _report(self) -> PickupReport:
        from feed_publisher.services.absorbing import PickupReport

        return PickupReport()

    def _tell(self, about: str, sentence: str) -> None:
        if self.desk.tell(about[:200], sentence, self.clock()):
            log.warning("%s", sentence)

    def _topic_title(self, slug: str | None) -> tuple[str, ...]:
        """The title of a topic named by its slug; an unknown one is made."""
        if slug is None:
            return ()
        (slug,) = self.topics.today([check_slug(slug, "--topic")])
        known = self.topics.get(slug)
        if known is None:
            self.topics.declare(slug, slug.replace("-", " ").capitalize(), self.clock())
            known = self.topics.get(slug)
        return (known.title,) if known else ()
