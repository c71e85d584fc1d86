"""Random weeks of a round: whatever readers do and whatever breaks, who has shown a sign of life is never paused."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from faults.relay import CUT, Relay
from flow.asking_world import LEFT, ORDER, PAUSED, SUBJECTS, Asked, addresses, made
from flow.flow_site import DAY, HOUR

from feed_publisher.adapters.database.store.asked import SqlAskedStore
from feed_publisher.app import App
from feed_publisher.domain.asking import Patience
from feed_publisher.domain.errors import MailError
from feed_publisher.domain.token import Purpose, make_token, of_round
from feed_publisher.ports.people import SubscriberView, Wanted

NAMES = tuple(f"r{number:02}" for number in range(12))
GRACE = timedelta(days=3)
PATIENCE = Patience(remind_after=3, pause_after=6)


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as started:
        yield started


@dataclass
class Walk:
    """``alive``: who has shown a sign of life, or has left, since the round began. ``seen``: mails to each, as the
    mail server knows; ``reminded``: when that of the reminder came.
    """

    world: Asked
    app: App
    dice: random.Random
    alive: set[str] = field(default_factory=set)
    reminded: dict[str, datetime] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    paused: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return self.world.site.now

    def view(self, name: str) -> SubscriberView:
        return self.app.people.view(1 + NAMES.index(name)) or pytest.fail(name)

    def act(self, name: str) -> None:
        view, people = self.view(name), self.app.preferences
        active = view.state == "active"
        acts: dict[str, Callable[[], object]] = {
            "yes": lambda: self.app.keeping.keep(self.token(name), self.dice.random() < 0.5, self.now),
            "save": lambda: people.change(view, Wanted(cadence="weekly", topics=None, zone="", at=""), [], self.now),
            "rarer": lambda: people.change(view, Wanted(cadence="daily", topics=None, zone="", at=""), [], self.now),
            "pause": lambda: people.pause(view, 2, False, self.now),
            "resume": lambda: people.resume(view, True, self.now),
            "speak": lambda: people.speak(view, "de", self.now),
            "leave": lambda: people.leave(view, self.now),
            "rejoin": lambda: people.join(view, "weekly", self.now),
        }
        done = acts[self.dice.choice(list(acts))]()
        if done and (active or self.view(name).state == "active"):
            self.alive.add(name)

    def token(self, name: str) -> str:
        return make_token(Purpose.KEEP, of_round(1, 1 + NAMES.index(name)), *self.app.subscribe.current_key)

    def weather(self) -> None:
        """What the mail server, and this program, do today."""
        relay, today = self.world.relay, self.dice.random()
        relay.at_rcpt = {name: self.dice.choice(ILLS) for name in NAMES if self.dice.random() < 0.1}
        relay.at_end = {name: CUT for name in NAMES if self.dice.random() < 0.03}
        if today < 0.1:
            self.world.site.now += timedelta(days=self.dice.randrange(1, 9))  # it stands still
        elif today < 0.3:
            self.crash()

    def crash(self) -> None:
        """A process that dies with mails in hand, some of them marked."""
        store = SqlAskedStore(self.app.database)
        for round_ in store.going_on(["weekly"], False):
            for due in store.claim(round_, self.dice.randrange(1, 5), self.now):
                if self.dice.random() < 0.5:
                    store.mark(due, self.now)

    def tick(self) -> None:
        self.app.open_issues()
        self.check()
        with suppress(MailError):
            asyncio.run(self.letters())
        for to, raw in self.world.relay.accepted[self.seen.total() :]:
            name = to.partition("@")[0]
            self.seen[name] += 1
            if SUBJECTS[1].encode() in raw:
                self.reminded[name] = self.now

    async def letters(self) -> None:
        async with self.app.relay() as mailer:
            await self.app.send_letters(mailer)

    def check(self) -> None:
        """After the pausing, before the mails."""
        states = self.world.states()
        for name in NAMES:
            state, view = states[name], self.view(name)
            assert self.seen[name] <= 2, f"{name} was asked {self.seen[name]} times"
            newly = state == PAUSED and name not in self.paused
            if newly:
                assert name not in self.alive, f"{name} had answered"
                assert view.paused_until is not None
                assert view.state == "active"
                assert name in self.reminded, f"{name} was paused unheard"
                assert self.now - self.reminded[name] >= GRACE, f"{name} had no time to answer"
                self.paused.add(name)
            elif view.paused_until is not None and view.paused_until.year == 9999:
                assert name in self.paused, f"{name} is paused for nothing"
                assert state in (PAUSED, LEFT), f"{name} has answered and is paused still"
            if state == LEFT:
                assert name in self.alive
        assert self.world.readers() == len(NAMES), "somebody was erased"


ILLS = ("451 4.2.0 later", "550 5.7.1 not from you", "421 4.3.2 closing")


@pytest.mark.parametrize("seed", range(6))
def test_on_sqlite(seed: int, tmp_path: Path, relay: Relay) -> None:
    walk(made(tmp_path / "site", relay), seed)


@pytest.mark.parametrize("seed", [100])
def test_on_both(seed: int, tmp_path: Path, relay: Relay, database_url: str) -> None:
    walk(made(tmp_path / "site", relay, database_url), seed)


def walk(world: Asked, seed: int) -> None:
    world.site.join(addresses(NAMES))
    world.order = ORDER
    world.ask(patience=PATIENCE)
    with world.site.open() as app, app.owning():
        world.app = app
        this = Walk(world, app, random.Random(seed))
        for _ in range(20):
            for name in NAMES:
                if this.dice.random() < 0.04:
                    this.act(name)
            this.weather()
            for _ in range(2):
                this.tick()
                world.site.now += 12 * HOUR
        assert this.paused, "nobody was silent: this walk shows nothing"
        assert this.alive
        world.site.now += 30 * DAY
        world.relay.at_rcpt, world.relay.at_end = {}, {}
        for _ in range(20):
            this.tick()
            world.site.now += DAY
        assert not {"waiting", "asked", "reminded"} & set(world.states().values()), "everybody's round comes to an end"
        assert len(world.states()) == len(NAMES)
