"""Send: claim deliveries, compose each message, hand it to the relay, store what became of it (SEMANTICS §3).

The mark of the next message is committed together with the result of the one before on its connection, and all
connections share commits: so after a crash at most one message per open connection is in doubt.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from feed_publisher.compose.message import Links, Personal, Sender, Skeleton
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.breaker import Breaker
from feed_publisher.domain.delivery import DeliveryState, Result, Verdict, verdict
from feed_publisher.domain.errors import InputError, StorageError
from feed_publisher.domain.issue import Edition, IssueState
from feed_publisher.domain.token import Purpose, make_token
from feed_publisher.domain.verp import Way, local_part
from feed_publisher.ports.issues import IssueStore
from feed_publisher.ports.people import DeskStore
from feed_publisher.ports.sending import ClaimedDelivery, Ledger, Mailer, Mark, Outgoing, Process, StoredEdition

CLAIM = 200
"""Deliveries reserved at a time."""

RETRY_PAUSES = (0.5, 2.0, 5.0)
"""Seconds between tries to store a result, beside the database's own patience."""

GATHER = 0.003
"""Seconds for which a commit waits for as many others as the one before had: each costs as much as several mails."""

SKELETONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What every mail of a site carries: senders by digest, and how to make links.

    ``bounce_domain``: where mail comes back to, "" for the sender's own address; ``by_mail``: mail to it is read.
    """

    senders: Mapping[str, Sender]
    base_url: str
    key_id: int
    key: bytes
    bounce_domain: str = ""
    by_mail: bool = False

    def links(self, subscription: int) -> Links:
        """One reader's own; with 0 they lead nowhere."""
        mail = self._mail_back(Way.LEAVE, subscription) if self.by_mail and self.bounce_domain else ""
        return Links(
            unsubscribe=f"{self.base_url}/unsubscribe/{self._token(Purpose.UNSUBSCRIBE, subscription)}",
            preferences=f"{self.base_url}/preferences/{self._token(Purpose.PREFERENCES, subscription)}",
            unsubscribe_mail=mail,
        )

    def mail_from(self, claimed: ClaimedDelivery) -> str:
        """The envelope sender: what comes back to it names the delivery, whatever the report says."""
        if not self.bounce_domain:
            return self.senders[claimed.digest].address
        return self._mail_back(Way.BOUNCE, claimed.delivery, claimed.attempt)

    def _mail_back(self, way: Way, number: int, attempt: int = 0) -> str:
        return f"{local_part(way, number, self.key_id, self.key, attempt)}@{self.bounce_domain}"

    def _token(self, purpose: Purpose, subscription: int) -> str:
        return make_token(purpose, subscription, self.key_id, self.key)


@dataclass(slots=True)
class SendReport:
    """Messages by the state they ended in during this run."""

    states: dict[DeliveryState, int] = field(default_factory=dict)

    def count(self, state: DeliveryState) -> None:
        self.states[state] = self.states.get(state, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.states.values())


@dataclass(slots=True)
class _Waiting:
    """One connection's request to the committer."""

    verdict: tuple[Result, Verdict] | None
    mark: Mark | None
    granted: asyncio.Future[bool]


class Committer:
    """Groups the marks and results of all connections into as few durable commits as possible."""

    def __init__(self, ledger: Ledger, owner: str, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._owner = owner
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def settle(self, judged: tuple[Result, Verdict] | None, mark: Mark | None) -> bool:
        """Whether ``mark`` was granted; True when there was none to grant."""
        if judged is None and mark is None:
            return True
        waiting = _Waiting(judged, mark, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._commit_all())
        return await waiting.granted

    async def _commit_all(self) -> None:
        """What arrives while one commit is on its way goes into the next, and what comes a moment later."""
        last = 1
        while self._waiting:
            if len(self._waiting) < last:
                await asyncio.sleep(GATHER)
            group, self._waiting = self._waiting, []
            last = len(group)
            try:
                granted = await self._patiently(group)
            except Exception as error:  # noqa: BLE001 - each connection raises it as its own
                for waiting in group:
                    if not waiting.granted.done():
                        waiting.granted.set_exception(error)
                continue
            for waiting in group:
                if not waiting.granted.done():
                    waiting.granted.set_result(waiting.mark is None or waiting.mark.delivery in granted)

    async def _patiently(self, group: list[_Waiting]) -> set[int]:
        """A result that is known must not be lost to a database that is busy for a while."""
        for pause in RETRY_PAUSES:
            try:
                return await asyncio.to_thread(self._commit, group)
            except StorageError:
                await asyncio.sleep(pause)
        return await asyncio.to_thread(self._commit, group)

    def _commit(self, group: list[_Waiting]) -> set[int]:
        verdicts = [waiting.verdict for waiting in group if waiting.verdict]
        marks = [waiting.mark for waiting in group if waiting.mark]
        return self._ledger.settle(self._owner, verdicts, marks, self._clock())


class SendRun:
    """One run: everything that is due now, or until ``stop`` is called."""

    def __init__(
        self,
        ledger: Ledger,
        mailer: Mailer,
        letterhead: Letterhead,
        owner: str,
        clock: Callable[[], datetime],
        rehearsal: bool,
        only: int | None = None,
        progress: Callable[[SendReport], None] | None = None,
        stop_issue: Callable[[int, str], None] | None = None,
    ) -> None:
        """``stop_issue`` is called with an issue whose sender the relay refuses again and again, and what it said."""
        self._ledger = ledger
        self._mailer = mailer
        self._letterhead = letterhead
        self._owner = owner
        self._clock = clock
        self._rehearsal = rehearsal
        self._only = only
        self._progress = progress
        self._stop_issue = stop_issue
        self._breakers: dict[int, Breaker] = {}
        self._committer = Committer(ledger, owner, clock)
        self._claimed: deque[ClaimedDelivery] = deque()
        self._in_hand: dict[int, ClaimedDelivery] = {}
        self._skeletons: OrderedDict[tuple[int, str], Skeleton] = OrderedDict()
        self._claiming = asyncio.Lock()
        self._stopped = False
        self.report = SendReport()

    def stop(self) -> None:
        """Finish what is on its way, take nothing more."""
        self._stopped = True

    async def run(self) -> SendReport:
        """Raises MailError when the relay cannot be used; what was claimed is queued again."""
        try:
            await self._mailer.run(self._take, self._settle)
        finally:
            await asyncio.to_thread(self._ledger.release, self._owner, self._clock())
            await asyncio.to_thread(self._ledger.finish, self._clock())
        return self.report

    async def _take(self) -> Outgoing | None:
        async with self._claiming:
            while not self._stopped:
                if not self._claimed and not await asyncio.to_thread(self._claim):
                    return None
                if self._claimed:
                    return await self._compose(self._claimed.popleft())
        return None

    def _claim(self) -> bool:
        """Reserve more; False when nothing is due."""
        now = self._clock()
        known = tuple(self._letterhead.senders)
        issues = [self._only] if self._only is not None else self._ledger.sendable(self._rehearsal, known, now)
        for issue in issues:
            self._claimed.extend(self._ledger.claim(issue, self._owner, CLAIM, now))
            if self._claimed:
                return True
        return False

    async def _compose(self, claimed: ClaimedDelivery) -> Outgoing:
        shared = await self._skeleton(claimed)
        self._in_hand[claimed.delivery] = claimed
        return outgoing(claimed, shared, self._letterhead)

    async def _skeleton(self, claimed: ClaimedDelivery) -> Skeleton:
        key = (claimed.edition, claimed.digest)
        if key not in self._skeletons:
            edition = await asyncio.to_thread(self._ledger.edition, claimed.edition)
            sender = self._letterhead.senders[claimed.digest]
            self._skeletons[key] = skeleton(sender, edition)
            if len(self._skeletons) > SKELETONS:
                self._skeletons.popitem(last=False)
        self._skeletons.move_to_end(key)
        return self._skeletons[key]

    async def _settle(self, result: Result | None, outgoing: Outgoing | None) -> bool:
        judged, mark = None, None
        if result is not None:
            claimed = self._in_hand.pop(result.delivery)
            judged = (result, verdict(result, claimed.tries, self._clock()))
            await self._watch(claimed.issue, result)
        if outgoing is not None:
            edition = self._in_hand[outgoing.delivery].edition
            mark = Mark(delivery=outgoing.delivery, attempt=outgoing.attempt, edition=edition)
        granted = await self._committer.settle(judged, mark)
        if judged is not None:
            self.report.count(judged[1].state)
            if self._progress:
                self._progress(self.report)
        return granted

    async def _watch(self, issue: int, result: Result) -> None:
        """Stop an issue that the relay refuses because of us, and leave what is claimed of it where it was."""
        if not self._breakers.setdefault(issue, Breaker()).trips(result):
            return
        del self._breakers[issue]
        self._claimed = deque(each for each in self._claimed if each.issue != issue)
        if self._stop_issue is not None:
            await asyncio.to_thread(self._stop_issue, issue, str(result.reply))


def outgoing(claimed: ClaimedDelivery, shared: Skeleton, letterhead: Letterhead) -> Outgoing:
    """The same bytes on every attempt: nothing here depends on the clock or on chance."""
    sender = letterhead.senders[claimed.digest]
    links = letterhead.links(claimed.subscription)
    to = claimed.address if claimed.address.isascii() else parse_address(claimed.address).envelope
    personal = addressed(to, f"{claimed.issue}.{claimed.delivery}", sender, links, claimed.opened_at)
    return Outgoing(
        delivery=claimed.delivery,
        attempt=claimed.attempt,
        mail_from=letterhead.mail_from(claimed),
        rcpt_to=to,
        message=shared.message(personal),
    )


def addressed(to: str, name: str, sender: Sender, links: Links, date: datetime) -> Personal:
    """What is one reader's own of a message; ``name`` makes its Message-ID. The same for mails, tests and previews."""
    return Personal(
        to=to,
        message_id=f"{name}@{sender.message_id_domain}",
        date=date,
        values=links.values,
        unsubscribe_url=links.unsubscribe,
        unsubscribe_mail=links.unsubscribe_mail,
    )


def skeleton(sender: Sender, edition: Edition | StoredEdition, subject: str | None = None) -> Skeleton:
    """What all readers of an edition share, encoded once; ``subject`` when not its own, with the sender's mark."""
    said = subject or f"{sender.mark}{edition.subject}"
    return Skeleton(sender, said, edition.html, edition.text, edition.language, edition.nonce)


def recover(ledger: Ledger, is_dead: Callable[[Process], bool], now: datetime) -> tuple[set[str], int]:
    """Settle what dead processes left; the owners still alive, and how many deliveries are now in doubt."""
    alive, doubtful = set[str](), 0
    for process in ledger.processes():
        if is_dead(process):
            doubtful += ledger.recover(process.owner, now)[1]
        else:
            alive.add(process.owner)
    return alive, doubtful


def stop_refused(issues: IssueStore, desk: DeskStore, issue: int, reply: str, now: datetime) -> None:
    """Pause an issue that the mail server refuses because of us, and tell what to do."""
    with suppress(InputError):  # somebody else has stopped it
        issues.change_state(issue, (IssueState.READY,), IssueState.PAUSED)
    sentence = (
        f"The mail server refuses issue {issue} as a whole ({reply}), so it is paused; no reader was put on the "
        f"never-mail list. When that is mended, `issues resend {issue} --state bounced` queues the refused mails "
        f"again, and `issues resume {issue}` goes on."
    )
    desk.tell(f"refused {issue} {now.isoformat()}", sentence, now)
