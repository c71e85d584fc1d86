"""The composition root: the only place where services meet adapters; every entrance goes through it.

Imports inside methods keep what only some commands need (templates, parsers, feed and mail libraries) out of the way
of the others.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from feed_publisher import wiring
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
from feed_publisher.adapters.database.store.archive import SqlArchiveStore
from feed_publisher.adapters.database.store.asked import SqlAskedStore
from feed_publisher.adapters.database.store.asking import SqlAskingStore
from feed_publisher.adapters.database.store.authors import SqlAuthorStore
from feed_publisher.adapters.database.store.bounces import SqlBounceStore
from feed_publisher.adapters.database.store.decisions import SqlDecisionStore
from feed_publisher.adapters.database.store.desk import SqlDeskStore
from feed_publisher.adapters.database.store.entries import SqlEntryStore
from feed_publisher.adapters.database.store.feed_use import SqlFeedUseStore
from feed_publisher.adapters.database.store.feeds import SqlFeedStore
from feed_publisher.adapters.database.store.issues import SqlIssueStore
from feed_publisher.adapters.database.store.keeping import SqlKeepingStore
from feed_publisher.adapters.database.store.ledger import SqlLedger
from feed_publisher.adapters.database.store.letters import SqlLetterStore
from feed_publisher.adapters.database.store.moving_lists import SqlMovingStore
from feed_publisher.adapters.database.store.people import SqlPeopleStore
from feed_publisher.adapters.database.store.preferences import SqlPreferenceStore
from feed_publisher.adapters.database.store.sources import SqlSourceStore
from feed_publisher.adapters.database.store.topic_changes import SqlTopicChangeStore
from feed_publisher.adapters.database.store.topics import SqlTopicStore
from feed_publisher.adapters.process import Owner
from feed_publisher.config.loading import load, state_of
from feed_publisher.config.models import Settings
from feed_publisher.domain.address import Address
from feed_publisher.domain.cadence import Cadence
from feed_publisher.domain.dates import FARTHEST
from feed_publisher.domain.delivery import Result
from feed_publisher.domain.errors import (
    ConfigError,
    InputError,
    NoRoomError,
    NotFoundError,
    StorageError,
    TemplateError,
)
from feed_publisher.domain.issue import Issue, archive_name
from feed_publisher.domain.model import Draft, Entry, EntryState, Problem
from feed_publisher.domain.sponsor import SponsorBlock
from feed_publisher.intake import Intake
from feed_publisher.ports.feeds import FeedState, FeedUse
from feed_publisher.ports.pickup import Absorbed
from feed_publisher.ports.sending import Mailer
from feed_publisher.ports.websub import Caller
from feed_publisher.recipients import Recipients
from feed_publisher.returning import Returns
from feed_publisher.services.topic_changes import TopicChanges

if TYPE_CHECKING:
    from jinja2 import Environment

    from feed_publisher.adapters.catalogs import Catalogs
    from feed_publisher.adapters.mailbox import BuiltinMailbox
    from feed_publisher.checkup import Checkup
    from feed_publisher.parse.subscribers import SubscriberRow
    from feed_publisher.services.ask_mails import AskMails
    from feed_publisher.services.asking import Asking
    from feed_publisher.services.deciding import Deciding
    from feed_publisher.services.edition import DigestRules, Editions
    from feed_publisher.services.horizon import Asked
    from feed_publisher.services.hub_ping import HubPings
    from feed_publisher.services.issue import Issues
    from feed_publisher.services.keeping import Keeping
    from feed_publisher.services.letters import LetterRules, Letters
    from feed_publisher.services.moving_in import MovingIn
    from feed_publisher.services.overview import Overview
    from feed_publisher.services.own_hub import OwnHub
    from feed_publisher.services.preferences import Preferences
    from feed_publisher.services.preview import Plan, Preview
    from feed_publisher.services.proof import Proofs
    from feed_publisher.services.publish import Publisher, PublishReport
    from feed_publisher.services.questions import Questions
    from feed_publisher.services.reasons import Words
    from feed_publisher.services.send import Letterhead, SendReport, SendRun
    from feed_publisher.services.sponsoring import Sponsoring, Standing
    from feed_publisher.services.starting import Starting
    from feed_publisher.services.subscribe import ImportReport, Subscribe
    from feed_publisher.services.trial import DryMail

log = logging.getLogger("feed_publisher")

HEARTBEAT = 10.0
"""Seconds between two signs of life."""

KEEP_TRYING = timedelta(hours=48)
"""How long a delivery is tried before its entries go into the next issue instead."""


def utc_now() -> datetime:
    """The clock. Only entrances read it; everything below is handed ``now``."""
    return datetime.now(UTC)


class App:
    """One site, opened: settings, database, stores, and what the entrances do with them."""

    def __init__(
        self,
        folder: Path,
        overrides: Sequence[str] = (),
        clock: Callable[[], datetime] = utc_now,
        only_looking: bool = False,
    ) -> None:
        """``only_looking``: topics are left as they are, whatever the settings say of them."""
        self.folder = folder
        self._settings_state = state_of(folder)
        self._told_outdated = False
        self._told_no_room = False
        self.settings: Settings = load(folder, tuple(overrides))
        self.clock = clock
        self.stopping = Event()
        self.database = Database(self.settings.database.url or f"sqlite:///{self._sqlite_file()}")
        self.entries = SqlEntryStore(self.database, self.settings.site.language)
        self.topics = SqlTopicStore(self.database)
        self.topic_changes = TopicChanges(SqlTopicChangeStore(self.database), log.warning)
        self.authors = SqlAuthorStore(self.database)
        self.feeds = SqlFeedStore(self.database)
        self.feed_use = SqlFeedUseStore(self.database)
        self.issues = SqlIssueStore(self.database)
        self.decisions = SqlDecisionStore(self.database)
        self.archive = SqlArchiveStore(self.database)
        self.ledger = SqlLedger(self.database)
        self.people = SqlPeopleStore(self.database)
        self.moving = SqlMovingStore(self.database)
        self.desk = SqlDeskStore(self.database)
        self.sources = SqlSourceStore(self.database)
        self.bounces = SqlBounceStore(self.database)
        self.intake = Intake(
            folder=folder,
            settings=self.settings,
            entries=self.entries,
            sources=self.sources,
            topics=self.topics,
            desk=self.desk,
            database=self.database,
            keys=lambda: self.people.secrets("token"),
            clock=clock,
        )
        self.recipients = Recipients(
            self.settings, self.database, self.people, self.desk, lambda address: self.subscribe.key_of(address)
        )
        self.returns = Returns(folder, self.settings, self.bounces, self.people, self._tell, clock)
        self.owner = Owner(folder / "var" / "run")
        self._prepare(only_looking)

    def _sqlite_file(self) -> Path:
        from feed_publisher.adapters.files import private_folder

        file = self.folder / "var" / "publisher.sqlite3"
        try:
            private_folder(file.parent / "run")
        except OSError as error:
            raise ConfigError(f"cannot be made: {error.strerror}", str(file.parent)) from error
        return file

    def _prepare(self, only_looking: bool) -> None:
        now = self.clock()
        migrate(self.database, now)
        self.entries.settle_languages()
        if not only_looking:
            self._settle_topics(now)
        for digest in self.settings.digests:
            self.issues.declare_digest(digest.slug, now, 0 if digest.backfill == "all" else None)
        self.recipients.declare(now)

    def _settle_topics(self, now: datetime) -> None:
        """Make topics what the settings say; what was begun under other settings comes first."""
        self.topic_changes.finish(now)
        for topic in self.settings.topics:
            self.topics.declare(topic.slug, topic.title, now, topic.was, topic.ended)
        self.topic_changes.begin(wiring.declared_topics(self.settings), now)
        self.topic_changes.finish(now)

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.intake.close()
        self.database.close()

    def _tell(self, about: str, sentence: str) -> bool:
        return self.desk.tell(about[:200], sentence, self.clock())

    # --- the site

    @property
    def rehearsal(self) -> bool:
        """Whether mail goes to the built-in mailbox because no mail server is configured."""
        return not self.settings.smtp.host

    @property
    def base_url(self) -> str:
        return self.settings.site.base_url

    @cached_property
    def templates(self) -> Environment:
        from feed_publisher.adapters.templates import environment

        site = self.settings.site
        return environment(self.folder / "templates", site.timezone, site.language, self.catalogs)

    @cached_property
    def catalogs(self) -> Catalogs:
        """The program's words in other languages."""
        from feed_publisher.adapters.catalogs import Catalogs

        return Catalogs(self.folder / "locale")

    @cached_property
    def mailbox(self) -> BuiltinMailbox:
        from feed_publisher.adapters.mailbox import BuiltinMailbox

        return BuiltinMailbox(self.folder / "var" / "mailbox")

    def entry_url(self, entry: Entry) -> str:
        """The article's own address, else our page for it."""
        return wiring.feed_site(self.settings).entry_url(entry)

    def issue_url(self, issue: Issue) -> str:
        """Its page in the archive; "" while it has none."""
        sent = self.archive.find(issue.digest, archive_name(issue.id, issue.issue_number))
        return wiring.feed_site(self.settings).issue_url(sent) if sent else ""

    def overview(self) -> Overview:
        """What happened and what is due next."""
        from feed_publisher.services.overview import overview

        zone, rules = self.settings.site.timezone, self.all_rules()
        return overview(self.desk, self.issues, self.ledger, rules, zone, self.rehearsal, self.clock())

    # --- entries and feeds

    def add_entry(self, draft: Draft) -> Absorbed:
        """An entry typed in by hand."""
        return self.intake.add(draft)

    def change_entry(self, key: str, allowed: Sequence[EntryState], state: EntryState) -> Entry:
        """Release, hide, withdraw or restore; mail that has not left is corrected in the same step."""
        entry = self.entries.get(key)
        changed = self.entries.change_state(entry.number, allowed, state, "", self.clock())
        self.issuing().revise(self.all_rules(), self.clock())
        return changed

    @cached_property
    def publisher(self) -> Publisher:
        from feed_publisher.adapters.files import PublicFolder
        from feed_publisher.compose.feedcheck import check_feed
        from feed_publisher.compose.feeds import lay_out, piece_of, specimen
        from feed_publisher.compose.opml import render_opml
        from feed_publisher.services.feedmaking import FeedMaker
        from feed_publisher.services.publish import Publisher

        site, files = wiring.feed_site(self.settings), PublicFolder(self.folder / "public")
        making = FeedMaker(self.feeds, site, piece_of, lay_out, check_feed, specimen())
        return Publisher(self.feeds, files, site, making, render_opml)

    def publish(self, every: bool = False, pages: int | None = None) -> PublishReport:
        """Take issues whose mail leaves into the archive; write the feed files that changed and some archive pages."""
        now, current = self.clock(), self._is_current()
        if current:
            self._declare_feeds(now)
            self.archive.enter(self.rehearsal, now)
        return self.publisher.publish(now, every, pages, current)

    def _declare_feeds(self, now: datetime) -> None:
        digests = self.settings.digests
        self.feeds.declare([(each.slug, each.title, each.topics) for each in self.settings.feeds], now)
        public = {each.slug: each.title for each in digests if each.archive}
        self.archive.declare(public, [each.slug for each in digests if not each.archive], now)

    def _is_current(self) -> bool:
        """Whether the settings are still those of the file: if not, nothing that a newer process has made is undone."""
        current = state_of(self.folder) == self._settings_state
        if not current and not self._told_outdated:
            log.warning("publisher.toml has changed since this program was started; restart it to use what it says now")
        self._told_outdated = not current
        return current

    def make_feed(self, slug: str, both_forms: bool) -> bool:
        """Publish a feed that somebody asks for; whether it is there now. NoRoomError is told to the operator."""
        try:
            made = self.feeds.make(slug, both_forms, self.clock())
        except NoRoomError as error:
            if not self._told_no_room:
                self._told_no_room = True
                what = f"Somebody asked for /feeds/{slug}, but {error}. Unused ones make room after 30 days; "
                self.desk.tell(
                    "no room for feeds", f"{what}[[feeds]] makes those that many want lasting.", self.clock()
                )
            raise
        if made:
            self.publisher.publish_one(slug, self.clock(), self._is_current())
        return made

    def note_use(self, uses: Sequence[FeedUse]) -> None:
        """Store how much feeds are read."""
        self.feed_use.note(self.owner.counting, uses, self.clock())

    def feed_states(self) -> list[FeedState]:
        """All feeds for the operator to look at."""
        return self.feed_use.states(self.clock())

    # --- WebSub

    @asynccontextmanager
    async def calling(self, strangers: bool = False) -> AsyncIterator[Caller]:
        """The HTTP client for hubs, or for strangers who gave us their address, for as long as the context is open."""
        async with wiring.caller(self.settings, strangers) as caller:
            yield caller

    def hub_pings(self) -> HubPings:
        """The service that tells hubs of others which feeds have changed."""
        from feed_publisher.adapters.database.store.hub_ping import SqlPingStore
        from feed_publisher.services.hub_ping import HubPings

        store, hubs = SqlPingStore(self.database), self.settings.pinged_hubs
        return HubPings(store, hubs, self.base_url, self._tell, self.clock)

    def own_hub(self) -> OwnHub:
        """The service that is a hub for our own feeds."""
        from feed_publisher.adapters.database.store.own_hub import SqlHubStore
        from feed_publisher.services.own_hub import OwnHub

        return OwnHub(
            SqlHubStore(self.database), self.publisher.files, self.base_url, self.settings.hub_url, self.clock
        )

    async def tell_hubs(self) -> None:
        """Everything that hubs and their subscribers are to be told now."""
        if not self.settings.hub_urls:
            return
        async with self.calling() as caller:
            await self.hub_pings().run(caller)
        if self.settings.hub_url:
            async with self.calling(strangers=True) as caller:
                await self.own_hub().verify(caller)
                await self.own_hub().distribute(caller)

    # --- issues

    def all_rules(self) -> dict[str, DigestRules]:
        """The rules of every digest, by slug; shadows included."""
        return {digest.slug: wiring.digest_rules(self.settings, digest) for digest in self.settings.all_digests}

    def rules(self, slug: str) -> DigestRules:
        """The rules of one digest, or shadow. Raises ConfigError for an unknown one."""
        return wiring.digest_rules(self.settings, self.settings.any_digest(slug))

    def editions(self) -> Editions:
        """What mails are made of, with the templates as they are on disk now."""
        from feed_publisher.compose.digest import template_set
        from feed_publisher.services.edition import Editions, Press

        site, templates = wiring.site_view(self.settings), template_set(self.templates)
        languages = self.catalogs.languages
        press = Press(site=site, templates=templates, languages=languages, rehearsal=self.rehearsal)
        return Editions(self.issues, self.topics, press)

    def previewing(self, editions: Editions | None = None) -> Preview:
        """The service that tells what would be sent."""
        from feed_publisher.services.preview import Preview

        return Preview(self.issues, editions or self.editions(), self.sponsoring, self.rehearsal)

    @cached_property
    def sponsoring(self) -> Sponsoring:
        """The service that tells which sponsors issues carry."""
        from feed_publisher.adapters.database.store.sponsors import SqlSponsorStore
        from feed_publisher.services.sponsoring import Sponsoring

        return Sponsoring(SqlSponsorStore(self.database), self.rehearsal)

    def next_sponsors(self, slug: str, cadence: Cadence) -> tuple[SponsorBlock, ...]:
        """Those that the next issue of a cadence would carry, as things stand."""
        rules, now = self.rules(slug), self.clock()
        slot = None if cadence is Cadence.INSTANT else rules.rhythm(cadence).next(rules.clock, now)
        return self.sponsoring.next(rules, slot, now)

    def sponsors(self) -> list[Standing]:
        """How far each sponsor of the settings has got."""
        return self.sponsoring.standings(wiring.sponsors(self.settings), self.all_rules(), self.clock())

    def issuing(self) -> Issues:
        """The service that opens issues."""
        from feed_publisher.services.issue import Issues
        from feed_publisher.services.preparing import Preparing
        from feed_publisher.services.skipping import Skipping

        editions, owner, zone = self.editions(), self.owner.name, self.settings.site.timezone
        skipping = Skipping(self.issues, self.desk, owner, self.rehearsal, zone)
        operators, stopping = self.settings.mail.operators, self.stopping.is_set
        preparing = Preparing(self.issues, self.decisions, editions, skipping, self.sponsoring, stopping, operators)
        return Issues(self.issues, editions, self.previewing(editions), preparing, skipping, owner, self.rehearsal)

    def open_issues(self) -> list[Issue]:
        """Settle what dead processes left, bring unsent mail up to date, open the issues whose slot is due."""
        now = self.clock()
        alive = self.recover()
        self._tell_unknown_digests(now)
        self.recipients.stand_down(now)
        self.issues.end_cancelled(now)
        self._end_pauses(now)
        self.ask_mails().step(self.rehearsal, now)
        expired = self.ledger.expire(now - KEEP_TRYING, now)
        if expired:
            sentence = f"{expired} mails were not accepted within 48 hours; their articles come in the next issue."
            self.desk.tell(f"expired {now.isoformat()}", sentence, now)
        issues, rules = self.issuing(), self.all_rules()
        issues.revise(rules, now)
        opened = issues.resume_preparing(rules, alive, now)
        for each in rules.values():
            if not each.rests:
                opened += issues.open_due(each, now)
        self.deciding(issues).step(now)
        return opened

    def deciding(self, issues: Issues | None = None) -> Deciding:
        """The service by which operators decide about issues before they leave."""
        from feed_publisher.services.deciding import Deciding

        zone = self.settings.site.timezone
        return Deciding(self.decisions, issues or self.issuing(), self.desk, self.all_rules(), self.rehearsal, zone)

    def questions(self) -> Questions:
        """The service that mails operators what waits for a decision, and knows its links again."""
        from feed_publisher.services.questions import Questions

        head = self.letterhead
        site, keys = wiring.site_view(self.settings), self.people.secrets("token")
        dead, operators = head.links(0), self.settings.mail.operators
        return Questions(self.decisions, self.deciding(), self.templates, site, head.senders, keys, dead, operators)

    def starting(self, slug: str) -> Starting:
        """The service that knows, and moves, where a digest starts."""
        from feed_publisher.adapters.database.store.starting import SqlStartStore
        from feed_publisher.services.starting import Starting

        return Starting(SqlStartStore(self.database), slug, self.editions().covered(self.rules(slug)))

    def _end_pauses(self, now: datetime) -> None:
        """Before any issue is opened: what a reader gets depends on how the pause was meant to end."""
        while SqlPreferenceStore(self.database).end_pauses(now):
            pass

    def _tell_unknown_digests(self, now: datetime) -> None:
        """Mail that waits for a digest that is no longer configured leaves only when it is again."""
        for slug in sorted(self.issues.open_digests() - {digest.slug for digest in self.settings.all_digests}):
            sentence = (
                f"Mail of the digest {slug!r} is waiting, but publisher.toml has no such digest any more: "
                "put it back, or end it with `issues cancel ID`."
            )
            self.desk.tell(f"unknown digest {slug}", sentence, now)

    def resume(self, alive: set[str]) -> list[Issue]:
        """Continue issues whose preparation was interrupted."""
        return self.issuing().resume_preparing(self.all_rules(), alive, self.clock())

    def plan(self, slug: str, as_of: datetime | None = None) -> tuple[Plan, str]:
        """What a manual send would do now, and the subject most readers would see."""
        rules, preview, now = self.rules(slug), self.previewing(), self.clock()
        plan = preview.plan(rules, now, as_of=as_of)
        return plan, preview.subject(rules, plan, now)

    def open_manual(self, slug: str, as_of: datetime | None = None) -> Issue | None:
        """Open the issue of a manual send; None when there is nothing new for anybody."""
        self.recipients.stand_down(self.clock())
        self._end_pauses(self.clock())
        return self.issuing().open_manual(self.rules(slug), uuid.uuid4().hex, self.clock(), as_of)

    def proofs(self) -> Proofs:
        """The service that shows an issue before it is sent, and tells why all that is in or out of it is."""
        from feed_publisher.adapters.database.store.preview import SqlPreviewStore
        from feed_publisher.services.horizon import Horizons
        from feed_publisher.services.proof import Proofs
        from feed_publisher.services.turnout import Turnouts

        store, editions = SqlPreviewStore(self.database), self.editions()
        return Proofs(
            self.issues,
            store,
            self.ledger,
            editions,
            Horizons(self.issues, store),
            Turnouts(self.issues, store, editions, self.rehearsal),
            self.sponsoring,
            self.letterhead,
            self.previewing(editions).next_issue,
            self.rehearsal,
        )

    def asked(
        self,
        slug: str,
        as_of: datetime | None = None,
        cadence: str | None = None,
        reader: Address | None = None,
        version: int = 0,
        newcomer: bool = False,
    ) -> Asked:
        """What is to be looked at. Raises ConfigError, InputError."""
        from feed_publisher.services.horizon import Asked

        rules = self.rules(slug)
        found = next((each for each in rules.cadences if str(each) == cadence), None)
        if cadence is not None and found is None:
            offered = ", ".join(map(str, rules.cadences))
            raise InputError(f"{slug} does not come {cadence!r}; it comes {offered}", "cadence")
        if as_of is not None and as_of > self.clock() + FARTHEST:
            raise InputError("it is more than a year ahead", "as-of")
        key = self.subscribe.key_of(reader) if reader else None
        return Asked(rules=rules, as_of=as_of, cadence=found, reader=key, version=version, newcomer=newcomer)

    def reasons(self, one: bool) -> Words:
        """The words for reasons; ``one``: those of a single reader."""
        from feed_publisher.services.reasons import Words

        titles = {number: topic.title for number, topic in self.topics.refs().items()}
        return Words(self.settings.site.timezone, titles, one)

    def dry_run(self, slug: str, as_of: datetime | None) -> Iterator[DryMail]:
        """Every mail a manual send would make now."""
        from feed_publisher.services.trial import dry_run

        return dry_run(self.previewing(), self.rules(slug), self.people, self.letterhead, self.clock(), as_of)

    def next_issue(self, slug: str, cadence: Cadence) -> datetime | None:
        """When the next issue comes, by the clock of the digest.

        None for an unknown one, one that goes to the operators only, or "as it happens".
        """
        rules = self.all_rules().get(slug)
        if rules is None or rules.rests or cadence is Cadence.INSTANT:
            return None
        return rules.next_due(cadence, self.clock()).astimezone(ZoneInfo(rules.clock.zone))

    @cached_property
    def checkup(self) -> Checkup:
        """The doctor, who looks at mail as its receivers do."""
        from feed_publisher.checkup import Checkup

        return Checkup(self.folder, self.settings, self.desk, self.relay, self.samples, self.clock)

    def samples(self) -> dict[str, bytes]:
        """A mail of each digest whose templates are well; `check` says which are not."""
        from feed_publisher.services.trial import sample

        editions, made = self.editions(), {}
        for slug, rules in self.all_rules().items():
            with suppress(TemplateError):
                made[slug] = sample(editions, rules, self.letterhead, self.clock())
        return made

    # --- sending

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[Mailer]:
        """The configured mail server, else the built-in mailbox, running while the context is open."""
        from feed_publisher.adapters.smtp.mailer import SmtpMailer
        from feed_publisher.adapters.smtp.relay import Relay
        from feed_publisher.adapters.smtp.signing import SigningMailer

        if not self.rehearsal:
            mailer = SmtpMailer(wiring.relay(self.settings, self.folder))
            signers = wiring.signers(self.settings, self.folder)
            yield SigningMailer(mailer, signers) if signers else mailer
            return
        port = await self.mailbox.start()
        try:
            yield SmtpMailer(Relay(host="127.0.0.1", port=port, tls="none"))
        finally:
            await self.mailbox.stop()

    def relay_text(self) -> str:
        """Where mail goes, in words."""
        if self.rehearsal:
            return "the built-in mailbox (a rehearsal: no mail leaves this computer)"
        return f"{self.settings.smtp.host}:{self.settings.smtp.port}"

    @cached_property
    def letterhead(self) -> Letterhead:
        from feed_publisher.services.send import Letterhead

        key_id, key = self.subscribe.current_key
        senders = {digest.slug: wiring.sender(self.settings, digest) for digest in self.settings.all_digests}
        return Letterhead(
            senders=senders,
            base_url=self.base_url,
            key_id=key_id,
            key=key,
            bounce_domain=self.settings.mail.bounce_domain,
            by_mail=self.settings.bounces.takes_mail,
        )

    @contextmanager
    def owning(self) -> Iterator[None]:
        """Be a process that may own deliveries."""
        with self.owner:
            self.register()
            ended = Event()
            heart = Thread(target=self._beat, args=(ended,), name="heartbeat", daemon=True)
            heart.start()
            try:
                yield
            finally:
                ended.set()
                heart.join()
                self.ledger.recover(self.owner.name, self.clock())

    def _beat(self, ended: Event) -> None:
        """Tell the other processes that this one lives; come back when they took it for dead (it may have slept)."""
        while not ended.wait(HEARTBEAT):
            try:
                if not self.ledger.heartbeat(self.owner.name):
                    self.register()
            except StorageError as error:
                log.warning("no sign of life could be given: %s", error)

    def register(self) -> None:
        """Tell the other processes that this one exists."""
        self.ledger.register(self.owner.name, self.owner.host, os.getpid())

    def recover(self) -> set[str]:
        """The owners that are alive; deliveries of dead ones are queued again or in doubt, and that is told."""
        from feed_publisher.services.send import recover

        now = self.clock()
        alive, doubtful = recover(self.ledger, self.owner.is_dead, now)
        if doubtful:
            sentence = (
                f"The program stopped while {doubtful} mails were being handed over; they may or may not have arrived. "
                "`issues list` shows them in doubt; `issues resend ID --state unknown` mails them again."
            )
            self.desk.tell(f"doubt {now.isoformat()}", sentence, now)
        return alive

    def is_sendable(self) -> bool:
        """Whether any mail is due."""
        known = [digest.slug for digest in self.settings.all_digests]
        return bool(self.ledger.sendable(self.rehearsal, known, self.clock()))

    def send_run(
        self, mailer: Mailer, only: int | None = None, progress: Callable[[SendReport], None] | None = None
    ) -> SendRun:
        """A run over everything that is due, or over one issue."""
        from feed_publisher.services.send import SendRun

        return SendRun(
            self.ledger,
            mailer,
            self.letterhead,
            self.owner.name,
            self.clock,
            self.rehearsal,
            only,
            progress,
            self._stop_issue,
        )

    def _stop_issue(self, number: int, reply: str) -> None:
        from feed_publisher.services.send import stop_refused

        stop_refused(self.issues, self.desk, number, reply, self.clock())

    async def send_due(self, mailer: Mailer) -> None:
        """Hand over all that is due, and then what an issue that waited for it brings. Raises MailError."""
        if self.is_sendable():
            await self.send_run(mailer).run()
            if self.resume(self.recover()) and self.is_sendable():
                await self.send_run(mailer).run()

    async def send_test(
        self, slug: str, addresses: list[Address], as_of: datetime | None
    ) -> tuple[str, dict[str, Result]]:
        """Mail a preview, marked; the subject and what became of each."""
        from feed_publisher.services.trial import send_test

        proofs, now = self.proofs(), self.clock()
        mail = proofs.mail(self.asked(slug, as_of), now) or proofs.mail(self.asked(slug, as_of, newcomer=True), now)
        if mail is None:
            raise NotFoundError("there is nothing new to show in a test mail")
        edition = mail.edition
        sender = self.letterhead.senders[slug]
        async with self.relay() as mailer:
            dead = self.letterhead.links(0)
            return edition.subject, await send_test(mailer, edition, sender, addresses, self.clock(), dead)

    def check_templates(self) -> None:
        """Make a mail of odd articles for every digest, and every letter. Raises TemplateError."""
        from feed_publisher.services.trial import check_templates

        editions, letters, asks = self.editions(), self.letters(), self.ask_mails()
        for rules in map(self.rules, [digest.slug for digest in self.settings.digests]):
            check_templates(editions, rules, self.letterhead, letters, asks, self.clock())

    def letters(self) -> Letters:
        """The service that mails single people."""
        from feed_publisher.services.letters import Letters

        store, site = SqlLetterStore(self.database), wiring.site_view(self.settings)
        return Letters(store, self.subscribe, self.templates, site, self._letter_rules(), self.catalogs.languages)

    def _letter_rules(self) -> dict[str, LetterRules]:
        return {each.slug: wiring.letter_rules(self.settings, each) for each in self.settings.all_digests}

    async def send_letters(self, mailer: Mailer) -> int:
        """Mail what waits for single people: readers, operators who are to decide, and who reads answers.

        Of those who are asked whether they still want a digest only some; how many, 0 when nobody is left. A broken
        template keeps its own mails only: TemplateError is raised after the others.
        """
        trouble: TemplateError | None = None
        for kind in (self.letters(), self.questions()):
            try:
                await kind.send(mailer, self.clock())
            except TemplateError as error:
                trouble = error
        if self.settings.bounces.takes_mail:
            await self.returns.answering().send(mailer, self.clock())
        asked = await self.ask_mails().send(mailer, self.rehearsal, self.clock())
        if trouble is not None:
            raise trouble
        return asked

    def ask_mails(self) -> AskMails:
        """The service that asks readers whether they still want a digest, and pauses who is silent."""
        from feed_publisher.services.ask_mails import AskMails
        from feed_publisher.services.preferences import FOR_EVER

        def tell(about: str, sentence: str) -> None:
            self.desk.tell(about, sentence, self.clock())

        store, site, languages = SqlAskedStore(self.database), wiring.site_view(self.settings), self.catalogs.languages
        rules, key = self._letter_rules(), self.subscribe.current_key
        return AskMails(store, self.templates, site, rules, languages, key, FOR_EVER, tell)

    # --- people

    @cached_property
    def subscribe(self) -> Subscribe:
        from feed_publisher.services.subscribe import Subscribe

        cadences = {digest.slug: digest.cadences[0].value for digest in self.settings.digests}
        welcoming = [digest.slug for digest in self.settings.digests if digest.welcome]
        return Subscribe(self.people, cadences, self.base_url, welcoming)

    @cached_property
    def preferences(self) -> Preferences:
        """What readers choose for themselves."""
        from zoneinfo import available_timezones

        from feed_publisher.services.preferences import Preferences

        store, zones = SqlPreferenceStore(self.database), available_timezones()
        return Preferences(
            store, self.people, self.all_rules(), self.subscribe.read, zones.__contains__, self.subscribe.key_of
        )

    @cached_property
    def keeping(self) -> Keeping:
        """The page on which readers say that they still want a digest."""
        from feed_publisher.services.keeping import Keeping

        return Keeping(SqlKeepingStore(self.database), self.subscribe.read)

    def asking(self) -> Asking:
        """Rounds of asking readers whether they still want a digest, for the operator."""
        from feed_publisher.services.asking import Asking

        return Asking(SqlAskingStore(self.database), self.subscribe.key_of)

    def moving_in(self) -> MovingIn:
        """The service that brings whole lists of readers."""
        from feed_publisher.services.moving_in import MovingIn

        offered = {each.slug: [cadence.value for cadence in each.cadences] for each in self.settings.digests}
        return MovingIn(self.moving, self.subscribe.key_of, offered, self.topics.all(), self.topics.aliases())

    def add_subscribers(
        self, slug: str, rows: Iterator[SubscriberRow | Problem], active: bool, file: str
    ) -> ImportReport:
        """A few readers, typed in or of the example; a cadence the digest does not offer is refused."""
        from feed_publisher.services.subscribe import with_known_cadence

        cadences = [cadence.value for cadence in self.settings.digest(slug).cadences]
        return self.subscribe.add(slug, with_known_cadence(rows, cadences, file), active, file, self.clock())
