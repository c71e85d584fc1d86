"""Mails that ask the operators about an issue: the issue as it would leave, and a link to decide about it."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from jinja2 import Environment

from feed_publisher.compose.digest import SiteView
from feed_publisher.compose.html import render
from feed_publisher.compose.message import Links, Personal, Sender, Skeleton, clean_header
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState, Result, verdict
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import IssueState
from feed_publisher.domain.token import Purpose, make_token, read_token
from feed_publisher.ports.deciding import DecisionStore, MainEdition, Open, Question
from feed_publisher.ports.sending import Mailer, Outgoing
from feed_publisher.services.deciding import Deciding

BATCH = 50
RETRY = timedelta(minutes=1)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)


class Questions:
    """``senders`` are those of the digests; ``dead`` stand where a reader's own links go."""

    def __init__(
        self,
        store: DecisionStore,
        deciding: Deciding,
        templates: Environment,
        site: SiteView,
        senders: Mapping[str, Sender],
        keys: Mapping[int, bytes],
        dead: Links,
        operators: Collection[str],
    ) -> None:
        self._store = store
        self._deciding = deciding
        self._templates = templates
        self._site = site
        self._senders = senders
        self._keys = keys
        self._dead = dead
        self._operators = operators

    async def send(self, mailer: Mailer, now: datetime) -> int:
        """How many the relay accepted. None is mailed twice: what a crash leaves in doubt stays so.

        Raises TemplateError after the others: a question whose template is broken stays due.
        """
        questions = await asyncio.to_thread(self._store.claim_questions, BATCH, now)
        waiting, trouble = await asyncio.to_thread(self._all_composed, questions, now)
        accepted = 0

        async def take() -> Outgoing | None:
            return waiting.popleft() if waiting else None

        async def settle(result: Result | None, mark: Outgoing | None) -> bool:
            nonlocal accepted
            if result is not None:
                judged = verdict(result, 0, now)
                accepted += judged.state is DeliveryState.SENT
                if judged.state in (DeliveryState.QUEUED, DeliveryState.DEFERRED):
                    due = judged.due_at or now + RETRY
                    await asyncio.to_thread(self._store.ask_later, result.delivery, due)
                else:
                    await asyncio.to_thread(self._store.question_leaves, result.delivery)
            if mark is not None:
                await asyncio.to_thread(self._store.question_leaves, mark.delivery)
            return True

        if waiting:
            await mailer.run(take, settle)
        if trouble is not None:
            raise trouble
        return accepted

    def asked(self, token: str) -> Question | None:
        """The question whose mail holds this link; None for any other, and for who is no operator any more."""
        claim = read_token(token, self._keys)
        if claim is None or claim.purpose is not Purpose.DECIDE:
            return None
        found = self._store.question(claim.subject)
        return found if found is not None and found.address in self._operators else None

    def url(self, question: Question) -> str:
        """The page on which it is answered."""
        number = max(self._keys)
        return f"{self._site.url}/decide/{make_token(Purpose.DECIDE, question.number, number, self._keys[number])}"

    def _all_composed(
        self, questions: Sequence[Question], now: datetime
    ) -> tuple[deque[Outgoing], TemplateError | None]:
        ready: deque[Outgoing] = deque()
        trouble: TemplateError | None = None
        for question in questions:
            try:
                composed = self._composed(question, now)
            except TemplateError as error:
                trouble = error
            else:
                ready += [composed] if composed else []
        return ready, trouble

    def _composed(self, question: Question, now: datetime) -> Outgoing | None:
        """None for an issue that has been decided about meanwhile, or whose digest has left the settings."""
        about, main = self._store.look(question.issue), self._store.main_edition(question.issue)
        sender = self._senders.get(about.issue.digest)
        if sender is None or main is None or not _is_open(about):
            self._store.question_leaves(question.number)
            return None
        return self._message(question, about, main, sender, now)

    def _message(self, question: Question, about: Open, main: MainEdition, sender: Sender, now: datetime) -> Outgoing:
        context: dict[str, object] = {
            "site": self._site,
            "accent": self._site.accent,
            "issue": about.issue,
            "announced": about.issue.state is IssueState.READY,
            "sentence": self._deciding.sentence(about),
            "versions": main.editions,
            "main_readers": main.readers,
            "readers": about.waiting,
            "decide_url": self.url(question),
        }
        head = render(self._templates, "email/question.html", **context)
        subject = clean_header(render(self._templates, "email/question_subject.txt", **context))
        text = render(self._templates, "email/question.txt", **context) + main.text
        single = Sender(name=sender.name, address=sender.address, message_id_domain=sender.message_id_domain)
        skeleton = Skeleton(single, subject, _on_top(head, main.html), text, main.language, main.nonce)
        to = parse_address(question.address).envelope
        name = f"question.{question.number}@{sender.message_id_domain}"
        personal = Personal(to=to, message_id=name, date=now, values=self._dead.values)
        return Outgoing(
            delivery=question.number,
            attempt=0,
            mail_from=sender.address,
            rcpt_to=to,
            message=skeleton.message(personal),
        )


def _is_open(about: Open) -> bool:
    """Whether there is still something to decide that nobody has decided."""
    if about.issue.state is IssueState.READY:
        return not about.history and bool(about.waiting)
    return about.issue.state in (IssueState.DRAFT, IssueState.PAUSED)


def _on_top(head: str, html: str) -> str:
    """The issue's own HTML with something above it."""
    found = _BODY.search(html)
    at = found.end() if found else 0
    return html[:at] + head + html[at:]
