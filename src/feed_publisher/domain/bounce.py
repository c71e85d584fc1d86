"""What a report about a delivered mail means, and what follows from it (RFC 3463, 3464, 5965)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from feed_publisher.domain.delivery import DeliveryState

MAX_REASON = 500
FORWARDED = "X-Feed-Publisher-Forwarded"
"""In mail that we pass on: if it comes back to us, it is not passed on again."""


class BounceKind(StrEnum):
    """What a report says of one mail."""

    HARD = "hard"  # there is no such address
    SOFT = "soft"  # not now: the mailbox is full, the server was down
    UNCLEAR = "unclear"  # refused for good, without saying that it is the address
    REFUSED = "refused"  # refused for good, for what was sent or how
    POLICY = "policy"  # refused because of us: authentication, reputation, spam
    COMPLAINT = "complaint"  # its reader called it spam
    DELAYED = "delayed"  # still being tried
    DELIVERED = "delivered"  # it has arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One verdict on one mail. ``status``: enhanced code, or ""; ``reason``: the server's words, one line."""

    kind: BounceKind
    status: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip() if self.status not in self.reason else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What a report does. ``state``: of the delivery; ``scores``: it is a point against the address."""

    state: DeliveryState | None = None
    suppress: bool = False
    unsubscribe: bool = False
    scores: bool = False
    tell: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How many points an address may have, and how long one of them lasts."""

    limit: int = 5
    lasting: timedelta = timedelta(days=90)

    def is_over(self, days: Iterable[date], today: date) -> bool:
        """Whether the days on which mail came back are too many. A day is one point, whatever happened on it."""
        since = today - self.lasting
        return len({day for day in days if since < day <= today}) >= self.limit


_BOUNCED = DeliveryState.BOUNCED
_CONSEQUENCES = {
    BounceKind.HARD: Consequence(state=_BOUNCED, suppress=True),
    BounceKind.SOFT: Consequence(state=_BOUNCED, scores=True),
    BounceKind.UNCLEAR: Consequence(state=_BOUNCED, scores=True),
    BounceKind.REFUSED: Consequence(state=_BOUNCED),
    BounceKind.POLICY: Consequence(state=_BOUNCED, tell=True),
    BounceKind.COMPLAINT: Consequence(suppress=True, unsubscribe=True),
    BounceKind.DELAYED: Consequence(),
    BounceKind.DELIVERED: Consequence(state=DeliveryState.SENT),
}
SCORING = tuple(kind for kind, consequence in _CONSEQUENCES.items() if consequence.scores)


def consequence(kind: BounceKind) -> Consequence:
    """What follows from a report."""
    return _CONSEQUENCES[kind]


def origins(state: DeliveryState) -> tuple[DeliveryState, ...]:
    """The states of a delivery that a report may move to ``state`` (SEMANTICS §3)."""
    unknown = DeliveryState.UNKNOWN
    return (unknown,) if state is DeliveryState.SENT else (unknown, DeliveryState.SENT)


_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_BASIC = re.compile(r"(?<![\d.])([45])\d\d(?=[ -])")
_NO_SUCH_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
_FULL = {"5.2.2", "5.4.5", "5.4.7"}
"""Called permanent because trying has ended: the mailbox was full, or the time was over."""

_ABOUT_THE_MAIL = {"5.2.3", "5.4.1", "5.4.6", "5.4.8"}
_SAYS_NOTHING = {"5.0.0", "4.0.0", "2.0.0"}
_ABOUT_US = re.compile(
    r"\b(spam|blacklist|blocklist|block list|reputation|dmarc|dkim|spf|unsolicited|policy|listed (?:by|at|on|in)"
    r"|spamhaus|rbl|dnsbl|abus)",
    re.IGNORECASE,
)
_UNKNOWN_USER = re.compile(
    r"user unknown|unknown user|no such (?:user|mailbox|recipient|address)|does(?: not|n't) exist|mailbox not found"
    r"|unknown (?:recipient|mailbox|address)|invalid (?:recipient|mailbox)|recipient not found|user not found"
    r"|no mailbox (?:here )?by that name|account (?:has been )?(?:disabled|closed)|address (?:is )?unknown",
    re.IGNORECASE,
)
_NOT_NOW = re.compile(r"quota|mailbox (?:is )?full|over ?quota|insufficient (?:system )?storage", re.IGNORECASE)


def codes(text: str) -> list[str]:
    """The enhanced status codes in a text, in their order."""
    return [".".join(found) for found in _CODE.findall(text[: 4 * MAX_REASON])]


def classify_failure(status: str, said: str) -> BounceKind:
    """A failure, from its status code ("" for none) and the words of the server.

    Where the two differ, the words win if they have a code of the same class that says more: gateways put 5.0.0 on
    everything. 5.7.x, 5.3.x, 5.5.x and 5.6.x are never about the address.
    """
    code = _telling(status, codes(said))
    if not code:
        return _by_words(said)
    if code.startswith("4."):
        return BounceKind.POLICY if code.startswith("4.7.") else BounceKind.SOFT
    if code in _NO_SUCH_ADDRESS:
        return BounceKind.POLICY if _ABOUT_US.search(said) and not _UNKNOWN_USER.search(said) else BounceKind.HARD
    if code in _FULL or (code.startswith("5.2.") and _NOT_NOW.search(said)):
        return BounceKind.SOFT
    if code.startswith("5.7."):
        return BounceKind.POLICY
    if code.startswith(("5.1.", "5.2.", "5.4.")) and code not in _ABOUT_THE_MAIL:
        return BounceKind.UNCLEAR
    return BounceKind.REFUSED


def _telling(status: str, found: list[str]) -> str:
    """The code that says most: that of the report unless it says nothing, else one in the words."""
    if status and status not in _SAYS_NOTHING:
        return status
    wanted = status[:1] or "45"
    return next((code for code in found if code[0] in wanted and code not in _SAYS_NOTHING), "")


def _by_words(said: str) -> BounceKind:
    """Without a code that says something: words are a reason for less, never for taking an address off."""
    if _ABOUT_US.search(said):
        return BounceKind.POLICY
    basic = _BASIC.search(said)
    if _NOT_NOW.search(said) or (basic and basic[1] == "4"):
        return BounceKind.SOFT
    return BounceKind.UNCLEAR


_LENIENT = (
    BounceKind.DELIVERED,
    BounceKind.DELAYED,
    BounceKind.POLICY,
    BounceKind.REFUSED,
    BounceKind.SOFT,
    BounceKind.UNCLEAR,
    BounceKind.HARD,
)


def mildest(reports: Iterable[Report]) -> Report | None:
    """Of reports about several recipients of one mail, for an address may stand for several people."""
    return min(reports, key=lambda report: _LENIENT.index(report.kind), default=None)
