"""Subscribing and leaving: confirmed opt-in, tokens, imports."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from feed_publisher.domain.address import Address, address_key
from feed_publisher.domain.errors import FeedPublisherError
from feed_publisher.domain.model import Problem
from feed_publisher.domain.token import Claim, Purpose, dated, make_token, read_token
from feed_publisher.parse.subscribers import SubscriberRow
from feed_publisher.ports.people import Letter, NewSubscription, PeopleStore, SubscriberView

REQUEST_BITS = 20
"""A confirm token names the subscription and which of its requests it answers, in one number."""


@dataclass(slots=True)
class ImportReport:
    """What an import did; rows that were refused each say why."""

    added: int = 0
    updated: int = 0
    rejected: list[Problem] = field(default_factory=list)


class Subscribe:
    """One digest's readers come and go. ``cadences`` holds, by digest, the cadence of those who choose none.

    ``welcoming`` are the digests that mail a welcome to whoever has confirmed.
    """

    def __init__(
        self, people: PeopleStore, cadences: Mapping[str, str], base_url: str, welcoming: Collection[str] = ()
    ) -> None:
        self._people = people
        self._welcoming = welcoming
        self._cadences = cadences
        self._base_url = base_url
        self._pepper = people.secrets("pepper")[1]
        self._keys = people.secrets("token")

    @property
    def current_key(self) -> tuple[int, bytes]:
        """Id and value of the key that new tokens are made with."""
        number = max(self._keys)
        return number, self._keys[number]

    def key_of(self, address: Address) -> str:
        return address_key(address, self._pepper)

    def ask(
        self, digest: str, address: Address, cadence: str | None, now: datetime, language: str | None = None
    ) -> None:
        """Somebody typed an address. The answer is the same for known and unknown ones; the mail tells them."""
        person = self._person(digest, address, active=False, cadence=cadence, language=language)
        self._people.ask(person, self._cadences[digest], now)

    def confirm(self, token: str, now: datetime) -> SubscriberView | None:
        """Activate; None when the token is not genuine, spent or too old."""
        claim = self._claim(token, Purpose.CONFIRM)
        if claim is None:
            return None
        number, request = claim.subject >> REQUEST_BITS, claim.subject % (1 << REQUEST_BITS)
        source = "confirmed by a link mailed to the address"
        done = self._people.confirm(number, request, source, now, self._welcoming)
        return self._people.view(number) if done else None

    def pending(self, token: str) -> SubscriberView | None:
        """Whom a confirm token is for."""
        claim = self._claim(token, Purpose.CONFIRM)
        return self._people.view(claim.subject >> REQUEST_BITS) if claim else None

    def leave(self, token: str, now: datetime) -> SubscriberView | None:
        """Unsubscribe; the same again changes nothing."""
        claim = self._claim(token, Purpose.UNSUBSCRIBE)
        if claim is None or not self._people.leave(claim.subject, now):
            return None
        return self._people.view(claim.subject)

    def add(
        self, digest: str, rows: Iterator[SubscriberRow | Problem], active: bool, file: str, now: datetime
    ) -> ImportReport:
        """Add readers one by one; a row that is refused says why, with its line in ``file``, and stops no other.

        Whole lists come in by ``services.moving_in``, which can be foreseen, continued and taken back.
        """
        report = ImportReport()
        for row in rows:
            if isinstance(row, Problem):
                report.rejected.append(row)
            elif reason := self._add(digest, row, active, report, now):
                report.rejected.append(Problem(where=f"{file}:{row.line}", reason=reason))
        return report

    def _add(self, digest: str, row: SubscriberRow, active: bool, report: ImportReport, now: datetime) -> str:
        """Why it was refused, or ""."""
        try:
            joined = self._people.join([self._from_row(digest, row, active)], self._cadences[digest], now)
        except FeedPublisherError as error:
            return str(error)
        report.added += joined.added
        report.updated += joined.updated
        if joined.suppressed:
            return f"{row.address} is on the never-mail list; `suppress remove` takes it off"
        if joined.left:
            return f"{row.address} has unsubscribed; only they can come back, on the page to subscribe"
        return ""

    def _from_row(self, digest: str, row: SubscriberRow, active: bool) -> NewSubscription:
        return NewSubscription(
            address=row.address.typed,
            address_key=self.key_of(row.address),
            digest=digest,
            active=active or row.consented_at is not None,
            cadence=row.cadence,
            topics=row.topics,
            zone=row.zone,
            at=row.at.isoformat("minutes") if row.at else None,
            language=row.language,
            name=row.name,
            consented_at=row.consented_at,
            consent_source=row.consent_source or "imported",
        )

    def _person(
        self, digest: str, address: Address, active: bool, cadence: str | None, language: str | None
    ) -> NewSubscription:
        return NewSubscription(
            address=address.typed,
            address_key=self.key_of(address),
            digest=digest,
            active=active,
            cadence=cadence,
            language=language,
            consent_source="sign-up form",
        )

    def read(self, token: str) -> Claim | None:
        """What a genuine token says."""
        return read_token(token, self._keys)

    def _claim(self, token: str, purpose: Purpose) -> Claim | None:
        claim = self.read(token)
        return claim if claim and claim.purpose is purpose else None

    def preferences_url(self, subscription: int) -> str:
        """The page of one reader's choices."""
        key_id, key = self.current_key
        return f"{self._base_url}/preferences/{make_token(Purpose.PREFERENCES, subscription, key_id, key)}"

    def letter_links(self, letter: Letter, now: datetime) -> dict[str, str]:
        """The links of a letter by their names in templates: to confirm, or (already subscribed) to what one gets."""
        key_id, key = self.current_key
        if letter.kind == "move":
            subject = (letter.subscription << REQUEST_BITS) + letter.request
            return {"move_url": f"{self._base_url}/move/{make_token(Purpose.MOVE, subject, key_id, key)}"}
        if letter.kind == "data":
            subject = dated(letter.subscription, int(now.timestamp()))
            return {"data_url": f"{self._base_url}/data/{make_token(Purpose.DATA, subject, key_id, key)}"}
        if letter.kind in ("confirm", "reminder"):
            subject = (letter.subscription << REQUEST_BITS) + letter.request
            return {"confirm_url": f"{self._base_url}/confirm/{make_token(Purpose.CONFIRM, subject, key_id, key)}"}
        token = make_token(Purpose.UNSUBSCRIBE, letter.subscription, key_id, key)
        return {
            "unsubscribe_url": f"{self._base_url}/unsubscribe/{token}",
            "preferences_url": self.preferences_url(letter.subscription),
        }


def with_known_cadence(
    rows: Iterator[SubscriberRow | Problem], cadences: Sequence[str], file: str
) -> Iterator[SubscriberRow | Problem]:
    """Refuse rows that ask for a cadence the digest does not offer."""
    for row in rows:
        if isinstance(row, SubscriberRow) and row.cadence and row.cadence not in cadences:
            reason = f"{row.cadence!r} is not offered; choose {' or '.join(cadences)}, or leave it empty"
            yield Problem(where=f"{file}:{row.line}", reason=reason)
        else:
            yield row
