"""What readers choose for themselves, on the page that their mails lead to, and on the one to unsubscribe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from feed_publisher.domain.address import Address, parse_address
from feed_publisher.domain.cadence import Cadence, Clock, due_at, parse_time
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import SubscriptionState
from feed_publisher.domain.language import Say
from feed_publisher.domain.shadow import is_shadow
from feed_publisher.domain.token import Claim, Purpose, is_fresh, of_dated, time_of_dated
from feed_publisher.ports.people import Moved, PeopleStore, PersonEvent, PreferenceStore, SubscriberView, Wanted
from feed_publisher.services.edition import DigestRules
from feed_publisher.services.subscribe import REQUEST_BITS

FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of a pause that lasts until its reader ends it."""

LONGEST = timedelta(days=366)


class Preferences:
    """``read`` tells what a genuine token says; ``rules`` are those of each digest of the configuration."""

    def __init__(
        self,
        store: PreferenceStore,
        people: PeopleStore,
        rules: Mapping[str, DigestRules],
        read: Callable[[str], Claim | None],
        is_zone: Callable[[str], bool],
        key_of: Callable[[Address], str],
    ) -> None:
        self._store = store
        self._people = people
        self._rules = rules
        self._read = read
        self._is_zone = is_zone
        self._key_of = key_of

    def person(self, token: str, purpose: Purpose = Purpose.PREFERENCES) -> list[SubscriberView]:
        """All subscriptions of the token's owner; none for a token that is not genuine.

        With the purpose to unsubscribe only the one it is for.
        """
        claim = self._read(token)
        if claim is None or claim.purpose is not purpose:
            return []
        found = self._store.person(claim.subject)
        if purpose is Purpose.PREFERENCES and not any(view.address for view in found):
            return []  # erased
        return found if purpose is Purpose.PREFERENCES else [v for v in found if v.subscription == claim.subject]

    def change(self, view: SubscriberView, wanted: Wanted, known: Sequence[str], now: datetime) -> bool:
        """``known``: the topics there are to choose from. Raises InputError naming the field."""
        rules = self._rules_of(view)
        wanted = self._checked(rules, wanted, known)
        moves: dict[int, datetime] = {}
        if (wanted.zone, wanted.at) != (view.zone, view.at):
            for waiting in self._store.waiting(view.subscription):
                slot = rules.slot(waiting.slot)
                if slot is not None:
                    moves[waiting.delivery] = max(rules.hour_of(slot, wanted.zone, wanted.at, now), now)
        return self._store.change(view.subscription, wanted, moves, now)

    def reduce(self, view: SubscriberView, wanted: Wanted, known: Sequence[str], now: datetime) -> bool:
        """As ``change``, for whoever has only the link to unsubscribe: never more than before."""
        gaps = {cadence.value: self._rules_of(view).rhythm(cadence).gap for cadence in self._rules_of(view).cadences}
        rarer = wanted.cadence in gaps and gaps[wanted.cadence] >= gaps.get(view.cadence, timedelta(0))
        if wanted.topics is not None:  # one that the digest has no more is no choice any more
            wanted = replace(wanted, topics=tuple(topic for topic in wanted.topics if topic in known))
        had = set(known) if view.topics == ("*",) else set(view.topics)
        fewer = (wanted.topics is None and view.topics == ("*",)) or set(wanted.topics or known) <= had
        if not (rarer and fewer):
            raise InputError(Say("this page can only make it less"), "cadence" if fewer else "topic")
        return self.change(view, replace(wanted, zone=view.zone, at=view.at), known, now)

    def _checked(self, rules: DigestRules, wanted: Wanted, known: Sequence[str]) -> Wanted:
        if wanted.cadence not in rules.cadences:
            raise InputError(Say("choose how often it comes"), "cadence")
        if wanted.topics is not None and not set(wanted.topics) <= set(known):
            raise InputError(Say("one of these topics does not exist any more; please choose again"), "topic")
        if wanted.topics == ():
            raise InputError(Say("choose at least one topic, or everything"), "topic")
        if wanted.zone and not self._is_zone(wanted.zone):
            reason = Say("“%(zone)s” is not a time zone; write one such as Europe/Berlin", zone=wanted.zone[:60])
            raise InputError(reason, "zone")
        try:
            at = parse_time(wanted.at).isoformat("minutes") if wanted.at else ""
        except ValueError:
            raise InputError(Say("write the hour as 7 or 07:30"), "hour") from None
        return replace(wanted, at=at)

    def _rules_of(self, view: SubscriberView) -> DigestRules:
        if view.digest not in self._rules:
            raise InputError(Say("this newsletter has ended"), "digest")
        return self._rules[view.digest]

    def pause(self, view: SubscriberView, days: int | None, fresh: bool, now: datetime) -> bool:
        """For so many days, or (None) until the reader ends it."""
        until = FOR_EVER if days is None else now + min(timedelta(days=max(1, days)), LONGEST)
        return self._store.pause(view.subscription, until, fresh, now)

    def resume(self, view: SubscriberView, fresh: bool, now: datetime) -> bool:
        return self._store.resume(view.subscription, fresh, now)

    def speak(self, view: SubscriberView, language: str, now: datetime) -> bool:
        """All that this person gets is in another language, from the next issue on."""
        return self._store.speak(view.subscription, language, now)

    def leave(self, view: SubscriberView, now: datetime) -> bool:
        return self._people.leave(view.subscription, now)

    def join(self, owner: SubscriberView, digest: str, now: datetime) -> bool:
        """The same person gets another digest, or one they had left. Raises InputError for an unknown one."""
        if digest not in self._rules or is_shadow(digest):
            raise InputError(Say("there is no such newsletter (any more)"), "digest")
        return self._store.join(owner.subscription, digest, self._rules[digest].cadences[0].value, now)

    def history(self, view: SubscriberView) -> list[PersonEvent]:
        """What the reader did with a subscription, newest first."""
        return self._store.history(view.subscription)

    def ask_data(self, view: SubscriberView, now: datetime) -> None:
        """Mail a link that shows all that is stored, for an hour: the one in every issue is forwarded too easily."""
        self._store.ask_data(view.subscription, now)

    def data(self, token: str, now: datetime) -> dict[str, Any]:
        """All that is stored about the token's owner; {} for a token that is not genuine or too old."""
        number = self._of_data(token, now)
        return {} if number is None else self._store.data(number)

    def erase(self, token: str, now: datetime) -> bool:
        number = self._of_data(token, now)
        return number is not None and self._store.erase(number, now)

    def ask_move(self, token: str, address: Address, now: datetime) -> bool:
        """Write to another address of the token's owner. The answer is the same whether it may be written to."""
        number = self._of_data(token, now)
        if number is None:
            return False
        self._store.ask_move(number, address.typed, self._key_of(address), now)
        return True

    def moving(self, token: str, now: datetime) -> str:
        """The address that a link mailed to it asks for; "" for one that is not genuine or too old."""
        found = self._of_move(token)
        return self._store.pending_move(*found, now) if found else ""

    def move(self, token: str, now: datetime) -> Moved:
        """The new address takes the place of the old one."""
        found, address = self._of_move(token), self.moving(token, now)
        if found is None or not address:
            return Moved.TOO_LATE
        return self._store.move(*found, self._key_of(parse_address(address)), now)

    def _of_move(self, token: str) -> tuple[int, int] | None:
        """Subscription and request."""
        claim = self._read(token)
        if claim is None or claim.purpose is not Purpose.MOVE:
            return None
        return claim.subject >> REQUEST_BITS, claim.subject % (1 << REQUEST_BITS)

    def erase_address(self, address_key: str, now: datetime) -> bool:
        """By the operator. False for an address that is not known."""
        return self._store.erase_address(address_key, now)

    def _of_data(self, token: str, now: datetime) -> int | None:
        claim = self._read(token)
        if claim is None or claim.purpose is not Purpose.DATA or not is_fresh(claim.subject, int(now.timestamp())):
            return None
        number, made = of_dated(claim.subject), time_of_dated(claim.subject, int(now.timestamp()))
        # Whoever had the old address has nothing to say about the new one.
        return None if self._store.has_moved(number, datetime.fromtimestamp(made, UTC)) else number

    def next_issue(self, view: SubscriberView, now: datetime) -> tuple[datetime, Clock] | None:
        """When the next one is due for this reader's own clock; None while nothing comes, or no date is known."""
        rules = self._rules.get(view.digest)
        if rules is None or rules.rests or view.state != SubscriptionState.ACTIVE or view.cadence not in rules.cadences:
            return None
        if view.cadence == Cadence.INSTANT:
            return None
        cadence = next(each for each in rules.cadences if each == view.cadence)
        clock = rules.clock_of(view.zone, view.at, cadence)
        after = max(now, view.paused_until or now)
        if after >= FOR_EVER:
            return None
        return due_at(rules.rhythm(cadence).next(clock, after), clock), clock
