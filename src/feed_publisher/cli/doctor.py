"""What the doctor found, as `check` and `send` show it."""

from __future__ import annotations

import asyncio

from feed_publisher.app import App
from feed_publisher.cli.common import Out
from feed_publisher.domain.diagnosis import Diagnosis, Health
from feed_publisher.domain.errors import ConfigError

_SHOWN = {Health.OK: "ok ", Health.WARN: "warn", Health.BAD: "BAD"}


def diagnoses(app: App, offline: bool, out: Out) -> list[Diagnosis]:
    """Nothing is asked in a rehearsal, in a trial on this machine alone, or ``offline``."""
    if not app.checkup.is_worth_it:
        return []
    if offline:
        out.say("     mail: not looked at, for --offline asks nobody")
        return []
    try:
        return asyncio.run(app.checkup.examine())
    except ConfigError:  # a key or password that cannot be read; a line above says so
        return []


def show_diagnosis(out: Out, each: Diagnosis) -> None:
    """A line, and under it what to put into the DNS, to be copied."""
    out.say(f"{_SHOWN[each.health]:<4} mail {each.about}: {each.text}" + (". Put into the DNS:" if each.record else ""))
    if each.record:
        out.say(f"       {each.record}")


def diagnosis_json(each: Diagnosis) -> dict[str, object]:
    """``stops``: a large `send` is refused for it."""
    return {
        "name": f"mail {each.about}",
        "level": each.health.value.lower(),
        "text": each.text,
        "dns": each.record or None,
        "stops": each.stops,
    }
