"""A year of a newsroom, its readers and a mail server with bad days: acts at random on the real program.

Each act is told to the program and to the model; what arrived at the mail server is held against the model.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from bisect import bisect_left
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from adapters.faultsink import Connection, FaultSink, cut, say, to_the_dot
from flow.flow_site import sql
from flow.year_model import CADENCES, DAY, EVER, INSTANT, Article, Model, Reader, day_of, due, hour_on

from feed_publisher.app import App
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import MailError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.domain.model import EntryState
from feed_publisher.parse.subscribers import read_subscribers
from feed_publisher.ports.people import SubscriberView, Wanted

TOPICS = ("ships", "ports", "fish", "weather", "people", "law")
ZONES = (
    "", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "America/Lima",
    "Pacific/Auckland", "Asia/Kathmandu", "Africa/Cairo", "America/Havana", "Pacific/Kiritimati", "Pacific/Pago_Pago",
)  # fmt: skip
HOURS = ("", "00:00", "00:30", "02:30", "06:00", "07:00", "12:15", "20:00", "23:45")
HOME = ("Europe/Berlin", "07:00")
OFFERED = {
    "quay": ["daily", "daily", "weekdays", "weekly", "monthly", INSTANT],
    "harbour": ["daily", "weekly", "cron"],
}
NIGHT = [("Europe/Berlin", "02:30"), ("America/New_York", "01:30"), ("Australia/Lord_Howe", "01:45")]
"""Hours that are missing or come twice when clocks change; somebody has each of them from the beginning."""
COVERED = {"quay": None, "harbour": {"ships", "ports", "fish"}}
FAULTS = ("RCPT 450", "RCPT 450", "dot 451", "DATA cut", "RCPT 550 5.7.1", "dot 554", "RCPT 550 5.1.1", "kept", "lost")

TOML = """
[site]
title = "Quay"
timezone = "Europe/Berlin"
[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
connections = {connections}
[[sources]]
slug = "desk"
kind = "push"
[[sources]]
slug = "wire"
kind = "push"
{topics}
[[digests]]
slug = "quay"
title = "The Letter"
from_address = "letter@quay.example"
cadences = ["daily", "weekdays", "weekly", "monthly", "instant"]
backfill = "all"
hour = "07:00"
maximum = 200
guards = false
"""
SECOND = """
[[digests]]
slug = "harbour"
title = "Harbour"
from_address = "harbour@quay.example"
topics = ["ships", "ports", "fish"]
cadences = ["weekly", "daily", "cron"]
cron = "30 6 * * tue,thu"
hour = "07:00"
policy = "approve"
maximum = 12
guards = false
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the mail server was handed whole. ``kept``: it is in the mailbox; ``said``: what the program was told."""

    at: datetime
    to: str
    raw: bytes
    kept: bool
    said: str


@dataclass
class Relay(FaultSink):
    """A mail server whose faults belong to a recipient and a moment, so that they do not depend on connections."""

    seed: int = 0
    rate: float = 0.0
    now: datetime = EVER
    receipts: list[Receipt] = field(default_factory=list)
    faults: list[tuple[datetime, str, str]] = field(default_factory=list)
    _to: dict[int, tuple[str, str]] = field(default_factory=dict)

    def _fault(self, to: str) -> str:
        chance = random.Random(f"{self.seed} {to} {self.now}")
        if chance.random() >= self.rate:
            return ""
        fault = chance.choice(FAULTS)
        self.faults.append((self.now, to, fault))
        return fault

    async def _visit(self, connection: Connection, stage: str) -> bool | None:
        if stage == "RCPT":
            to = str(self.log[-1][2]).partition("<")[2].partition(">")[0]
            self._to[connection.number] = to, self._fault(to)
        fault = self._to.get(connection.number, ("", ""))[1]
        if stage in ("RCPT", "dot") and fault.startswith(f"{stage} "):
            return await say(f"{fault.removeprefix(stage).strip()} no\r\n".encode())(connection)
        if stage == "DATA" and fault.startswith("RCPT "):  # it came with the RCPT that was refused (PIPELINING)
            return await say(b"554 5.5.1 no valid recipients\r\n")(connection)
        if (stage, fault) == ("DATA", "DATA cut"):
            return await cut(connection)
        if stage == "connect":
            self.log.clear()
        return await super()._visit(connection, stage)

    async def _body(self, connection: Connection) -> bool | None:
        raw = b""
        while not raw.endswith(b"\r\n.\r\n"):
            raw, connection.unread = to_the_dot(raw + await connection.some())
        to, fault = self._to[connection.number]
        said = {"kept": "", "lost": "", "": "250"}.get(fault, fault)
        self.receipts.append(Receipt(self.now, to, raw[:-3], fault in ("", "kept"), said))
        if fault in ("kept", "lost"):
            return await cut(connection)
        return await self._visit(connection, "dot")


_ID = re.compile(rb"^Message-ID: <(\d+)\.(\d+)@", re.MULTILINE | re.IGNORECASE)
_ARTICLE = re.compile(rb"^Article (\d+)\r\n(?:By .*\r\n)?Version (\d+) ", re.MULTILINE)
_MORE = re.compile(rb"^(\d+) more articles? on the web", re.MULTILINE)


@dataclass(slots=True)
class Mail:
    """One message with everything that became of it. ``shown``: article -> version."""

    issue: int
    delivery: int
    to: str
    first: datetime
    raw: bytes
    shown: dict[int, int]
    more: int
    kept_at: datetime | None = None
    doubtful: bool = False


@dataclass
class World:
    """``calm``: nothing but articles and hours, so that each hour can be told to the minute."""

    folder: Path
    seed: int
    readers: int
    articles: int
    begin: datetime
    days: int
    connections: int = 4
    calm: bool = False
    relay: Relay = field(init=False)
    model: Model = field(init=False)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.now = self.begin
        self.model = Model(self.seed, {"quay": None})
        self.relay = Relay(seed=self.seed, rate=0.0 if self.calm else 0.03)
        self.mails: dict[tuple[int, int], Mail] = {}
        self.issues: dict[int, Issue] = {}
        self.freed: dict[int, datetime] = {}
        self.troubled: dict[str, datetime] = {"quay": EVER, "harbour": EVER}
        self.good: list[datetime] = []
        self.keys: dict[int, str] = {}
        self.tagged: set[int] = set()
        self.next_person = 0
        self.counts: dict[str, int] = {}
        self._seen_faults = self._seen_receipts = 0
        self._process = ExitStack()
        self._second = False

    # --- the program

    def configure(self) -> None:
        topics = "\n".join(f'[[topics]]\nslug = "{topic}"\ntitle = "{topic.capitalize()}"' for topic in TOPICS)
        text = TOML.format(port=self.relay.port, topics=topics, connections=self.connections)
        (self.folder / "publisher.toml").write_text(text + (SECOND if self._second else ""))

    def start(self) -> None:
        """Start the program (again)."""
        self._process.close()
        self.configure()
        self.app = self._process.enter_context(App(self.folder, clock=lambda: self.now))
        self._process.enter_context(self.app.owning())
        self.push = self.app.intake.pushing()
        self.sources = {rules.slug: rules for rules in self.app.intake.configured()}

    def stop(self) -> None:
        self._process.close()

    async def year(self) -> None:
        self.folder.mkdir(parents=True)
        async with self.relay.running():
            self.start()
            try:
                for _ in range(self.readers // 2):
                    self.join()
                await self.live()
                await self.end()
            finally:
                self.stop()

    async def live(self) -> None:
        end = self.begin + self.days * DAY
        while self.now < end:
            step = self.step()
            await self.acts(step)
            self.now = (self.now + step).replace(second=0, microsecond=0)
            if step >= DAY / 2:
                self.stir_all(f"the program was down for {step}")
            if not self._second and self.now > self.begin + self.days * DAY / 8:
                self._second = True
                self.model.digests["harbour"] = COVERED["harbour"]
                self.harbour_since = self.now - timedelta(microseconds=1)
                self.start()
            if self.rng.random() < 0.01:
                self.start()
            await self.tick()

    def step(self) -> timedelta:
        if self.rng.random() < 0.004 and not self.calm:
            return self.rng.choice([DAY / 2, DAY, 2 * DAY, 4 * DAY, 9 * DAY, 16 * DAY])
        around = [self.now.date() + n * DAY for n in (-1, 1)]
        if any(len({hour_on(day, zone, "12:00").time() for day in around}) > 1 for zone, _ in NIGHT):
            return timedelta(minutes=self.rng.choice([10, 20, 30, 45]))
        return timedelta(minutes=self.rng.choice([20, 60, 90, 120, 180, 240, 300]))

    def stir_all(self, what: str) -> None:
        for reader in self.model.readers.values():
            reader.note(self.now, what)

    async def tick(self) -> None:
        """All that the program does by itself at this moment, and whether it was right."""
        down = self.rng.random() < 0.01 and not self.calm
        self.relay.now = self.now
        await self.app.intake.folders()
        self.model.mature(self.now)
        for reader in self.model.readers.values():
            self.model.end_pause(reader, self.now)
        self.app.open_issues()
        self.look_at_issues()
        self.nobody_is_overtaken()
        if down:
            self.stir_all("the mail server is down")
        else:
            await self.send()
        self.look_at_issues()
        self.judge()

    async def send(self) -> None:
        try:
            async with self.app.relay() as mailer:
                await self.app.send_due(mailer)
            self.good.append(self.now)
        except MailError:
            self.stir_all("the mail server hung up too often")
        self.app.ledger.finish(self.now)

    async def end(self) -> None:
        """Everybody is back, nothing fails any more, and every cadence has another issue."""
        self.relay.rate = 0.0
        for reader in self.model.readers.values():
            if reader.active and reader.paused_until is not None:
                self.soon()
                self.resume(reader, False)
        for _ in range(40):
            self.now = (self.now + DAY).replace(second=0, microsecond=0)
            for issue in self.issues.values():
                if issue.state in (IssueState.DRAFT, IssueState.PAUSED):
                    self.let_go(issue)
            await self.tick()
        for digest in self.model.digests:
            self.soon()
            await self.send_by_hand(digest)
        self.settle_accounts()

    # --- what happens

    def soon(self) -> None:
        """Every act has a moment of its own, none is one of a tick."""
        self.now += timedelta(seconds=1)

    async def acts(self, step: timedelta) -> None:
        share = step / (self.days * DAY)
        for act, total in self.plan().items():
            for _ in range(self.chances(total * share)):
                self.soon()
                self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
                done = act()
                if done is not None:
                    await done

    def chances(self, mean: float) -> int:
        return int(mean) + (self.rng.random() < mean % 1)

    def plan(self) -> dict[Any, float]:
        """How often each thing happens in the whole time."""
        n, m, years = self.readers, self.articles, self.days / 365
        if self.calm:
            return {self.publish: m, self.correct: m / 10}
        return {
            self.publish: m * 0.9, self.post_date: m * 0.06, self.hold: m * 0.04, self.release: m * 0.045,
            self.correct: m * 0.08, self.withdraw: m * 0.03, self.restore: m * 0.015, self.retag: m * 0.08,
            self.join: n * 0.7, self.leave: n * 0.2, self.come_back: n * 0.12, self.change: 4 * n * years + 2 * n,
            self.pause: n * years + n / 2, self.unpause: n * 0.6, self.suppress: n * 0.06, self.unsuppress: n * 0.1,
            self.approve: 400 * years, self.cancel: 20 * years + 2, self.hold_issue: 20 * years + 2,
            self.go_on: 60 * years + 3, self.send_by_hand: 15 * years + 2, self.resend: 60 * years + 4,
        }  # fmt: skip

    # - articles

    def draft(self, number: int, **more: object) -> dict[str, Any]:
        version = more.pop("version", 1)
        words = " ".join(f"w{(number * 7919 + k * 104729) % 99991:05}" for k in range(5))
        return {
            "id": f"tag:quay.example,2026:{number}",
            "url": f"https://quay.example/{number}",
            "title": f"Article {number:04}",
            "summary": f"Version {version} {words}",
            **more,
        }

    def give(self, source: str, item: dict[str, Any]) -> str:
        answer = self.push.take(self.sources[source], [item], "")
        assert answer.status == 200, answer.body
        self.keys.setdefault(int(item["title"].split()[1]), answer.body["entries"][0]["key"])
        return str(answer.body["entries"][0]["result"])

    def new(self, state: str, published: datetime | None = None, **more: object) -> Article:
        number = len(self.model.articles) + 1
        topics = self.rng.sample(TOPICS, self.rng.choice((1, 1, 1, 2, 3)))
        if published is not None:
            more["date_published"] = published.isoformat()
        result = self.give("desk", self.draft(number, topics=[topic.capitalize() for topic in topics], **more))
        assert result == ("held" if state == "held" else "new"), result
        article = Article(number, dict.fromkeys(sorted(topics)), state, published, [self.now])
        self.model.articles[number] = article
        if state != "held":
            self.tagged.add(number)
        if state == "public":
            self.model.mailable(article, self.now)
        return article

    def publish(self) -> None:
        self.new("public")

    def post_date(self) -> None:
        self.new("scheduled", self.now + self.rng.random() * 20 * DAY)

    def hold(self) -> None:
        """An id that stood for an article with another link, title and summary."""
        if old := self.some(self.tagged):
            self.new("held", id=f"tag:quay.example,2026:{old}")

    def some(self, numbers: Any) -> Any:
        found = sorted(numbers)
        return self.rng.choice(found) if found else None

    def in_state(self, *states: str) -> int | None:
        recent = list(self.model.articles)[-120:]
        return self.some(n for n in recent if self.model.articles[n].state in states)  # type: ignore[no-any-return]

    def turn(self, number: int, old: EntryState, new: EntryState) -> None:
        self.app.change_entry(self.keys[number], [old], new)
        self.model.articles[number].state = new.value

    def release(self) -> None:
        if number := self.in_state("held"):
            self.turn(number, EntryState.HELD, EntryState.PUBLIC)
            self.model.mailable(self.model.articles[number], self.now)

    def correct(self) -> None:
        if number := self.in_state("public", "scheduled", "held"):
            article = self.model.articles[number]
            item = self.draft(number, version=len(article.versions) + 1, topics=[t.capitalize() for t in article.tags])
            item.pop("id")
            assert self.give("desk", item) == "changed"
            article.versions.append(self.now)

    def withdraw(self) -> None:
        if number := self.in_state("public"):
            self.turn(number, EntryState.PUBLIC, EntryState.WITHDRAWN)
            self.model.articles[number].gone.append((self.now, None))

    def restore(self) -> None:
        if number := self.in_state("withdrawn"):
            self.turn(number, EntryState.WITHDRAWN, EntryState.PUBLIC)
            article = self.model.articles[number]
            article.gone[-1] = article.gone[-1][0], self.now
            self.model.mailable(article, self.now)
            self.model.restored(number)

    def retag(self) -> None:
        """Another source brings it under another topic."""
        if number := self.in_state("public", "scheduled", "held"):
            article = self.model.articles[number]
            topic = self.rng.choice(TOPICS)
            item = self.draft(number, version=len(article.versions), topics=[topic.capitalize()])
            item.pop("id")
            assert self.give("wire", item) == "unchanged"
            article.tags.setdefault(topic, None)
            if article.state == "public":
                self.model.mailable(article, self.now)

    # - readers

    def one(self, *, active: bool = True) -> Reader | None:
        found = self.some(key for key, reader in self.model.readers.items() if reader.active is active)
        return self.model.readers[found] if found else None

    def view(self, reader: Reader) -> SubscriberView:
        found = self.app.people.find(self.app.subscribe.key_of(parse_address(reader.address)))
        return next(view for view in found if view.digest == reader.digest)

    def a_clock(self) -> tuple[str, str]:
        return self.rng.choice(ZONES), self.rng.choice(HOURS)

    def a_choice(self) -> list[str] | None:
        return self.rng.choice([None, sorted(self.rng.sample(TOPICS, self.rng.choice((1, 2, 3))))])

    def start_of(self, digest: str, cadence: str) -> datetime:
        """New readers start after the last issue of their cadence, else where the digest started; as it happens now."""
        if cadence == INSTANT:
            return self.now
        last = [
            issue.opened_at
            for issue in self.app.issues.newest(5000, digest)
            if issue.slot.startswith(f"{cadence}:") and issue.state not in (IssueState.SKIPPED, IssueState.CANCELLED)
        ]
        return max(last, default=EVER if digest == "quay" else self.harbour_since)

    def join(self) -> None:
        """Somebody new, or somebody known to the other digest too."""
        digest = self.rng.choice(list(self.model.digests))
        self.next_person += 1
        address = f"r{self.next_person:04}@example.org"
        (zone, at), topics = self.a_clock(), self.a_choice()
        if self.next_person <= len(NIGHT):
            (zone, at), topics = NIGHT[self.next_person - 1], None
        cadence = "daily" if self.next_person <= len(NIGHT) else self.rng.choice(OFFERED[digest])
        cells = [address, cadence, zone, at, ";".join(topics or ())]
        csv = f"email,cadence,zone,hour,topics\n{','.join(cells)}\n".encode()
        report = self.app.add_subscribers(digest, read_subscribers(csv, "x.csv"), True, "x.csv")
        assert (report.added, report.rejected) == (1, [])
        reader = Reader(address, digest, cadence, zone or HOME[0], at or HOME[1], None)
        if topics is None:
            reader.everything = EVER
        else:
            reader.topics = dict.fromkeys(topics, EVER)
        self.model.readers[address, digest] = reader
        self.model.joined(reader, self.start_of(digest, cadence))
        reader.note(self.now, f"joined, from {reader.floor}")

    def leave(self) -> None:
        if reader := self.one():
            assert self.app.people.leave(self.view(reader).subscription, self.now)
            reader.active = False
            reader.note(self.now, "left")

    def come_back(self) -> None:
        reader = self.one(active=False)
        if reader and not reader.suppressed:
            assert self.app.preferences.join(self.view(reader), reader.digest, self.now)
            self.model.joined(reader, self.start_of(reader.digest, reader.cadence))
            reader.note(self.now, f"is back, from {reader.floor}")

    def change(self) -> None:
        if not (reader := self.one()):
            return
        view = self.view(reader)
        cadence, (zone, at), topics = reader.cadence, (view.zone, view.at), list(view.topics)
        chosen: list[str] | None = None if topics == ["*"] else topics
        match self.rng.randrange(3):
            case 0:
                cadence = self.rng.choice(OFFERED[reader.digest])
            case 1:
                zone, at = self.a_clock()
            case _:
                chosen = self.a_choice()
        wanted = Wanted(cadence=cadence, topics=None if chosen is None else tuple(chosen), zone=zone, at=at)
        assert self.app.preferences.change(view, wanted, TOPICS, self.now)
        reader.choose(chosen, self.now)
        if (reader.zone, reader.at) != (zone or HOME[0], at or HOME[1]):
            reader.zone, reader.at, reader.clock_at = zone or HOME[0], at or HOME[1], self.now
        reader.cadence = cadence
        reader.note(self.now, f"chose {wanted.text}")

    def pause(self) -> None:
        if reader := self.one():
            days, fresh = self.rng.choice([1, 3, 10, 30, None]), self.rng.random() < 0.5
            assert self.app.preferences.pause(self.view(reader), days, fresh, self.now)
            self.model.end_pause(reader, self.now)
            reader.paused_until = self.now + (9999 if days is None else days) * DAY
            reader.fresh = fresh
            reader.note(self.now, f"paused for {days} days, then {'fresh' if fresh else 'catching up'}")

    def unpause(self) -> None:
        found = self.some(key for key, reader in self.model.readers.items() if reader.active and reader.paused_until)
        if found:
            self.resume(self.model.readers[found], self.rng.random() < 0.4)

    def resume(self, reader: Reader, fresh: bool) -> None:
        assert self.app.preferences.resume(self.view(reader), fresh, self.now)
        self.model.end_pause(reader, self.now, fresh)

    def suppress(self) -> None:
        if reader := self.one():
            self.app.people.suppress(self.app.subscribe.key_of(parse_address(reader.address)), "asked us", self.now)
            reader.suppressed = True
            reader.note(self.now, "is never to be mailed")

    def unsuppress(self) -> None:
        found = self.some(key for key, reader in self.model.readers.items() if reader.suppressed)
        if found:
            reader = self.model.readers[found]
            assert self.app.people.unsuppress(self.app.subscribe.key_of(parse_address(reader.address)))
            reader.suppressed = False
            reader.may |= reader.owed
            reader.owed = set()
            reader.note(self.now, "may be mailed again")

    # - issues by hand

    def an_issue(self, *states: IssueState) -> Issue | None:
        newest = self.app.issues.newest(30)
        return self.some_issue([issue for issue in newest if issue.state in states])

    def some_issue(self, issues: list[Issue]) -> Issue | None:
        return self.rng.choice(issues) if issues else None

    def touched(self, issue: Issue, what: str) -> None:
        self.troubled[issue.digest] = self.now
        self.freed[issue.id] = self.now
        for reader in self.model.readers.values():
            if reader.digest == issue.digest:
                reader.note(self.now, f"issue {issue.id} {issue.slot}: {what}")

    def let_go(self, issue: Issue) -> None:
        self.soon()
        current = self.app.issues.get(issue.id)
        if current.state is IssueState.DRAFT:
            self.app.deciding().approve(issue.id, "a test", self.now)
            self.touched(issue, "approved")
        elif current.state is IssueState.PAUSED:
            self.app.deciding().approve(issue.id, "a test", self.now)
            self.touched(issue, "goes on")

    def approve(self) -> None:
        if issue := self.an_issue(IssueState.DRAFT):
            self.let_go(issue)

    def go_on(self) -> None:
        if issue := self.an_issue(IssueState.PAUSED):
            self.let_go(issue)

    def cancel(self) -> None:
        if issue := self.an_issue(IssueState.READY, IssueState.DRAFT, IssueState.PAUSED):
            self.app.issues.cancel(issue.id, self.now)
            self.touched(issue, "cancelled")

    def hold_issue(self) -> None:
        if issue := self.an_issue(IssueState.READY):
            self.app.issues.change_state(issue.id, [IssueState.READY], IssueState.PAUSED)
            self.touched(issue, "paused")

    async def send_by_hand(self, digest: str = "") -> None:
        digest = digest or self.rng.choice(list(self.model.digests))
        for reader in self.model.readers.values():
            self.model.end_pause(reader, self.now)
        self.relay.now = self.now
        issue = self.app.open_manual(digest)
        self.look_at_issues()
        if issue is None:
            self.nothing_for(self.model.audience(digest, None), f"a manual send of {digest}")
            return
        self.troubled[digest] = self.now
        await self.send()
        self.judge()

    def resend(self) -> None:
        """What was refused, or is in doubt and did not arrive."""
        lost = [mail for mail in self.mails.values() if mail.doubtful and mail.kept_at is None]
        refused = [issue for issue in self.app.issues.newest(20) if self.books(issue).get("bounced")]
        if lost and self.rng.random() < 0.5:
            mail = self.rng.choice(lost[-20:])
            reader = self.model.readers[mail.to, self.issues[mail.issue].digest]
            number = self.view(reader).subscription
            if self.app.issues.get(mail.issue).state is not IssueState.CANCELLED:
                if not self.app.ledger.resend(mail.issue, [DeliveryState.UNKNOWN], number, self.now):
                    return
                name = f"{mail.issue}.{mail.delivery}"
                again = {n for n, message in reader.doubt.items() if message == name}
                reader.may |= again
                reader.doubt = {n: message for n, message in reader.doubt.items() if n not in again}
                mail.doubtful = False
                reader.note(self.now, f"message {name}, in doubt, is sent again")
                self.freed[mail.issue] = self.now
        elif refused and (issue := self.rng.choice(refused)).state is not IssueState.CANCELLED:
            self.app.ledger.resend(issue.id, [DeliveryState.BOUNCED], None, self.now)
            self.touched(issue, "what was refused is sent again")

    def books(self, issue: Issue) -> dict[str, int]:
        return {state.value: count for state, count in self.app.issues.books(issue.id).items()}

    # --- judging

    def look_at_issues(self) -> None:
        """Note what each reader must find in an issue that was opened now."""
        for issue in reversed(self.app.issues.newest(40)):
            known = issue.id in self.issues
            self.issues[issue.id] = issue
            if known or issue.opened_at != self.now:
                continue
            cadence = issue.slot.partition(":")[0]
            audience = self.model.audience(issue.digest, cadence if cadence in (*CADENCES, INSTANT) else None)
            for reader in audience:
                self.model.pass_by(reader)
            if issue.state is IssueState.SKIPPED:
                if "nothing new" in issue.reason:
                    self.nothing_for(audience, f"issue {issue.slot}")
                continue
            self.open(issue, cadence, audience)

    def open(self, issue: Issue, cadence: str, audience: list[Reader]) -> None:
        model = self.model
        for reader in audience:
            owed = model.due_to(reader)
            reader.history.append(f"{self.now:%m-%d %H:%M:%S} issue {issue.id} {issue.slot} opened: {sorted(owed)}")
            model.expected[issue.id, reader.address] = owed
        if cadence in CADENCES:
            day = day_of(issue.slot, self.now)
            if day is None:
                raise model.wrong(f"{issue.slot} is no slot")
            same = (
                r for r in model.readers.values() if (r.digest, r.cadence, r.active) == (issue.digest, cadence, True)
            )
            clocks = {r.clock for r in same}
            if all(hour_on(day, *clock) > self.now for clock in clocks):
                raise model.wrong(f"{issue.slot} was opened before anybody's hour, at {self.now}")

    def nothing_for(self, audience: list[Reader], what: str) -> None:
        """Nobody is owed anything but what waits already."""
        waiting = sql(
            self.folder,
            "SELECT s.address, d.issue_id FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id"
            " WHERE d.state IN ('queued', 'deferred')",
        )
        for reader in audience:
            owed = self.model.due_to(reader)
            for address, issue in waiting:
                if address == reader.address and self.issues[issue].digest == reader.digest:
                    owed -= self.model.expected[issue, address]
            if owed and not reader.suppressed:
                raise self.model.wrong(f"{what} had nothing new at {self.now}", reader, *sorted(owed)[:5])

    def judge(self) -> None:
        self.books_balance()
        for at, to, fault in self.relay.faults[self._seen_faults :]:
            for reader in self.model.readers.values():
                if reader.address == to:
                    reader.note(at, f"the mail server: {fault}")
                    reader.suppressed = reader.suppressed or fault.endswith("5.1.1")
        self._seen_faults = len(self.relay.faults)
        for receipt in self.relay.receipts[self._seen_receipts :]:
            self.judge_mail(receipt)
        self._seen_receipts = 0
        self.relay.receipts.clear()

    def nobody_is_overtaken(self) -> None:
        """What has its hour leaves; only what waits for a later one is replaced."""
        rows = sql(
            self.folder,
            "SELECT s.address, d.issue_id FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id"
            " WHERE d.state = 'expired' AND d.reason = 'the next issue came first' AND d.attempt = 0"
            " AND d.changed_at = ? AND d.not_before <= d.changed_at",
            self.now.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )
        for address, number in rows:
            issue = self.issues[number]
            if issue.digest == "quay" and number not in self.freed:
                reader = self.model.readers[address, issue.digest]
                raise self.model.wrong(f"{issue.slot} had its hour, and the next issue took its place", reader)

    def books_balance(self) -> None:
        wrong = sql(
            self.folder,
            "SELECT id, slot, audience, (SELECT count(*) FROM delivery d WHERE d.issue_id = issue.id) AS n FROM issue"
            " WHERE audience IS NOT NULL AND audience <> n"
            " UNION ALL SELECT max(id), slot, count(*), 0 FROM issue GROUP BY digest_id, slot HAVING count(*) > 1"
            " UNION ALL SELECT subscription_id, 'waiting', count(*), 0 FROM delivery"
            " WHERE state IN ('queued', 'claimed', 'transmitting', 'deferred')"
            " GROUP BY subscription_id HAVING count(*) > 1",
        )
        if wrong:
            raise self.model.wrong(f"the books do not balance at {self.now}: {wrong}")

    def judge_mail(self, receipt: Receipt) -> None:
        found = _ID.search(receipt.raw)
        assert found is not None, receipt.raw[:2000]
        key = int(found[1]), int(found[2])
        reader = self.model.readers[receipt.to, self.issues[key[0]].digest]
        mail = self.mails.get(key)
        if mail is None:
            text = receipt.raw.partition(b"Content-Type: text/html")[0]
            shown = {int(n): int(v) for n, v in _ARTICLE.findall(text)}
            more = int(_MORE.search(text)[1]) if _MORE.search(text) else 0  # type: ignore[index]
            mail = Mail(*key, receipt.to, receipt.at, receipt.raw, shown, more)
            self.mails[key] = mail
            self.judge_content(mail, reader)
        elif mail.raw != receipt.raw:
            raise self.model.wrong(f"message {key} has other bytes at {receipt.at} than at {mail.first}", reader)
        self.judge_hour(mail, receipt, reader)
        if receipt.kept and mail.kept_at is not None:
            raise self.model.wrong(f"message {key} arrived at {mail.kept_at} and again", reader)
        self.judge_arrival(mail, receipt, reader)

    def judge_content(self, mail: Mail, reader: Reader) -> None:
        """What is in it is what was owed when the issue was opened, as it was when it was first handed over."""
        model, owed = self.model, self.model.expected.get((mail.issue, reader.address))
        if owed is None:
            raise model.wrong(f"issue {mail.issue} was not for this reader", reader)
        owed -= reader.got.keys() | reader.doubt.keys()  # it may have waited for a mail that had its hour
        gone = {n for n in owed if model.articles[n].gone_at(mail.first)}
        missing, extra = owed - gone - set(mail.shown), set(mail.shown) - owed - reader.may
        if extra:
            raise model.wrong(f"not owed, in message {mail.issue}.{mail.delivery}: {extra}", reader, *sorted(extra)[:5])
        surely = {n for n in missing if not model.articles[n].gone}
        if len(surely) > mail.more:
            name = f"message {mail.issue}.{mail.delivery} ({mail.more} more on the web)"
            raise model.wrong(f"owed, but not in {name}: {sorted(surely)}", reader, *sorted(surely)[:5])
        for number, version in mail.shown.items():
            article = model.articles[number]
            if article.gone_at(mail.first):
                raise model.wrong(f"withdrawn, but in message {mail.issue}.{mail.delivery}", reader, number)
            if version != article.version_at(mail.first):
                raise model.wrong(f"version {version} in message {mail.issue}.{mail.delivery}", reader, number)

    def judge_hour(self, mail: Mail, receipt: Receipt, reader: Reader) -> None:
        """Not before the reader's hour, and at the first occasion after it."""
        issue, at = self.issues[mail.issue], receipt.at
        cadence = issue.slot.partition(":")[0]
        if not reader.active or reader.paused_until is not None or (reader.suppressed and receipt.said == "250"):
            raise self.model.wrong(f"mailed at {at}, against the reader's word", reader)
        if cadence not in (*CADENCES, INSTANT):
            return
        moved = reader.clock_at > issue.opened_at
        hour = self.hour_of(issue, cadence, reader, reader.clock_at if moved else issue.opened_at)
        since = max(hour, issue.opened_at, reader.clock_at if moved else EVER)
        freed = self.freed.get(issue.id, EVER)
        if at < hour and freed < issue.opened_at:
            raise self.model.wrong(f"message of {issue.slot} came at {at}, before {hour}", reader)
        quiet = reader.stirred == reader.clock_at if moved else reader.stirred < issue.opened_at
        if not quiet or freed > issue.opened_at:
            return  # deferred, approved late, …
        first = bisect_left(self.good, since)
        if first < len(self.good) and self.good[first] < at:
            raise self.model.wrong(f"message of {issue.slot} came at {at}, not at {self.good[first]}", reader)
        if cadence in CADENCES and issue.opened_at > hour + CADENCES[cadence].late and not moved:
            raise self.model.wrong(f"message of {issue.slot} came too late, at {at}, hour {hour}", reader)

    def hour_of(self, issue: Issue, cadence: str, reader: Reader, moment: datetime) -> datetime:
        day = day_of(issue.slot, issue.opened_at)
        if day is None:
            return issue.opened_at  # as it happens
        return due(cadence, day, reader.clock if cadence == reader.cadence else (reader.zone, reader.at), moment)

    def judge_arrival(self, mail: Mail, receipt: Receipt, reader: Reader) -> None:
        numbers = set(mail.shown)
        if mail.more:  # the rest of what was owed counts as received
            numbers |= self.model.expected[mail.issue, reader.address]
        name = f"{mail.issue}.{mail.delivery}"
        if receipt.kept:
            again = {n for n in mail.shown if n in reader.got}
            if again:
                number = min(again)
                before = reader.got[number]
                what = f"twice: at {before[0]} in message {before[1]} and at {receipt.at} in message {name}"
                raise self.model.wrong(what, reader, number)
            mail.kept_at = receipt.at
            self.judge_wait(mail, reader)
            reader.got |= dict.fromkeys(numbers, (receipt.at, name))
        if receipt.said == "":
            mail.doubtful = True
            if not receipt.kept:
                reader.doubt |= dict.fromkeys(numbers, name)
        if receipt.kept or mail.doubtful:
            reader.owed -= numbers
            reader.may -= numbers
        reader.history.append(
            f"{receipt.at:%m-%d %H:%M:%S} message {name} {sorted(mail.shown)}: {receipt.said or 'cut'}"
            f"{'' if receipt.kept else ', not kept'}"
        )

    def judge_wait(self, mail: Mail, reader: Reader) -> None:
        """In quiet times nothing waits longer than for the third of the reader's own hours.

        The first may be of an issue that was cut already, the second pass when those with an earlier hour have left.
        """
        issue = self.issues[mail.issue]
        if issue.slot.partition(":")[0] not in CADENCES:
            return
        if reader.cadence not in CADENCES:
            return
        rule = CADENCES[reader.cadence]
        for number in mail.shown:
            since = reader.since(self.model.articles[number], self.model.digests[reader.digest])
            if since is None or max(reader.stirred, self.troubled[reader.digest]) > since or number in reader.may:
                continue
            days = (since.date() + n * DAY for n in range(-1, 130))
            hours = (hour_on(day, *reader.clock) for day in days if rule.fits(day))
            third = [hour for hour, _ in zip((h for h in hours if h > since), range(3), strict=False)][2]
            first = bisect_left(self.good, third)
            if first < len(self.good) and self.good[first] < mail.first:
                raise self.model.wrong(f"came at {mail.first}, owed by {third}", reader, number)

    def settle_accounts(self) -> None:
        """Nobody is owed anything, and the program's own books say the same as the mail server's."""
        for reader in self.model.readers.values():
            left = {n for n in self.model.due_to(reader) if not self.model.articles[n].gone}
            if left and reader.active and not reader.suppressed:
                raise self.model.wrong(f"never came: {sorted(left)}", reader, *sorted(left)[:5])
        rows = sql(self.folder, "SELECT issue_id, id, state FROM delivery WHERE state IN ('sent', 'unknown')")
        booked = {(issue, number): state for issue, number, state in rows}
        for key, mail in self.mails.items():
            state = "sent" if mail.kept_at and not mail.doubtful else "unknown" if mail.doubtful else None
            if booked.get(key) != state and not (mail.doubtful and mail.kept_at and booked.get(key) == "sent"):
                reader = self.model.readers[mail.to, self.issues[mail.issue].digest]
                raise self.model.wrong(f"message {key}: the books say {booked.get(key)}, it was {state}", reader)
        if strange := set(booked) - set(self.mails):
            raise self.model.wrong(f"in the books, never seen by the mail server: {strange}")


def run(folder: Path, seed: int, readers: int, articles: int, begin: datetime, days: int, calm: bool = False) -> World:
    """Live through it; Wrong names the reader, the article, what was due and the seed."""
    world = World(folder, seed, readers, articles, begin, days, calm=calm)
    asyncio.run(world.year())
    return world


def main(words: list[str]) -> None:
    """READERS ARTICLES SEED…: whole years."""
    for seed in words[2:]:
        with TemporaryDirectory() as folder:
            started = monotonic()
            begin = datetime(2026, 11, 1, 9, tzinfo=UTC)
            world = run(Path(folder) / "site", int(seed), int(words[0]), int(words[1]), begin, 365)
            print(
                f"seed {seed}: {len(world.mails)} mails of {len(world.issues)} issues, {len(world.good)} ticks, "
                f"{len(world.relay.faults)} faults, {monotonic() - started:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
