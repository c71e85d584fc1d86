"""Trials before a send: a dry run of every mail, and a test mail marked [Test]. Neither changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.compose.lint import lint
from feed_publisher.compose.message import Links, Sender, Skeleton
from feed_publisher.compose.specimen import specimen_lines, specimen_sponsors
from feed_publisher.domain.address import Address, parse_address
from feed_publisher.domain.asking import Patience
from feed_publisher.domain.delivery import Result
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.finding import Level
from feed_publisher.domain.issue import Edition
from feed_publisher.domain.sponsor import SponsorBlock
from feed_publisher.ports.people import Letter, PeopleStore
from feed_publisher.ports.sending import Mailer, Outgoing
from feed_publisher.services.ask_mails import ASKED_FOR, AskMails, specimen
from feed_publisher.services.edition import DigestRules, Editions
from feed_publisher.services.letters import KINDS, Letters
from feed_publisher.services.preview import Preview
from feed_publisher.services.send import Letterhead, addressed, skeleton

_READER = "reader@example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class DryMail:
    """A mail that would leave: its recipient and its bytes (only Message-ID and Date are made up)."""

    to: str
    message: bytes


def dry_run(
    preview: Preview,
    rules: DigestRules,
    people: PeopleStore,
    letterhead: Letterhead,
    now: datetime,
    as_of: datetime | None,
) -> Iterator[DryMail]:
    """Every mail of a manual send, one at a time."""
    sender = letterhead.senders[rules.slug]
    skeletons: dict[str, Skeleton] = {}
    for reader, edition in preview.mailing(rules, now, as_of):
        person = people.view(reader.subscription)
        if person is None:
            continue
        if edition.fingerprint not in skeletons:
            skeletons = {edition.fingerprint: skeleton(sender, edition)}
        links = letterhead.links(reader.subscription)
        to, name = parse_address(person.address).envelope, f"dry-run.{reader.subscription}"
        message = skeletons[edition.fingerprint].message(addressed(to, name, sender, links, now))
        yield DryMail(to=person.address, message=message)


async def send_test(
    mailer: Mailer, edition: Edition, sender: Sender, addresses: list[Address], now: datetime, dead: Links
) -> dict[str, Result]:
    """One mail marked [Test] to each address; the results by address. ``dead`` lead nowhere."""
    shared = skeleton(sender, edition, f"[Test] {edition.subject}")
    waiting = list(enumerate(addresses))
    results: dict[str, Result] = {}

    async def take() -> Outgoing | None:
        if not waiting:
            return None
        number, address = waiting.pop(0)
        to, name = address.envelope, f"test.{number}.{int(now.timestamp())}"
        message = shared.message(addressed(to, name, sender, dead, now))
        return Outgoing(delivery=number, attempt=0, mail_from=sender.address, rcpt_to=to, message=message)

    async def settle(result: Result | None, _mark: Outgoing | None) -> bool:
        if result is not None:
            results[addresses[result.delivery].typed] = result
        return True

    await mailer.run(take, settle)
    return results


def check_templates(
    editions: Editions, rules: DigestRules, letterhead: Letterhead, letters: Letters, asks: AskMails, now: datetime
) -> None:
    """Make a mail of odd articles, and every letter. Raises TemplateError for what a reader must not be mailed."""
    _check(f"the mail of {rules.slug}", sample(editions, rules, letterhead, now))
    for kind in KINDS:
        letter = Letter(subscription=1, request=1, kind=kind, address=_READER, digest=rules.slug)
        _check(f"the letter {kind!r}", letters.compose(letter, now).message)
    for state, kind in ASKED_FOR.items():
        due = specimen(rules.slug, Patience(remind_after=7, pause_after=14), now, state)
        _check(f"the letter {kind!r}", asks.compose(due, 1, now).message)


def sample(editions: Editions, rules: DigestRules, letterhead: Letterhead, now: datetime) -> bytes:
    """A mail of odd articles. Raises TemplateError."""
    sponsors = specimen_sponsors(rules.sponsors)
    lines = specimen_lines(letterhead.base_url, now)
    edition = editions.render(rules, lines, rules.language, None, now, sponsors=sponsors)
    if rules.sponsors:
        _check_sponsors(rules, edition, sponsors)
    sender, links = letterhead.senders[rules.slug], letterhead.links(0)
    return skeleton(sender, edition).message(addressed(_READER, "1", sender, links, now))


def _check_sponsors(rules: DigestRules, edition: Edition, sponsors: Sequence[SponsorBlock]) -> None:
    """A site's own templates may have been written before there were sponsors."""
    for block in sponsors:
        missing = [
            (name, what)
            for name, part in (("digest.html", edition.html), ("digest.txt", edition.text))
            for what in (block.label, block.title, block.link)
            if what not in part
        ]
        for name, what in missing[:1]:
            said = f"templates/email/{name}: the mail of {rules.slug} does not show {what!r} of a sponsor"
            raise TemplateError(f"{said}; keep the block sponsor_{block.place}, or extend default/email/{name}")


def _check(name: str, message: bytes) -> None:
    errors = [finding.text for finding in lint(message) if finding.level is Level.ERROR]
    if errors:
        raise TemplateError(f"{name}: {' '.join(errors)}")
