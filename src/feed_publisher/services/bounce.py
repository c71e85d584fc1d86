"""Mail that comes back: whose it is, what it says, and what follows. All ways in hand their bytes to this service.

Only addresses that we have made ourselves are acted on (domain/verp.py); who is named inside a report is not believed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feed_publisher.domain.bounce import BounceKind, Patience, Report
from feed_publisher.domain.verp import Returning, Way, read_address
from feed_publisher.parse.bounce import Nature, Returned, read_returned
from feed_publisher.ports.bounces import Acted, BounceStore, Fate
from feed_publisher.ports.people import PeopleStore

MOST_WAITING = 500
"""Answers kept at the same time; the next ones are asked to come again later."""

COMPLAINTS = "complaints"
"""The local part that feedback loops are to report to; they name the mail inside."""

RECENT = timedelta(days=14)
"""How old the mail may be that a report of a service is about, when that names nothing but the address."""

_MESSAGE_ID = re.compile(r"<?(\d{1,18})\.(\d{1,18})@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of one mail, in one word for counts. ``later``: it must come once more."""

    what: str
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a service tells about a mail, after its signature was checked: whatever of these names it has."""

    report: Report
    mail_from: str = ""
    message_id: str = ""
    address_key: str = ""


class Bounces:
    """``domain``: that mail comes back to; ``tell``: the operator, once per cause."""

    def __init__(
        self,
        store: BounceStore,
        people: PeopleStore,
        domain: str,
        keys: Mapping[int, bytes],
        patience: Patience,
        tell: Callable[[str, str], object],
    ) -> None:
        self._store = store
        self._people = people
        self._domain = domain
        self._keys = keys
        self._patience = patience
        self._tell = tell

    def is_ours(self, address: str) -> bool:
        """Whether mail to it is taken."""
        local, _, host = address.rpartition("@")
        known = local.lower() == COMPLAINTS and host.lower() == self._domain
        return known or read_address(address, self._domain, self._keys) is not None

    def receive(self, raw: bytes, to: Sequence[str], mail_from: str | None, now: datetime) -> Received:
        """One mail. ``to``: its envelope's recipients, none when they are not known. The same again does no harm."""
        mail = read_returned(raw, mail_from)
        received = self._received(mail, raw, to, now)
        if not received.later:
            self._store.count(received.what, now.date())
        return received

    def told(self, notification: Notification, now: datetime) -> Received:
        """What a service has told instead of sending mail on."""
        named = self._named(notification, now)
        received = Received(what="unknown") if named is None else self._act(named, notification.report, now)
        if not received.later:
            self._store.count(received.what, now.date())
        return received

    def _named(self, notification: Notification, now: datetime) -> Returning | None:
        if found := read_address(notification.mail_from, self._domain, self._keys):
            return found
        if numbers := _MESSAGE_ID.match(notification.message_id):
            return self._store.named(int(numbers[1]), int(numbers[2]))
        return self._store.latest(notification.address_key, now - RECENT) if notification.address_key else None

    def _received(self, mail: Returned, raw: bytes, to: Sequence[str], now: datetime) -> Received:
        if mail.forwarded:
            return Received(what="our own")
        named = self._ours(to or mail.delivered_to)
        if mail.report is not None:
            return self._reported(mail.report, named, mail.inside, now)
        if not named:
            return Received(what="not ours")
        if named[0].way is Way.LEAVE:
            return self._leave(named[0], mail, now)
        if mail.nature is not Nature.HUMAN:
            return Received(what=mail.nature)
        return self._answered(named[0], raw, now)

    def _ours(self, addresses: Iterable[str]) -> list[Returning]:
        found = (read_address(address, self._domain, self._keys) for address in addresses)
        return [each for each in found if each is not None]

    def _reported(self, report: Report, named: Sequence[Returning], inside: Sequence[str], now: datetime) -> Received:
        """A report is about the mail it was addressed to; a complaint goes elsewhere, and holds the mail."""
        complaint = report.kind is BounceKind.COMPLAINT
        about = next((each for each in named if complaint or each.way is Way.BOUNCE), None)
        if about is None and (complaint or not named):
            about = next(iter(sorted(self._ours(inside), key=lambda each: each.way is Way.LEAVE)), None)
        return Received(what="not ours") if about is None else self._act(about, report, now)

    def _act(self, about: Returning, report: Report, now: datetime) -> Received:
        acted = self._store.act(about, report, self._patience, now)
        if acted.fate is Fate.EARLY:
            return Received(what="early", later=True)
        if acted.fate is not Fate.DONE:
            return Received(what=acted.fate)
        if report.kind is BounceKind.POLICY:
            self._tell_policy(acted, report, now)
        return Received(what=report.kind)

    def _tell_policy(self, acted: Acted, report: Report, now: datetime) -> None:
        sentence = (
            f"Mail of {acted.digest} was refused because of who sends it, not because of its reader: “{report}”. "
            "Look at signatures, DNS and what the mail server sends; docs/delivery.md tells what receivers want."
        )
        self._tell(f"refused by policy {acted.digest} {now:%Y-%m-%d}", sentence)

    def _leave(self, named: Returning, mail: Returned, now: datetime) -> Received:
        """Whatever is written to it. A program that answers by itself has not been asked; one that was told to has."""
        if mail.nature is Nature.HUMAN or (mail.nature is Nature.AUTO and mail.program):
            known = self._people.leave(named.number, now, "by mail")
            return Received(what="unsubscribed" if known else "unknown")
        return Received(what=mail.nature)

    def _answered(self, named: Returning, raw: bytes, now: datetime) -> Received:
        digest = self._store.digest_of(named.number)
        if digest is None:
            return Received(what="unknown")
        fingerprint = hashlib.sha256(raw).hexdigest()
        kept = self._store.keep_answer(fingerprint, digest, raw, MOST_WAITING, now)
        if kept is None:
            self._tell(f"answers wait {now:%Y-%m-%d}", f"{MOST_WAITING} answers of readers wait to be passed on.")
            return Received(what="answer", later=True)
        return Received(what="answer" if kept else Fate.KNOWN)
