"""Letters: mails to one person that belong to no issue, such as "please confirm"."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jinja2 import Environment

from feed_publisher.compose.colour import palette
from feed_publisher.compose.digest import DigestView, SiteView
from feed_publisher.compose.html import inline_css, render
from feed_publisher.compose.message import Personal, Sender, Skeleton, clean_header
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.delivery import DeliveryState, Result, Verdict, verdict
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.language import direction, spoken
from feed_publisher.domain.shadow import real_slug
from feed_publisher.ports.people import Letter, LetterStore
from feed_publisher.ports.sending import Mailer, Outgoing
from feed_publisher.services.subscribe import Subscribe

BATCH = 100
RETRY = timedelta(minutes=1)
KINDS = ("confirm", "reminder", "welcome", "link", "data", "move")
"""Of letters, as in the names of their templates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRules:
    """What letters take from the settings of one digest. ``language``: of readers without one of their own."""

    title: str
    language: str
    sender: Sender


class Letters:
    """Sends what is waiting. A letter stays waiting until the relay has taken or refused it for good."""

    def __init__(
        self,
        store: LetterStore,
        subscribe: Subscribe,
        templates: Environment,
        site: SiteView,
        digests: Mapping[str, LetterRules],
        languages: Collection[str],
    ) -> None:
        """``languages``: those with words."""
        self._store = store
        self._subscribe = subscribe
        self._templates = templates
        self._site = site
        self._digests = digests
        self._languages = languages

    async def send(self, mailer: Mailer, now: datetime) -> int:
        """How many the relay accepted. Raises MailError when it cannot be used, TemplateError after the others."""
        await asyncio.to_thread(self._store.forget, now)
        claimed = await asyncio.to_thread(self._store.claim, tuple(self._digests), BATCH, now)
        letters = {letter.subscription: letter for letter in claimed}
        waiting, trouble = await asyncio.to_thread(self._composed, claimed, now)
        accepted = 0

        async def take() -> Outgoing | None:
            return waiting.popleft() if waiting else None

        async def settle(result: Result | None, _mark: Outgoing | None) -> bool:
            nonlocal accepted
            if result is not None:
                judged = verdict(result, 0, now)
                accepted += judged.state is DeliveryState.SENT
                await asyncio.to_thread(self._judge, letters[result.delivery], judged, now)
            return True

        if waiting:
            await mailer.run(take, settle)
        if trouble is not None:
            raise trouble
        return accepted

    def _composed(self, letters: Sequence[Letter], now: datetime) -> tuple[deque[Outgoing], TemplateError | None]:
        """A letter whose template is broken stays due; the others go."""
        ready: deque[Outgoing] = deque()
        trouble: TemplateError | None = None
        for letter in letters:
            try:
                ready.append(self.compose(letter, now))
            except TemplateError as error:
                trouble = error
        return ready, trouble

    def _judge(self, letter: Letter, judged: Verdict, now: datetime) -> None:
        if judged.state in (DeliveryState.QUEUED, DeliveryState.DEFERRED):
            self._store.later(letter, judged.due_at or now + RETRY)
        else:
            self._store.done(letter, judged.state is DeliveryState.SENT)

    def compose(self, letter: Letter, now: datetime) -> Outgoing:
        """Nothing in it comes from the visitor but the address it goes to."""
        rules = self._digests[letter.digest]
        sender, language = rules.sender, spoken(letter.language, self._languages, rules.language)
        context: dict[str, object] = {
            "site": self._site,
            "digest": DigestView(title=rules.title, url=f"{self._site.url}/digests/{real_slug(letter.digest)}"),
            "kind": letter.kind,
            "language": language,
            "direction": direction(language),
            "accent": self._site.accent,
            "colours": palette(self._site.accent),
            **self._subscribe.letter_links(letter, now),
        }
        subject = clean_header(render(self._templates, "email/letter_subject.txt", **context))
        context["subject"] = subject
        html = inline_css(render(self._templates, f"email/letter_{letter.kind}.html", **context))
        text = render(self._templates, f"email/letter_{letter.kind}.txt", **context)
        # A letter is no list mail: it carries no List-* headers.
        single = Sender(name=sender.name, address=sender.address, message_id_domain=sender.message_id_domain)
        skeleton = Skeleton(single, subject, html, text, language, nonce="0" * 32)
        to = parse_address(letter.address).envelope
        number = f"letter.{letter.subscription}.{letter.request}.{int(now.timestamp())}"
        personal = Personal(to=to, message_id=f"{number}@{sender.message_id_domain}", date=now, values={})
        return Outgoing(
            delivery=letter.subscription,
            attempt=0,
            mail_from=sender.address,
            rcpt_to=to,
            message=skeleton.message(personal),
        )
