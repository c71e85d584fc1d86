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
from feed_publisher.domain.model import Draft, Reading
from feed_publisher.domain.source import SourceRules
from feed_publisher.ports.pickup import Answered, EntryStore, PushStore, SourceDocument, SourceStore
from feed_publisher.services.absorbing import absorber

MOST = 500
"""Entries in one request."""

REMEMBERED = timedelta(days=7)
"""How long an Idempotency-Key is known."""

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

    def take(self, rules: SourceRules, items: Sequence[Mapping[str, Any]], key: str) -> Pushed:
        """All entries of one request, or none: a wrong one is named with its field, and the request may come again.

        ``key`` is the Idempotency-Key, or "".
        """
        now, body_hash = self.clock(), _digest(json.dumps(items, sort_keys=True, default=str))
        earlier = self.pushes.seen(rules.slug, key) if key else None
        if earlier is not None:
            if not hmac.compare_digest(earlier.request_hash, body_hash):
                return _refused([_error(None, "Idempotency-Key", "was used for another request; take a new one")])
            return Pushed(status=earlier.status, body=earlier.response)
        drafts, errors = self._drafts(items)
        if errors:
            return _refused(errors)
        answer = Pushed(status=200, body=self._store(rules, drafts, key or body_hash, now))
        if key:
            done = Answered(request_hash=body_hash, status=answer.status, response=answer.body)
            self.pushes.remember(rules.slug, key, done, now)
            self.pushes.forget(now - REMEMBERED)
        return answer

    def withdraw(self, rules: SourceRules, identity: str) -> Pushed:
        """The source has deleted an entry, named by the id or the link it was pushed with."""
        reading = Reading(withdrawn=(identity,))
        document = SourceDocument(name=f"withdrawn {_digest(identity)}", fingerprint="")
        absorbed = absorber(rules, self.entries, self.sources, self.clock()).take(document, reading)
        return Pushed(status=200 if absorbed.withdrawn else 404, body={"withdrawn": list(absorbed.withdrawn)})

    def _drafts(self, items: Sequence[Mapping[str, Any]]) -> tuple[list[Draft], list[dict[str, Any]]]:
        drafts: list[Draft] = []
        errors: list[dict[str, Any]] = []
        for place, item in enumerate(items):
            try:
                drafts.append(replace(self.read(item, place), place=place))
            except InputError as error:
                errors.append(_error(place, error.where, error.reason))
        return drafts, errors

    def _store(self, rules: SourceRules, drafts: Sequence[Draft], name: str, now: datetime) -> dict[str, Any]:
        document = SourceDocument(name=f"push {_digest(name)}", fingerprint="")
        taker = absorber(rules, self.entries, self.sources, now)
        absorbed = taker.take(document, Reading(drafts=tuple(drafts)))
        if taker.circumstances.first:
            self.entries.end_first_contact(rules.slug, now)
        fate = {draft.place: "new" for draft in absorbed.new} | {draft.place: "changed" for draft in absorbed.changed}
        held = {draft.place: reason for draft, reason in absorbed.held}
        stored = self.entries.listed_in_document(rules.slug, document.name)
        return {
            "entries": [
                {
                    "key": each.known.key,
                    "title": each.known.title,
                    "result": "held" if each.place in held else fate.get(each.place, "unchanged"),
                    **({"reason": held[each.place]} if each.place in held else {}),
                }
                for each in sorted(stored, key=lambda each: each.place)
            ]
        }


def _error(entry: int | None, field: str, reason: str) -> dict[str, Any]:
    return {"entry": entry, "field": field, "reason": reason}


def _refused(errors: Sequence[Mapping[str, Any]]) -> Pushed:
    return Pushed(status=422, body={"errors": list(errors)})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
