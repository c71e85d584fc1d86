"""The scheduler: looks every second or two whether something is due. It holds no state (DESIGN §2).

What is due is a function of the database and the clock, so APScheduler only gives the rhythm: interval jobs in
memory, no misfire limit (its default of one second drops jobs after a busy moment), one instance of each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from feed_publisher.app import App
from feed_publisher.domain.errors import FeedPublisherError, MailError
from feed_publisher.domain.model import Problem
from feed_publisher.ports.feeds import FeedUse
from feed_publisher.ports.pickup import Fetcher
from feed_publisher.ports.sending import Mailer
from feed_publisher.ports.websub import Caller
from feed_publisher.services.absorbing import PickupReport
from feed_publisher.services.pickup import Claimed
from feed_publisher.services.send import SendRun

log = logging.getLogger("feed_publisher")

PICKUP_SECONDS = 1
WATCH_SECONDS = 600
HUB_SECONDS = 10
TELL_SECONDS = 2
USE_SECONDS = 60
RETURN_SECONDS = 5
IMAP_SECONDS = 60
ISSUE_SECONDS = 2
SEND_SECONDS = 1
PAGES = 50
"""Archive pages written in one step: more of them wait, so that new articles do not."""

CUT_SECONDS = 5.0
"""Seconds for what was cut to store how far it got."""

FOLDERS_SHARE = 10
"""Looking at folders takes at most one part in so many of the time."""

LONGEST_REST = 10.0
"""Seconds after which even the largest folder is looked at again."""

PUBLISH_PAUSE = 10.0
"""Seconds without a try after nothing could be written: the disk is full, perhaps."""

VISITS = 50
"""So many rounds of visits may be under way at the same time: they wait for slow servers, not for each other."""

RELAY_PAUSE = 30.0
"""Seconds without a try after the mail server could not be used."""


class Scheduler:
    """Runs the steps of a tick in this process's event loop until it is drained."""

    def __init__(self, app: App, mailer: Mailer, uses: Callable[[], list[FeedUse]] = list) -> None:
        self._app = app
        self._uses = uses
        self._mailer = mailer
        self._jobs = AsyncIOScheduler(timezone="UTC")
        self._busy: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._sending: SendRun | None = None
        self._relay_rests_until = 0.0
        self._folders_rest_until = 0.0
        self._publishing_rests_until = 0.0
        self._fetcher: Fetcher | None = None
        self._caller: Caller | None = None
        self._calls_strangers: Caller | None = None
        self._open = AsyncExitStack()
        self._visits: set[asyncio.Task[None]] = set()
        self._said: dict[str, str] = {}
        self._problems: frozenset[str] = frozenset()
        self._unpublished: frozenset[str] = frozenset()

    def start(self) -> None:
        """Begin at once."""
        self._every(PICKUP_SECONDS, "pickup", self.pick_up)
        self._every(PICKUP_SECONDS, "visits", self.visit)
        self._every(WATCH_SECONDS, "watch", self.watch)
        self._every(HUB_SECONDS, "hubs", self.ask_hubs)
        if self._app.settings.pinged_hubs:
            self._every(TELL_SECONDS, "hub pings", self.ping_hubs)
        if self._app.settings.hub_url:
            self._every(TELL_SECONDS, "hub requests", self.verify)
            self._every(TELL_SECONDS, "hub deliveries", self.distribute)
        self._every(USE_SECONDS, "counts", self.note_use)
        if self._app.settings.bounces.maildir:
            self._every(RETURN_SECONDS, "mail that comes back", self.read_maildir)
        if self._app.settings.bounces.imap_host:
            self._every(IMAP_SECONDS, "mail that comes back by IMAP", self.read_imap)
        self._every(ISSUE_SECONDS, "issues", self.open_issues)
        self._every(SEND_SECONDS, "letters", self.send_letters)
        self._every(SEND_SECONDS, "send", self.send)
        self._jobs.start()

    async def drain(self, seconds: float) -> None:
        """Start nothing more, let what is on its way finish; after ``seconds`` cut it."""
        self._stopping = True
        self._app.stopping.set()
        self._jobs.pause()
        if self._sending is not None:
            self._sending.stop()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.warning("stopped while %s; the next start continues", " and ".join(sorted(self._busy)))
        self._app.intake.close()
        for visit in self._visits:
            visit.cancel()  # nothing is lost: the source is visited again
        # APScheduler's own shutdown cancels what still runs; a cut message is then counted as in doubt.
        self._jobs.shutdown(wait=False)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), CUT_SECONDS)
        await asyncio.gather(*self._visits, return_exceptions=True)
        with suppress(FeedPublisherError):
            await self.note_use()
        await self._open.aclose()

    async def pick_up(self) -> None:
        """Read folders, write feeds. Large folders are looked at less often than small ones."""
        if time.monotonic() >= self._folders_rest_until:
            report = await self._app.intake.folders()
            rest = min(FOLDERS_SHARE * report.looking, LONGEST_REST)
            self._folders_rest_until = time.monotonic() + (rest if rest > PICKUP_SECONDS else 0)
            self._tell(report)
            self._problems = _log_new(report.rejected, self._problems, logging.WARNING, "skipped %s")
        if time.monotonic() >= self._publishing_rests_until:
            await self._publish()

    async def _publish(self) -> None:
        published = await asyncio.to_thread(self._app.publish, pages=PAGES)
        if published.written:
            log.info("wrote %d feed files", len(published.written))
        elif published.problems:
            self._publishing_rests_until = time.monotonic() + PUBLISH_PAUSE
        self._unpublished = _log_new(published.problems, self._unpublished, logging.ERROR, "feed not replaced: %s")

    async def visit(self) -> None:
        """Visit the fetched sources that are due. A slow one holds up none that is due later."""
        if len(self._visits) >= VISITS:
            return
        claimed = await asyncio.to_thread(self._app.intake.claim)
        if claimed:
            visit = asyncio.create_task(self._visit(claimed, await self._client()))
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)

    async def watch(self) -> None:
        """Tell of silent sources."""
        await asyncio.to_thread(self._app.intake.watch)

    async def ask_hubs(self) -> None:
        """Have hubs tell us of news, where they can reach us."""
        if await asyncio.to_thread(self._app.intake.has_hubs):
            await self._app.intake.hubs().renew(await self._client())

    async def note_use(self) -> None:
        """Store how much feeds have been read since the last time."""
        if uses := self._uses():
            await asyncio.to_thread(self._app.note_use, uses)

    async def ping_hubs(self) -> None:
        """Tell hubs of others which feeds have changed."""
        await self._app.hub_pings().run(await self._calling())

    async def verify(self) -> None:
        """Ask subscribers of our hub whether they meant it."""
        await self._app.own_hub().verify(await self._strangers())

    async def distribute(self) -> None:
        """Deliver feeds that have changed to the subscribers of our hub."""
        await self._app.own_hub().distribute(await self._strangers())

    async def _calling(self) -> Caller:
        if self._caller is None:
            self._caller = await self._open.enter_async_context(self._app.calling())
        return self._caller

    async def _strangers(self) -> Caller:
        if self._calls_strangers is None:
            self._calls_strangers = await self._open.enter_async_context(self._app.calling(strangers=True))
        return self._calls_strangers

    async def _client(self) -> Fetcher:
        if self._fetcher is None:
            self._fetcher = await self._open.enter_async_context(self._app.intake.fetching())
        return self._fetcher

    async def _visit(self, claimed: Sequence[Claimed], fetcher: Fetcher) -> None:
        report = PickupReport()
        try:
            await self._app.intake.visit(claimed, fetcher, report)
        except FeedPublisherError as error:
            log.error("visits: %s", error)
        except Exception:
            log.exception("a visit to the sources failed; they are visited again")
        self._tell(report)
        for problem in report.rejected:
            log.warning("skipped %s", problem)

    def _tell(self, report: PickupReport) -> None:
        if report.new:
            log.info("picked up %d new: %s", len(report.new), _titles([draft.title for draft in report.new]))
        if report.changed:
            log.info("changed %d: %s", len(report.changed), _titles([draft.title for draft in report.changed]))
        for draft, reason in report.held:
            log.warning("held “%s”: it %s", draft.title, reason)
        if report.withdrawn:
            log.info("withdrawn by their source: %s", _titles(report.withdrawn))
        if report.restored:
            log.info("back in their source: %s", _titles(report.restored))

    async def read_maildir(self) -> None:
        """Deal with what has come back to the Maildir."""
        await asyncio.to_thread(self._app.returns.poll_maildir)

    async def read_imap(self) -> None:
        """Deal with what has come back to the mailbox."""
        await asyncio.to_thread(self._app.returns.poll_imap)

    async def open_issues(self) -> None:
        """Open what is due."""
        opened = await asyncio.to_thread(self._app.open_issues)
        for issue in opened:
            log.info(
                "%s %s: %s, %s readers, “%s”", issue.digest, issue.slot, issue.state, issue.audience, issue.subject
            )
        await self._app.checkup.tell(opened)

    async def send_letters(self) -> None:
        """Hand over what waits for single people."""
        if time.monotonic() >= self._relay_rests_until:
            await self._app.send_letters(self._mailer)

    async def send(self) -> None:
        """Hand over what is due of issues."""
        if time.monotonic() < self._relay_rests_until:
            return
        try:
            if await asyncio.to_thread(self._app.is_sendable):
                self._sending = self._app.send_run(self._mailer)
                report = await self._sending.run()
                log.info("mail: %s", ", ".join(f"{count} {state}" for state, count in report.states.items()))
            else:
                await asyncio.to_thread(self._app.ledger.finish, self._app.clock())
        except MailError:
            self._relay_rests_until = time.monotonic() + RELAY_PAUSE
            raise
        finally:
            self._sending = None

    def _every(self, seconds: int, name: str, step: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await self._run(name, step)

        self._jobs.add_job(
            run, "interval", seconds=seconds, id=name, coalesce=True, max_instances=1, misfire_grace_time=None
        )

    async def _run(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """One step; an error is said once, until it changes or goes away."""
        if self._stopping or name in self._busy:
            return
        self._busy.add(name)
        self._idle.clear()
        try:
            await step()
            if self._said.pop(name, None):
                log.info("%s works again", name)
        except FeedPublisherError as error:
            if self._said.get(name) != str(error):
                log.error("%s: %s", name, error)
            self._said[name] = str(error)
        except Exception:
            log.exception("%s failed; it is tried again", name)
        finally:
            self._busy.discard(name)
            if not self._busy:
                self._idle.set()


def _log_new(problems: list[Problem], known: frozenset[str], level: int, words: str) -> frozenset[str]:
    """Each problem is logged when it appears, not every second; all those that there are now."""
    now = frozenset(str(problem) for problem in problems)
    for problem in sorted(now - known):
        log.log(level, words, problem)
    return now


def _titles(titles: list[str]) -> str:
    shown = "; ".join(f"“{title}”" for title in titles[:3])
    return shown if len(titles) <= 3 else f"{shown} and {len(titles) - 3} more"
