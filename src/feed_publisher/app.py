"""The composition root: the only place where services meet adapters; every entrance goes through it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.migrate import migrate
from feed_publisher.adapters.database.store.desk import SqlDeskStore
from feed_publisher.adapters.database.store.entries import SqlEntryStore
from feed_publisher.adapters.database.store.feeds import SqlFeedStore
from feed_publisher.adapters.database.store.issues import SqlIssueStore
from feed_publisher.adapters.database.store.ledger import SqlLedger
from feed_publisher.adapters.database.store.people import SqlPeopleStore
from feed_publisher.adapters.database.store.topics import SqlTopicStore
from feed_publisher.adapters.files import DiskSources, PublicFolder
from feed_publisher.adapters.mailbox import BuiltinMailbox
from feed_publisher.adapters.process import Owner
from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay
from feed_publisher.adapters.templates import environment
from feed_publisher.compose.digest import SiteView, template_set
from feed_publisher.compose.feedcheck import check_feed
from feed_publisher.compose.feeds import render as render_feed
from feed_publisher.compose.message import Sender
from feed_publisher.config import Digest, Settings, load
from feed_publisher.domain.cadence import Cadence, Clock
from feed_publisher.domain.address import Address
from feed_publisher.domain.delivery import Result
from feed_publisher.domain.errors import ConfigError, InputError, NotFoundError
from feed_publisher.domain.issue import Edition, Issue
from feed_publisher.domain.model import Draft, Entry, EntryState, Problem
from feed_publisher.domain.selection import Choice
from feed_publisher.domain.slug import check_slug
from feed_publisher.parse.document import KNOWN_SUFFIXES, read_document
from feed_publisher.parse.subscribers import SubscriberRow
from feed_publisher.ports import Absorbed
from feed_publisher.services.issue import DigestRules, Issues, Plan, Press
from feed_publisher.services.letters import Letters
from feed_publisher.services.manual import DryMail, dry_run, send_test
from feed_publisher.services.overview import Overview, overview
from feed_publisher.services.pickup import PickupReport, Wanted, add_by_hand, pickup
from feed_publisher.services.publish import FeedSite, PublishReport, publish
from feed_publisher.services.send import Letterhead, SendReport, SendRun, recover
from feed_publisher.services.subscribe import ImportReport, Subscribe, with_known_cadence

KEEP_TRYING = timedelta(hours=48)
"""How long a delivery is tried before its entries go into the next issue instead."""


def utc_now() -> datetime:
    """The clock. Only entrances read it; everything below is handed ``now``."""
    return datetime.now(UTC)


class App:
    """One site, opened: settings, database, stores, and the steps of a tick."""

    def __init__(self, folder: Path, overrides: Sequence[str] = (), clock: Callable[[], datetime] = utc_now) -> None:
        self.folder = folder
        self.settings: Settings = load(folder, tuple(overrides))
        self.clock = clock
        self.database = Database(self.settings.database.url or f"sqlite:///{self._sqlite_file()}")
        self.entries = SqlEntryStore(self.database)
        self.topics = SqlTopicStore(self.database)
        self.feeds = SqlFeedStore(self.database)
        self.issues = SqlIssueStore(self.database)
        self.ledger = SqlLedger(self.database)
        self.people = SqlPeopleStore(self.database)
        self.desk = SqlDeskStore(self.database)
        self.owner = Owner(folder / "var" / "run")
        self._prepare()

    def _sqlite_file(self) -> Path:
        file = self.folder / "var" / "publisher.sqlite3"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot be made: {error.strerror}", str(file.parent)) from error
        return file

    def _prepare(self) -> None:
        now = self.clock()
        migrate(self.database, now)
        for topic in self.settings.topics:
            self.topics.declare(topic.slug, topic.title, now)
        for digest in self.settings.digests:
            self.issues.declare_digest(digest.slug, now)

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()

    # --- what the settings mean

    @property
    def rehearsal(self) -> bool:
        """Whether mail goes to the built-in mailbox because no mail server is configured."""
        return not self.settings.smtp.host

    @property
    def base_url(self) -> str:
        return self.settings.site.base_url

    @cached_property
    def templates(self) -> Environment:
        site = self.settings.site
        return environment(self.folder / "templates", site.timezone, site.language)

    @cached_property
    def mailbox(self) -> BuiltinMailbox:
        return BuiltinMailbox(self.folder / "var" / "mailbox")

    @property
    def feed_site(self) -> FeedSite:
        site = self.settings.site
        return FeedSite(title=site.title, base_url=site.base_url, language=site.language)

    @property
    def site_view(self) -> SiteView:
        site = self.settings.site
        return SiteView(
            title=site.title,
            url=site.base_url,
            language=site.language,
            postal_address=site.postal_address,
            imprint_url=site.imprint_url,
            privacy_url=site.privacy_url,
            accent=site.accent,
        )

    def rules(self, digest: Digest) -> DigestRules:
        return DigestRules(
            slug=digest.slug,
            title=digest.title,
            topics=digest.topics,
            cadences=digest.cadences,
            weekday=digest.weekday,
            clock=Clock(digest.zone or self.settings.site.timezone, digest.hour),
            language=self.settings.site.language,
            maximum=digest.maximum,
            max_lateness=digest.max_lateness,
            needs_approval=digest.policy == "approve",
        )

    def sender(self, digest: Digest) -> Sender:
        own_domain = digest.from_address.rpartition("@")[2]
        list_domain = self.settings.mail.list_domain or own_domain
        return Sender(
            name=digest.from_name or digest.title,
            address=digest.from_address,
            reply_to=digest.reply_to or "",
            list_id=f"{digest.slug}.{list_domain}",
            message_id_domain=list_domain,
        )

    @cached_property
    def subscribe(self) -> Subscribe:
        cadences = {digest.slug: digest.cadences[0].value for digest in self.settings.digests}
        return Subscribe(self.people, cadences, self.base_url)

    @cached_property
    def letterhead(self) -> Letterhead:
        key_id, key = self.subscribe.current_key
        senders = {digest.slug: self.sender(digest) for digest in self.settings.digests}
        return Letterhead(senders=senders, base_url=self.base_url, key_id=key_id, key=key)

    def issuing(self) -> Issues:
        """The service that opens issues, with the templates as they are on disk now."""
        press = Press(site=self.site_view, templates=template_set(self.templates), timezone=self.settings.site.timezone)
        return Issues(self.issues, self.topics, self.desk, press, self.owner.name, self.rehearsal)

    # --- the steps of a tick

    async def pickup(self, paths: Sequence[str] = (), topic: str | None = None) -> PickupReport:
        """Read the configured sources, or just the named files; make public what was scheduled for now."""
        now = self.clock()
        self.entries.mature(now)
        wanted = [self._named(path, topic) for path in paths] if paths else self._configured(topic)
        sources = DiskSources(self.folder, KNOWN_SUFFIXES)
        return await pickup(wanted, self.entries, sources, read_document, now)

    def _configured(self, topic: str | None) -> list[Wanted]:
        title = self._topic_title(topic)
        return [
            Wanted(
                slug=source.slug,
                location=source.location,
                topics=title or source.topics,
                feed_only=source.first_contact == "none",
            )
            for source in self.settings.sources
        ]

    def _named(self, path: str, topic: str | None) -> Wanted:
        if urlsplit(path).scheme in ("http", "https"):
            raise InputError("addresses are not read yet; save the page as text, Markdown or JSON", path)
        location = str(Path(path).resolve())
        slug = f"path:{location}" if len(location) < 200 else f"path:{hashlib.sha256(location.encode()).hexdigest()}"
        return Wanted(slug=slug, location=location, kind="path", topics=self._topic_title(topic))

    def _topic_title(self, slug: str | None) -> tuple[str, ...]:
        if slug is None:
            return ()
        known = self.topics.get(check_slug(slug, "--topic"))
        if known is None:
            self.topics.declare(slug, slug.replace("-", " ").capitalize(), self.clock())
            known = self.topics.get(slug)
        return (known.title,) if known else ()

    def publish(self, every: bool = False) -> PublishReport:
        """Write the feed files that changed."""
        files = PublicFolder(self.folder / "public")
        return publish(self.feeds, files, self.feed_site, render_feed, check_feed, self.clock(), every)

    def open_issues(self) -> list[Issue]:
        """Settle what dead processes left, then open the issues whose slot is due."""
        now = self.clock()
        alive = self.recover()
        self.ledger.expire(now - KEEP_TRYING, now)
        issues = self.issuing()
        rules = self.all_rules()
        opened = issues.resume_preparing(rules, alive, now)
        for each in rules.values():
            opened += issues.open_due(each, now)
        return opened

    def recover(self) -> set[str]:
        """The owners that are alive; deliveries of dead ones are queued again or in doubt."""
        now = self.clock()
        alive, doubtful = recover(self.ledger, self.owner.is_dead, now)
        if doubtful:
            sentence = (
                f"The program stopped while {doubtful} mails were being handed over; they may or may not have arrived. "
                "`feed-publisher issues list` shows them in doubt; `issues resend ID --state unknown` mails them again."
            )
            self.desk.tell(f"doubt {now.isoformat()}", sentence, now)
        return alive

    @contextmanager
    def owning(self) -> Iterator[None]:
        """Be a process that may own deliveries."""
        with self.owner:
            self.ledger.register(self.owner.name, self.owner.host, os.getpid())
            try:
                yield
            finally:
                self.ledger.unregister(self.owner.name)

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[SmtpMailer]:
        """The configured mail server, else the built-in mailbox, running while the context is open."""
        if not self.rehearsal:
            yield SmtpMailer(self._relay())
            return
        port = await self.mailbox.start()
        try:
            yield SmtpMailer(Relay(host="127.0.0.1", port=port, tls="none"))
        finally:
            await self.mailbox.stop()

    def _relay(self) -> Relay:
        smtp = self.settings.smtp
        password = None
        if smtp.password_file:
            try:
                password = (self.folder / smtp.password_file).read_text().strip()
            except OSError as error:
                raise ConfigError(
                    f"cannot be read: {error.strerror}", f"smtp.password_file {smtp.password_file}"
                ) from error
        return Relay(
            host=smtp.host,
            port=smtp.port,
            tls=smtp.tls,
            username=smtp.username or None,
            password=password,
            connections=smtp.connections,
        )

    def send_run(
        self, mailer: SmtpMailer, only: int | None = None, progress: Callable[[SendReport], None] | None = None
    ) -> SendRun:
        """A run over everything that is due, or over one issue."""
        return SendRun(
            self.ledger, mailer, self.letterhead, self.owner.name, self.clock, self.rehearsal, only, progress
        )

    def letters(self) -> Letters:
        digests = {digest.slug: (digest.title, self.sender(digest)) for digest in self.settings.digests}
        return Letters(self.people, self.subscribe, self.templates, self.site_view, digests)

    def all_rules(self) -> dict[str, DigestRules]:
        """The rules of every digest, by slug."""
        return {digest.slug: self.rules(digest) for digest in self.settings.digests}

    def overview(self) -> Overview:
        """What happened and what is due next."""
        zone = self.settings.site.timezone
        return overview(
            self.desk, self.issues, self.ledger, self.issuing(), self.all_rules(), zone, self.rehearsal, self.clock()
        )

    def next_issue_text(self, digest: str, cadence: Cadence) -> str:
        """When the next issue comes, for people: "Monday, 23 November 2026 at 07:00"."""
        rules = self.all_rules().get(digest)
        if rules is None:
            return ""
        due = self.issuing().next_slot(rules, cadence, self.clock()).astimezone(ZoneInfo(rules.clock.zone))
        return f"{due:%A, %d %B %Y at %H:%M}"

    # --- one thing at a time, for commands

    def relay_text(self) -> str:
        """Where mail goes, in words."""
        if self.rehearsal:
            return "the built-in mailbox (a rehearsal: no mail leaves this computer)"
        return f"{self.settings.smtp.host}:{self.settings.smtp.port}"

    def resume(self, alive: set[str]) -> list[Issue]:
        """Continue issues whose preparation was interrupted."""
        return self.issuing().resume_preparing(self.all_rules(), alive, self.clock())

    def plan(self, slug: str, as_of: datetime | None = None) -> tuple[Plan, str]:
        """What a manual send would do now, and the subject most readers would see."""
        rules = self.rules(self.settings.digest(slug))
        issues = self.issuing()
        plan = issues.plan(rules, self.clock(), as_of=as_of)
        return plan, issues.subject(rules, plan, self.clock())

    def open_manual(self, slug: str, as_of: datetime | None = None) -> Issue | None:
        rules = self.rules(self.settings.digest(slug))
        return self.issuing().open_manual(rules, uuid.uuid4().hex, self.clock(), as_of)

    def preview(self, slug: str, reader: Address | None, as_of: datetime | None) -> Edition | None:
        """The edition that one reader, or one who has had nothing yet, would get."""
        rules = self.rules(self.settings.digest(slug))
        cursor, choice, language = self.issues.digest_start(slug), Choice(everything=0), None
        if reader is not None:
            found = self.issues.reader(slug, self.subscribe.key_of(reader), self.rehearsal)
            if found is None:
                raise NotFoundError(f"{reader} does not subscribe to {slug}")
            cursor, choice, language = found.cursor, Choice.parse(found.choice), found.language
        return self.issuing().preview(rules, cursor, choice, language, self.clock(), as_of)

    def dry_run(self, slug: str, as_of: datetime | None) -> Iterator[DryMail]:
        rules = self.rules(self.settings.digest(slug))
        return dry_run(self.issuing(), rules, self.people, self.letterhead, self.clock(), as_of)

    async def send_test(
        self, slug: str, addresses: list[Address], as_of: datetime | None
    ) -> tuple[str, dict[str, Result]]:
        """Mail a preview, marked; the subject and what became of each."""
        edition = self.preview(slug, None, as_of)
        if edition is None:
            raise NotFoundError("there is nothing new to show in a test mail")
        sender = self.sender(self.settings.digest(slug))
        async with self.relay() as mailer:
            dead_url = self.letterhead.unsubscribe_url(0)
            return edition.subject, await send_test(mailer, edition, sender, addresses, self.clock(), dead_url)

    def add_entry(self, draft: Draft) -> Absorbed:
        """An entry typed in by hand."""
        return add_by_hand(self.entries, draft, self.clock())

    def change_entry(self, key: str, allowed: Sequence[EntryState], state: EntryState) -> Entry:
        """Release, hide, withdraw or restore; mail that has not left is corrected in the same step."""
        entry = self.entries.get(key)
        changed = self.entries.change_state(entry.number, allowed, state, "", self.clock())
        self.issuing().revise(self.all_rules(), self.clock())
        return changed

    def add_subscribers(
        self, slug: str, rows: Iterator[SubscriberRow | Problem], active: bool, file: str
    ) -> ImportReport:
        """Rows of a file, or one typed in; a cadence the digest does not offer is refused."""
        cadences = [cadence.value for cadence in self.settings.digest(slug).cadences]
        return self.subscribe.add(slug, with_known_cadence(rows, cadences, file), active, file, self.clock())
