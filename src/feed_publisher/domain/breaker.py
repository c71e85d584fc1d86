"""When an issue must stop because the relay refuses *us*, not single readers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from feed_publisher.domain.delivery import Result, Stage, enhanced_code

WINDOW = 200
"""Messages that are looked back on."""

FEWEST = 10
"""So many refusals at least: a few may have a reason of their own."""

SHARE = 0.05

_OF_THE_READER = ("5.1.", "5.2.", "5.3.4", "5.6.")
"""Enhanced codes (RFC 3463) about an address, a mailbox, or this one message."""


def is_about_us(result: Result) -> bool:
    """Whether a refusal speaks of the sender: its reputation, its signature, its right to send."""
    if result.reply is None or not 500 <= result.reply.code < 600:
        return False
    code = enhanced_code(result.reply)
    return result.stage is not Stage.RCPT if code is None else not code.startswith(_OF_THE_READER)


@dataclass(slots=True)
class Breaker:
    """The latest results of one issue."""

    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def trips(self, result: Result) -> bool:
        """Whether the issue must stop now. Going on would only spoil the sender's name further."""
        refused = is_about_us(result)
        self._recent.append(refused)
        count = sum(self._recent) if refused else 0
        return count >= FEWEST and count > SHARE * len(self._recent)
