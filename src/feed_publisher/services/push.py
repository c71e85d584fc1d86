"""Entries pushed to us by a source itself: checked field by field, stored once however often they are sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import Draft, Reading, escaped
from feed_publisher.domain.source import SourceRules
from feed_publisher.ports.pickup import Answered, EntryStore, PushStore, SourceStore
from feed_publisher.services.absorbing import absorber

MOST = 500
"""Entries in one request."""

REMEMBERED = timedelta(days=7)
"""How long an Idempotency-Key is known."""

Fault = Mapping[str, Any]
"""The entry's place or None, the field, and the reason."""

ReadEntry = Callable[[Mapping[str, Any], int], Draft]
"""One entry of the request and its place to a draft; InputError names the field in ``where``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The answer to a push: an HTTP status and a JSON body."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Push:
    """Takes what sources push."""

    entries: EntryStore
    sources: SourceStore
    pushes: PushStore
    read: ReadEntry
    clock: Callable[[], datetime]

    def new_token(self, slug: str) -> str:
        """A token for this source; the one before it ends. Only its hash is kept."""
        token = f"fp_{secrets.token_urlsafe(32)}"
        self.pushes.set_token(slug, _digest(token))
        return token

    def source_of(self, token: str) -> str | None:
        """The slug of the source that a token belongs to."""
        return self.pushes.owner(_digest(token)) if token else None

    def take(
        self, rules: SourceRules, items: Sequence[Mapping[str, Any]], key: str, faults: Sequence[Fault] = ()
    ) -> Pushed:
        """All entries of one request, or none: a wrong one is named with its field, and the request may come again.

        ``key`` is the Idempotency-Key, or "". ``faults`` were found before; one answer names everything.
        """
        now, body_hash = self.clock(), _digest(json.dumps(items, sort_keys=True, default=str))
        earlier = self._answered_before(rules.slug, key, body_hash) if key and not faults else None
        if earlier is not None:
            return earlier
        drafts, wrong = self._drafts(items)
        if faults or wrong:
            return refused(sorted([*faults, *wrong], key=_by_place))
        answer = Pushed(status=200, body=self._store(rules, drafts, now))
        if key:
            done = Answered(request_hash=body_hash, status=answer.status, response=answer.body)
            self.pushes.forget(now - REMEMBERED)
            if not self.pushes.remember(rules.slug, key, done, now):  # the same request came twice at once
                return self._answered_before(rules.slug, key, body_hash) or answer
        return answer

    def withdraw(self, rules: SourceRules, identity: str) -> Pushed:
        """The source has deleted an entry, named by the id or the link it was pushed with."""
        reading = Reading(withdrawn=(identity,))
        absorbed = absorber(rules, self.entries, self.sources, self.clock()).take(None, reading)
        return Pushed(status=200 if absorbed.withdrawn else 404, body={"withdrawn": list(absorbed.withdrawn)})

    def _answered_before(self, slug: str, key: str, body_hash: str) -> Pushed | None:
        earlier = self.pushes.seen(slug, key)
        if earlier is None:
            return None
        if not hmac.compare_digest(earlier.request_hash, body_hash):
            return refused([fault(None, "Idempotency-Key", "was used for another request; take a new one")])
        return Pushed(status=earlier.status, body=earlier.response)

    def _drafts(self, items: Sequence[Mapping[str, Any]]) -> tuple[list[Draft], list[Fault]]:
        drafts: list[Draft] = []
        faults: list[Fault] = []
        for place, item in enumerate(items):
            try:
                drafts.append(replace(self.read(item, place), place=place))
            except InputError as error:
                faults.append(fault(place, error.where, error.reason))
        return drafts, faults

    def _store(self, rules: SourceRules, drafts: Sequence[Draft], now: datetime) -> dict[str, Any]:
        taker = absorber(rules, self.entries, self.sources, now)
        absorbed = taker.take(None, Reading(drafts=tuple(drafts)))
        if taker.circumstances.first:
            self.entries.end_first_contact(rules.slug, now)
        fate = {draft.place: "new" for draft in absorbed.new} | {draft.place: "changed" for draft in absorbed.changed}
        held = {draft.place: reason for draft, reason in absorbed.held}
        known = self.entries.known([number for _, number in absorbed.stored])
        return {
            "entries": [
                {
                    "key": known[number].key,
                    "title": known[number].title,
                    "result": "held" if place in held else fate.get(place, "unchanged"),
                    **({"reason": held[place]} if place in held else {}),
                }
                for place, number in sorted(absorbed.stored)
            ]
        }


def fault(entry: int | None, field: str, reason: str) -> Fault:
    """What is wrong with a field of an entry, or with the whole request; the field's name may be anything."""
    return {"entry": entry, "field": escaped(field[:80]), "reason": reason}


def refused(faults: Sequence[Fault]) -> Pushed:
    """The answer that names them."""
    return Pushed(status=422, body={"errors": list(faults)})


def _by_place(fault: Fault) -> int:
    return -1 if fault["entry"] is None else int(fault["entry"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
