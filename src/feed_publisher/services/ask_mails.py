"""Rounds of “still want this?” that go on: the mails, and the pause of who was asked twice and stayed silent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from jinja2 import Environment

from feed_publisher.compose.colour import palette
from feed_publisher.compose.digest import DigestView, SiteView
from feed_publisher.compose.html import inline_css, render
from feed_publisher.compose.message import Personal, Skeleton, clean_header
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.asking import AskState, Patience, after_mail
from feed_publisher.domain.delivery import DeliveryState, Result, verdict
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.language import Say, direction, spoken
from feed_publisher.domain.token import Purpose, make_token, of_round
from feed_publisher.ports.asking import AskedStore, Due, Round
from feed_publisher.ports.sending import Mailer, Outgoing
from feed_publisher.services.letters import LetterRules
from feed_publisher.services.words import many

BATCH = 100
PAUSED_AT_ONCE = 50
PAUSES = 100
"""Transactions of a step: what is over goes on in the next, so that issues are opened meanwhile."""

LOOK_EVERY = timedelta(hours=1)

STOOD_STILL = timedelta(days=2)
"""After so long without a sign of life of the program, readers get their time to answer once more: the page was down.

Longer than a day, so that a daily `tick` is life enough.
"""

ASKED_FOR = {AskState.WAITING: "ask", AskState.ASKED: "ask_again"}
"""The mails, as in the names of their templates."""

CAME = (
    ("imported", Say("Your address came from an earlier list.")),
    ("added by hand", Say("Your address was added by the editors.")),
    ("confirmed by", Say("You confirmed it with a link mailed to you.")),
    ("sign-up form", Say("You asked for it on our page.")),
    ("asked for on the page", Say("You asked for it on the page of your newsletters.")),
    ("said yes", Say("You have told us before that you want it.")),
)
"""How somebody came on a list, by how the stored words begin."""


class AskMails:
    """``rules`` are those of letters, by digest; ``key``: id and value; ``for_ever``: the end of a pause without one.

    ``tell`` takes a name and a sentence for the operator.
    """

    def __init__(
        self,
        store: AskedStore,
        templates: Environment,
        site: SiteView,
        rules: Mapping[str, LetterRules],
        languages: Collection[str],
        key: tuple[int, bytes],
        for_ever: datetime,
        tell: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._templates = templates
        self._site = site
        self._rules = rules
        self._languages = languages
        self._key = key
        self._for_ever = for_ever
        self._tell = tell

    async def send(self, mailer: Mailer, rehearsal: bool, now: datetime) -> int:
        """Mail some of those who are due; how many were taken in hand. Raises MailError, TemplateError."""
        taken = 0
        for round_ in await asyncio.to_thread(self._store.going_on, tuple(self._rules), rehearsal):
            claimed = await asyncio.to_thread(self._store.claim, round_, BATCH, now)
            taken += len(claimed)
            await self._mail(mailer, claimed, now)
        return taken

    async def _mail(self, mailer: Mailer, claimed: Sequence[Due], now: datetime) -> None:
        waiting, trouble = await asyncio.to_thread(self._composed, claimed, now)

        async def take() -> Outgoing | None:
            return waiting.popleft() if waiting else None

        async def settle(result: Result | None, mark: Outgoing | None) -> bool:
            if result is not None:
                await asyncio.to_thread(self._settle, claimed[result.delivery], result, now)
            return mark is None or await asyncio.to_thread(self._store.mark, claimed[mark.delivery], now)

        if waiting:
            await mailer.run(take, settle)
        if trouble is not None:
            raise trouble

    def _settle(self, due: Due, result: Result, now: datetime) -> None:
        judged = verdict(result, due.tries, now)
        after = after_mail(due.state, judged, due.tries, due.round.patience, now)
        suppress = judged.suppress and judged.state is DeliveryState.BOUNCED
        self._store.settle(due, after, judged.reason, suppress, now)

    def _composed(self, claimed: Sequence[Due], now: datetime) -> tuple[deque[Outgoing], TemplateError | None]:
        """One whose template is broken stays due; the others go."""
        ready: deque[Outgoing] = deque()
        trouble: TemplateError | None = None
        for place, due in enumerate(claimed):
            try:
                ready.append(self.compose(due, place, now))
            except TemplateError as error:
                trouble = error
        return ready, trouble

    def compose(self, due: Due, place: int, now: datetime) -> Outgoing:
        """``place`` is what the mailer calls it by."""
        rules, kind = self._rules[due.round.digest], ASKED_FOR[due.state]
        subject, html, text, language = self.written(due, now)
        skeleton = Skeleton(rules.sender, subject, html, text, language, nonce="0" * 32)
        to = parse_address(due.address).envelope
        number = f"{kind}.{due.round.number}.{due.subscription}.{due.tries}"
        personal = Personal(
            to=to,
            message_id=f"{number}@{rules.sender.message_id_domain}",
            date=now,
            values={},
            unsubscribe_url=self._links(due)["unsubscribe_url"],
        )
        message = skeleton.message(personal)
        return Outgoing(delivery=place, attempt=0, mail_from=rules.sender.address, rcpt_to=to, message=message)

    def written(self, due: Due, now: datetime) -> tuple[str, str, str, str]:
        """Subject, HTML, text and language."""
        rules, kind, patience = self._rules[due.round.digest], ASKED_FOR[due.state], due.round.patience
        language = spoken(due.language, self._languages, rules.language)
        wait = timedelta(days=patience.pause_after) if kind == "ask" else patience.grace
        context: dict[str, object] = {
            "site": self._site,
            "digest": DigestView(title=rules.title, url=f"{self._site.url}/digests/{due.round.digest}"),
            "kind": kind,
            "language": language,
            "direction": direction(language),
            "accent": self._site.accent,
            "colours": palette(self._site.accent),
            "since": due.since,
            "came": _came(due.source),
            "came_from": "" if _came(due.source) else clean_header(due.source),
            "pause_at": now + wait,
            **self._links(due),
        }
        subject = clean_header(render(self._templates, "email/letter_subject.txt", **context))
        context["subject"] = subject
        html = inline_css(render(self._templates, f"email/letter_{kind}.html", **context))
        return subject, html, render(self._templates, f"email/letter_{kind}.txt", **context), language

    def _links(self, due: Due) -> dict[str, str]:
        keep = make_token(Purpose.KEEP, of_round(due.round.number, due.subscription), *self._key)
        return {
            "keep_url": f"{self._site.url}/keep/{keep}",
            "unsubscribe_url": self._url("unsubscribe", Purpose.UNSUBSCRIBE, due),
            "preferences_url": self._url("preferences", Purpose.PREFERENCES, due),
        }

    def _url(self, page: str, purpose: Purpose, due: Due) -> str:
        return f"{self._site.url}/{page}/{make_token(purpose, due.subscription, *self._key)}"

    # --- silence

    def step(self, rehearsal: bool, now: datetime) -> None:
        """Pause those whose time is over, and end rounds in which nothing is left to be done."""
        for round_ in self._store.going_on(tuple(self._rules), rehearsal):
            hold_until = self._look(round_, now)
            if hold_until is None or hold_until <= now:
                self._pause(round_, now)
            if self._store.end(round_.number, now):
                self._tell(f"round {round_.number} is over", self._ending(round_))

    def _pause(self, round_: Round, now: datetime) -> None:
        for _ in range(PAUSES):
            if self._store.pause_silent(round_, self._for_ever, PAUSED_AT_ONCE, now) < PAUSED_AT_ONCE:
                return

    def _look(self, round_: Round, now: datetime) -> datetime | None:
        """Until when nobody of it is paused."""
        before = round_.looked_at or now
        if now - before > STOOD_STILL:
            hold_until = now + round_.patience.grace
            self._store.look(round_.number, hold_until, now)
            return hold_until
        if now - before > LOOK_EVERY:
            self._store.look(round_.number, None, now)
        return round_.hold_until

    def _ending(self, round_: Round) -> str:
        tally = self._store.tally(round_.number)
        asked = many(round_.size, "reader")
        paused = "would be paused (a rehearsal pauses nobody)" if round_.rehearsal else "were silent and are paused"
        return (
            f"Of {asked} of {round_.digest} who were asked whether they still want it, {tally[AskState.KEPT]} keep it, "
            f"{tally[AskState.PAUSED]} {paused}, {tally[AskState.LEFT]} have left, and "
            f"{tally[AskState.UNREACHED]} could not be reached and go on getting it."
        )


def specimen(digest: str, patience: Patience, now: datetime, state: AskState = AskState.WAITING) -> Due:
    """Nobody, in no round: its links lead nowhere."""
    round_ = Round(
        number=0, digest=digest, part={}, patience=patience, rehearsal=True, started_at=now, reached=0, size=0
    )
    return Due(
        round=round_,
        subscription=0,
        state=state,
        tries=0,
        address="reader@example.org",
        language=None,
        since=now - timedelta(days=365),
        source="imported",
    )


def _came(source: str) -> Say | None:
    """In words of ours, where they are; else what the list says is shown."""
    return next((words for beginning, words in CAME if source.startswith(beginning)), None)
